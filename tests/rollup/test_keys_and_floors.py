"""Keys, floors and slots: what an owner changes, old promises cannot undo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollup.events import KeyRegistered, Traded
from rollup.instruments import SeriesId
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.transactions import RegisterKey, Trade
from rollup.units import OrderKind, Side, SlotIndex
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    KEY,
    ZEROS,
    House,
    make,
    order,
    owner_of,
    signed,
)

SERIES = SeriesId(7 << 25 | 100 << 1)
OTHER_KEY = replace(KEY, x=make(tuple, (9, *ZEROS[1:])))


@pytest.fixture
def house() -> House:
    house = House()
    house.deposit(ALICE, 1_000)
    house.deposit(BOB, 1_000)
    house.list_group()
    house.list_series(7, 100, CALL)
    return house


def trade(house: House, lots: int = 1, **buy_changes: object) -> Outcome | Rejection:
    buy = order(ALICE, Side.BUY, SERIES, DOLLAR, 5, number=5, **buy_changes)
    sell = order(BOB, Side.SELL, SERIES, DOLLAR, 5, number=house.number(BOB))
    return house.attempt(make(Trade, signed(buy), signed(sell), True, lots))


def register(house: House, key: object, floor: int) -> None:
    assert isinstance(key, type(KEY))
    event = house.serve(make(RegisterKey, ALICE, owner_of(ALICE), floor, key.suite, key.x, key.y))
    assert isinstance(event, KeyRegistered)


def test_orders_of_a_key_that_comes_back_stay_dead(house: House) -> None:
    register(house, OTHER_KEY, 6)
    assert house.account(ALICE).key == OTHER_KEY
    register(house, KEY, 0)
    assert house.account(ALICE).key == KEY
    assert house.account(ALICE).order_floor == 6
    assert trade(house) is Rejection.ORDER_CANCELLED


def test_a_floor_at_its_end_cannot_keep_a_stolen_key_in_place(house: House) -> None:
    house.apply(house.cancel(ALICE, 2**32 - 1))
    register(house, OTHER_KEY, 1)
    assert house.account(ALICE).key == OTHER_KEY
    assert house.account(ALICE).order_floor == 2**32 - 1


def test_an_order_at_the_floor_is_alive(house: House) -> None:
    house.force_cancel(ALICE, 5)
    assert isinstance(trade(house), Outcome)
    house.force_cancel(ALICE, 6)
    assert trade(house) is Rejection.ORDER_CANCELLED


def test_a_larger_number_takes_the_slot_with_nothing_filled(house: House) -> None:
    house.deposit(BOB, 1_000)
    assert isinstance(trade(house, 5), Outcome)
    assert trade(house, 1) is Rejection.ORDER_OVERFILLED
    assert isinstance(trade(house, 5, slot=1), Outcome)
    newer = order(ALICE, Side.BUY, SERIES, DOLLAR, 5, number=6)
    sell = order(BOB, Side.SELL, SERIES, DOLLAR, 5, number=house.number(BOB))
    assert isinstance(house.attempt(make(Trade, signed(newer), signed(sell), True, 2)), Outcome)
    slot = house.state.slot(ALICE, SlotIndex(0))
    assert slot is not None
    assert (slot.number, slot.filled) == (6, 2)
    assert trade(house) is Rejection.ORDER_REPLACED


def test_an_order_lives_until_the_second_of_its_expiry(house: House) -> None:
    house.at(GENESIS_TIME + HOUR)
    assert trade(house, expiry=GENESIS_TIME + HOUR) is Rejection.ORDER_EXPIRED
    assert isinstance(trade(house, expiry=GENESIS_TIME + HOUR + 1), Outcome)
    month = 30 * 24 * HOUR
    assert isinstance(trade(house, expiry=GENESIS_TIME + HOUR + month), Outcome)
    assert trade(house, expiry=GENESIS_TIME + HOUR + month + 1) is Rejection.ORDER_LIVES_TOO_LONG


@pytest.mark.parametrize(("buyer_is_maker", "dollars"), [(True, 3), (False, 2)])
def test_the_premium_is_at_the_price_of_the_maker(house: House, buyer_is_maker: bool, dollars: int) -> None:
    buy = order(ALICE, Side.BUY, SERIES, 3 * DOLLAR, 1)
    sell = order(BOB, Side.SELL, SERIES, 2 * DOLLAR, 1)
    event = house.apply(make(Trade, signed(buy), signed(sell), buyer_is_maker, 1))
    assert isinstance(event, Traded)
    assert event.premium == dollars * DOLLAR


@pytest.mark.parametrize("is_maker", [True, False])
def test_post_only_rests_and_immediate_takes(house: House, is_maker: bool) -> None:
    kind = OrderKind.POST_ONLY if is_maker else OrderKind.IMMEDIATE
    buy = order(ALICE, Side.BUY, SERIES, DOLLAR, 1, kind=kind)
    sell = order(BOB, Side.SELL, SERIES, DOLLAR, 1)
    assert isinstance(house.attempt(make(Trade, signed(buy), signed(sell), is_maker, 1)), Outcome)


def test_fees_follow_the_role_not_the_side(house: House) -> None:
    house.set_fees(100, 300)
    buy = order(ALICE, Side.BUY, SERIES, 10 * DOLLAR, 2)
    sell = order(BOB, Side.SELL, SERIES, 10 * DOLLAR, 2)
    fees = []
    for buyer_is_maker in (True, False):
        event = house.apply(make(Trade, signed(buy), signed(sell), buyer_is_maker, 1))
        assert isinstance(event, Traded)
        fees.append((event.buyer.fee.amount, event.seller.fee.amount))
    assert fees == [(1_000, 3_000), (3_000, 1_000)]


def test_an_exact_fee_limit_is_enough(house: House) -> None:
    house.set_fees(100, 300)
    assert isinstance(trade(house, max_fee_rate=100), Outcome)
