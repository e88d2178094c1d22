"""Rules in the middle of a chain: one is broken on a row, and all that depends on it is solved anew, row by row.

A window of a few rows shows little of a comb, of a chain of doublings or of a sponge: whatever one row changes, the
rows below have to follow, to the end of the block.
So the broken row is followed by its successors, each by Newton's method with all its cells unknown, until nothing moves
any more; what is left in the end is a whole trace that breaks one rule and no other.
Look-ups of what is fixed, and the blocks that a sponge takes, stay as they are on every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME
from tests.adversarial.deletion_search import rows_of
from tests.adversarial.deletion_sites import Site
from tests.adversarial.deletions import ALONE, ELSEWHERE, Deletion, Forged, Ground
from tests.adversarial.field_lines import (
    Numbers,
    directions,
    matrix_product,
    null_space,
    product,
    reduce_rows,
    row_basis,
    solve,
)

DRIVERS: Final = 3
DIRECTIONS: Final = 3
CELLS_TOLD: Final = 8

Rules = Sequence[int]
"""Planes that are taken away."""


@dataclass(frozen=True)
class Chain:
    """An honest trace and what of it may not move."""

    ground: Ground
    rows: tuple[int, ...]
    """Which rows are changed first, the best places first: live ones."""
    bound: Mapping[int, int]
    """Interactions, and how many of their values, from the first, stay as they are."""
    answered_here: Mapping[int, int]
    """Look-ups that rows of this table answer, by the interaction that does: they follow what the answer has become."""
    layers: int = 10
    """Newton's steps a row: each settles one more layer of what depends on what."""
    is_straight: bool = False
    """Whether each cell that depends on others is what some polynomial of cells before it makes, once: then the slopes
    of the honest row serve for all steps."""
    key: int = 2
    """How many values such a look-up is found by."""

    @cached_property
    def first_planes(self) -> list[int]:
        """Of every interaction the plane of its first value."""
        place, found = len(self.ground.table.constraints), []
        for one in self.ground.table.interactions:
            found.append(place)
            place += one.bus.arity + 1
        return found

    def values_of(self, number: int, count: int | None = None) -> slice:
        """The planes of an interaction's values, or of the first ones."""
        first = self.first_planes[number]
        return slice(
            first, first + (self.ground.table.interactions[number].bus.arity if count is None else count)
        )

    @cached_property
    def holds(self) -> NDArray[np.bool_]:
        """What may not be moved, (planes, rows): constraints where they hold, counts, and messages that are bound."""
        table, (planes, height) = self.ground.table, self.ground.honest_planes.shape
        found = np.zeros((planes, height), bool)
        for number, constraint in enumerate(table.constraints):
            found[number, rows_of(constraint.scope, height)] = True
        for number, one in enumerate(table.interactions):
            count = self.first_planes[number] + one.bus.arity
            found[count] = True
            if number in self.bound:
                found[self.values_of(number, self.bound[number])] = self.ground.honest_planes[count] != 0
        return found

    def targets(self, now: Ground) -> Numbers:
        """What all planes have to be: zero for constraints, the honest messages, and answers as they have become."""
        wanted = self.ground.honest_planes.copy()
        wanted[: len(self.ground.table.constraints)] = 0
        planes = now.planes() if self.answered_here else wanted
        for asking, answering in self.answered_here.items():
            here, there = self.values_of(asking), self.values_of(answering)
            answers = {tuple(told[: self.key]): told for told in planes[there].T.tolist()}
            count = self.first_planes[asking] + self.ground.table.interactions[asking].bus.arity
            for row in np.flatnonzero(wanted[count]).tolist():
                wanted[here, row] = answers.get(
                    tuple(wanted[here, row][: self.key].tolist()), wanted[here, row]
                )
        return wanted


class _Row:
    """One row with unknown cells, and what reads it and nothing below it."""

    def __init__(self, chain: Chain, now: Ground, row: int, gone: Rules) -> None:
        self.site, self._layers, self._is_straight = Site(now, row), chain.layers, chain.is_straight
        self.at = self.site.honest
        windows = self.site.windows
        trace, random = now.trace.copy(), Random(row)
        trace[:, (row + 1) % trace.shape[1]] = [random.randrange(PRIME) for _ in trace]
        here = self.at[:, None]
        is_late = (self.site.planes(here) != Site(replace(now, trace=trace), row).planes(here))[:, :, 0]
        # What the row above reads of this one is settled here, what this one reads of the next one is not.
        is_late &= np.array(windows)[:, None] == row
        is_gone = np.zeros(is_late.shape, bool)
        is_gone[:, gone] = True
        holds = chain.holds[:, windows].T & ~is_late
        self.kept, self.own = holds & ~is_gone, holds & is_gone
        self._wanted = chain.targets(now)[:, windows].T

    @cached_property
    def slopes(self) -> Numbers:
        """The derivatives at the honest row."""
        return self.site.slopes_of_planes(self.at)

    def missing(self, at: Numbers, of: NDArray[np.bool_]) -> Numbers:
        """How far equations are from holding."""
        found = self.site.planes(at[:, None])[:, :, 0]
        return np.asarray((self._wanted - found)[of] % PRIME, np.int64)

    def solved(self, at: Numbers, driver: int | None = None) -> Numbers | None:
        """A content, near this one and with one cell as it is, that keeps everything."""
        # What stands later in a row is made of what stands before it: so the last cells are set first.
        free = np.array([cell for cell in reversed(range(len(at))) if cell != driver], np.int64)
        inverse = _inverse(self.slopes[self.kept][:, free]) if self._is_straight else None
        for _ in range(self._layers):
            gap = self.missing(at, self.kept)
            if not gap.any():
                return at
            if inverse is not None:
                step: Numbers | None = product(inverse, gap)
            else:
                step = solve(self.site.slopes_of_planes(at)[self.kept][:, free], gap)
            if step is None:
                return None
            at = at.copy()
            at[free] = (at[free] + step) % PRIME
        return None

    def broken(self) -> Iterator[Numbers]:
        """Contents that keep everything but what is taken away."""
        if not self.own.any():
            return
        slopes = self.slopes
        null = null_space(row_basis(slopes[self.kept]), len(self.at))
        if not len(null) or not matrix_product(null, slopes[self.own].T).any():
            return
        found = directions(null, range(len(self.at)))
        useful = found[matrix_product(found, slopes[self.own].T).any(axis=1)]
        for direction in sorted(useful, key=np.count_nonzero)[:DIRECTIONS]:
            for driver in np.flatnonzero(direction)[:DRIVERS].tolist():
                at = self.solved((self.at + direction) % PRIME, driver)
                if at is not None and self.missing(at, self.own).any():
                    yield at


def _inverse(slopes: Numbers) -> Numbers:
    """What makes a step of every gap that some step closes."""
    count, width = slopes.shape
    reduced, pivots = reduce_rows(np.concatenate([slopes, np.eye(count, dtype=np.int64)], axis=1))
    places = [one for one in pivots if one < width]
    answer = np.zeros((width, count), np.int64)
    answer[places] = reduced[: len(places), width:]
    return answer


def carried_on(chains: Sequence[Chain], deletion: Deletion, twins: Sequence[int]) -> Forged | None:
    """A trace that breaks one rule, or moves one look-up, and keeps everything else that is bound.

    One that changes what the table tells others says more than one that nobody sees.
    """
    unseen: Forged | None = None
    for chain in chains:
        gone = _gone(chain, deletion, twins)
        for row in chain.rows:
            for at in _Row(chain, chain.ground, row, gone).broken():
                now = _followed(chain, _with_row(chain.ground, row, at), row, gone)
                if now is None:
                    continue
                forged = _told(chain, now, row, deletion)
                if forged.tier == ELSEWHERE:
                    return forged
                unseen = unseen or forged
                break
    return unseen


def _gone(chain: Chain, deletion: Deletion, twins: Sequence[int]) -> Rules:
    if deletion.kind == "constraint":
        return [other for other, first in enumerate(twins) if first == twins[deletion.index]]
    values = chain.values_of(deletion.index)
    return list(range(values.start, values.stop))


def _with_row(ground: Ground, row: int, at: Numbers) -> Ground:
    trace = ground.trace.copy()
    trace[:, row] = at
    return replace(ground, trace=trace)


def _wrong(chain: Chain, now: Ground) -> NDArray[np.bool_]:
    """What does not hold, (planes, rows)."""
    return np.asarray((now.planes() != chain.targets(now)) & chain.holds, bool)


def _followed(chain: Chain, now: Ground, row: int, gone: Rules) -> Ground | None:
    """The trace with the rows below a changed one solved anew, as far as they have to be."""
    for below in range(row + 1, now.trace.shape[1]):
        wrong = _wrong(chain, now)
        wrong[gone, : row + 1] = False
        if not wrong.any():
            break
        if wrong[:, below - 1 : below + 1].any():
            own = _Row(chain, now, below, gone if below == row + 1 else [])
            at = own.solved(own.at)
            if at is None:
                return None
            now = _with_row(now, below, at)
    wrong = _wrong(chain, now)
    is_broken = wrong[gone].any()
    wrong[gone] = False
    return now if is_broken and not wrong.any() else None


def _told(chain: Chain, now: Ground, row: int, deletion: Deletion) -> Forged:
    """What was changed, and which messages are others than before."""
    table = chain.ground.table
    places = np.argwhere((now.trace != chain.ground.trace).T).tolist()
    names = [table.main_names[column] for one, column in places if one == row]
    cells = names[:CELLS_TOLD]
    if len(places) > len(cells):
        cells.append(f"and {len(places) - len(cells)} more, down to row {places[-1][0]}")
    planes, is_moved = now.planes(), False
    for number, one in enumerate(table.interactions):
        values = chain.values_of(number)
        happens = planes[values.start + one.bus.arity] != 0
        is_moved |= bool((planes != chain.ground.honest_planes)[values][:, happens].any())
    changes = tuple((one, column, int(now.trace[column, one])) for one, column in places)
    return Forged(deletion, ELSEWHERE if is_moved else ALONE, row, tuple(cells), changes)
