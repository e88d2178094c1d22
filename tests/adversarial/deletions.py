"""Deletion testing: what comes free when one constraint, one message or one look-up of a table is taken away.

Around an honest row all other rules are linearised; a direction in which they stand still and the deleted one moves
is followed to another trace, by Newton's method over the field, which breaks exactly the deleted rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.air.bus import Direction
from prover.air.expression import Cell, CellKind, Expression, cells_of, read
from prover.air.table import Scope, Table
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME, decode, encode
from tests.adversarial.field_lines import Numbers

ALONE: Final = "alone"
"""Nothing else moves: no other table could notice."""
ELSEWHERE: Final = "with other messages"
"""All other rules of the table hold, for messages that its neighbours would have to send or take."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A rule that is taken away: a constraint, or a message by its place among the table's interactions."""

    table: str
    kind: str
    """constraint, message, look-up, range look-up or answer."""
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Forged:
    """A trace that breaks one rule and no other."""

    deletion: Deletion
    tier: str
    row: int
    cells: tuple[str, ...]
    """What came free."""
    changes: tuple[tuple[int, int, int], ...]
    """Row, column and new value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A deleted rule among the equations of a site."""

    own: NDArray[np.bool_]
    """Its own equations, and those of rules that say the same."""
    exempt: NDArray[np.bool_]
    """What it alone bounds: counts of the messages that it lets happen once."""


@dataclass(frozen=True)
class Ground:
    """A table with an honest trace, canonical, (columns, height)."""

    table: Table
    trace: Numbers
    publics: tuple[int, ...]
    limits: dict[str, int]
    """Buses whose messages only have to be small."""
    answered: frozenset[str]
    """Buses on which some table answers as often as it is asked."""
    preprocessed: Numbers | None = None
    """What the key fixes, canonical, (columns, height)."""

    @cached_property
    def tape(self) -> Tape:
        return tape_of(self.table)

    @cached_property
    def honest_planes(self) -> Numbers:
        """`planes`, kept."""
        return self.planes()

    def planes(self) -> Numbers:
        """Every constraint and message on every row, (planes, height)."""
        trace, height = self.trace, self.trace.shape[1]
        out = np.empty((self.tape.planes, height), np.uint32)
        periodic = [encode(np.array(column.values, np.int64)) for column in self.table.periodic]
        publics = {Cell(CellKind.PUBLIC, place): value for place, value in enumerate(self.publics)}
        main = np.ascontiguousarray(encode(trace))
        fixed = None if self.preprocessed is None else np.ascontiguousarray(encode(self.preprocessed))
        self.tape.run(Sources(main, fixed, periodic=periodic), publics, out, threads=1)
        return decode(out).astype(np.int64)

    def deletions(self) -> list[Deletion]:
        """Everything that can be taken away."""
        found = [
            Deletion(self.table.name, "constraint", place, one.name)
            for place, one in enumerate(self.table.constraints)
        ]
        for place, one in enumerate(self.table.interactions):
            bus = one.bus.name
            if one.weight == 0:
                kind = "answer"
            elif bus in self.limits and one.direction is Direction.SEND:
                kind = "range look-up"
            elif bus in self.answered and one.direction is Direction.SEND:
                kind = "look-up"
            else:
                kind = "message"
            told = f"{one.direction} {place} on {bus}"
            if kind == "range look-up":
                told += f": {', '.join(self._names_in(one.values))}"
            found.append(Deletion(self.table.name, kind, place, told))
        return found

    def _names_in(self, values: Sequence[Expression]) -> list[str]:
        """The columns that are read, in their order."""
        names = self.table.main_names
        return [names[one.index] for one in cells_of(values) if one.kind is CellKind.MAIN]


@cache
def tape_of(table: Table) -> Tape:
    """Every constraint, then every message with its count; compiled once a table."""
    messages = [value for one in table.interactions for value in (*one.values, one.count)]
    return Tape.compile([*(constraint.polynomial for constraint in table.constraints), *messages])


@cache
def reads_its_neighbours(table: Table) -> bool:
    """Whether some rule reads two rows at once; otherwise several unknown rows are no more than one."""
    said = [value for one in table.interactions for value in (*one.values, one.count)]
    cells = cells_of([*(one.polynomial for one in table.constraints), *said])
    return any(cell.row_offset for cell in cells)


@cache
def counts_bounded_by(table: Table) -> tuple[Expression | None, ...]:
    """For each constraint the count of the messages that it lets happen once or not at all."""
    bounds = {id(one.count * (one.count - 1)): one.count for one in table.interactions}
    return tuple(bounds.get(id(one.polynomial)) for one in table.constraints)


@cache
def flag_columns(table: Table) -> dict[int, int]:
    """Constraints that let one cell be zero or one, with its column."""
    found: dict[int, int] = {}
    for number, one in enumerate(table.constraints):
        cells = cells_of([one.polynomial])
        if one.scope is Scope.EVERY_ROW and len(cells) == 1 and cells[0].kind is CellKind.MAIN:
            value = read(cells[0])
            if any(one.polynomial is flag for flag in (value * (value - 1), (value - 1) * value)):
                found[number] = cells[0].index
    return found


def twins_of(table: Table, publics: Sequence[int]) -> list[int]:
    """For each constraint the first one that says the same, up to a factor: compared at random places."""
    rng = np.random.default_rng(7)
    count = 16
    columns = len(table.main_names)
    flat = np.ascontiguousarray(encode(rng.integers(0, PRIME, (columns, 2 * count))))
    periodic = [encode(rng.integers(0, PRIME, 2 * count)) for _ in table.periodic]
    constants = {Cell(CellKind.PUBLIC, place): int(rng.integers(0, PRIME)) for place, _ in enumerate(publics)}
    tape = tape_of(table)
    out = np.empty((tape.planes, 2 * count), np.uint32)
    preprocessed = (
        np.ascontiguousarray(encode(rng.integers(0, PRIME, (len(table.preprocessed_names), 2 * count))))
        if table.preprocessed_names
        else None
    )
    tape.run(Sources(flat, preprocessed, periodic=periodic), constants, out, threads=1)
    seen: dict[tuple[object, ...], int] = {}
    answers = []
    for place, constraint in enumerate(table.constraints):
        line = decode(out[place, ::2]).astype(np.int64)
        scaled = line * pow(int(line[0]), PRIME - 2, PRIME) % PRIME
        answers.append(seen.setdefault((constraint.scope, *scaled.tolist()), place))
    return answers
