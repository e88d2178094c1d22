"""Completeness at the edges: batches that random histories would hardly ever meet, built on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollup.authority import TradingKey
from rollup.instruments import SeriesId
from rollup.schnorr import SecretKey, SignatureSuite
from rollup.state import Position, State
from rollup.transactions import (
    Deposit,
    ForcedCancelOrders,
    ListGroup,
    RegisterKey,
    SetParameters,
    Trade,
)
from rollup.units import MAX_POSITIONS, MAX_SERIES, VAULT_CAP, Side
from tests.circuits.histories import REAL_KEYS, RecordingHouse, told
from tests.circuits.whole_batches import wrong_with
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DEPLOYMENT,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    PUT,
    TREASURY,
    make,
    order,
    owner_of,
    signed,
)

Story = Callable[[RecordingHouse], None]
DAY = 24 * HOUR
WIDEST_CAP, WIDEST_TICK = 65_537, 65_535
"""Their product is the largest payoff."""


def enter(house: RecordingHouse, account: int, amount: int, key: TradingKey = REAL_KEYS[0]) -> None:
    """An account with cash and a key."""
    house.serve(make(Deposit, account, owner_of(account), owner_of(account), amount))
    house.serve(make(RegisterKey, account, owner_of(account), 0, key.suite, key.x, key.y))


def deal(house: RecordingHouse, buyer: int, seller: int, series: SeriesId, price: int, lots: int) -> None:
    """A trade of two new orders."""
    expiry = house.state.system.time + HOUR
    orders = [
        order(account, side, series, price, lots, number=house.number(account), expiry=expiry)
        for account, side in ((buyer, Side.BUY), (seller, Side.SELL))
    ]
    house.apply(make(Trade, *map(signed, orders), True, lots))


def wide_market(house: RecordingHouse, account_cash: int = 1 << 60) -> SeriesId:
    """Two rich people and a series of the widest group."""
    for account in (ALICE, BOB):
        enter(house, account, account_cash)
    tick = WIDEST_TICK * 1000, 1000
    house.serve(make(ListGroup, 7, 1, GENESIS_TIME + DAY, WIDEST_CAP, *tick))
    assert house.group().cap * house.group().tick_value == (1 << 32) - 1
    return house.list_series(7, 30_000, CALL)


def nothing_happens(house: RecordingHouse) -> None:
    house.next_batch()
    house.next_batch(GENESIS_TIME + 5)


def items_alone(house: RecordingHouse) -> None:
    enter(house, ALICE, 5)
    house.force_out(ALICE)
    house.force_out(ALICE)
    house.force_cancel(ALICE, 9)
    house.force_cancel(BOB, 9)


def thirty_two_positions(house: RecordingHouse) -> None:
    for account in (ALICE, BOB):
        enter(house, account, 100_000 * DOLLAR)
    house.list_group(7)
    house.list_group(9)
    every = [
        house.list_series(group, strike, kind)
        for group in (7, 9)
        for strike in range(70, 70 + MAX_POSITIONS // 4)
        for kind in (CALL, PUT)
    ]
    another = house.list_series(9, 150, CALL)
    assert len(every) == MAX_POSITIONS
    for place, series in enumerate(every):
        deal(house, *((ALICE, BOB) if place % 3 else (BOB, ALICE)), series, DOLLAR, 2)
    assert len(house.account(ALICE).positions) == MAX_POSITIONS
    house.next_batch()
    deal(house, ALICE, BOB, every[31], DOLLAR, 1)
    deal(house, BOB, ALICE, every[1], DOLLAR, 2)
    deal(house, BOB, ALICE, another, DOLLAR, 2)
    assert len(house.account(ALICE).positions) == MAX_POSITIONS
    house.apply(house.withdrawal(ALICE, DOLLAR))
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 75)
    house.force_out(ALICE)
    house.settle(BOB, 7)


def a_full_vault(house: RecordingHouse) -> None:
    enter(house, ALICE, VAULT_CAP)
    house.serve(make(Deposit, BOB, owner_of(BOB), owner_of(BOB), 1))
    house.serve(make(Deposit, ALICE, owner_of(ALICE), owner_of(ALICE), 2**64 - 1))
    assert house.cash(ALICE) == VAULT_CAP
    house.next_batch()
    house.apply(house.withdrawal(ALICE, VAULT_CAP))
    house.serve(make(Deposit, ALICE, owner_of(ALICE), owner_of(ALICE), VAULT_CAP))
    house.force_out(ALICE)


def a_fortune_changes_hands(house: RecordingHouse) -> None:
    enter(house, ALICE, VAULT_CAP - 1)
    enter(house, BOB, 1)
    house.apply(house.transfer(ALICE, BOB, VAULT_CAP - 1))
    house.apply(house.transfer(BOB, ALICE, VAULT_CAP))
    house.apply(house.transfer(ALICE, BOB, 1))


def the_most_lots(house: RecordingHouse) -> None:
    series = wide_market(house)
    most = (1 << 24) - 1
    held = [
        replace(house.account(account), positions=(make(Position, series, sign * (most - 1)),))
        for account, sign in ((ALICE, 1), (BOB, -1))
    ]
    house.next_batch()
    # Nobody trades sixteen million lots in a test: the story begins anew with who holds them.
    house.batches.clear()
    house.state = make(house.state.with_leaves, *held)
    house.before = replace_leaves(house.before, *held)
    deal(house, ALICE, BOB, series, 1, 1)
    assert house.account(ALICE).positions[0].lots == most
    house.next_batch()
    house.apply(house.withdrawal(ALICE, 7))
    deal(house, BOB, ALICE, series, (1 << 32) - 1, (1 << 16) - 1)
    house.at(GENESIS_TIME + DAY)
    house.fix(7, WIDEST_CAP)
    house.settle(ALICE)
    house.force_out(BOB)


def replace_leaves(state: State | None, *leaves: object) -> State:
    """The state that a batch is opened on, with other leaves."""
    assert state is not None
    changed: State = make(state.with_leaves, *leaves)
    return changed


def the_highest_price(house: RecordingHouse) -> None:
    series = wide_market(house)
    house.serve(make(Deposit, TREASURY, owner_of(TREASURY), owner_of(TREASURY), 0))
    house.serve(make(Deposit, TREASURY, owner_of(TREASURY), owner_of(TREASURY), 1))
    house.serve(make(SetParameters, 0xFFFF, 0xFFFF, TREASURY))
    deal(house, ALICE, BOB, series, (1 << 32) - 1, (1 << 16) - 1)
    deal(house, BOB, ALICE, series, (1 << 32) - 1, 1)
    deal(house, BOB, ALICE, series, 0, 1)


def every_limb_of_time(house: RecordingHouse) -> None:
    for account in (ALICE, BOB):
        enter(house, account, 1_000 * DOLLAR)
    start = house.state.system.time
    house.list_group(expiry=start + DAY)
    series = house.list_series(7, 100, CALL)
    deal(house, ALICE, BOB, series, DOLLAR, 1)
    house.at(start + 9)
    house.force_cancel(ALICE, 1)
    deal(house, BOB, ALICE, series, DOLLAR, 3)
    house.at(start + DAY - 1)
    house.fix(7, 120)
    house.apply(house.withdrawal(ALICE, 1))
    house.at(start + DAY)
    house.fix(7, 120)
    house.settle(ALICE)


def numbers_get_another_limb(house: RecordingHouse) -> None:
    enter(house, ALICE, 5)
    house.next_batch()
    house.force_cancel(ALICE, 1)
    house.force_cancel(ALICE, 2)
    house.next_batch()


def a_group_of_256_series(house: RecordingHouse) -> None:
    for account in (ALICE, BOB):
        enter(house, account, 1_000 * DOLLAR)
    house.list_group()
    every = [house.list_series(7, 1 + place // 2, place % 2) for place in range(MAX_SERIES // 2)]
    house.next_batch()
    every += [house.list_series(7, 1 + place // 2, place % 2) for place in range(MAX_SERIES // 2, MAX_SERIES)]
    house.list_series(7, 199, CALL)
    house.list_series(7, 1, CALL)
    assert len(house.group().series) == MAX_SERIES
    deal(house, ALICE, BOB, every[-1], DOLLAR, 1)
    deal(house, ALICE, BOB, every[0], DOLLAR, 1)
    house.next_batch()
    deal(house, BOB, ALICE, every[-1], DOLLAR, 1)


def the_treasury_trades(house: RecordingHouse) -> None:
    for account in (ALICE, TREASURY):
        enter(house, account, 1_000 * DOLLAR)
    for treasury in (0, BOB, 2**32 - 1, TREASURY):
        house.serve(make(SetParameters, 100, 300, treasury))
    house.list_group()
    series = house.list_series(7, 100, CALL)
    house.list_series(7, 100, PUT)
    house.list_series(7, 100, PUT)
    house.list_series(8, 100, PUT)
    deal(house, ALICE, TREASURY, series, DOLLAR, 5)
    deal(house, TREASURY, ALICE, series, DOLLAR, 7)
    house.apply(house.transfer(ALICE, TREASURY, 3))
    house.apply(house.withdrawal(TREASURY, 3))


def orders_filled_again_and_again(house: RecordingHouse) -> None:
    for account in (ALICE, BOB, CAROL):
        enter(house, account, 1_000 * DOLLAR)
    house.list_group()
    call, put = house.list_series(7, 100, CALL), house.list_series(7, 100, PUT)
    expiry = GENESIS_TIME + HOUR

    def one(account: int, side: Side, series: SeriesId, lots: int, slot: int, number: int) -> object:
        return signed(order(account, side, series, DOLLAR, lots, slot=slot, number=number, expiry=expiry))

    wide = one(ALICE, Side.BUY, call, 10, 0, 1)
    others = [one(BOB, Side.SELL, call, 4, 255, 3), one(CAROL, Side.SELL, call, 9, 0, 0)]
    house.apply(make(Trade, wide, others[0], True, 1))
    house.apply(make(Trade, wide, others[1], False, 2))
    house.apply(make(Trade, wide, others[0], False, 3))
    house.apply(make(Trade, one(ALICE, Side.BUY, put, 1, 1, 5), one(BOB, Side.SELL, put, 2, 255, 4), True, 1))
    house.next_batch()
    house.apply(make(Trade, wide, others[1], True, 4))
    house.apply(make(Trade, one(ALICE, Side.BUY, call, 2, 0, 2), others[1], True, 2))
    house.apply(make(Trade, one(BOB, Side.BUY, put, 2, 0, 9), one(ALICE, Side.SELL, put, 2, 0, 3), False, 2))
    house.apply(house.cancel(ALICE, 4))


def keys_change_before_trades(house: RecordingHouse) -> None:
    enter(house, BOB, 1_000 * DOLLAR)
    enter(house, ALICE, 1_000 * DOLLAR)
    house.list_group()
    series = house.list_series(7, 100, CALL)
    for key in (REAL_KEYS[1], REAL_KEYS[2], REAL_KEYS[1]):
        house.serve(make(RegisterKey, ALICE, owner_of(ALICE), 0, key.suite, key.x, key.y))
    deal(house, ALICE, BOB, series, DOLLAR, 1)
    house.next_batch()
    house.serve(
        make(RegisterKey, ALICE, owner_of(ALICE), 5, REAL_KEYS[0].suite, REAL_KEYS[0].x, REAL_KEYS[0].y)
    )
    house.serve(
        make(RegisterKey, ALICE, owner_of(ALICE), 3, REAL_KEYS[1].suite, REAL_KEYS[1].x, REAL_KEYS[1].y)
    )
    house.numbers[ALICE, 0] = 10
    deal(house, BOB, ALICE, series, DOLLAR, 2)


def keys_of_the_other_suite(house: RecordingHouse) -> None:
    other = SecretKey(SignatureSuite.SEPTIC_POSEIDON16_36, 77).trading_key
    enter(house, ALICE, 1_000 * DOLLAR, other)
    house.next_batch()
    house.serve(make(ForcedCancelOrders, ALICE, owner_of(ALICE), 4))


def a_market_in_one_batch(house: RecordingHouse) -> None:
    for account in (ALICE, BOB):
        enter(house, account, 1_000 * DOLLAR)
    house.list_group()
    series = house.list_series(7, 100, CALL)
    deal(house, ALICE, BOB, series, DOLLAR, 1)


def a_price_and_its_settlements(house: RecordingHouse) -> None:
    a_market_in_one_batch(house)
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 130)
    house.fix(7, 131)
    house.settle(BOB)
    house.settle(ALICE)
    house.apply(house.withdrawal(ALICE, house.cash(ALICE)))


def leaving_half_a_market(house: RecordingHouse) -> None:
    for account in (ALICE, BOB):
        enter(house, account, 300 * DOLLAR)
    house.list_group(7)
    house.list_group(8, expiry=GENESIS_TIME + 2 * DAY)
    fixed, still_open = house.list_series(7, 100, CALL), house.list_series(8, 100, PUT)
    deal(house, ALICE, BOB, fixed, DOLLAR, 1)
    deal(house, ALICE, BOB, still_open, DOLLAR, 1)
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 199)
    for account in (BOB, ALICE, BOB, ALICE):
        house.force_out(account)
    house.apply(house.cancel(BOB, 99))


def poor_and_leaving(house: RecordingHouse) -> None:
    enter(house, ALICE, 2 * DOLLAR)
    enter(house, BOB, 199 * DOLLAR)
    house.list_group(7)
    house.list_group(8, expiry=GENESIS_TIME + 2 * DAY)
    fixed, still_open = house.list_series(7, 100, PUT), house.list_series(8, 100, PUT)
    deal(house, ALICE, BOB, fixed, DOLLAR, 1)
    deal(house, ALICE, BOB, still_open, DOLLAR, 1)
    assert house.cash(ALICE) == 0
    house.force_out(ALICE)
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 150)
    house.force_out(ALICE)
    house.force_out(BOB)
    house.force_out(ALICE)


STORIES: tuple[Story, ...] = (
    nothing_happens,
    items_alone,
    thirty_two_positions,
    a_full_vault,
    a_fortune_changes_hands,
    the_most_lots,
    the_highest_price,
    a_group_of_256_series,
    the_treasury_trades,
    orders_filled_again_and_again,
    keys_change_before_trades,
    keys_of_the_other_suite,
    a_market_in_one_batch,
    a_price_and_its_settlements,
    leaving_half_a_market,
    poor_and_leaving,
)


def assert_laid_out(house: RecordingHouse) -> None:
    """Every batch so far, in tables that are full and in tables with room."""
    house.seal()
    for chapter in told(house.batches):
        assert wrong_with(chapter) == []
        assert wrong_with(chapter, room=1) == []


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_edges_are_laid_out(story: Story) -> None:
    house = RecordingHouse()
    story(house)
    assert_laid_out(house)


TIMES = (0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF - DAY, 0x1_0000_0000 - 9, 0xFFFF_FFFF_FFFF - 31 * DAY, 0)


@pytest.mark.parametrize("time", TIMES, ids=hex)
def test_every_limb_of_time_carries(time: int) -> None:
    house = RecordingHouse(state=make(State.genesis, DEPLOYMENT, time))
    every_limb_of_time(house)
    assert_laid_out(house)


@pytest.mark.parametrize("number", [0xFFFD, 0xFFFE, 0xFFFF, 0xFFFF_FFF0], ids=hex)
def test_numbers_of_batches_and_items_get_another_limb(number: int) -> None:
    genesis = make(State.genesis, DEPLOYMENT, GENESIS_TIME)
    system = make(replace, genesis.system, batch_number=number, queue_position=number)
    house = RecordingHouse(state=genesis.with_leaves(system))
    numbers_get_another_limb(house)
    assert_laid_out(house)
