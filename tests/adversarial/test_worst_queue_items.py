"""Whatever stands first in the queue, the next batch can serve it: the dearest items, alone and in floods."""

from __future__ import annotations

import pytest

from circuits.shapes import rows_by_table, shape_for
from circuits.witness import follow_batch
from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.codec import QueuedItem
from rollup.instruments import Group, series_id
from rollup.node.room import BatchLimits, items_that_fit
from rollup.outcome import QueueItem
from rollup.schnorr import SepticSchnorr
from rollup.state import Account, Position, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit, ForcedWithdrawal, ListSeries
from rollup.units import MAX_POSITIONS, MAX_SERIES, GroupId, OptionKind, Ticks, Time
from tests.circuits.story import Chapter
from tests.circuits.whole_batches import wrong_with
from tests.rollup.workbench import DEPLOYMENT, make

NOW = 1_800_000_000
CAP = 1000


def crowd(accounts: int, groups: int, series: int, *, is_fixed: bool) -> State:
    """Accounts with as many positions as they may hold, in as many groups, long and short in turn."""
    terms = (NOW - 100 if is_fixed else NOW + 10**6, CAP, 1_000_000, 1_000_000, 1_000_000)
    listed = [
        make(
            Group,
            number,
            1,
            *terms,
            tuple(
                series_id(GroupId(number), Ticks(1 + place // 2), OptionKind(place % 2))
                for place in range(series)
            ),
            7 if is_fixed else None,
        )
        for number in range(groups)
    ]
    held = [
        tuple(
            make(Position, group.series[2 * place], sign)
            for group in listed
            for place in range(MAX_POSITIONS // groups)
        )
        for sign in (1, -1)
    ]
    cash = 10**12
    people = [
        make(Account, number, owner_of(number), None, 0, 0, cash, held[number % 2])
        for number in range(1, accounts + 1)
    ]
    state = State.genesis(DEPLOYMENT, Time(NOW - 10))
    owed = make(type(state.system), DEPLOYMENT, 0, 0, NOW - 10, cash * accounts, state.system.parameters)
    return state.with_leaves(*listed, *people, owed)


def owner_of(account: int) -> int:
    return 1000 + account


def out(account: int) -> QueueItem:
    return make(ForcedWithdrawal, account, owner_of(account))


def served(state: State, items: list[QueueItem]) -> Chapter:
    """The batch that a node makes of these items alone."""
    queued = items_that_fit(state, [QueuedItem(Time(NOW - 5), item) for item in items], BatchLimits())
    assert queued
    batch = make(Batch, 1, NOW, 0, tuple(queued), ())
    outcome = apply_batch(state, batch, SepticSchnorr())
    assert isinstance(outcome, BatchOutcome)
    return Chapter(state, StateTree.of_state(state, KernelHasher(POSEIDON16_20)), batch, outcome)


@pytest.mark.parametrize("is_fixed", [True, False])
def test_the_dearest_item_alone_has_a_proof(*, is_fixed: bool) -> None:
    """Positions in thirty-two groups of 256 series, all of which must be laid out: they fill their table exactly."""
    state = crowd(2, MAX_POSITIONS, MAX_SERIES, is_fixed=is_fixed)
    told = served(state, [out(1), out(2)])
    assert len(told.batch.items) == 1
    followed = follow_batch(told.before, told.batch, told.tree, told.outcome)
    needed = rows_by_table(followed.needed)
    assert needed["series"] == MAX_POSITIONS * MAX_SERIES
    assert shape_for(followed.needed).name == "large"
    assert wrong_with(told) == []


@pytest.mark.parametrize(("groups", "series"), [(32, 8), (32, 128), (16, 64), (1, 256)])
@pytest.mark.parametrize("is_fixed", [True, False])
def test_of_a_flood_a_node_takes_what_a_proof_has_room_for(
    groups: int, series: int, *, is_fixed: bool
) -> None:
    state = crowd(200, groups, series, is_fixed=is_fixed)
    listing = [make(ListSeries, 0, CAP - 1 - place, 0) for place in range(3)]
    deposits = [
        make(Deposit, account, owner_of(account), owner_of(account), 10**6) for account in range(1, 60)
    ]
    flood = [out(account) for account in range(1, 200)]
    for items in (flood, [*listing, *deposits, *flood]):
        told = served(state, items[:200])
        assert len(told.batch.items) >= min(groups, 14)
        shape_for(follow_batch(told.before, told.batch, told.tree, told.outcome).needed)
