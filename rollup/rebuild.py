"""Rebuilding the state from L1 alone: the genesis and the data of every batch, in order.

Signatures and limits are not published; the proof vouches for them.
Everything else is repeated by the very code that made the batch, margin included.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollup.authority import SignatureCheck
from rollup.batch import claims_of, open_batch, serve_item
from rollup.codec import BatchContent, decode_batch
from rollup.fields import MalformedError
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.state import State
from rollup.transition import apply_record


class RebuildError(Exception):
    """Published data that no batch following the rules from this state could have published."""


def rebuild_batch(state: State, published: bytes, check: SignatureCheck) -> State:
    """Repeat one batch from its data; the check serves key registration only."""
    try:
        content = decode_batch(published)
    except MalformedError as error:
        raise RebuildError(f"what follows batch {state.system.batch_number} is no batch: {error}") from error
    if content.number != state.system.batch_number + 1:
        raise RebuildError(f"batch {content.number} does not follow batch {state.system.batch_number}")
    if content.queue_start != state.system.queue_position:
        raise RebuildError(f"queue position {content.queue_start} is not {state.system.queue_position}")
    opened = open_batch(state, content.time)
    if isinstance(opened, Rejection):
        raise RebuildError(f"batch {content.number} cannot open: {opened}")
    current, _ = opened
    outcomes: list[Outcome] = []
    for queued in content.items:
        outcomes.append(_accepted(serve_item(current, queued, check), content, len(outcomes)))
        current = outcomes[-1].state
    for record in content.records:
        outcomes.append(_accepted(apply_record(current, record), content, len(outcomes)))
        current = outcomes[-1].state
    if claims_of(tuple(outcomes)) != content.claims:
        raise RebuildError(f"the claims of batch {content.number} do not follow from its steps")
    return current


def _accepted(outcome: Outcome | Rejection, content: BatchContent, position: int) -> Outcome:
    """Insist that a published step follows the rules."""
    if isinstance(outcome, Rejection):
        raise RebuildError(f"step {position} of batch {content.number} breaks a rule: {outcome}")
    return outcome


def rebuild(genesis: State, published: Iterable[bytes], check: SignatureCheck) -> State:
    """Repeat every batch."""
    state = genesis
    for batch in published:
        state = rebuild_batch(state, batch, check)
    return state
