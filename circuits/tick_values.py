"""What a number of ticks is worth on one lot: ticks times the tick value, below 2^32 by the group's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.gadgets.byte_limbs import Bytes, byte_product, byte_product_of
from circuits.gadgets.carries import Carries
from circuits.leaf_hash import limbs_of_numbers
from circuits.named_columns import Columns, carry_columns
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

TICK_BYTES: Final = 3
VALUE_BYTES: Final = 4
"""A tick value, and what any ticks up to the cap are worth."""


@dataclass(frozen=True, slots=True)
class TickValue:
    """The worth of some ticks: 4 bytes and 2 carries."""

    columns: tuple[Expression, ...]

    @classmethod
    def constrain(
        cls, air: AirBuilder, name: str, ticks: Bytes, tick_value: Bytes, when: Operand
    ) -> TickValue:
        """Multiply.

        Assumes: on rows where `when` is one the bytes of both numbers lie in [0, 2^8); on all others they are zero.
        Guarantees: where `when` is one the bytes are the product's, which is below 2^32.
        """
        value = Bytes.constrain(air, name, VALUE_BYTES, when)
        low, high, above = byte_product(ticks.columns, tick_value.columns)
        terms = [low - value.limbs[0], high - value.limbs[1], above]
        Carries.constrain(air, f"{name} is ticks times tick value", terms, when)
        return cls(value.columns)

    @staticmethod
    def fill(name: str, ticks: NDArray[np.int64], tick_values: NDArray[np.int64]) -> Columns:
        """The columns; a product that does not fit is laid out without its upper part."""
        values = ticks * tick_values & (1 << 8 * VALUE_BYTES) - 1
        product = byte_product_of(Bytes.fill(ticks, TICK_BYTES), Bytes.fill(tick_values, VALUE_BYTES))
        product[:2] -= limbs_of_numbers(values, 2)
        return {
            **byte_columns(name, values, VALUE_BYTES),
            **carry_columns(f"{name} is ticks times tick value", product),
        }


@dataclass(frozen=True, slots=True)
class EndValue:
    """What the underlying is worth where payoffs end: at the settlement price, or at the cap while none is fixed."""

    columns: tuple[Expression, ...]

    @classmethod
    def constrain(
        cls,
        air: AirBuilder,
        is_fixed: Expression,
        price: Sequence[Expression],
        cap: Bytes,
        tick_value: Bytes,
        when: Operand,
    ) -> EndValue:
        """Choose the ticks and multiply.

        Assumes: what `TickValue` does; the price's limbs are those of a number of at most three bytes.
        """
        air.assert_boolean("a price is fixed or not", is_fixed)
        ticks = Bytes.constrain(air, "end", TICK_BYTES, when)
        for i, (end, at_cap) in enumerate(zip(ticks.limbs, cap.limbs, strict=True)):
            air.assert_equal(
                f"payoffs end at the price or at the cap, limb {i}",
                end,
                at_cap + is_fixed * (price[i] - at_cap),
            )
        return cls(TickValue.constrain(air, "end value", ticks, tick_value, when).columns)

    @staticmethod
    def fill(
        is_fixed: NDArray[np.int64],
        prices: NDArray[np.int64],
        caps: NDArray[np.int64],
        tick_values: NDArray[np.int64],
    ) -> Columns:
        """The columns."""
        ticks = np.where(is_fixed == 1, prices, caps)
        return {
            **byte_columns("end", ticks, TICK_BYTES),
            **TickValue.fill("end value", ticks, tick_values),
        }


def byte_columns(name: str, numbers: NDArray[np.int64], count: int) -> Columns:
    """A number's bytes under the names that `Bytes` gives them."""
    return {f"{name} byte {i}": row for i, row in enumerate(Bytes.fill(numbers, count))}
