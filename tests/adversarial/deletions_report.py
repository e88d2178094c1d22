"""Takes away everything of every table in turn, and writes down what noticed it.

    python -m tests.adversarial.deletions_report [TABLE ...]

writes benchmarks/results/deletions.json; with names of tables it only prints what it finds of them.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from circuits import batch, shapes
from circuits.statement import PUBLIC_NAMES
from circuits.witness import BatchWitness
from prover.air.builder import AirBuilder
from prover.air.expression import Cell, CellKind, Expression, read
from prover.air.table import Table
from prover.field.koalabear import decode
from tests.adversarial.deletion_search import search
from tests.adversarial.deletions import Deletion, Forged, Ground, twins_of
from tests.circuits import test_extreme_batches as extremes
from tests.circuits.histories import RecordingHouse, told
from tests.circuits.whole_batches import LIMITS, laid_out, quick_tables

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results" / "deletions.json"

STORIES: Final = (
    extremes.thirty_two_positions,
    extremes.keys_change_before_trades,
    extremes.items_alone,
    extremes.the_treasury_trades,
    extremes.orders_filled_again_and_again,
    extremes.the_highest_price,
    extremes.a_fortune_changes_hands,
    extremes.leaving_half_a_market,
    extremes.poor_and_leaving,
    extremes.a_price_and_its_settlements,
)
"""Batches in which something happens in every table."""

WINDOWS: Final = ((1, 4, 0), (2, 2, 0), (4, 1, 0), (1, 1, 8))
"""How many neighbouring rows are unknown, on how many places of a trace, and how many repairs are tried there."""

TRACES: Final = 2
"""The fullest traces of a table are searched."""

REASONS: Final[dict[tuple[str, str], str]] = {}
"""Constraints that say nothing of their own: table, name, why."""


@cache
def witnesses() -> tuple[BatchWitness, ...]:
    """Honest traces, with room for dead rows."""
    laid = []
    for story in STORIES:
        house = RecordingHouse()
        story(house)
        house.seal()
        laid += [laid_out(chapter, room=1) for chapter in told(house.batches)]
    return tuple(laid)


@cache
def _answered() -> frozenset[str]:
    tables = shapes.batch_circuit().tables
    return frozenset(one.bus.name for table in tables for one in table.interactions if one.weight == 0)


class StatementAsCells(AirBuilder):
    """Reads the statement from columns: who forges a batch chooses its statement too."""

    def public(self, name: str) -> Expression:
        if name not in self._public_names:
            return super().public(name)
        if name not in self._main:
            return self.column(name)
        return read(Cell(CellKind.MAIN, self._main.index(name)))


@cache
def batch_with_statement() -> Table:
    """The batch's own table, one row, with the statement beside it."""
    air = StatementAsCells(batch.NAME, PUBLIC_NAMES)
    batch.constrain(air)
    return air.build()


def _batch_grounds() -> list[Ground]:
    table = batch_with_statement()
    (own,) = (one for one in quick_tables() if one.name == batch.NAME)
    limits = {bus.name: limit for bus, limit in LIMITS.items()}
    grounds = []
    for laid in witnesses():
        known = dict(zip(PUBLIC_NAMES, laid.statement.elements, strict=True))
        known |= dict(zip(own.main_names, decode(laid.traces[batch.NAME])[:, 0].tolist(), strict=True))
        cells = np.array([[known[name]] for name in table.main_names], np.int64)
        grounds.append(Ground(table, cells, laid.statement.elements, limits, _answered()))
    return grounds


def grounds_of(table: Table) -> list[Ground]:
    """Honest traces of a table, those with the most live rows first."""
    if table.name == batch.NAME:
        return _batch_grounds()
    limits = {bus.name: limit for bus, limit in LIMITS.items()}
    grounds = [
        Ground(
            table,
            decode(laid.traces[table.name]).astype(np.int64),
            laid.statement.elements,
            limits,
            _answered(),
        )
        for laid in witnesses()
    ]
    return sorted(grounds, key=lambda ground: -int(np.count_nonzero(ground.trace.any(axis=0))))


def leaves_honest_unbalanced(grounds: Sequence[Ground], deletion: Deletion) -> bool:
    """Whether an honest batch has the message: without it, its other end would be left over."""
    table = grounds[0].table
    place = len(table.constraints) + sum(one.bus.arity + 1 for one in table.interactions[: deletion.index])
    plane = place + table.interactions[deletion.index].bus.arity
    return any(bool(ground.planes()[plane].any()) for ground in grounds)


@cache
def named_in_tests() -> frozenset[str]:
    """Every text in the tests of the circuits: a test that expects a constraint by name fails without it."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    return frozenset(found for text in texts for found in re.findall(r'"([^"\n]{8,})"', text))


def verdict(
    grounds: Sequence[Ground], deletion: Deletion, found: dict[Deletion, Forged], twins: Sequence[int]
) -> dict[str, Any]:
    """What notices that a rule is gone."""
    said: dict[str, Any] = {"kind": deletion.kind, "name": deletion.name}
    forged = found.get(deletion)
    if forged is not None:
        said |= {"noticed_by": f"free cells, {forged.tier}", "cells": list(forged.cells), "row": forged.row}
        if deletion.kind == "constraint" and twins[deletion.index] != deletion.index:
            first = grounds[0].table.constraints[twins[deletion.index]].name
            said |= {"noticed_by": "says the same as another", "other": first}
    elif deletion.kind in {"message", "answer"} and leaves_honest_unbalanced(grounds, deletion):
        said |= {"noticed_by": "an honest batch does not balance"}
    elif deletion.name.split(",")[0] in named_in_tests() or deletion.name in named_in_tests():
        said |= {"noticed_by": "a forgery of the tests"}
    elif (deletion.table, deletion.name) in REASONS:
        said |= {"noticed_by": "redundant", "reason": REASONS[deletion.table, deletion.name]}
    elif deletion.kind == "constraint" and twins[deletion.index] != deletion.index:
        # Alone it is redundant; whether its class is noticed, the first of the class says.
        said |= {"noticed_by": "says the same as another"}
    else:
        said |= {"noticed_by": "nothing found"}
    return said


def judge(name: str) -> tuple[str, list[dict[str, Any]]]:
    """Take away everything of a table."""
    (table,) = (one for one in quick_tables() if one.name == name)
    grounds = grounds_of(table)
    wanted = grounds[0].deletions()
    # What an honest batch sends is missed at once; the search for its cells only says how.
    hard = [one for one in wanted if one.kind not in {"message", "answer"}]
    found = search(grounds[:1], [one for one in wanted if one not in hard], most=1)
    for rows, most, repairs in WINDOWS:
        left = [one for one in hard if one not in found]
        if left:
            found |= search(grounds[:TRACES], left, rows=rows, most=most, repairs=repairs)
    twins = twins_of(grounds[0].table, grounds[0].publics)
    return name, [verdict(grounds, one, found, twins) for one in wanted]


def summary(tables: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Numbers, and everything that is not noticed or only by its name."""
    every = [one for found in tables.values() for one in found]
    return {
        "command": "python -m tests.adversarial.deletions_report",
        "tables_not_searched": [
            table.name for table in shapes.batch_circuit().tables if table.name not in tables
        ],
        "deletions": len(every),
        "by_kind": dict(sorted(Counter(one["kind"] for one in every).items())),
        "noticed_by": dict(sorted(Counter(one["noticed_by"] for one in every).items())),
        "nothing_found": {
            name: [f"{one['kind']}: {one['name']}" for one in found if one["noticed_by"] == "nothing found"]
            for name, found in tables.items()
            if any(one["noticed_by"] == "nothing found" for one in found)
        },
        "tables": {
            name: {
                "noticed_by": dict(sorted(Counter(one["noticed_by"] for one in found).items())),
                "free_cells": {
                    one["name"]: one["cells"] for one in found if one["noticed_by"].startswith("free cells")
                },
            }
            for name, found in tables.items()
        },
    }


def main(names: Sequence[str]) -> int:
    """Judge tables in two processes, the widest first."""
    chosen = [table for table in quick_tables() if not names or table.name in names]
    chosen.sort(key=lambda table: -len(table.main_names) * len(table.constraints))
    answers: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for name, found in pool.map(judge, [table.name for table in chosen]):
            answers[name] = found
            sys.stderr.write(f"{name}: {dict(Counter(one['noticed_by'] for one in found))}\n")
    told_all = summary({table.name: answers[table.name] for table in quick_tables() if table.name in answers})
    if names:
        sys.stdout.write(json.dumps(told_all, indent=1) + "\n")
    else:
        RESULTS.write_text(json.dumps(told_all, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
