"""The compiled hashes against their reference twins."""

import numpy as np
import pytest
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, decode, encode
from prover.hash import keccak_kernels, poseidon_kernels
from prover.hash.domain import HashKind
from prover.hash.keccak import LANES, keccak_f
from prover.hash.poseidon import (
    POSEIDON16_20,
    POSEIDON16_36,
    POSEIDON_SUITES,
    PoseidonParameters,
    linear_layer,
    permute,
    sponge,
)
from prover.hash.suite import AnySuite, KeccakSuite, PoseidonSuite

SUITES = [KeccakSuite(), KeccakSuite(26), PoseidonSuite(POSEIDON16_20), PoseidonSuite(POSEIDON16_36)]
EVERY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=["keccak", "keccak26", "poseidon20", "poseidon36"])
EVERY_POSEIDON = pytest.mark.parametrize("parameters", POSEIDON_SUITES.values(), ids=["20", "36"])


def random_elements(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, PRIME, shape)


def row_of(matrices: list[NDArray[np.int64]], index: int) -> list[int]:
    return [int(element) for matrix in matrices for element in matrix[:, index]]


@EVERY_POSEIDON
@pytest.mark.parametrize("count", [1, 5, 16, 32, 37])
def test_states_are_permuted_as_one_by_one(parameters: PoseidonParameters, count: int) -> None:
    states = random_elements((16, count))
    states[:, 0] = PRIME - 1
    states[:, -1] = [0, PRIME - 1] * 8
    results = decode(poseidon_kernels.permute_states(encode(states), parameters, threads=2))
    for column in range(count):
        expected = permute([int(element) for element in states[:, column]], parameters)
        assert tuple(results[:, column].tolist()) == expected


@EVERY_POSEIDON
def test_one_state_is_permuted_for_a_transcript(parameters: PoseidonParameters) -> None:
    state = list(range(16))
    assert poseidon_kernels.permute_one(state, parameters) == permute(state, parameters)


def expected_trace(state: list[int], parameters: PoseidonParameters) -> list[int]:
    row = list(state)
    for number, constants in enumerate(parameters.round_constants):
        state = [(element + constant) % PRIME for element, constant in zip(state, constants, strict=True)]
        if parameters.is_full(number):
            state = [pow(element, 3, PRIME) for element in state]
        else:
            state[0] = pow(state[0], 3, PRIME)
            row.append(state[0])
        state = [element % PRIME for element in linear_layer(state, parameters.mds_first_row)]
        if parameters.is_full(number):
            row.extend(state)
    return row


@EVERY_POSEIDON
@pytest.mark.parametrize("height", [1, 8, 64])
def test_trace_rows_show_every_round(parameters: PoseidonParameters, height: int) -> None:
    inputs = random_elements((16, height), seed=height)
    inputs[:, 0] = 0
    columns = poseidon_kernels.trace_columns(parameters)
    assert columns == 144 + parameters.partial_rounds
    out = np.zeros((columns, height), dtype=np.uint32)
    poseidon_kernels.trace_rows(encode(inputs), out, parameters, threads=2)
    trace = decode(out)
    for row in range(height):
        assert trace[:, row].tolist() == expected_trace(inputs[:, row].tolist(), parameters)


def test_a_trace_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="C-contiguous array of shape"):
        poseidon_kernels.trace_rows(
            encode(random_elements((16, 4))), np.zeros((180, 4), dtype=np.uint32), POSEIDON16_20
        )


@EVERY_POSEIDON
@pytest.mark.parametrize(("length", "sponges"), [(0, 1), (8, 3), (21, 40), (300, 1)])
def test_states_of_sponges_are_those_of_one_by_one(
    parameters: PoseidonParameters, length: int, sponges: int
) -> None:
    elements = random_elements((length, sponges), seed=length)
    blocks = max(1, -(-length // 8))
    padded = np.zeros((blocks * 8, sponges), dtype=np.int64)
    padded[:length] = elements
    states = decode(
        poseidon_kernels.sponge_states(
            encode(padded).reshape(blocks, 8, sponges), HashKind.STATE_LEAF, length, 7, parameters, threads=2
        )
    )
    for one in range(sponges):
        state = [*padded[:8, one].tolist(), HashKind.STATE_LEAF, length, parameters.suite, 7, 0, 0, 0, 0]
        for block in range(blocks):
            state[:8] = padded[8 * block : 8 * block + 8, one].tolist()
            assert states[block, :, one].tolist() == state
            state = list(permute(state, parameters))
        assert tuple(state[:8]) == sponge(parameters, HashKind.STATE_LEAF, elements[:, one].tolist(), 7)


@EVERY_SUITE
@pytest.mark.parametrize("columns", [1, 2, 7, 8, 9, 31, 32, 33, 34, 65, 66, 67, 68])
def test_rows_hash_as_one_by_one(suite: AnySuite, columns: int) -> None:
    matrix = random_elements((columns, 21), seed=columns)
    matrix[:, 0], matrix[:, 1] = 0, PRIME - 1
    planes = suite.hash_rows([encode(matrix)], threads=2)
    for row in (0, 1, 15, 16, 20):
        assert suite.digest_at(planes, row) == suite.hash_elements(HashKind.ROW, row_of([matrix], row))


@EVERY_SUITE
@pytest.mark.parametrize("height", [1, 2, 8, 16, 128, 200])
def test_rows_of_several_matrices_are_one_row(suite: AnySuite, height: int) -> None:
    matrices = [random_elements((columns, height), seed=columns) for columns in (3, 5, 1)]
    planes = suite.hash_rows([encode(matrix) for matrix in matrices], threads=2)
    assert planes.shape[1] == height
    for row in {0, height // 2, height - 1}:
        assert suite.digest_at(planes, row) == suite.hash_elements(HashKind.ROW, row_of(matrices, row))


def test_the_kind_and_level_of_rows_can_be_chosen() -> None:
    matrix = random_elements((5, 3))
    planes = poseidon_kernels.hash_rows([encode(matrix)], POSEIDON16_20, HashKind.STATE_LEAF, 7, 1)
    expected = sponge(POSEIDON16_20, HashKind.STATE_LEAF, row_of([matrix], 2), 7)
    assert tuple(decode(planes[:, 2]).tolist()) == expected


@EVERY_SUITE
@pytest.mark.parametrize(
    ("blowup", "height"),
    [(1, 2), (2, 1), (4, 1), (16, 1), (2, 2), (8, 4), (4, 16), (2, 64), (4, 128), (1, 64)],
)
def test_parents_stand_where_the_halved_cosets_want_them(suite: AnySuite, blowup: int, height: int) -> None:
    size, half = blowup * height, blowup * height // 2
    planes = suite.hash_rows([encode(random_elements((2, size)))], threads=1)
    parents = suite.compress_layer(planes, blowup, height, 3, threads=2)
    assert parents.shape[1] == half

    def position(index: int, of_blowup: int, of_height: int) -> int:
        return index % of_blowup * of_height + index // of_blowup

    for index in range(half):
        left, right = (suite.digest_at(planes, position(n, blowup, height)) for n in (index, index + half))
        where = position(index, blowup, height // 2) if height > 1 else index
        expected = suite.compress(left, right, 3)  # type: ignore[arg-type]  # both from one suite
        assert suite.digest_at(parents, where) == expected


@EVERY_SUITE
def test_injected_rows_become_right_children(suite: AnySuite) -> None:
    nodes = suite.hash_rows([encode(random_elements((2, 21), seed=1))], threads=1)
    rows = suite.hash_rows([encode(random_elements((2, 21), seed=2))], threads=1)
    mixed = suite.inject(nodes, rows, 4, threads=2)
    for place in (0, 20):
        left, right = suite.digest_at(nodes, place), suite.digest_at(rows, place)
        assert suite.digest_at(mixed, place) == suite.compress(left, right, 4)  # type: ignore[arg-type]


def test_eight_states_are_permuted_as_one_by_one() -> None:
    words = np.random.default_rng(3).integers(0, 2**64, (LANES, keccak_kernels.ROWS), dtype=np.uint64)
    scratch = keccak_kernels.new_scratch(1)
    scratch[:] = words.reshape(-1)
    keccak_kernels.permute_repeatedly(scratch, 2)
    for row in range(keccak_kernels.ROWS):
        expected = keccak_f(keccak_f([int(word) for word in words[:, row]]))
        assert scratch.reshape(words.shape)[:, row].tolist() == expected
