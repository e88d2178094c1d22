"""Portfolios that a trader knows by heart, worked out by hand."""

from __future__ import annotations

from itertools import permutations

import pytest

from rollup.events import GroupSettled, ItemIgnored, Traded, Transferred, Withdrawn
from rollup.instruments import SeriesId
from rollup.invariants import broken_invariants
from rollup.margin import Margin, margin_of
from rollup.rejections import Rejection
from rollup.state import Position
from rollup.transactions import Deposit, ListGroup, SettleGroup
from rollup.units import AccountId
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    PUT,
    TREASURY,
    House,
    make,
    owner_of,
)


@pytest.fixture
def house() -> House:
    """Alice and Bob with 1,000 dollars each; group 7, capped at 200, with strikes from 80 to 120."""
    house = House()
    house.deposit(ALICE, 1_000)
    house.deposit(BOB, 1_000)
    house.list_group()
    for strike in (80, 90, 100, 110, 120):
        house.list_series(7, strike, CALL)
        house.list_series(7, strike, PUT)
    return house


def call(strike: int, group: int = 7) -> SeriesId:
    return SeriesId(group << 25 | strike << 1)


def put(strike: int, group: int = 7) -> SeriesId:
    return SeriesId(group << 25 | strike << 1 | 1)


def margin(house: House, *held: tuple[SeriesId, int]) -> Margin:
    return margin_of(tuple(sorted(Position(*position) for position in held)), house.state.group)


def test_a_naked_short_call_needs_everything_up_to_the_cap(house: House) -> None:
    assert margin(house, (call(100), -1)).requirement == 100 * DOLLAR


def test_a_naked_short_put_needs_its_strike(house: House) -> None:
    assert margin(house, (put(100), -1)).requirement == 100 * DOLLAR


def test_a_long_option_needs_nothing(house: House) -> None:
    assert margin(house, (put(100), 3), (call(100), 3)).requirement == 0


def test_a_vertical_spread_needs_its_width(house: House) -> None:
    assert margin(house, (call(100), -2), (call(110), 2)).requirement == 20 * DOLLAR
    assert margin(house, (put(100), -2), (put(90), 2)).requirement == 20 * DOLLAR


def test_a_debit_spread_needs_nothing(house: House) -> None:
    assert margin(house, (call(100), 1), (call(110), -1)).requirement == 0


def test_an_iron_condor_needs_its_wider_wing_once(house: House) -> None:
    condor = ((put(80), 1), (put(90), -1), (call(100), -1), (call(120), 1))
    assert margin(house, *condor).requirement == 20 * DOLLAR


def test_a_butterfly_needs_nothing_long_and_its_wing_short(house: House) -> None:
    assert margin(house, (call(90), 1), (call(100), -2), (call(110), 1)).requirement == 0
    assert margin(house, (call(90), -1), (call(100), 2), (call(110), -1)).requirement == 10 * DOLLAR


def test_a_box_is_cash_whatever_the_price(house: House) -> None:
    box = ((call(90), 1), (put(90), -1), (call(110), -1), (put(110), 1))
    (of_group,) = margin(house, *box).groups
    assert {step.payoff for step in of_group.walk} == {20 * DOLLAR}
    assert margin(house, *((series, -lots) for series, lots in box)).requirement == 20 * DOLLAR


def test_a_calendar_gets_no_credit_across_groups(house: House) -> None:
    house.list_group(8, expiry=GENESIS_TIME + 48 * HOUR)
    house.list_series(8, 100, CALL)
    assert margin(house, (call(100), -1), (call(100, 8), 1)).requirement == 100 * DOLLAR


def test_the_walk_visits_zero_every_strike_and_the_cap(house: House) -> None:
    (of_group,) = margin(house, (put(90), -1), (call(110), -1)).groups
    assert [(step.price, step.payoff // DOLLAR, step.slope) for step in of_group.walk] == [
        (0, -90, 1),
        (90, 0, 0),
        (110, 0, -1),
        (200, -90, -1),
    ]


def test_a_trade_moves_the_premium_and_both_positions(house: House) -> None:
    event = house.trade(ALICE, BOB, call(110), 5, 3.25)
    assert isinstance(event, Traded)
    assert event.premium == 16_250_000
    assert house.cash(ALICE) == 1_000 * DOLLAR - 16_250_000
    assert house.cash(BOB) == 1_000 * DOLLAR + 16_250_000
    assert house.account(ALICE).positions == ((call(110), 5),)
    assert house.account(BOB).positions == ((call(110), -5),)


def test_the_premium_received_counts_towards_the_margin(house: House) -> None:
    # Ten calls at 100 need 1,000 dollars; one more needs 1,100, of which its own premium brings a part.
    house.trade(ALICE, BOB, call(100), 10, 9)
    assert house.attempt(house.a_trade(ALICE, BOB, call(100), 1, 9.99)) is Rejection.MARGIN_NOT_MET
    assert not isinstance(house.attempt(house.a_trade(ALICE, BOB, call(100), 1, 10)), Rejection)


def test_the_last_lot_closes_the_position_and_frees_the_margin(house: House) -> None:
    house.trade(ALICE, BOB, call(100), 10, 0)
    for _ in range(9):
        house.trade(BOB, ALICE, call(100), 1, 0)
    assert margin_of(house.account(BOB).positions, house.state.group).requirement == 100 * DOLLAR
    house.trade(BOB, ALICE, call(100), 1, 0)
    assert house.account(ALICE).positions == house.account(BOB).positions == ()


def test_an_option_may_change_hands_for_nothing(house: House) -> None:
    house.set_fees(100, 300)
    house.trade(ALICE, BOB, call(120), 1, 0)
    assert house.cash(ALICE) == 1_000 * DOLLAR
    assert house.cash(TREASURY) == DOLLAR


def test_fees_round_up_and_go_to_the_treasury(house: House) -> None:
    house.set_fees(100, 300)
    event = house.trade(ALICE, BOB, call(120), 1, 0.000001)
    assert isinstance(event, Traded)
    assert (event.buyer.fee.amount, event.buyer.fee.excess) == (1, 999_900)
    assert (event.seller.fee.amount, event.seller.fee.excess) == (1, 999_700)
    assert house.cash(TREASURY) == DOLLAR + 2
    assert house.cash(ALICE) == 1_000 * DOLLAR - 2
    assert house.cash(BOB) == 1_000 * DOLLAR


def test_the_treasury_may_trade_and_pays_its_fee_to_itself(house: House) -> None:
    house.set_fees(100, 300)
    house.deposit(TREASURY, 100)
    house.trade(TREASURY, ALICE, call(100), 1, 10)
    assert house.cash(TREASURY) == 101 * DOLLAR - 10 * DOLLAR + 3_000


@pytest.mark.parametrize(
    ("price", "paid"),
    [
        (0, 0),
        (99, 0),
        (100, 0),
        (101, 1),
        (110, 10),
        (111, 10),
        (199, 10),
        (200, 10),
        (201, 10),
        (2**64 - 1, 10),
    ],
)
def test_a_spread_settles_exactly_at_strikes_cap_and_beyond(house: House, price: int, paid: int) -> None:
    house.trade(ALICE, BOB, call(100), 1, 0)
    house.trade(BOB, ALICE, call(110), 1, 0)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, price)
    house.settle(ALICE)
    house.settle(BOB)
    assert house.cash(ALICE) == (1_000 + paid) * DOLLAR
    assert house.cash(BOB) == (1_000 - paid) * DOLLAR
    assert house.group().pool == 0


def test_a_put_settles_at_zero_for_its_strike(house: House) -> None:
    house.trade(ALICE, BOB, put(120), 8, 0)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 0)
    house.settle(BOB)
    assert house.cash(BOB) == 40 * DOLLAR
    assert house.group().pool == 960 * DOLLAR
    house.settle(ALICE)
    assert house.cash(ALICE) == 1_960 * DOLLAR


@pytest.mark.parametrize("sequence", list(permutations((ALICE, BOB, CAROL))))
def test_accounts_settle_in_any_order(house: House, sequence: tuple[int, ...]) -> None:
    house.deposit(CAROL, 1_000)
    house.trade(ALICE, BOB, call(90), 3, 12)
    house.trade(CAROL, BOB, put(110), 2, 5)
    house.trade(BOB, CAROL, call(100), 2, 8)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 104)
    for account in sequence:
        house.settle(account)
    assert house.cash(ALICE) == (1_000 - 36 + 3 * 14) * DOLLAR
    assert house.cash(BOB) == (1_000 + 36 + 10 - 16 - 3 * 14 - 2 * 6 + 2 * 4) * DOLLAR
    assert house.cash(CAROL) == (1_000 - 10 + 16 + 2 * 6 - 2 * 4) * DOLLAR
    assert house.group().pool == 0
    assert house.attempt(make(SettleGroup, ALICE, 7)) is Rejection.NOTHING_TO_SETTLE


def test_a_condor_settles_leg_by_leg_against_four_parties_in_every_order(house: House) -> None:
    """Alice holds the four legs, each against another account; whoever settles when, all end alike."""
    condor = ((put(80), 1), (put(90), -1), (call(100), -1), (call(120), 1))
    parties = (BOB, CAROL, AccountId(5), AccountId(6))
    for party, (series, lots) in zip(parties, condor, strict=True):
        house.deposit(party, 1_000)
        house.trade(*((ALICE, party) if lots > 0 else (party, ALICE)), series, 1, 0)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 125)
    house.has_invariants_checked = False
    fixed, ends = house.state, set()
    before = {account: house.cash(account) for account in (ALICE, *parties)}
    for sequence in permutations((ALICE, *parties)):
        house.state = fixed
        for account in sequence:
            event = house.settle(account)
            assert isinstance(event, GroupSettled)
            assert (
                sum(leg.lots * leg.payoff_per_lot for leg in event.settlement.legs) == event.settlement.payoff
            )
            assert broken_invariants(house.state) == []
        ends.add(tuple(house.cash(account) - before[account] for account in (ALICE, *parties)))
    assert ends == {(-20 * DOLLAR, 0, 0, 25 * DOLLAR, -5 * DOLLAR)}
    assert house.group().pool == 0


def test_a_fixed_group_counts_at_its_price_until_it_is_settled(house: House) -> None:
    house.trade(ALICE, BOB, call(100), 10, 0)
    house.at(GENESIS_TIME + 24 * HOUR)
    assert house.attempt(house.withdrawal(BOB, DOLLAR)) is Rejection.MARGIN_NOT_MET
    house.fix(7, 130)
    assert house.attempt(house.withdrawal(BOB, 700 * DOLLAR + 1)) is Rejection.MARGIN_NOT_MET
    assert isinstance(house.apply(house.withdrawal(BOB, 700 * DOLLAR)), Withdrawn)
    # What Alice has won counts only once it is settled.
    assert house.attempt(house.withdrawal(ALICE, 1_000 * DOLLAR + 1)) is Rejection.CASH_INSUFFICIENT
    house.settle(ALICE)
    assert isinstance(house.apply(house.withdrawal(ALICE, 1_300 * DOLLAR)), Withdrawn)
    assert house.cash(BOB) == 300 * DOLLAR
    house.settle(BOB)
    assert house.cash(BOB) == 0


def test_a_forced_withdrawal_settles_what_is_fixed_and_pays_what_is_free(house: House) -> None:
    house.list_group(8, expiry=GENESIS_TIME + 48 * HOUR)
    house.list_series(8, 50, PUT)
    house.trade(ALICE, BOB, call(100), 1, 0)
    house.trade(ALICE, BOB, put(50, 8), 1, 0)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 140)
    event = house.force_out(BOB)
    assert [claim.amount for claim in event.claims] == [(1_000 - 40 - 50) * DOLLAR]
    assert house.cash(BOB) == 50 * DOLLAR
    assert house.account(BOB).positions == ((put(50, 8), -1),)
    second = house.force_out(BOB)
    assert isinstance(second, ItemIgnored)
    assert second.reason is Rejection.NOTHING_TO_WITHDRAW


def test_a_transfer_of_everything_leaves_zero(house: House) -> None:
    assert isinstance(house.apply(house.transfer(ALICE, BOB, 1_000 * DOLLAR)), Transferred)
    assert (house.cash(ALICE), house.cash(BOB)) == (0, 2_000 * DOLLAR)


def test_the_largest_values_fit() -> None:
    house = House()
    largest_price, largest_lots, fills, group = 2**32 - 1, 2**24 - 1, 2**16 - 1, 2**16 - 1
    for account in (ALICE, BOB):
        house.deposit(account, 0.000001)
        house.serve(make(Deposit, account, owner_of(account), owner_of(account), (1 << 61) - 1))
    house.serve(make(ListGroup, group, 2**16 - 1, GENESIS_TIME + 24 * HOUR, 2**24 - 1, 256, DOLLAR))
    series = house.list_series(group, 1, CALL)
    whole, rest = divmod(largest_lots, fills)
    for lots in (*[fills] * whole, rest):
        house.apply(house.a_trade(ALICE, BOB, series, lots, largest_price / DOLLAR))
    assert house.account(BOB).positions == ((series, -largest_lots),)
    assert house.attempt(house.a_trade(ALICE, BOB, series, 1, 0)) is Rejection.POSITION_TOO_LARGE
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(group, 2**64 - 1)
    house.settle(ALICE, group)
    assert house.group(group).pool == -largest_lots * (2**24 - 2) * 256
    house.settle(BOB, group)
    assert house.group(group).pool == 0
    assert house.cash(ALICE) + house.cash(BOB) == house.state.system.owed == 1 << 62
