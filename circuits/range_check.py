"""The range check: one row for each 16-bit value, read as a limb, as two bytes and as a carry, with its counts."""

from __future__ import annotations

from typing import Final

import numpy as np

from circuits.buses import FOURTEEN_BITS, SIXTEEN_BITS, TWO_BYTES
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode

NAME: Final = "range check"

LOG_HEIGHT: Final = 16
"""As many rows as limbs have values: smaller tables would take more lookups a limb, larger ones dwarf a small batch."""


SMALL_BITS: Final = 14
"""Width of a carry (`circuits.gadgets.carries`); rows beyond repeat the largest."""


def constrain(air: AirBuilder) -> None:
    """Provide every 16-bit value, every pair of bytes and every 14-bit value.

    Soundness: the values are fixed by the key; were they columns of the witness, any value could be provided.
    """
    value, low, high, small = (
        air.preprocessed(name) for name in ("value", "low byte", "high byte", "small value")
    )
    limbs, pairs, carries = air.columns("count of limbs", "count of pairs", "count of carries")
    air.provide(SIXTEEN_BITS, [value], limbs)
    air.provide(TWO_BYTES, [low, high], pairs)
    air.provide(FOURTEEN_BITS, [small], carries)


def preprocessed() -> Montgomery:
    """All values in order, with their bytes."""
    values = np.arange(1 << LOG_HEIGHT)
    return encode(np.stack([values, values & 0xFF, values >> 8, np.minimum(values, (1 << SMALL_BITS) - 1)]))


def fill() -> Montgomery:
    """The counts, zero until `circuits.demand` has seen what the other tables ask."""
    return np.zeros((3, 1 << LOG_HEIGHT), np.uint32)
