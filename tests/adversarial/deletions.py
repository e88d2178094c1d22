"""Deletion testing: what comes free when one constraint, one message or one look-up of a table is taken away.

Around an honest row all other rules are linearised; a direction in which they stand still and the deleted one moves
is followed to another trace, by Newton's method over the field, which breaks exactly the deleted rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
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

ALONE: Final = "alone"
"""Nothing else moves: no other table could notice."""
ELSEWHERE: Final = "with other messages"
"""All other rules of the table hold, for messages that its neighbours would have to send or take."""

NEWTON_STEPS: Final = 3
ORDERS_TRIED: Final = 3
DIRECTIONS_TRIED: Final = 6
MOST_CELLS: Final = 40
FLAGS_TRIED: Final = 16
PAIRS_TRIED: Final = 300
CLASSES_REPAIRED: Final = 12
REPAIRED_ROWS: Final = 1
REPAIRS_TRIED: Final = 12
"""Bounds of the search a site: what it does not find within them is listed as not found."""
LANES: Final = 1024
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

    @cached_property
    def tape(self) -> Tape:
        return tape_of(self.table)

    def planes(self) -> Numbers:
        """Every constraint and message on every row, (planes, height)."""
        trace, height = self.trace, self.trace.shape[1]
        out = np.empty((self.tape.planes, height), np.uint32)
        periodic = [encode(np.array(column.values, np.int64)) for column in self.table.periodic]
        publics = {Cell(CellKind.PUBLIC, place): value for place, value in enumerate(self.publics)}
        main = np.ascontiguousarray(encode(trace))
        self.tape.run(Sources(main, None, periodic=periodic), publics, out, threads=1)
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
                is_bound = one.bus.name in self.ground.limits
                parts = range(one.bus.arity + 1) if happens or is_bound else [one.bus.arity]
                owners += [("interaction", index)] * len(parts)
                chosen += [(place, plane + part) for part in parts]
            plane += one.bus.arity + 1
        return count, owners, np.array(chosen, np.int64).reshape(-1, 2)

    def _planes(self, lanes: Numbers) -> Numbers:
        """The tape at every window for (cells, lanes) values: (windows, planes, lanes)."""
        ground = self.ground
        trace, table = ground.trace, ground.table
        height, used = trace.shape[1], lanes.shape[1]
        columns, count = trace.shape[0], 1 << (used - 1).bit_length()
        lanes = np.pad(lanes, ((0, 0), (0, count - used)))
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
            answers.append(decode(out[:, : 2 * used : 2]).astype(np.int64))
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
    def is_message(self) -> NDArray[np.bool_]:
        """Equations that are values of messages to other tables."""
        is_value = [
            kind == "interaction" and self._is_value(equation)
            for equation, (kind, _) in enumerate(self.owners)
        ]
        return np.array(is_value, bool) & ~self.is_range

    @cached_property
    def is_count(self) -> NDArray[np.bool_]:
        """Equations that say how often a message happens."""
        is_interaction = np.array([kind == "interaction" for kind, _ in self.owners], bool)
        return is_interaction & ~self.is_range & ~self.is_message

    @cached_property
    def count_of(self) -> Numbers:
        """The equation of the count that belongs to each equation: its own place where it is none of a message."""
        answer = np.arange(len(self.owners))
        for equation in reversed(range(len(self.owners) - 1)):
            if self.is_range[equation]:
                answer[equation] = answer[equation + 1] if self.is_range[equation + 1] else equation + 1
        return answer

    def tiers(self) -> list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
        """What a forgery may move besides the deleted rule: its name, what it may move, what is kept still at first.

        Values of range look-ups may always move within their range; it is tried first without.
        """
        nothing = np.zeros(len(self.owners), bool)
        silent = self.is_range & (self.base[self.count_of] == 0)
        spoken = self.is_message | self.is_count
        return [
            (ALONE, nothing, ~silent),
            (ALONE, nothing, ~self.is_range),
            (ELSEWHERE, spoken, ~spoken & ~silent),
            (ELSEWHERE, spoken, ~spoken & ~self.is_range),
        ]

    @cached_property
    def limit_of(self) -> Numbers:
        """The bound of every range equation, zero elsewhere."""
        limits, interactions = self.ground.limits, self.ground.table.interactions
        bounds = [
            limits[interactions[index].bus.name] if is_range else 0
            for (_, index), is_range in zip(self.owners, self.is_range, strict=True)
        ]
        return np.array(bounds, np.int64)

    def forge(self, deletion: Deletion, rule: Rule, frees: Sequence[Frees], random: Random) -> Forged | None:
        """Another content of the unknown cells that breaks the deleted rule alone."""
        for (tier, may_move, still), freedom in zip(self.tiers(), frees, strict=True):
            if deletion.kind in {"message", "answer"} and tier == ELSEWHERE:
                return None
            kept = still & ~rule.own & ~rule.exempt
            if not freedom.has(rule.own | (rule.exempt & still), rule.own):
                continue
            at = self._forge_within(deletion, rule, may_move | rule.exempt, kept, random)
            if at is not None:
                return self._forged(at, deletion, tier)
        return None

    def _forge_within(
        self,
        deletion: Deletion,
        rule: Rule,
        may_move: NDArray[np.bool_],
        kept: NDArray[np.bool_],
        random: Random,
    ) -> Numbers | None:
        rules = _row_basis(self.slope[kept])
        order = list(range(len(self.cells)))
        for _ in range(ORDERS_TRIED):
            random.shuffle(order)
            directions = sorted(_directions(rules, order), key=np.count_nonzero)
            own = self.slope[rule.own]
            useful = [one for one in directions if product(own, one).any()]
            for direction in useful[:DIRECTIONS_TRIED]:
                found = self._follow(direction, deletion, rule, may_move, kept)
                if found is not None:
                    return found
        return None

    def _follow(
        self,
        direction: Numbers,
        deletion: Deletion,
        rule: Rule,
        may_move: NDArray[np.bool_],
        kept: NDArray[np.bool_],
    ) -> Numbers | None:
        cells = np.flatnonzero(direction)
        lanes = np.stack([(self.honest + one) % PRIME for one in self._scaled(direction)], axis=1)
        for lane in np.flatnonzero(self.breaks_only(lanes, deletion, rule, may_move)):
            answer: Numbers = lanes[:, lane]
            return answer
        if len(cells) > MOST_CELLS:
            return None
        for driver in cells[:3]:
            at = self._newton(lanes[:, 0], int(driver), cells, kept)
            if at is not None and self.breaks_only(at[:, None], deletion, rule, may_move)[0]:
                return at
        return None

    def breaks_only(
        self, lanes: Numbers, deletion: Deletion, rule: Rule, may_move: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Whether other contents break the deleted rule and nothing else."""
        now = self.values(lanes)
        broken = self.broken(now)
        own, other = rule.own[:, None], ~(rule.own | may_move)[:, None]
        moved = np.asarray(now != self.base[:, None], bool)
        is_gone = (broken if deletion.kind in {"constraint", "range look-up"} else moved) & own
        return np.asarray(is_gone.any(axis=0) & ~(broken & other).any(axis=0), bool)

    def broken(self, now: Numbers) -> NDArray[np.bool_]:
        """Equations that do not hold: constraints and messages that moved, look-ups out of range that are asked."""
        is_out = (now >= self.limit_of[:, None]) & (now[self.count_of] != 0)
        answer: NDArray[np.bool_] = np.where(self.is_range[:, None], is_out, now != self.base[:, None])
        return answer

    @cached_property
    def flags(self) -> list[int]:
        """Cells of columns that are zero or one everywhere, those with a one somewhere first."""
        most = self.ground.trace.max(axis=1)
        cells = [cell for cell, (_, column) in enumerate(self.cells) if most[column] < 2]
        return sorted(cells, key=lambda cell: (-int(most[self.cells[cell][1]]), cell))[:FLAGS_TRIED]

    def repaired_flips(self, twins: Sequence[int], wanted: set[int]) -> dict[int, Numbers]:
        """Constraints that alone stay broken after one or two flags were changed and all else was repaired."""
        constraints = np.array([kind == "constraint" for kind, _ in self.owners], bool)
        classes = np.array(
            [twins[index] if kind == "constraint" else -1 for kind, index in self.owners], np.int64
        )
        flips = [(cell, value) for cell in self.flags for value in (1 - int(self.honest[cell]), 2)]
        changes: list[tuple[tuple[int, int], ...]] = [(one,) for one in flips]
        changes += [pair for pair in combinations(flips, 2) if pair[0][0] != pair[1][0]][:PAIRS_TRIED]
        lanes = np.repeat(self.honest[:, None], len(changes), axis=1)
        for lane, change in enumerate(changes):
            for cell, value in change:
                lanes[cell, lane] = value
        broken = self.broken(self.values(lanes)) & constraints[:, None] if changes else np.zeros((0, 0), bool)
        found: dict[int, Numbers] = {}
        tried = 0
        steady = np.array([cell not in set(self.flags) for cell in range(len(self.cells))], bool)
        for lane in sorted(range(len(changes)), key=lambda lane: int(broken[:, lane].sum())):
            touched = {int(one) for one in classes[broken[:, lane]]}
            missing = (touched & wanted) - set(found)
            if not missing or len(touched) > CLASSES_REPAIRED:
                continue
            free = np.flatnonzero(steady)
            for one in sorted(missing):
                tried += 1
                if tried > REPAIRS_TRIED:
                    return found
                own = classes == one
                for still in (constraints | self.is_range, constraints):
                    silent = self.is_range & (self.values(lanes[:, lane : lane + 1])[self.count_of, 0] == 0)
                    at = self._newton(lanes[:, lane], -1, free, still & ~own & ~silent)
                    if at is None:
                        continue
                    now = self.broken(self.values(at[:, None]))[:, 0]
                    if (now & own).any() and not (now & ~own & (constraints | self.is_range)).any():
                        found[one] = at
                        break
        return found

    def small_changes(self, twins: Sequence[int]) -> dict[tuple[str, int], Numbers]:
        """Rules that some change of one cell, or of up to three flags, breaks alone; messages may move.

        For each such rule the fewest cells.
        """
        classes = np.array(
            [twins[index] if kind == "constraint" else -1 - index for kind, index in self.owners], np.int64
        )
        flags = self.flags
        changes: list[tuple[tuple[int, int], ...]] = [
            ((cell, (int(value) + step) % PRIME),)
            for cell, value in enumerate(self.honest)
            for step in (1, PRIME - 1, 1 << 16, PRIME - (1 << 16), 12_345_678)
        ]
        flips = [(cell, 1 - int(self.honest[cell])) for cell in flags]
        changes += [*combinations(flips, 2), *combinations(flips, 3)]
        spoken = (self.is_message | self.is_count)[:, None]
        found: dict[tuple[str, int], Numbers] = {}
        for start in range(0, len(changes), LANES):
            some = changes[start : start + LANES]
            lanes = np.repeat(self.honest[:, None], len(some), axis=1)
            for lane, change in enumerate(some):
                for cell, value in change:
                    lanes[cell, lane] = value
            broken = self.broken(self.values(lanes)) & ~spoken
            least = np.where(broken, classes[:, None], 1 << 40).min(axis=0)
            most = np.where(broken, classes[:, None], -(1 << 40)).max(axis=0)
            for column in np.flatnonzero(least == most):
                one = int(least[column])
                key = ("constraint", one) if one >= 0 else ("interaction", -1 - one)
                found.setdefault(key, lanes[:, column])
        return found

    def _scaled(self, direction: Numbers) -> list[Numbers]:
        """Multiples of a direction in which some cell moves by a small step."""
        answers = [direction]
        for cell in np.flatnonzero(direction)[:8]:
            inverse = pow(int(direction[cell]), PRIME - 2, PRIME)
            unit = direction * inverse % PRIME
            answers += [
                unit * step % PRIME for step in (1, PRIME - 1, 2, 1 << 16, PRIME - (1 << 16), 1 << 14)
            ]
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

    def told(self, at: Numbers, deletion: Deletion) -> Forged:
        """A small change as a forgery."""
        return self._forged(at, deletion, ELSEWHERE)

    def _forged(self, at: Numbers, deletion: Deletion, tier: str) -> Forged:
        names = self.ground.table.main_names
        changed = np.flatnonzero(at != self.honest)
        places = [self.cells[cell] for cell in changed]
        first = self.rows[0]
        told = tuple(names[column] + ("" if one == first else " (next row)") for one, column in places)
        changes = tuple(
            (one, column, int(at[cell])) for cell, (one, column) in zip(changed, places, strict=True)
        )
        return Forged(deletion, tier, first, told, changes)


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
    count = 16
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


class Frees:
    """Which deletions free a direction at a site: asked of all of them for one elimination."""

    def __init__(self, site: Site, equations: NDArray[np.bool_]) -> None:
        self._place = {int(one): place for place, one in enumerate(np.flatnonzero(equations))}
        self._reduced, pivots = _reduce(site.slope[equations].T)
        self._row_of = {column: row for row, column in enumerate(pivots)}
        self._free = [column for column in range(self._reduced.shape[1]) if column not in self._row_of]

    def has(self, gone: NDArray[np.bool_], own: NDArray[np.bool_]) -> bool:
        """Whether the rest leaves a rule a freedom, when these equations are gone, its own among them."""
        rule, rest = self._lines(gone), self._lines(gone & ~own)
        return len(rule) - _rank(rule) > len(rest) - _rank(rest)

    def _lines(self, equations: NDArray[np.bool_]) -> Numbers:
        lines = []
        for one in np.flatnonzero(equations):
            column = self._place.get(int(one))
            if column is None:
                continue
            if column in self._row_of:
                lines.append(-self._reduced[self._row_of[column], self._free] % PRIME)
            else:
                lines.append(np.array([int(column == free) for free in self._free], np.int64))
        return np.array(lines, np.int64).reshape(len(lines), len(self._free))


def _rank(matrix: Numbers) -> int:
    return len(_reduce(matrix)[1]) if matrix.size else 0


def interesting_rows(ground: Ground, most: int) -> list[int]:
    """Rows that differ in which cells are zero, the first and the last one among them."""
    trace = ground.trace
    height = trace.shape[1]
    seen: set[bytes] = set()
    found = []
    period = max([1, *(len(column.values) for column in ground.table.periodic)])
    for row in [*range(min(height, 4 * max(period, 64))), height - 1]:
        pattern = np.minimum(trace[:, row], 2).astype(np.uint8).tobytes()
        if pattern not in seen:
            seen.add(pattern)
            found.append(row)
    chosen = {0, height - 1, *found[:: max(1, len(found) // most)]}
    # The fullest rows first: what comes free where much happens says more than what comes free on a dead row.
    return sorted(chosen, key=lambda row: (-int(np.count_nonzero(trace[:, row])), row))


def search(
    grounds: Sequence[Ground], wanted: Sequence[Deletion], rows: int = 1, most: int = 12, seed: int = 1
) -> dict[Deletion, Forged]:
    """Forge for each wanted deletion of one table, on whichever row of whichever trace lets it."""
    random = Random(seed)
    twins = twins_of(grounds[0].table, grounds[0].publics)
    found: dict[Deletion, Forged] = {}
    for ground in grounds:
        for row in interesting_rows(ground, most):
            left = [deletion for deletion in wanted if deletion not in found]
            if not left:
                return found
            site = Site(ground, row, rows)
            tiers = site.tiers()
            is_hard = any(one.kind in {"constraint", "range look-up"} for one in left)
            small = site.small_changes(twins) if is_hard else {}
            shared: list[Frees] = []
            for deletion in left:
                rule = _rule(site, deletion, twins)
                is_message = deletion.kind != "constraint"
                if not rule.own.any():
                    continue
                if is_message:
                    freedom = [Frees(site, still | rule.own) for _, _, still in tiers]
                else:
                    if not shared:
                        shared = [Frees(site, still) for _, _, still in tiers]
                    freedom = shared
                forged = site.forge(deletion, rule, freedom, random)
                if forged is None and deletion.kind in {"constraint", "range look-up"}:
                    is_constraint = deletion.kind == "constraint"
                    key = (
                        ("constraint", twins[deletion.index])
                        if is_constraint
                        else ("interaction", deletion.index)
                    )
                    forged = site.told(small[key], deletion) if key in small else None
                if forged is not None:
                    found[deletion] = forged
            missing = [one for one in wanted if one.kind == "constraint" and one not in found]
            wished = {twins[one.index] for one in missing} if rows <= REPAIRED_ROWS else set()
            repaired = site.repaired_flips(twins, wished) if wished else {}
            for one in missing:
                if twins[one.index] in repaired:
                    found[one] = site.told(repaired[twins[one.index]], one)
    return found


def _rule(site: Site, deletion: Deletion, twins: Sequence[int]) -> Rule:
    """The equations of a rule, and of those that say the same."""
    table = site.ground.table
    nothing = np.zeros(len(site.owners), bool)
    if deletion.kind != "constraint":
        owner = ("interaction", deletion.index)
        return Rule(np.array([one == owner for one in site.owners], bool), nothing)
    same = {other for other, first in enumerate(twins) if first == twins[deletion.index]}
    own = np.array([kind == "constraint" and index in same for kind, index in site.owners], bool)
    # A rule that lets messages happen once or not at all bounds their counts, and nothing else does.
    counts = {
        one.count
        for other in same
        for one in table.interactions
        if table.constraints[other].polynomial is one.count * (one.count - 1)
    }
    exempt = [
        kind == "interaction" and table.interactions[index].count in counts for kind, index in site.owners
    ]
    return Rule(own, np.array(exempt, bool))
