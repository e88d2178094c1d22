"""Deletion testing of the batch's tables: for what is taken away, something comes free or something fails."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from circuits.shapes import kinds_of_rows
from prover.field.koalabear import PRIME
from tests.adversarial.deletion_search import rows_of, search
from tests.adversarial.deletions import Deletion, Forged, twins_of
from tests.adversarial.deletions_report import RESULTS, grounds_of, judge, summary, told_of, verdict
from tests.circuits.whole_batches import quick_tables

SAMPLE = {
    "fills": (0, 3),
    "transfers": (1, 4),
    "withdrawals": (2, 5),
    "cancellations": (0, 4),
    "credits": (0, 2),
    "settlements": (0, 2),
    "group settlements": (0, 2),
}
"""Tables of the fixed sample: every so many deletions, from the first one named."""


def forged_in(name: str, start: int, step: int) -> tuple[list[Deletion], dict[Deletion, Forged], list[str]]:
    """A part of a table's deletions, what was forged, and what noticed each of them."""
    (table,) = (one for one in quick_tables() if one.name == name)
    grounds = grounds_of(table)
    wanted = grounds[0].deletions()[start::step]
    found = search(grounds[:2], wanted, most=6)
    twins = twins_of(table, grounds[0].publics)
    return wanted, found, [verdict(grounds, one, found, twins)["noticed_by"] for one in wanted]


@pytest.mark.parametrize("name", SAMPLE)
def test_something_notices_every_deletion_of_the_sample(name: str) -> None:
    wanted, found, noticed = forged_in(name, *SAMPLE[name])
    assert [one for one, said in zip(wanted, noticed, strict=True) if said == "nothing found"] == []
    assert all(forged.cells for forged in found.values())


def test_what_is_forged_breaks_the_deleted_rule_alone() -> None:
    """The search is not believed: a forged constraint is looked for again with the plain reader of constraints."""
    from prover.air.inspect import inspect

    (table,) = (one for one in quick_tables() if one.name == "fills")
    grounds = grounds_of(table)[:1]
    wanted = [one for one in grounds[0].deletions() if one.kind == "constraint"]
    found = search(grounds, wanted[::3], most=4)
    assert found
    twins = twins_of(table, grounds[0].publics)
    for deletion, forged in found.items():
        trace = grounds[0].trace.copy()
        for row, column, value in forged.changes:
            trace[column, row] = value
        broken = {
            one.constraint for one in inspect([table], {table.name: trace}, grounds[0].publics).constraints
        }
        assert broken == {
            one.name for place, one in enumerate(table.constraints) if twins[place] == twins[deletion.index]
        }


def test_a_rule_that_is_not_there_frees_what_it_bound() -> None:
    """The look-up of what is left of an order, by name: without it an order is filled for more than was signed."""
    (table,) = (one for one in quick_tables() if one.name == "fills")
    grounds = grounds_of(table)[:1]
    (filled,) = (one for one in grounds[0].deletions() if one.name.startswith("filled afterwards"))
    found = search(grounds, [filled], most=4)
    assert found


@pytest.mark.long
def test_the_written_summary_is_what_the_search_finds() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    judged = (judge(table.name) for table in quick_tables() if table.name in kept["tables"])
    assert kept == summary({name: told_of(found) for name, found in judged})


def test_the_summary_counts_what_it_searched() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    named = [table.name for table in kinds_of_rows()]
    assert sorted([*kept["tables"], *kept["tables_not_searched"]]) == sorted(named)
    assert sum(kept["noticed_by"].values()) == kept["deletions"] == sum(kept["by_kind"].values())
    unnoticed = sum(len(told["nothing_found"]) for told in kept["tables"].values())
    assert unnoticed == kept["noticed_by"].get("nothing found", 0)


def test_a_lone_series_is_counted_once() -> None:
    """Below a live row the next one's rules bind it; a series that is alone is bound by its own rule only."""
    (table,) = (one for one in quick_tables() if one.name == "series")
    ground = grounds_of(table)[0]
    lone = ground.trace.copy()
    for name, column in zip(table.main_names, lone, strict=True):
        if name != "rank":
            column[1:] = 0
        if name in {"follows", "same group", "gap low", "gap high"}:
            column[0] = 0

    # Towards the dead row below, of group zero; nobody looks that gap up.
    place = table.main_names.index
    lone[place("gap low"), 0] = -lone[place("group"), 0] % PRIME
    for name in ("count of terms", "count of places"):
        lone[place(name), 0] = 0

    def broken() -> set[str]:
        planes = replace(ground, trace=lone).planes()
        rules = zip(table.constraints, planes, strict=False)
        return {one.name for one, line in rules if line[rows_of(one.scope, lone.shape[1])].any()}

    assert not broken()
    lone[place("is live"), 0] = 2
    wrong = broken()
    assert "the send number 0 on bus two bytes happens once or not at all" in wrong
    # The others say the same of the same column.
    assert all(name.endswith("happens once or not at all") for name in wrong), wrong
