"""Trades: premium and fees to the micro-dollar, the published words, and what goes to fills, accounts and treasury."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits import trades
from circuits.buses import DATA_WORDS
from circuits.gadgets.wide import Wide
from prover.field.koalabear import PRIME, Montgomery
from rollup.formulas import fee_identity, premium
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.units import MICRO, OrderKind
from tests.circuits.market import (
    MAKER_RATE,
    PRICE,
    TAKER_RATE,
    added,
    buy,
    cell_of,
    market,
    pair,
    sell,
    spoiled,
    unbound_columns,
)
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import FIRST_WORD, TradingFloor
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


PREMIUM = "the premium is price times lots"
FEES = {side: f"the {side}'s fee is its rate of the premium" for side in ("buyer", "seller")}
STEPS = {"bus account steps"}
FEE_BUSES = STEPS | {"bus credits"}


def _bytes(traces: dict[str, Montgomery], name: str, count: int) -> Wide[NDArray[np.int64]]:
    return Wide.of_bytes([cell_of(traces, "trades", 0, f"{name} byte {i}") for i in range(count)])


def _carried(traces: dict[str, Montgomery], *, exact: bool = False) -> dict[str, Montgomery]:
    """Traces whose carries are solved from the lowest weight up: in integers as far as they go, or modulo the prime."""
    price, lots = _bytes(traces, "price", 4), _bytes(traces, "lots", 2)
    paid = _bytes(traces, "premium", 6)
    million = Wide.of_bytes([np.array([digit]) for digit in trades.MILLION_DIGITS])
    equations = {PREMIUM: premium(price, lots) - paid}
    for side, name in FEES.items():
        rate, fee = _bytes(traces, f"{side} rate", 2), _bytes(traces, f"{side} fee", 6)
        low, high = (cell_of(traces, "trades", 0, f"{side} excess {part}") for part in ("low", "high"))
        equations[name] = fee_identity(paid, rate, fee, Wide((low, high)), million)
    cells = {}
    for name, equation in equations.items():
        carry = 0
        for weight, term in enumerate(equation.terms[:-1], start=1):
            total = int(term[0]) + carry
            carry = total >> 16 if exact else total * pow(65536, -1, PRIME) % PRIME
            carry = carry - PRIME if carry > PRIME // 2 else carry
            cells[f"{name} carry {weight}"] = carry
    return spoiled(traces, "trades", 0, cells)


def _with_premium(floor: TradingFloor, more: int) -> None:
    """Claim another premium, with the fees that it would have."""
    row = floor.rows["trades"][0]
    row["premium"] += more
    for side in FEES:
        paid = row["premium"] * row[side]["rate"]
        fee = -(-paid // MICRO)
        row[side] = {**row[side], "fee": fee, "excess": fee * MICRO - paid}


def _with_fee(floor: TradingFloor, side: str, more: int, excess: int) -> None:
    """Claim another fee and excess."""
    row = floor.rows["trades"][0]
    row[side] = {**row[side], "fee": row[side]["fee"] + more, "excess": row[side]["excess"] + excess}


def test_the_specimen_has_the_carries_that_are_solved() -> None:
    for is_exact in (True, False):
        assert _traded().wrong(_carried(_traded().traces(), exact=is_exact)) == set()


@pytest.mark.parametrize("weight", range(3))
def test_another_premium_breaks_the_equation_of_its_weight(weight: int) -> None:
    floor = _traded()
    honest = floor.traces()
    _with_premium(floor, 1 << 16 * weight)
    claimed = _carried(floor.traces())
    names = [f"{PREMIUM} carry {i}" for i in (1, 2)]
    kept = {name: int(cell_of(honest, "trades", 0, name)[0]) for name in names}
    wrong = floor.wrong(spoiled(claimed, "trades", 0, kept))
    assert wrong - FEE_BUSES == {f"{PREMIUM}: weight {weight} is carried on"}


@pytest.mark.parametrize("weight", range(2))
def test_a_premium_that_is_right_modulo_the_prime_needs_a_carry_that_is_none(weight: int) -> None:
    floor = _traded()
    _with_premium(floor, PRIME << 16 * weight)
    assert floor.wrong(_carried(floor.traces())) - FEE_BUSES == {"bus fourteen bits"}


@pytest.mark.parametrize("side", FEES)
@pytest.mark.parametrize("weight", range(4))
def test_another_fee_breaks_the_equation_of_its_weight(side: str, weight: int) -> None:
    """A million is 15,625 times 2^6, so that some fees are wrong at one weight only."""
    floor = _traded()
    if weight:
        _with_fee(floor, side, 1 << 16 * weight - 6, 0)
    else:
        _with_fee(floor, side, 0, 1)
    wrong = floor.wrong(_forward(floor, FEES[side], weight))
    assert wrong - FEE_BUSES == {f"{FEES[side]}: weight {weight} is carried on"}


def _forward(floor: TradingFloor, equation: str, weight: int) -> dict[str, Montgomery]:
    """Carries in integers up to a weight, and the honest ones from there on."""
    honest, claimed = _traded().traces(), _carried(floor.traces(), exact=True)
    names = [f"{equation} carry {i}" for i in range(weight + 1, 4)]
    return spoiled(claimed, "trades", 0, {name: int(cell_of(honest, "trades", 0, name)[0]) for name in names})


@pytest.mark.parametrize("side", FEES)
@pytest.mark.parametrize("weight", range(3))
def test_a_fee_that_is_right_modulo_the_prime_needs_a_carry_that_is_none(side: str, weight: int) -> None:
    floor = _traded()
    multiple = PRIME << 16 * weight
    more = -(-(multiple - floor.rows["trades"][0][side]["excess"]) // MICRO)
    _with_fee(floor, side, more, more * MICRO - multiple)
    assert floor.wrong(_carried(floor.traces())) - FEE_BUSES == {"bus fourteen bits"}


@pytest.mark.parametrize("side", FEES)
@pytest.mark.parametrize("more", [-1, 1])
def test_a_fee_is_rounded_up_by_less_than_a_micro_dollar(side: str, more: int) -> None:
    floor = _traded()
    _with_fee(floor, side, more, more * MICRO)
    wrong = floor.wrong(_carried(floor.traces(), exact=True))
    assert wrong & {"bus sixteen bits", "bus two bytes"}
    assert wrong <= {"bus sixteen bits", "bus two bytes"} | FEE_BUSES


BYTE_PAIRS = [
    *(
        (name, place)
        for name, count in (("price", 4), ("lots", 2), ("premium", 6))
        for place in range(0, count, 2)
    ),
    *((f"{side} rate", 0) for side in FEES),
    *((f"{side} fee", place) for side in FEES for place in (0, 2, 4)),
]


@pytest.mark.parametrize(("name", "place"), BYTE_PAIRS)
def test_a_byte_that_lends_to_its_neighbour_is_none(name: str, place: int) -> None:
    """The number stays, and so do its limbs and all equations: only the bytes are none."""
    floor = _traded()
    cells = {f"{name} byte {place}": 256, f"{name} byte {place + 1}": -1}
    traces = _carried(added(floor.traces(), "trades", 0, cells))
    assert floor.wrong(traces) == {"bus two bytes"}


@pytest.mark.parametrize("side", FEES)
def test_an_excess_has_one_spelling(side: str) -> None:
    floor = _traded()
    cells = {f"{side} excess low": -65536, f"{side} excess high": 1}
    traces = added(floor.traces(), "trades", 0, cells)
    assert floor.wrong(_carried(traces)) == {"bus sixteen bits"}


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
    for side in FEES:
        floor = _traded()
        cells = {f"{side} account low": 1, f"{side} slot": -256}
        wrong = floor.wrong(added(floor.traces(), "trades", 0, cells))
        assert {"bus two bytes", "bus data words"} & wrong == {"bus two bytes"}
    floor = _traded()
    traces = added(floor.traces(), "trades", 0, {"buyer is maker": -1, "index": 256})
    assert {"bus two bytes", "bus data words"} & floor.wrong(traces) == {"bus two bytes"}


def test_somebody_was_first() -> None:
    """With equal rates a flag of two would satisfy all but itself, and publish another transaction's tag."""
    floor = market()
    floor.house.set_fees(MAKER_RATE, MAKER_RATE)
    assert isinstance(floor.trade(pair(buy(), sell())), Outcome)
    traces = spoiled(floor.traces(), "trades", 0, {"buyer is maker": 2})
    traces = spoiled(spoiled(traces, "fills", 0, {"is maker": 2}), "fills", 1, {"is maker": -1})
    (first,) = (message for message in floor.asked[DATA_WORDS] if message[0] == FIRST_WORD)
    floor.ask(DATA_WORDS, *first, times=-1)
    floor.ask(DATA_WORDS, FIRST_WORD, first[1] + 256)
    assert floor.wrong(traces) == {"the buyer was first or the seller was"}


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
