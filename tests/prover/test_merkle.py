"""Trees over matrices of several heights: every opening verifies, every change is noticed."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.field.koalabear import PRIME, Montgomery, decode, encode
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon import POSEIDON16_20
from prover.hash.suite import AnyDigest, AnySuite, KeccakSuite, PoseidonSuite
from prover.merkle import (
    MalformedOpeningError,
    MixedTree,
    Opening,
    TreeShape,
    coset_position,
    encode_paths,
    expand_paths,
    root_from_opening,
    shared_node_count,
)

SUITES: list[AnySuite] = [KeccakSuite(), KeccakSuite(26), PoseidonSuite(POSEIDON16_20)]
EVERY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=["keccak", "keccak26", "poseidon"])

SHAPES: list[tuple[int, list[tuple[int, int]]]] = [
    (1, [(3, 1)]),
    (2, [(3, 1), (2, 1)]),
    (2, [(1, 4)]),
    (2, [(2, 8), (3, 2)]),
    (4, [(1, 1), (2, 16), (3, 4), (1, 16), (2, 1)]),
    (8, [(5, 2), (1, 1)]),
]
"""Blowup, then columns and height of each matrix."""

EVERY_SHAPE = pytest.mark.parametrize(("blowup", "sizes"), SHAPES)


def random_matrices(blowup: int, sizes: list[tuple[int, int]]) -> list[Montgomery]:
    generator = np.random.default_rng(7)
    return [encode(generator.integers(0, PRIME, (columns, blowup, height))) for columns, height in sizes]


def shape_of(blowup: int, sizes: list[tuple[int, int]]) -> TreeShape:
    matrices = tuple((columns, height.bit_length() - 1) for columns, height in sizes)
    return TreeShape(blowup.bit_length() - 1, matrices)


def altered(suite: AnySuite, digest: AnyDigest) -> AnyDigest:
    if isinstance(digest, bytes):
        return bytes([*digest[:-1], digest[-1] ^ 1])
    return (*digest[:-1], (digest[-1] + 1) % PRIME)


def by_hand(suite: AnySuite, matrices: Sequence[Montgomery]) -> AnyDigest:
    """The root by recursion over indices in natural order, from the documentation alone."""

    def row_hash(size: int, index: int) -> AnyDigest | None:
        elements: list[int] = []
        for matrix in matrices:
            _, blowup, height = matrix.shape
            if blowup * height == size:
                elements += decode(matrix[:, index % blowup, index // blowup]).tolist()
        return suite.hash_elements(HashKind.ROW, elements) if elements else None

    size = max(matrix.shape[1] * matrix.shape[2] for matrix in matrices)
    layer = [row_hash(size, index) for index in range(size)]
    while size > 1:
        size //= 2
        level = size.bit_length() - 1
        layer = [suite.compress(layer[n], layer[n + size], level) for n in range(size)]  # type: ignore[arg-type]
        mixed = [row_hash(size, n) for n in range(size)]
        if mixed[0] is not None:
            layer = [suite.compress(a, b, level) for a, b in zip(layer, mixed, strict=True)]  # type: ignore[arg-type]
    assert layer[0] is not None
    return layer[0]


@EVERY_SUITE
@EVERY_SHAPE
def test_the_root_is_the_one_of_the_documentation(
    suite: AnySuite, blowup: int, sizes: list[tuple[int, int]]
) -> None:
    matrices = random_matrices(blowup, sizes)
    tree = MixedTree.commit(suite, matrices, threads=2)
    assert tree.root == by_hand(suite, matrices)
    assert tree.shape == shape_of(blowup, sizes)


@EVERY_SUITE
@EVERY_SHAPE
def test_every_opening_leads_to_the_root(suite: AnySuite, blowup: int, sizes: list[tuple[int, int]]) -> None:
    matrices = random_matrices(blowup, sizes)
    tree = MixedTree.commit(suite, matrices, threads=1)
    for index in range(1 << tree.shape.log_size):
        opening = tree.open(index)
        for matrix, row in zip(matrices, opening.rows, strict=True):
            place = index % (blowup * matrix.shape[2])
            assert list(row) == decode(matrix[:, place % blowup, place // blowup]).tolist()
        assert root_from_opening(suite, tree.shape, index, opening.rows, opening.path) == tree.root


@EVERY_SUITE
@pytest.mark.parametrize(
    ("blowup", "sizes", "kept"),
    [(2, [(3, 32)], 5), (4, [(2, 16), (1, 16)], 5), (2, [(2, 32), (3, 8)], 5), (2, [(2, 32), (3, 16)], 6)],
)
def test_a_tree_without_its_lowest_layers_opens_the_same(
    suite: AnySuite,
    blowup: int,
    sizes: list[tuple[int, int]],
    kept: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No layer is left out into which a matrix is mixed: it could not be made from the leaves alone."""
    matrices = random_matrices(blowup, sizes)
    whole = MixedTree.commit(suite, matrices, threads=2)
    monkeypatch.setattr("prover.merkle.LEAST_LOG_SKIPPED", 0)
    cut = MixedTree.commit(suite, matrices, threads=2)
    assert (len(whole._layers), len(cut._layers)) == (7, kept)
    assert cut.root == whole.root
    indices = [*range(64), 63, 5, 5]
    assert cut.open_many(indices) == whole.open_many(indices)


@EVERY_SUITE
def test_changing_any_value_node_or_index_leads_elsewhere(suite: AnySuite) -> None:
    blowup, sizes = SHAPES[4]
    tree = MixedTree.commit(suite, random_matrices(blowup, sizes), threads=1)
    index = 37
    opening = tree.open(index)

    def leads_to_root(changed: Opening, at: int = index) -> bool:
        return root_from_opening(suite, tree.shape, at, changed.rows, changed.path) == tree.root

    assert leads_to_root(opening)
    for matrix, row in enumerate(opening.rows):
        for column, value in enumerate(row):
            changed = [list(line) for line in opening.rows]
            changed[matrix][column] = (value + 1) % PRIME
            assert not leads_to_root(replace(opening, rows=tuple(tuple(line) for line in changed)))
    for depth, node in enumerate(opening.path):
        path = (*opening.path[:depth], altered(suite, node), *opening.path[depth + 1 :])
        assert not leads_to_root(replace(opening, path=path))
    for other in range(1 << tree.shape.log_size):
        assert leads_to_root(opening, other) == (other == index)


def test_values_of_equal_heights_cannot_move_between_matrices() -> None:
    suite = KeccakSuite()
    shape = TreeShape(1, ((2, 0), (1, 0)))
    with pytest.raises(MalformedOpeningError, match="widths"):
        root_from_opening(suite, shape, 0, [(1,), (2, 3)], [bytes(32)])
    with pytest.raises(MalformedOpeningError, match="widths"):
        root_from_opening(suite, shape, 0, [(1, 2)], [bytes(32)])


def test_paths_of_other_lengths_and_leaves_outside_are_refused() -> None:
    suite = KeccakSuite()
    shape = TreeShape(2, ((1, 0),))
    for length in (0, 1, 3):
        with pytest.raises(MalformedOpeningError, match=f"{length} nodes, not 2"):
            root_from_opening(suite, shape, 0, [(1,)], [bytes(32)] * length)
    for index in (-1, 4):
        with pytest.raises(MalformedOpeningError, match="no leaf"):
            root_from_opening(suite, shape, index, [(1,)], [bytes(32)] * 2)


def test_a_value_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie in"):
        root_from_opening(KeccakSuite(), TreeShape(0, ((1, 0),)), 0, [(PRIME,)], [])


def test_an_inner_node_is_never_a_leaf() -> None:
    suite = PoseidonSuite(POSEIDON16_20)
    tree = MixedTree.commit(suite, random_matrices(1, [(16, 2)]), threads=1)
    left, right = (tree.open(index).path[0] for index in (1, 0))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    leaf = suite.hash_elements(HashKind.ROW, [*left, *right])
    assert leaf != tree.root


@pytest.mark.parametrize("index", [-1, 8])
def test_a_tree_opens_no_leaf_that_it_does_not_have(index: int) -> None:
    tree = MixedTree.commit(KeccakSuite(), random_matrices(2, [(1, 4)]), threads=1)
    with pytest.raises(IndexError, match="no leaf"):
        tree.open(index)


@pytest.mark.parametrize("shapes", [[(1, 2, 3)], [(1, 3, 2)], [(1, 2, 0)], [(1, 2, 4), (1, 4, 2)]])
def test_irregular_matrices_are_refused(shapes: list[tuple[int, int, int]]) -> None:
    with pytest.raises(ValueError, match="one blowup and heights that are powers of two"):
        MixedTree.commit(KeccakSuite(), [np.zeros(shape, dtype=np.uint32) for shape in shapes], threads=1)


def test_a_matrix_without_columns_and_a_tree_without_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="every matrix has columns"):
        TreeShape(1, ((0, 3),))
    with pytest.raises(ValueError, match="at least one matrix"):
        TreeShape(1, ())


def test_positions_run_coset_by_coset() -> None:
    assert [coset_position(index, 2, 4) for index in range(8)] == [0, 4, 1, 5, 2, 6, 3, 7]


BLOWUP, SIZES = SHAPES[4]
TREES = {
    suite.suite: (suite, MixedTree.commit(suite, random_matrices(BLOWUP, SIZES), 1)) for suite in SUITES[1:]
}
LEAVES = 1 << shape_of(BLOWUP, SIZES).log_size


def openings_of(tree: MixedTree, indices: list[int]) -> tuple[list[Opening], list[AnyDigest]]:
    openings = [tree.open(index) for index in indices]
    return openings, encode_paths(tree.shape, indices, [opening.path for opening in openings])


@pytest.mark.parametrize("key", TREES)
@settings(deadline=None, max_examples=15)
@given(indices=st.lists(st.integers(0, LEAVES - 1), max_size=12))
def test_shared_paths_expand_to_the_full_ones(key: SuiteId, indices: list[int]) -> None:
    suite, tree = TREES[key]
    openings, nodes = openings_of(tree, indices)
    assert len(nodes) == shared_node_count(tree.shape, indices)
    expanded = expand_paths(suite, tree.shape, indices, [opening.rows for opening in openings], nodes)
    assert expanded == [opening.path for opening in openings]


def test_all_leaves_together_need_no_node() -> None:
    suite, tree = next(iter(TREES.values()))
    openings, nodes = openings_of(tree, list(range(LEAVES)))
    assert nodes == []
    expanded = expand_paths(suite, tree.shape, range(LEAVES), [opening.rows for opening in openings], nodes)
    assert expanded[5] == openings[5].path


def test_shared_nodes_come_leaves_first_and_ascending() -> None:
    _, tree = next(iter(TREES.values()))
    # Leaves 0 and 1 of 64: their siblings are 32 and 33, then 16 and 17, ..., then they meet under 0.
    openings, nodes = openings_of(tree, [1, 0])
    first, second = openings[1].path, openings[0].path
    assert nodes[:4] == [first[0], second[0], first[1], second[1]]
    assert len(nodes) == 2 * (tree.shape.log_size - 1)


@pytest.mark.parametrize("change", ["one too few", "one too many", "none"])
def test_a_wrong_number_of_shared_nodes_is_refused(change: str) -> None:
    suite, tree = next(iter(TREES.values()))
    openings, nodes = openings_of(tree, [3, 9, 60])
    changed = {"one too few": nodes[:-1], "one too many": [*nodes, nodes[0]], "none": []}[change]
    with pytest.raises(MalformedOpeningError, match="shared nodes"):
        expand_paths(suite, tree.shape, [3, 9, 60], [opening.rows for opening in openings], changed)


def test_an_altered_shared_node_leads_elsewhere() -> None:
    suite, tree = next(iter(TREES.values()))
    indices = [3, 9, 60]
    openings, nodes = openings_of(tree, indices)
    rows = [opening.rows for opening in openings]
    for place, node in enumerate(nodes):
        changed = [*nodes[:place], altered(suite, node), *nodes[place + 1 :]]
        paths = expand_paths(suite, tree.shape, indices, rows, changed)
        roots = [
            root_from_opening(suite, tree.shape, index, row, path)
            for index, row, path in zip(indices, rows, paths, strict=True)
        ]
        assert any(root != tree.root for root in roots)


def test_a_leaf_opened_twice_with_other_rows_leads_elsewhere() -> None:
    suite, tree = next(iter(TREES.values()))
    openings, nodes = openings_of(tree, [3, 3])
    lied = tuple(tuple((value + 1) % PRIME for value in row) for row in openings[0].rows)
    rows = [lied, openings[1].rows]
    paths = expand_paths(suite, tree.shape, [3, 3], rows, nodes)
    roots = [
        root_from_opening(suite, tree.shape, 3, row, path) for row, path in zip(rows, paths, strict=True)
    ]
    assert roots[0] != tree.root


def test_expansion_refuses_indices_and_rows_that_do_not_fit() -> None:
    suite, tree = next(iter(TREES.values()))
    openings, nodes = openings_of(tree, [3])
    with pytest.raises(MalformedOpeningError, match="outside the tree"):
        expand_paths(suite, tree.shape, [LEAVES], [openings[0].rows], nodes)
    with pytest.raises(MalformedOpeningError, match="one list of rows"):
        expand_paths(suite, tree.shape, [3], [], nodes)
    with pytest.raises(MalformedOpeningError, match="widths"):
        expand_paths(suite, tree.shape, [3], [openings[0].rows[:-1]], nodes)
