"""The Poseidon permutation as constraints: one row, all rounds.

    16 inputs | 16 outputs of each of the first full rounds | one S-box output for each partial round |
    16 outputs of each of the last full rounds                     (164 columns with 20 partial rounds)

Only what a cube makes non-linear is a column; everything between is a linear combination of columns.
The rounds come from the suite's data, so another suite is another number of columns and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.hash.poseidon import linear_layer
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters


def column_count(parameters: PoseidonParameters) -> int:
    """How many columns one permutation takes, its inputs included."""
    return WIDTH * (1 + parameters.full_rounds) + parameters.partial_rounds


def constrain_permutation(
    air: AirBuilder, name: str, inputs: Sequence[Expression], parameters: PoseidonParameters
) -> list[Expression]:
    """State that the returned outputs are the permutation of the inputs; declares all columns but the inputs.

    Assumes nothing of the inputs.
    Guarantees that the outputs are determined by them.
    """
    state = list(inputs)
    for number, constants in enumerate(parameters.round_constants):
        state = [element + constant for element, constant in zip(state, constants, strict=True)]
        if parameters.is_full(number):
            mixed = linear_layer([element * element * element for element in state], parameters.mds_first_row)
            state = [air.column(f"{name} round {number} element {i}") for i in range(WIDTH)]
            for i, (column, expected) in enumerate(zip(state, mixed, strict=True)):
                air.assert_equal(
                    f"{name}: element {i} after full round {number} is the round's", column, expected
                )
        else:
            cube = air.column(f"{name} round {number} cube")
            air.assert_equal(
                f"{name}: the cube of partial round {number} is a cube", cube, state[0] * state[0] * state[0]
            )
            state = linear_layer([cube, *state[1:]], parameters.mds_first_row)
    return state
