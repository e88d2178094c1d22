"""Takes away everything of every table in turn, and writes down what noticed it.

    python -m tests.adversarial.deletions_report [TABLE ...]

writes benchmarks/results/deletions.json; with names of tables only those are searched again.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from circuits import batch, keys, range_check, shapes
from circuits.statement import PUBLIC_NAMES
from circuits.witness import BatchWitness
from prover.air.builder import AirBuilder
from prover.air.expression import Cell, CellKind, Expression, cells_of, read
from prover.air.reader import evaluate
from prover.air.table import Table
from prover.field.koalabear import PRIME, decode
from tests.adversarial import deletion_stories
from tests.adversarial.batch_lies import CHEATS
from tests.adversarial.deletion_chains import answered, chains_of, range_ground
from tests.adversarial.deletion_lies import LIES, lie_about
from tests.adversarial.deletion_onward import carried_on
from tests.adversarial.deletion_search import lent_to, rows_of, search, shifted_columns
from tests.adversarial.deletions import Deletion, Forged, Ground, reads_its_neighbours, twins_of
from tests.adversarial.implied import Rules
from tests.circuits.histories import RecordingHouse, told
from tests.circuits.refusals import FORGERIES
from tests.circuits.whole_batches import LIMITS, SLOW, laid_out, quick_tables

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results" / "deletions.json"

WINDOWS: Final = ((1, 24, 0), (2, 12, 0), (4, 8, 0), (3, 12, 40), (2, 16, 40), (1, 8, 80))
"""How many neighbouring rows are unknown, at how many places of the traces, and how many repairs are tried there."""

LENT_WINDOWS: Final = ((1, 4),)
"""The same for what is left at the end."""

# They register forged traces beside those that `deletion_lies` has.
for _lies in ("comb", "queue", "walk"):
    import_module(f"tests.adversarial.deletion_{_lies}_lies")

COUNTED_ONCE: Final = "happens once or not at all"
"""How the names end that the builder gives to what bounds a count."""

REASONS: Final[dict[tuple[str, str], str]] = {
    ("batch", "range look-up: send 3 on sixteen bits: queue start 1"): (
        "the upper limb of the queue's start is the end's less a carry, and the end's is looked up"
    ),
    ("batch", "range look-up: send 5 on sixteen bits: queue end 1"): (
        "the upper limb of the queue's end is the start's and a carry, and the start's is looked up"
    ),
    ("orders", "range look-up: send 11 on sixteen bits: expiry high"): (
        "the highest limb of an expiry is the time's and a borrow, and the batch looks the time's up"
    ),
    ("series", "constraint: the send number 10 on bus sixteen bits happens once or not at all"): (
        "whether a series follows is whether the next row is live, which is bound; on the last row none follows"
    ),
    ("tree", "constraint: once the low part is empty it is not shifted again"): (
        "the flag may change only from level 18 to level 17, which is one step of the table, and goes from one to zero"
    ),
    ("data", "constraint: word 0 is there or not"): (
        "live is one on the first row, falls by flags alone, and is a flag on the last row; a table is lower than p"
    ),
    ("data", "constraint: a row is the last one with words or not"): (
        "it is how much live falls to the next row, on the last row live itself; a row that is not live lacks words, "
        "and below such a row nothing is live"
    ),
    ("deposits", "constraint: the send number 53 on bus claims happens once or not at all"): (
        "an amount is there or not, and a deposit that is credited is live"
    ),
    ("group listings", "range look-up: send 52 on sixteen bits: payoff at the cap limb 4"): (
        "the highest limb is what the last carry leaves, and the limbs below determine the carries"
    ),
    ("registrations", "constraint: either or not: a key is set"): (
        "it is what the reasons leave, and a key that is set is its owner's, canonical and of the proven suite: "
        "one reason is left, which leaves one or nothing; on a dead row nothing is owned"
    ),
    ("walks", "constraint: the receive number 5 on bus walks happens once or not at all"): (
        "below an end that were the last row in part, counts of entries would go on and begin at zero, so be zero; "
        "but every group has a position, and every position is counted"
    ),
    ("walks", "constraint: the send number 4 on bus settlements happens once or not at all"): (
        "it is a product of flags, as long as whoever asks for a walk says by a flag whether it settles"
    ),
    ("walks", "constraint: the send number 7 on bus two bytes happens once or not at all"): (
        "a position, a start, an end, and a start or an end are flags by other counts, so a row were live twice only "
        "as a position beside a start or beside an end. A position is no start: by what follows each of them the next "
        "row is a position and no end, so this one were last, which only an end is; and on the last row of the table "
        "it were last twice. A position is no end: it is not on the first row; below another an end keeps the rank, "
        "and a position's rank, less the one above and one, is looked up: that were minus one"
    ),
}
"""Rules that say nothing of their own as long as all others stand: table, kind and name, why."""


@cache
def witnesses() -> tuple[BatchWitness, ...]:
    """Honest traces, with room for dead rows."""
    laid = []
    for story in deletion_stories.ALL:
        house = RecordingHouse()
        story(house)
        house.seal()
        laid += [laid_out(chapter, room=1) for chapter in told(house.batches)]
    return tuple(laid)


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


def searched_tables() -> tuple[Table, ...]:
    """Every kind of rows."""
    return shapes.kinds_of_rows()


def _batch_grounds() -> list[Ground]:
    table = batch_with_statement()
    (own,) = (one for one in quick_tables() if one.name == batch.NAME)
    limits = {bus.name: limit for bus, limit in LIMITS.items()}
    grounds = []
    for laid in witnesses():
        known = dict(zip(PUBLIC_NAMES, laid.statement.elements, strict=True))
        known |= dict(zip(own.main_names, decode(laid.traces[batch.NAME])[:, 0].tolist(), strict=True))
        cells = np.array([[known[name]] for name in table.main_names], np.int64)
        grounds.append(Ground(table, cells, laid.statement.elements, limits, answered()))
    return grounds


def grounds_of(table: Table) -> list[Ground]:
    """Honest traces of a table, those with the most live rows first."""
    if table.name == batch.NAME:
        return _batch_grounds()
    if table.name == range_check.NAME:
        return [range_ground(witnesses()[0])]
    if table.name in SLOW:
        return [chain.ground for chain in reversed(chains_of(table.name))]
    limits = {bus.name: limit for bus, limit in LIMITS.items()}
    grounds = [
        Ground(
            table,
            decode(laid.traces[table.name]).astype(np.int64),
            laid.statement.elements,
            limits,
            answered(),
        )
        for laid in witnesses()
    ]
    if reads_its_neighbours(table):
        grounds += [later for ground in grounds for later in [begun_later(ground)] if later is not None]
    return sorted(grounds, key=lambda ground: -int(np.count_nonzero(ground.trace.any(axis=0))))


def begun_later(ground: Ground) -> Ground | None:
    """The same trace below a dead row, where the table's rules let it begin there."""
    if ground.trace[:, -1].any() or any(len(column.values) > 1 for column in ground.table.periodic):
        return None
    later = replace(ground, trace=np.roll(ground.trace, 1, axis=1))
    height = ground.trace.shape[1]
    rules = zip(ground.table.constraints, later.honest_planes, strict=False)
    return None if any(line[rows_of(one.scope, height)].any() for one, line in rules) else later


def leaves_honest_unbalanced(grounds: Sequence[Ground], deletion: Deletion) -> bool:
    """Whether an honest batch has the message: without it, its other end would be left over."""
    table = grounds[0].table
    place = len(table.constraints) + sum(one.bus.arity + 1 for one in table.interactions[: deletion.index])
    plane = place + table.interactions[deletion.index].bus.arity
    return any(bool(ground.honest_planes[plane].any()) for ground in grounds)


@cache
def named_in_tests() -> frozenset[str]:
    """Every text in the tests of the circuits: a test that expects a constraint by name fails without it."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    return frozenset(found for text in texts for found in re.findall(r'"([^"\n]{8,})"', text))


def is_named_in_tests(deletion: Deletion) -> bool:
    """Whether a test expects a rule by its name; names that are made from numbers are those of many tables."""
    if deletion.name.endswith(COUNTED_ONCE):
        return False
    return deletion.name.split(",")[0] in named_in_tests() or deletion.name in named_in_tests()


FORGED_BY_SEARCH: Final[dict[str, str]] = {
    r".* is ticks times tick value carry 2": "a product over its width",
    r"(strike|end|cap) byte 2": "a factor in bytes that are none",
}
"""Cells that `test_products_bind` forges with numbers that no honest batch has: by their names, what it shows."""

FORGING_MODULES: Final = (
    "tests.circuits.test_cancellations",
    "tests.circuits.test_fills",
    "tests.circuits.test_group_settlements",
    "tests.circuits.test_orders",
    "tests.circuits.test_trades",
    "tests.circuits.test_transfers",
    "tests.circuits.test_withdrawals",
    "tests.adversarial.test_batch_money_and_margin",
    "tests.adversarial.test_batch_queue",
    "tests.adversarial.test_batch_state",
    "tests.adversarial.test_batch_trading",
)


@cache
def forged_alone() -> dict[str, str]:
    """What refuses some registered forgery all by itself, by the forgery: taken away, that forgery is accepted."""
    for module in FORGING_MODULES:
        import_module(module)
    found = {one: forgery.name for forgery in FORGERIES for one in forgery.broken if len(forgery.broken) == 1}
    return found | {one: cheat.name for cheat in CHEATS for one in cheat.reasons if len(cheat.reasons) == 1}


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
    elif deletion.kind == "constraint" and is_of_constants(grounds[0].table, deletion.index):
        said |= {"noticed_by": "implied by others", "others": ["the table's periodic columns, on every row"]}
    elif product_of(grounds[0].table, deletion):
        said |= {"noticed_by": "a registered forgery", "other": product_of(grounds[0].table, deletion)}
    elif deletion.kind == "constraint" and deletion.name in forged_alone():
        said |= {"noticed_by": "a registered forgery", "other": forged_alone()[deletion.name]}
    elif (lie := lie_about(grounds, deletion, twins)) is not None:
        said |= {"noticed_by": "a forged trace", "other": lie}
    elif is_named_in_tests(deletion):
        said |= {"noticed_by": "a test by its name"}
    elif reason_of(deletion):
        said |= {"noticed_by": "redundant, with a reason", "reason": reason_of(deletion)}
    elif deletion.kind == "constraint" and twins[deletion.index] != deletion.index:
        # Alone it is redundant; whether its class is noticed, the first of the class says.
        said |= {"noticed_by": "says the same as another"}
    else:
        others = implied_by(grounds, deletion, twins)
        said |= (
            {"noticed_by": "nothing found"}
            if others is None
            else {"noticed_by": "implied by others", "others": others}
        )
    return said


@cache
def _rules(table: Table) -> Rules:
    return Rules(table)


def implied_by(grounds: Sequence[Ground], deletion: Deletion, twins: Sequence[int]) -> list[str] | None:
    """Rules of the table that leave no choice but keeping this one."""
    table = grounds[0].table
    if deletion.kind == "range look-up":
        looked_up = table.interactions[deletion.index]
        (value, *more) = looked_up.values
        settled = None if more else _rules(table).settling(value, grounds[0].limits[looked_up.bus.name])
        return None if settled is None else [settled]
    if deletion.kind != "constraint":
        return None
    same = [other for other, first in enumerate(twins) if first == twins[deletion.index]]
    most = np.max([ground.trace.max(axis=1) for ground in grounds], axis=0)
    return _rules(table).implying(deletion.index, same, np.flatnonzero(most < 2).tolist())


def product_of(table: Table, deletion: Deletion) -> str | None:
    """Which forgery of a product has just this look-up against it."""
    if deletion.kind != "range look-up":
        return None
    cells = cells_of(table.interactions[deletion.index].values)
    names = [table.main_names[cell.index] for cell in cells if cell.kind is CellKind.MAIN]
    found = [
        shown
        for pattern, shown in FORGED_BY_SEARCH.items()
        if any(re.fullmatch(pattern, one) for one in names)
    ]
    return found[0] if found and len(names) == 1 else None


def is_of_constants(table: Table, number: int) -> bool:
    """Whether a constraint reads constants alone, and holds on every row: whatever a trace is."""
    polynomial = table.constraints[number].polynomial
    cells = cells_of([polynomial])
    if any(one.kind is not CellKind.PERIODIC for one in cells):
        return False
    period = math.lcm(*(len(table.periodic[one.index].values) for one in cells))
    lines = {
        one: np.resize(np.array(table.periodic[one.index].values, np.int64) % PRIME, period) for one in cells
    }
    (line,) = evaluate([polynomial], lines.__getitem__, lambda value: np.full(period, value % PRIME))
    return not (line % PRIME).any()


def reason_of(deletion: Deletion) -> str | None:
    """Why a rule says nothing of its own, where that was argued by hand."""
    return REASONS.get((deletion.table, f"{deletion.kind}: {deletion.name}"))


def judge(name: str) -> tuple[str, list[dict[str, Any]]]:
    """Take away everything of a table."""
    (table,) = (one for one in searched_tables() if one.name == name)
    grounds = grounds_of(table)
    wanted = grounds[0].deletions()
    # What an honest batch sends is missed at once; the search for its cells only says how.
    hard = [one for one in wanted if one.kind not in {"message", "answer"}]
    found = followed(name, hard) if table.name in SLOW else searched(grounds, wanted, hard)
    twins = twins_of(grounds[0].table, grounds[0].publics)
    return name, [verdict(grounds, one, found, twins) for one in wanted]


def searched(
    grounds: Sequence[Ground], wanted: Sequence[Deletion], hard: Sequence[Deletion]
) -> dict[Deletion, Forged]:
    """What windows of a few rows show."""
    table = grounds[0].table
    found = search(grounds, [one for one in wanted if one not in hard], most=3)
    if table.name == keys.NAME:
        # Newton's method finds no point beside the curve; it is computed.
        hard = [one for one in hard if (table.name, one.name) not in LIES]
    for rows, most, repairs in WINDOWS:
        if rows > 1 and not reads_its_neighbours(table):
            continue
        left = [one for one in hard if one not in found]
        if left:
            found |= search(grounds, left, rows=rows, most=most, repairs=repairs)
    found |= shifted_columns(grounds[:1], [one for one in hard if one not in found])
    for rows, most in LENT_WINDOWS:
        if rows == 1 or reads_its_neighbours(table):
            found |= lent_to(grounds, [one for one in hard if one not in found], rows, most)
    return found


def followed(name: str, wanted: Sequence[Deletion]) -> dict[Deletion, Forged]:
    """What chains of rows show, of rules without a forged trace that was written down."""
    chains = () if name == range_check.NAME else chains_of(name)
    found: dict[Deletion, Forged] = {}
    for deletion in wanted:
        if (name, deletion.name) not in LIES and chains:
            forged = carried_on(chains, deletion, twins_of(chains[0].ground.table, ()))
            if forged is not None:
                found[deletion] = forged
    left = [one for one in wanted if one not in found and (name, one.name) not in LIES]
    return found | shifted_columns([chain.ground for chain in chains], left)


def told_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is written down of one table."""
    return {
        "by_kind": dict(sorted(Counter(one["kind"] for one in found).items())),
        "noticed_by": dict(sorted(Counter(one["noticed_by"] for one in found).items())),
        "nothing_found": [
            f"{one['kind']}: {one['name']}" for one in found if one["noticed_by"] == "nothing found"
        ],
        "implied": {one["name"]: one["others"] for one in found if "others" in one},
        "reasons": {one["name"]: one["reason"] for one in found if "reason" in one},
        "free_cells": {
            one["name"]: one["cells"] for one in found if one["noticed_by"].startswith("free cells")
        },
    }


def summary(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Numbers of all tables, in the circuit's order, and what is told of each."""
    names = [table.name for table in shapes.kinds_of_rows()]
    kept = {name: tables[name] for name in names if name in tables}

    def total(of: str) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for told_table in kept.values():
            counts.update(told_table[of])
        return dict(sorted(counts.items()))

    return {
        "command": "python -m tests.adversarial.deletions_report",
        "tables_not_searched": [name for name in names if name not in kept],
        "deletions": sum(total("by_kind").values()),
        "by_kind": total("by_kind"),
        "noticed_by": total("noticed_by"),
        "tables": kept,
    }


def main(names: Sequence[str]) -> int:
    """Judge one table after the other, the narrowest first: what is found is written down as it comes."""
    chosen = [table for table in searched_tables() if not names or table.name in names]
    chosen.sort(key=lambda table: len(table.main_names) * len(table.constraints))
    # With names of tables the others stay as they were told before.
    answers = json.loads(RESULTS.read_text(encoding="utf-8"))["tables"] if names else {}
    for table in chosen:
        name, found = judge(table.name)
        answers[name] = told_of(found)
        sys.stderr.write(f"{name}: {answers[name]['noticed_by']}\n")
        # A search that is ended early has said which tables it did not come to.
        RESULTS.write_text(json.dumps(summary(answers), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
