"""The columns of the bus argument: fractions of every row and their running sum."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from prover.air.bus import Interaction
from prover.air.expression import Cell
from prover.air.logup import fingerprint, group_fractions
from prover.air.lowering import EXTENSION_DEGREE
from prover.air.rows import Rows, Words
from prover.air.table import Extension, Table
from prover.air.tape import Sources, Tape
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
def _bus_tape(interactions: tuple[Interaction, ...], bus_round: int, degree: int) -> Tape:
    groups = group_fractions(interactions, bus_round, degree)
    return Tape.compile([part for group in groups for part in (group.numerator, group.denominator)])


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
    tape = _bus_tape(table.interactions, bus_round, degree)
    height = sources.height
    values = np.empty((tape.planes, height), dtype=np.uint32)
    tape.run(sources, constants, values, threads=threads)
    fractions: list[Rows] = []
    start = 0
    for group in group_fractions(table.interactions, bus_round, degree):
        middle = start + (EXTENSION_DEGREE if group.numerator.is_extension else 1)
        end = middle + EXTENSION_DEGREE
        denominator = _rows(values[middle:end])
        if not denominator.planes.any(axis=0).all():
            raise _zero_fingerprint(table, bus_round, sources, constants, threads)
        fractions.append(_rows(values[start:middle]) * denominator.inverse())
        start = end
    running_sum, claimed = _running_sum(fractions, height)
    return encode(np.concatenate([*(fraction.planes for fraction in fractions[:-1]), running_sum])), claimed


def _rows(planes: Montgomery) -> Rows:
    return Rows(decode(planes).astype(np.uint64))


def _running_sum(fractions: list[Rows], height: int) -> tuple[Words, Extension]:
    """From zero on the first row, each row adds its fractions and takes off its share of the claimed sum."""
    total = fractions[0]
    for fraction in fractions[1:]:
        total = total + fraction
    # Sums of 2^24 canonical values stay far below 2^64.
    sums = np.cumsum(total.planes, axis=1)
    claimed = sums[:, -1] % PRIME
    share = claimed * np.uint64(inverse(height)) % PRIME
    before = np.concatenate([np.zeros((EXTENSION_DEGREE, 1), dtype=np.uint64), sums[:, :-1]], axis=1) % PRIME
    taken = np.arange(height, dtype=np.uint64) * share[:, None] % PRIME
    a, b, c, d, e = (int(coordinate) for coordinate in claimed)
    return (before + (PRIME - taken)) % PRIME, (a, b, c, d, e)


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
