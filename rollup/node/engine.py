"""The deterministic heart of the node: inputs in, trades and batches out; no clock, no disk, no network.

Every change comes through `apply`.
An input that is refused changes nothing and never reaches the journal, so a restart that applies the journal again goes
through exactly the same states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from rollup.admission import checked_signature, known_group
from rollup.batch import Batch, open_batch, serve_item
from rollup.codec import (
    BatchContent,
    BatchHeader,
    encode_batch,
    encode_queued_item,
)
from rollup.events import Traded
from rollup.fields import is_in_range, word_bytes
from rollup.instruments import group_of
from rollup.node.batch_in_progress import BatchInProgress
from rollup.node.effects import BookChanges, Effects, Fill, SealedBatch, Source
from rollup.node.fitness import holding_rejection, maker_rejection
from rollup.node.inputs import (
    CANCEL_REQUEST_TAG,
    CancelOrder,
    CancelRequest,
    CloseBatch,
    Input,
    OpenBatch,
    PlaceOrder,
    SubmitTransaction,
)
from rollup.node.order_book import Attempt, Departed, Departure, Entry, OrderBook
from rollup.node.refusals import Refusal
from rollup.node.room import BatchLimits, is_full
from rollup.node.signed import claim_of, signed_part
from rollup.node.verified import VerifiedSignatures
from rollup.orders import Order, SignedOrder, filled_before, slot_rejection, time_rejection
from rollup.outcome import Outcome, RuleBrokenError
from rollup.rejections import Rejection
from rollup.schnorr_batch import SignedMessage
from rollup.state import Account, State
from rollup.transactions import TAGS, Trade
from rollup.transition import apply_transaction
from rollup.units import (
    AccountId,
    BatchNumber,
    FillLots,
    OrderKind,
    OrderNumber,
    Side,
    SlotIndex,
    Time,
)

ORDER_TAG: int = TAGS[Trade]
"""An order is signed as part of the trade it may become."""

INPUTS_PER_CHECKPOINT: int = 10_000
"""A batch without content is closed all the same after so many inputs: a restart replays them in three seconds."""

Reason = Rejection | Refusal
"""Why an input is turned away: by a rule, or by this node."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What this node allows beyond the rules."""

    open_orders_per_account: int = 256
    """An account has as many slots."""
    open_orders: int = 200_000
    """About 400 MB of orders with their signatures."""


@dataclass(slots=True)
class _Met:
    """What came of an order's meetings."""

    fills: list[Fill]
    outcomes: list[Outcome]
    spelled: list[bytes]


class Engine:
    """State, book and open batch; `sequence` counts the inputs that were taken."""

    def __init__(
        self,
        state: State,
        check: VerifiedSignatures,
        limits: Limits | None = None,
        batch_limits: BatchLimits | None = None,
    ) -> None:
        self.state = state
        self.check = check
        self.limits = limits or Limits()
        self.batch_limits = batch_limits or BatchLimits()
        self.book = OrderBook()
        self.seen: dict[tuple[AccountId, SlotIndex], OrderNumber] = {}
        self.sequence = 0
        self.time: Time = state.system.time
        self._changes = BookChanges()
        self._sealed_at = 0
        self._open: BatchInProgress | None = None

    # ------------------------------------------------------------------------------------------- readings

    @property
    def is_open(self) -> bool:
        """Say whether a batch is open."""
        return self._open is not None

    @property
    def open_length(self) -> int:
        """Bytes that the open batch would publish."""
        return 0 if self._open is None else self._open.length

    @property
    def open_count(self) -> int:
        """Transactions in the open batch."""
        return 0 if self._open is None else len(self._open.transactions)

    def has_no_room(self, limits: BatchLimits) -> bool:
        """Say whether the open batch needs nearly all that a proof has room for."""
        return self._open is not None and is_full(self._open.load, limits, self._open.length)

    def _is_provable(self, outcome: Outcome) -> bool:
        """Whether the open batch can still be proved with this in it."""
        batch = self._batch()
        return batch.load.has_room_for(outcome.events, outcome.state, self.batch_limits, batch.length)

    def seen_number(self, account: AccountId, slot: SlotIndex) -> int:
        """The largest order number a slot has seen, or minus one."""
        leaf = self.state.slot(account, slot)
        return max(self.seen.get((account, slot), -1), -1 if leaf is None else leaf.number)

    def signed_message(self, entry: Input) -> SignedMessage | None:
        """What has to be verified of an input, if anything is and its signer has a key."""
        match entry:
            case PlaceOrder():
                part = signed_part(entry.signed)
            case CancelOrder():
                part = signed_part(entry.request)
            case SubmitTransaction():
                part = signed_part(entry.transaction)
            case _:
                return None
        holder = None if part is None else self.state.account(part.account)
        if part is None or holder is None or holder.key is None:
            return None
        return claim_of(self.state.system.deployment, holder.key, part)

    # --------------------------------------------------------------------------------------------- inputs

    def apply(self, entry: Input) -> Effects | Reason:
        """Take an input, or say why it is turned away."""
        effects: Effects | Reason
        match entry:
            case PlaceOrder():
                effects = self._place(entry)
            case CancelOrder():
                effects = self._cancel(entry)
            case SubmitTransaction():
                effects = self._submit(entry)
            case OpenBatch():
                effects = self._open_batch(entry)
            case CloseBatch():
                effects = self._close_batch(entry)
            case _:
                assert_never(entry)
        if isinstance(effects, Effects):
            self.sequence = effects.sequence
            self.time = entry.time
        return effects

    def _batch(self) -> BatchInProgress:
        if self._open is None:
            raise RuntimeError("an input came while no batch was open")
        return self._open

    def _leave(self, entry: Entry, reason: Departure) -> Departed:
        self._changes.leave(entry)
        return self.book.remove(entry, reason)

    def _expire(self, now: Time) -> list[Departed]:
        departed = self.book.expire(now)
        for one in departed:
            self._changes.leave(one.entry)
        return departed

    # --------------------------------------------------------------------------------------------- orders

    def order_rejection(self, order: Order, now: Time) -> Reason | None:
        """Say why an order cannot be taken, signature aside."""
        if not is_in_range(order):
            return Rejection.FIELD_OUT_OF_RANGE
        state = self.state
        account, group = state.account(order.account), state.group(order.group)
        if account is None:
            return Rejection.ACCOUNT_UNKNOWN
        if account.key is None:
            return Rejection.KEY_MISSING
        if group is None:
            return Rejection.GROUP_UNKNOWN
        if not group.lists(order.series):
            return Rejection.SERIES_NOT_LISTED
        if state.system.time >= group.expiry:
            return Rejection.GROUP_EXPIRED
        if now >= group.expiry:
            return Refusal.GROUP_HAS_EXPIRED
        if order.lots == 0:
            return Rejection.LOTS_ARE_ZERO
        parameters = state.system.parameters
        worst_rate = max(parameters.maker_fee_rate, parameters.taker_fee_rate)
        if order.max_fee_rate < worst_rate:
            return Rejection.FEE_ABOVE_MAXIMUM
        dead = (
            time_rejection(order, now)
            or time_rejection(order, state.system.time)
            or slot_rejection(account, state.slot(order.account, order.slot), order.number)
        )
        if dead is not None:
            return dead
        if order.number <= self.seen_number(order.account, order.slot):
            return Refusal.ORDER_NUMBER_USED
        if self.book.order_in(order.account, order.slot) is None:
            if self.book.count_of(order.account) >= self.limits.open_orders_per_account:
                return Refusal.OPEN_ORDERS_TOO_MANY
            if self.book.count >= self.limits.open_orders:
                return Refusal.BOOK_FULL
        if order.kind is OrderKind.POST_ONLY and self.book.would_take(order):
            return Refusal.POST_ONLY_WOULD_TAKE
        return holding_rejection(state, order, order.limit_price, order.lots, worst_rate)

    def _place(self, entry: PlaceOrder) -> Effects | Reason:
        signed, order = entry.signed, entry.signed.order
        self._batch()
        reason = self.order_rejection(order, entry.time)
        if reason is None:
            reason = self._signature_rejection(order.account, ORDER_TAG, order, signed)
        if reason is not None:
            return reason
        departed = self._expire(entry.time)
        resting = self.book.order_in(order.account, order.slot)
        if resting is not None:
            departed.append(self._leave(resting, Departure.REPLACED))
        sequence = self.sequence + 1
        taker = Entry(signed, sequence, order.lots)
        self.seen[order.account, order.slot] = order.number
        self._changes.seen[order.account, order.slot] = order.number
        met = _Met([], [], [])
        left = self.book.place(taker, lambda maker, taker, lots: self._meet(maker, taker, lots, met))
        for one in left:
            if one.entry is not taker:
                self._changes.leave(one.entry)
        if self.book.order_in(order.account, order.slot) is taker:
            self._changes.enter(taker)
        return Effects(
            sequence,
            entry.time,
            tuple(met.fills),
            (*departed, *left),
            taker,
            tuple(met.outcomes),
            tuple(met.spelled),
        )

    def _meet(self, maker: Entry, taker: Entry, lots: int, met: _Met) -> Attempt:
        """Try a trade; where the rules refuse it, find out whose order is unfit."""
        buyer_is_maker = maker.order.side is Side.BUY
        buy, sell = (maker.signed, taker.signed) if buyer_is_maker else (taker.signed, maker.signed)
        trade = Trade(buy, sell, buyer_is_maker, FillLots(lots))
        outcome = apply_transaction(self.state, trade, self.check)
        if isinstance(outcome, Rejection):
            rejection = maker_rejection(self.state, maker.signed, lots, ORDER_TAG, self.check)
            return Attempt.TAKER_UNFIT if rejection is None else Attempt.MAKER_UNFIT
        if not self._is_provable(outcome):
            # An order of very many fills: what is left of it leaves the book, which it would else stand across.
            return Attempt.TAKER_UNFIT
        buy_from, sell_from = (maker, taker) if buyer_is_maker else (taker, maker)
        source = Source(buy_from.sequence, sell_from.sequence, buyer_is_maker, lots)
        met.spelled.append(self._batch().add(trade, outcome, source))
        met.outcomes.append(outcome)
        self.state = outcome.state
        traded = outcome.events[-1]
        if not isinstance(traded, Traded):
            raise TypeError("a trade ends with what was traded")
        met.fills.append(Fill(traded, maker, taker))
        return Attempt.TRADED

    def _signature_rejection(
        self, account: AccountId, tag: int, signed: object, carrier: SignedOrder | CancelRequest
    ) -> Rejection | None:
        try:
            checked_signature(self.state, account, tag, signed, carrier.signature, self.check)
        except RuleBrokenError as broken:
            return broken.rejection
        return None

    def _cancel(self, entry: CancelOrder) -> Effects | Reason:
        request = entry.request
        if not is_in_range(request):
            return Rejection.FIELD_OUT_OF_RANGE
        resting = self.book.order_in(request.account, request.slot)
        if resting is None or resting.order.number != request.number:
            return Refusal.ORDER_NOT_IN_BOOK
        rejection = self._signature_rejection(request.account, CANCEL_REQUEST_TAG, request, request)
        if rejection is not None:
            return rejection
        return Effects(self.sequence + 1, entry.time, departed=(self._leave(resting, Departure.CANCELLED),))

    # --------------------------------------------------------------------------- transactions and batches

    def _submit(self, entry: SubmitTransaction) -> Effects | Reason:
        if isinstance(entry.transaction, Trade):
            return Refusal.NOT_SUBMITTED_HERE
        batch = self._batch()
        outcome = apply_transaction(self.state, entry.transaction, self.check)
        if isinstance(outcome, Rejection):
            return outcome
        if not self._is_provable(outcome):
            return Refusal.BUSY
        spelled = batch.add(entry.transaction, outcome, Source(self.sequence + 1))
        self.state = outcome.state
        departed = self._expire(entry.time) + self._drop_dead(outcome)
        return Effects(
            self.sequence + 1,
            entry.time,
            departed=tuple(departed),
            outcomes=(outcome,),
            spelled=(spelled,),
        )

    def _open_batch(self, entry: OpenBatch) -> Effects | Reason:
        if self._open is not None:
            raise RuntimeError("a batch is open already")
        before = self.state
        opened = open_batch(before, entry.time)
        if isinstance(opened, Rejection):
            return opened
        current, event = opened
        served: list[Outcome] = []
        for queued in entry.items:
            outcome = serve_item(current, queued, self.check)
            if isinstance(outcome, Rejection):
                return outcome
            served.append(outcome)
            current = outcome.state
        items = sum(len(encode_queued_item(queued)) for queued in entry.items)
        batch = BatchInProgress(
            None if served else before,
            before.system.queue_position,
            entry.items,
            word_bytes(BatchHeader) + items,
        )
        for queued in entry.items:
            batch.load.note_item(queued.item, before)
        batch.note((event,), before)
        for outcome in served:
            batch.note(outcome.events, outcome.state)
        self._open, self.state = batch, current
        departed = self._expire(entry.time)
        for outcome in served:
            departed += self._drop_dead(outcome)
        departed += self._drop_expired_groups(entry.time)
        return Effects(
            self.sequence + 1,
            entry.time,
            departed=tuple(departed),
            outcomes=tuple(served),
            spelled=tuple(type(outcome.events[-1]).__name__.encode() for outcome in served),
        )

    def _drop_dead(self, outcome: Outcome) -> list[Departed]:
        """Take out orders that a raised floor or a new key has killed."""
        departed: list[Departed] = []
        for change in (change for event in outcome.events for change in event.changes):
            if not isinstance(change.after, Account) or not isinstance(change.before, Account):
                continue
            account, before = change.after, change.before
            if account.key != before.key:
                dead = self.book.orders_of(account.account)
            elif account.order_floor != before.order_floor:
                dead = self.book.orders_below(account.account, account.order_floor)
            else:
                continue
            departed += [self._leave(entry, Departure.CANCELLED) for entry in dead]
        return departed

    def _drop_expired_groups(self, now: Time) -> list[Departed]:
        """Take out every order of a group that has expired; they could never trade again."""
        expired = {group for group in self.book.groups() if known_group(self.state, group).expiry <= now}
        if not expired:
            return []
        dead = [entry for entry in self.book.entries() if group_of(entry.order.series) in expired]
        return [self._leave(entry, Departure.DELISTED) for entry in dead]

    def _close_batch(self, entry: CloseBatch) -> Effects:
        batch, system = self._batch(), self.state.system
        if batch.before is not None and self.sequence - self._sealed_at < INPUTS_PER_CHECKPOINT:
            # Orders that only rest need no batch on Ethereum: this one never was.
            self._open, self.state = None, batch.before
            return Effects(self.sequence + 1, entry.time)
        content = BatchContent(
            BatchNumber(system.batch_number),
            system.time,
            batch.queue_start,
            batch.items,
            tuple(batch.records),
            tuple(batch.claims),
        )
        sealed = SealedBatch(
            Batch(content.number, content.time, content.queue_start, batch.items, tuple(batch.transactions)),
            content,
            encode_batch(content, bytes(batch.spelled)),
            tuple(batch.sources),
            batch.leaves_before,
            batch.leaves_after,
            self.sequence + 1,
            self._changes,
        )
        self._open, self._changes, self._sealed_at = None, BookChanges(), self.sequence + 1
        return Effects(self.sequence + 1, entry.time, sealed=sealed)

    # -------------------------------------------------------------------------------------------- restart

    def restore(
        self,
        sequence: int,
        resting: list[tuple[int, SignedOrder]],
        seen: dict[tuple[AccountId, SlotIndex], OrderNumber],
    ) -> None:
        """Take over the book of a checkpoint, whose state the engine was made with."""
        for place, signed in resting:
            order = signed.order
            filled = filled_before(self.state.slot(order.account, order.slot), order.number)
            self.book.rest(Entry(signed, place, order.lots - filled))
        self.seen = seen
        self.sequence = self._sealed_at = sequence
        self.book.touched.clear()
