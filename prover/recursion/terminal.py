"""The terminal circuit: one narrow table that proves any program, for a verifier who pays for every column.

Sixteen rows are a block.
Beside each other lie a permutation in sixteen rows and eight multiplications of two rows each.

    state 0..15, cube 0, 1   the permutation; on a block's first row cube 0 is the bit that exchanges the two vectors
    held 0..7                the left half of the input, which moves on by one place a row
    v 0..4, w 0..4           even row: left and right; the odd row below: result and addend

    row 0         the halves of the input are the vectors `first` and `second`, exchanged where the bit is one
    rows 1 to 8   place 0 holds elements 1, 2, .., 7, 0 of the left half: each may be a wire of its own
    row 15        the digest, the left half added where the block feeds forward, and the rest

So a packing is a block too: its permutation is done and read by nobody.
A message counts on the rows that the plan names, so what its expressions say elsewhere does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prover.air.builder import AirBuilder
from prover.air.expression import lift
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.narrow_poseidon import CUBES, OUTPUT_ROW, ROWS, constrain_narrow_permutation
from prover.recursion.program import VECTOR
from prover.recursion.tables import MOST_MESSAGES, SCALARS, VECTORS, exchange_publics, quintic_product
from prover.stark.circuit import Circuit, define_circuit
from prover.stark.shape import EXTENSION_DEGREE

NAME: Final = "terminal"

TERMINAL_PLAN: Final = (
    "head number",
    "head count",
    "tail number",
    "tail count",
    "element number",
    "element count",
    "feeds forward",
    "v number",
    "v count",
    "w number",
    "tag or constant",
    "is the first row of all",
)
"""Head: the first vector and the digest. Tail: the second vector and the rest. Element: the bit and the elements."""

COLUMNS: Final = WIDTH + CUBES + VECTOR + 2 * EXTENSION_DEGREE


def constrain_terminal(public_names: Sequence[str]) -> Callable[[AirBuilder], None]:
    """State what the docstring above says, and give the public values their wires."""

    def constrain(air: AirBuilder) -> None:
        plan = {name: air.preprocessed(name) for name in TERMINAL_PLAN}
        state = [air.column(f"state {i}") for i in range(WIDTH)]
        cubes = [air.column(f"cube {i}") for i in range(CUBES)]
        held = [air.column(f"held {i}") for i in range(VECTOR)]
        v, w = ([air.column(f"{name} {k}") for k in range(EXTENSION_DEGREE)] for name in "vw")
        is_first = air.periodic("is the first of its block", [int(row == 0) for row in range(ROWS)])
        is_last = air.periodic("is the last of its block", [int(row == OUTPUT_ROW) for row in range(ROWS)])
        is_even = air.periodic("is even", [1, 0])
        takes_constant = air.periodic(
            "takes a constant", [int(row % 2 == 0 and row > 0) for row in range(ROWS)]
        )

        constrain_narrow_permutation(air, state, cubes, POSEIDON16_20)
        for i in range(VECTOR):
            following = held[(i + 1) % VECTOR]
            # Soundness: a held vector that could change inside its block would add another one to the digest.
            air.assert_zero(
                f"held element {i} moves on by one place", (1 - is_last) * (held[i].next - following)
            )
            air.assert_zero(f"held element {i} is the input's", is_first * (held[i] - state[i]))
        bit = cubes[0]
        # Soundness: below, the bit's column would otherwise mix the two halves of the output.
        air.assert_zero("nothing is exchanged on the last row", is_last * bit)
        for k, product in enumerate(quintic_product(v, w)):
            # A block's first row has a tag instead of a constant.
            constant = takes_constant * plan["tag or constant"] if k == 0 else 0
            air.assert_zero(
                f"coordinate {k} of the result is the product's with the addend's",
                is_even * (product + w[k].next - v[k].next) + constant,
            )

        right = [*state[VECTOR:-1], state[-1] - plan["tag or constant"]]
        exchanged = [bit * (other - own) for own, other in zip(held, right, strict=True)]
        # After fifteen rows each held element stands one place further down than it began.
        head = [
            held[i]
            + exchanged[i]
            + is_last * (state[i] - held[i])
            + plan["feeds forward"] * held[(i + 1) % VECTOR]
            for i in range(VECTOR)
        ]
        tail = [right[i] - exchanged[i] for i in range(VECTOR)]
        element = held[0] + is_first * (bit - held[0])
        zeros = [lift(0)] * (EXTENSION_DEGREE - 1)
        air.exchange(VECTORS, [plan["head number"], *head], plan["head count"], MOST_MESSAGES)
        air.exchange(VECTORS, [plan["tail number"], *tail], plan["tail count"], MOST_MESSAGES)
        # Soundness: the other coordinates are zero here, so an element is one of the base field.
        message = [plan["element number"], element, *zeros]
        air.exchange(SCALARS, message, plan["element count"], MOST_MESSAGES)
        air.exchange(SCALARS, [plan["v number"], *v], plan["v count"], MOST_MESSAGES)
        air.receive(SCALARS, [plan["w number"], *w])
        exchange_publics(air, public_names, plan["is the first row of all"])

    return constrain


def terminal_circuit(public_names: Sequence[str]) -> Circuit:
    """The circuit of every program with these public values."""
    return define_circuit(NAME, [(NAME, constrain_terminal(public_names))], public_names)
