"""The order of time in checked memory: what is read was written at an earlier clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import SIXTEEN_BITS
from circuits.gadgets.limbs import LIMB_BITS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

CLOCK_BITS: Final = 29
"""Clocks lie below 2^29: a batch's 2 * 2^16 steps take 2^21, and differences never wrap the field."""

GAP_HIGH_SCALE: Final = 1 << 2 * LIMB_BITS - CLOCK_BITS
"""The upper limb times this is looked up too, so that the limb lies below 2^13."""


@dataclass(frozen=True, slots=True)
class Later:
    """When a memory cell was last written: 3 columns and 3 lookups."""

    old_time: Expression

    @classmethod
    def constrain(cls, air: AirBuilder, name: str, clock: Operand, when: Operand = 1) -> Later:
        """Declare the old time and its distance.

        Assumes: clock < 2^29, and so is whatever was sent as an earlier time.
        Guarantees: where `when` is one, old time < clock.
        Soundness: without it an access could read what a later one writes, and a chain of accesses could close on
        itself beside the true one.
        """
        old_time = air.column(f"{name} old time")
        low, high = air.columns(f"{name} gap low", f"{name} gap high")
        for value in (low, high, high * GAP_HIGH_SCALE):
            air.send(SIXTEEN_BITS, [value], when=when)
        air.assert_zero(
            f"{name}: the old time is before the new one",
            (clock - old_time - 1 - low - high * (1 << LIMB_BITS)) * when,
        )
        return cls(old_time)

    @staticmethod
    def fill(old_times: NDArray[np.int64], clocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """The columns in the order of declaration: (3, n)."""
        gaps = clocks - old_times - 1
        return np.stack([old_times, gaps & 0xFFFF, gaps >> LIMB_BITS])
