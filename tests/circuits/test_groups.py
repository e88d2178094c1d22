"""Groups: hashed as the rules hash them, with the terms that the rules count with."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from circuits import group_readings, groups, series, series_lists
from circuits.buses import (
    FOURTEEN_BITS,
    GROUP_STATICS,
    GROUP_TERMS,
    GROUPS,
    NODES,
    TWO_BYTES,
)
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import EMPTY_DIGEST
from circuits.touched_groups import TouchedGroups
from prover.air.table import Table
from prover.field.koalabear import decode
from rollup.state import group_index
from rollup.units import GroupId, limbs_of
from tests.circuits import listed
from tests.circuits import loose_ends as ends


def test_groups_and_their_lists_are_hashed_as_the_rules_hash_them() -> None:
    found = listed.all_inspected()
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    touched = listed.touched()
    nodes: Counter[tuple[int, ...]] = Counter()
    for number, before, after in zip(touched.numbers.tolist(), touched.before, touched.after, strict=True):
        index = group_index(GroupId(number))
        digests = [
            EMPTY_DIGEST if group is None else decode(listed.HASHER.leaf_digests([group])[0]).tolist()
            for group in (before, after)
        ]
        nodes[(34, index >> 16, index & 0xFFFF, *ends.centred([*digests[0], *digests[1]]))] += 1
    assert ends.loose_ends(found, NODES) == nodes


def test_the_memory_of_a_group_begins_and_ends_with_its_leaf() -> None:
    memory = ends.loose_ends(listed.alone(listed.GROUP_TABLE, listed.witness()[groups.NAME]), GROUPS)
    zero, below = (0, 0, 0, 1 << 15), (65_531, 65_535, 65_535, (1 << 15) - 1)
    assert memory[(7, 0, 1, 0, 0, 0, 8, *zero)] == 1
    assert memory[(7, 70, 1, 1, 0, 16, 8, *below)] == -1
    assert memory[(4, 0, *[0] * 9)] == 1
    assert memory[(4, 35, 1, 0, 0, 0, 3, *zero)] == -1
    assert memory[(11, 51, *[0] * 9)] == -1


def test_final_terms_are_the_rules() -> None:
    expected = {
        (7, 0, 0, 1, *listed.bytes_of((1 << 20) * 256)),
        (9, 0, 1, 0, *listed.bytes_of(((1 << 24) - 1) * 256)),
        (2, 0, 1, 0, *listed.bytes_of((1 << 32) - (1 << 16))),
        (4, 0, 1, 0, *listed.bytes_of((1 << 32) - (1 << 16))),
        (65_535, 0, 0, 0, *listed.bytes_of(((1 << 24) - 1) * 256)),
    }
    assert listed.provided(listed.GROUP_TABLE, GROUP_TERMS, "count of terms") == expected
    statics = listed.provided(listed.GROUP_TABLE, GROUP_STATICS, "count of statics")
    nine = listed.group(9, 9)
    limbs = [
        *limbs_of(nine.expiry, 48),
        *limbs_of(nine.cap, 32),
        *limbs_of(70_000, 32),
        *limbs_of(80_000, 32),
    ]
    assert (9, 10, *limbs, *limbs_of(nine.tick_value, 32)) in statics
    assert {message[0] for message in statics} == {7, 9, 2, 4, 65_535}


def test_a_group_that_is_there_cannot_be_denied_nor_removed() -> None:
    names = listed.GROUP_TABLE.main_names
    forged = listed.changed(listed.GROUP_TABLE, 0, existed=0)
    for name in groups.CONTENT:
        forged[names.index(f"old {name}"), 0] = 0
    assert "no old leaf" in listed.broken(listed.GROUP_TABLE, forged)
    assert "no group is removed" in listed.broken(
        listed.GROUP_TABLE, listed.changed(listed.GROUP_TABLE, 0, exists=0)
    )


def test_a_group_that_nobody_listed_has_no_terms() -> None:
    for row in (4, 6):
        for name in ("statics", "terms"):
            forged = listed.changed(listed.GROUP_TABLE, row, **{f"count_of_{name}": 1})
            assert listed.broken(listed.GROUP_TABLE, forged) == {f"a group that is not listed has no {name}"}
    assert "a dead row has no new leaf" in listed.broken(
        listed.GROUP_TABLE, listed.changed(listed.GROUP_TABLE, 6, exists=1)
    )


def test_terms_cannot_change_with_the_leaf() -> None:
    """Another tick value in terms and new leaf: the old leaf would have had it too."""
    forged = listed.changed(listed.GROUP_TABLE, 1, tick_value_byte_0=1)
    found = listed.alone(listed.GROUP_TABLE, forged)
    assert "end value is ticks times tick value: weight 0 is carried on" in ends.broken(found)
    assert "a digest" in ends.untrue_hashes(listed.all_inspected(groups=forged))


@pytest.mark.parametrize("table", [listed.GROUP_TABLE, listed.READING_TABLE], ids=lambda table: table.name)
def test_payoffs_end_at_the_price_exactly_if_it_is_fixed(table: Table) -> None:
    row = 0 if table is listed.GROUP_TABLE else 1
    forged = listed.changed(table, row, end_byte_2=255, end_byte_1=255, end_byte_0=255)
    assert "payoffs end at the price or at the cap" in listed.broken(table, forged)
    is_fixed = "new_is_fixed" if table is listed.GROUP_TABLE else "is_fixed"
    assert "a price is fixed or not" in listed.broken(table, listed.changed(table, row, **{is_fixed: 2}))


@pytest.mark.parametrize("table", [listed.GROUP_TABLE, listed.READING_TABLE], ids=lambda table: table.name)
def test_a_product_cannot_be_off_by_the_prime_or_by_a_byte(table: Table) -> None:
    """A value a byte too large takes a carry that is no small number, and a byte beyond its width is looked up."""
    forged = listed.changed(table, 0, end_value_byte_1=-1, end_value_byte_0=256)
    asked = set(ends.loose_ends(listed.alone(table, forged), TWO_BYTES))
    assert any(value not in range(256) for pair in asked for value in pair)
    name = "end_value_is_ticks_times_tick_value_carry_1"
    carries = ends.loose_ends(
        listed.alone(table, listed.changed(table, 0, **{name: -(1 << 13) - 1})), FOURTEEN_BITS
    )
    assert (-1,) in carries


@pytest.mark.parametrize("table", [listed.GROUP_TABLE, listed.READING_TABLE], ids=lambda table: table.name)
def test_an_expired_group_is_not_open(table: Table) -> None:
    forged = listed.changed(table, 0, now_is_less=1)
    assert any(name.startswith("now: limb 0 of the difference") for name in listed.broken(table, forged))


def test_every_column_is_bound_alone() -> None:
    assert (
        ends.unbound_columns(listed.GROUP_TABLE, listed.witness()[groups.NAME], at=1, publics=listed.PUBLICS)
        == []
    )


def test_empty_tables_break_no_rule() -> None:
    nothing = TouchedGroups(np.zeros(0, np.int64), (), (), np.zeros(0, np.int64))
    ledger = HashLedger()
    lists, hashes = series_lists.fill(nothing, ledger, 0)
    leaves, *_ = groups.fill(nothing, hashes, listed.NOW, ledger, 0)
    readings = group_readings.Rows(np.zeros(0, np.int64), np.zeros(0, np.int64), ())
    traces = {
        series_lists.NAME: lists,
        groups.NAME: leaves,
        series.NAME: series.fill(nothing, 0),
        group_readings.NAME: group_readings.fill(readings, listed.NOW, 0),
    }
    assert ends.inspected(list(listed.TABLES.values()), traces, listed.PUBLICS).is_clean
