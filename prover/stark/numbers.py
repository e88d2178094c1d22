"""Field elements as numbers, many side by side: what the verifier computes with when it verifies.

A number is a Python integer or an array of integers below the prime, one a lane.
The verifier checks all its queries at once by putting each into a lane; numpy is all it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME

# Any: numpy's stubs do not know that an array of 64-bit words stays one next to a Python integer.
Lanes = Any
"""One integer for all lanes, or an array of 64-bit words with one for each."""

Extension = tuple[int, int, int, int, int]
"""The five coordinates of a single element, canonical, constant term first."""


class Number:
    """An element of the base field."""

    __slots__ = ("value",)

    def __init__(self, value: Lanes) -> None:
        self.value = value

    def __add__(self, other: Number | int) -> Number:
        return Number((self.value + _value(other)) % PRIME)

    def __sub__(self, other: Number | int) -> Number:
        return Number((self.value + (PRIME - _value(other))) % PRIME)

    def __mul__(self, other: Number | int) -> Number:
        return Number(self.value * _value(other) % PRIME)


def _value(operand: Number | int) -> Lanes:
    return operand.value if isinstance(operand, Number) else operand % PRIME


class Quintic:
    """An element of GF(p)[X] / (X^5 + X^2 - 1), constant term first."""

    __slots__ = ("coordinates",)

    def __init__(self, coordinates: Sequence[Lanes]) -> None:
        self.coordinates = tuple(coordinates)

    def __add__(self, other: Quintic | Number | int) -> Quintic:
        if isinstance(other, Quintic):
            a, b = self.coordinates, other.coordinates
            return Quintic([(a[k] + b[k]) % PRIME for k in range(5)])
        return Quintic([(self.coordinates[0] + _value(other)) % PRIME, *self.coordinates[1:]])

    def __sub__(self, other: Quintic | Number | int) -> Quintic:
        if isinstance(other, Quintic):
            pairs = zip(self.coordinates, other.coordinates, strict=True)
            return Quintic([(a + (PRIME - b)) % PRIME for a, b in pairs])
        return Quintic([(self.coordinates[0] + (PRIME - _value(other))) % PRIME, *self.coordinates[1:]])

    def __mul__(self, other: Quintic | Number | int) -> Quintic:
        if isinstance(other, Quintic):
            return Quintic(_multiply(self.coordinates, other.coordinates))
        factor = _value(other)
        return Quintic([a * factor % PRIME for a in self.coordinates])


def _multiply(left: Sequence[Lanes], right: Sequence[Lanes]) -> list[Lanes]:
    """Schoolbook product, reduced by X^5 = 1 - X^2; sums of at most five products below the prime."""
    if isinstance(left[0], int) and isinstance(right[0], int):
        return _multiply_integers(left, right)
    products: list[Lanes] = [0] * 9
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            products[i + j] = products[i + j] + a * b % PRIME
    p = products
    # Multiples of the prime keep unsigned lanes from going below zero.
    lift = 8 * PRIME
    return [
        (p[0] + p[5] + lift - p[8]) % PRIME,
        (p[1] + p[6]) % PRIME,
        (p[2] + p[7] + p[8] + lift - p[5]) % PRIME,
        (p[3] + p[8] + lift - p[6]) % PRIME,
        (p[4] + lift - p[7]) % PRIME,
    ]


def _multiply_integers(left: Sequence[Lanes], right: Sequence[Lanes]) -> list[Lanes]:
    """The same product where nothing can overflow: reduced once, at the end."""
    a, b, c, d, e = left
    f, g, h, i, j = right
    p5 = b * j + c * i + d * h + e * g
    p6 = c * j + d * i + e * h
    p7 = d * j + e * i
    p8 = e * j
    return [
        (a * f + p5 - p8) % PRIME,
        (a * g + b * f + p6) % PRIME,
        (a * h + b * g + c * f + p7 + p8 - p5) % PRIME,
        (a * i + b * h + c * g + d * f + p8 - p6) % PRIME,
        (a * j + b * i + c * h + d * g + e * f - p7) % PRIME,
    ]


@cache
def _frobenius_rows() -> tuple[tuple[int, ...], ...]:
    """Row i: the coordinates of X^i raised to the prime; raising to the prime is linear."""
    power = Quintic([1, 0, 0, 0, 0])
    square, exponent = Quintic([0, 1, 0, 0, 0]), PRIME
    while exponent:
        if exponent & 1:
            power = power * square
        square, exponent = square * square, exponent >> 1
    rows = [Quintic([1, 0, 0, 0, 0])]
    for _ in range(4):
        rows.append(rows[-1] * power)
    return tuple(tuple(int(c) for c in row.coordinates) for row in rows)


def _raise_to_the_prime(value: Quintic) -> Quintic:
    total = Quintic([0] * 5)
    for coordinate, row in zip(value.coordinates, _frobenius_rows(), strict=True):
        total = total + Quintic([coordinate * entry % PRIME for entry in row])
    return total


def conjugates(value: Quintic) -> list[Quintic]:
    """The value, and what it becomes by raising to the prime once to four times."""
    found = [value]
    for _ in range(4):
        found.append(_raise_to_the_prime(found[-1]))
    return found


def invert(value: Quintic, reason: Reason) -> Quintic:
    """The inverse through the norm: the product of all conjugates lies in the base field."""
    _, others, *rest = conjugates(value)
    for conjugate in rest:
        others = others * conjugate
    norm = (value * others).coordinates[0]
    if not np.all(norm):
        raise ProofRefused(reason, "a value that has to be inverted is zero")
    return others * Number(_base_inverse(norm))


def _base_inverse(value: Lanes) -> Lanes:
    if isinstance(value, int):
        return pow(value, -1, PRIME)
    result, square, exponent = np.ones_like(value), value, PRIME - 2
    while exponent:
        if exponent & 1:
            result = result * square % PRIME
        square, exponent = square * square % PRIME, exponent >> 1
    return result


def stack(values: Sequence[int]) -> Number:
    """One number with a lane for each value."""
    return Number(np.array(values, dtype=np.uint64))


def canonical(value: Quintic) -> Extension:
    """The five coordinates of a single element as Python integers."""
    first, second, third, fourth, fifth = (int(coordinate) for coordinate in value.coordinates)
    return first, second, third, fourth, fifth
