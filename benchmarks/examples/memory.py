"""Checked memory: accesses in the order of time, the same accesses sorted by address, and bytes for the gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.examples.range_check import BYTES, LOG_BYTES, constrain_bytes
from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.field.koalabear import Montgomery, encode
from prover.stark.circuit import Circuit, define_circuit

NAME = "memory"
ACCESSES = Bus("accesses", identifier=2, arity=4)


@dataclass(frozen=True, slots=True)
class Access:
    """One read or write of a 16-bit address."""

    address: int
    value: int
    is_write: bool


def constrain_accesses(air: AirBuilder) -> None:
    """A row is one access; the clock is the row's number."""
    clock, address, value, is_write = air.columns("clock", "address", "value", "is write")
    air.on_first_row.assert_zero("the clock starts at zero", clock)
    air.on_transition.assert_equal("the clock ticks", clock.next, clock + 1)
    air.send(ACCESSES, [address, clock, value, is_write])


def constrain_sorted(air: AirBuilder) -> None:
    """A row is one access, sorted by address and then by time."""
    address, clock, value, is_write = air.columns("address", "clock", "value", "is write")
    is_same, low, high = air.columns("next has the same address", "gap low byte", "gap high byte")
    address_low, address_high = air.columns("address low byte", "address high byte")
    air.receive(ACCESSES, [address, clock, value, is_write])
    air.assert_boolean("an access writes or reads", is_write)
    air.assert_boolean("the next address is the same or not", is_same)
    # Soundness: without it enough gaps of 65,536 would walk around the field and meet an address twice.
    air.assert_equal("an address has sixteen bits", address, address_low + address_high * 256)
    air.send(BYTES, [address_low])
    air.send(BYTES, [address_high])
    gap = low + high * 256
    # Soundness: both bytes are range-checked, so a gap is not negative and the order cannot turn back.
    air.send(BYTES, [low])
    air.send(BYTES, [high])
    step = address.next - address
    air.on_transition.assert_zero("the same address stays", is_same * step)
    air.on_transition.assert_zero(
        "the order is by address, then by time",
        is_same * (clock.next - clock - 1) + (1 - is_same) * (step - 1) - gap,
    )
    air.on_transition.assert_zero(
        "a read gives what was last there",
        is_same * (1 - is_write.next) * (value.next - value),
    )
    air.on_transition.assert_zero("fresh memory reads zero", (1 - is_same) * (1 - is_write.next) * value.next)
    air.on_first_row.assert_zero("the lowest address is fresh too", (1 - is_write) * value)


def circuit() -> Circuit:
    """The three tables."""
    tables = [("accesses", constrain_accesses), ("sorted", constrain_sorted), ("bytes", constrain_bytes)]
    return define_circuit(NAME, tables)


def preprocessed() -> list[Montgomery | None]:
    """The bytes in order."""
    return [None, None, encode(np.arange(1 << LOG_BYTES))[None, :]]


def fill(accesses: Sequence[Access]) -> list[Montgomery]:
    """The traces; the number of accesses is a power of two."""
    rows = [(a.address, clock, a.value, int(a.is_write)) for clock, a in enumerate(accesses)]
    by_address = sorted(rows)
    links = []
    for row, following in pairwise(by_address):
        is_same = int(row[0] == following[0])
        gap = following[1] - row[1] - 1 if is_same else following[0] - row[0] - 1
        links.append((is_same, gap % 256, gap // 256))
    links.append((0, 0, 0))
    unsorted = np.array([(clock, address, value, w) for address, clock, value, w in rows], dtype=np.int64)
    ordered = np.array(by_address, dtype=np.int64)
    bytes_of_address = np.stack([ordered[:, 0] % 256, ordered[:, 0] // 256], axis=1)
    ordered = np.concatenate([ordered, np.array(links, dtype=np.int64), bytes_of_address], axis=1)
    counts = np.bincount(ordered[:, 5:9].reshape(-1), minlength=256)
    return [encode(unsorted.T), encode(ordered.T), encode(counts)[None, :]]
