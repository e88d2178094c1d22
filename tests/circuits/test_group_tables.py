"""Groups, readings of them, their lists and their series: hashed and counted as the rules do it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from circuits import group_readings, groups, series, series_lists
from circuits.buses import (
    FOURTEEN_BITS,
    GROUP_STATICS,
    GROUP_TERMS,
    GROUPS,
    NODES,
    SERIES_LISTS,
    SERIES_PLACES,
    SERIES_TERMS,
    SIXTEEN_BITS,
    SPONGE,
    TWO_BYTES,
)
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import EMPTY_DIGEST
from circuits.poseidon import PARAMETERS
from circuits.statement import PUBLIC_NAMES, TIME
from circuits.touched_groups import TouchedGroups
from prover.air.bus import Bus
from prover.air.inspect import Findings
from prover.air.table import Table
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from rollup.instruments import Group, SeriesId, series_id
from rollup.state import group_index
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


def _series(group: int, count: int) -> tuple[SeriesId, ...]:
    generator = random.Random(f"series {group}")
    strikes = generator.sample(range(1, 1 << 16), 20)
    return tuple(series_id(GroupId(group), Ticks(strikes[i // 2]), OptionKind(i % 2)) for i in range(count))


def _group(
    number: int, listed: int, *, expiry: int = NOW + 1, price: int | None = None, pool: int = 0
) -> Group:
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
        _series(number, listed),
        None if price is None else Ticks(price),
        pool,
    )


@cache
def _touched() -> TouchedGroups:
    """Fixed in the batch, grown, only read, listed in the batch, never listed, and one without series."""
    seven, nine, two, four = _group(7, 8, expiry=NOW), _group(9, 9), _group(2, 17), _group(4, 3)
    empty = _group(65_535, 0, expiry=NOW - 1)
    before = (seven, nine, two, None, None, empty)
    after = (
        replace(seven, settlement_price=Ticks(1 << 20), pool=-5),
        replace(nine, series=_series(9, 18)),
        two,
        four,
        None,
        empty,
    )
    return TouchedGroups(np.array([7, 9, 2, 4, 11, 65_535]), before, after, np.array([70, 19, 0, 35, 51, 0]))


@cache
def _readings() -> group_readings.Rows:
    fixed = replace(_group(7, 8, expiry=NOW), settlement_price=Ticks(1 << 20))
    open_ = _group(7, 8, expiry=NOW)
    return group_readings.Rows(np.array([18, 70_002]), np.array([0, 18]), (open_, fixed))


@cache
def _witness() -> dict[str, Montgomery]:
    ledger = HashLedger()
    lists, hashes = series_lists.fill(_touched(), ledger, 4)
    leaves, *_ = groups.fill(_touched(), hashes, NOW, ledger, 3)
    return {
        series_lists.NAME: lists,
        groups.NAME: leaves,
        series.NAME: series.fill(_touched(), 6),
        group_readings.NAME: group_readings.fill(_readings(), NOW, 2),
    }


def _inspected(**changed: Montgomery) -> Findings:
    traces = _witness() | {name.replace("_", " "): trace for name, trace in changed.items()}
    return ends.inspected(list(TABLES.values()), traces, PUBLICS)


def _alone(table: Table, trace: Montgomery) -> Findings:
    return ends.inspected([table], {table.name: trace}, PUBLICS)


def _broken(table: Table, trace: Montgomery) -> set[str]:
    return ends.broken(_alone(table, trace))


def _changed(table: Table, row: int, **cells: int) -> Montgomery:
    return ends.changed(_witness()[table.name], table, row, **cells)


def test_groups_and_their_lists_are_hashed_as_the_rules_hash_them() -> None:
    found = _inspected()
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    touched = _touched()
    nodes: Counter[tuple[int, ...]] = Counter()
    for number, before, after in zip(touched.numbers.tolist(), touched.before, touched.after, strict=True):
        index = group_index(GroupId(number))
        digests = [
            EMPTY_DIGEST if group is None else decode(HASHER.leaf_digests([group])[0]).tolist()
            for group in (before, after)
        ]
        nodes[(34, index >> 16, index & 0xFFFF, *ends.centred([*digests[0], *digests[1]]))] += 1
    assert ends.loose_ends(found, NODES) == nodes


def test_the_memory_of_a_group_begins_and_ends_with_its_leaf() -> None:
    memory = ends.loose_ends(_alone(GROUP_TABLE, _witness()[groups.NAME]), GROUPS)
    zero, below = (0, 0, 0, 1 << 15), (65_531, 65_535, 65_535, (1 << 15) - 1)
    assert memory[(7, 0, 1, 0, 0, 0, 8, *zero)] == 1
    assert memory[(7, 70, 1, 1, 0, 16, 8, *below)] == -1
    assert memory[(4, 0, *[0] * 9)] == 1
    assert memory[(4, 35, 1, 0, 0, 0, 3, *zero)] == -1
    assert memory[(11, 51, *[0] * 9)] == -1


def test_every_entry_of_every_list_is_a_series_once() -> None:
    assert not ends.loose_ends(_inspected(), SERIES_LISTS)
    sent = ends.loose_ends(_alone(LIST_TABLE, _witness()[series_lists.NAME]), SERIES_LISTS)
    assert sum(sent.values()) == 8 + 18 + 17 + 3
    assert set(sent.values()) == {1}


def _provided(table: Table, bus: Bus, count: str) -> set[tuple[int, ...]]:
    """All that live rows of a table provide, each asked for once."""
    trace = _witness()[table.name].copy()
    names = table.main_names
    trace[names.index(count)] = trace[names.index("exists" if "exists" in names else "is live")]
    found = _alone(table, trace)
    assert found.constraints == ()
    return {message for message, times in ends.loose_ends(found, bus).items() if times < 0}


def _bytes(value: int) -> list[int]:
    return list(value.to_bytes(4, "little"))


def test_final_terms_are_the_rules() -> None:
    expected = {
        (7, 0, 0, 1, *_bytes((1 << 20) * 256)),
        (9, 0, 1, 0, *_bytes(((1 << 24) - 1) * 256)),
        (2, 0, 1, 0, *_bytes((1 << 32) - (1 << 16))),
        (4, 0, 1, 0, *_bytes((1 << 32) - (1 << 16))),
        (65_535, 0, 0, 0, *_bytes(((1 << 24) - 1) * 256)),
    }
    assert _provided(GROUP_TABLE, GROUP_TERMS, "count of terms") == expected
    statics = _provided(GROUP_TABLE, GROUP_STATICS, "count of statics")
    nine = _group(9, 9)
    limbs = [
        *limbs_of(nine.expiry, 48),
        *limbs_of(nine.cap, 32),
        *limbs_of(70_000, 32),
        *limbs_of(80_000, 32),
    ]
    assert (9, 10, *limbs, *limbs_of(nine.tick_value, 32)) in statics
    assert {message[0] for message in statics} == {7, 9, 2, 4, 65_535}


def test_a_reading_gives_the_terms_of_its_moment() -> None:
    assert _provided(READING_TABLE, GROUP_TERMS, "count of terms") == {
        (7, 19, 0, 0, *_bytes(((1 << 24) - 1) * 256)),
        (7, 70_003, 0, 1, *_bytes((1 << 20) * 256)),
    }
    memory = ends.loose_ends(_alone(READING_TABLE, _witness()[group_readings.NAME]), GROUPS)
    zero = (0, 0, 0, 1 << 15)
    assert memory == Counter(
        {
            (7, 0, 1, 0, 0, 0, 8, *zero): -1,
            (7, 18, 1, 0, 0, 0, 8, *zero): 1,
            (7, 18, 1, 1, 0, 16, 8, *zero): -1,
            (7, 70_002, 1, 1, 0, 16, 8, *zero): 1,
        }
    )


def test_series_are_ranked_and_worth_their_strike() -> None:
    terms = sorted(_provided(SERIES_TABLE, SERIES_TERMS, "count of terms"))
    every = [
        (number, option & 0x1FF_FFFF, option & 1, group.tick_value)
        for number, group in zip(_touched().numbers.tolist(), _touched().after, strict=True)
        if group is not None
        for option in group.series
    ]
    expected = [
        (number, option, is_put, rank, *_bytes((option >> 1) * tick_value))
        for rank, (number, option, is_put, tick_value) in enumerate(sorted(every), start=1)
    ]
    assert terms == expected
    places = _provided(SERIES_TABLE, SERIES_PLACES, "count of places")
    assert (9, 17, _series(9, 18)[17] & 0x1FF_FFFF) in places


def test_a_group_that_is_there_cannot_be_denied_nor_removed() -> None:
    names = GROUP_TABLE.main_names
    forged = _changed(GROUP_TABLE, 0, existed=0)
    for name in groups.CONTENT:
        forged[names.index(f"old {name}"), 0] = 0
    assert "no old leaf" in _broken(GROUP_TABLE, forged)
    assert "no group is removed" in _broken(GROUP_TABLE, _changed(GROUP_TABLE, 0, exists=0))


def test_a_group_that_nobody_listed_has_no_terms() -> None:
    for row in (4, 6):
        for name in ("statics", "terms"):
            forged = _changed(GROUP_TABLE, row, **{f"count_of_{name}": 1})
            assert _broken(GROUP_TABLE, forged) == {f"a group that is not listed has no {name}"}
    assert "a dead row has no new leaf" in _broken(GROUP_TABLE, _changed(GROUP_TABLE, 6, exists=1))


def test_terms_cannot_change_with_the_leaf() -> None:
    """Another tick value in terms and new leaf: the old leaf would have had it too."""
    forged = _changed(GROUP_TABLE, 1, tick_value_byte_0=1)
    found = _alone(GROUP_TABLE, forged)
    assert "end value is ticks times tick value: weight 0 is carried on" in ends.broken(found)
    assert "a digest" in ends.untrue_hashes(_inspected(groups=forged))


@pytest.mark.parametrize("table", [GROUP_TABLE, READING_TABLE], ids=lambda table: table.name)
def test_payoffs_end_at_the_price_exactly_if_it_is_fixed(table: Table) -> None:
    row = 0 if table is GROUP_TABLE else 1
    forged = _changed(table, row, end_byte_2=255, end_byte_1=255, end_byte_0=255)
    assert "payoffs end at the price or at the cap" in _broken(table, forged)
    is_fixed = "new_is_fixed" if table is GROUP_TABLE else "is_fixed"
    assert "a price is fixed or not" in _broken(table, _changed(table, row, **{is_fixed: 2}))


@pytest.mark.parametrize("table", [GROUP_TABLE, READING_TABLE], ids=lambda table: table.name)
def test_a_product_cannot_be_off_by_the_prime_or_by_a_byte(table: Table) -> None:
    """A value a byte too large takes a carry that is no small number, and a byte beyond its width is looked up."""
    forged = _changed(table, 0, end_value_byte_1=-1, end_value_byte_0=256)
    asked = set(ends.loose_ends(_alone(table, forged), TWO_BYTES))
    assert any(value not in range(256) for pair in asked for value in pair)
    name = "end_value_is_ticks_times_tick_value_carry_1"
    carries = ends.loose_ends(_alone(table, _changed(table, 0, **{name: -(1 << 13) - 1})), FOURTEEN_BITS)
    assert (-1,) in carries


@pytest.mark.parametrize("table", [GROUP_TABLE, READING_TABLE], ids=lambda table: table.name)
def test_an_expired_group_is_not_open(table: Table) -> None:
    forged = _changed(table, 0, now_is_less=1)
    assert any(name.startswith("now: limb 0 of the difference") for name in _broken(table, forged))


def test_the_clock_of_a_reading_is_looked_up() -> None:
    forged = _changed(READING_TABLE, 0, clock_high=1 << 13)
    assert (1 << 16,) in ends.loose_ends(_alone(READING_TABLE, forged), SIXTEEN_BITS)


def test_a_dead_reading_provides_nothing() -> None:
    assert _broken(READING_TABLE, _changed(READING_TABLE, 3, count_of_terms=1)) == {
        "a dead row provides no terms"
    }


def test_an_option_cannot_leave_its_list() -> None:
    """The old list keeps it, the new one has it no more."""
    row = _row_of(LIST_TABLE, 9, 1)
    forged = _changed(LIST_TABLE, row, has_option_0=0)
    assert "an old option is still listed" in _broken(LIST_TABLE, forged)


def _row_of(table: Table, group: int, row: int) -> int:
    trace = decode(_witness()[table.name])
    names = table.main_names
    is_there = (trace[names.index("group")] == group) & (trace[names.index("row")] == row)
    return int(np.flatnonzero(is_there & (trace[names.index("is live")] == 1))[0])


def test_the_old_list_is_the_beginning_of_the_new_one() -> None:
    row = _row_of(LIST_TABLE, 9, 0)
    assert "the old list holds the old options" in _broken(
        LIST_TABLE, _changed(LIST_TABLE, row, old_option_3=5)
    )
    forged = _changed(LIST_TABLE, row, had_option_3=0, old_option_3=0)
    assert "an old option follows an old one" in _broken(LIST_TABLE, forged)
    forged = _changed(LIST_TABLE, row, had_option_7=0, old_option_7=0)
    assert "old options go on below old ones only" in _broken(LIST_TABLE, forged)


def test_old_and_new_list_cannot_be_shown_by_different_rows() -> None:
    """Rows that show the old list as a new one ask for a call of the new list's owner, which is taken."""
    touched = _touched()
    only = TouchedGroups(touched.numbers[1:2], touched.before[1:2], touched.before[1:2], touched.times[1:2])
    ledger = HashLedger()
    trace, _ = series_lists.fill(only, ledger, 1)
    sponge = ends.loose_ends(_alone(LIST_TABLE, trace), SPONGE)
    owners = {(message[0], message[1]) for message in sponge}
    assert owners == {(0, 2 * 9), (1, 2 * 9 + 1)}


def test_a_list_has_no_second_digest() -> None:
    """A block of zeros behind a full one, for the old list and for the new one."""
    row = _row_of(LIST_TABLE, 7, 0)
    forged = ends.changed(_changed(LIST_TABLE, row, goes_on=1), LIST_TABLE, row + 1, has_option_0=0)
    assert "a list goes on with an option" in _broken(LIST_TABLE, forged)
    last = _row_of(LIST_TABLE, 9, 2)
    forged = _changed(LIST_TABLE, last, hashes_old=1)
    assert "an old list goes on with an old option" in _broken(LIST_TABLE, forged)


@pytest.mark.parametrize("which", ["old", "new"])
def test_the_length_of_a_list_is_counted(which: str) -> None:
    row = _row_of(LIST_TABLE, 2, 2)
    forged = _changed(LIST_TABLE, row, **{f"{which}_count": 16})
    assert f"the {which} count is that of the {which + ' ' if which == 'old' else ''}options" in _broken(
        LIST_TABLE, forged
    )


def test_a_series_is_not_there_twice() -> None:
    """The same row again: the gap below it would be minus one."""
    trace = _witness()[series.NAME].copy()
    names = SERIES_TABLE.main_names
    rank = trace[names.index("rank")].copy()
    trace[:, 3] = trace[:, 2]
    trace[names.index("rank")] = rank
    assert "the next series is of a later group" in _broken(SERIES_TABLE, trace)
    trace = ends.changed(trace, SERIES_TABLE, 2, gap_low=-1, gap_high=0, same_group=1)
    found = _alone(SERIES_TABLE, trace)
    assert (-1,) in ends.loose_ends(found, SIXTEEN_BITS)
    # Nor by calling the group another one.
    trace = ends.changed(trace, SERIES_TABLE, 2, gap_low=-1, gap_high=0, same_group=0)
    assert (-1,) in ends.loose_ends(_alone(SERIES_TABLE, trace), SIXTEEN_BITS)


def test_the_order_of_series_is_checked_on_every_row() -> None:
    forged = _changed(SERIES_TABLE, 5, follows=0)
    assert "whether a series follows is said" in _broken(SERIES_TABLE, forged)
    names = SERIES_TABLE.main_names
    trace = _witness()[series.NAME].copy()
    live = int((trace[names.index("is live")] == ONE).sum())
    trace[names.index("is live"), live + 1] = ONE
    assert "no series follows a dead row" in _broken(SERIES_TABLE, trace)


def test_an_option_is_its_strike_and_its_kind() -> None:
    """A put of strike 5 as a call of strike 5 and a half: the halves of two are an element of the field."""
    trace = _witness()[series.NAME]
    names = SERIES_TABLE.main_names
    row = int(np.flatnonzero(trace[names.index("is put")] == ONE)[0])
    low = int(decode(trace[names.index("strike byte 0"), row : row + 1])[0])
    forged = ends.changed(trace, SERIES_TABLE, row, is_put=0, strike_byte_0=low + (PRIME + 1) // 2)
    asked = ends.loose_ends(_alone(SERIES_TABLE, forged), TWO_BYTES)
    assert any(value not in range(256) for pair in asked for value in pair)


def test_a_dead_row_provides_no_series() -> None:
    for name in ("terms", "places"):
        forged = _changed(SERIES_TABLE, 63, **{f"count_of_{name}": 1})
        assert _broken(SERIES_TABLE, forged) == {
            f"a dead row provides no {name.removesuffix('s') if name == 'places' else name}"
        }


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_column_is_bound_alone(table: Table) -> None:
    honest = _witness()[table.name]
    expected = _alone(table, honest)
    buses = {interaction.bus for interaction in table.interactions}
    for column, name in enumerate(table.main_names):
        trace = honest.copy()
        trace[column, 1] ^= np.uint32(1)
        found = _alone(table, trace)
        is_seen = any(ends.loose_ends(found, bus) != ends.loose_ends(expected, bus) for bus in buses)
        assert found.constraints or is_seen, name


def test_empty_tables_break_no_rule() -> None:
    nothing = TouchedGroups(np.zeros(0, np.int64), (), (), np.zeros(0, np.int64))
    ledger = HashLedger()
    lists, hashes = series_lists.fill(nothing, ledger, 0)
    leaves, *_ = groups.fill(nothing, hashes, NOW, ledger, 0)
    readings = group_readings.Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), ())
    traces = {
        series_lists.NAME: lists,
        groups.NAME: leaves,
        series.NAME: series.fill(nothing, 0),
        group_readings.NAME: group_readings.fill(readings, NOW, 0),
    }
    assert ends.inspected(list(TABLES.values()), traces, PUBLICS).is_clean
