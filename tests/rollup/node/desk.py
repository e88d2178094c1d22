"""A small market with real keys, an in-process queue and a clock that is set by hand, for the node's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.clearing_workload import ORDER_TAG, Market, plain
from rollup.admission import message_of
from rollup.codec import QueuedItem
from rollup.instruments import SeriesId
from rollup.node.engine import Engine
from rollup.node.inputs import CANCEL_REQUEST_TAG, CancelRequest, OpenBatch
from rollup.node.sequencer import Sequencer, SequencerSettings
from rollup.node.storage import DataDirectory
from rollup.node.verified import VerifiedSignatures
from rollup.orders import SignedOrder
from rollup.outcome import QueueItem, Transaction
from rollup.schnorr import SepticSchnorr
from rollup.schnorr_batch import sign_many
from rollup.transactions import TAGS
from rollup.units import AccountId, QueuePosition, Side, Time
from tests.rollup.workbench import UNSIGNED

ALICE, BOB, CAROL = 2, 3, 4
DOLLAR = 1_000_000


@dataclass
class HandClock:
    time: int

    def now(self) -> Time:
        return Time(self.time)


@dataclass
class ListQueue:
    items: list[QueuedItem] = field(default_factory=list)

    def items_from(self, position: QueuePosition, count: int) -> Sequence[QueuedItem]:
        return self.items[position : position + count]

    def add(self, time: int, item: QueueItem) -> None:
        self.items.append(plain(QueuedItem, time, item))


@cache
def small_market() -> Market:
    return Market(accounts=6)


@dataclass
class Desk:
    """Signs for everybody and numbers their orders."""

    market: Market = field(default_factory=small_market)
    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    expiry: int | None = None

    @property
    def calls(self) -> tuple[SeriesId, ...]:
        return self.market.series[::2]

    def order(self, account: int, side: Side, dollars: float, lots: int, **changes: object) -> SignedOrder:
        series = changes.pop("series", self.market.series[0])
        slot = changes.get("slot", 0)
        assert isinstance(slot, int)
        number = self.numbers[account, slot] = self.numbers.get((account, slot), 0) + 1
        made = self.market.order(
            account,
            side,
            plain(SeriesId, series),
            round(dollars * DOLLAR),
            lots,
            **({"number": number} | changes),
        )
        return self.market.signed([made])[0]

    def buy(self, account: int, dollars: float, lots: int, **changes: object) -> SignedOrder:
        return self.order(account, Side.BUY, dollars, lots, **changes)

    def sell(self, account: int, dollars: float, lots: int, **changes: object) -> SignedOrder:
        return self.order(account, Side.SELL, dollars, lots, **changes)

    def cancel(self, account: int, slot: int, number: int) -> CancelRequest:
        request = plain(CancelRequest, account, slot, number, UNSIGNED)
        message = message_of(
            self.market.genesis.system.deployment,
            self.market.secrets[account].trading_key.suite,
            AccountId(account),
            CANCEL_REQUEST_TAG,
            request,
        )
        return plain(
            CancelRequest, account, slot, number, sign_many([self.market.secrets[account]], [message])[0]
        )

    def transaction(self, kind: type[Transaction], account: int, *values: object) -> Transaction:
        """A transaction whose last field is its signature, signed by an account."""
        unsigned = plain(kind, *values, UNSIGNED)
        message = message_of(
            self.market.genesis.system.deployment,
            self.market.secrets[account].trading_key.suite,
            AccountId(account),
            TAGS[kind],
            unsigned,
        )
        return plain(kind, *values, sign_many([self.market.secrets[account]], [message])[0])

    def engine(self) -> Engine:
        """An engine whose first batch is open, with everybody's money in it."""
        engine = Engine(self.market.genesis, VerifiedSignatures(SepticSchnorr()))
        engine.apply(OpenBatch(Time(self.market.time), tuple(self.market.queue_items())))
        return engine

    def sequencer(self, path: Path, **settings: object) -> tuple[Sequencer, HandClock, ListQueue]:
        clock, queue = HandClock(self.market.time), ListQueue(self.market.queue_items())
        chosen = plain(SequencerSettings, **({"batch_seconds": 3600.0, "queue_seconds": 3600.0} | settings))
        return Sequencer(DataDirectory(path), self.market.genesis, clock, queue, chosen), clock, queue


__all__ = ["ALICE", "BOB", "CAROL", "DOLLAR", "ORDER_TAG", "Desk", "HandClock", "ListQueue", "small_market"]
