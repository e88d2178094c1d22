"""A group between two groups: half a number, under which one list's owner is the next one's.

The calls of a group's old list are owned by twice the group, those of its new list by one more.
Over the field there is a number whose new list is owned as the old one of group 1: one half.
"""

from __future__ import annotations

from benchmarks.clearing_workload import plain
from circuits import series, series_lists
from circuits.series_lists import NEW_OWNER, OLD_OWNER
from prover.field.koalabear import PRIME
from prover.hash.poseidon import RATE
from rollup.transactions import ListSeries
from tests.adversarial.batch_lies import told
from tests.adversarial.forged_batches import Forged, laid_out

GROUP = 1
HALF = (PRIME + 1) // 2
BETWEEN = (GROUP * 2 + OLD_OWNER - NEW_OWNER) * HALF % PRIME

LISTS, SERIES = series_lists.NAME, series.NAME


def detached() -> Forged:
    """The rows of group 1 show its new list alone; the old one is shown, as if it were new, by the number between.

    Were it believed, options that people hold could leave the list.
    """
    forged = laid_out(told([plain(ListSeries, GROUP, 77, 0)]))
    assert not forged.wrong()
    options = [forged.get(LISTS, 0, f"option {i}") for i in range(RATE)]
    call, count = forged.get(LISTS, 0, "old call"), forged.get(LISTS, 0, "old count")
    assert count == RATE
    assert forged.live[LISTS] == 2
    forged.put(LISTS, 0, hashes_old=0, old_count=0)
    forged.put(LISTS, 1, old_count=0, old_options_above=0)
    forged.put(LISTS, 2, is_live=1, group=BETWEEN, new_call=call, new_count=count)
    for i, option in enumerate(options):
        forged.put(LISTS, 0, **{f"had_option_{i}": 0, f"old_option_{i}": 0})
        forged.put(LISTS, 2, **{f"has_option_{i}": 1, f"option_{i}": option})
    return forged


def test_an_old_list_is_not_shown_by_a_group_between_two_groups() -> None:
    """All hashes are true and every rule of the lists holds; but the entries are those of a group without series."""
    assert BETWEEN * 2 % PRIME == GROUP * 2 - 1
    assert detached().wrong() == {LISTS}


def test_a_group_between_two_groups_has_no_series() -> None:
    """They would have to stand among the others in order, with the terms of a group that no leaf is."""
    forged = detached()
    count = forged.live[SERIES]
    for i in range(RATE - 1):
        forged.copy_row(SERIES, i + 1, count + i)
        forged.put(SERIES, count + i, group=BETWEEN, rank=count + i + 1)
    wrong = forged.wrong()
    assert {"group statics", "the next series is of a later group"} <= wrong
