"""An equation between wide numbers: terms at weights 2^0, 2^16, 2^32, ... whose sum is zero.

    terms[0]             = 2^16 carry 1
    terms[1] + carry 1   = 2^16 carry 2
    ...
    terms[n] + carry n   = 0

A carry may be negative: it is looked up with 2^13 added, among numbers of 14 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import FOURTEEN_BITS
from circuits.gadgets.limbs import LIMB_BITS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

CARRY_OFFSET: Final = 1 << 13
"""Carries lie in [-2^13, 2^13).

Soundness: 2^16 times a carry, a term below 2^30 and another carry stay within the prime, so an equation of the field is
one of integers. Carries of 16 bits would let a sum that is the prime, not zero, pass: p - 1 is a multiple of 2^16.
"""


@dataclass(frozen=True, slots=True)
class Carries:
    """The carries of one equation."""

    columns: tuple[Expression, ...]

    @classmethod
    def constrain(
        cls,
        air: AirBuilder,
        name: str,
        terms: Sequence[Expression],
        when: Operand = 1,
        gate: Operand | None = None,
    ) -> Carries:
        """State that the sum of terms[m] * 2^(16 m) is zero.

        Assumes: on rows where `when` is one every term is an integer of less than 2^30 in size; an honest one is less
        than 2^29 less 2^14, so that its carry fits.
        Guarantees: on those rows the sum of integers is zero.
        `gate` multiplies the equations where terms of dead rows would not vanish by themselves.
        """
        columns = tuple(air.column(f"{name} carry {m}") for m in range(1, len(terms)))
        for column in columns:
            air.send(FOURTEEN_BITS, [column + CARRY_OFFSET], when=when)
        for m, term in enumerate(terms):
            total = term if m == 0 else term + columns[m - 1]
            if m < len(columns):
                total = total - columns[m] * (1 << LIMB_BITS)
            air.assert_zero(f"{name}: weight {m} is carried on", total if gate is None else total * gate)
        return cls(columns)

    @staticmethod
    def fill(terms: NDArray[np.int64]) -> NDArray[np.int64]:
        """The carries of terms (count, n): (count - 1, n); what does not add up leaves a wrong last equation."""
        carries = np.zeros((len(terms) - 1, terms.shape[1]), np.int64)
        carry = np.zeros(terms.shape[1], np.int64)
        for m in range(len(carries)):
            carry = (terms[m] + carry) >> LIMB_BITS
            carries[m] = carry
        return carries
