"""A small number as bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.gadgets.limbs import WIDEST_ELEMENT_BITS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression


@dataclass(frozen=True, slots=True)
class Bits:
    """A number below 2^count, lowest bit first."""

    columns: tuple[Expression, ...]

    @classmethod
    def constrain(cls, air: AirBuilder, name: str, count: int) -> Bits:
        """Declare the bits.

        Guarantees: every column is zero or one, so `element` lies in [0, 2^count).
        """
        # Soundness: 31 bits spell some elements twice, as e and as e + p.
        if count > WIDEST_ELEMENT_BITS:
            raise ValueError(f"{name}: {count} bits do not spell an element in one way only")
        columns = tuple(air.column(f"{name} bit {i}") for i in range(count))
        for i, column in enumerate(columns):
            air.assert_boolean(f"{name}: bit {i} is zero or one", column)
        return cls(columns)

    @staticmethod
    def fill(numbers: Sequence[int], count: int) -> NDArray[np.uint32]:
        """The bits of every number: (count, numbers)."""
        if any(not 0 <= number < 1 << count for number in numbers):
            raise ValueError(f"a number does not fit {count} bits")
        values = np.array(numbers, dtype=np.uint32)
        return np.stack([values >> np.uint32(i) & np.uint32(1) for i in range(count)])

    @property
    def element(self) -> Expression:
        """The number as one field element."""
        total = self.columns[-1]
        for bit in reversed(self.columns[:-1]):
            total = total * 2 + bit
        return total
