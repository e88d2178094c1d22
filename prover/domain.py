"""Two-adic domains: the rows of a table, and the cosets its columns are extended to.

Everything here is a polynomial in a point, so it is written over any ring:
the verifier hands in an extension element, the recursion circuit a wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from prover.field.koalabear import GENERATOR, PRIME, inverse, power, root_of_unity


class Point(Protocol):
    """A value that can be added to, subtracted from and multiplied, also by integers."""

    def __add__(self, other: Self | int, /) -> Self: ...
    def __sub__(self, other: Self | int, /) -> Self: ...
    def __mul__(self, other: Self | int, /) -> Self: ...


P = TypeVar("P", bound=Point)


def raise_to_two_power(point: P, log_exponent: int) -> P:
    """The point squared log_exponent times."""
    for _ in range(log_exponent):
        point = point * point
    return point


@dataclass(frozen=True, slots=True)
class Domain:
    """The rows of a table of 2^log_height rows: row i lies at the i-th power of the generator."""

    log_height: int
    log_blowup: int

    @property
    def generator(self) -> int:
        """The step from one row to the next."""
        return root_of_unity(self.log_height)

    @property
    def last_row(self) -> int:
        """The point of the last row, one step before the first."""
        return inverse(self.generator)

    @property
    def inverse_height(self) -> int:
        """One over the number of rows."""
        return inverse(1 << self.log_height)

    def coset_shift(self, coset: int) -> int:
        """Where a coset of the extended domain starts; no coset meets the rows themselves."""
        return GENERATOR * power(root_of_unity(self.log_height + self.log_blowup), coset) % PRIME

    def vanishing_at(self, point: P) -> P:
        """The polynomial that is zero exactly on the rows."""
        return raise_to_two_power(point, self.log_height) - 1

    def piece_weights(self, point: P, log_pieces: int) -> list[P]:
        """For each coset shift_j <g> of the quotient: the polynomial that is 1 on it and 0 on the other pieces' cosets.

        On coset j the power x^height is the constant c_j = shift_j^height.
        The c_j are a coset of a group of roots of unity, so the weight is an interpolation in x^height.
        """
        raised = raise_to_two_power(point, self.log_height)
        root = root_of_unity(self.log_height + log_pieces)
        shifts = [GENERATOR * power(root, j) % PRIME for j in range(1 << log_pieces)]
        constants = [power(shift, 1 << self.log_height) for shift in shifts]
        weights = []
        for j, own in enumerate(constants):
            others = [other for k, other in enumerate(constants) if k != j]
            scale = 1
            for other in others:
                scale = scale * (own - other) % PRIME
            # With no other coset the weight is the constant one, still as a value of the ring.
            weight = (point - point + 1) * inverse(scale)
            for other in others:
                weight = weight * (raised - other)
            weights.append(weight)
        return weights

    def periodic_at(self, point: P, values: Sequence[int], lift: Callable[[int], P]) -> P:
        """A column that repeats the values: a polynomial of degree below the period, in x^(height / period)."""
        log_period = len(values).bit_length() - 1
        inner = raise_to_two_power(point, self.log_height - log_period)
        coefficients = interpolate_on_subgroup(values)
        total = lift(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            total = total * inner + coefficient
        return total


def interpolate_on_subgroup(values: Sequence[int]) -> list[int]:
    """The coefficients of the polynomial with these values at the powers of the root of that order."""
    if len(values) == 1:
        return [values[0] % PRIME]
    # f(X) = e(X^2) + X o(X^2): the values of e and o are half-sums and scaled half-differences.
    half = len(values) // 2
    root = inverse(root_of_unity(len(values).bit_length() - 1))
    two = inverse(2)
    even = [(values[i] + values[i + half]) * two % PRIME for i in range(half)]
    odd = [(values[i] - values[i + half]) * two * power(root, i) % PRIME for i in range(half)]
    coefficients = [0] * len(values)
    coefficients[::2] = interpolate_on_subgroup(even)
    coefficients[1::2] = interpolate_on_subgroup(odd)
    return coefficients
