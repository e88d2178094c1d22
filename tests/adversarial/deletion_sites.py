"""A few unknown rows of an honest trace: what reads them, linearised, and how far they can move without being noticed.

Longer than other files because the linear search, the search over flags and the repair between them share all that
they know of a site.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import combinations
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.air.expression import Cell, CellKind
from prover.air.table import Scope
from prover.air.tape import Sources
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from tests.adversarial.deletion_freedom import Frees
from tests.adversarial.deletions import (
    ALONE,
    ELSEWHERE,
    Deletion,
    Forged,
    Ground,
    Rule,
    flag_columns,
    reads_its_neighbours,
)
from tests.adversarial.field_lines import (
    Numbers,
    directions,
    matrix_product,
    null_space,
    row_basis,
    solve,
)

Place = tuple[int, int]
"""A row and a column of a trace."""

NEWTON_STEPS: Final = 3
ORDERS_TRIED: Final = 3
DIRECTIONS_TRIED: Final = 6
MOST_CELLS: Final = 40
FLAGS_TRIED: Final = 28
PAIRS_TRIED: Final = 1_500
CLASSES_REPAIRED: Final = 40
"""Bounds of the search a site: what it does not find within them is listed as not found."""
LANES: Final = 1024
_TWELFTH: Final = pow(12, PRIME - 2, PRIME)
_STENCIL: Final = ((1, 8), (-1, -8), (2, -1), (-2, 1))
"""Twelve times the derivative at zero of any polynomial of degree four."""


class Site:
    """Some neighbouring rows whose cells are unknown, with everything that reads them."""

    def __init__(self, ground: Ground, row: int, rows: int = 1) -> None:
        self.ground = ground
        height = ground.trace.shape[1]
        self.rows = [(row + k) % height for k in range(min(rows, height))]
        before = int(reads_its_neighbours(ground.table))
        self.windows = sorted({(row - before + k) % height for k in range(rows + before)})
        columns = len(ground.table.main_names)
        self.cells: list[Place] = [(one, column) for one in self.rows for column in range(columns)]
        self.honest = np.array([ground.trace[column, one] for one, column in self.cells], np.int64)
        self.constraints, self.owners, self.chosen = self._equations()
        self.is_constraint = np.array([kind == "constraint" for kind, _ in self.owners], bool)
        self.owner = np.array([index for _, index in self.owners], np.int64)
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
        honest = self.planes(self.honest[:, None])[:, :, 0]
        for index, one in enumerate(table.interactions):
            for place, _ in enumerate(self.windows):
                happens = honest[place, plane + one.bus.arity] != 0
                is_bound = one.bus.name in self.ground.limits
                parts = range(one.bus.arity + 1) if happens or is_bound else [one.bus.arity]
                owners += [("interaction", index)] * len(parts)
                chosen += [(place, plane + part) for part in parts]
            plane += one.bus.arity + 1
        return count, owners, np.array(chosen, np.int64).reshape(-1, 2)

    def planes(self, lanes: Numbers) -> Numbers:
        """The tape at every window for (cells, lanes) values: (windows, planes, lanes)."""
        ground = self.ground
        trace, table = ground.trace, ground.table
        height, used = trace.shape[1], lanes.shape[1]
        columns, count = trace.shape[0], 1 << (used - 1).bit_length()
        sides = 1 + int(reads_its_neighbours(table))
        of_row = {one: lanes[k * columns : (k + 1) * columns] for k, one in enumerate(self.rows)}
        # All windows in one run, those that are missing to a power of two being zeros.
        places = 1 << (len(self.windows) - 1).bit_length()
        cells = np.zeros((columns, places, count, sides), np.int64)
        for place, window in enumerate(self.windows):
            for side in range(sides):
                one = (window + side) % height
                cells[:, place, :used, side] = of_row.get(one, trace[:, one : one + 1])
        periodic = [
            self._of_windows(np.array([column.values], np.int64), (places, count, sides))[0]
            for column in table.periodic
        ]
        known = ground.preprocessed
        fixed = None if known is None else self._of_windows(known, (places, count, sides))
        out = np.empty((ground.tape.planes, places * count * sides), np.uint32)
        flat = np.ascontiguousarray(encode(cells.reshape(columns, -1)))
        ground.tape.run(Sources(flat, fixed, periodic=periodic), self._publics, out, threads=1)
        chosen = out.reshape(-1, places, count, sides)[:, : len(self.windows), :used, 0]
        return np.asarray(decode(chosen).astype(np.int64).transpose(1, 0, 2))

    @cached_property
    def _publics(self) -> dict[Cell, int]:
        return {Cell(CellKind.PUBLIC, place): value for place, value in enumerate(self.ground.publics)}

    def _of_windows(self, known: Numbers, shape: tuple[int, int, int]) -> Montgomery:
        """What the trace does not choose, at every window and once for each lane."""
        cells = np.zeros((len(known), *shape), np.int64)
        for place, window in enumerate(self.windows):
            for side in range(shape[2]):
                cells[:, place, :, side] = known[:, (window + side) % known.shape[1]][:, None]
        return np.ascontiguousarray(encode(cells.reshape(len(known), -1)))

    def values(self, lanes: Numbers) -> Numbers:
        """Every equation's left side, (equations, lanes); messages as they are, not what they should be."""
        planes = self.planes(lanes)
        answers: Numbers = planes[self.chosen[:, 0], self.chosen[:, 1]]
        return answers

    def jacobian(self, at: Numbers) -> Numbers:
        """The derivative of every equation by every cell."""
        return self._columns(at, np.arange(len(self.cells)))

    @cached_property
    def slope(self) -> Numbers:
        """The Jacobian at the honest row."""
        return self.jacobian(self.honest)

    @cached_property
    def flag_rules(self) -> tuple[Numbers, NDArray[np.bool_]]:
        """Cells that a rule of their own lets be zero or one, and the equations of these rules."""
        columns = flag_columns(self.ground.table)
        is_of_flag = self.is_constraint & np.isin(self.owner, list(columns))
        of_flags = set(columns.values())
        cells = [cell for cell, (_, column) in enumerate(self.cells) if column in of_flags]
        return np.array(cells, np.int64), is_of_flag

    @cached_property
    def products(self) -> tuple[Numbers, NDArray[np.bool_]]:
        """Cells that some constraint, no flag's own, multiplies with a cell, and which of them with which."""
        random = Random(5)
        rules = self.is_constraint & ~self.flag_rules[1]
        elsewhere = np.array([random.randrange(PRIME) for _ in self.cells], np.int64)
        factors = np.flatnonzero((self.jacobian(elsewhere) != self.slope)[rules].any(axis=0))
        multiplied = np.zeros((len(factors), len(factors)), bool)
        for place, cell in enumerate(factors):
            at = self.honest.copy()
            at[cell] = elsewhere[cell]
            changed = self._columns(at, factors) != self.slope[:, factors]
            multiplied[place] = changed[rules].any(axis=0)
        return factors, multiplied | multiplied.T

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
        null = null_space(row_basis(self.slope[kept]), len(self.cells))
        order = list(range(len(self.cells)))
        for _ in range(ORDERS_TRIED):
            random.shuffle(order)
            found_here = directions(null, order)
            moves = matrix_product(found_here, self.slope[rule.own].T).any(axis=1)
            useful = sorted(found_here[moves], key=np.count_nonzero)[:DIRECTIONS_TRIED]
            if not useful:
                return None
            found = self._follow(useful, deletion, rule, may_move, kept)
            if found is not None:
                return found
        return None

    def _follow(
        self,
        useful: Sequence[Numbers],
        deletion: Deletion,
        rule: Rule,
        may_move: NDArray[np.bool_],
        kept: NDArray[np.bool_],
    ) -> Numbers | None:
        steps = np.stack([one for direction in useful for one in self._scaled(direction)], axis=1)
        lanes = (self.honest[:, None] + steps) % PRIME
        for lane in np.flatnonzero(self.breaks_only(lanes, deletion, rule, may_move)):
            answer: Numbers = lanes[:, lane]
            return answer
        for direction in useful:
            cells = np.flatnonzero(direction)
            if len(cells) > MOST_CELLS:
                continue
            for driver in cells[:3]:
                at = self._newton((self.honest + direction) % PRIME, int(driver), cells, kept)
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
        return sorted(cells, key=lambda cell: (-int(most[self.cells[cell][1]]), cell))

    def repaired_flips(self, twins: Sequence[int], wanted: set[int], most: int) -> dict[int, Numbers]:
        """Constraints that alone stay broken after one or two flags were changed and all else was repaired."""
        constraints = self.is_constraint
        classes = np.where(constraints, self._twins(twins), -1)
        flips = [(cell, value) for cell in self.flags for value in (1 - int(self.honest[cell]), 2)]
        changes: list[tuple[tuple[int, int], ...]] = [(one,) for one in flips]
        first = flips[: 2 * FLAGS_TRIED]
        changes += [pair for pair in combinations(first, 2) if pair[0][0] != pair[1][0]][:PAIRS_TRIED]
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
                if tried > most:
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

    def _twins(self, twins: Sequence[int]) -> Numbers:
        """The first constraint that says the same, of every equation of a constraint."""
        return np.asarray(twins, np.int64)[np.where(self.is_constraint, self.owner, 0)]

    def small_changes(self, twins: Sequence[int]) -> dict[tuple[str, int], Numbers]:
        """Rules that some change of one cell, or of up to three flags, breaks alone; messages may move.

        For each such rule the fewest cells.
        """
        classes = np.where(self.is_constraint, self._twins(twins), -1 - self.owner)
        flags = self.flags[:FLAGS_TRIED]
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

    def repaired(
        self, at: Numbers, cells: Numbers, but: NDArray[np.bool_] | None = None, steps: int = NEWTON_STEPS
    ) -> Numbers | None:
        """A content in which these cells are set so that every constraint holds, but for one."""
        kept = self.is_constraint if but is None else self.is_constraint & ~but
        return self._newton(at, -1, cells, kept, steps)

    def _newton(
        self,
        at: Numbers,
        driver: int,
        cells: Numbers,
        kept: NDArray[np.bool_],
        steps: int = NEWTON_STEPS,
    ) -> Numbers | None:
        """Repair what a step has broken, with all cells of the direction but the driver."""
        free = cells[cells != driver]
        if not free.size:
            return None
        # Constraints are to be zero, also where the trace around the site is no honest one.
        wanted = np.where(self.is_constraint, 0, self.base)
        for _ in range(steps):
            gap = (wanted - self.values(at[:, None])[:, 0])[kept] % PRIME
            if not gap.any():
                return at
            step = solve(self._columns(at, free)[kept], gap)
            if step is None:
                return None
            at = at.copy()
            at[free] = (at[free] + step) % PRIME
        return None

    def slopes_of_planes(self, at: Numbers) -> Numbers:
        """The derivatives of all planes, whether they hold there or not: (windows, planes, cells)."""
        lanes = self._around(at, np.arange(len(self.cells)))
        parts = self.planes(lanes)
        return self._derivatives(parts.reshape(*parts.shape[:2], len(_STENCIL), -1))

    def _columns(self, at: Numbers, cells: Numbers) -> Numbers:
        """Some columns of the Jacobian somewhere."""
        return self._derivatives(self.values(self._around(at, cells)).reshape(-1, len(_STENCIL), len(cells)))

    @staticmethod
    def _around(at: Numbers, cells: Numbers) -> Numbers:
        """Contents in which one cell each is changed by each step of the stencil."""
        count = len(cells)
        lanes = np.repeat(at[:, None], count * len(_STENCIL), axis=1)
        for part, (step, _) in enumerate(_STENCIL):
            lanes[cells, part * count + np.arange(count)] = (at[cells] + step) % PRIME
        return lanes

    @staticmethod
    def _derivatives(parts: Numbers) -> Numbers:
        """From the values around, (..., stencil, cells), the slopes (..., cells)."""
        weights = np.array([weight for _, weight in _STENCIL])[:, None]
        total: Numbers = (parts * weights % PRIME).sum(axis=-2) % PRIME * _TWELFTH % PRIME
        return total

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
