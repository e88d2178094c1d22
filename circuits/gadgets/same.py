"""Whether two lists of elements are the same, said in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits.gadgets.zero import inverses
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand, lift


@dataclass(frozen=True, slots=True)
class Same:
    """A flag, and a weight for each element."""

    is_same: Expression

    @classmethod
    def constrain(
        cls, air: AirBuilder, name: str, left: Sequence[Operand], right: Sequence[Operand], when: Operand = 1
    ) -> Same:
        """Declare the answer.

        Guarantees: where `when` is one, `is_same` is one if the lists agree and zero if not; it is a bit on every row.
        """
        is_same = air.column(f"{name} is same")
        air.assert_boolean(f"{name}: the answer is yes or no", is_same)
        total = lift(0)
        for i, (a, b) in enumerate(zip(left, right, strict=True)):
            difference = lift(a) - b
            weight = air.column(f"{name} weight {i}")
            air.assert_zero(
                f"{name}: what is called the same agrees, element {i}", is_same * difference * when
            )
            total = total + weight * difference
        # Soundness: without a combination of the differences that is one, lists that agree could be called different.
        air.assert_zero(f"{name}: what is called different differs", (total + is_same - 1) * when)
        return cls(is_same)

    @staticmethod
    def fill(name: str, left: NDArray[np.int64], right: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """The columns by name, from lists (elements, n): the first difference is weighted."""
        differences = left - right
        differs = differences != 0
        columns = {f"{name} is same": (~differs.any(axis=0)).astype(np.int64)}
        is_first = differs & (np.cumsum(differs, axis=0) == 1)
        for i, (chosen, difference) in enumerate(zip(is_first, differences, strict=True)):
            columns[f"{name} weight {i}"] = np.where(chosen, inverses(difference), 0)
        return columns
