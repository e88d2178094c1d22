"""The addition chain that verifies a signature: response * G - challenge * key, step by step as a circuit lays it out.

The response has 217 bits and the challenge 124, so the response is split: response = low + 2^124 high.
One pass over 124 bits then serves all three numbers.
With H = 2^124 G and a point B of which nobody knows the logarithm:

    table[j]     = B + (j & 1) G + (j >> 1 & 1) H             j = 0..3, constants
    table[4 + j] = table[j] - key                             four additions
    accumulator  = START
    from bit 123 down to bit 0:
        accumulator = 2 accumulator + table[low bit + 2 high bit + 4 challenge bit]
    result       = accumulator

B keeps the identity out: no table entry is the identity, so every step adds and no step has a case.
START = -(1 - 2^-124) B, so the last accumulator holds no B: 2^124 START + (2^124 - 1) B = 0.

Each 2 P + T is computed as (P + T) + P, with two chords and without the y of P + T.
An addition of two points with the same x is *exceptional* and the chain has no result: the signature is invalid.
This is the definition, not a defect of the formulas, so that the rule and a circuit without cases are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.curve import packed
from prover.curve.formulas import Element
from prover.curve.septic import (
    GENERATOR,
    ORDER,
    GroupElement,
    Point,
    add,
    multiply,
    negate,
    negate_point,
    point_from_label,
)
from prover.field.koalabear import Montgomery

STEPS: Final = 124
"""Bits of a challenge: four field elements of 31.  124 steps and the table's four additions fill 128 rows."""

HIGH_BITS: Final = 93
"""Bits of the response above the first 124."""

OFFSET_LABEL: Final = b"options clearing rollup: offset of the signature chain over the septic curve"
"""What B is hashed from: it says what the point is for and has no part that could have been searched."""


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """The chain's constants."""

    offset: Point
    """B."""
    start: Point
    """The first accumulator, -(1 - 2^-124) B."""
    table: tuple[Point, Point, Point, Point]
    """B, B + G, B + H, B + G + H."""


@cache
def fixed_points() -> FixedPoints:
    """Derive the chain's constants, which takes some milliseconds."""
    offset = point_from_label(OFFSET_LABEL)
    high_generator = multiply(GENERATOR, 1 << STEPS)
    start = multiply(offset, pow(1 << STEPS, -1, ORDER) - 1)
    table = (
        offset,
        _point(add(offset, GENERATOR)),
        _point(add(offset, high_generator)),
        _point(add(add(offset, GENERATOR), high_generator)),
    )
    return FixedPoints(offset, _point(start), table)


def _point(element: GroupElement) -> Point:
    """One of the constants, which are not the identity; the tests compare them with their frozen values."""
    if element is None:
        raise ArithmeticError("a constant of the chain is the identity")
    return element


class ChainPart(StrEnum):
    """Where in the chain an addition stands."""

    TABLE = "table"
    """table[j] - key."""
    FIRST_CHORD = "first_chord"
    """P + T of a step."""
    SECOND_CHORD = "second_chord"
    """(P + T) + P of a step."""


@dataclass(frozen=True, slots=True)
class ExceptionalAddition:
    """An addition of two points with equal x: the chain ends here without a result."""

    part: ChainPart
    index: int
    """The table entry 0..3, or the number of the step, 0 first."""


@dataclass(frozen=True, slots=True)
class TableAddition:
    """One of the four sums table[j] + (-key), with what binds it in a circuit."""

    fixed: Point
    minus_key: Point
    inverse: Element
    """1 / (x(minus_key) - x(fixed))."""
    slope: Element
    result: Point


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One doubling and addition, with what binds it in a circuit; the next step's accumulator is its result."""

    low_bit: int
    high_bit: int
    challenge_bit: int
    accumulator: Point
    addend: Point
    inverse: Element
    """1 / (x(addend) - x(accumulator)): the witness that the first chord is not exceptional."""
    slope: Element
    """Of the chord through accumulator and addend."""
    second_slope: Element
    """Of the chord through their sum and the accumulator."""

    @property
    def table_index(self) -> int:
        """Which entry of the table is added."""
        return self.low_bit + 2 * self.high_bit + 4 * self.challenge_bit


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that met no exceptional addition."""

    table: tuple[Point, ...]
    """Eight entries."""
    additions: tuple[TableAddition, ...]
    steps: tuple[ChainStep, ...]
    result: Point
    """response * G - challenge * key."""


@dataclass(frozen=True, slots=True)
class ChainBatch:
    """The chains of many signatures; arrays end in one number a signature and are in Montgomery form."""

    is_exceptional: NDArray[np.bool_]
    """An addition had equal x: the other arrays mean nothing for this signature."""
    results: Montgomery
    """Shape (14, signatures): response * G - challenge * key."""
    additions: Montgomery
    """Shape (4, 28, signatures): inverse, slope, x, y of the table's additions; empty without witness."""
    steps: Montgomery
    """Shape (49, 124, signatures): the columns of every step; empty without witness."""


def run_chain(key: Point, response: int, challenge: int) -> Chain | ExceptionalAddition:
    """Compute response * G - challenge * key by the chain, and every value a circuit needs of it.

    Assumes: the key is on the curve, 0 <= response < 2^217, 0 <= challenge < 2^124.
    Guarantees: the result is that group element whenever there is a result.
    """
    if not (0 <= response < 1 << STEPS + HIGH_BITS and 0 <= challenge < 1 << STEPS):
        raise ValueError("a number is wider than the chain")
    fixed, minus_key = fixed_points(), negate_point(key)
    additions: list[TableAddition] = []
    for index, entry in enumerate(fixed.table):
        addition = _add_to_table(entry, minus_key)
        if addition is None:
            return ExceptionalAddition(ChainPart.TABLE, index)
        additions.append(addition)
    table = (*fixed.table, *(addition.result for addition in additions))

    steps: list[ChainStep] = []
    accumulator = fixed.start
    for number in range(STEPS):
        position = STEPS - 1 - number
        bits = (response >> position & 1, response >> STEPS + position & 1, challenge >> position & 1)
        addend = table[bits[0] + 2 * bits[1] + 4 * bits[2]]
        outcome = _double_and_add(accumulator, addend)
        if isinstance(outcome, ChainPart):
            return ExceptionalAddition(outcome, number)
        inverse, slope, second_slope, following = outcome
        steps.append(ChainStep(*bits, accumulator, addend, inverse, slope, second_slope))
        accumulator = following
    return Chain(table, tuple(additions), tuple(steps), accumulator)


def is_multiple_of_fixed_table(key: Point) -> bool:
    """Say whether the key is a table constant or its negative, which one of the four table additions cannot meet."""
    return any(key.x == entry.x for entry in fixed_points().table)


def naive_result(key: Point, response: int, challenge: int) -> GroupElement:
    """What the chain computes, by the complete group law; a test compares the two."""
    return add(multiply(GENERATOR, response), negate(multiply(key, challenge)))


def _add_to_table(fixed: Point, minus_key: Point) -> TableAddition | None:
    if fixed.x == minus_key.x:
        return None
    fixed_x, fixed_y = packed.pack(fixed.x), packed.pack(fixed.y)
    right_x, right_y = packed.pack(minus_key.x), packed.pack(minus_key.y)
    inverse = packed.inverse(packed.subtract(right_x, fixed_x))
    slope = packed.multiply(packed.subtract(right_y, fixed_y), inverse)
    x = packed.canonical(packed.subtract(packed.multiply(slope, slope), fixed_x + right_x))
    y = packed.subtract(packed.multiply(slope, packed.subtract(fixed_x, x)), fixed_y)
    result = Point(packed.unpack(x), packed.unpack(y))
    return TableAddition(fixed, minus_key, packed.unpack(inverse), packed.unpack(slope), result)


def _double_and_add(accumulator: Point, addend: Point) -> tuple[Element, Element, Element, Point] | ChainPart:
    """The inverse, both slopes and 2 accumulator + addend, or the chord that is exceptional."""
    if accumulator.x == addend.x:
        return ChainPart.FIRST_CHORD
    x, y = packed.pack(accumulator.x), packed.pack(accumulator.y)
    right_x, right_y = packed.pack(addend.x), packed.pack(addend.y)
    inverse = packed.inverse(packed.subtract(right_x, x))
    slope = packed.multiply(packed.subtract(right_y, y), inverse)
    middle_x = packed.canonical(packed.subtract(packed.multiply(slope, slope), x + right_x))
    if middle_x == x:
        return ChainPart.SECOND_CHORD
    ratio = packed.multiply(2 * y, packed.inverse(packed.subtract(middle_x, x)))
    second_slope = packed.canonical(packed.subtract(0, slope + ratio))
    result_x = packed.canonical(packed.subtract(packed.multiply(second_slope, second_slope), x + middle_x))
    result_y = packed.subtract(packed.multiply(second_slope, packed.subtract(x, result_x)), y)
    result = Point(packed.unpack(result_x), packed.unpack(result_y))
    return packed.unpack(inverse), packed.unpack(slope), packed.unpack(second_slope), result
