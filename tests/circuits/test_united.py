"""A table of several kinds says of each row what the kind's own table says, and nothing of two kinds at once."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from circuits.shapes import MIXED, SHAPES, kinds_of_rows, mixed
from circuits.statement import PUBLIC_NAMES
from circuits.united import LIVE, unite
from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus
from prover.air.expression import Cell, CellKind
from prover.air.table import Scope, Table
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from tests.circuits.story import chapters
from tests.circuits.whole_batches import laid_out

KINDS = {kind.name: kind for kind in mixed().kinds}
HEAD, *OTHERS = KINDS
ROWS = 4
RNG = np.random.default_rng(20261121)
PUBLICS: dict[Cell, Any] = {
    Cell(CellKind.PUBLIC, place): int(RNG.integers(0, PRIME)) for place in range(len(PUBLIC_NAMES))
}
Messages = Counter[tuple[object, ...]]


@cache
def tape_of(table: Table) -> Tape:
    """Every constraint, then every message with its count."""
    messages = [value for one in table.interactions for value in (*one.values, one.count)]
    return Tape.compile([*(constraint.polynomial for constraint in table.constraints), *messages])


def said(
    table: Table, trace: Montgomery, publics: dict[Cell, Any] = PUBLICS
) -> tuple[dict[str, np.ndarray[Any, Any]], list[Messages]]:
    """The values of every constraint, and the messages of every row with how often each is sent or received."""
    tape, height = tape_of(table), trace.shape[1]
    out = np.empty((tape.planes, height), np.uint32)
    tape.run(Sources(np.ascontiguousarray(trace), None), publics, out, threads=1)
    values = decode(out)
    constraints = {one.name: values[place] for place, one in enumerate(table.constraints)}
    messages: list[Messages] = [Counter() for _ in range(height)]
    place = len(table.constraints)
    for one in table.interactions:
        message, counts = values[place : place + one.bus.arity], values[place + one.bus.arity]
        for row in np.flatnonzero(counts).tolist():
            key = (one.bus.name, one.direction, one.weight, int(counts[row]), *message[:, row].tolist())
            messages[row][key] += 1
        place += one.bus.arity + 1
    return constraints, messages


def random_rows(kind: Table, rows: int) -> Montgomery:
    """Live rows of anything."""
    trace = encode(RNG.integers(0, PRIME, (len(kind.main_names), rows)))
    if LIVE in kind.main_names:
        trace[kind.main_names.index(LIVE)] = encode(np.ones(rows, np.int64))
    return trace


def nothing() -> dict[str, Montgomery]:
    """No row of any kind but the head's."""
    return {name: np.zeros((len(kind.main_names), 1), np.uint32) for name, kind in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_row_is_held_to_its_kinds_constraints_and_sends_its_kinds_messages(name: str) -> None:
    kind, rows = KINDS[name], 1 if name == HEAD else ROWS
    own = random_rows(kind, rows)
    trace = mixed().fill({**nothing(), name: own}, 3)
    start = 0 if name == HEAD else 1
    alone, own_messages = said(kind, own)
    together, messages = said(mixed().table, trace)
    for constraint, values in alone.items():
        found = together.get(f"{name}: {constraint}", np.zeros(8, np.uint32))
        assert (found[start : start + rows] == values).all(), constraint
    assert messages[start : start + rows] == own_messages
    # What other kinds state says nothing of these rows.
    others = [
        values[start : start + rows]
        for constraint, values in together.items()
        if not constraint.startswith((f"{name}: ", "a row is of", "the first row", "no other row"))
    ]
    assert not np.array(others).any()


def test_every_constraint_of_every_kind_is_there_or_says_nothing_of_live_rows() -> None:
    there = {constraint.name for constraint in mixed().table.constraints}
    for kind in mixed().kinds:
        own, _ = said(kind, random_rows(kind, ROWS))
        for name, values in own.items():
            assert f"{kind.name}: {name}" in there or not values.any(), name


def test_a_row_of_no_kind_sends_nothing_and_breaks_nothing_whatever_it_holds() -> None:
    trace = mixed().fill(nothing(), 3)
    trace[len(KINDS) :, 1:] = encode(RNG.integers(0, PRIME, (len(trace) - len(KINDS), 7)))
    constraints, messages = said(mixed().table, trace)
    assert not any(messages[1:])
    binds = [one.name for one in mixed().table.constraints if one.scope is Scope.EVERY_ROW]
    assert not np.array([constraints[name][1:] for name in binds]).any()


def broken(trace: Montgomery) -> set[str]:
    """The selectors' own constraints that do not hold."""
    constraints, _ = said(mixed().table, trace)
    rows = {Scope.FIRST_ROW: slice(1), Scope.TRANSITION: slice(-1)}
    return {
        one.name
        for one in mixed().table.constraints
        if ": " not in one.name and constraints[one.name][rows.get(one.scope, slice(None))].any()
    }


def test_a_row_of_two_kinds_is_refused() -> None:
    trace, one = mixed().fill(nothing(), 3), encode(np.ones(1, np.int64))[0]
    assert broken(trace) == set()
    for name in OTHERS[:2]:
        trace[mixed().selectors[name], 3] = one
    assert broken(trace) == {"a row is of one kind at most"}


def test_kinds_that_cancel_each_other_are_refused() -> None:
    trace = mixed().fill(nothing(), 3)
    first, second = (mixed().selectors[name] for name in OTHERS[:2])
    trace[[first, second], 3] = encode(np.array([2, -1]) % PRIME)
    assert broken(trace) == {f"a row is of kind {name} or not" for name in OTHERS[:2]}


def test_a_second_head_and_a_missing_one_are_refused() -> None:
    trace, head = mixed().fill(nothing(), 3), mixed().selectors[HEAD]
    for row in (1, 7):
        second = trace.copy()
        second[head, row] = trace[head, 0]
        assert broken(second) == {f"no other row is the {HEAD}"}
    trace[head, 0] = 0
    assert broken(trace) == {f"the first row is the {HEAD}"}


def test_whole_batches_break_no_constraint_of_the_shared_table() -> None:
    for told in chapters():
        laid = laid_out(told)
        publics = {Cell(CellKind.PUBLIC, place): value for place, value in enumerate(laid.statement.elements)}
        trace = mixed().fill(laid.traces, SHAPES[0].log_heights[MIXED])
        constraints, messages = said(mixed().table, trace, publics)
        assert broken(trace) == set()
        assert not np.array([values for name, values in constraints.items() if ": " in name]).any()
        own: Messages = Counter()
        for kind in mixed().kinds:
            own += sum(said(kind, laid.traces[kind.name], publics)[1], Counter())
        assert sum(messages, Counter()) == own


def test_rows_that_do_not_fit_are_refused() -> None:
    own = random_rows(KINDS["claims"], 8)
    with pytest.raises(ValueError, match="9 rows and more do not fit a table of 8"):
        mixed().fill({**nothing(), "claims": own}, 3)


def _reads_below(air: AirBuilder) -> None:
    (live,) = air.columns(LIVE)
    air.on_transition.assert_zero("it stays as it is", live.next - live)


def _has_no_selector(air: AirBuilder) -> None:
    (number,) = air.columns("number")
    air.send(Bus("numbers", 1, 1), [number])


def test_kinds_that_cannot_stand_beside_others_are_refused() -> None:
    some = KINDS["claims"]
    with pytest.raises(ValueError, match="table counted: its rows do not stand alone"):
        unite("any", [some, define_table("counted", _reads_below)])
    with pytest.raises(ValueError, match="only the first kind can be one of exactly one row"):
        unite("any", [some, define_table("single", _has_no_selector)])


def test_every_kind_is_a_table_once() -> None:
    assert len({kind.name for kind in kinds_of_rows()}) == len(kinds_of_rows())
