"""Deletion testing of the batch's tables: for what is taken away, something comes free or something fails."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from circuits.shapes import kinds_of_rows
from prover.field.koalabear import PRIME
from tests.adversarial.deletion_lattice import nearest, shortened
from tests.adversarial.deletion_lies import LIES, lie_about
from tests.adversarial.deletion_search import rows_of, search
from tests.adversarial.deletions import Deletion, Forged, twins_of
from tests.adversarial.deletions_report import REASONS, RESULTS, grounds_of, judge, told_of, verdict
from tests.adversarial.deletions_table import README, block
from tests.circuits.whole_batches import quick_tables

SAMPLE = {
    "fills": (0, 3),
    "transfers": (1, 4),
    "withdrawals": (2, 5),
    "cancellations": (0, 4),
    "credits": (0, 2),
    "settlements": (0, 2),
    "group settlements": (0, 2),
    "forced cancellations": (0, 4),
    "settlement prices": (1, 5),
    "parameter changes": (0, 4),
    "group readings": (1, 4),
    "accounts": (0, 5),
    "series listings": (2, 7),
}
"""Tables of the fixed sample: every so many deletions, from the first one named."""


def forged_in(name: str, start: int, step: int) -> tuple[list[Deletion], dict[Deletion, Forged], list[str]]:
    """A part of a table's deletions, what was forged, and what noticed each of them."""
    (table,) = (one for one in quick_tables() if one.name == name)
    grounds = grounds_of(table)
    wanted = grounds[0].deletions()[start::step]
    found = search(grounds, wanted, most=16)
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
@pytest.mark.parametrize("name", json.loads(RESULTS.read_text(encoding="utf-8"))["tables"])
def test_the_search_explains_whatever_the_summary_does(name: str) -> None:
    """Which cells come free may differ where there are several ways; what is noticed may not."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["tables"][name]
    told = told_of(judge(name)[1])
    assert told["by_kind"] == kept["by_kind"]
    assert set(told["nothing_found"]) <= set(kept["nothing_found"])


@pytest.mark.parametrize("name", sorted({table for table, _ in LIES}))
def test_every_lie_is_accepted_without_its_rule_alone(name: str) -> None:
    (table,) = (one for one in quick_tables() if one.name == name)
    grounds = grounds_of(table)
    twins = twins_of(table, grounds[0].publics)
    rules = {one.name: one for one in grounds[0].deletions()}
    for of_table, rule in LIES:
        if of_table == name:
            # It raises where the forged trace breaks another rule, or does not break its own.
            assert lie_about(grounds, rules[rule], twins)


def test_a_lie_that_is_refused_for_something_else_is_no_evidence() -> None:
    (table,) = (one for one in quick_tables() if one.name == "tree")
    grounds = grounds_of(table)
    (deletion,) = (one for one in grounds[0].deletions() if one.name == "the low part is shifted first")
    wrong = [replace(ground, trace=np.ones_like(ground.trace)) for ground in grounds[:1]]
    with pytest.raises(AssertionError, match="breaks something else"):
        lie_about(wrong, deletion, twins_of(table, grounds[0].publics))


def test_a_reason_is_given_for_a_rule_that_is_there() -> None:
    rules = {
        (one.table, f"{one.kind}: {one.name}")
        for table in quick_tables()
        if table.name in {name for name, _ in REASONS}
        for one in grounds_of(table)[0].deletions()
    }
    assert set(REASONS) <= rules


def test_the_readme_says_what_the_summary_says() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert block(kept) in README.read_text(encoding="utf-8")


def test_a_lattice_is_reduced_and_a_near_vector_is_found() -> None:
    """The pairs of which one is 2^16 times the other modulo the prime: 1 is 2^16 times -127 * 2^8."""
    basis = np.array([[PRIME, 0], [1 << 16, 1]], np.int64)
    short = shortened(basis)
    assert abs(short[0, 0] * short[1, 1] - short[0, 1] * short[1, 0]) == PRIME
    assert np.abs(short).max() <= 1 << 16
    left = nearest(short, np.array([[12_345, 54_321], [1 << 30, 7]], np.int64))
    assert np.abs(left).max() <= 1 << 16


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
