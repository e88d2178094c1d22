"""The deterministic heart of the node: inputs in, trades and batches out; no clock, no disk, no network.

Every change comes through `apply`. An input that is refused changes nothing and is never written to the journal, so a
restart that applies the journal again goes through exactly the same states.
What follows from an input (fills, departures, a sealed batch) is its effect; nothing else is remembered of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never
from zlib import crc32

from rollup.admission import met_margin, message_of
from rollup.authority import TradingKey
from rollup.batch import Batch, open_batch, publish, serve_item
from rollup.codec import BatchContent, BatchHeader, QueuedItem, encode_batch, encode_queued_item, encode_record
from rollup.events import Claim, Event, Traded
from rollup.fields import is_in_range, word_bytes
from rollup.formulas import buyer_cash, premium, seller_cash
from rollup.instruments import group_of
from rollup.node.inputs import (
    CANCEL_REQUEST_TAG,
    CancelOrder,
    CloseBatch,
    Input,
    OpenBatch,
    PlaceOrder,
    SubmitTransaction,
)
from rollup.node.order_book import Attempt, Departed, Departure, Entry, OrderBook
from rollup.node.refusals import Refusal
from rollup.node.verified import VerifiedSignatures
from rollup.orders import Order, SignedOrder, filled_before, slot_rejection, time_rejection
from rollup.outcome import Outcome, RuleBrokenError, Transaction
from rollup.positions import with_lots
from rollup.rejections import Rejection
from rollup.state import Account, Leaf, LeafIndex, State, index_of_leaf
from rollup.transactions import TAGS, Trade
from rollup.transactions.trade import fee_up
from rollup.transition import apply_transaction
from rollup.units import AccountId, BatchNumber, FillLots, OrderKind, OrderNumber, Side, SlotIndex, Time

ORDER_TAG: int = TAGS[Trade]
"""An order is signed as part of the trade it may become."""

Reason = Rejection | Refusal


@dataclass(frozen=True, slots=True)
class Limits:
    """What this node allows beyond the rules; part of the engine, because replay must decide alike."""

    open_orders_per_account: int = 256
    """An account has as many slots."""
    open_orders: int = 200_000
    """About 400 MB of orders and their signatures."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade, as the feed tells it."""

    trade: Traded
    maker: Entry
    taker: Entry


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A closed batch with all that is kept of it."""

    batch: Batch
    content: BatchContent
    published: bytes
    before: dict[LeafIndex, Leaf | None]
    after: dict[LeafIndex, Leaf]
    state_before: State
    state_after: State

    @property
    def number(self) -> BatchNumber:
        """Its number."""
        return self.batch.number


@dataclass(frozen=True, slots=True)
class Effects:
    """What an input did."""

    sequence: int
    fills: tuple[Fill, ...] = ()
    departed: tuple[Departed, ...] = ()
    placed: Entry | None = None
    outcomes: tuple[Outcome, ...] = ()
    sealed: SealedBatch | None = None

    @property
    def fingerprint(self) -> int:
        """A checksum of what the input did to the state: a replay that does something else is noticed."""
        checksum = crc32(self.sequence.to_bytes(8))
        for outcome in self.outcomes:
            checksum = crc32(
                encode_record(outcome.record) if not isinstance(outcome.record, _QUEUE) else b"item", checksum
            )
        for one in self.departed:
            checksum = crc32(f"{one.entry.sequence} {one.reason}".encode(), checksum)
        return crc32(self.sealed.published, checksum) if self.sealed else checksum


@dataclass(slots=True)
class _OpenBatch:
    """The batch that is being filled."""

    before: State
    items: tuple[tuple[QueuedItem, Outcome], ...]
    transactions: list[Transaction] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    length: int = 0
    claims: int = 0
    leaves_before: dict[LeafIndex, Leaf | None] = field(default_factory=dict)
    leaves_after: dict[LeafIndex, Leaf] = field(default_factory=dict)

    def note(self, events: tuple[Event, ...]) -> None:
        """Remember what a step changed and what it adds to the batch's data."""
        for event in events:
            for change in event.changes:
                self.leaves_before.setdefault(change.index, change.before)
                self.leaves_after[change.index] = change.after
            claims = len(event.claims)
            self.claims += claims
            self.length += claims * word_bytes(Claim)
