"""Deletion testing: what comes free when one constraint, one message or one look-up of a table is taken away.

Around an honest row all other rules are linearised; a direction in which they stand still and the deleted one moves
is followed to another trace, by Newton's method over the field, which breaks exactly the deleted rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.air.bus import Direction
from prover.air.expression import Cell, CellKind
from prover.air.table import Scope, Table
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME, decode, encode

Numbers = NDArray[np.int64]
Place = tuple[int, int]
"""A row and a column of a trace."""

NEWTON_STEPS: Final = 6
ORDERS_TRIED: Final = 4
_TWELFTH: Final = pow(12, PRIME - 2, PRIME)
_STENCIL: Final = ((1, 8), (-1, -8), (2, -1), (-2, 1))
"""Twelve times the derivative at zero of any polynomial of degree four."""


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
    row: int
    cells: tuple[str, ...]
    """What came free."""
    changes: tuple[tuple[int, int, int], ...]
    """Row, column and new value."""


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

    @cached_property
    def tape(self) -> Tape:
        return tape_of(self.table)

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
            found.append(Deletion(self.table.name, kind, place, f"{one.direction} {place} on {bus}"))
        return found


_TAPES: dict[str, Tape] = {}


def tape_of(table: Table) -> Tape:
    """Every constraint, then every message with its count; compiled once a table."""
    found = _TAPES.get(table.name)
    if found is None:
        messages = [value for one in table.interactions for value in (*one.values, one.count)]
        polynomials = [constraint.polynomial for constraint in table.constraints]
        found = _TAPES[table.name] = Tape.compile([*polynomials, *messages])
    return found


class Site:
    """Some neighbouring rows whose cells are unknown, with everything that reads them."""

    def __init__(self, ground: Ground, row: int, rows: int = 1) -> None:
        self.ground = ground
        height = ground.trace.shape[1]
        self.rows = [(row + k) % height for k in range(min(rows, height))]
        self.windows = sorted({(row - 1 + k) % height for k in range(rows + 1)})
        columns = len(ground.table.main_names)
        self.cells: list[Place] = [(one, column) for one in self.rows for column in range(columns)]
        self.honest = np.array([ground.trace[column, one] for one, column in self.cells], np.int64)
        self.constraints, self.owners, self.chosen = self._equations()
        self.base = self.values(self.honest[:, None])[:, 0]

    def _equations(self) -> tuple[int, list[tuple[str, int]], Numbers]:
        """Which planes of the tape hold at which window: (window, plane) of every equation, and its owner."""
        table, height = self.ground.table, self.ground.trace.shape[1]
        owners: list[tuple[str, int]] = []
        chosen: list[tuple[int, int]] = []
        for place, window in enumerate(self.windows):
            for index, constraint in enumerate(table.constraints):
                if _holds(constraint.scope, window, height):
                    owners.append(("constraint", index))
                    chosen.append((place, index))
        count = len(owners)
        plane = len(table.constraints)
        honest = self._planes(self.honest[:, None])[:, :, 0]
        for index, one in enumerate(table.interactions):
            for place, _ in enumerate(self.windows):
                happens = honest[place, plane + one.bus.arity] != 0
                parts = range(one.bus.arity + 1) if happens else [one.bus.arity]
                owners += [("interaction", index)] * len(parts)
                chosen += [(place, plane + part) for part in parts]
            plane += one.bus.arity + 1
        return count, owners, np.array(chosen, np.int64).reshape(-1, 2)

    def _planes(self, lanes: Numbers) -> Numbers:
        """The tape at every window for (cells, lanes) values: (windows, planes, lanes)."""
        ground = self.ground
        trace, table = ground.trace, ground.table
        height, count = trace.shape[1], lanes.shape[1]
        columns = trace.shape[0]
        of_row = {one: lanes[k * columns : (k + 1) * columns] for k, one in enumerate(self.rows)}
        publics = {Cell(CellKind.PUBLIC, place): value for place, value in enumerate(ground.publics)}
        answers = []
        for window in self.windows:
            pair = np.zeros((columns, count, 2), np.int64)
            for side, one in enumerate((window, (window + 1) % height)):
                pair[:, :, side] = of_row.get(one, trace[:, one : one + 1])
            flat = np.ascontiguousarray(encode(pair.reshape(columns, 2 * count)))
            periodic = [
                encode(np.array([column.values[window % len(column.values)]], np.int64))
                for column in table.periodic
            ]
            out = np.empty((ground.tape.planes, 2 * count), np.uint32)
            ground.tape.run(Sources(flat, None, periodic=periodic), publics, out, threads=1)
            answers.append(decode(out[:, ::2]).astype(np.int64))
        return np.stack(answers)

    def values(self, lanes: Numbers) -> Numbers:
        """Every equation's left side, (equations, lanes); messages as they are, not what they should be."""
        planes = self._planes(lanes)
        answers: Numbers = planes[self.chosen[:, 0], self.chosen[:, 1]]
        return answers

    def jacobian(self, at: Numbers) -> Numbers:
        """The derivative of every equation by every cell."""
        count = len(self.cells)
        total = np.zeros((len(self.owners), count), np.int64)
        for step, weight in _STENCIL:
            lanes = np.repeat(at[:, None], count, axis=1)
            np.fill_diagonal(lanes, (at + step) % PRIME)
            total = (total + weight * self.values(lanes)) % PRIME
        return total * _TWELFTH % PRIME

    @cached_property
    def slope(self) -> Numbers:
        """The Jacobian at the honest row."""
        return self.jacobian(self.honest)

    @cached_property
    def is_range(self) -> NDArray[np.bool_]:
        """Equations that are values of range look-ups, which may change within their range."""
        limits = self.ground.limits
        interactions = self.ground.table.interactions
        return np.array(
            [
                kind == "interaction" and interactions[index].bus.name in limits and self._is_value(equation)
                for equation, (kind, index) in enumerate(self.owners)
            ],
            bool,
        )

    def _is_value(self, equation: int) -> bool:
        """Whether an equation of a message is one of its values, not its count: counts come last."""
        following = equation + 1
        same = following < len(self.owners) and self.owners[following] == self.owners[equation]
        return bool(same and self.chosen[following][0] == self.chosen[equation][0])

    @cached_property
    def limit_of(self) -> Numbers:
        """The bound of every range equation, zero elsewhere."""
        limits, interactions = self.ground.limits, self.ground.table.interactions
        bounds = [
            limits[interactions[index].bus.name] if is_range else 0
            for (_, index), is_range in zip(self.owners, self.is_range, strict=True)
        ]
        return np.array(bounds, np.int64)

    def breaks_only(self, at: Numbers, own: NDArray[np.bool_], deletion: Deletion) -> bool:
        """Whether another row breaks the deleted rule and nothing else."""
        now = self.values(at[:, None])[:, 0]
        moved = now != self.base
        in_range = self.is_range & (now < self.limit_of)
        if (moved & ~own & ~in_range).any():
            return False
        if deletion.kind == "range look-up":
            return bool((own & self.is_range & (now >= self.limit_of)).any())
        return bool((moved & own).any())

    def forge(self, deletion: Deletion, own: NDArray[np.bool_], random: Random) -> Forged | None:
        """Another content of the unknown cells that breaks the deleted rule alone."""
        for has_ranges in (True, False):
            kept = ~own & (True if has_ranges else ~self.is_range)
            found = self._forge_with(deletion, own, kept, random)
            if found is not None:
                return found
        return None

    def _forge_with(
        self, deletion: Deletion, own: NDArray[np.bool_], kept: NDArray[np.bool_], random: Random
    ) -> Forged | None:
        rules = _row_basis(self.slope[kept])
        order = list(range(len(self.cells)))
        for _ in range(ORDERS_TRIED):
            random.shuffle(order)
            directions = list(_directions(rules, order))
            directions.sort(key=np.count_nonzero)
            useful = [one for one in directions if (product(self.slope[own], one)).any()]
            for direction in useful[:6]:
                found = self._follow(direction, deletion, own, kept)
                if found is not None:
                    return found
        return None

    def _follow(
        self, direction: Numbers, deletion: Deletion, own: NDArray[np.bool_], kept: NDArray[np.bool_]
    ) -> Forged | None:
        cells = np.flatnonzero(direction)
        scaled = self._scaled(direction)
        lanes = np.stack([(self.honest + one) % PRIME for one in scaled], axis=1)
        now = self.values(lanes)
        moved = now != self.base[:, None]
        in_range = self.is_range[:, None] & (now < self.limit_of[:, None])
        bad = (moved & ~own[:, None] & ~in_range).any(axis=0)
        if deletion.kind == "range look-up":
            good = (own[:, None] & self.is_range[:, None] & (now >= self.limit_of[:, None])).any(axis=0)
        else:
            good = (moved & own[:, None]).any(axis=0)
        for lane in np.flatnonzero(good & ~bad):
            return self._forged(lanes[:, lane], deletion)
        if len(cells) > 40:
            return None
        for driver in cells[:3]:
            at = self._newton(lanes[:, 0], int(driver), cells, kept)
            if at is not None and self.breaks_only(at, own, deletion):
                return self._forged(at, deletion)
        return None

    def _scaled(self, direction: Numbers) -> list[Numbers]:
        """Multiples of a direction in which some cell moves by a small step."""
        answers = [direction]
        for cell in np.flatnonzero(direction)[:8]:
            inverse = pow(int(direction[cell]), PRIME - 2, PRIME)
            unit = direction * inverse % PRIME
            answers += [unit * step % PRIME for step in (1, PRIME - 1, 2, 1 << 16, PRIME - (1 << 16), 1 << 14)]
        return answers

    def _newton(self, at: Numbers, driver: int, cells: Numbers, kept: NDArray[np.bool_]) -> Numbers | None:
        """Repair what a step has broken, with all cells of the direction but the driver."""
        free = cells[cells != driver]
        if not free.size:
            return None
        for _ in range(NEWTON_STEPS):
            gap = (self.base - self.values(at[:, None])[:, 0])[kept] % PRIME
            if not gap.any():
                return at
            step = _solve(self._columns(at, free)[kept], gap)
            if step is None:
                return None
            at = at.copy()
            at[free] = (at[free] + step) % PRIME
        return None

    def _columns(self, at: Numbers, cells: Numbers) -> Numbers:
        """Some columns of the Jacobian somewhere."""
        total = np.zeros((len(self.owners), len(cells)), np.int64)
        for step, weight in _STENCIL:
            lanes = np.repeat(at[:, None], len(cells), axis=1)
            lanes[cells, np.arange(len(cells))] = (at[cells] + step) % PRIME
            total = (total + weight * self.values(lanes)) % PRIME
        return total * _TWELFTH % PRIME

    def _forged(self, at: Numbers, deletion: Deletion) -> Forged:
        names = self.ground.table.main_names
        changed = np.flatnonzero(at != self.honest)
        places = [self.cells[cell] for cell in changed]
        first = self.rows[0]
        told = tuple(names[column] + ("" if one == first else " (next row)") for one, column in places)
        changes = tuple((one, column, int(at[cell])) for cell, (one, column) in zip(changed, places, strict=True))
        return Forged(deletion, first, told, changes)


def _holds(scope: Scope, row: int, height: int) -> bool:
    match scope:
        case Scope.EVERY_ROW:
            return True
        case Scope.FIRST_ROW:
            return row == 0
        case Scope.LAST_ROW:
            return row == height - 1
        case _:
            return row != height - 1


def _row_basis(matrix: Numbers) -> Numbers:
    """Independent rows with the same span."""
    rows = np.unique(matrix[matrix.any(axis=1)], axis=0)
    reduced, pivots = _reduce(rows)
    return reduced[: len(pivots)]


def _reduce(matrix: Numbers) -> tuple[Numbers, list[int]]:
    """Reduced row echelon form over the field, and the pivots' columns."""
    rows, pivots, top = matrix.copy(), [], 0
    for column in range(rows.shape[1]):
        if top == len(rows):
            break
        found = np.flatnonzero(rows[top:, column])
        if not found.size:
            continue
        pivot = top + int(found[0])
        if pivot != top:
            rows[[top, pivot]] = rows[[pivot, top]]
        rows[top] = rows[top] * pow(int(rows[top, column]), PRIME - 2, PRIME) % PRIME
        others = np.flatnonzero(rows[:, column])
        others = others[others != top]
        rows[others] = (rows[others] - rows[others, column][:, None] * rows[top]) % PRIME
        pivots.append(column)
        top += 1
    return rows, pivots


def _directions(rules: Numbers, order: Sequence[int]) -> Iterator[Numbers]:
    """Directions with as few cells as can be in which no rule moves: one for each cell that the order leaves free."""
    width = len(order)
    arranged = np.asarray(order)
    reduced, pivots = _reduce(rules[:, arranged]) if rules.size else (rules, [])
    for column in sorted(set(range(width)) - set(pivots)):
        direction = np.zeros(width, np.int64)
        direction[arranged[column]] = 1
        for row, pivot in enumerate(pivots):
            direction[arranged[pivot]] = -reduced[row, column] % PRIME
        yield direction


def _solve(matrix: Numbers, right: Numbers) -> Numbers | None:
    """One solution of a linear system, None where there is none."""
    reduced, pivots = _reduce(np.concatenate([matrix, right[:, None]], axis=1))
    width = matrix.shape[1]
    if pivots and pivots[-1] == width:
        return None
    answer = np.zeros(width, np.int64)
    for row, pivot in enumerate(pivots):
        answer[pivot] = reduced[row, width]
    return answer


def product(matrix: Numbers, vector: Numbers) -> Numbers:
    """A matrix times a vector over the field, without overflow: products are reduced before they are added."""
    answer: Numbers = (matrix * vector % PRIME).sum(axis=1) % PRIME
    return answer


def twins_of(table: Table, publics: Sequence[int]) -> list[int]:
    """For each constraint the first one that says the same, up to a factor: compared at random places."""
    rng = np.random.default_rng(7)
    count = 12
    columns = len(table.main_names)
    flat = np.ascontiguousarray(encode(rng.integers(0, PRIME, (columns, 2 * count))))
    periodic = [encode(rng.integers(0, PRIME, 1)) for _ in table.periodic]
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
