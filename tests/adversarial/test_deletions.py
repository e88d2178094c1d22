"""Deletion testing of the batch's tables: for what is taken away, something comes free or something fails."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from circuits import range_check
from circuits.buses import FOURTEEN_BITS
from circuits.shapes import kinds_of_rows
from prover.air.builder import AirBuilder, define_table
from prover.field.koalabear import PRIME
from tests.adversarial.deletion_chains import chains_of
from tests.adversarial.deletion_lattice import nearest, shortened
from tests.adversarial.deletion_lies import LIES, broken_rules, lie_about
from tests.adversarial.deletion_onward import carried_on
from tests.adversarial.deletion_search import rows_of, search
from tests.adversarial.deletions import ELSEWHERE, Deletion, Forged, twins_of
from tests.adversarial.deletions_report import (
    REASONS,
    RESULTS,
    grounds_of,
    is_of_constants,
    judge,
    searched_tables,
    told_of,
    verdict,
)
from tests.adversarial.deletions_table import README, block
from tests.adversarial.implied import Rules
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

FOLLOWED = {
    "signatures": (
        "the second slope is the chord's through P and P + T, coefficient 0",
        "the next x is that of N + U, coefficient 6",
        "digest element 2 begins at zero and is made of its bits",
        "send 1 on key entries",
    ),
    "key multiples": (
        "the slope is the chord's through entry and multiple, coefficient 3",
        "the second y is that of twice the point, coefficient 0",
        "send 1 on keys",
    ),
    "poseidon": (
        "permutation: element 3 after full round 0 is the round's",
        "permutation: the cube of partial round 14 is a cube",
        "permutation: element 0 after full round 27 is the round's",
        "a call keeps element 12 of its state",
    ),
}
"""Rules of long chains that are taken away, each followed to the chain's end."""


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


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_chain_of_rows_follows_what_breaks_one_of_its_rules(name: str) -> None:
    """No search is believed here either; what is looked up, and what a sponge takes, is as it was."""
    chains = chains_of(name)
    table = chains[0].ground.table
    wanted = [one for one in chains[0].ground.deletions() if one.name in FOLLOWED[name]]
    assert len(wanted) == len(FOLLOWED[name])
    for deletion in wanted:
        forged = carried_on(chains[:1], deletion, twins_of(table, ()))
        assert forged is not None
        assert forged.tier == ELSEWHERE
        trace = chains[0].ground.trace.copy()
        for row, column, value in forged.changes:
            trace[column, row] = value
        broken = broken_rules(replace(chains[0].ground, trace=trace))
        assert broken == ({deletion.index} if deletion.kind == "constraint" else set())


def test_the_range_check_answers_what_batches_ask() -> None:
    (table,) = (one for one in searched_tables() if one.name == range_check.NAME)
    grounds = grounds_of(table)
    noticed = {verdict(grounds, one, {}, [])["noticed_by"] for one in grounds[0].deletions()}
    assert noticed == {"an honest batch does not balance"}


def test_what_is_read_off_constants_alone_is_told_from_what_is_not() -> None:
    def constrain(air: AirBuilder) -> None:
        for name, last in (("a flag", 1), ("no flag", 2)):
            value = air.periodic(name, [0, last])
            air.assert_zero(name, value * (value - 1))
        air.assert_boolean("a column", air.column("column"))

    table = define_table("constants", constrain)
    assert [is_of_constants(table, number) for number in range(3)] == [True, False, False]
    # Selectors are not all alike.
    assert twins_of(table, ()) == [0, 1, 2]


def test_a_sum_of_flags_says_what_each_of_them_is() -> None:
    def constrain(air: AirBuilder, total: int = 0) -> None:
        flags = air.columns("a", "b", "c", "d")
        for flag, name in zip(flags, "abcd", strict=True):
            air.assert_boolean(f"{name} is a flag", flag)
        air.assert_equal("they add up", sum(flags[1:], flags[0]), total)
        air.assert_zero("a is nothing", flags[0])

    def implying(total: int) -> list[str] | None:
        return Rules(define_table("sums", lambda air: constrain(air, total))).implying(5, [])

    shown = implying(0)
    assert shown is not None
    assert "they add up" in shown
    assert implying(1) is None


def test_a_look_up_of_what_a_rule_settles_says_nothing() -> None:
    def constrain(air: AirBuilder) -> None:
        five, free = air.columns("five", "free")
        air.assert_equal("it is five", five, 5)
        for value in (five + 2, five * 10_000, free):
            air.send(FOURTEEN_BITS, [value])

    table = define_table("settled", constrain)
    settled = [Rules(table).settling(one.values[0], 1 << 14) for one in table.interactions]
    assert settled == ["it is five", None, None]


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
    (table,) = (one for one in searched_tables() if one.name == name)
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
