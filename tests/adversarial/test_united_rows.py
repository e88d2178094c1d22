"""Rows of several kinds in one table say exactly what the tables of the kinds say, and no row is of two kinds."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
import pytest

from circuits.shapes import MIXED, mixed
from circuits.united import LIVE, unite
from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus
from prover.air.expression import Cell, CellKind, Expression
from prover.air.inspect import Findings, inspect
from prover.air.reader import evaluate
from prover.air.table import Table
from prover.field.koalabear import PRIME, encode

COINS = Bus("coins", 1, 2)
KINDS = [kind.name for kind in mixed().kinds]


def values_of(expressions: list[Expression], cells: dict[Cell, int]) -> list[int]:
    """Numbers of expressions over plain integers."""
    found = evaluate(expressions, cells.__getitem__, int)
    return [value % PRIME for value in found]


def row_of(name: str, seed: int) -> tuple[Table, dict[Cell, int], dict[Cell, int]]:
    """A random live row of a kind, in its own table and in the shared one, where all other cells are random too."""
    random, united = Random(seed), mixed()
    kind = united.kinds[KINDS.index(name)]
    publics = {Cell(CellKind.PUBLIC, i): random.randrange(PRIME) for i in range(200)}
    shared = {Cell(CellKind.MAIN, i): random.randrange(PRIME) for i in range(len(united.table.main_names))}
    for place in united.selectors.values():
        shared[Cell(CellKind.MAIN, place)] = int(place == united.selectors[name])
    own = {
        Cell(CellKind.MAIN, i): shared[Cell(CellKind.MAIN, place)]
        for i, place in enumerate(united.places[name])
    }
    return kind, own | publics, shared | publics


@pytest.mark.parametrize("name", KINDS)
def test_a_row_of_a_kind_obeys_the_rules_of_its_own_table(name: str) -> None:
    """Random rows: where two polynomials agree there, they are the same but with a chance of a few in the prime."""
    kind, own, shared = row_of(name, 1)
    table = mixed().table
    by_name = {one.name: one.polynomial for one in table.constraints}
    stated = [one for one in kind.constraints if f"{name}: {one.name}" in by_name]
    here = values_of([by_name[f"{name}: {one.name}"] for one in stated], shared)
    assert here == values_of([one.polynomial for one in stated], own)
    # What is not stated again holds on every live row by itself.
    left_out = [one.polynomial for one in kind.constraints if one not in stated]
    assert not any(values_of(left_out, own))
    others = [one.polynomial for one in table.constraints if one.name.split(":")[0] in set(KINDS) - {name}]
    assert not any(values_of(others, shared)), "the rules of other kinds are silent here"


@pytest.mark.parametrize("name", KINDS)
def test_a_row_of_a_kind_sends_and_receives_exactly_its_own_messages(name: str) -> None:
    for seed in (2, 3):
        kind, own, shared = row_of(name, seed)
        said = []
        for table, cells in ((kind, own), (mixed().table, shared)):
            messages = []
            for one in table.interactions:
                *values, count = values_of([*one.values, one.count], cells)
                if count:
                    messages.append((one.bus.name, str(one.direction), one.weight, tuple(values), count))
            said.append(sorted(messages))
        assert said[0] == said[1]
        assert said[0]


def test_a_row_of_no_kind_says_nothing() -> None:
    _, _, shared = row_of(KINDS[0], 4)
    for place in mixed().selectors.values():
        shared[Cell(CellKind.MAIN, place)] = 0
    assert not any(values_of([one.count for one in mixed().table.interactions], shared))


# A table of three kinds that a cheat can be seen in: the purse opens once, coins are minted and melted.


def purse(air: AirBuilder) -> None:
    """One row: the purse starts with a coin of its own."""
    air.send(COINS, [air.column("value"), 0])


def minted(air: AirBuilder) -> None:
    live, value = air.columns(LIVE, "value")
    air.assert_boolean("a row is live or not", live)
    air.assert_zero("only a coin of nothing is minted", live * value)
    air.send(COINS, [value, 0], when=live)


def melted(air: AirBuilder) -> None:
    live, pad, value = air.columns(LIVE, "pad", "value")
    air.assert_boolean("a row is live or not", live)
    air.assert_zero("nothing is beside a coin that is melted", live * pad)
    air.receive(COINS, [value, 0], when=live)


@cache
def small() -> tuple[Table, dict[str, tuple[int, ...]]]:
    """The shared table, and where its kinds have their columns."""
    made = unite(
        "coins",
        [define_table(name, make) for name, make in (("purse", purse), ("mint", minted), ("melt", melted))],
    )
    return made.table, dict(made.places)


def rows(*said: tuple[str, int]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Rows of kinds with a value each; an empty name is a row of no kind."""
    table, places = small()
    trace = np.zeros((len(table.main_names), 4), np.int64)
    for row, (names, value) in enumerate(said):
        for name in filter(None, names.split("+")):
            trace[table.main_names.index(f"is {name}"), row] = 1
            trace[places[name][-1], row] = value
    return trace


def found(trace: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Findings:
    table, _ = small()
    return inspect([table], {table.name: encode(trace)}, [], preprocessed={}, is_montgomery=True)


def test_honest_rows_in_any_order_are_accepted() -> None:
    assert found(rows(("purse", 7), ("melt", 0), ("mint", 0), ("melt", 7))).is_clean


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([("purse", 7), ("purse", 7), ("melt", 7), ("melt", 7)], "no other row is the purse"),
        ([("mint", 0), ("melt", 0), ("", 0), ("", 0)], "the first row is the purse"),
        # One row of two kinds sends a coin twice, of which only one was minted.
        ([("purse+mint", 0), ("melt", 0), ("melt", 0), ("", 0)], "a row is of one kind at most"),
    ],
)
def test_selectors_are_refused_by_the_rule_that_names_them(said: list[tuple[str, int]], reason: str) -> None:
    """Taken away, that rule leaves nothing that is broken: the forgery is accepted."""
    forged = rows(*said)
    wrong = found(forged)
    assert {one.constraint for one in wrong.constraints} == {reason}
    assert not wrong.messages


def test_a_selector_of_two_is_refused() -> None:
    forged = rows(("purse", 7), ("melt", 7), ("", 0), ("", 0))
    table, _ = small()
    forged[table.main_names.index("is mint"), 2] = 2
    assert {one.constraint for one in found(forged).constraints} >= {"a row is of kind mint or not"}


def test_selectors_that_add_up_to_one_without_being_bits_are_refused() -> None:
    """Minus one of a kind and two of another: the sum alone would let a coin be unsent."""
    forged = rows(("purse", 7), ("", 0), ("", 0), ("", 0))
    table, _ = small()
    for name, value in (("mint", PRIME - 1), ("melt", 1)):
        forged[table.main_names.index(f"is {name}"), 1] = value
    broken = {one.constraint for one in found(forged).constraints}
    assert broken == {"a row is of kind mint or not"}


def reads_ahead_in_a_rule(air: AirBuilder) -> None:
    live, value = air.columns(LIVE, "value")
    air.assert_zero("the next row is worth as much", live * (value.next - value))
    air.send(COINS, [value, 0], when=live)


def reads_ahead_in_a_message(air: AirBuilder) -> None:
    live, value = air.columns(LIVE, "value")
    air.assert_zero("a coin is worth nothing", live * value)
    air.send(COINS, [value.next, 0], when=live)


def has_a_beat_in_a_message(air: AirBuilder) -> None:
    live, value = air.columns(LIVE, "value")
    air.assert_zero("a coin is worth nothing", live * value)
    air.send(COINS, [value, air.periodic("beat", [0, 1])], when=live)


@pytest.mark.parametrize("make", [reads_ahead_in_a_rule, reads_ahead_in_a_message, has_a_beat_in_a_message])
def test_a_kind_that_looks_beyond_its_row_is_refused(make: object) -> None:
    kind = define_table("ahead", make)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not stand alone"):
        unite("coins", [define_table("purse", purse), kind])


def test_the_circuit_has_the_united_table() -> None:
    assert mixed().table.name == MIXED
    assert LIVE not in mixed().kinds[0].main_names
