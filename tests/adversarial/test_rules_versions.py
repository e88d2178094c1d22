"""An old state stays what it was: no write, branch, refusal or reader changes a version that someone holds."""

from __future__ import annotations

import copy
from dataclasses import fields
from itertools import pairwise
from random import Random

import pytest

from prover.hash.poseidon import POSEIDON16_20
from rollup.instruments import series_id
from rollup.invariants import broken_invariants
from rollup.outcome import Outcome
from rollup.state import LeafIndex, State
from rollup.state_hash import KernelHasher, ReferenceHasher
from rollup.state_tree import StateTree
from rollup.transition import apply_transaction
from rollup.versioned_map import VersionedMap
from tests.rollup.workbench import ALICE, BOB, CALL, CAROL, DOLLAR, GENESIS_TIME, HOUR, House, make

CALL_100 = make(series_id, 7, 100, CALL)


def busy_house() -> tuple[House, list[State]]:
    """A history and the state after every step of it."""
    house = House(has_invariants_checked=False)
    states = [house.state]
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 1_000)
        states.append(house.state)
    house.list_group()
    house.list_series(7, 100, CALL)
    for step in range(12):
        house.trade(*((ALICE, BOB), (BOB, CAROL), (CAROL, ALICE))[step % 3], CALL_100, 1, step)
        states.append(house.state)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 150)
    states.append(house.state)
    for account in (ALICE, BOB, CAROL):
        house.force_out(account)
        states.append(house.state)
    return house, states


def test_every_state_of_a_history_keeps_its_leaves_in_whatever_order_they_are_read() -> None:
    _, states = busy_house()
    copies = [dict(state.all_leaves()) for state in states]
    random = Random(1)
    for _ in range(200):
        place = random.randrange(len(states))
        assert dict(states[place].all_leaves()) == copies[place]
        assert broken_invariants(states[place]) == []


def cash_of(state: State, account: int) -> int:
    found = state.account(account)
    assert found is not None
    return found.cash


def test_two_futures_of_one_state_do_not_see_each_other() -> None:
    house, states = busy_house()
    base = states[8]
    transfer = make(house.transfer, ALICE, BOB, DOLLAR)
    futures = []
    for amount in (1, 2, 3):
        outcome = apply_transaction(
            base, make(type(transfer), ALICE, BOB, amount, 0, transfer.signature), house.check
        )
        assert isinstance(outcome, Outcome)
        futures.append(outcome.state)
    cash = cash_of(base, BOB)
    assert [cash_of(future, BOB) - cash for future in futures] == [1, 2, 3]
    assert cash_of(base, BOB) == cash


def test_the_root_of_a_state_is_the_same_whichever_way_it_was_reached() -> None:
    _, states = busy_house()
    hashers = (ReferenceHasher(POSEIDON16_20), KernelHasher(POSEIDON16_20))
    picked = states[::5] + states[-1:]
    for hasher in hashers:
        tree = StateTree.of_state(picked[0], hasher)
        kept = []
        for before, after in pairwise(picked):
            old, new = before.all_leaves(), after.all_leaves()
            kept.append((tree, tree.root))
            tree = tree.updated({index: leaf for index, leaf in new.items() if old.get(index) != leaf})
            assert tree.root == StateTree.of_state(after, hasher).root
        assert all(older.root == root for older, root in kept)
        assert len({root for _, root in kept} | {tree.root}) == len(kept) + 1


def test_a_dict_that_a_state_gave_away_is_nobody_s_state() -> None:
    house, _ = busy_house()
    given = house.state.leaves.to_dict()
    given.clear()
    assert house.state.account(ALICE) is not None
    changes = {LeafIndex(5): house.account(ALICE)}
    newer = house.state.leaves.set_many(changes)
    changes.clear()
    assert LeafIndex(5) in newer
    assert LeafIndex(5) not in house.state.leaves


def test_a_copy_of_a_version_is_a_family_of_its_own() -> None:
    old: VersionedMap[int, int] = VersionedMap({1: 1})
    new = old.set_many({1: 2})
    for copied in (copy.copy(old), copy.deepcopy(old)):
        changed = copied.set_many({1: 9})
        assert [version.get(1) for version in (old, new, copied, changed)] == [1, 2, 1, 9]


def test_a_write_that_fails_leaves_every_version_as_it_was() -> None:
    old: VersionedMap[object, int] = VersionedMap({1: 1})
    new = old.set_many({1: 2, 3: 4})
    with pytest.raises(TypeError, match="unhashable"):
        new.set_many(BrokenChanges())
    assert (old.to_dict(), new.to_dict()) == ({1: 1}, {1: 2, 3: 4})


class BrokenChanges(dict[object, int]):
    """Claims a key that no map can hold."""

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter([1, []])


def test_no_leaf_can_be_changed_in_place() -> None:
    house, _ = busy_house()
    for leaf in house.state.all_leaves().values():
        for field in fields(leaf):
            with pytest.raises((AttributeError, TypeError)):
                setattr(leaf, field.name, 0)


def test_a_refused_transaction_leaves_no_trace_in_any_version() -> None:
    house, states = busy_house()
    copies = [dict(state.all_leaves()) for state in states]
    for state in states:
        for amount in (0, 1 << 63):
            refused = apply_transaction(state, make(house.transfer, ALICE, BOB, amount), house.check)
            assert not isinstance(refused, Outcome)
    assert [dict(state.all_leaves()) for state in states] == copies
