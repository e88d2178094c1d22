"""The septic group: y^2 = x^3 + 45 x + 41 z^3 over GF(p^7), in plain Python.

The order is prime, and so is the order of the quadratic twist; the embedding degree is the order less one.
A generic attack takes about 2^108 group operations.
A `Point` is always affine, so it is never the identity: the identity is `IDENTITY`, which is None.

Nothing here runs in constant time: Python's integers do not.
A key whose use an attacker can time closely does not belong in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, TypeAlias

from prover.curve import packed
from prover.curve.formulas import DEGREE, LINEAR, Element
from prover.field.koalabear import PRIME
from prover.hash.keccak import keccak256

ORDER: Final = 199372529839252601278447397890876471698671718266839763841250021879
"""The number of points, identity included: a prime of 217 bits (counted with PARI/GP)."""

ORDER_BITS: Final = 217

POINT_ELEMENTS: Final = 2 * DEGREE
"""Field elements of an encoded point: x, then y."""


@dataclass(frozen=True, slots=True)
class Point:
    """An affine point; whoever makes one from outside data uses `decode`."""

    x: Element
    y: Element


GroupElement: TypeAlias = Point | None
"""A point, or None for the identity."""

IDENTITY: Final = None


class PointRefusal(StrEnum):
    """Why a list of numbers is not a point."""

    WRONG_LENGTH = "wrong_length"
    """A point is fourteen numbers."""
    NOT_CANONICAL = "not_canonical"
    """A number is negative or not below p, so that one point would have several encodings."""
    NOT_ON_CURVE = "not_on_curve"
    """The coordinates do not satisfy the curve's equation: on another curve the order may have small factors."""


GENERATOR: Final = Point(
    (4, 1, 0, 0, 0, 0, 0),
    (788580176, 734083423, 383607096, 1594638150, 1729214056, 1002926473, 117933033),
)
"""The point whose x is z + k with the smallest k >= 1 on the curve, and whose y is the smaller root."""


def is_on_curve(x: Element, y: Element) -> bool:
    """Say whether canonical coordinates satisfy the curve's equation."""
    abscissa, ordinate = packed.pack(x), packed.pack(y)
    return packed.multiply(ordinate, ordinate) == _right_hand_side(abscissa)


def encode(point: Point) -> tuple[int, ...]:
    """The fourteen canonical field elements of a point: x then y, constant terms first."""
    return point.x + point.y


def decode(elements: Sequence[int]) -> Point | PointRefusal:
    """Read a point, or say why the numbers are none.

    Soundness: without the curve's equation a key could lie on a curve whose order has small factors;
    without the range a second encoding of one point would be a second message to the hash.
    """
    if len(elements) != POINT_ELEMENTS:
        return PointRefusal.WRONG_LENGTH
    if not all(0 <= element < PRIME for element in elements):
        return PointRefusal.NOT_CANONICAL
    x0, x1, x2, x3, x4, x5, x6, y0, y1, y2, y3, y4, y5, y6 = elements
    x, y = (x0, x1, x2, x3, x4, x5, x6), (y0, y1, y2, y3, y4, y5, y6)
    return Point(x, y) if is_on_curve(x, y) else PointRefusal.NOT_ON_CURVE


def lift_x(x: Element) -> Point | None:
    """The point with this x whose y has a first nonzero coefficient of at most (p - 1) / 2, or None."""
    root = packed.square_root(_right_hand_side(packed.pack(x)))
    return None if root is None else Point(x, packed.unpack(root))


def point_from_label(label: bytes) -> Point:
    """A point of which nobody knows a multiple that gives another: hashed from a label that hides nothing.

    For counter = 0, 1, ... coefficient i of x is keccak256(label || counter || i) modulo p, both numbers four bytes,
    the most significant first; the first x on the curve is taken, with the smaller root as y.
    """
    counter = 0
    while True:
        x0, x1, x2, x3, x4, x5, x6 = (
            int.from_bytes(keccak256(label + counter.to_bytes(4) + index.to_bytes(4))) % PRIME
            for index in range(DEGREE)
        )
        point = lift_x((x0, x1, x2, x3, x4, x5, x6))
        if point is not None:
            return point
        counter += 1


def negate(element: GroupElement) -> GroupElement:
    """The inverse in the group."""
    return None if element is None else negate_point(element)


def negate_point(point: Point) -> Point:
    """The inverse of a point, which is a point."""
    return Point(point.x, packed.unpack(packed.subtract(0, packed.pack(point.y))))


def add(left: GroupElement, right: GroupElement) -> GroupElement:
    """The sum, for every pair of group elements."""
    if left is None:
        return right
    if right is None:
        return left
    if left.x == right.x:
        return double(left) if left.y == right.y else IDENTITY
    left_x, left_y, right_x = packed.pack(left.x), packed.pack(left.y), packed.pack(right.x)
    rise = packed.subtract(packed.pack(right.y), left_y)
    slope = packed.multiply(rise, packed.inverse(packed.subtract(right_x, left_x)))
    return _third_point(slope, left_x, left_y, right_x)


def double(element: GroupElement) -> GroupElement:
    """Twice an element; the order is odd, so no point doubles to the identity."""
    if element is None:
        return None
    x, y = packed.pack(element.x), packed.pack(element.y)
    slope = packed.multiply(3 * packed.multiply(x, x) + LINEAR, packed.inverse(y + y))
    return _third_point(slope, x, y, x)


def multiply(element: GroupElement, scalar: int) -> GroupElement:
    """The scalar multiple; the scalar is any integer and counts modulo the order.

    Signed digits of at most 15, odd, so that eight multiples suffice; the running sum is in Jacobian coordinates.
    """
    if element is None:
        return None
    multiples = [element]
    twice = double(element)
    for _ in range(7):
        multiples.append(_affine(add(multiples[-1], twice)))
    accumulator = _JACOBIAN_IDENTITY
    for digit in _signed_digits(scalar % ORDER):
        accumulator = _jacobian_double(accumulator)
        if digit > 0:
            accumulator = _jacobian_add(accumulator, multiples[digit // 2])
        elif digit < 0:
            accumulator = _jacobian_add(accumulator, negate_point(multiples[-digit // 2]))
    return _from_jacobian(accumulator)


def multiply_generator(scalar: int) -> GroupElement:
    """The multiple of the generator, from a table of its multiples by 1..15 times powers of sixteen."""
    remaining, accumulator = scalar % ORDER, _JACOBIAN_IDENTITY
    for window in _generator_windows():
        digit, remaining = remaining & 15, remaining >> 4
        if digit:
            accumulator = _jacobian_add(accumulator, window[digit - 1])
    return _from_jacobian(accumulator)


@cache
def _generator_windows() -> tuple[tuple[Point, ...], ...]:
    """For each of 55 four-bit windows the fifteen multiples of 16^window times the generator."""
    windows = []
    base = GENERATOR
    for _ in range((ORDER_BITS + 3) // 4):
        row = [base]
        for _ in range(14):
            row.append(_affine(add(row[-1], base)))
        windows.append(tuple(row))
        base = _affine(add(row[-1], base))
    return tuple(windows)


def _affine(element: GroupElement) -> Point:
    """A multiple, by less than the order, of a point: never the identity, because the order is prime."""
    if element is None:
        raise ArithmeticError("a small multiple of a point is the identity")
    return element


def _right_hand_side(x: int) -> int:
    return packed.canonical(packed.multiply(packed.multiply(x, x) + LINEAR, x) + packed.CUBIC_PACKED)


def _third_point(slope: int, left_x: int, left_y: int, right_x: int) -> Point:
    """The sum of two points from the slope of their line."""
    x = packed.canonical(packed.subtract(packed.multiply(slope, slope), left_x + right_x))
    y = packed.subtract(packed.multiply(slope, packed.subtract(left_x, x)), left_y)
    return Point(packed.unpack(x), packed.unpack(y))


def _signed_digits(scalar: int) -> list[int]:
    """Digits of the width-five non-adjacent form, the most significant first."""
    digits = []
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & 31
            digit -= 32 if digit > 15 else 0
            scalar -= digit
        digits.append(digit)
        scalar >>= 1
    return digits[::-1]


Jacobian: TypeAlias = tuple[int, int, int]
"""Packed X, Y, Z with x = X / Z^2 and y = Y / Z^3; Z is canonical, and zero for the identity.

X and Y are loose: their slots are below 17 p.
The largest factors met below are 48 p and 36 p, whose product is below the 2^74 that `packed` allows.
"""

_JACOBIAN_IDENTITY: Final[Jacobian] = (1, 1, 0)


def _jacobian_double(point: Jacobian) -> Jacobian:
    x, y, z = point
    y_squared = packed.multiply(y, y)
    z_squared = packed.multiply(z, z)
    crossing = 4 * packed.multiply(x, y_squared)
    tangent = 3 * packed.multiply(x, x) + LINEAR * packed.multiply(z_squared, z_squared)
    result_x = packed.subtract(packed.multiply(tangent, tangent), 2 * crossing)
    fall = packed.subtract(crossing + packed.MULTIPLE_OF_PRIME, result_x)
    result_y = packed.subtract(packed.multiply(tangent, fall), 8 * packed.multiply(y_squared, y_squared))
    return (result_x, result_y, packed.multiply(2 * y, z))


def _jacobian_add(left: Jacobian, right: Point) -> Jacobian:
    """The sum with an affine point, for every pair."""
    x, y, z = left
    right_x, right_y = packed.pack(right.x), packed.pack(right.y)
    if z == 0:
        return (right_x, right_y, 1)
    z_squared = packed.multiply(z, z)
    run = packed.subtract(packed.multiply(right_x, z_squared) + packed.MULTIPLE_OF_PRIME, x)
    result_z = packed.multiply(z, run)
    rise = packed.subtract(
        packed.multiply(right_y, packed.multiply(z, z_squared)) + packed.MULTIPLE_OF_PRIME, y
    )
    if result_z == 0:
        return _jacobian_double(left) if packed.canonical(rise) == 0 else _JACOBIAN_IDENTITY
    run_squared = packed.multiply(run, run)
    run_cubed = packed.multiply(run, run_squared)
    crossing = packed.multiply(x, run_squared)
    result_x = packed.subtract(packed.multiply(rise, rise), run_cubed + 2 * crossing)
    fall = packed.subtract(crossing + packed.MULTIPLE_OF_PRIME, result_x)
    result_y = packed.subtract(packed.multiply(rise, fall), packed.multiply(y, run_cubed))
    return (result_x, result_y, result_z)


def _from_jacobian(point: Jacobian) -> GroupElement:
    x, y, z = point
    if z == 0:
        return IDENTITY
    inverse = packed.inverse(z)
    squared = packed.multiply(inverse, inverse)
    return Point(
        packed.unpack(packed.multiply(x, squared)),
        packed.unpack(packed.multiply(y, packed.multiply(squared, inverse))),
    )
