"""The comb that verifies a signature: response * G - challenge * key, step by step as a circuit lays it out.

The response has 217 = 7 * 31 bits and the challenge 124 = 4 * 31, so one pass over 31 bits serves all eleven parts:

    response  = sum of 2^(31 j) s_j, j = 0..6          challenge = sum of 2^(31 k) e_k, k = 0..3
    A[w] = B + sum of w_j 2^(31 j) G                   w in 0..127: the generator's table, constants
    U[b] = C - sum of b_k 2^(31 k) key                 b in 0..15: the key's table, 93 doublings and 15 additions
    U[g(0)] = C,  U[g(i + 1)] = U[g(i)] - or + 2^(31 k) key,   g(i) = i ^ (i >> 1), k the number of i + 1's final zeros
    accumulator = START
    from bit 30 down to bit 0:
        accumulator = 2 accumulator + A[that bit of every s_j] + U[that bit of every e_k]
    result      = accumulator

B and C are points of which nobody knows a relation to each other or to G.
They keep the identity out: no entry of a table is the identity, so every step adds and no step has a case.
The key's table is made in Gray's order, in which one bit changes at a time: every entry out of the one before.
START = -(1 - 2^-31) (B + C), so the result holds neither: 2^31 START + (2^31 - 1) (B + C) = 0.

A step from P with T = A[w] and U = U[b] is three chords:

    M = P + T        N = M + P = 2 P + T, without the y of M        R = N + U

Two points *stand apart* when they differ in the first or second coefficient of x.
An addition is *exceptional*, and the comb then has no result and the signature is invalid,

    when P and T, or N and U, or the two summands of an entry of the key's table do not stand apart;
    when M = -P, so that N is the identity.

This is the definition, not a defect of the formulas, so that the rule and a circuit without cases are the same.
That two points stand apart costs a circuit two columns, where an inverse of the difference of x costs seven.
An honest signature is exceptional with a chance of 62 / p^2, about 2^-56, and its signer goes on to the next nonce.
A key whose table is exceptional, one in 2^58, cannot sign at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prover.curve import packed
from prover.curve.formulas import LINEAR, Element
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
from prover.field.koalabear import PRIME, Montgomery

STEPS: Final = 31
"""Bits of a part: those of a field element, so that the parts of the challenge are digest elements."""

RESPONSE_PARTS: Final = 7
"""217 bits of response."""

CHALLENGE_PARTS: Final = 4
"""124 bits of challenge."""

GENERATOR_ENTRIES: Final = 1 << RESPONSE_PARTS
KEY_ENTRIES: Final = 1 << CHALLENGE_PARTS

DOUBLINGS: Final = STEPS * (CHALLENGE_PARTS - 1)
"""From the key to 2^93 key, the largest multiple in its table."""

GENERATOR_OFFSET_LABEL: Final = (
    b"options clearing rollup: offset of the generator's comb over the septic curve"
)
"""What B is hashed from: it says what the point is for and has no part that could have been searched."""

KEY_OFFSET_LABEL: Final = b"options clearing rollup: offset of the key's comb over the septic curve"
"""What C is hashed from."""

Apart: TypeAlias = tuple[int, int]
"""The witness that two points stand apart: w0, w1 with w0 d0 + w1 d1 = 1, where d0 and d1 are the differences of x.

Of the many that exist, w1 is zero unless d0 is; then w0 is zero.
"""


@dataclass(frozen=True, slots=True)
class FixedPoints:
    """The comb's constants."""

    generator_offset: Point
    """B."""
    key_offset: Point
    """C: the key's table begins with it."""
    start: Point
    """The first accumulator, -(1 - 2^-31) (B + C)."""
    table: tuple[Point, ...]
    """The generator's table, 128 entries."""


@cache
def fixed_points() -> FixedPoints:
    """Derive the comb's constants, which takes some milliseconds."""
    generator_offset = point_from_label(GENERATOR_OFFSET_LABEL)
    key_offset = point_from_label(KEY_OFFSET_LABEL)
    start = multiply(add(generator_offset, key_offset), pow(1 << STEPS, -1, ORDER) - 1)
    table, power = [generator_offset], GENERATOR
    for part in range(RESPONSE_PARTS):
        power = power if part == 0 else _point(multiply(power, 1 << STEPS))
        table += [_point(add(entry, power)) for entry in table]
    return FixedPoints(generator_offset, key_offset, _point(start), tuple(table))


def _point(element: GroupElement) -> Point:
    """One of the constants, which are not the identity; the tests compare them with their frozen values."""
    if element is None:
        raise ArithmeticError("a constant of the comb is the identity")
    return element


class CombPart(StrEnum):
    """Where in the comb an addition stands."""

    KEY_TABLE = "key_table"
    """The addition that makes an entry of the key's table."""
    FIRST_CHORD = "first_chord"
    """M = P + T of a step."""
    SECOND_CHORD = "second_chord"
    """N = M + P of a step."""
    THIRD_CHORD = "third_chord"
    """R = N + U of a step."""


@dataclass(frozen=True, slots=True)
class ExceptionalAddition:
    """An addition that the definition excludes: the comb ends here without a result."""

    part: CombPart
    index: int
    """The number of the addition in the key's table, or of the step, 0 first."""


@dataclass(frozen=True, slots=True)
class Doubling:
    """One doubling of a key's multiple, with the slope that binds it in a circuit."""

    point: Point
    slope: Element
    """Of the tangent at the point; twice the point is the next doubling's point."""


@dataclass(frozen=True, slots=True)
class EntryAddition:
    """One sum of a key's table: the next entry in Gray's order, with what binds it in a circuit."""

    entry: Point
    """U[g(i)]."""
    summand: Point
    """-2^(31 k) key where bit k is set in g(i + 1), 2^(31 k) key where it is not."""
    apart: Apart
    """That they stand apart: the differences are those of the summand less the entry."""
    slope: Element
    result: Point
    """U[g(i + 1)]."""


@dataclass(frozen=True, slots=True)
class KeyTable:
    """A key's table in which no addition was exceptional."""

    doublings: tuple[Doubling, ...]
    """93, the first at the key itself."""
    last_multiple: Point
    """2^93 key."""
    additions: tuple[EntryAddition, ...]
    """Fifteen, in Gray's order."""
    entries: tuple[Point, ...]
    """U[0] = C to U[15], by index."""

    @property
    def key(self) -> Point:
        """The key itself."""
        return self.doublings[0].point


@dataclass(frozen=True, slots=True)
class CombStep:
    """One step, with what binds it in a circuit; the next step's accumulator is its result."""

    generator_index: int
    """w: which entry of the generator's table is added."""
    key_index: int
    """b: which entry of the key's table is added."""
    accumulator: Point
    """P."""
    generator_entry: Point
    """T = A[w]."""
    key_entry: Point
    """U = U[b]."""
    slope: Element
    """Of the chord through P and T."""
    second_slope: Element
    """Of the chord through M and P."""
    third_slope: Element
    """Of the chord through N and U."""
    apart: Apart
    """That P and T stand apart: the differences are those of T less P."""
    third_apart: Apart
    """That N and U stand apart: the differences are those of U less N."""


@dataclass(frozen=True, slots=True)
class Comb:
    """A comb that met no exceptional addition."""

    key_table: KeyTable
    steps: tuple[CombStep, ...]
    """31, that of the parts' top bits first."""
    result: Point
    """response * G - challenge * key."""


@dataclass(frozen=True, slots=True)
class KeyTables:
    """The tables of many keys; arrays are in Montgomery form, and those of the witness are empty without it."""

    is_exceptional: NDArray[np.bool_]
    """One a key: an addition was exceptional, and what the other arrays say of this key means nothing."""
    rows: Montgomery
    """Shape (keys, 16, 16): the entries by index, each x, y and two zeros, as the combs read them."""
    doublings: Montgomery
    """Shape (21, 94, keys): x, y and the tangent's slope of the key doubled 0 to 93 times; no slope of the last."""
    additions: Montgomery
    """Shape (23, 16, keys): x, y of each entry in Gray's order; slope, w0, w1 of the sum that makes the next."""


@dataclass(frozen=True, slots=True)
class CombBatch:
    """The combs of many signatures; arrays end in one number a signature and are in Montgomery form."""

    is_exceptional: NDArray[np.bool_]
    """An addition was exceptional, in the comb or its key's table: the rest means nothing for this signature."""
    results: Montgomery
    """Shape (14, signatures): response * G - challenge * key."""
    steps: Montgomery
    """Shape (53, 31, signatures): the columns of every step; empty without witness.

    x of P, x of T, x and y of U; slope, second slope, third slope; w0 and w1 of P and T, then of N and U.
    The y of P and T are not there: they follow from the slopes.
    """


@lru_cache(maxsize=256)
def key_table(key: Point) -> KeyTable | ExceptionalAddition:
    """Compute a key's table and every value a circuit needs of it.  Assumes: the key is on the curve."""
    doublings, multiple, powers = [], key, [key]
    for number in range(1, DOUBLINGS + 1):
        slope, following = _double(multiple)
        doublings.append(Doubling(multiple, slope))
        multiple = following
        if number % STEPS == 0:
            powers.append(multiple)
    entry, additions, entries = fixed_points().key_offset, [], {0: fixed_points().key_offset}
    for number in range(KEY_ENTRIES - 1):
        part, is_taken = changed_part(number)
        summand = negate_point(powers[part]) if is_taken else powers[part]
        apart = witness_of_apart(entry.x, summand.x)
        if apart is None:
            return ExceptionalAddition(CombPart.KEY_TABLE, number)
        slope, result = _add(entry, summand)
        additions.append(EntryAddition(entry, summand, apart, slope, result))
        entry = entries[gray(number + 1)] = result
    by_index = tuple(entries[index] for index in range(KEY_ENTRIES))
    return KeyTable(tuple(doublings), multiple, tuple(additions), by_index)


def gray(place: int) -> int:
    """The index of the entry that stands at a place in Gray's order."""
    return place ^ place >> 1


def changed_part(number: int) -> tuple[int, bool]:
    """Which bit of the index the addition of this number changes, and whether it sets it: the multiple is taken off."""
    part = (number + 1 & -(number + 1)).bit_length() - 1
    return part, bool(gray(number + 1) >> part & 1)


def run_comb(key: Point, response: int, challenge: int) -> Comb | ExceptionalAddition:
    """Compute response * G - challenge * key by the comb, and every value a circuit needs of it.

    Assumes: the key is on the curve, 0 <= response < 2^217, 0 <= challenge < 2^124.
    Guarantees: the result is that group element whenever there is a result.
    """
    if not (0 <= response < 1 << STEPS * RESPONSE_PARTS and 0 <= challenge < 1 << STEPS * CHALLENGE_PARTS):
        raise ValueError("a number is wider than the comb")
    table = key_table(key)
    if isinstance(table, ExceptionalAddition):
        return table
    steps: list[CombStep] = []
    accumulator = fixed_points().start
    for number in range(STEPS):
        bit = STEPS - 1 - number
        outcome = _step(
            table, accumulator, _index(response, bit, RESPONSE_PARTS), _index(challenge, bit, CHALLENGE_PARTS)
        )
        if isinstance(outcome, CombPart):
            return ExceptionalAddition(outcome, number)
        step, accumulator = outcome
        steps.append(step)
    return Comb(table, tuple(steps), accumulator)


def naive_result(key: Point, response: int, challenge: int) -> GroupElement:
    """What the comb computes, by the complete group law; a test compares the two."""
    return add(multiply(GENERATOR, response), negate(multiply(key, challenge)))


def witness_of_apart(left: Element, right: Element) -> Apart | None:
    """The witness that two points with these x stand apart, or None when they do not."""
    first, second = right[0] - left[0], right[1] - left[1]
    if first != 0:
        return (pow(first, -1, PRIME), 0)
    return None if second == 0 else (0, pow(second, -1, PRIME))


def _index(number: int, bit: int, parts: int) -> int:
    """One bit of each 31-bit part of a number, the lowest part's lowest."""
    return sum((number >> STEPS * part + bit & 1) << part for part in range(parts))


def _double(point: Point) -> tuple[Element, Point]:
    """The tangent's slope and twice the point; y is not zero, because the order is odd."""
    x, y = packed.pack(point.x), packed.pack(point.y)
    slope = packed.multiply(3 * packed.multiply(x, x) + LINEAR, packed.inverse(2 * y))
    return _third_point(slope, x, y, x)


def _add(left: Point, right: Point) -> tuple[Element, Point]:
    """The chord's slope and the sum of two points with different x."""
    x, y = packed.pack(left.x), packed.pack(left.y)
    right_x, right_y = packed.pack(right.x), packed.pack(right.y)
    slope = packed.multiply(packed.subtract(right_y, y), packed.inverse(packed.subtract(right_x, x)))
    return _third_point(slope, x, y, right_x)


def _third_point(slope: int, x: int, y: int, right_x: int) -> tuple[Element, Point]:
    result_x = packed.canonical(packed.subtract(packed.multiply(slope, slope), x + right_x))
    result_y = packed.subtract(packed.multiply(slope, packed.subtract(x, result_x)), y)
    return packed.unpack(slope), Point(packed.unpack(result_x), packed.unpack(result_y))


def _step(
    table: KeyTable, accumulator: Point, generator_index: int, key_index: int
) -> tuple[CombStep, Point] | CombPart:
    """The step and its result, or the chord that is exceptional."""
    generator_entry = fixed_points().table[generator_index]
    key_entry = table.entries[key_index]
    apart = witness_of_apart(accumulator.x, generator_entry.x)
    if apart is None:
        return CombPart.FIRST_CHORD
    slope, middle = _add(accumulator, generator_entry)
    if middle.x == accumulator.x:
        return CombPart.SECOND_CHORD
    second_slope, doubled = _add(accumulator, middle)
    third_apart = witness_of_apart(doubled.x, key_entry.x)
    if third_apart is None:
        return CombPart.THIRD_CHORD
    third_slope, result = _add(doubled, key_entry)
    step = CombStep(
        generator_index,
        key_index,
        accumulator,
        generator_entry,
        key_entry,
        slope,
        second_slope,
        third_slope,
        apart,
        third_apart,
    )
    return step, result
