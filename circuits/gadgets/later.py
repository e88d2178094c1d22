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

GAP_HIGH_SHIFT: Final = CLOCK_BITS - LIMB_BITS
"""A gap is its low limb and 2^13 times its high limb: below 2^29 + 2^16, so a negative one has no spelling."""


@dataclass(frozen=True, slots=True)
class Later:
    """When a memory cell was last written: 3 columns and 2 lookups."""

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
        for value in (low, high):
            air.send(SIXTEEN_BITS, [value], when=when)
        air.assert_zero(
            f"{name}: the old time is before the new one",
            (clock - old_time - 1 - low - high * (1 << GAP_HIGH_SHIFT)) * when,
        )
        return cls(old_time)

    @staticmethod
    def fill(old_times: NDArray[np.int64], clocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """The columns in the order of declaration: (3, n)."""
        gaps = clocks - old_times - 1
        return np.stack([old_times, gaps & (1 << GAP_HIGH_SHIFT) - 1, gaps >> GAP_HIGH_SHIFT])
