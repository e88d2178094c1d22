"""A number as bytes, looked up two at a time: what products are made of.

Limbs of 16 bits cannot be multiplied in this field: their product alone would pass the prime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.buses import TWO_BYTES
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

BYTE_BITS = 8


@dataclass(frozen=True, slots=True)
class Bytes:
    """A number below 2^(8 count), lowest byte first."""

    columns: tuple[Expression, ...]

    @classmethod
    def constrain(cls, air: AirBuilder, name: str, count: int, when: Operand = 1) -> Bytes:
        """Declare the bytes.

        Assumes: `when` is zero or one.
        Guarantees: on rows where `when` is one every byte lies in [0, 2^8).
        """
        columns = tuple(air.column(f"{name} byte {i}") for i in range(count))
        for i in range(0, count, 2):
            high: Operand = columns[i + 1] if i + 1 < count else 0
            air.send(TWO_BYTES, [columns[i], high], when=when)
        return cls(columns)

    @staticmethod
    def fill(numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """The bytes of every number, which is not negative: (count, numbers)."""
        if numbers.size and (numbers.min() < 0 or (count < 8 and numbers.max() >> BYTE_BITS * count)):
            raise ValueError(f"a number does not fit {count} bytes")
        return np.stack([numbers >> BYTE_BITS * i & 0xFF for i in range(count)])

    @property
    def limbs(self) -> tuple[Expression, ...]:
        """The number in limbs of 16 bits, lowest first."""
        pairs = [self.columns[i : i + 2] for i in range(0, len(self.columns), 2)]
        return tuple(pair[0] + pair[1] * 256 if len(pair) == 2 else pair[0] for pair in pairs)

    @property
    def element(self) -> Expression:
        """The number as one field element; only numbers of at most 30 bits are told apart by it."""
        total = self.columns[-1]
        for byte in reversed(self.columns[:-1]):
            total = total * 256 + byte
        return total


def byte_product(left: Sequence[Expression], right: Sequence[Expression]) -> list[Expression]:
    """The product of two numbers in bytes, as terms at weights 2^0, 2^16, 2^32, ...

    Every term is below (2^8 + 1) * bytes * 2^16, so for eight bytes a side below 2^28: sums of a few stay below the
    prime, and what an equation of `Carries` says of the terms it says of integers.
    """
    terms: list[Expression | int] = [0] * ((len(left) + len(right)) // 2)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            place, is_high = divmod(i + j, 2)
            terms[place] = a * b * (256 if is_high else 1) + terms[place]
    return [term for term in terms if not isinstance(term, int)]


def byte_product_of(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same terms of integers: (bytes, n) and (bytes, n) give (terms, n)."""
    terms = np.zeros(((len(left) + len(right)) // 2, left.shape[1]), np.int64)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            place, is_high = divmod(i + j, 2)
            terms[place] += a * b << (BYTE_BITS if is_high else 0)
    return terms
