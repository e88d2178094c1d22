"""The range check: one row for each 16-bit value, and how often it was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import SIXTEEN_BITS
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode

NAME: Final = "range check"

LOG_HEIGHT: Final = 16
"""As many rows as limbs have values: smaller tables would take more lookups a limb, larger ones dwarf a small batch."""


def constrain(air: AirBuilder) -> None:
    """Provide every 16-bit value.

    Soundness: the values are fixed by the key; were they columns of the witness, any value could be provided.
    """
    value = air.preprocessed("value")
    count = air.column("count")
    air.provide(SIXTEEN_BITS, [value], count)


def preprocessed() -> Montgomery:
    """All values in order."""
    return encode(np.arange(1 << LOG_HEIGHT))[None, :]


def fill(asked: Iterable[NDArray[np.uint32]]) -> Montgomery:
    """Count the limbs that other tables asked for, canonical integers of any shape."""
    counts = np.zeros(1 << LOG_HEIGHT, np.int64)
    for values in asked:
        counts += np.bincount(values.reshape(-1), minlength=1 << LOG_HEIGHT)
    return encode(counts)[None, :]
