"""Series: each once, ranked, and worth its strike."""

from __future__ import annotations

import numpy as np

from circuits import series
from circuits.buses import (
    SERIES_PLACES,
    SERIES_TERMS,
    SIXTEEN_BITS,
    TWO_BYTES,
)
from prover.field.koalabear import PRIME, decode
from tests.circuits import listed
from tests.circuits import loose_ends as ends


def test_series_are_ranked_and_worth_their_strike() -> None:
    terms = sorted(listed.provided(listed.SERIES_TABLE, SERIES_TERMS, "count of terms"))
    every = [
        (number, option & 0x1FF_FFFF, option & 1, group.tick_value)
        for number, group in zip(listed.touched().numbers.tolist(), listed.touched().after, strict=True)
        if group is not None
        for option in group.series
    ]
    expected = [
        (number, option, is_put, rank, *listed.bytes_of((option >> 1) * tick_value))
        for rank, (number, option, is_put, tick_value) in enumerate(sorted(every), start=1)
    ]
    assert terms == expected
    places = listed.provided(listed.SERIES_TABLE, SERIES_PLACES, "count of places")
    assert (9, 17, listed.series_of(9, 18)[17] & 0x1FF_FFFF) in places


def test_a_series_is_not_there_twice() -> None:
    """The same row again: the gap below it would be minus one."""
    trace = listed.witness()[series.NAME].copy()
    names = listed.SERIES_TABLE.main_names
    rank = trace[names.index("rank")].copy()
    trace[:, 3] = trace[:, 2]
    trace[names.index("rank")] = rank
    assert "the next series is of a later group" in listed.broken(listed.SERIES_TABLE, trace)
    trace = ends.changed(trace, listed.SERIES_TABLE, 2, gap_low=-1, gap_high=0, same_group=1)
    found = listed.alone(listed.SERIES_TABLE, trace)
    assert (-1,) in ends.loose_ends(found, SIXTEEN_BITS)
    # Nor by calling the group another one.
    trace = ends.changed(trace, listed.SERIES_TABLE, 2, gap_low=-1, gap_high=0, same_group=0)
    assert (-1,) in ends.loose_ends(listed.alone(listed.SERIES_TABLE, trace), SIXTEEN_BITS)


def test_the_order_of_series_is_checked_on_every_row() -> None:
    forged = listed.changed(listed.SERIES_TABLE, 5, follows=0)
    assert "whether a series follows is said" in listed.broken(listed.SERIES_TABLE, forged)
    names = listed.SERIES_TABLE.main_names
    trace = listed.witness()[series.NAME].copy()
    live = int((trace[names.index("is live")] == listed.ONE).sum())
    trace[names.index("is live"), live + 1] = listed.ONE
    assert "no series follows a dead row" in listed.broken(listed.SERIES_TABLE, trace)


def test_an_option_is_its_strike_and_its_kind() -> None:
    """A put of strike 5 as a call of strike 5 and a half: the halves of two are an element of the field."""
    trace = listed.witness()[series.NAME]
    names = listed.SERIES_TABLE.main_names
    row = int(np.flatnonzero(trace[names.index("is put")] == listed.ONE)[0])
    low = int(decode(trace[names.index("strike byte 0"), row : row + 1])[0])
    forged = ends.changed(trace, listed.SERIES_TABLE, row, is_put=0, strike_byte_0=low + (PRIME + 1) // 2)
    asked = ends.loose_ends(listed.alone(listed.SERIES_TABLE, forged), TWO_BYTES)
    assert any(value not in range(256) for pair in asked for value in pair)


def test_a_dead_row_provides_no_series() -> None:
    for name in ("terms", "places"):
        forged = listed.changed(listed.SERIES_TABLE, 63, **{f"count_of_{name}": 1})
        assert listed.broken(listed.SERIES_TABLE, forged) == {
            f"a dead row provides no {name.removesuffix('s') if name == 'places' else name}"
        }


def test_every_column_is_bound_alone() -> None:
    assert (
        ends.unbound_columns(listed.SERIES_TABLE, listed.witness()[series.NAME], at=1, publics=listed.PUBLICS)
        == []
    )
