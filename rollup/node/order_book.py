"""The order book: price first, then time; limit, immediate and post-only orders; nobody trades with themselves.

One side of one series is a list of prices, best first, and at each price the orders in the order they came.
The book decides who meets whom; whether a meeting becomes a trade is asked of the caller, who asks the rules.
It reads no clock and draws no random number: the same calls in the same order always give the same trades.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush

from rollup.instruments import SeriesId, group_of
from rollup.orders import Order, SignedOrder
from rollup.units import WIDTH_BITS, AccountId, GroupId, OrderKind, OrderNumber, Price, Side, SlotIndex, Time

MAX_FILL_LOTS: int = (1 << WIDTH_BITS["FillLots"]) - 1
"""A trade's lots fit one word; what is larger becomes several trades at the same price."""


class Attempt(StrEnum):
    """What came of two orders that met."""

    TRADED = "traded"
    MAKER_UNFIT = "maker_unfit"
    TAKER_UNFIT = "taker_unfit"


class Departure(StrEnum):
    """Why an order is no longer in the book."""

    FILLED = "filled"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    """A larger number took its slot."""
    EXPIRED = "expired"
    SELF_TRADE = "self_trade"
    """It stood in the way of a newer order of its own account; the newer intention counts."""
    UNFIT = "unfit"
    """The rules refuse to trade it: its account lacks margin, or its key or floor has changed."""
    UNFILLED = "unfilled"
    """The rest of an immediate order."""
    DELISTED = "delisted"
    """Its group has expired."""


@dataclass(slots=True)
class Entry:
    """An order in the book; its sequence number is its place in time."""

    signed: SignedOrder
    sequence: int
    remaining: int

    @property
    def order(self) -> Order:
        """The order itself."""
        return self.signed.order


@dataclass(frozen=True, slots=True)
class Departed:
    """An order that left, and why."""

    entry: Entry
    reason: Departure


@dataclass(frozen=True, slots=True)
class Level:
    """What a price offers."""

    price: Price
    lots: int
    orders: int


@dataclass(slots=True)
class _Queue:
    """The orders at one price, oldest first: a dict keeps their order and lets any of them go at once."""

    entries: dict[tuple[int, int], Entry] = field(default_factory=dict)
    lots: int = 0


@dataclass(slots=True)
class _HalfBook:
    """One side of a series; `ranks` are prices signed so that the best is the smallest."""

    sign: int
    ranks: list[int] = field(default_factory=list)
    queues: dict[int, _Queue] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Put an order behind those of its price."""
        rank = self.sign * entry.order.limit_price
        queue = self.queues.get(rank)
        if queue is None:
            queue = self.queues[rank] = _Queue()
            insort(self.ranks, rank)
        queue.entries[entry.order.account, entry.order.slot] = entry
        queue.lots += entry.remaining

    def take(self, entry: Entry) -> None:
        """Take an order out."""
        rank = self.sign * entry.order.limit_price
        queue = self.queues[rank]
        del queue.entries[entry.order.account, entry.order.slot]
        queue.lots -= entry.remaining
        if not queue.entries:
            del self.queues[rank]
            self.ranks.remove(rank)

    def best(self) -> Entry | None:
        """The order that trades next."""
        return next(iter(self.queues[self.ranks[0]].entries.values())) if self.ranks else None

    def levels(self, depth: int) -> Iterator[Level]:
        """The best prices."""
        for rank in self.ranks[:depth]:
            queue = self.queues[rank]
            yield Level(Price(self.sign * rank), queue.lots, len(queue.entries))


Meeting = Callable[[Entry, Entry, int], Attempt]
"""Asks whether maker and taker may trade these lots; answers TRADED only if they have."""


class OrderBook:
    """All series; at most one order for each slot of an account."""

    def __init__(self) -> None:
        self._halves: dict[tuple[SeriesId, Side], _HalfBook] = {}
        self._slots: dict[AccountId, dict[SlotIndex, Entry]] = {}
        self._expiries: list[tuple[Time, int, AccountId, SlotIndex]] = []
        self.count = 0
        self.touched: set[tuple[SeriesId, Side, Price]] = set()
        """Levels that have changed since somebody last emptied this set."""

    def _half(self, series: SeriesId, side: Side) -> _HalfBook:
        half = self._halves.get((series, side))
        if half is None:
            half = self._halves[series, side] = _HalfBook(-1 if side is Side.BUY else 1)
        return half

    # --------------------------------------------------------------------------------------------- changes

    def rest(self, entry: Entry) -> None:
        """Put an order into the book without matching it: the end of `place`, and how a book is restored.

        Assumes: its slot is free, and whatever is restored comes in the order of sequence numbers.
        """
        order = entry.order
        self._half(order.series, order.side).add(entry)
        self._slots.setdefault(order.account, {})[order.slot] = entry
        heappush(self._expiries, (order.expiry, entry.sequence, order.account, order.slot))
        self.count += 1
        self.touched.add((order.series, order.side, order.limit_price))

    def remove(self, entry: Entry, reason: Departure) -> Departed:
        """Take an order out of the book."""
        order = entry.order
        self._halves[order.series, order.side].take(entry)
        of_account = self._slots[order.account]
        del of_account[order.slot]
        if not of_account:
            del self._slots[order.account]
        self.count -= 1
        self.touched.add((order.series, order.side, order.limit_price))
        return Departed(entry, reason)

    def expire(self, now: Time) -> list[Departed]:
        """Take out every order whose time has passed."""
        departed = []
        while self._expiries and self._expiries[0][0] <= now:
            _, sequence, account, slot = heappop(self._expiries)
            entry = self.order_in(account, slot)
            # The heap may still name an order that has left; its slot is empty or holds a newer one.
            if entry is not None and entry.sequence == sequence:
                departed.append(self.remove(entry, Departure.EXPIRED))
        return departed

    def would_take(self, order: Order) -> bool:
        """Say whether an order meets one that is already there."""
        best = self._half(order.series, _opposite(order.side)).best()
        return best is not None and _crosses(order, best.order)

    def place(self, entry: Entry, meet: Meeting) -> list[Departed]:
        """Match an order, then let it rest unless it is immediate; what left the book is returned.

        Assumes: the slot's older order, if any, is gone, and a post-only order does not take.
        The entry's remaining lots say what is left of it; it is in the book afterwards if `order_in` finds it.
        """
        order = entry.order
        half = self._half(order.series, _opposite(order.side))
        departed: list[Departed] = []
        while entry.remaining:
            maker = half.best()
            if maker is None or not _crosses(order, maker.order):
                break
            if maker.order.account == order.account:
                departed.append(self.remove(maker, Departure.SELF_TRADE))
                continue
            lots = min(maker.remaining, entry.remaining, MAX_FILL_LOTS)
            attempt = meet(maker, entry, lots)
            if attempt is Attempt.TAKER_UNFIT:
                departed.append(Departed(entry, Departure.UNFIT))
                return departed
            if attempt is Attempt.MAKER_UNFIT:
                departed.append(self.remove(maker, Departure.UNFIT))
                continue
            self._fill(maker, lots)
            entry.remaining -= lots
            if not maker.remaining:
                departed.append(self.remove(maker, Departure.FILLED))
        if entry.remaining and order.kind is not OrderKind.IMMEDIATE:
            self.rest(entry)
        else:
            departed.append(Departed(entry, Departure.UNFILLED if entry.remaining else Departure.FILLED))
        return departed

    def _fill(self, maker: Entry, lots: int) -> None:
        order = maker.order
        half = self._halves[order.series, order.side]
        half.queues[half.sign * order.limit_price].lots -= lots
        maker.remaining -= lots
        self.touched.add((order.series, order.side, order.limit_price))

    # -------------------------------------------------------------------------------------------- readings

    def order_in(self, account: AccountId, slot: SlotIndex) -> Entry | None:
        """The order in a slot."""
        return self._slots.get(account, {}).get(slot)

    def orders_of(self, account: AccountId) -> tuple[Entry, ...]:
        """An account's orders, oldest first."""
        return tuple(sorted(self._slots.get(account, {}).values(), key=_sequence_of))

    def orders_below(self, account: AccountId, floor: OrderNumber) -> tuple[Entry, ...]:
        """An account's orders that a floor kills."""
        return tuple(entry for entry in self.orders_of(account) if entry.order.number < floor)

    def count_of(self, account: AccountId) -> int:
        """How many orders an account has in the book."""
        return len(self._slots.get(account, {}))

    def entries(self) -> list[Entry]:
        """Every order, oldest first."""
        return sorted(
            (entry for of_account in self._slots.values() for entry in of_account.values()), key=_sequence_of
        )

    def groups(self) -> set[GroupId]:
        """Groups that have orders in the book."""
        return {group_of(series) for (series, _), half in self._halves.items() if half.ranks}

    def levels(self, series: SeriesId, side: Side, depth: int) -> list[Level]:
        """The best prices of one side."""
        half = self._halves.get((series, side))
        return [] if half is None else list(half.levels(depth))

    def level(self, series: SeriesId, side: Side, price: Price) -> Level:
        """What one price offers, nothing included."""
        half = self._half(series, side)
        queue = half.queues.get(half.sign * price)
        return Level(price, 0, 0) if queue is None else Level(price, queue.lots, len(queue.entries))


def _sequence_of(entry: Entry) -> int:
    return entry.sequence


def _opposite(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def _crosses(taker: Order, maker: Order) -> bool:
    """Say whether two orders of opposite sides agree on a price."""
    if taker.side is Side.BUY:
        return taker.limit_price >= maker.limit_price
    return taker.limit_price <= maker.limit_price
