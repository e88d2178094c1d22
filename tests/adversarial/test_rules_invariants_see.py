"""The invariant check sees whatever is changed by hand: no field of any leaf can be spoiled in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any

import pytest

from rollup.instruments import Group, SeriesId, series_id
from rollup.invariants import broken_invariants, broken_step
from rollup.state import Account, Deployment, Leaf, OrderSlot, Position, State, System
from rollup.units import GroupId, OptionKind, Ticks
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    PUT,
    REFUSED_KEY,
    House,
    make,
)

EXPIRY = GENESIS_TIME + 24 * HOUR
OPEN_CALL = make(series_id, 8, 100, CALL)


@pytest.fixture(scope="module")
def state() -> State:
    """One group fixed, in the money and half settled, one open, fees, a raised floor, a used slot in each account."""
    house = House()
    house.set_fees(1_000, 2_000)
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 2_000)
    house.list_group(7)
    house.list_group(8, expiry=EXPIRY + 24 * HOUR)
    call, put = house.list_series(7, 100, CALL), house.list_series(7, 130, PUT)
    house.list_series(8, 100, CALL)
    house.trade(ALICE, BOB, call, 3, 7)
    house.trade(CAROL, ALICE, put, 2, 4)
    house.trade(BOB, CAROL, OPEN_CALL, 1, 2)
    house.apply(house.cancel(ALICE, 2))
    house.at(EXPIRY)
    house.fix(7, 120)
    house.settle(ALICE)
    return house.state


def account_of(state: State, account: int) -> Account:
    found = state.account(account)
    assert found is not None
    return found


def group_of_id(state: State, group: int) -> Group:
    found = state.group(GroupId(group))
    assert found is not None
    return found


def spoiled(state: State, leaf: Leaf) -> State:
    return state.with_leaves(leaf)


def leaf_of(state: State, kind: type[Leaf]) -> Any:
    """The leaf of a kind with the most to spoil: of several, the last."""
    return [leaf for _, leaf in sorted(state.all_leaves().items()) if type(leaf) is kind][-1]


WIDE: dict[str, list[object]] = {
    "Account.account": [0, 1 << 24],
    "Account.owner": [-1, 1 << 160],
    "Account.key": [make(replace, REFUSED_KEY, x=((1 << 31) - (1 << 24) + 1,) * 7)],
    "Account.nonce": [-1, 1 << 32],
    "Account.order_floor": [-1, 1 << 32],
    "Account.cash": [-1, 0, 1 << 64],
    "Account.positions": [(), (Position(OPEN_CALL, -(1 << 24)),), (Position(OPEN_CALL, 0),)],
    "OrderSlot.account": [77, 1 << 24],
    "OrderSlot.slot": [-1, 256],
    "OrderSlot.number": [-1, 1 << 32],
    "OrderSlot.filled": [-1, 0, 1 << 24],
    "Group.group": [1 << 16],
    "Group.underlying": [-1, 1 << 16],
    "Group.expiry": [-1, 1 << 48],
    "Group.cap": [0, 99, 1 << 24],
    "Group.tick_micro_dollars": [0, 1, 1 << 32],
    "Group.lot_micro_units": [0, 1, 1 << 32],
    "Group.tick_value": [0, 1, -1, 1 << 32],
    "Group.series": [(), (OPEN_CALL, OPEN_CALL), (OPEN_CALL, make(series_id, 8, 0, CALL))],
    "Group.settlement_price": [-1, 1, 201],
    "Group.pool": [-1, 1, 1 << 63],
    "System.batch_number": [-1, 1 << 32],
    "System.queue_position": [-1, 1 << 32],
    "System.time": [-1, 1 << 48],
    "System.owed": [-1, 0, (1 << 62) + 1],
    "System.deployment": [make(Deployment, -1, 5), make(Deployment, 5, 1 << 160)],
}
"""For every field of every leaf, values that no rule can lead to."""


def cases() -> Iterable[tuple[type[Leaf], str, object]]:
    for kind in (Account, OrderSlot, Group, System):
        for field in fields(kind):
            for value in WIDE.get(f"{kind.__name__}.{field.name}", []):
                yield kind, field.name, value


@pytest.mark.parametrize(("kind", "name", "value"), list(cases()))
def test_no_field_of_a_leaf_is_spoiled_in_silence(
    state: State, kind: type[Leaf], name: str, value: object
) -> None:
    assert broken_invariants(state) == []
    changes: dict[str, Any] = {name: value}
    assert broken_invariants(spoiled(state, replace(leaf_of(state, kind), **changes)))


def test_every_field_of_every_leaf_has_its_spoiling() -> None:
    named = {
        f"{kind.__name__}.{field.name}"
        for kind in (Account, OrderSlot, Group, System)
        for field in fields(kind)
    }
    # The parameters have a test of their own.
    assert named - set(WIDE) == {"System.parameters"}


@pytest.mark.parametrize(
    "change",
    [
        {"treasury": 0},
        {"treasury": 99},
        {"maker_fee_rate": 1 << 16},
        {"taker_fee_rate": -1},
        {"version": 1 << 32},
    ],
    ids=str,
)
def test_parameters_that_would_lose_a_fee_are_named(state: State, change: dict[str, Any]) -> None:
    parameters = replace(state.system.parameters, **change)
    assert broken_invariants(spoiled(state, replace(state.system, parameters=parameters)))


@pytest.mark.parametrize("amount", [-1, 1])
def test_a_single_micro_dollar_made_or_lost_anywhere_is_named(state: State, amount: int) -> None:
    leaves: list[Leaf] = [account.with_cash(account.cash + amount) for account in state.accounts()]
    leaves += [replace(group, pool=group.pool + amount) for group in state.groups()]
    leaves.append(make(replace, state.system, owed=state.system.owed + amount))
    for leaf in leaves:
        assert broken_invariants(spoiled(state, leaf)), leaf


@pytest.mark.parametrize("amount", [-1, 1])
def test_a_single_lot_made_or_lost_anywhere_is_named(state: State, amount: int) -> None:
    for account in state.accounts():
        for place, held in enumerate(account.positions):
            lots = held.lots + amount
            middle = (Position(held.series, lots),) if lots else ()
            positions = account.positions[:place] + middle + account.positions[place + 1 :]
            changed = account.with_holdings(account.cash, positions)
            assert broken_invariants(spoiled(state, changed)), (account, held)


def test_money_moved_out_of_a_margin_is_named_although_the_books_balance(state: State) -> None:
    carol, alice = account_of(state, CAROL), account_of(state, ALICE)
    moved = carol.cash - 99 * DOLLAR
    after = state.with_leaves(carol.with_cash(carol.cash - moved), alice.with_cash(alice.cash + moved))
    assert "account 4 does not meet its margin" in broken_invariants(after)


def test_a_group_fixed_before_it_expires_is_named(state: State) -> None:
    group = replace(group_of_id(state, 8), settlement_price=Ticks(90))
    assert "group 8 is fixed before it expires" in broken_invariants(spoiled(state, group))


@pytest.mark.parametrize("series", [(8, 0), (8, 200), (8, 201), (9, 100)])
def test_a_listed_strike_that_the_margin_walk_never_visits_is_named(
    state: State, series: tuple[int, int]
) -> None:
    group = group_of_id(state, 8)
    stranger = series_id(GroupId(series[0]), Ticks(series[1]), OptionKind.CALL)
    found = broken_invariants(spoiled(state, replace(group, series=(*group.series, stranger))))
    assert found == [f"group 8 lists series that are not its own or lie outside its cap: [{stranger}]"]


def test_a_slot_that_lies_in_the_next_account_s_place_is_named(state: State) -> None:
    """Slot 256 of account 3 has the place of slot 0 of account 4: its place alone gives nothing away."""
    found = broken_invariants(spoiled(state, make(OrderSlot, BOB, 256, 1, 1)))
    assert "slot 256 of account 3 or its order number does not fit" in found


Step = Callable[[State], Leaf]
STEPS: list[tuple[str, Step]] = [
    ("the batch number fell", lambda state: make(replace, state.system, batch_number=0)),
    (
        "the clearing house became another one",
        lambda state: replace(state.system, deployment=make(Deployment, 1, 1)),
    ),
    (
        "the parameters changed without a new version",
        lambda state: replace(
            state.system, parameters=make(replace, state.system.parameters, maker_fee_rate=1)
        ),
    ),
    (
        "the parameters changed without a new version",
        lambda state: replace(state.system, parameters=make(replace, state.system.parameters, version=0)),
    ),
    (
        "the terms of group 8 changed",
        lambda state: make(
            replace, group_of_id(state, 8), tick_micro_dollars=DOLLAR // 2, lot_micro_units=2 * DOLLAR
        ),
    ),
    (
        "the settlement price of group 7 changed",
        lambda state: make(replace, group_of_id(state, 7), settlement_price=None),
    ),
    ("slot 0 of account 2 went back", lambda _: make(OrderSlot, ALICE, 0, 1, (1 << 24) - 1)),
]


@pytest.mark.parametrize(("fault", "spoil"), STEPS, ids=[str(place) for place in range(len(STEPS))])
def test_a_step_that_no_rule_takes_is_named(state: State, fault: str, spoil: Step) -> None:
    assert broken_step(state, state) == []
    assert broken_step(state, spoiled(state, spoil(state))) == [fault]


def test_series_of_every_account_are_looked_up_where_they_belong(state: State) -> None:
    """A position in a group that does not exist is named, and does not stop the check."""
    carol = account_of(state, CAROL)
    nowhere = carol.with_holdings(carol.cash, (*carol.positions, Position(SeriesId(60_000 << 25 | 200), 1)))
    assert any("not listed" in fault for fault in broken_invariants(spoiled(state, nowhere)))


def test_the_check_of_the_genesis_finds_nothing() -> None:
    assert broken_invariants(make(State.genesis, make(Deployment, 1, 1), GENESIS_TIME)) == []
