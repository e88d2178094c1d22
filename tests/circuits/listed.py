"""Groups that a batch lists, fixes, reads or leaves alone, and the traces of the four tables that hold them."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import numpy as np

from circuits import group_readings, groups, series, series_lists
from circuits.hash_ledger import HashLedger
from circuits.poseidon import PARAMETERS
from circuits.statement import PUBLIC_NAMES, TIME
from circuits.touched_groups import TouchedGroups
from prover.air.bus import Bus
from prover.air.inspect import Findings
from prover.air.table import Table
from prover.field.koalabear import Montgomery, encode
from rollup.instruments import Group, SeriesId, series_id
from rollup.state_hash import ReferenceHasher
from rollup.units import GroupId, OptionKind, Ticks, Time, UnderlyingId, limbs_of
from tests.circuits import loose_ends as ends

GROUP_TABLE = ends.table_of(groups.NAME, groups.constrain, PUBLIC_NAMES)

READING_TABLE = ends.table_of(group_readings.NAME, group_readings.constrain, PUBLIC_NAMES)

LIST_TABLE = ends.table_of(series_lists.NAME, series_lists.constrain)

SERIES_TABLE = ends.table_of(series.NAME, series.constrain)

TABLES = {table.name: table for table in (GROUP_TABLE, READING_TABLE, LIST_TABLE, SERIES_TABLE)}

NOW = 0x0001_0002_0003

PUBLICS = [dict(zip(TIME, limbs_of(NOW, 48), strict=True)).get(name, 0) for name in PUBLIC_NAMES]

HASHER = ReferenceHasher(PARAMETERS)

ONE = int(encode([1])[0])


def series_of(group: int, count: int) -> tuple[SeriesId, ...]:
    """So many series of a group, the same ones every time."""
    generator = random.Random(f"series {group}")
    strikes = generator.sample(range(1, 1 << 16), 20)
    return tuple(series_id(GroupId(group), Ticks(strikes[i // 2]), OptionKind(i % 2)) for i in range(count))


def group(
    number: int, listed: int, *, expiry: int = NOW + 1, price: int | None = None, pool: int = 0
) -> Group:
    """A group of large numbers."""
    # The largest cap, and a large value at the cap.
    cap, tick_value = ((1 << 24) - 1, 256) if number % 2 else (1 << 16, (1 << 16) - 1)
    return Group(
        GroupId(number),
        UnderlyingId(number + 1),
        Time(expiry),
        Ticks(cap),
        70_000,
        80_000,
        tick_value,
        series_of(number, listed),
        None if price is None else Ticks(price),
        pool,
    )


@cache
def touched() -> TouchedGroups:
    """Fixed in the batch, grown, only read, listed in the batch, never listed, and one without series."""
    seven, nine, two, four = group(7, 8, expiry=NOW), group(9, 9), group(2, 17), group(4, 3)
    empty = group(65_535, 0, expiry=NOW - 1)
    before = (seven, nine, two, None, None, empty)
    after = (
        replace(seven, settlement_price=Ticks(1 << 20), pool=-5),
        replace(nine, series=series_of(9, 18)),
        two,
        four,
        None,
        empty,
    )
    return TouchedGroups(np.array([7, 9, 2, 4, 11, 65_535]), before, after, np.array([70, 19, 0, 35, 51, 0]))


@cache
def readings() -> group_readings.Rows:
    """One group before and after its price was fixed."""
    fixed = replace(group(7, 8, expiry=NOW), settlement_price=Ticks(1 << 20))
    open_ = group(7, 8, expiry=NOW)
    return group_readings.Rows(np.array([18, 70_002]), np.array([0, 18]), (open_, fixed))


@cache
def witness() -> dict[str, Montgomery]:
    """The honest traces."""
    ledger = HashLedger()
    lists, hashes = series_lists.fill(touched(), ledger, 4)
    leaves, *_ = groups.fill(touched(), hashes, NOW, ledger, 3)
    return {
        series_lists.NAME: lists,
        groups.NAME: leaves,
        series.NAME: series.fill(touched(), 6),
        group_readings.NAME: group_readings.fill(readings(), NOW, 2),
    }


def all_inspected(**changed: Montgomery) -> Findings:
    """All that is wrong with the four tables, some of them changed."""
    traces = witness() | {name.replace("_", " "): trace for name, trace in changed.items()}
    return ends.inspected(list(TABLES.values()), traces, PUBLICS)


def alone(table: Table, trace: Montgomery) -> Findings:
    """All that is wrong with one of them."""
    return ends.inspected([table], {table.name: trace}, PUBLICS)


def broken(table: Table, trace: Montgomery) -> set[str]:
    """The constraints that a trace of one table breaks."""
    return ends.broken(alone(table, trace))


def changed(table: Table, row: int, **cells: int) -> Montgomery:
    """The honest trace of a table with other cells in one row."""
    return ends.changed(witness()[table.name], table, row, **cells)


def provided(table: Table, bus: Bus, count: str) -> set[tuple[int, ...]]:
    """All that live rows of a table provide, each asked for once."""
    trace = witness()[table.name].copy()
    names = table.main_names
    trace[names.index(count)] = trace[names.index("exists" if "exists" in names else "is live")]
    found = alone(table, trace)
    assert found.constraints == ()
    return {message for message, times in ends.loose_ends(found, bus).items() if times < 0}


def bytes_of(value: int) -> list[int]:
    """A value as its four bytes."""
    return list(value.to_bytes(4, "little"))
