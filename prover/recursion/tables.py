"""The wide tables that prove a program.

    multiplications   left * right + addend + constant = result, over the extension, several a row
    permutations      one Poseidon permutation a row, its inputs exchanged by a bit, the first half added back;
                      beside it the first vector's elements, each a wire of its own; also what the statement says

The preprocessed columns say which wire each place of a row is, so they are the program: the tables are always the same.
A wire is a message (number, value): the one row that writes it sends it as often as others read it.
Soundness: all counts are preprocessed, and every number is sent by one row alone.
So a reader whose value differs from the writer's leaves its bus unbalanced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.air.expression import Expression, lift
from prover.air.poseidon import constrain_permutation
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.program import VECTOR, public_messages
from prover.stark.circuit import Circuit, define_circuit
from prover.stark.shape import EXTENSION_DEGREE

NAME: Final = "recursion"

SCALARS: Final = Bus("scalars", 1, 1 + EXTENSION_DEGREE)
"""Number of a wire, and the five coordinates of its value."""

VECTORS: Final = Bus("vectors", 2, 1 + VECTOR)
"""Number of a vector, and its eight elements."""

MOST_MESSAGES: Final = 1 << 25
"""What one place of all rows may exchange: far above any program's reads, far below the prime."""

LANES: Final = 7
"""Multiplications of one row, unless a program asks for fewer: as many as make both tables equally high.

Every query's paths are then three levels shorter than with one a row, which pays for the longer rows."""

OPERANDS: Final = ("left", "right", "addend", "result")

LANE_PLAN: Final = (*(f"{name} number" for name in OPERANDS), "left count", "result count", "constant")

VECTORS_OF_A_ROW: Final = ("first", "second", "digest", "rest")

EXCHANGED: Final = (*VECTORS_OF_A_ROW, *(f"element {i}" for i in range(VECTOR)))

PERMUTATION_PLAN: Final = (
    *(f"{name} number" for name in EXCHANGED),
    *(f"{name} count" for name in EXCHANGED),
    "bit number",
    "tag",
    "feeds forward",
    "is the first row",
)

Columns = list[Expression]


def multiplication_plan(lanes: int) -> tuple[str, ...]:
    """The preprocessed columns of a table of so many lanes."""
    return tuple(f"{name} of lane {lane}" for lane in range(lanes) for name in LANE_PLAN)


def constrain_multiplications(lanes: int) -> Callable[[AirBuilder], None]:
    """State left * right + addend + constant = result in every lane, and exchange the four wires."""

    def constrain(air: AirBuilder) -> None:
        for lane in range(lanes):
            _constrain_lane(air, lane)

    return constrain


def _constrain_lane(air: AirBuilder, lane: int) -> None:
    plan = {name: air.preprocessed(f"{name} of lane {lane}") for name in LANE_PLAN}
    left, right, addend, result = (
        [air.column(f"{name} {k} of lane {lane}") for k in range(EXTENSION_DEGREE)] for name in OPERANDS
    )
    for k, product in enumerate(quintic_product(left, right)):
        constant = plan["constant"] if k == 0 else 0
        air.assert_zero(
            f"coordinate {k} of lane {lane}'s result is the product's with the addend's",
            product + addend[k] + constant - result[k],
        )
    air.exchange(SCALARS, [plan["left number"], *left], plan["left count"], MOST_MESSAGES)
    air.exchange(SCALARS, [plan["result number"], *result], plan["result count"], MOST_MESSAGES)
    air.receive(SCALARS, [plan["right number"], *right])
    air.receive(SCALARS, [plan["addend number"], *addend])


def quintic_product(left: Sequence[Expression], right: Sequence[Expression]) -> Columns:
    """The coordinates of a product, X^5 being 1 - X^2."""
    powers: list[Expression | None] = [None] * (2 * EXTENSION_DEGREE - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            known = powers[i + j]
            powers[i + j] = a * b if known is None else known + a * b
    p = [power for power in powers if power is not None]
    return [p[0] + p[5] - p[8], p[1] + p[6], p[2] + p[7] + p[8] - p[5], p[3] + p[8] - p[6], p[4] - p[7]]


def constrain_permutations(public_names: Sequence[str]) -> Callable[[AirBuilder], None]:
    """State that the digest is that of the two vectors in the order that the bit says; give public values their wires.

    Assumes: the bit's wire is zero or one, which the row that writes it states.
    """

    def constrain(air: AirBuilder) -> None:
        plan = {name: air.preprocessed(name) for name in PERMUTATION_PLAN}
        inputs = [air.column(f"input {i}") for i in range(WIDTH)]
        outputs = constrain_permutation(air, "permutation", inputs, POSEIDON16_20)
        first = [air.column(f"first {i}") for i in range(VECTOR)]
        bit = air.column("bit")
        halves = (inputs[:VECTOR], [*inputs[VECTOR:-1], inputs[-1] - plan["tag"]])
        # Both halves together are both vectors together, so the second vector needs no columns.
        second = [left + right - one for left, right, one in zip(*halves, first, strict=True)]
        for i in range(VECTOR):
            air.assert_zero(
                f"the left half begins with the first vector unless the bit is one, element {i}",
                halves[0][i] - first[i] - bit * (second[i] - first[i]),
            )
        forward = plan["feeds forward"]
        digest = [after + forward * before for before, after in zip(inputs, outputs[:VECTOR], strict=False)]
        vectors = dict(zip(VECTORS_OF_A_ROW, (first, second, digest, outputs[VECTOR:]), strict=True))
        zeros = [lift(0)] * (EXTENSION_DEGREE - 1)
        for name in ("first", "second", "rest"):
            air.exchange(
                VECTORS, [plan[f"{name} number"], *vectors[name]], plan[f"{name} count"], MOST_MESSAGES
            )
        for i, element in enumerate(first):
            # Soundness: the other coordinates are zero here, so an element is one of the base field.
            message = [plan[f"element {i} number"], element, *zeros]
            air.exchange(SCALARS, message, plan[f"element {i} count"], MOST_MESSAGES)
        air.receive(SCALARS, [plan["bit number"], bit, *zeros])
        air.exchange(VECTORS, [plan["digest number"], *digest], plan["digest count"], MOST_MESSAGES)
        exchange_publics(air, public_names, plan["is the first row"])

    return constrain


def exchange_publics(air: AirBuilder, public_names: Sequence[str], is_first: Expression) -> None:
    """Send the public values, five in a message, and behind them X, which makes elements out of coordinates.

    What all rows share costs no degree: these messages are one fraction together.
    """
    messages = public_messages(len(public_names))
    values = [air.public(name) for name in public_names]
    values += [lift(0)] * (messages * EXTENSION_DEGREE - len(values))
    for number in range(messages):
        coordinates = values[number * EXTENSION_DEGREE : (number + 1) * EXTENSION_DEGREE]
        air.exchange(SCALARS, [lift(number), *coordinates], is_first, 1)
    unit = [lift(int(k == 1)) for k in range(EXTENSION_DEGREE)]
    air.exchange(SCALARS, [lift(messages), *unit], is_first, 1)


def recursion_circuit(public_names: Sequence[str], lanes: int = LANES) -> Circuit:
    """The circuit of every program with these public values and so many multiplications a row."""
    return define_circuit(
        NAME,
        [
            ("multiplications", constrain_multiplications(lanes)),
            ("permutations", constrain_permutations(public_names)),
        ],
        public_names,
    )
