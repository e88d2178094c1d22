"""The terminal circuit: one narrow table that proves any program, for a verifier who pays for every column.

Sixteen rows are a block.
Beside each other lie a permutation in sixteen rows and eight multiplications of two rows each.

    state 0..15, cube 0, 1   the permutation; on a block's first row cube 0 is the bit that exchanges the two vectors
    held 0..7                the first vector, which moves on by one place a row: each element passes place 0
    v 0..4, w 0..4           odd row: left and right; the even row below: result and addend

    row 0         the halves of the input come from the vectors `first` and `second`, or are exchanged
    rows 1 to 8   place 0 holds elements 1, 2, .., 7, 0 of the first vector: each may be a wire of its own
    row 15        the digest, the first vector added where the row feeds forward, and the rest

So a packing is a block too: its permutation is done and read by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prover.air.builder import AirBuilder
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.narrow_poseidon import CUBES, OUTPUT_ROW, ROWS, constrain_narrow_permutation
from prover.recursion.program import VECTOR
from prover.recursion.tables import MOST_MESSAGES, SCALARS, VECTORS, quintic_product
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
        is_odd = air.periodic("is odd", [0, 1])

        constrain_narrow_permutation(air, state, cubes, POSEIDON16_20)
        for i in range(VECTOR):
            following = held[(i + 1) % VECTOR]
            # Soundness: a held vector that could change inside its block would add another one to the digest.
            air.assert_zero(
                f"held element {i} moves on by one place", (1 - is_last) * (held[i].next - following)
            )
        bit = cubes[0]
        tags = [0] * (VECTOR - 1) + [plan["tag or constant"]]
        halves = zip(state[:VECTOR], state[VECTOR:], tags, held, strict=True)
        # Both halves together are both vectors together, so the second vector needs no columns.
        second = [left + right - tag - one for left, right, tag, one in halves]
        for i in range(VECTOR):
            air.assert_zero(
                f"the left half begins with the first vector unless the bit is one, element {i}",
                is_first * (state[i] - held[i] - bit * (second[i] - held[i])),
            )
        for k, product in enumerate(quintic_product(v, w)):
            constant = plan["tag or constant"] if k == 0 else 0
            air.assert_zero(
                f"coordinate {k} of the result is the product's with the addend's",
                is_odd * (product + constant + w[k].next - v[k].next),
            )

        # After fifteen rows each held element stands one place further down than it began.
        head = [
            held[i] + is_last * (state[i] - held[i]) + plan["feeds forward"] * held[(i + 1) % VECTOR]
            for i in range(VECTOR)
        ]
        tail = [
            state[VECTOR + i] + is_first * (state[i] - held[i] - tag)
            for i, tag in enumerate(tags)
        ]
        element = held[0] + is_first * (bit - held[0])
        zeros = [0] * (EXTENSION_DEGREE - 1)
        air.exchange(VECTORS, [plan["head number"], *head], plan["head count"], MOST_MESSAGES)
        air.exchange(VECTORS, [plan["tail number"], *tail], plan["tail count"], MOST_MESSAGES)
        # Soundness: the other coordinates are zero here, so an element is one of the base field.
        message = [plan["element number"], element, *zeros]
        air.exchange(SCALARS, message, plan["element count"], MOST_MESSAGES)
        air.exchange(SCALARS, [plan["v number"], *v], plan["v count"], MOST_MESSAGES)
        air.receive(SCALARS, [plan["w number"], *w])
        # What all rows share costs no degree: the statement's messages are one fraction together.
        is_top = plan["is the first row of all"]
        for number, name in enumerate(public_names):
            air.exchange(SCALARS, [number, air.public(name), *zeros], is_top, MOST_MESSAGES)
        air.exchange(SCALARS, [len(public_names), 0, 1, *zeros[1:]], is_top, MOST_MESSAGES)

    return constrain


def terminal_circuit(public_names: Sequence[str]) -> Circuit:
    """The circuit of every program with these public values."""
    return define_circuit(NAME, [(NAME, constrain_terminal(public_names))], public_names)
