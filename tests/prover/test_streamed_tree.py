"""A tree that never holds its extension, against the one that does."""

from __future__ import annotations

import numpy as np
import pytest

from prover.field.koalabear import PRIME, encode
from prover.hash.poseidon import POSEIDON16_20
from prover.hash.suite import AnySuite, KeccakSuite, PoseidonSuite
from prover.merkle import MixedTree, root_from_opening
from prover.ntt import inverse_transform, low_degree_extension
from prover.streamed_tree import SKIPPED, StreamedTree

SUITES: list[AnySuite] = [KeccakSuite(26), PoseidonSuite(POSEIDON16_20)]
EVERY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=["keccak26", "poseidon"])


def both_trees(
    suite: AnySuite, widths: tuple[int, ...], log_height: int, log_blowup: int, threads: int
) -> tuple[MixedTree, StreamedTree]:
    generator = np.random.default_rng(log_height)
    matrices = [encode(generator.integers(0, PRIME, (width, 1 << log_height))) for width in widths]
    held = MixedTree.commit(suite, [low_degree_extension(m, log_blowup) for m in matrices], threads)
    coefficients = np.concatenate([inverse_transform(matrix) for matrix in matrices])
    return held, StreamedTree.commit(suite, coefficients, widths, log_blowup, threads)


@EVERY_SUITE
@pytest.mark.parametrize(
    ("widths", "log_height", "log_blowup", "threads"),
    [((3,), 8, 5, 1), ((2, 9), 9, 3, 2), ((1, 1, 40), 8, 1, 3), ((5,), 14, 1, 2)],
)
def test_root_and_openings_are_those_of_the_tree_that_holds_everything(
    suite: AnySuite, widths: tuple[int, ...], log_height: int, log_blowup: int, threads: int
) -> None:
    held, streamed = both_trees(suite, widths, log_height, log_blowup, threads)
    assert streamed.root == held.root
    assert streamed.shape == held.shape
    size = 1 << held.shape.log_size
    positions = [
        0,
        1,
        size - 1,
        size >> 1,
        *(size >> SKIPPED + k for k in (0, 1)),
        *range(5, size, size // 9),
    ]
    positions += [positions[-1], (positions[-1] + size // 2) % size]
    assert streamed.open_many(positions) == held.open_many(positions)


@EVERY_SUITE
def test_an_opening_leads_to_the_root(suite: AnySuite) -> None:
    _, streamed = both_trees(suite, (2, 3), 8, 2, 2)
    for index, opening in zip((7, 700), streamed.open_many([7, 700]), strict=True):
        assert root_from_opening(suite, streamed.shape, index, opening.rows, opening.path) == streamed.root


def test_there_is_no_leaf_outside_the_tree() -> None:
    _, streamed = both_trees(SUITES[0], (1,), 8, 1, 1)
    for index in (-1, 1 << 9):
        with pytest.raises(IndexError, match="no leaf"):
            streamed.open_many([index])


def test_low_matrices_and_other_widths_are_refused() -> None:
    coefficients = np.zeros((3, 128), dtype=np.uint32)
    for widths in ((3,), (1, 1)):
        with pytest.raises(ValueError, match="are not"):
            StreamedTree.commit(SUITES[0], coefficients, widths, 1, 1)
