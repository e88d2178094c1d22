"""Rows of several kinds in one table: what is rare shares its columns.

    one selector a kind, at most one of them is 1 | cells, which mean what the row's kind says

Every kind is stated as a table of its own, with its own columns, constraints and messages; nothing is stated twice.
Here a kind's constraints are multiplied by its selector, which stands for the kind's "is live",
and messages of different kinds on one bus share a place, since no row is of two kinds.

Soundness: on a row whose selector is one every constraint of the kind holds as it stands in the kind's own table,
and the row sends and receives exactly the kind's messages; a row of no kind sends and receives nothing.
So what the tables of kinds guarantee together, the shared table does.
A verifier pays for every column at every query; here many kinds of rows cost it little more than the widest one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from prover.air.bus import Bus, Direction, Interaction
from prover.air.expression import (
    Cell,
    CellKind,
    Expression,
    Operation,
    cells_of,
    lift,
    read,
    topological_order,
)
from prover.air.table import Constraint, Scope, Table
from prover.field.koalabear import Montgomery, encode

LIVE: Final = "is live"
"""The column of a kind's own table whose place the selector takes.

A kind without it is the head: it has exactly one row, the first."""


@dataclass(frozen=True, slots=True)
class United:
    """A table of several kinds of rows."""

    table: Table
    kinds: tuple[Table, ...]
    places: Mapping[str, tuple[int, ...]]
    """By kind: which column here holds each of the kind's own."""
    selectors: Mapping[str, int]
    """By kind: the column of its selector."""

    def fill(self, traces: Mapping[str, Montgomery], log_height: int) -> Montgomery:
        """The live rows of all kinds below each other; the rest is zero."""
        trace = np.zeros((len(self.table.main_names), 1 << log_height), np.uint32)
        start = 0
        for kind in self.kinds:
            own = traces[kind.name]
            rows = np.flatnonzero(own[kind.main_names.index(LIVE)]) if LIVE in kind.main_names else [0]
            stop = start + len(rows)
            if stop > trace.shape[1]:
                raise ValueError(f"{stop} rows and more do not fit a table of {trace.shape[1]}")
            trace[self.selectors[kind.name], start:stop] = encode(np.ones(len(rows), np.int64))
            # The selector is the kind's "is live", so writing that once more changes nothing.
            trace[list(self.places[kind.name]), start:stop] = own[:, rows]
            start = stop
        return trace


def unite(name: str, kinds: Sequence[Table]) -> United:
    """One table for the rows of all these tables, of which the first may be the head."""
    for kind in kinds:
        _require_alone(kind)
    if any(LIVE not in kind.main_names for kind in kinds[1:]):
        raise ValueError(f"table {name}: only the first kind can be one of exactly one row")
    selectors = {kind.name: place for place, kind in enumerate(kinds)}
    places, slots = _Arrangement(selectors).arrange(kinds)
    width = 1 + max(place for part in places.values() for place in part)
    names = [f"is {kind.name}" for kind in kinds]
    names += [f"cell {i}" for i in range(width - len(names))]
    constraints = _selecting(kinds)
    for kind in kinds:
        cells = _cells_of(kind, places[kind.name])
        for constraint in kind.constraints:
            polynomial = _rewritten(constraint.polynomial, cells)
            if polynomial.constant_value is not None:
                if polynomial.constant_value:
                    raise ValueError(f"table {kind.name}: no live row satisfies '{constraint.name}'")
                continue
            gated = _selector(selectors[kind.name]) * polynomial
            constraints.append(Constraint(f"{kind.name}: {constraint.name}", Scope.EVERY_ROW, gated))
    interactions = [slot.interaction(selectors) for slot in slots]
    # Those of low degree first: more of them share a column of fractions.
    interactions.sort(key=lambda one: max(value.degree for value in one.values))
    table = Table(name, (), tuple(names), (), (), (), tuple(constraints), tuple(interactions))
    return United(table, tuple(kinds), places, selectors)


def _require_alone(kind: Table) -> None:
    """A row that is read together with its neighbours cannot stand among rows of other kinds."""
    said = [value for one in kind.interactions for value in (*one.values, one.count)]
    cells = cells_of([*(constraint.polynomial for constraint in kind.constraints), *said])
    if (
        any(cell.row_offset or cell.kind not in {CellKind.MAIN, CellKind.PUBLIC} for cell in cells)
        or any(constraint.scope is not Scope.EVERY_ROW for constraint in kind.constraints)
        or kind.challenge_columns
    ):
        raise ValueError(f"table {kind.name}: its rows do not stand alone")


def _selecting(kinds: Sequence[Table]) -> list[Constraint]:
    """What binds the selectors."""
    selectors = [_selector(place) for place in range(len(kinds))]
    constraints = [
        Constraint(f"a row is of kind {kind.name} or not", Scope.EVERY_ROW, selector * (selector - 1))
        for kind, selector in zip(kinds, selectors, strict=True)
    ]
    # Soundness: a row of two kinds would have one kind's messages sent in the other's place.
    of_any = sum(selectors, lift(0))
    constraints.append(Constraint("a row is of one kind at most", Scope.EVERY_ROW, of_any * (of_any - 1)))
    if LIVE not in kinds[0].main_names:
        head = selectors[0]
        constraints += [
            Constraint(f"the first row is the {kinds[0].name}", Scope.FIRST_ROW, head - 1),
            # Soundness: a second head could open and close the books once more.
            Constraint(f"no other row is the {kinds[0].name}", Scope.TRANSITION, head.next),
        ]
    return constraints


def _selector(place: int) -> Expression:
    return read(Cell(CellKind.MAIN, place))


def _cells_of(kind: Table, places: Sequence[int]) -> dict[Cell, Expression]:
    """What stands for each cell of the kind; it is live where its selector is one."""
    return {
        Cell(CellKind.MAIN, i): lift(1) if name == LIVE else read(Cell(CellKind.MAIN, places[i]))
        for i, name in enumerate(kind.main_names)
    }


def _rewritten(root: Expression, cells: Mapping[Cell, Expression]) -> Expression:
    """The same polynomial over other cells."""
    done: dict[Expression, Expression] = {}
    for node in topological_order([root]):
        sources = [done[source] for source in node.sources]
        match node.operation:
            case Operation.ADD:
                done[node] = sources[0] + sources[1]
            case Operation.SUBTRACT:
                done[node] = sources[0] - sources[1]
            case Operation.MULTIPLY:
                done[node] = sources[0] * sources[1]
            case _:
                done[node] = cells.get(node.payload, node) if isinstance(node.payload, Cell) else node
    return done[root]


def _split(value: Expression) -> tuple[Expression, int]:
    """A value as what varies and a constant: values that differ in the constant alone keep their degree."""
    if value.constant_value is not None:
        return lift(0), value.constant_value
    if value.operation in {Operation.ADD, Operation.SUBTRACT}:
        left, right = value.sources
        if right.constant_value is not None:
            return left, right.constant_value if value.operation is Operation.ADD else -right.constant_value
        if left.constant_value is not None and value.operation is Operation.ADD:
            return right, left.constant_value
    return value, 0


@dataclass(slots=True)
class _Slot:
    """A place for one message a row: at most one message of each kind."""

    bus: Bus
    direction: Direction
    weight: int
    bases: list[Expression]
    """What varies in each value, as the first kind has it here."""
    messages: dict[str, tuple[list[Expression], Expression]] = field(default_factory=dict)
    """By kind: the values and the count."""

    def interaction(self, selectors: Mapping[str, int]) -> Interaction:
        """The message that a row of any kind has here."""
        count = lift(0)
        for kind, (_, own) in self.messages.items():
            # Soundness: at most one selector is one, and where it is the kind binds its own count to zero and one.
            count = count + _selector(selectors[kind]) * own
        values = tuple(
            _chosen({kind: values[place] for kind, (values, _) in self.messages.items()}, selectors)
            for place in range(len(self.bases))
        )
        return Interaction(self.bus, self.direction, values, count, self.weight)


def _chosen(values: Mapping[str, Expression], selectors: Mapping[str, int]) -> Expression:
    """The value of the row's kind; what most kinds agree on needs no selector."""
    parts = {kind: _split(value) for kind, value in values.items()}
    ((base, _),) = Counter(part for part, _ in parts.values()).most_common(1)
    constants = {constant for part, constant in parts.values() if part is base}
    if len(constants) == 1 and all(part is base for part, _ in parts.values()):
        return base + constants.pop()
    chosen = base
    for kind, (part, constant) in parts.items():
        chosen = chosen + _selector(selectors[kind]) * (constant + (part - base))
    return chosen


@dataclass(slots=True)
class _Arrangement:
    """Gives every kind's columns their places, so that messages of different kinds agree where they can.

    A value that all kinds have in one place is linear there; else it is chosen by the selectors, of degree two,
    and only half as many fractions share a column.
    Any arrangement is sound; it decides the number of columns only.
    """

    selectors: Mapping[str, int]
    slots: dict[tuple[Bus, Direction, int], list[_Slot]] = field(default_factory=dict)

    def arrange(self, kinds: Sequence[Table]) -> tuple[dict[str, tuple[int, ...]], list[_Slot]]:
        """The places of all columns, and all messages: the widest kind goes first."""
        places = {}
        for kind in sorted(kinds, key=lambda kind: -len(kind.main_names)):
            places[kind.name] = self._place(kind)
        return places, [slot for slots in self.slots.values() for slot in slots]

    def _place(self, kind: Table) -> tuple[int, ...]:
        """Place one kind's messages, and with them its columns."""
        found: dict[int, int] = {}
        if LIVE in kind.main_names:
            found[kind.main_names.index(LIVE)] = self.selectors[kind.name]
        laid: list[tuple[Interaction, _Slot | None]] = []
        used: set[int] = set()
        for message in sorted(kind.interactions, key=lambda one: one.bus.arity):
            slots = self.slots.get((message.bus, message.direction, message.weight), [])
            free = [slot for slot in slots if id(slot) not in used]
            best = max(free, key=lambda slot: _agreeing(slot, message, found), default=None)
            if best is not None:
                used.add(id(best))
                _adopt(best, message, found)
            laid.append((message, best))
        self._place_the_rest(kind, found)
        places = tuple(found[i] for i in range(len(kind.main_names)))
        cells = _cells_of(kind, places)
        for message, slot in laid:
            values = [_rewritten(value, cells) for value in message.values]
            if slot is None:
                key = (message.bus, message.direction, message.weight)
                slot = _Slot(*key, [_split(value)[0] for value in values])  # noqa: PLW2901 - the new one
                self.slots.setdefault(key, []).append(slot)
            slot.messages[kind.name] = (values, _rewritten(message.count, cells))
        return places

    def _place_the_rest(self, kind: Table, found: dict[int, int]) -> None:
        """Columns that agree with nothing take the first places that are left."""
        taken, place = set(found.values()), len(self.selectors)
        for i in range(len(kind.main_names)):
            if i not in found:
                while place in taken:
                    place += 1
                found[i] = place
                taken.add(place)


def _plain(value: Expression) -> int | None:
    """The column of a value that is a single cell of the witness."""
    cell = _split(value)[0].payload
    return cell.index if isinstance(cell, Cell) and cell.kind is CellKind.MAIN else None


def _agreeing(slot: _Slot, message: Interaction, found: Mapping[int, int]) -> int:
    """How many values of a message would be those that the slot has already."""
    agreed, taken = 0, set(found.values())
    for base, value in zip(slot.bases, message.values, strict=True):
        own, there = _plain(value), _plain(base)
        if own is None:
            agreed += value.constant_value is not None and base.constant_value is not None
        elif there is not None:
            agreed += found[own] == there if own in found else there not in taken
            taken.add(there)
    return agreed


def _adopt(slot: _Slot, message: Interaction, found: dict[int, int]) -> None:
    """Place a message's columns where the slot has its own."""
    taken = set(found.values())
    for base, value in zip(slot.bases, message.values, strict=True):
        own, there = _plain(value), _plain(base)
        if own is not None and there is not None and own not in found and there not in taken:
            found[own] = there
            taken.add(there)
