"""The invariant check sees each fault, and names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollup.instruments import SeriesId
from rollup.invariants import broken_invariants, broken_step
from rollup.state import SYSTEM_INDEX, Leaf, LeafIndex, OrderSlot, Position, State
from rollup.units import AccountId, Address, Amount, Nonce, OrderNumber, Ticks, Time
from rollup.versioned_map import VersionedMap
from tests.rollup.workbench import ALICE, BOB, CALL, DOLLAR, GENESIS_TIME, HOUR, House, make

SERIES = SeriesId(7 << 25 | 100 << 1)


@pytest.fixture
def house() -> House:
    house = House()
    house.deposit(ALICE, 500)
    house.deposit(BOB, 500)
    house.list_group()
    house.list_series(7, 100, CALL)
    house.trade(ALICE, BOB, SERIES, 2, 10)
    return house


Spoil = Callable[[House], tuple[Leaf, ...]]
FAULTS: list[tuple[str, Spoil]] = [
    (
        "cash and pools are 1000000001, but deposits less withdrawals are 1000000000",
        lambda house: (house.account(ALICE).with_cash(480 * DOLLAR + 1),),
    ),
    (
        "the clearing house owes -1, outside the vault's bounds",
        lambda house: (replace(house.state.system, owed=Amount(-1)),),
    ),
    (f"lots of series {SERIES} sum to 1", lambda house: (_holding(house, ALICE, 3),)),
    ("account 2 has positions out of order", lambda house: (_holding(house, ALICE, 1, 1),)),
    ("account 2 has 33 positions", lambda house: (_holding(house, ALICE, *[1] * 33),)),
    ("account 2 has a position of no lots or too many", lambda house: (_holding(house, ALICE, 0),)),
    ("account 2 has -1 in cash", lambda house: (house.account(ALICE).with_cash(-1),)),
    (
        "account 2 has a nonce or floor that does not fit",
        lambda house: (replace(house.account(ALICE), nonce=Nonce(2**32)),),
    ),
    (
        "account 2 holds series that are not listed: [469762048]",
        lambda house: (replace(house.account(ALICE), positions=(Position(SeriesId(7 << 26), 1),)),),
    ),
    ("account 3 does not meet its margin", lambda house: (house.account(BOB).with_cash(199 * DOLLAR),)),
    (
        "account 0 has an id that no account may have",
        lambda house: (replace(house.account(BOB), account=AccountId(0)),),
    ),
    ("group 7 has terms that do not come out whole", lambda house: (replace(house.group(), tick_value=1),)),
    (
        "group 7 lists too many series, or one twice",
        lambda house: (replace(house.group(), series=(SERIES, SERIES)),),
    ),
    ("group 7 has a pool before its price is fixed", lambda house: (replace(house.group(), pool=1),)),
    ("the pool of group 7 is 1, its open payoffs 0", lambda house: (replace(house.group(), pool=1),)),
    (
        "group 7 is fixed at 201, outside zero and its cap",
        lambda house: (replace(house.group(), settlement_price=Ticks(201)),),
    ),
    ("slot 3 of account 77 has no account", lambda _: (make(OrderSlot, 77, 3, 1, 1),)),
    ("slot 3 of account 2 has 0 lots filled", lambda _: (make(OrderSlot, ALICE, 3, 1, 0),)),
]


def _holding(house: House, account: int, *lots: int) -> Leaf:
    return replace(house.account(account), positions=tuple(Position(SERIES, each) for each in lots))


@pytest.mark.parametrize(("fault", "spoil"), FAULTS, ids=[fault for fault, _ in FAULTS])
def test_a_fault_is_named(house: House, fault: str, spoil: Spoil) -> None:
    assert fault in broken_invariants(house.state.with_leaves(*spoil(house)))


def test_a_leaf_in_a_wrong_place_is_named(house: House) -> None:
    leaves: VersionedMap[LeafIndex, Leaf] = house.state.leaves.set_many({LeafIndex(5): house.account(ALICE)})
    assert f"the leaf at 5 belongs at {(1 << 32) + ALICE}" in broken_invariants(State(leaves))


def test_a_pool_must_equal_the_payoffs_still_open(house: House) -> None:
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 120)
    house.settle(ALICE)
    pool = house.group().pool
    assert pool == -40 * DOLLAR
    spoiled = house.state.with_leaves(replace(house.group(), pool=pool + 1))
    assert f"the pool of group 7 is {pool + 1}, its open payoffs {pool}" in broken_invariants(spoiled)


STEPS: list[tuple[str, Spoil]] = [
    ("a nonce or floor of account 2 fell", lambda house: (replace(house.account(ALICE), nonce=Nonce(0)),)),
    (
        "a nonce or floor of account 2 fell",
        lambda house: (replace(house.account(ALICE), order_floor=OrderNumber(0)),),
    ),
    ("account 2 changed its owner", lambda house: (replace(house.account(ALICE), owner=Address(5)),)),
    ("slot 0 of account 2 went back", lambda _: (make(OrderSlot, ALICE, 0, 1, 1),)),
    ("the terms of group 7 changed", lambda house: (replace(house.group(), expiry=Time(5)),)),
    ("a series of group 7 changed its place", lambda house: (replace(house.group(), series=()),)),
    ("time or queue ran backwards", lambda house: (replace(house.state.system, time=Time(0)),)),
]


@pytest.mark.parametrize(("fault", "spoil"), STEPS, ids=[str(place) for place in range(len(STEPS))])
def test_a_step_that_goes_back_is_named(house: House, fault: str, spoil: Spoil) -> None:
    house.apply(house.cancel(ALICE, 1))
    assert broken_step(house.state, house.state.with_leaves(*spoil(house))) == [fault]


def test_a_changed_settlement_price_is_named(house: House) -> None:
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 120)
    after = house.state.with_leaves(replace(house.group(), settlement_price=Ticks(119)))
    assert broken_step(house.state, after) == ["the settlement price of group 7 changed"]


def test_a_leaf_that_is_gone_is_named(house: House) -> None:
    without = State.of_leaves([leaf for leaf in house.state.all_leaves().values() if leaf != house.group()])
    assert broken_step(house.state, without) == [f"the leaf at {(1 << 33) + 7} is gone"]


def test_a_state_without_its_system_leaf_is_a_bug() -> None:
    with pytest.raises(LookupError, match=r"^a state has a system leaf$"):
        _ = State.of_leaves([]).system
    assert SYSTEM_INDEX not in State.of_leaves([]).leaves
