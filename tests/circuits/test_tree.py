"""The tree table shows leaves of both versions at their places, and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import numpy as np
import pytest

from circuits import tree
from circuits.buses import COMPRESS, NODES
from circuits.hash_ledger import HashLedger
from circuits.poseidon import PARAMETERS
from prover.field.koalabear import Montgomery, decode, encode
from rollup.state import (
    Deployment,
    LeafIndex,
    OrderSlot,
    State,
    slot_index,
)
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.units import AccountId, Address, ChainId, OrderNumber, SlotIndex, Time
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(tree.NAME, tree.constrain)


def _slot(account: int, slot: int, filled: int) -> OrderSlot:
    return OrderSlot(AccountId(account), SlotIndex(slot), OrderNumber(7), filled)


def _trees(seed: int) -> tuple[StateTree, StateTree, list[int]]:
    """A tree before and after some slots were written, and their places with one that was only looked at."""
    generator = random.Random(f"tree {seed}")
    before = State.genesis(Deployment(ChainId(1), Address(2)), Time(3))
    places = [(generator.choice([1, 5, 70000, 1 << 23]), generator.randrange(256)) for _ in range(5)]
    before = before.with_leaves(*(_slot(*place, 5) for place in places[:3]))
    written = {slot_index(AccountId(a), SlotIndex(s)): _slot(a, s, 9) for a, s in places[2:]}
    old = StateTree.of_state(before, KernelHasher(PARAMETERS))
    indices = sorted({*written, slot_index(AccountId(places[0][0]), SlotIndex(places[0][1]))})
    return old, old.updated(written), [int(index) for index in indices]


@cache
def _witness(seed: int) -> tuple[dict[str, Montgomery], StateTree, StateTree, list[int]]:
    old, new, indices = _trees(seed)
    ledger = HashLedger()
    before, after = (encode(np.array([t.leaf_digest(LeafIndex(i)) for i in indices]).T) for t in (old, new))
    rows = tree.lay_out(np.array(indices), before, after, tree.siblings_in(old), ledger)
    height = (len(rows.levels) - 1).bit_length()
    return {tree.NAME: tree.fill(rows, height)}, old, new, indices


def _signed(values: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(decode(encode(np.array(values))).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_the_tree_takes_the_leaves_and_gives_the_roots(seed: int) -> None:
    traces, old, new, indices = _witness(seed)
    found = ends.inspected([TABLE], traces)
    assert found.constraints == ()
    assert {message.bus for message in found.messages} == {NODES.name, COMPRESS.name}
    assert ends.untrue_hashes(found) == set()
    expected = Counter({(0, 0, 0, *old.root, *new.root): 1})
    for index in indices:
        digests = (*old.leaf_digest(LeafIndex(index)), *new.leaf_digest(LeafIndex(index)))
        expected[(34, index >> 16, index & 0xFFFF, *digests)] -= 1
    assert {_signed(message): count for message, count in ends.loose_ends(found, NODES).items()} == expected


def _forged(**cells: int) -> set[str]:
    traces, *_ = _witness(0)
    trace = traces[tree.NAME].copy()
    for name, value in cells.items():
        column, row = name.rsplit("_", 1)
        trace = ends.changed(trace, TABLE, int(row) % trace.shape[1], **{column: value})
    return ends.broken(ends.inspected([TABLE], {tree.NAME: trace}))


def test_a_sibling_cannot_change_unseen() -> None:
    traces, *_ = _witness(0)
    names = TABLE.main_names
    untouched = np.flatnonzero(traces[tree.NAME][names.index("touches left")] == 0)
    forged = ends.changed(traces[tree.NAME], TABLE, int(untouched[0]), left_new_3=5)
    found = ends.broken(ends.inspected([TABLE], {tree.NAME: forged}))
    assert found == {"a left child that nothing touches stays as it is"}


def test_a_row_cannot_be_at_another_level() -> None:
    assert "levels fall one by one" in _forged(level_3=35)
    assert "the table begins right above the leaves" in _forged(level_0=32)
    assert "the table ends at the root" in _forged(level_1023=1)


def test_the_part_that_is_shifted_is_the_levels() -> None:
    traces, *_ = _witness(0)
    names = TABLE.main_names
    levels = decode(traces[tree.NAME][names.index("level")])
    last_low, first_high = int(np.flatnonzero(levels == 18)[-1]), int(np.flatnonzero(levels == 17)[0])
    column = names.index("shifts low")
    early, late, never = (traces[tree.NAME].copy() for _ in range(3))
    early[column, last_low] = 0
    late[column, first_high] = encode([1])[0]
    never[column, :] = encode([1])[0]
    assert "the first high level is 17" in ends.broken(ends.inspected([TABLE], {tree.NAME: early}))
    assert "the last low level is 18" in ends.broken(ends.inspected([TABLE], {tree.NAME: late}))
    assert "in the end the high part is shifted" in ends.broken(ends.inspected([TABLE], {tree.NAME: never}))


def test_a_leaf_cannot_be_shown_at_another_place() -> None:
    """A path whose bits are another leaf's: the low part would have to pass the switch."""
    traces, *_ = _witness(0)
    names = TABLE.main_names
    levels = decode(traces[tree.NAME][names.index("level")])
    row = int(np.flatnonzero(levels == 17)[0])
    forged = ends.changed(traces[tree.NAME], TABLE, row, low=3)
    assert "the low part is empty where it is not shifted" in ends.broken(
        ends.inspected([TABLE], {tree.NAME: forged})
    )
    forged = ends.changed(traces[tree.NAME], TABLE, row, left_childs_high=3)
    assert "a left child's high part is shifted where the low one is not" in ends.broken(
        ends.inspected([TABLE], {tree.NAME: forged})
    )


def test_a_dead_row_swallows_no_leaf() -> None:
    traces, *_ = _witness(0)
    forged = ends.changed(traces[tree.NAME], TABLE, 0, is_live=0)
    found = ends.inspected([TABLE], {tree.NAME: forged})
    assert {"a dead row takes no left child", "a dead row takes no right child"} & ends.broken(found)


def test_old_and_new_path_cannot_use_different_siblings() -> None:
    """Another sibling on both sides leaves the roots that the statement names."""
    traces, *_ = _witness(0)
    names = TABLE.main_names
    row = int(np.flatnonzero(traces[tree.NAME][names.index("touches left")] == 0)[0])
    forged = ends.changed(traces[tree.NAME], TABLE, row, left_old_0=1, left_new_0=1)
    found = ends.inspected([TABLE], traces | {tree.NAME: forged})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == {"a node"}


def test_a_leaf_that_is_shown_twice_needs_a_second_root() -> None:
    """Two whole paths to one place, all hashes true: the batch takes one root, and the other is left over."""
    old, new, indices = _trees(0)
    place = np.array(indices[:1])
    before, after = (encode(np.array([t.leaf_digest(LeafIndex(indices[0]))]).T) for t in (old, new))
    ledger = HashLedger()
    first = tree.lay_out(place, before, after, tree.siblings_in(old), ledger)
    second = tree.lay_out(place, before, before, tree.siblings_in(old), ledger)
    order = np.argsort(-np.concatenate([first.levels, second.levels]), kind="stable")
    both = tree.Rows(
        *(
            np.concatenate([getattr(one, name) for one in (first, second)], axis=-1)[..., order]
            for name in ("levels", "places", "touched", "digests")
        )
    )
    found = ends.inspected([TABLE], {tree.NAME: tree.fill(both, 7)})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    assert sum(count for message, count in ends.loose_ends(found, NODES).items() if message[0] == 0) == 2


def test_every_column_is_bound_alone() -> None:
    traces, *_ = _witness(0)
    honest = ends.inspected([TABLE], traces)
    for column in range(tree.COLUMNS):
        trace = traces[tree.NAME].copy()
        trace[column, 2] ^= np.uint32(1)
        found = ends.inspected([TABLE], {tree.NAME: trace})
        places = ends.loose_ends(found, NODES) != ends.loose_ends(honest, NODES)
        assert found.constraints or places or ends.untrue_hashes(found), TABLE.main_names[column]
