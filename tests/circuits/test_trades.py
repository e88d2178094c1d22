"""Trades: premium and fees to the micro-dollar, the published words, and what goes to fills, accounts and treasury."""

from __future__ import annotations

import random

import pytest

from circuits import trades
from prover.field.koalabear import PRIME
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.units import OrderKind
from tests.circuits.market import (
    MAKER_RATE,
    PRICE,
    TAKER_RATE,
    added,
    buy,
    market,
    pair,
    sell,
    spoiled,
    unbound_columns,
)
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor
from tests.rollup.workbench import ALICE, BOB, GENESIS_TIME, HOUR, PUT, TREASURY

# What is good.


def test_orders_that_meet_often_give_way_and_run_full_are_laid_out_clean() -> None:
    floor = market()
    resting = buy(BOB, number=7)
    for good in (
        pair(buy(), sell(), 2),
        pair(buy(), sell(), 3, buyer_is_maker=False),
        pair(buy(slot=255, number=2**32 - 1), sell(number=2), 5),
        pair(resting, sell(TREASURY, slot=255), 1),
        pair(resting, sell(ALICE, PRICE - 9, slot=9), 4),
        pair(buy(TREASURY, kind=OrderKind.POST_ONLY), sell(number=9, kind=OrderKind.IMMEDIATE)),
        pair(buy(number=10), sell(TREASURY, number=65536, slot=1), buyer_is_maker=False),
        pair(buy(number=11, expiry=GENESIS_TIME + 1), sell(number=10, expiry=GENESIS_TIME + 30 * 24 * HOUR)),
        pair(buy(ALICE, 2**32 - 1, number=12), sell(BOB, 1, number=12), buyer_is_maker=False),
        pair(buy(number=13, max_fee_rate=10_007), sell(number=13, max_fee_rate=30_011)),
    ):
        outcome = floor.trade(good)
        assert isinstance(outcome, Outcome), outcome
    assert floor.wrong() == set()
    assert floor.wrong(floor.traces(log_height=5)) == set()


@pytest.mark.parametrize("price", [0, 1, 65_535, 65_536, 2**32 - 1])
@pytest.mark.parametrize("lots", [1, 256, 65_535])
def test_the_largest_premium_and_fees_have_a_layout(price: int, lots: int) -> None:
    """Nobody has the cash, which is for the holders to say."""
    floor = market()
    floor.house.set_fees(65_535, 1)
    for place, buyer_is_maker in enumerate((True, False)):
        orders = buy(ALICE, price, lots, slot=place), sell(BOB, price, lots, slot=place)
        floor.trade(pair(*orders, lots, buyer_is_maker=buyer_is_maker))
        assert floor.wrong() == set()


# What the rules refuse.


TWO_ACCOUNTS_AND_LOTS = "buyer and seller are two accounts and trade some lots"


@refuses(Rejection.LOTS_ARE_ZERO, TWO_ACCOUNTS_AND_LOTS)
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(), 0))


@refuses(Rejection.SAME_ACCOUNT, TWO_ACCOUNTS_AND_LOTS)
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(ALICE, slot=1)))


@refuses(Rejection.SERIES_NOT_LISTED, "bus series places")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(strike=101), sell(strike=101)))


@refuses(Rejection.SERIES_DIFFER, "bus orders")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(option=PUT)))


@refuses(Rejection.SERIES_DIFFER, "bus orders")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(group=8)))


@refuses(Rejection.ORDERS_NOT_OPPOSITE, "bus orders")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), buy(BOB)))


@refuses(Rejection.GROUP_UNKNOWN, "bus group terms", "bus series places")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(group=9), sell(group=9)))


@refuses(Rejection.GROUP_EXPIRED, "bus group terms")
def _(floor: TradingFloor) -> Outcome | Rejection:
    floor.house.at(GENESIS_TIME + 24 * HOUR)
    return floor.trade(pair(buy(), sell()))


@refuses(Rejection.GROUP_EXPIRED, "bus group terms")
def _(floor: TradingFloor) -> Outcome | Rejection:
    floor.house.at(GENESIS_TIME + 24 * HOUR)
    floor.house.fix(7, 103)
    return floor.trade(pair(buy(), sell()))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_a_trade_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(market())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


NOT_OF_THESE_TABLES = {
    Rejection.MARGIN_NOT_MET,
    Rejection.CASH_INSUFFICIENT,
    Rejection.POSITIONS_TOO_MANY,
    Rejection.POSITION_TOO_LARGE,
}
"""Holders and walks refuse these."""


def test_rules_and_tables_agree_on_random_trades_near_every_limit() -> None:
    generator = random.Random("trades near the limits")
    seen = set()
    for _ in range(60):
        floor = market()
        number = generator.choice([1, 65535, 65536, 1 << 31])
        assert isinstance(floor.trade(pair(buy(number=number), sell(number=number), 2)), Outcome)
        if generator.random() < 0.3:
            floor.house.apply(
                floor.house.cancel(ALICE, generator.choice([number - 1, number, number + 1]) or 1)
            )

        def one(price: int, number: int) -> dict[str, object]:
            step = generator.choice([-1, 0, 0, 0, 1])
            return {
                "number": max(0, number + generator.choice([-1, 0, 0, 1, 65536])),
                "limit_price": price + step * generator.choice([1, 65536]),
                "lots": generator.choice([3, 4, 5, 70_000]),
                "kind": generator.choice([0, 0, 0, 1, 2]),
                "max_fee_rate": generator.choice([65535, 65535, TAKER_RATE, MAKER_RATE, MAKER_RATE - 1]),
                "expiry": GENESIS_TIME
                + generator.choice([1, 9, 9, 9, 0, 30 * 24 * HOUR, 30 * 24 * HOUR + 1]),
            }

        trade = pair(
            buy(**one(PRICE, number)),
            sell(**one(PRICE, number)),
            generator.choice([0, 1, 2, 3]),
            buyer_is_maker=generator.random() < 0.5,
        )
        outcome = floor.trade(trade)
        wrong = floor.wrong()
        if isinstance(outcome, Outcome):
            assert wrong == set()
        elif outcome not in NOT_OF_THESE_TABLES:
            assert wrong != set(), outcome
        seen.add(type(outcome) if isinstance(outcome, Outcome) else outcome)
    assert len(seen) > 7


# What a forger could try.


def _traded(lots: int = 1) -> TradingFloor:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell(), lots)), Outcome)
    return floor


def _claimed(side: str, by: int) -> set[str]:
    """What is wrong if one fee is another one, with the excess that makes the equation hold."""
    floor = _traded()
    row = floor.rows["trades"][0]
    row[side] = {**row[side], "fee": row[side]["fee"] + by, "excess": row[side]["excess"] + by * 1_000_000}
    return floor.wrong()


@pytest.mark.parametrize("side", ["buyer", "seller"])
def test_a_fee_is_rounded_up_by_less_than_a_micro_dollar(side: str) -> None:
    for by in (-1, 1, 70_000):
        wrong = _claimed(side, by)
        assert wrong & {"bus sixteen bits", "bus two bytes"}
        assert wrong <= {"bus sixteen bits", "bus two bytes", "bus account steps", "bus credits"}


def test_a_premium_that_is_right_modulo_the_prime_is_refused() -> None:
    """The premium more by the prime: the equations can only be met by carries that are no integers."""
    floor = _traded()
    row = floor.rows["trades"][0]
    wrong = set()
    row["premium"] += PRIME
    quotient = row["price"] * row["lots"]
    carry, cells = 0, {}
    for weight in range(2):
        limb = (row["premium"] >> 16 * weight) & 0xFFFF
        taken = ((quotient >> 16 * weight) & 0xFFFF) - limb + carry
        carry = taken * pow(65536, -1, PRIME) % PRIME
        cells[f"the premium is price times lots carry {weight + 1}"] = carry
    for side in ("buyer", "seller"):
        rate, fee = row[side]["rate"], -(-row["premium"] * row[side]["rate"] // 1_000_000)
        row[side] = {**row[side], "fee": fee, "excess": fee * 1_000_000 - row["premium"] * rate}
    wrong = floor.wrong(spoiled(floor.traces(), "trades", 0, cells))
    assert "bus fourteen bits" in wrong


def test_the_treasury_cannot_be_left_out_nor_paid_by_nobody() -> None:
    floor = _traded()
    assert floor.wrong(spoiled(floor.traces(), "trades", 0, {"has treasury": 0})) == {
        "a treasury that is named is paid",
        "bus credits",
    }
    assert floor.wrong(spoiled(floor.traces(3), "trades", 5, {"has treasury": 1, "treasury": ALICE})) == {
        "a dead row pays no treasury",
        "a treasury that is named is paid",
        "bus credits",
    }


def test_maker_and_taker_cannot_change_their_rates() -> None:
    floor = _traded()
    row = floor.rows["trades"][0]
    for side, rate in (("buyer", TAKER_RATE), ("seller", MAKER_RATE)):
        paid = row["premium"] * rate
        fee = -(-paid // 1_000_000)
        row[side] = {**row[side], "rate": rate, "fee": fee, "excess": fee * 1_000_000 - paid}
    wrong = floor.wrong()
    assert "who was first pays the maker's rate" in wrong
    row["maker_rate"] = TAKER_RATE
    wrong = floor.wrong()
    assert "bus final parameters" in wrong
    assert "who was first pays the maker's rate" not in wrong


def test_a_published_word_has_one_reading() -> None:
    """Account and slot, flag and index share words: what one gives the other cannot take."""
    floor = _traded()
    traces = added(floor.traces(), "trades", 0, {"buyer account low": 1, "buyer slot": -256})
    assert {"bus two bytes", "bus data words"} & floor.wrong(traces) == {"bus two bytes"}
    traces = added(floor.traces(), "trades", 0, {"buyer is maker": -1, "index": 256})
    assert {"bus two bytes", "bus data words"} & floor.wrong(traces) == {"bus two bytes"}


def test_a_trade_without_a_treasury_pays_none() -> None:
    floor = market()
    floor.house = type(floor.house)()
    for account in (ALICE, BOB):
        floor.house.deposit(account, 1_000)
    floor.house.list_group()
    floor.house.list_series(7, 100, 0)
    assert isinstance(floor.trade(pair(buy(), sell())), Outcome)
    assert floor.wrong() == set()


def test_no_column_of_a_trade_is_free() -> None:
    assert unbound_columns(_traded(), trades.NAME) == []
