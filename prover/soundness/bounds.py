"""Proximity bounds of Reed-Solomon codes, as exact fractions rounded up.

Notation of the cited papers: n points, rate rho, agreement alpha = 1 - theta, list size L.
docs/soundness.md holds the statements, the citations and the arguments for this prover's variants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from prover.field.koalabear import PRIME

CHALLENGE_FIELD_SIZE: Final = PRIME**5
"""|F|: every challenge is drawn from the quintic extension."""

LEAST_MULTIPLICITY: Final = 3
"""The theorem's smallest m: for a gap wider than a third of sqrt(rho) it still counts with m = 3."""

MOST_MULTIPLICITY: Final = 1000
"""Beyond this the gap to the Johnson radius is a thousandth of it, and costs a query nothing any more."""

_ROOT_PRECISION_BITS: Final = 64
"""Square roots are enclosed to 2^-64, so 512 queries lose less than 2^-54 bits by rounding."""


def square_root_bounds(value: Fraction) -> tuple[Fraction, Fraction]:
    """Enclose a square root: both bounds are the root itself where that is a short binary fraction."""
    shifted, remainder = divmod(value.numerator << 2 * _ROOT_PRECISION_BITS, value.denominator)
    root = math.isqrt(shifted)
    unit = 1 << _ROOT_PRECISION_BITS
    is_exact = remainder == 0 and root * root == shifted
    return Fraction(root, unit), Fraction(root if is_exact else root + 1, unit)


@dataclass(frozen=True, slots=True)
class UniqueDecoding:
    """Words closer than half the minimum distance, (1 - rho) / 2: at most one polynomial is that close."""

    @property
    def name(self) -> str:
        """The regime as reports print it."""
        return "unique decoding"

    @property
    def multiplicity(self) -> int | None:
        """This regime has no parameter."""
        return None

    def agreement(self, log_blowup: int) -> Fraction:
        """1 - theta: the chance that one query of a word outside the radius finds nothing."""
        return (1 + Fraction(1, 1 << log_blowup)) / 2

    def list_size(self, log_blowup: int) -> Fraction:  # noqa: ARG002 - one at every rate
        """How many tuples of polynomials can lie within the radius of what was committed."""
        return Fraction(1)

    def curve_error(self, degree: int, log_height: int, log_blowup: int) -> Fraction:
        """The chance that a random point of a curve of far words is close: degree * n / |F|."""
        return Fraction(degree << (log_height + log_blowup), CHALLENGE_FIELD_SIZE)


@dataclass(frozen=True, slots=True)
class Johnson:
    """Words closer than 1 - sqrt(rho) - eta with eta = sqrt(rho) / m: a short list of polynomials."""

    multiplicity: int

    @property
    def name(self) -> str:
        """The regime as reports print it."""
        return "Johnson"

    def agreement(self, log_blowup: int) -> Fraction:
        """1 - theta = sqrt(rho) (1 + 1/m), rounded up."""
        _, root = square_root_bounds(Fraction(1, 1 << log_blowup))
        return root * Fraction(self.multiplicity + 1, self.multiplicity)

    def list_size(self, log_blowup: int) -> Fraction:
        """(m + 1/2) / sqrt(rho), rounded up."""
        root, _ = square_root_bounds(Fraction(1, 1 << log_blowup))
        return (self.multiplicity + Fraction(1, 2)) / root

    def curve_error(self, degree: int, log_height: int, log_blowup: int) -> Fraction:
        """Degree times the theorem's count of exceptional points over |F|, rounded up.

        The rate in the denominators is that of degree over points, (H - 1) / n: the smaller reading of the theorem's.
        """
        points = 1 << (log_height + log_blowup)
        if log_height == 0:
            # Constant words: a point is exceptional only if two positions that differ agree there.
            return Fraction(degree * points * (points - 1), 2 * CHALLENGE_FIELD_SIZE)
        rate = Fraction((1 << log_height) - 1, points)
        root, _ = square_root_bounds(rate)
        shifted = self.multiplicity + Fraction(1, 2)
        root_of_nominal_rate, _ = square_root_bounds(Fraction(1, 1 << log_blowup))
        theta = 1 - root_of_nominal_rate * Fraction(self.multiplicity + 1, self.multiplicity)
        count = (2 * shifted**5 + 3 * shifted * theta * rate) / (3 * rate * root) * points + shifted / root
        return degree * count / CHALLENGE_FIELD_SIZE


Regime = UniqueDecoding | Johnson
"""The two regimes with a proof; the third, up to capacity, is refuted."""


def bits_of(error: Fraction) -> float:
    """-log2 of an error, never below zero; logarithms of the integers, so that nothing underflows."""
    return max(0.0, math.log2(error.denominator) - math.log2(error.numerator))
