"""Whether an element is zero, said in both directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import PRIME


@dataclass(frozen=True, slots=True)
class IsZero:
    """A flag and an inverse: 2 columns, both zero where the value is."""

    is_something: Expression

    @classmethod
    def constrain(cls, air: AirBuilder, name: str, value: Expression) -> IsZero:
        """Declare the answer, on every row.

        Guarantees: `is_something` is zero where the value is zero and one where it is not.
        """
        is_something, inverse = air.columns(f"{name} is something", f"{name} inverse")
        # Soundness: without the inverse a zero could be called something.
        air.assert_equal(f"{name}: what is called something has an inverse", is_something, value * inverse)
        air.assert_zero(f"{name}: what is called nothing is zero", value * (1 - is_something))
        return cls(is_something)

    @property
    def is_zero(self) -> Expression:
        """One where the value is zero."""
        return 1 - self.is_something

    @staticmethod
    def fill(values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The columns in the order of declaration: (2, n); values may be negative."""
        return np.stack([(values % PRIME != 0).astype(np.int64), inverses(values)])


def assert_not_zero(air: AirBuilder, name: str, value: Expression, when: Operand = 1) -> None:
    """State that a value is not zero where `when` is one: 1 column, the inverse."""
    inverse = air.column(f"{name}: inverse")
    air.assert_zero(name, (value * inverse - 1) * when)


def inverses(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inverse of every value modulo the prime, and zero for zero."""
    reduced = np.asarray(values, np.int64) % PRIME
    if not reduced.size:
        return reduced
    # Distinct values are few in most columns: clocks, counts, lots.
    distinct, places = np.unique(reduced, return_inverse=True)
    answers = np.array([pow(int(value), -1, PRIME) if value else 0 for value in distinct], np.int64)
    return answers[places].reshape(reduced.shape)
