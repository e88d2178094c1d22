"""A batch: it opens at a time, serves the queue, applies transactions, and publishes what it did.

Queue items come before transactions, so a sequencer cannot slip a trade between an item and its effect.
All of a batch has one time, its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rollup.admission import changes_to
from rollup.authority import SignatureCheck
from rollup.codec import BatchContent, QueuedItem, encode_batch
from rollup.events import BatchOpened, Claim, Event
from rollup.outcome import Outcome, Transaction
from rollup.rejections import Rejection
from rollup.state import State
from rollup.system import with_batch_opened
from rollup.transition import apply_l1_item, apply_transaction
from rollup.units import WIDTH_BITS, BatchNumber, QueuePosition, Time, fits


@dataclass(frozen=True, slots=True)
class Batch:
    """What a sequencer proposes."""

    number: BatchNumber
    time: Time
    queue_start: QueuePosition
    items: tuple[QueuedItem, ...]
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The state afterwards, what is published, and what happened, step by step.

    Every step holds the whole state after it, which costs nothing here and everything when it is pickled.
    Another process is handed the events and the content.
    """

    state: State
    content: BatchContent
    published: bytes
    opened: BatchOpened
    items: tuple[Outcome, ...]
    transactions: tuple[Outcome, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event in order."""
        steps = (*self.items, *self.transactions)
        return (self.opened, *(event for step in steps for event in step.events))


class BatchPart(StrEnum):
    """Where in a batch a rule was broken."""

    HEADER = "header"
    ITEM = "item"
    TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True)
class RejectedBatch:
    """The first rule that a batch breaks."""

    part: BatchPart
    position: int
    rejection: Rejection


def open_batch(state: State, time: Time) -> tuple[State, BatchOpened] | Rejection:
    """Begin the next batch.

    The contract adds that the time is not after the L1 block's and at most an hour before it.
    """
    if not fits(time, WIDTH_BITS["Time"]) or not fits(
        state.system.batch_number + 1, WIDTH_BITS["BatchNumber"]
    ):
        return Rejection.FIELD_OUT_OF_RANGE
    if time < state.system.time:
        return Rejection.TIME_RUNS_BACKWARDS
    system = with_batch_opened(state.system, time)
    return state.with_leaves(system), BatchOpened(changes_to(state, system))


def serve_item(state: State, queued: QueuedItem, check: SignatureCheck) -> Outcome | Rejection:
    """Consume the next queue item in the batch that is open.

    Soundness: a batch may be an hour behind L1. Were it allowed to serve an item from its own future, it could serve a
    settlement price before the expiry, where it has no effect, and the group would never be settled.
    """
    if queued.time < 0:
        return Rejection.FIELD_OUT_OF_RANGE
    if queued.time > state.system.time:
        return Rejection.QUEUE_ITEM_FROM_FUTURE
    return apply_l1_item(state, queued.item, check)


def claims_of(outcomes: tuple[Outcome, ...]) -> tuple[Claim, ...]:
    """List the claims that steps made, in order: a claim's place in the list is its index on L1."""
    return tuple(claim for outcome in outcomes for event in outcome.events for claim in event.claims)


def publish(
    before: State,
    time: Time,
    items: tuple[tuple[QueuedItem, Outcome], ...],
    transactions: tuple[Outcome, ...],
) -> BatchContent:
    """Gather what a batch publishes, from the state before it and its steps."""
    return BatchContent(
        BatchNumber(before.system.batch_number + 1),
        time,
        before.system.queue_position,
        tuple(queued for queued, _ in items),
        tuple(outcome.record for outcome in transactions),
        claims_of((*(outcome for _, outcome in items), *transactions)),
    )


def apply_batch(state: State, batch: Batch, check: SignatureCheck) -> BatchOutcome | RejectedBatch:
    """Apply a whole batch, or say which rule it breaks first."""
    if batch.number != state.system.batch_number + 1:
        return RejectedBatch(BatchPart.HEADER, 0, Rejection.BATCH_NUMBER_NOT_NEXT)
    if batch.queue_start != state.system.queue_position:
        return RejectedBatch(BatchPart.HEADER, 0, Rejection.QUEUE_POSITION_NOT_NEXT)
    if not all(fits(len(part), WIDTH_BITS["Count"]) for part in (batch.items, batch.transactions)):
        return RejectedBatch(BatchPart.HEADER, 0, Rejection.BATCH_TOO_LARGE)
    opened = open_batch(state, batch.time)
    if isinstance(opened, Rejection):
        return RejectedBatch(BatchPart.HEADER, 0, opened)
    current, event = opened
    items: list[Outcome] = []
    for position, queued in enumerate(batch.items):
        served = serve_item(current, queued, check)
        if isinstance(served, Rejection):
            return RejectedBatch(BatchPart.ITEM, position, served)
        items.append(served)
        current = served.state
    transactions: list[Outcome] = []
    for position, transaction in enumerate(batch.transactions):
        applied = apply_transaction(current, transaction, check)
        if isinstance(applied, Rejection):
            return RejectedBatch(BatchPart.TRANSACTION, position, applied)
        transactions.append(applied)
        current = applied.state
    content = publish(state, batch.time, tuple(zip(batch.items, items, strict=True)), tuple(transactions))
    if not fits(len(content.claims), WIDTH_BITS["Count"]):
        return RejectedBatch(BatchPart.HEADER, 0, Rejection.BATCH_TOO_LARGE)
    return BatchOutcome(current, content, encode_batch(content), event, tuple(items), tuple(transactions))
