"""The order book against a slow and obvious one, and by its own laws."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollup.instruments import SeriesId, series_id
from rollup.node.order_book import Attempt, Departed, Departure, Entry, Level, OrderBook
from rollup.orders import Order
from rollup.units import AccountId, OrderKind, OrderNumber, Price, Side, SlotIndex, Time
from tests.rollup.workbench import CALL, GENESIS_TIME, make, order, signed

SERIES: tuple[SeriesId, ...] = tuple(make(series_id, 7, strike, CALL) for strike in (90, 100))
NOW = GENESIS_TIME


@dataclass
class ObviousBook:
    """All orders in one list, sorted anew at every question."""

    entries: list[Entry] = field(default_factory=list)

    def place(
        self, entry: Entry, unfit: set[int]
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, Departure]]]:
        fills: list[tuple[int, int, int]] = []
        left: list[tuple[int, Departure]] = []
        mine = entry.order
        while entry.remaining:
            others = [
                other
                for other in self.entries
                if other.order.series == mine.series
                and other.order.side != mine.side
                and (
                    other.order.limit_price <= mine.limit_price
                    if mine.side is Side.BUY
                    else other.order.limit_price >= mine.limit_price
                )
            ]
            if not others:
                break
            sign = 1 if mine.side is Side.BUY else -1
            best = min(others, key=lambda other: (sign * other.order.limit_price, other.sequence))
            if best.order.account == mine.account:
                self.entries.remove(best)
                left.append((best.sequence, Departure.SELF_TRADE))
            elif best.order.account in unfit:
                self.entries.remove(best)
                left.append((best.sequence, Departure.UNFIT))
            elif mine.account in unfit:
                left.append((entry.sequence, Departure.UNFIT))
                return fills, left
            else:
                lots = min(best.remaining, entry.remaining, 65535)
                fills.append((best.sequence, entry.sequence, lots))
                best.remaining -= lots
                entry.remaining -= lots
                if best.remaining == 0:
                    self.entries.remove(best)
                    left.append((best.sequence, Departure.FILLED))
        if entry.remaining and mine.kind is not OrderKind.IMMEDIATE:
            self.entries.append(entry)
        else:
            left.append((entry.sequence, Departure.UNFILLED if entry.remaining else Departure.FILLED))
        return fills, left

    def levels(self, series: SeriesId, side: Side) -> list[Level]:
        mine = [entry for entry in self.entries if (entry.order.series, entry.order.side) == (series, side)]
        prices = sorted({entry.order.limit_price for entry in mine}, reverse=side is Side.BUY)
        return [
            Level(price, sum(entry.remaining for entry in at), len(at))
            for price in prices
            for at in ([entry for entry in mine if entry.order.limit_price == price],)
        ]


@dataclass
class Desk:
    """A book with its fills written down."""

    book: OrderBook = field(default_factory=OrderBook)
    unfit: set[int] = field(default_factory=set)
    fills: list[tuple[int, int, int]] = field(default_factory=list)
    sequence: int = 0

    def meet(self, maker: Entry, taker: Entry, lots: int) -> Attempt:
        if maker.order.account in self.unfit:
            return Attempt.MAKER_UNFIT
        if taker.order.account in self.unfit:
            return Attempt.TAKER_UNFIT
        self.fills.append((maker.sequence, taker.sequence, lots))
        return Attempt.TRADED

    def place(self, made: Order) -> list[Departed]:
        self.sequence += 1
        return self.book.place(Entry(signed(made), self.sequence, made.lots), self.meet)

    def take_step(self, step: tuple[Any, ...]) -> None:
        """Cancel what is in a slot; place an order if the step has one."""
        resting = self.book.order_in(step[0], step[1])
        if resting is not None:
            self.book.remove(resting, Departure.CANCELLED)
        if len(step) > 2:
            account, slot, side, kind, series, price, lots, life = step
            self.place(order(account, side, series, price, lots, slot=slot, kind=kind, expiry=NOW + life))


def buy(account: int, price: int, lots: int, /, **changes: object) -> Order:
    return order(account, Side.BUY, SERIES[0], price, lots, **changes)


def sell(account: int, price: int, lots: int, /, **changes: object) -> Order:
    return order(account, Side.SELL, SERIES[0], price, lots, **changes)


ORDERS = st.tuples(
    st.integers(2, 5),
    st.integers(0, 2),
    st.sampled_from(Side),
    st.sampled_from([OrderKind.LIMIT, OrderKind.IMMEDIATE, OrderKind.POST_ONLY]),
    st.sampled_from(SERIES),
    st.integers(1, 6),
    st.sampled_from([1, 2, 3, 70_000, 200_000]),
    st.integers(1, 4),
)
STEPS = st.lists(st.one_of(ORDERS, st.tuples(st.integers(2, 5), st.integers(0, 2))), max_size=60)


@given(STEPS, st.sets(st.integers(2, 5), max_size=2))
def test_the_book_does_what_the_obvious_book_does(steps: list[tuple[Any, ...]], unfit: set[int]) -> None:
    desk, obvious = Desk(unfit=unfit), ObviousBook()
    for step in steps:
        account, slot = AccountId(step[0]), SlotIndex(step[1])
        resting = desk.book.order_in(account, slot)
        if resting is not None:
            desk.book.remove(resting, Departure.REPLACED)
            obvious.entries = [entry for entry in obvious.entries if entry.sequence != resting.sequence]
        if len(step) > 2:
            _, _, side, kind, series, price, lots, life = step
            made = order(account, side, series, price, lots, slot=slot, kind=kind, expiry=NOW + life)
            if kind is OrderKind.POST_ONLY and desk.book.would_take(made):
                continue
            desk.fills.clear()
            departed = desk.place(made)
            twin = Entry(signed(made), desk.sequence, made.lots)
            fills, left = obvious.place(twin, unfit)
            assert desk.fills == fills
            assert [(one.entry.sequence, one.reason) for one in departed] == left
        for series in SERIES:
            for side in Side:
                levels = desk.book.levels(series, side, 100)
                assert levels == obvious.levels(series, side)
                assert all(desk.book.level(series, side, level.price) == level for level in levels)
            bids, asks = (desk.book.levels(series, side, 1) for side in (Side.BUY, Side.SELL))
            assert not bids or not asks or bids[0].price < asks[0].price
        assert [entry.sequence for entry in desk.book.entries()] == sorted(
            entry.sequence for entry in obvious.entries
        )
        assert desk.book.count == len(obvious.entries)


@given(STEPS)
def test_lots_are_neither_made_nor_lost(steps: list[tuple[Any, ...]]) -> None:
    desk, placed, gone = Desk(), 0, 0
    for step in steps:
        account, slot = AccountId(step[0]), SlotIndex(step[1])
        resting = desk.book.order_in(account, slot)
        if resting is not None:
            gone += desk.book.remove(resting, Departure.CANCELLED).entry.remaining
        if len(step) > 2:
            _, _, side, _, series, price, lots, _ = step
            placed += lots
            for one in desk.place(order(account, side, series, price, lots, slot=slot)):
                gone += one.entry.remaining
    filled = sum(lots for _, _, lots in desk.fills)
    resting_lots = sum(entry.remaining for entry in desk.book.entries())
    assert placed == gone + 2 * filled + resting_lots


@given(STEPS, st.integers(0, 60))
def test_a_restored_book_goes_on_as_the_old_one_would(steps: list[tuple[Any, ...]], cut: int) -> None:
    desk = Desk()
    for step in steps[:cut]:
        desk.take_step(step)
    restored = OrderBook()
    for entry in desk.book.entries():
        restored.rest(Entry(entry.signed, entry.sequence, entry.remaining))
    other = Desk(restored, fills=list(desk.fills), sequence=desk.sequence)
    for place, step in enumerate(steps[cut:]):
        for one in (desk, other):
            one.take_step(step)
            one.book.expire(Time(NOW + place % 5))
    assert desk.fills == other.fills
    assert desk.book.entries() == other.book.entries()


def test_better_prices_trade_first_and_earlier_orders_first_at_one_price() -> None:
    desk = Desk()
    desk.place(sell(2, 5, 1, slot=0))
    desk.place(sell(3, 4, 1, slot=0))
    desk.place(sell(4, 4, 1, slot=0))
    desk.place(buy(5, 5, 3))
    assert [maker for maker, _, _ in desk.fills] == [2, 3, 1]


def test_an_order_keeps_its_place_after_a_partial_fill() -> None:
    desk = Desk()
    desk.place(sell(2, 4, 3))
    desk.place(sell(3, 4, 3))
    desk.place(buy(5, 4, 1))
    desk.place(buy(5, 4, 3, slot=1))
    assert desk.fills == [(1, 3, 1), (1, 4, 2), (2, 4, 1)]


def test_the_rest_of_an_immediate_order_never_rests() -> None:
    desk = Desk()
    desk.place(sell(2, 4, 1))
    departed = desk.place(buy(3, 4, 5, kind=OrderKind.IMMEDIATE))
    assert [one.reason for one in departed] == [Departure.FILLED, Departure.UNFILLED]
    assert desk.book.count == 0


def test_a_post_only_order_would_take_only_from_what_is_there() -> None:
    desk = Desk()
    post_only = buy(3, 4, 5, kind=OrderKind.POST_ONLY)
    assert not desk.book.would_take(post_only)
    desk.place(sell(2, 4, 1))
    assert desk.book.would_take(post_only)
    assert not desk.book.would_take(replace(post_only, limit_price=Price(3)))


def test_an_account_that_would_meet_itself_loses_its_older_order() -> None:
    desk = Desk()
    desk.place(sell(2, 4, 1, slot=0))
    desk.place(sell(3, 4, 1))
    departed = desk.place(buy(2, 4, 1, slot=1))
    assert [one.reason for one in departed] == [Departure.SELF_TRADE, Departure.FILLED, Departure.FILLED]
    assert desk.fills == [(2, 3, 1)]


def test_more_lots_than_a_trade_holds_become_several_trades() -> None:
    desk = Desk()
    desk.place(sell(2, 4, 200_000))
    desk.place(buy(3, 4, 100_000))
    assert [lots for _, _, lots in desk.fills] == [65_535, 34_465]


def test_expired_orders_leave_and_a_newer_order_in_their_slot_stays() -> None:
    desk = Desk()
    desk.place(sell(2, 4, 1, slot=0, expiry=NOW + 10))
    desk.place(sell(3, 4, 1, slot=0, expiry=NOW + 20))
    older = desk.book.order_in(AccountId(2), SlotIndex(0))
    assert older is not None
    desk.book.remove(older, Departure.REPLACED)
    desk.place(sell(2, 5, 1, slot=0, number=2, expiry=NOW + 30))
    assert [one.entry.sequence for one in desk.book.expire(Time(NOW + 20))] == [2]
    assert [entry.sequence for entry in desk.book.entries()] == [3]


def test_a_floor_names_the_orders_it_kills() -> None:
    desk = Desk()
    for slot, number in enumerate((5, 9, 7)):
        desk.place(sell(2, 4, 1, slot=slot, number=number))
    below = desk.book.orders_below(AccountId(2), OrderNumber(9))
    assert [entry.order.number for entry in below] == [5, 7]
    assert [entry.sequence for entry in desk.book.orders_of(AccountId(2))] == [1, 2, 3]
    assert desk.book.count_of(AccountId(2)) == 3
