"""Walks of random portfolios, and what the tables at the other ends of a walk's buses would say to a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from circuits import walks
from circuits.buses import (
    FOURTEEN_BITS,
    GROUP_TERMS,
    POSITIONS,
    SERIES_TERMS,
    SIXTEEN_BITS,
    TWO_BYTES,
    WALKS,
)
from circuits.walk_rows import OPTION_BITS, Rows, Terms, Walked
from circuits.walk_trace import fill
from prover.air.inspect import Findings
from prover.field.koalabear import Montgomery
from rollup.instruments import Group, SeriesId, group_of, series_id
from rollup.state import Position
from rollup.units import OptionKind
from tests.circuits.loose_ends import broken, inspected, loose_ends, table_of
from tests.rollup.workbench import make

TABLE = table_of(walks.NAME, walks.constrain)

Positions = tuple[Position, ...]


def group(number: int, cap: int, tick_value: int, strikes: Sequence[int], price: int | None = None) -> Group:
    """A group that lists every strike as call and put."""
    series = [make(series_id, number, strike, kind) for strike in strikes for kind in OptionKind]
    made: Group = make(Group, number, 1, 9, cap, 1, 1, tick_value, tuple(series), price)
    return made


CALL, PUT = OptionKind.CALL, OptionKind.PUT

GROUPS: dict[int, Group] = {
    1: group(1, 400, 1_000_000, (80, 95, 105, 120)),
    2: group(2, 60, 70_000_000, (1, 30, 59)),
    3: group(3, 400, 1_000_000, (80, 95, 105, 120), price=100),
    4: group(4, 400, 1_000_000, (80, 95, 105, 120), price=95),
    5: group(5, 60, 71_000_000, (1, 30, 59), price=60),
    6: group(6, 60, 71_000_000, (1, 30, 59), price=0),
    7: group(7, (1 << 24) - 1, 256, (5, 70_000, (1 << 24) - 2)),
}
"""Open ones and fixed ones; values up to 2^32 less a little."""

LARGEST = (1 << 24) - 1
"""Lots of a position."""


def series(number: int, strike: int, kind: OptionKind) -> SeriesId:
    made: SeriesId = make(series_id, number, strike, kind)
    return made


def group_alone(number: int) -> SeriesId:
    return SeriesId(number << OPTION_BITS)


HELD: Positions = tuple(
    sorted(
        Position(series(*one), lots)
        for one, lots in (
            ((1, 80, CALL), -7),
            ((1, 95, PUT), 3),
            ((1, 105, CALL), 5),
            ((1, 120, PUT), -4),
            ((3, 80, PUT), -6),
            ((3, 95, CALL), -2),
            ((3, 120, PUT), -1),
        )
    )
)
"""An open group and a fixed one, both with a requirement."""

NO_SERIES = SeriesId(0)


@dataclass(frozen=True)
class Walk:
    """What one holder asks for."""

    positions: Positions
    series: SeriesId = NO_SERIES
    lots: int = 0
    settles: int = 0
    is_forced: bool = False
    settled_group: int = 0


def terms_of(groups: Mapping[int, Group], stamps: Sequence[int]) -> Terms:
    """What series and groups say."""
    series = sorted(one for listed in groups.values() for one in listed.series)
    values = [(one >> 1 & 0xFFFFFF) * groups[group_of(one)].tick_value for one in series]
    keys = sorted((stamp, number) for stamp in {0, *stamps} for number in groups)
    ends = [
        (listed.cap if listed.settlement_price is None else listed.settlement_price) * listed.tick_value
        for _, number in keys
        for listed in [groups[number]]
    ]
    are_fixed = [int(groups[number].settlement_price is not None) for _, number in keys]
    return Terms(
        _integers(series),
        np.arange(1, len(series) + 1),
        _integers(values),
        _integers([stamp << 16 | number for stamp, number in keys]),
        1 - _integers(are_fixed),
        _integers(are_fixed),
        _integers(ends),
    )


def rows_of(asked: Sequence[Walk], groups: Mapping[int, Group]) -> Rows:
    """Walk i is account 100 + i's at clock 1000 + i, its old list was written at clock i."""
    clocks = 1000 + np.arange(len(asked))
    stamps = clocks * _integers([walk.is_forced for walk in asked])
    held = [(i, *position) for i, walk in enumerate(asked) for position in walk.positions]
    return Rows(
        clocks,
        clocks - 900,
        clocks - 1000,
        _integers([walk.settles for walk in asked]),
        stamps,
        _integers(
            [walk.settled_group << OPTION_BITS if walk.settled_group else walk.series for walk in asked]
        ),
        _integers([walk.lots for walk in asked]),
        _integers([one[0] for one in held]),
        _integers([one[1] for one in held]),
        _integers([one[2] for one in held]),
        terms_of(groups, stamps.tolist()),
    )


def _integers(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def random_portfolio(random: Random, groups: Mapping[int, Group], count: int, largest: int) -> Positions:
    """Up to so many positions."""
    listed = [series for one in groups.values() for series in one.series]
    chosen = sorted(random.sample(listed, min(count, len(listed))))
    return tuple(Position(series, random.randint(1, largest) * random.choice((-1, 1))) for series in chosen)


def traced(walked: Walked) -> tuple[Montgomery, Findings]:
    """The trace in a table as small as can be, and all that is wrong with it or left over."""
    trace = fill(walked, max(1, walked.height - 1).bit_length())
    return trace, inspected([TABLE], {walks.NAME: trace})


def answers(found: Findings) -> Counter[tuple[int, ...]]:
    """The walks that were claimed."""
    return Counter({message: -count for message, count in loose_ends(found, WALKS).items()})


def faults(found: Findings, rows: Rows) -> set[str]:
    """What constraints, range check, position lists, series and groups refuse; not what holders do."""
    wrong = broken(found)
    limits = {SIXTEEN_BITS: 1 << 16, FOURTEEN_BITS: 1 << 14, TWO_BYTES: 1 << 8}
    for bus, limit in limits.items():
        if any(not 0 <= value < limit for message in loose_ends(found, bus) for value in message):
            wrong.add("range")
    terms = rows.terms
    listed = {
        (
            series >> OPTION_BITS,
            series & (1 << OPTION_BITS) - 1,
            series & 1,
            rank,
            *value.to_bytes(4, "little"),
        )
        for series, rank, value in zip(
            *(a.tolist() for a in (terms.series, terms.ranks, terms.values)), strict=True
        )
    }
    if set(loose_ends(found, SERIES_TERMS)) - listed:
        wrong.add("series")
    columns = (terms.groups, terms.are_open, terms.are_fixed, terms.end_values)
    known = {
        (key & 0xFFFF, key >> 16, is_open, is_fixed, *value.to_bytes(4, "little"))
        for key, is_open, is_fixed, value in zip(*(a.tolist() for a in columns), strict=True)
    }
    if set(loose_ends(found, GROUP_TERMS)) - known:
        wrong.add("groups")
    taken = {message for message, count in loose_ends(found, POSITIONS).items() if count < 0}
    if taken != set(old_entries(rows)):
        wrong.add("positions")
    return wrong


def old_entries(rows: Rows) -> list[tuple[int, ...]]:
    """The old lists as `position lists` sends them."""
    places: Counter[int] = Counter()
    entries = []
    for walk, series, lots in zip(rows.held_walk, rows.held_series, rows.held_lots, strict=True):
        key = [int(rows.account[walk]), int(rows.old_version[walk]), places[int(walk)]]
        entries.append((*key, int(series) >> OPTION_BITS, int(series) & (1 << OPTION_BITS) - 1, int(lots)))
        places[int(walk)] += 1
    return entries


def new_lists(found: Findings) -> dict[int, Positions]:
    """The new list of every account, in the order of its places."""
    lists: dict[int, list[tuple[int, Position]]] = {}
    for (account, _, place, number, option, lots), count in loose_ends(found, POSITIONS).items():
        if count > 0:
            series = SeriesId(number << OPTION_BITS | option)
            lists.setdefault(account, []).append((place, Position(series, lots)))
    return {account: tuple(position for _, position in sorted(entries)) for account, entries in lists.items()}
