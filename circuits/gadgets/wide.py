"""Numbers of many limbs as a ring, so that `rollup.formulas` can be called with them.

    terms      the number is the sum of terms[m] * 2^(16 m); a term may be negative and wider than a limb
    digits     its bytes, if it was given in bytes: only such numbers can be multiplied

The same class holds expressions, whose equations `circuits.gadgets.carries` states, and arrays, whose carries it fills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from circuits.gadgets.byte_limbs import BYTE_BITS
from prover.air.expression import Expression

N = TypeVar("N", Expression, NDArray[np.int64])


@dataclass(frozen=True, slots=True)
class Wide(Generic[N]):
    """A number by its terms."""

    terms: tuple[N, ...]
    digits: tuple[N, ...] = ()

    @classmethod
    def of_bytes(cls, digits: Sequence[N]) -> Wide[N]:
        """A number from its bytes, lowest first."""
        lows, highs = digits[::2], [digit * (1 << BYTE_BITS) for digit in digits[1::2]]
        return cls(tuple(_sum(low, high) for low, high in zip_longest(lows, highs)), tuple(digits))

    def __add__(self, other: Wide[N]) -> Wide[N]:
        return Wide(tuple(_sum(a, b) for a, b in zip_longest(self.terms, other.terms)))

    def __sub__(self, other: Wide[N]) -> Wide[N]:
        return self + Wide(tuple(term * -1 for term in other.terms))

    def __mul__(self, other: Wide[N]) -> Wide[N]:
        """The product of two numbers in bytes; its terms stay below 2^28 for eight bytes a side."""
        if not self.digits or not other.digits:
            raise ValueError(
                "only numbers in bytes are multiplied: products of wider terms would pass the prime"
            )
        terms: list[N | None] = [None] * ((len(self.digits) + len(other.digits)) // 2)
        for i, a in enumerate(self.digits):
            for j, b in enumerate(other.digits):
                place, is_high = divmod(i + j, 2)
                terms[place] = _sum(terms[place], a * b * (1 << BYTE_BITS * is_high))
        return Wide(tuple(term for term in terms if term is not None))


def _sum(left: N | None, right: N | None) -> N:
    """Add two terms, of which one may be missing."""
    if left is None:
        assert right is not None
        return right
    return left if right is None else left + right
