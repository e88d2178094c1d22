"""The columns of the bus argument: fractions of every row and their running sum."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from prover.air.bus import Interaction
from prover.air.expression import Cell
from prover.air.logup import FractionGroup, fingerprint, group_fractions
from prover.air.table import Extension, Table
from prover.air.tape import Sources, Tape
from prover.air.tape_kernel_format import EXTENSION_DEGREE
from prover.field.koalabear import PRIME, Montgomery, decode, encode, inverse

_TAPES_KEPT = 64
"""Compiled tapes that are kept: as many as two large circuits have tables."""


class ZeroFingerprintError(ArithmeticError):
    """A message whose fingerprint is zero under these challenges: the prover draws others and tries again."""

    def __init__(self, table: str, bus: str, row: int) -> None:
        self.table = table
        self.bus = bus
        self.row = row
        super().__init__(f"table {table}, row {row}: a message on bus {bus} has the fingerprint zero")


@lru_cache(maxsize=_TAPES_KEPT)
def _bus_tape(
    interactions: tuple[Interaction, ...], bus_round: int, degree: int
) -> tuple[Tape, tuple[FractionGroup, ...]]:
    groups = tuple(group_fractions(interactions, bus_round, degree))
    return Tape.compile([part for group in groups for part in (group.numerator, group.denominator)]), groups


def fill_bus_columns(
    table: Table,
    bus_round: int,
    degree: int,
    sources: Sources,
    constants: Mapping[Cell, int | Extension],
    threads: int,
) -> tuple[Montgomery, Extension]:
    """The planes of the table's bus columns (5 * columns, height), and its claimed sum.

    The sources are the columns on the trace domain itself; the constants hold the publics and this round's challenges.
    """
    from prover.field.kernels import add, extension_batch_inverse

    tape, groups = _bus_tape(table.interactions, bus_round, degree)
    values = np.empty((tape.planes, sources.height), dtype=np.uint32)
    tape.run(sources, constants, values, threads=threads)
    columns = np.empty((EXTENSION_DEGREE * len(groups), sources.height), dtype=np.uint32)
    total: Montgomery | None = None
    start = 0
    for number, group in enumerate(groups):
        middle = start + (EXTENSION_DEGREE if group.numerator.is_extension else 1)
        end = middle + EXTENSION_DEGREE
        try:
            inverses = extension_batch_inverse(values[middle:end], threads=threads)
        except ZeroDivisionError as zero:
            raise _zero_fingerprint(table, bus_round, sources, constants, threads) from zero
        fractions = _product(values[start:middle], inverses, threads)
        columns[EXTENSION_DEGREE * number : EXTENSION_DEGREE * (number + 1)] = fractions
        total = fractions if total is None else add(total, fractions, threads=threads)
        start = end
    assert total is not None
    # The last group's fractions have no column of their own: the running sum takes them in.
    columns[-EXTENSION_DEGREE:], claimed = _running_sum(total, threads)
    return columns, claimed


def _product(numerators: Montgomery, inverses: Montgomery, threads: int) -> Montgomery:
    from prover.field.kernels import extension_multiply, extension_multiply_base

    if len(numerators) == 1:
        return extension_multiply_base(inverses, numerators[0], threads=threads)
    return extension_multiply(inverses, numerators, threads=threads)


def _running_sum(total: Montgomery, threads: int) -> tuple[Montgomery, Extension]:
    """From zero on the first row, each row adds its fractions and takes off its share of the claimed sum."""
    from prover.field.kernels import prefix_sums, subtract

    height = total.shape[1]
    a, b, c, d, e = (int(sum_) for sum_ in decode(total).sum(axis=1, dtype=np.uint64) % np.uint64(PRIME))
    claimed = (a, b, c, d, e)
    share = encode([[coordinate * inverse(height) % PRIME] for coordinate in claimed])
    steps = subtract(total, np.repeat(share, height, axis=1), threads=threads)
    return np.concatenate([np.zeros_like(share), prefix_sums(steps)[:, :-1]], axis=1), claimed


def _zero_fingerprint(
    table: Table, bus_round: int, sources: Sources, constants: Mapping[Cell, int | Extension], threads: int
) -> ZeroFingerprintError:
    """Name the first message whose fingerprint is zero."""
    tape = Tape.compile([fingerprint(interaction, bus_round) for interaction in table.interactions])
    values = np.empty((tape.planes, sources.height), dtype=np.uint32)
    tape.run(sources, constants, values, threads=threads)
    is_zero = ~values.reshape(-1, EXTENSION_DEGREE, sources.height).any(axis=1)
    rows, numbers = np.nonzero(is_zero.T)
    return ZeroFingerprintError(table.name, table.interactions[numbers[0]].bus.name, int(rows[0]))
