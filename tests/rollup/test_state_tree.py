"""The tree: one root for one state, paths that prove leaves, and updates that share what did not change."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from prover.field.koalabear import PRIME, decode
from prover.hash.domain import HashKind
from prover.hash.poseidon import POSEIDON16_20, POSEIDON16_36, PoseidonParameters, compress, sponge
from rollup.instruments import SeriesId
from rollup.leaf_formats import (
    LeafFormat,
    account_elements,
    group_elements,
    identity_elements,
    positions_elements,
    series_elements,
    slot_elements,
    system_elements,
)
from rollup.state import (
    SYSTEM_INDEX,
    TREE_DEPTH,
    Account,
    Leaf,
    LeafIndex,
    OrderSlot,
    Position,
    State,
    account_index,
    group_index,
    index_of_leaf,
    slot_index,
)
from rollup.state_hash import KernelHasher, ReferenceHasher
from rollup.state_tree import Path, StateTree, root_of_path
from rollup.units import AccountId, Amount, GroupId, Nonce, OrderNumber, SlotIndex
from tests.rollup.test_rebuild import a_day_of_trading
from tests.rollup.workbench import ALICE, BOB, KEY, House, make, owner_of

SUITES = pytest.mark.parametrize("parameters", [POSEIDON16_20, POSEIDON16_36], ids=["20 rounds", "36 rounds"])


def some_leaves(seed: int, count: int) -> dict[LeafIndex, Leaf]:
    random = Random(seed)
    leaves: list[Leaf] = []
    for _ in range(count):
        account = random.randrange(1, 60)
        positions = tuple(
            Position(SeriesId(series), random.choice([-1, 1]) * random.randrange(1, 2**24))
            for series in sorted(random.sample(range(2**41), random.choice([0, 1, 2, 6, 32])))
        )
        leaves.append(
            make(
                Account,
                account,
                owner_of(account),
                random.choice([None, KEY]),
                1,
                2,
                random.randrange(2**62),
                positions,
            )
        )
        leaves.append(make(OrderSlot, account, random.randrange(256), random.randrange(2**32), 7))
    return {index_of_leaf(leaf): leaf for leaf in leaves}


@SUITES
def test_kernels_and_reference_build_the_same_tree(parameters: PoseidonParameters) -> None:
    state = a_day_of_trading().state.with_leaves(*some_leaves(1, 5).values())
    reference = StateTree.of_state(state, ReferenceHasher(parameters))
    kernels = StateTree.of_state(state, KernelHasher(parameters))
    assert reference.nodes == kernels.nodes
    assert reference.empty == kernels.empty


def test_suites_have_different_roots() -> None:
    state = a_day_of_trading().state
    first, second = (
        StateTree.of_state(state, KernelHasher(suite)).root for suite in (POSEIDON16_20, POSEIDON16_36)
    )
    assert first != second


def test_an_update_gives_the_tree_of_the_new_state_and_leaves_the_old_one() -> None:
    hasher = KernelHasher(POSEIDON16_20)
    state = a_day_of_trading().state
    tree = StateTree.of_state(state, hasher)
    old_root = tree.root
    for seed in range(10):
        changes = some_leaves(seed, 1 + 9 * seed)
        new_state = state.with_leaves(*changes.values())
        new_tree = tree.updated(changes)
        assert new_tree.root == StateTree.of_state(new_state, hasher).root
        assert tree.root == old_root
        state, tree, old_root = new_state, new_tree, new_tree.root
    assert tree.updated({}) is tree


def test_a_path_proves_each_leaf_and_nothing_else() -> None:
    tree = StateTree.of_state(a_day_of_trading().state, KernelHasher(POSEIDON16_20))
    for index in (account_index(ALICE), slot_index(BOB, SlotIndex(0)), group_index(GroupId(7)), SYSTEM_INDEX):
        path, digest = tree.open(index), tree.leaf_digest(index)
        assert root_of_path(digest, path, POSEIDON16_20) == tree.root
        other = ((digest[0] + 1) % PRIME, *digest[1:])
        assert root_of_path(other, path, POSEIDON16_20) != tree.root
        moved = Path(LeafIndex(index ^ 1), path.siblings)
        assert root_of_path(digest, moved, POSEIDON16_20) != tree.root
        swapped = Path(index, (*path.siblings[:-1], path.siblings[0]))
        assert root_of_path(digest, swapped, POSEIDON16_20) != tree.root


def test_a_path_proves_that_a_place_is_empty() -> None:
    hasher = KernelHasher(POSEIDON16_20)
    tree = StateTree.of_state(a_day_of_trading().state, hasher)
    index = account_index(AccountId(2**24 - 1))
    assert tree.leaf_digest(index) == hasher.empty_digest()
    assert root_of_path(hasher.empty_digest(), tree.open(index), POSEIDON16_20) == tree.root


def test_a_path_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a path has 34 siblings, not 33$"):
        root_of_path((0,) * 8, Path(SYSTEM_INDEX, ((0,) * 8,) * 33), POSEIDON16_20)


def test_an_empty_tree_is_hashed_from_empty_leaves_by_the_ordinary_rule() -> None:
    tree = StateTree.without_leaves(ReferenceHasher(POSEIDON16_20))
    digest = sponge(POSEIDON16_20, HashKind.EMPTY_SUBTREE, ())
    for level in range(TREE_DEPTH - 1, -1, -1):
        digest = compress(digest, digest, level, POSEIDON16_20)
    assert tree.root == digest


def test_leaf_formats_have_fixed_lengths_and_canonical_elements() -> None:
    state = a_day_of_trading().state
    account, group = state.account(ALICE), state.group(GroupId(7))
    assert account is not None
    assert group is not None
    digest = (1,) * 8
    lengths = {
        "account": account_elements(account, digest, digest),
        "identity": identity_elements(account),
        "slot": slot_elements(make(OrderSlot, 1, 2, 2**32 - 1, 2**24 - 1)),
        "group": group_elements(replace(group, pool=-(2**63)), digest),
        "system": system_elements(state.system),
        "positions": positions_elements((Position(SeriesId(2**41 - 1), 1 - 2**24),)),
        "series": series_elements(group),
    }
    assert {name: len(elements) for name, elements in lengths.items()} == {
        "account": 24,
        "identity": 27,
        "slot": 4,
        "group": 28,
        "system": 31,
        "positions": 3,
        "series": 2,
    }
    assert all(0 <= element < PRIME for elements in lengths.values() for element in elements)


def test_a_leaf_is_hashed_over_the_digests_of_its_lists() -> None:
    account = a_day_of_trading().state.account(BOB)
    assert account is not None

    def digest(elements: tuple[int, ...], format_: LeafFormat) -> tuple[int, ...]:
        return sponge(POSEIDON16_20, format_.kind, elements, format_.label)

    identity = digest(identity_elements(account), LeafFormat.ACCOUNT_IDENTITY)
    positions = digest(positions_elements(account.positions), LeafFormat.ACCOUNT_POSITIONS)
    expected = digest(account_elements(account, identity, positions), LeafFormat.ACCOUNT)
    (hashed,) = decode(KernelHasher(POSEIDON16_20).leaf_digests([account]))
    assert tuple(np.asarray(hashed).tolist()) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"account": AccountId(9)},
        {"owner": owner_of(9)},
        {"key": None},
        {"nonce": Nonce(9)},
        {"order_floor": OrderNumber(9)},
        {"cash": Amount(9)},
        {"positions": (Position(SeriesId(9), 1),)},
        {"positions": (Position(SeriesId(8), 2),)},
        {"positions": (Position(SeriesId(8), -1),)},
    ],
    ids=str,
)
def test_every_field_of_an_account_is_in_its_digest(change: dict[str, object]) -> None:
    account = make(Account, 1, owner_of(1), KEY, 1, 1, 1, (Position(SeriesId(8), 1),))
    hasher = KernelHasher(POSEIDON16_20)
    first, second = hasher.leaf_digests([account, make(replace, account, **change)])
    assert first.tolist() != second.tolist()


def test_places_of_leaves_do_not_meet() -> None:
    last_account, last_slot = AccountId(2**24 - 1), SlotIndex(255)
    places = [
        slot_index(AccountId(1), SlotIndex(0)),
        slot_index(AccountId(1), last_slot),
        slot_index(AccountId(2), SlotIndex(0)),
        slot_index(last_account, last_slot),
        account_index(AccountId(1)),
        account_index(last_account),
        group_index(GroupId(0)),
        group_index(GroupId(2**16 - 1)),
        SYSTEM_INDEX,
    ]
    assert places == sorted(set(places))
    assert places[-1] < 1 << TREE_DEPTH


def test_a_state_of_one_leaf_has_a_tree() -> None:
    state = House().state
    assert isinstance(state, State)
    tree = StateTree.of_state(state, KernelHasher(POSEIDON16_20))
    assert root_of_path(tree.leaf_digest(SYSTEM_INDEX), tree.open(SYSTEM_INDEX), POSEIDON16_20) == tree.root
