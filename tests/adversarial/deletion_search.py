"""The search over rows and traces: for each deletion the first place where something comes free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.air.table import Scope
from prover.field.koalabear import PRIME
from tests.adversarial.deletion_freedom import Frees
from tests.adversarial.deletion_lattice import lent
from tests.adversarial.deletion_sites import Site
from tests.adversarial.deletions import (
    ELSEWHERE,
    Deletion,
    Forged,
    Ground,
    Rule,
    counts_bounded_by,
    reads_its_neighbours,
    twins_of,
)
from tests.adversarial.field_lines import Numbers

FIRST_ROWS: Final = 3
LAST_ROWS: Final = 1
"""How many places are first and last rows, where rules speak of these."""


def interesting_places(grounds: Sequence[Ground], most: int, rows: int = 1) -> list[tuple[Ground, int]]:
    """Rows of any trace that differ in which cells are zero, one or more: the fullest, the ends, and the most unlike.

    Flags are told apart in pairs, because a rule with two flags binds where both have their values.
    """
    table = grounds[0].table
    scan = 4 * max([64, *(len(column.values) for column in table.periodic)])
    deep = rows + int(reads_its_neighbours(table))
    patterns: dict[bytes, tuple[Ground, int]] = {}
    for ground in grounds:
        height = ground.trace.shape[1]
        classes = np.minimum(ground.trace, 2).astype(np.uint8)
        for row in [*range(min(height, scan)), height - 1]:
            window = classes[:, [(row + k) % height for k in range(deep)]]
            patterns.setdefault(window.tobytes() + bytes([row == 0, row == height - 1]), (ground, row))
    places = list(patterns.values())
    classes = np.array([np.frombuffer(one, np.uint8) for one in patterns])
    flags = classes[:, classes.max(axis=0) < 2].astype(bool)
    features = [*(np.packbits(classes == value, axis=1) for value in (0, 1, 2))]
    for one in np.concatenate([flags, ~flags], axis=1).T:
        features += [np.packbits(flags & one[:, None], axis=1), np.packbits(~flags & one[:, None], axis=1)]
    told = np.concatenate(features, axis=1)
    fullness = (classes != 0).sum(axis=1) * (classes.shape[1] + 1) + (classes == 2).sum(axis=1)
    chosen = [int(np.argmax(fullness))]

    def choose(among: NDArray[np.bool_], count: int) -> None:
        # What comes free where much happens says more than what comes free on a dead row.
        for _ in range(count):
            seen = np.bitwise_or.reduce(told[chosen], axis=0)
            fresh = np.bitwise_count(told & ~seen).sum(axis=1, dtype=np.int64)
            score = np.where(among, fresh * (int(fullness.max()) + 1) + fullness, -1)
            score[chosen] = -1
            if score.max() < 0:
                return
            chosen.append(int(np.argmax(score)))

    scopes = {one.scope for one in table.constraints}
    if Scope.FIRST_ROW in scopes:
        choose(np.array([row == 0 for _, row in places]), FIRST_ROWS)
    if Scope.LAST_ROW in scopes:
        choose(np.array([row == ground.trace.shape[1] - 1 for ground, row in places]), LAST_ROWS)
    choose(np.ones(len(places), bool), most - len(chosen))
    return [places[one] for one in chosen]


def search(
    grounds: Sequence[Ground], wanted: Sequence[Deletion], rows: int = 1, most: int = 12, repairs: int = 0
) -> dict[Deletion, Forged]:
    """Forge for each wanted deletion of one table, on whichever of these places lets it."""
    random = Random(1)
    twins = twins_of(grounds[0].table, grounds[0].publics)
    found: dict[Deletion, Forged] = {}
    for ground, row in interesting_places(grounds, most, rows):
        left = [deletion for deletion in wanted if deletion not in found]
        if not left:
            return found
        site = Site(ground, row, rows)
        frees = [Frees(site.slope, still) for _, _, still in site.tiers()]
        is_hard = any(one.kind in {"constraint", "range look-up"} for one in left)
        small = site.small_changes(twins) if is_hard else {}
        tried: dict[int, Forged | None] = {}
        for deletion in left:
            is_constraint = deletion.kind == "constraint"
            one = twins[deletion.index] if is_constraint else -1 - deletion.index
            if one not in tried:
                tried[one] = _forged_at(site, deletion, twins, frees, small, random, bool(repairs))
            forged = tried[one]
            if forged is not None:
                found[deletion] = replace(forged, deletion=deletion)
        missing = [one for one in wanted if one.kind == "constraint" and one not in found]
        wished = {twins[one.index] for one in missing} if repairs else set()
        repaired = site.repaired_flips(twins, wished, repairs) if wished else {}
        for deletion in missing:
            if twins[deletion.index] in repaired:
                found[deletion] = site.told(repaired[twins[deletion.index]], deletion)
    return found


def _forged_at(
    site: Site,
    deletion: Deletion,
    twins: Sequence[int],
    frees: Sequence[Frees],
    small: dict[tuple[str, int], Numbers],
    random: Random,
    is_thorough: bool,
) -> Forged | None:
    """The ways to forge at one place, the most telling first."""
    rule = _rule(site, deletion, twins)
    if not rule.own.any():
        return None
    forged = site.forge(deletion, rule, frees, random)
    if forged is None and deletion.kind in {"constraint", "range look-up"}:
        is_constraint = deletion.kind == "constraint"
        key = ("constraint", twins[deletion.index]) if is_constraint else ("interaction", deletion.index)
        forged = site.told(small[key], deletion) if key in small else None
    if forged is None and deletion.kind == "range look-up" and len(site.rows) == 1 and is_thorough:
        at = lent(site, rule)
        forged = None if at is None else site.told(at, deletion)
    return forged


def lent_to(
    grounds: Sequence[Ground], wanted: Sequence[Deletion], rows: int, most: int
) -> dict[Deletion, Forged]:
    """Constraints that some looked-up values can break alone, all of them staying within their ranges."""
    twins = twins_of(grounds[0].table, grounds[0].publics)
    found: dict[Deletion, Forged] = {}
    for ground, row in interesting_places(grounds, most, rows):
        left = [one for one in wanted if one.kind == "constraint" and one not in found]
        if not left:
            break
        site = Site(ground, row, rows)
        for deletion in left:
            at = lent(site, _rule(site, deletion, twins))
            if at is not None:
                found[deletion] = site.told(at, deletion)
    return found


def shifted_columns(grounds: Sequence[Ground], wanted: Sequence[Deletion]) -> dict[Deletion, Forged]:
    """Constraints that alone break when a whole column is one larger: where a numbering begins.

    Messages may move, as elsewhere: those at the other end would be numbered alike.
    """
    found: dict[Deletion, Forged] = {}
    for ground in grounds:
        table, height = ground.table, ground.trace.shape[1]
        twins = twins_of(table, ground.publics)
        for column, name in enumerate(table.main_names):
            trace = ground.trace.copy()
            trace[column] = (trace[column] + 1) % PRIME
            planes = replace(ground, trace=trace).planes()
            broken = {
                number
                for number, one in enumerate(table.constraints)
                if planes[number][rows_of(one.scope, height)].any()
            }
            classes = {twins[number] for number in broken}
            for one in wanted:
                if one.kind == "constraint" and one not in found and classes == {twins[one.index]}:
                    found[one] = Forged(one, ELSEWHERE, 0, (f"{name}, all rows",), ())
    return found


def rows_of(scope: Scope, height: int) -> slice:
    """The rows on which a constraint has to hold."""
    match scope:
        case Scope.FIRST_ROW:
            return slice(1)
        case Scope.LAST_ROW:
            return slice(height - 1, height)
        case Scope.TRANSITION:
            return slice(height - 1)
        case _:
            return slice(height)


def _rule(site: Site, deletion: Deletion, twins: Sequence[int]) -> Rule:
    """The equations of a rule, and of those that say the same."""
    table = site.ground.table
    nothing = np.zeros(len(site.owners), bool)
    if deletion.kind != "constraint":
        return Rule(~site.is_constraint & (site.owner == deletion.index), nothing)
    same = [other for other, first in enumerate(twins) if first == twins[deletion.index]]
    own = site.is_constraint & np.isin(site.owner, same)
    # A rule that lets messages happen once or not at all bounds their counts, and nothing else does.
    bounded = counts_bounded_by(table)
    counts = {id(bounded[other]) for other in same if bounded[other] is not None}
    let = [index for index, one in enumerate(table.interactions) if id(one.count) in counts]
    return Rule(own, ~site.is_constraint & np.isin(site.owner, let))
