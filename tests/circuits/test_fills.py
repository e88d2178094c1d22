"""Fills: no order is filled beyond what was signed, below its limit, twice, or after it was cancelled or replaced."""

from __future__ import annotations

import pytest

from circuits import fills
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.units import OrderKind
from tests.circuits.market import (
    NO_BIT,
    PRICE,
    added,
    buy,
    gaps,
    market,
    pair,
    sell,
    spoiled,
    unbound_columns,
)
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor
from tests.rollup.workbench import ALICE, BOB


@refuses(Rejection.ORDER_CANCELLED, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    floor.house.apply(floor.house.cancel(ALICE, 65536))
    return floor.trade(pair(buy(number=65535), sell()))


@refuses(Rejection.ORDER_REPLACED, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    assert isinstance(floor.trade(pair(buy(number=65536), sell())), Outcome)
    return floor.trade(pair(buy(number=65535), sell()))


@refuses(Rejection.ORDER_OVERFILLED, "bus two bytes")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(lots=9), 6))


@refuses(Rejection.ORDER_OVERFILLED, "bus two bytes")
def _(floor: TradingFloor) -> Outcome | Rejection:
    assert isinstance(floor.trade(pair(buy(), sell(), 3)), Outcome)
    return floor.trade(pair(buy(number=2), sell(), 3))


@refuses(Rejection.PRICES_DO_NOT_CROSS, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(BOB, PRICE + 1)))


@refuses(Rejection.PRICES_DO_NOT_CROSS, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(ALICE, 65535), sell(BOB, 65536), buyer_is_maker=False))


@refuses(Rejection.MAKER_ORDER_IS_IMMEDIATE, "a maker is not immediate")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(kind=OrderKind.IMMEDIATE), sell()))


@refuses(Rejection.TAKER_ORDER_IS_POST_ONLY, "a taker is not post-only")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(kind=OrderKind.POST_ONLY), sell(), buyer_is_maker=False))


@refuses(Rejection.FEE_ABOVE_MAXIMUM, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(max_fee_rate=10_006), sell()))


@refuses(Rejection.FEE_ABOVE_MAXIMUM, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(max_fee_rate=30_010)))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_a_fill_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(market())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


# What a forger could try.


def test_a_borrow_is_a_bit() -> None:
    """A borrow of the forger's choice makes a smaller number the larger one."""
    floor = market()
    floor.house.apply(floor.house.cancel(ALICE, 65536))
    floor.trade(pair(buy(number=5), sell()))
    traces = spoiled(floor.traces(), "fills", 0, {"floor borrow": NO_BIT})
    assert floor.wrong(traces) == {"the distance to the floor borrows or not"}

    floor = market()
    assert isinstance(floor.trade(pair(buy(number=65536), sell())), Outcome)
    floor.trade(pair(buy(number=5), sell()))
    traces = spoiled(floor.traces(), "fills", 2, {"number borrow": NO_BIT})
    assert floor.wrong(traces) == {"the distance to the slot's number borrows or not"}

    floor = market()
    floor.trade(pair(buy(ALICE, 5), sell(BOB, 65536), buyer_is_maker=False))
    cells = {"price borrow": NO_BIT, "improvement low": 6, "improvement high": 32_511}
    assert floor.wrong(spoiled(floor.traces(), "fills", 0, cells)) == {
        "the price's improvement borrows or not"
    }


def test_a_cancelled_order_has_no_distance_from_the_floor() -> None:
    """With a borrow the high limb is negative, without one the low limb."""
    floor = market()
    floor.house.apply(floor.house.cancel(ALICE, 5))
    floor.trade(pair(buy(number=4), sell()))
    for borrow in (0, 1):
        traces = spoiled(floor.traces(), "fills", 0, {"floor borrow": borrow})
        assert floor.wrong(traces) == {"bus sixteen bits"}


def test_a_replaced_order_is_not_the_same_one_several_times() -> None:
    """The flag as large as the numbers are apart would make their distance zero."""
    floor = market()
    assert isinstance(floor.trade(pair(buy(number=9), sell())), Outcome)
    floor.trade(pair(buy(ALICE, PRICE, 9, number=3), sell()))
    floor.slots[ALICE, 0] = (floor.slots[ALICE, 0][0], 3, 8)
    cells = {"is same order": 7, "number borrow": 0, "filled low": 8}
    assert floor.wrong(spoiled(floor.traces(), "fills", 2, cells)) == {
        "the slot holds this order or an older one"
    }


def test_what_is_filled_grows_by_the_lots() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell(), 3)), Outcome)
    floor.slots[ALICE, 0] = (floor.slots[ALICE, 0][0], 1, 2)
    assert floor.wrong(spoiled(floor.traces(), "fills", 0, {"filled low": 2})) == {
        "filled afterwards is filled before"
    }


def test_what_is_filled_has_one_spelling() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell(), 3)), Outcome)
    wrong = floor.wrong(spoiled(floor.traces(), "fills", 0, {"filled low": 3 - 65536, "filled high": 1}))
    assert wrong == {"bus sixteen bits", "bus slots"}


@pytest.mark.parametrize(("beyond", "limb"), [(1, "low"), (65536, "high")])
def test_a_price_beyond_the_limit_is_no_improvement(beyond: int, limb: str) -> None:
    floor = market()
    floor.trade(pair(buy(), sell(BOB, PRICE + beyond), buyer_is_maker=False))
    nothing = {"price borrow": 0, "improvement low": 0, "improvement high": 0}
    assert floor.wrong(spoiled(floor.traces(), "fills", 0, nothing)) == {
        "the improvement is the limit less the price for a buyer and the reverse for a seller"
    }
    negative = nothing | {f"improvement {limb}": -1}
    assert floor.wrong(spoiled(floor.traces(), "fills", 0, negative)) == {"bus sixteen bits"}


def _twice(lots: int = 3) -> TradingFloor:
    """Two fills of the same orders, of three lots in five; the second one is too many."""
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell(lots=9), lots)), Outcome)
    floor.trade(pair(buy(), sell(lots=9), lots))
    return floor


def test_the_same_order_cannot_be_called_a_newer_one_to_forget_what_is_filled() -> None:
    floor = _twice()
    floor.slots[ALICE, 0] = (floor.slots[ALICE, 0][0], 1, 3)
    cells = {"is same order": 0, "number borrow": 1, "filled low": 3, "left high": 0}
    # The distance is minus one: without a borrow its low limb is negative, with one the high limb.
    assert floor.wrong(spoiled(floor.traces(), "fills", 2, cells)) == {"bus sixteen bits"}
    cells["number borrow"] = 0
    assert floor.wrong(spoiled(floor.traces(), "fills", 2, cells)) == {"bus sixteen bits"}


def test_an_older_order_cannot_be_called_the_same_one() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(number=9), sell())), Outcome)
    assert isinstance(floor.trade(pair(buy(number=12), sell())), Outcome)
    floor.slots[ALICE, 0] = (floor.slots[ALICE, 0][0], 12, 2)
    cells = {"is same order": 1, "filled low": 2}
    assert floor.wrong(spoiled(floor.traces(), "fills", 2, cells)) == {"the same order has the same number"}


@pytest.mark.parametrize(
    "cells", [{"left high": 0}, {"left high": -1}, {"filled low": 6 + 65536, "filled high": -1}]
)
def test_too_many_lots_have_no_spelling(cells: dict[str, int]) -> None:
    floor = _twice()
    wrong = floor.wrong(spoiled(floor.traces(), "fills", 2, cells))
    assert wrong & {"bus sixteen bits", "bus two bytes"}
    assert wrong <= {"bus sixteen bits", "bus two bytes", "bus slots"}


def test_two_fills_cannot_start_from_the_same_slot() -> None:
    """The second one reads what the first one read, as if the order were untouched."""
    floor = _twice()
    first, second = floor.rows["fills"][0], floor.rows["fills"][2]
    for name in ("old_time", "old_number", "old_filled"):
        second[name] = first[name]
    assert "bus slots" in floor.wrong()


def test_a_fill_cannot_read_what_a_later_one_writes() -> None:
    """The two fills in a circle: each reads the other's, and nobody reads the slot as it was."""
    floor = market()
    for _ in range(2):
        assert isinstance(floor.trade(pair(buy(), sell(), 1)), Outcome)
    first, second = floor.rows["fills"][0], floor.rows["fills"][2]
    first |= {"old_time": second["clock"], "old_number": 1, "old_filled": 2}
    for cells in gaps("slot", first["clock"] - second["clock"] - 1):
        assert "bus sixteen bits" in floor.wrong(spoiled(floor.traces(), "fills", 0, cells))


def test_a_maker_trades_at_its_limit_and_not_at_a_better_price_of_the_sequencer_s_choice() -> None:
    for price in (PRICE - 1, PRICE - 65536):
        floor = market()
        floor.trade(pair(buy(), sell(BOB, 1)), price=price)
        assert floor.wrong() == {"a maker trades at the limit"}


@pytest.mark.parametrize(("price", "is_buyer"), [(PRICE + 1, True), (PRICE - 1, False)])
def test_nobody_trades_beyond_the_limit(price: int, is_buyer: bool) -> None:
    floor = market()
    prices = {"price": price}
    floor.trade(pair(buy(), sell(), buyer_is_maker=is_buyer), **prices)
    wrong = floor.wrong()
    assert "bus sixteen bits" in wrong
    assert wrong <= {"bus sixteen bits", "a maker trades at the limit"}
    row, traces = int(not is_buyer), floor.traces()
    wrong = floor.wrong(added(traces, "fills", row, {"price borrow": 1, "improvement low": 65536}))
    assert "bus sixteen bits" in wrong or any("improvement" in name for name in wrong)


def test_a_fill_says_of_the_order_what_was_signed() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell())), Outcome)
    for cells in (
        {"order lots": 1, "left high": 0},
        {"limit low": 1, "improvement low": 1, "is maker": -1},
        {"max fee rate": -1},
        {"floor low": -1},
    ):
        assert floor.wrong(added(floor.traces(), "fills", 0, cells)) & {"bus orders", "bus fills"}


def test_no_column_of_a_fill_is_free() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell())), Outcome)
    assert unbound_columns(floor, fills.NAME) == []
