"""Readings of groups give the terms of their moment."""

from __future__ import annotations

from collections import Counter

from circuits import group_readings
from circuits.buses import (
    GROUP_TERMS,
    GROUPS,
    SIXTEEN_BITS,
)
from tests.circuits import listed
from tests.circuits import loose_ends as ends


def test_a_reading_gives_the_terms_of_its_moment() -> None:
    assert listed.provided(listed.READING_TABLE, GROUP_TERMS, "count of terms") == {
        (7, 19, 0, 0, *listed.bytes_of(((1 << 24) - 1) * 256)),
        (7, 70_003, 0, 1, *listed.bytes_of((1 << 20) * 256)),
    }
    memory = ends.loose_ends(
        listed.alone(listed.READING_TABLE, listed.witness()[group_readings.NAME]), GROUPS
    )
    zero = (0, 0, 0, 1 << 15)
    assert memory == Counter(
        {
            (7, 0, 1, 0, 0, 0, 8, *zero): -1,
            (7, 18, 1, 0, 0, 0, 8, *zero): 1,
            (7, 18, 1, 1, 0, 16, 8, *zero): -1,
            (7, 70_002, 1, 1, 0, 16, 8, *zero): 1,
        }
    )


def test_the_clock_of_a_reading_is_looked_up() -> None:
    forged = listed.changed(listed.READING_TABLE, 0, clock_high=1 << 13)
    assert (1 << 16,) in ends.loose_ends(listed.alone(listed.READING_TABLE, forged), SIXTEEN_BITS)


def test_a_dead_reading_provides_nothing() -> None:
    assert listed.broken(listed.READING_TABLE, listed.changed(listed.READING_TABLE, 3, count_of_terms=1)) == {
        "a dead row provides no terms"
    }


def test_every_column_is_bound_alone() -> None:
    assert (
        ends.unbound_columns(
            listed.READING_TABLE, listed.witness()[group_readings.NAME], at=1, publics=listed.PUBLICS
        )
        == []
    )
