"""What users of such systems complained of, turned into tests of these rules."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollup.events import ForciblyWithdrawn, ItemIgnored
from rollup.instruments import SeriesId
from rollup.invariants import broken_invariants
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.transactions import SettlementPrice
from tests.rollup.workbench import ALICE, BOB, CALL, CAROL, DOLLAR, GENESIS_TIME, HOUR, PUT, House, make

CALL_100 = SeriesId(7 << 25 | 100 << 1)
EXPIRY = GENESIS_TIME + 24 * HOUR


@pytest.fixture
def house() -> House:
    house = House()
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 1_000)
    house.list_group()
    house.list_series(7, 100, CALL)
    house.list_series(7, 100, PUT)
    return house


def test_funds_are_not_frozen_when_everybody_else_is_gone(house: House) -> None:
    """An owner needs no trading key, no sequencer's settlement and no other trader to leave with everything."""
    house.deposit(9, 50, has_key=False)
    assert [claim.amount for claim in house.force_out(9).claims] == [50 * DOLLAR]
    house.trade(ALICE, BOB, CALL_100, 3, 5)
    house.at(EXPIRY)
    house.fix(7, 140)
    assert [claim.amount for claim in house.force_out(ALICE).claims] == [(1_000 - 15 + 120) * DOLLAR]
    assert house.cash(BOB) == 1_015 * DOLLAR
    assert [claim.amount for claim in house.force_out(BOB).claims] == [(1_015 - 120) * DOLLAR]


def test_cash_beyond_the_worst_case_can_leave_at_any_time(house: House) -> None:
    house.trade(ALICE, BOB, CALL_100, 3, 5)
    event = house.force_out(BOB)
    assert isinstance(event, ForciblyWithdrawn)
    assert event.claim.amount == (1_015 - 300) * DOLLAR
    assert event.margin.requirement == house.cash(BOB) == 300 * DOLLAR


def test_a_price_once_fixed_is_never_rolled_back(house: House) -> None:
    house.at(EXPIRY)
    house.fix(7, 140)
    second = house.serve(make(SettlementPrice, 7, 60))
    assert isinstance(second, ItemIgnored)
    assert second.reason is Rejection.GROUP_ALREADY_FIXED
    assert house.group().settlement_price == 140


def test_time_alone_makes_nobody_insolvent(house: House) -> None:
    """After any outage every account still meets its margin: there is nothing to liquidate."""
    house.trade(ALICE, BOB, CALL_100, 10, 5)
    for days in (1, 30, 3650):
        house.at(GENESIS_TIME + days * 24 * HOUR)
        assert broken_invariants(house.state) == []
    for price in (0, 100, 2**64 - 1):
        fixed = make(SettlementPrice, 7, price).clear(house.state)[0]
        assert broken_invariants(fixed) == []


@given(st.integers(0, 2**32 - 1))
def test_two_accounts_of_one_owner_cannot_draw_out_what_others_put_in(seed: int) -> None:
    """Alice and Bob conspire: whatever they trade, at whatever prices, together they leave with what they brought."""
    random = Random(seed)
    house = House(has_invariants_checked=False)
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 1_000)
    house.list_group()
    series = [house.list_series(7, strike, kind) for strike in (80, 100, 120) for kind in (CALL, PUT)]
    house.set_fees(0, 300)
    for _ in range(12):
        pair = random.choice([(ALICE, BOB), (BOB, ALICE)])
        price = random.choice([0, 1, 50, 199, 1_000])
        house.attempt(house.a_trade(*pair, random.choice(series), random.randrange(1, 9), price))
        if random.random() < 0.3:
            house.attempt(house.withdrawal(random.choice(pair), random.randrange(600 * DOLLAR)))
    taken: int = sum(claim.amount for step in house.steps for event in step.events for claim in event.claims)
    house.at(EXPIRY)
    house.fix(7, random.choice([0, 79, 100, 150, 10_000]))
    taken += sum(claim.amount for account in (ALICE, BOB) for claim in house.force_out(account).claims)
    fees = house.cash(1) - DOLLAR
    assert taken + fees == 2_000 * DOLLAR
    assert house.cash(CAROL) == 1_000 * DOLLAR
    assert house.group().pool == 0


def test_the_smallest_amounts_move_like_any_other(house: House) -> None:
    """No dust threshold stands between a trader and the last micro-dollar or the last lot."""
    house.apply(house.transfer(ALICE, BOB, 1_000 * DOLLAR - 1))
    assert isinstance(house.attempt(house.withdrawal(ALICE, 1)), Outcome)
    assert house.cash(ALICE) == 0
