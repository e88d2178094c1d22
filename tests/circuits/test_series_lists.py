"""Series lists: the old one is the beginning of the new one, and every entry is handed out once."""

from __future__ import annotations

import numpy as np
import pytest

from circuits import series_lists
from circuits.buses import (
    SERIES_LISTS,
    SPONGE,
)
from circuits.hash_ledger import HashLedger
from circuits.touched_groups import TouchedGroups
from prover.air.table import Table
from prover.field.koalabear import decode
from tests.circuits import listed
from tests.circuits import loose_ends as ends


def _row_of(table: Table, group: int, row: int) -> int:
    trace = decode(listed.witness()[table.name])
    names = table.main_names
    is_there = (trace[names.index("group")] == group) & (trace[names.index("row")] == row)
    return int(np.flatnonzero(is_there & (trace[names.index("is live")] == 1))[0])


def test_every_entry_of_every_list_is_a_series_once() -> None:
    assert not ends.loose_ends(listed.all_inspected(), SERIES_LISTS)
    sent = ends.loose_ends(listed.alone(listed.LIST_TABLE, listed.witness()[series_lists.NAME]), SERIES_LISTS)
    assert sum(sent.values()) == 8 + 18 + 17 + 3
    assert set(sent.values()) == {1}


def test_an_option_cannot_leave_its_list() -> None:
    """The old list keeps it, the new one has it no more."""
    row = _row_of(listed.LIST_TABLE, 9, 1)
    forged = listed.changed(listed.LIST_TABLE, row, has_option_0=0)
    assert "an old option is still listed" in listed.broken(listed.LIST_TABLE, forged)


def test_the_old_list_is_the_beginning_of_the_new_one() -> None:
    row = _row_of(listed.LIST_TABLE, 9, 0)
    assert "the old list holds the old options" in listed.broken(
        listed.LIST_TABLE, listed.changed(listed.LIST_TABLE, row, old_option_3=5)
    )
    forged = listed.changed(listed.LIST_TABLE, row, had_option_3=0, old_option_3=0)
    assert "an old option follows an old one" in listed.broken(listed.LIST_TABLE, forged)
    forged = listed.changed(listed.LIST_TABLE, row, had_option_7=0, old_option_7=0)
    assert "old options go on below old ones only" in listed.broken(listed.LIST_TABLE, forged)


def test_old_and_new_list_cannot_be_shown_by_different_rows() -> None:
    """Rows that show the old list as a new one ask for a call of the new list's owner, which is taken."""
    touched = listed.touched()
    only = TouchedGroups(touched.numbers[1:2], touched.before[1:2], touched.before[1:2], touched.times[1:2])
    ledger = HashLedger()
    trace, _ = series_lists.fill(only, ledger, 1)
    sponge = ends.loose_ends(listed.alone(listed.LIST_TABLE, trace), SPONGE)
    owners = {(message[0], message[1]) for message in sponge}
    assert owners == {(0, 2 * 9), (1, 2 * 9 + 1)}


def test_a_list_has_no_second_digest() -> None:
    """A block of zeros behind a full one, for the old list and for the new one."""
    row = _row_of(listed.LIST_TABLE, 7, 0)
    forged = ends.changed(
        listed.changed(listed.LIST_TABLE, row, goes_on=1), listed.LIST_TABLE, row + 1, has_option_0=0
    )
    assert "a list goes on with an option" in listed.broken(listed.LIST_TABLE, forged)
    last = _row_of(listed.LIST_TABLE, 9, 2)
    forged = listed.changed(listed.LIST_TABLE, last, hashes_old=1)
    assert "an old list goes on with an old option" in listed.broken(listed.LIST_TABLE, forged)


@pytest.mark.parametrize("which", ["old", "new"])
def test_the_length_of_a_list_is_counted(which: str) -> None:
    row = _row_of(listed.LIST_TABLE, 2, 2)
    forged = listed.changed(listed.LIST_TABLE, row, **{f"{which}_count": 16})
    assert (
        f"the {which} count is that of the {which + ' ' if which == 'old' else ''}options"
        in listed.broken(listed.LIST_TABLE, forged)
    )


def test_every_column_is_bound_alone() -> None:
    assert (
        ends.unbound_columns(
            listed.LIST_TABLE, listed.witness()[series_lists.NAME], at=1, publics=listed.PUBLICS
        )
        == []
    )
