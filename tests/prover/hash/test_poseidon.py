"""Poseidon on integers: published answers, a second implementation, and the sponge's separations."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon import (
    POSEIDON16_20,
    POSEIDON16_36,
    POSEIDON_SUITES,
    IntegerArithmetic,
    PoseidonParameters,
    compress,
    linear_layer,
    permute,
    sponge,
    sponge_over,
)
from prover.hash.poseidon_unrolled import invert_matrix, multiply_matrices, permute_unrolled

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "poseidon_koalabear_16.json").read_text())
SUITES = pytest.mark.parametrize("parameters", [POSEIDON16_20, POSEIDON16_36], ids=["20", "36"])
STATES = st.lists(st.integers(0, PRIME - 1), min_size=16, max_size=16)
EDGES = [[0] * 16, [1] * 16, [PRIME - 1] * 16, [0, PRIME - 1] * 8]


def by_the_definition(
    state: Sequence[int], partial_rounds: int, constants: Sequence[Sequence[int]]
) -> list[int]:
    """A second implementation: nothing of the product but the numbers."""
    row = VECTORS["mds_first_row"]
    matrix = [[row[(column - line) % 16] for column in range(16)] for line in range(16)]
    values = list(state)
    for number in range(8 + partial_rounds):
        values = [(value + constants[number][place]) % PRIME for place, value in enumerate(values)]
        if 4 <= number < 4 + partial_rounds:
            values[0] = values[0] * values[0] * values[0] % PRIME
        else:
            values = [value * value * value % PRIME for value in values]
        values = [sum(a * b for a, b in zip(line, values, strict=True)) % PRIME for line in matrix]
    return values


def test_the_official_parameters_are_those_of_the_vectors() -> None:
    assert list(POSEIDON16_20.mds_first_row) == VECTORS["mds_first_row"]
    assert [list(row) for row in POSEIDON16_20.round_constants] == VECTORS["round_constants"]
    assert (POSEIDON16_20.full_rounds, POSEIDON16_20.partial_rounds) == (8, 20)


@pytest.mark.parametrize("answer", VECTORS["known_answers"])
def test_the_published_answers_come_out(answer: dict[str, list[int]]) -> None:
    assert list(permute(answer["input"], POSEIDON16_20)) == answer["output"]
    assert list(permute_unrolled(answer["input"], POSEIDON16_20)) == answer["output"]


@SUITES
@settings(deadline=None, max_examples=20)
@given(state=STATES)
def test_both_forms_agree_with_the_definition(parameters: PoseidonParameters, state: list[int]) -> None:
    expected = by_the_definition(state, parameters.partial_rounds, parameters.round_constants)
    assert list(permute(state, parameters)) == expected
    assert list(permute_unrolled(state, parameters)) == expected


@SUITES
@pytest.mark.parametrize("state", EDGES)
def test_both_forms_agree_at_the_edges(parameters: PoseidonParameters, state: list[int]) -> None:
    expected = by_the_definition(state, parameters.partial_rounds, parameters.round_constants)
    assert list(permute(state, parameters)) == list(permute_unrolled(state, parameters)) == expected


@pytest.mark.parametrize("bad", [-1, PRIME, PRIME + 5])
@pytest.mark.parametrize("place", [0, 7, 15])
def test_an_element_out_of_range_is_refused_not_reduced(bad: int, place: int) -> None:
    state = [3] * 16
    state[place] = bad
    with pytest.raises(ValueError, match="must lie in"):
        permute(state, POSEIDON16_20)
    with pytest.raises(ValueError, match="must lie in"):
        sponge(POSEIDON16_20, HashKind.SPONGE, state)
    with pytest.raises(ValueError, match="must lie in"):
        compress(state[:8], state[8:], 3, POSEIDON16_20)


def test_a_state_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="16 elements, not 15"):
        permute([0] * 15, POSEIDON16_20)
    with pytest.raises(ValueError, match="8 elements"):
        compress([0] * 7, [0] * 9, 0, POSEIDON16_20)


class Line:
    """A linear expression of sixteen unknowns: what the linear layer may be called with besides numbers."""

    def __init__(self, weights: tuple[int, ...]) -> None:
        self.weights = weights

    def __add__(self, other: "Line", /) -> "Line":
        return Line(tuple(a + b for a, b in zip(self.weights, other.weights, strict=True)))

    def __mul__(self, other: int, /) -> "Line":
        return Line(tuple(weight * other for weight in self.weights))


def test_the_linear_layer_serves_any_ring() -> None:
    unknowns = [Line(tuple(int(place == index) for place in range(16))) for index in range(16)]
    lines = linear_layer(unknowns, POSEIDON16_20.mds_first_row)
    values = [5**place % PRIME for place in range(16)]
    by_lines = [sum(w * v for w, v in zip(line.weights, values, strict=True)) for line in lines]
    assert by_lines == linear_layer(values, POSEIDON16_20.mds_first_row)
    assert max(sum(line.weights) for line in lines) == 371


def test_a_matrix_times_its_inverse_is_the_identity() -> None:
    # The first pivot is zero, so rows have to change places.
    matrix = ((0, 2, PRIME - 1), (5, 0, 7), (1, 1, 1))
    identity = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert multiply_matrices(matrix, invert_matrix(matrix)) == identity
    assert multiply_matrices(invert_matrix(matrix), matrix) == identity


def test_the_sponge_is_the_layout_of_the_documentation() -> None:
    elements = list(range(100, 111))
    state = [0] * 8 + [HashKind.ORDER, 11, 1, 9, 0, 0, 0, 0]
    state = list(permute(elements[:8] + state[8:], POSEIDON16_20))
    state = list(permute([*elements[8:], *([0] * 5), *state[8:]], POSEIDON16_20))
    assert list(sponge(POSEIDON16_20, HashKind.ORDER, elements, 9)) == state[:8]


def test_an_empty_input_costs_one_permutation() -> None:
    state = [0] * 8 + [HashKind.SPONGE, 0, 2, 0, 0, 0, 0, 0]
    assert sponge(POSEIDON16_36, HashKind.SPONGE, []) == permute(state, POSEIDON16_36)[:8]


def test_length_kind_suite_and_label_all_separate() -> None:
    digests = {
        sponge(parameters, kind, elements, label)
        for parameters, kind, elements, label in product(
            POSEIDON_SUITES.values(),
            (HashKind.ROW, HashKind.SPONGE),
            ([], [0], [1], [1, 0], [0] * 7, [0] * 8, [0] * 9),
            (0, 1),
        )
    }
    assert len(digests) == 2 * 2 * 7 * 2


def test_a_node_is_the_layout_of_the_documentation() -> None:
    left, right = list(range(8)), list(range(50, 58))
    inputs = [*left, *right[:7], right[7] + 6]
    outputs = permute(inputs, POSEIDON16_20)
    fed_forward = tuple((a + b) % PRIME for a, b in zip(inputs[:8], outputs[:8], strict=True))
    assert compress(left, right, 5, POSEIDON16_20) == fed_forward


def test_order_level_and_suite_separate_nodes() -> None:
    left, right = list(range(8)), list(range(50, 58))
    nodes = {
        compress(a, b, level, parameters)
        for a, b in ((left, right), (right, left))
        for level in range(4)
        for parameters in POSEIDON_SUITES.values()
    }
    assert len(nodes) == 16


def test_a_level_wraps_the_last_element_instead_of_leaving_the_field() -> None:
    top = [0] * 7 + [PRIME - 1]
    outputs = permute([0] * 16, POSEIDON16_20)
    assert compress([0] * 8, top, 0, POSEIDON16_20) == outputs[:8]


def test_another_permutation_can_be_handed_in() -> None:
    seen = []

    def permutation(state: Sequence[int], parameters: PoseidonParameters) -> tuple[int, ...]:
        seen.append(parameters.suite)
        return permute(state, parameters)

    arithmetic = IntegerArithmetic(POSEIDON16_36, permutation)
    assert sponge_over(arithmetic, HashKind.KEY, [1] * 9) == sponge(POSEIDON16_36, HashKind.KEY, [1] * 9)
    assert seen == [SuiteId.POSEIDON16_36] * 2
