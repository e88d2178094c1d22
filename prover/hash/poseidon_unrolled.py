"""Poseidon's partial rounds as dot products: the same permutation with a fifth of their multiplications.

A partial round cubes only element 0, so everything else in it is linear.
Follow the linear part symbolically, and the input t(r) of the r-th cube is one dot product of the state before the
partial rounds and the cubes y(0), ..., y(r-1) so far. The state after the last partial round is linear in them too.
A change of basis u = G * (state before the partial rounds) makes the last step light: element i > 0 comes out as
u(i) + sum of weight(i, r) * y(r), because G is chosen to be that very map. G is merged into the linear layer before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import mul
from struct import Struct

from prover.field.koalabear import PRIME, inverse
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters

Matrix = tuple[tuple[int, ...], ...]

SLOT_BITS = 64
"""Of an element in a packed state: sums of products have room."""

_SLOTS = Struct(f"<{WIDTH}Q")
_ALL_SLOTS = (1 << SLOT_BITS * WIDTH) - 1


@dataclass(frozen=True, slots=True)
class UnrolledPartialRounds:
    """The partial rounds of one suite, all numbers canonical."""

    entry: Matrix
    """Replaces the linear layer before the partial rounds: G times the circulant matrix."""
    basis: Matrix
    """G: element 0 is kept, the others are mixed."""
    cube_inputs: Matrix
    """Row r - 1 gives t(r) for r from 1: weights of u(1..15), then of y(0), ..., y(r-1).

    The last row gives output element 0.
    """
    cube_input_constants: tuple[int, ...]
    """Added to t(0), t(1), ..., and to output element 0."""
    output_weights: Matrix
    """Row i - 1 gives output element i from 1: u(i) plus these weights of all y."""
    output_constants: tuple[int, ...]
    """Added to output elements 1 to 15."""


def multiply_matrices(left: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> Matrix:
    """The product modulo p."""
    columns = list(zip(*right, strict=True))
    return tuple(tuple(sum(map(mul, row, column)) % PRIME for column in columns) for row in left)


def invert_matrix(matrix: Sequence[Sequence[int]]) -> Matrix:
    """The inverse modulo p, by elimination with the first pivot that is not zero."""
    size = len(matrix)
    rows = [[*row, *(int(place == index) for place in range(size))] for index, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(index for index in range(column, size) if rows[index][column] % PRIME)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = inverse(rows[column][column])
        rows[column] = [value * scale % PRIME for value in rows[column]]
        for index in range(size):
            if index != column and (factor := rows[index][column]):
                rows[index] = [
                    (value - factor * other) % PRIME
                    for value, other in zip(rows[index], rows[column], strict=True)
                ]
    return tuple(tuple(row[size:]) for row in rows)


def circulant_matrix(first_row: Sequence[int]) -> Matrix:
    """The matrix whose entry (i, j) is element (j - i) of the first row."""
    width = len(first_row)
    return tuple(tuple(first_row[(column - row) % width] for column in range(width)) for row in range(width))


@cache
def unroll(parameters: PoseidonParameters) -> UnrolledPartialRounds:
    """Follow the partial rounds symbolically: vectors over (state, cubes, 1)."""
    count = parameters.partial_rounds
    length = WIDTH + count + 1
    mds = circulant_matrix(parameters.mds_first_row)
    state = [[int(place == index) for place in range(length)] for index in range(WIDTH)]
    inputs = []
    for round_index in range(count):
        constants = parameters.round_constants[parameters.first_partial_round + round_index]
        for vector, constant in zip(state, constants, strict=True):
            vector[-1] += constant
        inputs.append([value % PRIME for value in state[0]])
        state[0] = [int(place == WIDTH + round_index) for place in range(length)]
        state = [list(vector) for vector in multiply_matrices(mds, state)]
    inputs.append(state[0])
    mixed = [vector[1:WIDTH] for vector in state[1:]]
    back = invert_matrix(mixed)
    basis = ((1, *(0,) * (WIDTH - 1)), *((0, *row) for row in mixed))
    cube_inputs = tuple(
        multiply_matrices([vector[1:WIDTH]], back)[0] + tuple(vector[WIDTH : WIDTH + number])
        for number, vector in enumerate(inputs)
    )
    return UnrolledPartialRounds(
        entry=multiply_matrices(basis, mds),
        basis=basis,
        cube_inputs=cube_inputs[1:],
        cube_input_constants=tuple(vector[-1] for vector in inputs),
        output_weights=tuple(tuple(vector[WIDTH:-1]) for vector in state[1:]),
        output_constants=tuple(vector[-1] for vector in state[1:]),
    )


def partial_rounds(state: Sequence[int], unrolled: UnrolledPartialRounds) -> list[int]:
    """All partial rounds at once, from u = G * state."""
    known = list(state[1:])
    cubes: list[int] = []
    total = state[0]
    for weights, constant in zip(unrolled.cube_inputs, unrolled.cube_input_constants, strict=False):
        cube = pow(total + constant, 3, PRIME)
        known.append(cube)
        cubes.append(cube)
        total = sum(map(mul, weights, known))
    outputs = [total + unrolled.cube_input_constants[-1]]
    for kept, weights, constant in zip(
        state[1:], unrolled.output_weights, unrolled.output_constants, strict=True
    ):
        outputs.append(kept + constant + sum(map(mul, weights, cubes)))
    return [value % PRIME for value in outputs]


@cache
def _cyclic_factor(parameters: PoseidonParameters) -> int:
    """The circulant matrix as a factor of packed states: its first column, packed."""
    first_row = parameters.mds_first_row
    if sum(first_row) * PRIME >= 1 << SLOT_BITS - 1:
        raise ValueError("a sum of products would run over into the next element's slot")
    return _packed([first_row[-place % WIDTH] for place in range(WIDTH)])


def _packed(state: Sequence[int]) -> int:
    return int.from_bytes(_SLOTS.pack(*state), "little")


def mix(state: Sequence[int], parameters: PoseidonParameters) -> tuple[int, ...]:
    """The circulant matrix times a state, not reduced: one product of long integers.

    Packed, states are polynomials, and the matrix multiplies modulo X^16 - 1.
    """
    product = _packed(state) * _cyclic_factor(parameters)
    cyclic = (product & _ALL_SLOTS) + (product >> SLOT_BITS * WIDTH)
    return _SLOTS.unpack(cyclic.to_bytes(_SLOTS.size, "little"))


def permute_unrolled(state: Sequence[int], parameters: PoseidonParameters) -> tuple[int, ...]:
    """The permutation of a canonical state, equal to `prover.hash.poseidon.permute`."""
    unrolled = unroll(parameters)
    first, last = parameters.first_partial_round, parameters.first_partial_round + parameters.partial_rounds
    elements = list(state)
    for round_index in (*range(first), *range(last, parameters.rounds)):
        constants = parameters.round_constants[round_index]
        elements = [
            (value := element + constant) * value * value % PRIME
            for element, constant in zip(elements, constants, strict=True)
        ]
        if round_index == first - 1:
            entered = [sum(map(mul, row, elements)) % PRIME for row in unrolled.entry]
            elements = partial_rounds(entered, unrolled)
        else:
            # Not below p, but short: the next round's cube is reduced anyhow.
            elements = list(mix(elements, parameters))
    return tuple(element % PRIME for element in elements)
