"""Poseidon in numpy lanes against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind
from prover.hash.poseidon import POSEIDON_SUITES, PoseidonParameters, compress, permute, sponge
from prover.hash.poseidon_lanes import compress_lanes, hash_lanes, permute_lanes
from prover.hash.suite import KeccakSuite, PoseidonSuite

LANES = 5


def lanes(seed: int, length: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    values = np.random.default_rng(seed).integers(0, PRIME, size=(length, LANES)).astype(np.uint64)
    values[:, 0] = PRIME - 1
    return values


@pytest.fixture(params=POSEIDON_SUITES.values(), ids=lambda parameters: parameters.suite.name)
def parameters(request: pytest.FixtureRequest) -> PoseidonParameters:
    chosen: PoseidonParameters = request.param
    return chosen


def test_every_lane_is_permuted_by_the_definition(parameters: PoseidonParameters) -> None:
    states = lanes(1, 16)
    expected = [list(permute(column, parameters)) for column in states.T.tolist()]
    assert permute_lanes(parameters, states.copy()).T.tolist() == expected


@pytest.mark.parametrize("length", [0, 1, 8, 9, 19])
def test_every_lane_is_hashed_by_the_sponge(parameters: PoseidonParameters, length: int) -> None:
    elements = lanes(2, length)
    expected = [list(sponge(parameters, HashKind.ROW, column, 3)) for column in elements.T.tolist()]
    assert hash_lanes(parameters, HashKind.ROW, elements, 3).T.tolist() == (expected or [])


def test_every_lane_is_compressed_by_the_definition(parameters: PoseidonParameters) -> None:
    left, right = lanes(3, 8), lanes(4, 8)
    pairs = zip(left.T.tolist(), right.T.tolist(), strict=True)
    expected = [list(compress(a, b, 7, parameters)) for a, b in pairs]
    assert compress_lanes(parameters, left, right, 7).T.tolist() == expected


def test_many_hashes_are_the_single_ones(parameters: PoseidonParameters) -> None:
    rows = lanes(5, 11).T.tolist()
    digests = [(row[:8], row[3:11]) for row in rows]
    for suite in (PoseidonSuite(parameters), KeccakSuite()):
        assert suite.hash_many(HashKind.ROW, rows) == [suite.hash_elements(HashKind.ROW, row) for row in rows]
    suite = PoseidonSuite(parameters)
    pairs = [(tuple(left), tuple(right)) for left, right in digests]
    assert suite.compress_many(pairs, 2) == [suite.compress(left, right, 2) for left, right in pairs]
    assert suite.hash_many(HashKind.ROW, []) == []
    assert suite.compress_many([], 2) == []


def test_elements_that_are_not_canonical_are_refused(parameters: PoseidonParameters) -> None:
    suite = PoseidonSuite(parameters)
    with pytest.raises(ValueError, match=r"a field element must lie in \[0, p\)"):
        suite.hash_many(HashKind.ROW, [[PRIME]])
    with pytest.raises(ValueError, match=r"a field element must lie in \[0, p\)"):
        suite.compress_many([((PRIME,) * 8, (0,) * 8)], 0)
