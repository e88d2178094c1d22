"""Honest batches whose numbers fill their limbs: where a value is small, little can be lent to it or by it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from prover.field.koalabear import PRIME
from rollup.instruments import SeriesId
from rollup.transactions import Deposit, ListGroup, RegisterKey, SetParameters
from tests.circuits import test_extreme_batches as extremes
from tests.circuits.histories import REAL_KEYS, RecordingHouse
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    GENESIS_TIME,
    PUT,
    TREASURY,
    make,
    owner_of,
)

BUYERS = tuple(range(100, 108))


def terms_of_any_size(house: RecordingHouse) -> None:
    """Groups that are listed and groups that are not, for every reason."""
    random = Random(11)
    for group in range(20, 28):
        tick, lot = random.randrange(1 << 32), random.randrange(1 << 32)
        cap = random.randrange(1 << (24 if group % 2 else 32))
        house.serve(make(ListGroup, group, group, random.randrange(1 << 48), cap, tick, lot))
    late = house.state.system.time + (1 << 40)
    for group, cap, tick, lot in ((30, 60_013, 251_000, 173_000), (31, 70_001, 2_147_000, 1_117_000)):
        house.serve(make(ListGroup, group, 3, late, cap, tick, lot))


def items_for_every_reason(house: RecordingHouse) -> None:
    """Deposits and registrations with effect, and without one for every reason."""
    extremes.enter(house, ALICE, 5)
    for account, owner, amount in (
        (ALICE, BOB, 5),
        (0, BOB, 5),
        (1 << 24, BOB, 7),
        (77, 77, 0),
        (78, 78, (1 << 64) - 1),
        (80, 80, 1 << 62),
        (ALICE, ALICE, 0xFFFF_FFFF_FFFF),
    ):
        house.serve(make(Deposit, account, owner_of(owner), owner_of(BOB), amount))
    key = REAL_KEYS[1]
    keys: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = [(key.suite, key.x, key.y)]
    keys += [(key.suite, (key.x[0] ^ 1, *key.x[1:]), key.y)]
    keys += [(suite, key.x, key.y) for suite in (0, 2, 0xFFFF)]
    for place in range(len(key.x)):
        for element in (PRIME, PRIME + 65_537 * (place + 1), (1 << 32) - 1):
            keys.append((key.suite, (*key.x[:place], element, *key.x[place + 1 :]), key.y))
            keys.append((key.suite, key.x, (*key.y[:place], element, *key.y[place + 1 :])))
    for floor, (suite, x, y) in enumerate(keys):
        house.serve(make(RegisterKey, ALICE, owner_of(ALICE), 77_777 * floor, suite, x, y))
    for account, owner in ((ALICE, BOB), (BOB, BOB), (1 << 24, ALICE)):
        house.serve(make(RegisterKey, account, owner_of(owner), 9, key.suite, key.x, key.y))


def odd_prices(house: RecordingHouse) -> None:
    """Premiums and fees with something in every byte."""
    series = extremes.wide_market(house)
    house.serve(make(Deposit, TREASURY, owner_of(TREASURY), owner_of(TREASURY), 1))
    house.serve(make(SetParameters, 0xABCD, 0x9876, TREASURY))
    extremes.deal(house, ALICE, BOB, series, 3_141_592_653, 54_321)
    extremes.deal(house, BOB, ALICE, series, 2_718_281_828, 43_210)
    extremes.deal(house, ALICE, BOB, series, 1_414_213_562, 1_234)


def lists_of_every_length(house: RecordingHouse) -> None:
    """Accounts with one to eight positions, groups with one to eight series, and both again with one more."""
    for account in (BOB, CAROL, *BUYERS):
        extremes.enter(house, account, 100_000 * DOLLAR)
    for place, _ in enumerate(BUYERS):
        house.list_group(40 + place)
    first = [[house.list_series(40 + place, 90 + k, CALL) for k in range(place + 1)] for place in range(8)]
    _buy(house, first)
    house.next_batch()
    _buy(house, [[house.list_series(40 + place, 120, CALL)] for place in range(8)])


def _buy(house: RecordingHouse, every: list[list[SeriesId]]) -> None:
    """One lot or more of each series for one buyer a group, from two sellers: nobody holds more than may be held."""
    for place, (account, of_group) in enumerate(zip(BUYERS, every, strict=True)):
        for series in of_group:
            extremes.deal(house, account, CAROL if place > 3 else BOB, series, DOLLAR, 1 + place)


def margin_at_a_price(house: RecordingHouse) -> None:
    """Positions at the price, above it and below it, of accounts that stay where they are and take cash out."""
    for account in (ALICE, BOB):
        extremes.enter(house, account, 3_000 * DOLLAR)
    house.list_group(7)
    series = [house.list_series(7, strike, kind) for strike in (100, 130, 150) for kind in (CALL, PUT)]
    for place, one in enumerate(series):
        buyer, seller = (ALICE, BOB) if place % 2 else (BOB, ALICE)
        extremes.deal(house, buyer, seller, one, DOLLAR, 1 + place)
    house.at(GENESIS_TIME + extremes.DAY)
    house.fix(7, 130)
    for account in (ALICE, BOB):
        house.apply(house.withdrawal(account, DOLLAR))


ALL: tuple[Callable[[RecordingHouse], None], ...] = (
    extremes.thirty_two_positions,
    extremes.keys_change_before_trades,
    extremes.items_alone,
    extremes.the_treasury_trades,
    extremes.orders_filled_again_and_again,
    extremes.the_highest_price,
    extremes.a_full_vault,
    extremes.a_fortune_changes_hands,
    extremes.leaving_half_a_market,
    extremes.poor_and_leaving,
    extremes.a_price_and_its_settlements,
    terms_of_any_size,
    items_for_every_reason,
    odd_prices,
    lists_of_every_length,
    margin_at_a_price,
)
"""Batches in which something happens in every table."""
