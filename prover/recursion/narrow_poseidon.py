"""The Poseidon permutation in sixteen rows of sixteen columns and two: the narrow twin of `prover.air.poseidon`.

    rows 0 to 3     a full round each               next = M (state + constants)^3
    rows 4 to 9     three partial rounds each       next = linear in the state and three cubes
    row  10         two partial rounds              next = linear in the state and two cubes
    rows 11 to 14   a full round each
    row  15         the output

The first two cubes of a row are columns; the third is written out, so constraints have degree three and a selector.
Between the cubes of a row everything is linear, so matrices and constants of several rounds are multiplied beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.field.koalabear import PRIME
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters

ROWS = 16
"""Rows of a permutation: fifteen steps and the output."""

CUBES = 2
"""Columns of cubes."""

THREE_ROUND_ROWS = range(4, 10)
TWO_ROUND_ROW = 10
OUTPUT_ROW = ROWS - 1
PARTIAL_ROUNDS = 3 * len(THREE_ROUND_ROWS) + 2

Numbers = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class NarrowRounds:
    """What each row does, as plain numbers."""

    matrix: list[list[int]]
    """M."""
    second: list[int]
    """The row of the second cube's base: coefficients of the state, then of the first cube."""
    third: list[int]
    """The same for the third cube: of the state, then of both cubes."""
    two_rounds: list[list[int]]
    """After two partial rounds: coefficients of the state, then of both cubes."""
    three_rounds: list[list[int]]
    """After three: of the state, then of three cubes."""
    constants: list[list[int]]
    """For every row sixteen: added before the cubes of a full round, and to the outcome of partial rounds."""
    bases: list[list[int]]
    """For every row three: added to the bases of the cubes."""


@cache
def narrow_rounds(parameters: PoseidonParameters) -> NarrowRounds:
    """The numbers of a suite with exactly as many partial rounds as the rows hold."""
    if parameters.partial_rounds != PARTIAL_ROUNDS or parameters.full_rounds != 8:
        raise ValueError(f"sixteen rows hold 8 full and {PARTIAL_ROUNDS} partial rounds, no others")
    first = parameters.mds_first_row
    matrix = np.array(
        [[first[(column - row) % WIDTH] for column in range(WIDTH)] for row in range(WIDTH)], dtype=object
    )
    # A partial round leaves all elements but the first as they are and puts a cube there.
    passing = matrix.copy()
    passing[:, 0] = 0
    head = matrix[:, :1]
    once, twice = passing % PRIME, passing @ passing % PRIME
    thrice = twice @ passing % PRIME
    after_two = np.concatenate([twice, passing @ head, head], axis=1) % PRIME
    after_three = np.concatenate([thrice, twice @ head, passing @ head, head], axis=1) % PRIME
    constants = [[0] * WIDTH for _ in range(ROWS)]
    bases = [[0] * (CUBES + 1) for _ in range(ROWS)]
    added = [np.array(row, dtype=object) for row in parameters.round_constants]
    number = 0
    for row in range(OUTPUT_ROW):
        rounds = 3 if row in THREE_ROUND_ROWS else 2 if row == TWO_ROUND_ROW else 0
        if not rounds:
            constants[row] = [int(value) for value in added[number]]
            number += 1
            continue
        state = np.zeros(WIDTH, dtype=object)
        for place in range(rounds):
            state = (state + added[number + place]) % PRIME
            bases[row][place] = int(state[0])
            state = passing @ state % PRIME
        constants[row] = [int(value) for value in state]
        number += rounds
    return NarrowRounds(
        matrix.tolist(),
        [*once[0].tolist(), int(head[0, 0])],
        after_two[0].tolist(),
        after_two.tolist(),
        after_three.tolist(),
        constants,
        bases,
    )


def constrain_narrow_permutation(
    air: AirBuilder, state: Sequence[Expression], cubes: Sequence[Expression], parameters: PoseidonParameters
) -> None:
    """State that the state of a block's last row is the permutation of its first row's.

    Assumes blocks of sixteen rows from the first row on.
    On full rounds' rows, and on the last one, the cubes' columns are free for other use.
    """
    numbers = narrow_rounds(parameters)
    constants = [
        air.periodic(f"constant of element {i}", [row[i] for row in numbers.constants]) for i in range(WIDTH)
    ]
    bases = [
        air.periodic(f"constant of cube {i}", [row[i] for row in numbers.bases]) for i in range(CUBES + 1)
    ]
    three = air.periodic("has three rounds", [int(row in THREE_ROUND_ROWS) for row in range(ROWS)])
    two = air.periodic("has two rounds", [int(row == TWO_ROUND_ROW) for row in range(ROWS)])
    is_last = air.periodic("is the output", [int(row == OUTPUT_ROW) for row in range(ROWS)])
    full = 1 - three - two - is_last
    first_base = state[0] + bases[0]
    second_base = _combine(numbers.second, [*state, cubes[0]]) + bases[1]
    third_base = _combine(numbers.third, [*state, *cubes]) + bases[2]
    for name, cube, base in (("first", cubes[0], first_base), ("second", cubes[1], second_base)):
        air.assert_zero(f"the {name} cube is a cube", (three + two) * (cube - base * base * base))
    third = third_base * third_base * third_base
    shifted = [element + constant for element, constant in zip(state, constants, strict=True)]
    cubed = [element * element * element for element in shifted]
    after_two = [_combine(row, [*state, *cubes]) for row in numbers.two_rounds]
    for i in range(WIDTH):
        after_full = _combine(numbers.matrix[i], cubed)
        # The third round goes on from two: small coefficients, and both kinds of rows share what two rounds make.
        third_round = _combine(numbers.matrix[i], [third, *after_two[1:]])
        air.assert_zero(
            f"the next row has element {i} after this row's rounds",
            full * (state[i].next - after_full)
            + three * (state[i].next - (third_round + constants[i]))
            + two * (state[i].next - (after_two[i] + constants[i])),
        )


def _combine(coefficients: Sequence[int], values: Sequence[Expression]) -> Expression:
    total: Expression | None = None
    for coefficient, value in zip(coefficients, values, strict=True):
        if coefficient:
            term = value * coefficient
            total = term if total is None else total + term
    assert total is not None
    return total


def narrow_rows(inputs: NDArray[np.int64], parameters: PoseidonParameters) -> NDArray[np.int64]:
    """State and cubes of every row: (18, 16 * permutations), canonical, from (16, permutations)."""
    numbers = narrow_rounds(parameters)
    matrix, two, three = (
        np.array(rows, dtype=np.uint64) for rows in (numbers.matrix, numbers.two_rounds, numbers.three_rounds)
    )
    prime = np.uint64(PRIME)
    out = np.zeros((WIDTH + CUBES, ROWS, inputs.shape[1]), dtype=np.uint64)
    state = inputs.astype(np.uint64)
    for row in range(ROWS):
        out[:WIDTH, row] = state
        constants = np.array(numbers.constants[row], dtype=np.uint64)[:, None]
        if row == OUTPUT_ROW:
            break
        if row not in THREE_ROUND_ROWS and row != TWO_ROUND_ROW:
            state = matrix @ _cube((state + constants) % prime) % prime
            continue
        known = state
        for place, coefficients in enumerate((None, numbers.second, numbers.third)):
            if place == CUBES and row == TWO_ROUND_ROW:
                break
            base = state[:1] if coefficients is None else _dot(np.array([coefficients]), known)
            cube = _cube((base + np.uint64(numbers.bases[row][place])) % prime)
            known = np.concatenate([known, cube])
            if place < CUBES:
                out[WIDTH + place, row] = cube[0]
        state = (_dot(two if row == TWO_ROUND_ROW else three, known) + constants) % prime
    return out.transpose(0, 2, 1).reshape(WIDTH + CUBES, -1).astype(np.int64)


def _cube(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    prime = np.uint64(PRIME)
    return values * values % prime * values % prime


def _dot(coefficients: NDArray[np.uint64], values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Matrix times columns: products of 31-bit numbers are reduced before they are added."""
    prime = np.uint64(PRIME)
    total = np.zeros((len(coefficients), values.shape[1]), dtype=np.uint64)
    for column, value in zip(coefficients.astype(np.uint64).T, values, strict=True):
        total += column[:, None] * value % prime
    return total % prime
