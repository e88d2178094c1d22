"""The combs of many signatures, and the tables of the keys that made them: what three tables lay out.

Only keys that sign are multiplied, and the generator, under number 0, for blocks that prove nothing: whoever merely
owns a key whose table is exceptional must not be able to stop a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.curve.comb import CombBatch, KeyTables
from prover.curve.septic import GENERATOR
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import Montgomery

SPARE_KEY: tuple[int, ...] = encode_point(GENERATOR)
"""The key of number 0, whose multiples are laid out in every batch."""


@dataclass(frozen=True, slots=True)
class CombRuns:
    """What the kernels found."""

    key_numbers: NDArray[np.int64]
    """Of the keys that sign, and 0: rising."""
    tables: KeyTables
    combs: CombBatch
    spare: CombBatch
    """One comb of response 1 and challenge 0 under key number 0: its result is the generator."""


def signing_keys(key_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of the keys whose multiples are laid out, rising, from those of the signatures."""
    return np.union1d(np.zeros(1, np.int64), key_numbers)


def run(
    keys: Montgomery,
    key_numbers: NDArray[np.int64],
    responses: NDArray[np.uint32],
    challenges: NDArray[np.uint32],
    *,
    threads: int,
) -> CombRuns:
    """Run the combs of signatures, from all keys (14, keys) by their numbers, with what their tables lay out."""
    from prover.curve.comb_kernels import run_combs
    from prover.curve.key_table_kernels import key_tables

    count = len(key_numbers)
    numbers = signing_keys(key_numbers)
    tables = key_tables(np.ascontiguousarray(keys[:, numbers]), has_witness=True, threads=threads)
    last = np.zeros((len(responses), 1), np.uint32)
    last[0] = 1
    combs = run_combs(
        tables,
        np.searchsorted(numbers, np.append(key_numbers, 0)),
        np.concatenate([responses, last], axis=1),
        np.concatenate([challenges, np.zeros((len(challenges), 1), np.uint32)], axis=1),
        has_witness=True,
        threads=threads,
    )
    return CombRuns(numbers, tables, _part(combs, slice(count)), _part(combs, slice(count, count + 1)))


def _part(combs: CombBatch, part: slice) -> CombBatch:
    return CombBatch(combs.is_exceptional[part], combs.results[:, part], combs.steps[:, :, part])
