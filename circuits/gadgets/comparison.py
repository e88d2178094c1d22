"""Less-than of two numbers in limbs, by the limbs of their difference.

    left < right    exactly when right - left - 1 is not negative
    left >= right   exactly when left - right is not negative

Whichever is claimed has a difference in limbs; a borrow between limbs is a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.gadgets.limbs import LIMB_BITS, Limbs
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand


@dataclass(frozen=True, slots=True)
class LessThan:
    """Whether one number is below another of as many limbs: 2 columns a limb."""

    is_less: Expression

    @classmethod
    def constrain(cls, air: AirBuilder, name: str, left: Limbs, right: Limbs, when: Operand = 1) -> LessThan:
        """Declare the answer, the difference and the borrows.

        Assumes: on rows where `when` is one both numbers' limbs lie in [0, 2^16).
        Guarantees: on those rows `is_less` is one if left < right and zero if not; it is zero or one on every row.
        """
        count = len(left.columns)
        if len(right.columns) != count:
            raise ValueError(f"{name}: the numbers have {count} and {len(right.columns)} limbs")
        is_less = air.column(f"{name} is less")
        air.assert_boolean(f"{name}: the answer is yes or no", is_less)
        # Soundness: the difference is below 2^(16 count) only if the claim is true; its limbs are looked up.
        difference = Limbs.constrain(air, f"{name} difference", count, when)
        borrows = [air.column(f"{name} borrow {i}") for i in range(count - 1)]
        for i, borrow in enumerate(borrows):
            air.assert_boolean(f"{name}: borrow {i} is zero or one", borrow)
        # The highest limb borrows from nothing: the difference is not negative.
        sign = 1 - is_less * 2
        for i, (low, high, limb) in enumerate(
            zip(left.columns, right.columns, difference.columns, strict=True)
        ):
            taken: Operand = is_less if i == 0 else borrows[i - 1]
            lent: Operand = borrows[i] * (1 << LIMB_BITS) if i < count - 1 else 0
            air.assert_zero(
                f"{name}: limb {i} of the difference is the larger number's less the smaller's",
                sign * (low - high) - taken + lent - limb,
            )
        return cls(is_less)

    @staticmethod
    def fill(left: Sequence[int], right: Sequence[int], count: int) -> NDArray[np.uint32]:
        """The columns in the order of declaration: (2 count, numbers)."""
        answers = [int(a < b) for a, b in zip(left, right, strict=True)]
        differences = [b - a - 1 if a < b else a - b for a, b in zip(left, right, strict=True)]
        borrows = [
            [_borrow(a, b, 16 * (i + 1)) for a, b in zip(left, right, strict=True)] for i in range(count - 1)
        ]
        rows = np.array([answers, *borrows], dtype=np.uint32)
        return np.concatenate([rows[:1], Limbs.fill(differences, count), rows[1:]])


def _borrow(left: int, right: int, bits: int) -> int:
    """Whether the larger number's low bits are too few for the smaller's (and the one that `<` takes off)."""
    mask = (1 << bits) - 1
    if left < right:
        return int((right & mask) < (left & mask) + 1)
    return int((left & mask) < (right & mask))
