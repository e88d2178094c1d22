"""A range check: every value that one table sends is provided by a table of all bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.field.koalabear import Montgomery, encode
from prover.stark.circuit import Circuit, define_circuit

NAME = "range-check"
BYTES = Bus("bytes", identifier=1, arity=1)
LOG_BYTES = 8


def constrain_words(air: AirBuilder) -> None:
    """A row is a 16-bit word and its two bytes."""
    word, low, high, is_used = air.columns("word", "low byte", "high byte", "is used")
    air.assert_equal("the word is made of its bytes", word, low + high * 256)
    air.send(BYTES, [low], when=is_used)
    air.send(BYTES, [high], when=is_used)
    air.assert_zero("an unused row holds zero", (1 - is_used) * word)


def constrain_bytes(air: AirBuilder) -> None:
    """A row is a byte, fixed by the key, and how often it was asked for."""
    byte = air.preprocessed("byte")
    count = air.column("count")
    air.provide(BYTES, [byte], count)


def circuit() -> Circuit:
    """Words of any number, and all bytes."""
    return define_circuit(NAME, [("words", constrain_words), ("bytes", constrain_bytes)])


def preprocessed() -> list[Montgomery | None]:
    """The bytes in order."""
    return [None, encode(np.arange(1 << LOG_BYTES))[None, :]]


def fill(words: Sequence[int], log_height: int) -> list[Montgomery]:
    """The traces of both tables; rows that are left over are unused."""
    table = np.zeros((4, 1 << log_height), dtype=np.int64)
    values = np.array(words, dtype=np.int64)
    table[:, : len(values)] = [values, values % 256, values // 256, np.ones_like(values)]
    counts = np.bincount(np.concatenate([values % 256, values // 256]), minlength=256)
    return [encode(table), encode(counts)[None, :]]
