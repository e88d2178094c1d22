"""The search over rows and traces: for each deletion the first place where something comes free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np

from prover.air.table import Scope
from prover.field.koalabear import PRIME
from tests.adversarial.deletion_sites import Frees, Site
from tests.adversarial.deletions import ELSEWHERE, Deletion, Forged, Ground, Rule, twins_of


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
    grounds: Sequence[Ground], wanted: Sequence[Deletion], rows: int = 1, most: int = 12, repairs: int = 0
) -> dict[Deletion, Forged]:
    """Forge for each wanted deletion of one table, on whichever row of whichever trace lets it."""
    random = Random(1)
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
                if forged is None and deletion.kind == "range look-up" and rows == 1 and repairs:
                    at = site.alias(rule)
                    forged = None if at is None else site.told(at, deletion)
                if forged is not None:
                    found[deletion] = forged
            missing = [one for one in wanted if one.kind == "constraint" and one not in found]
            wished = {twins[one.index] for one in missing} if repairs else set()
            repaired = site.repaired_flips(twins, wished, repairs) if wished else {}
            for one in missing:
                if twins[one.index] in repaired:
                    found[one] = site.told(repaired[twins[one.index]], one)
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
