"""A number as limbs of 16 bits, each looked up in the range check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import SIXTEEN_BITS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import PRIME

LIMB_BITS: Final = 16
"""The widest limb whose table of all values is still small beside a batch."""


@dataclass(frozen=True, slots=True)
class Limbs:
    """A number below 2^(16 count), lowest limb first."""

    columns: tuple[Expression, ...]

    @classmethod
    def constrain(cls, air: AirBuilder, name: str, count: int, when: Operand = 1) -> Limbs:
        """Declare the limbs.

        Assumes: `when` is zero or one.
        Guarantees: on rows where `when` is one every limb lies in [0, 2^16).
        Soundness: a limb that is not looked up can be any field element, and the number negative.
        """
        columns = tuple(air.column(f"{name} limb {i}") for i in range(count))
        for column in columns:
            air.send(SIXTEEN_BITS, [column], when=when)
        return cls(columns)

    @staticmethod
    def fill(numbers: Sequence[int], count: int) -> NDArray[np.uint32]:
        """The limbs of every number: (count, numbers)."""
        if any(not 0 <= number < 1 << LIMB_BITS * count for number in numbers):
            raise ValueError(f"a number does not fit {count} limbs of {LIMB_BITS} bits")
        spelled = b"".join(number.to_bytes(2 * count, "little") for number in numbers)
        return np.frombuffer(spelled, dtype="<u2").reshape(len(numbers), count).T.astype(np.uint32)

    @property
    def element(self) -> Expression:
        """The number as one field element; only numbers of at most 30 bits are told apart by it."""
        total = self.columns[-1]
        for limb in reversed(self.columns[:-1]):
            total = total * (1 << LIMB_BITS) + limb
        return total


WIDEST_ELEMENT_BITS: Final = PRIME.bit_length() - 1
"""Numbers below 2^30 are below the prime, and so are one element each."""
