"""Whole batches laid out as a cheat would have them: hashed, counted and bound to their data anew, then judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np

from circuits import batch, demand, key_multiples, keys, poseidon, signature, witness
from circuits.buses import COMPRESS, SPONGE
from circuits.machine import follow_batch
from circuits.shapes import kinds_of_rows, preprocessed
from circuits.statement import PUBLIC_NAMES
from circuits.witness import Followed
from prover.air.inspect import inspect
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from tests.circuits.loose_ends import broken, untrue_hashes
from tests.circuits.story import Chapter

HASHES = {poseidon.NAME}
"""Not inspected, because they are slow: what is asked of them is computed instead."""

FIXED_HEIGHTS = {"range check": 16, "batch": 0, "poseidon": 0, "keys": keys.LEAST_LOG_HEIGHT}

SPARE_ROWS = {"signatures": signature.BLOCK, "key multiples": key_multiples.BLOCK, "tree": 64}
"""For leaves that only the cheat touches; in most tables one dead row is enough."""

TABLES = {table.name: table for table in kinds_of_rows()}


@dataclass(frozen=True, slots=True)
class SmallShape:
    """Tables just high enough for one batch, with a dead row in most of them."""

    log_heights: Mapping[str, int]


def shape_of(followed: Followed) -> SmallShape:
    """The heights that a batch needs."""
    heights = {}
    for name in TABLES:
        rows = followed.needed.get(name, 0) + SPARE_ROWS.get(name, 1)
        heights[name] = FIXED_HEIGHTS[name] if name in FIXED_HEIGHTS else (rows - 1).bit_length()
    return SmallShape(heights)


@dataclass
class Forged:
    """The traces of a batch by table, to be changed cell by cell."""

    statement: list[int]
    traces: dict[str, Montgomery]
    live: Mapping[str, int]
    """How many rows of each table are live."""
    changed: set[str] = field(default_factory=set)

    def column(self, table: str, name: str) -> int:
        """The place of a column."""
        return TABLES[table].main_names.index(name)

    def get(self, table: str, row: int, name: str) -> int:
        """A cell."""
        return int(decode(self.traces[table][self.column(table, name), row : row + 1])[0])

    def put(self, table: str, row: int, /, **cells: int) -> None:
        """Write cells; blanks in a column's name are written as underscores."""
        self.changed.add(table)
        names = {
            name.replace(" ", "_").replace("'", ""): i for i, name in enumerate(TABLES[table].main_names)
        }
        for name, value in cells.items():
            self.traces[table][names[name], row] = encode(np.array([value % PRIME]))[0]

    def copy_row(self, table: str, source: int, to: int) -> None:
        """Lay a row out once more."""
        self.changed.add(table)
        self.traces[table][:, to] = self.traces[table][:, source]

    def say(self, name: str, value: int) -> None:
        """Write a public value."""
        self.statement[PUBLIC_NAMES.index(name)] = value % PRIME

    def _is_used(self, table: str) -> bool:
        """Whether a table is inspected: one of nothing but dead rows, as it was laid out, says nothing."""
        return table not in HASHES and (self.live.get(table, 1) > 0 or table in self.changed)

    def wrong(self) -> set[str]:
        """Why it is refused: broken constraints, buses that do not balance, hashes that are not true."""
        tables = [table for table in kinds_of_rows() if self._is_used(table.name)]
        columns = preprocessed()
        demand.write_counts(
            tables,
            [self.traces[table.name] for table in tables],
            [columns.get(table.name) for table in tables],
            self.statement,
            threads=1,
        )
        found = inspect(tables, self.traces, self.statement, preprocessed=columns, is_montgomery=True)
        hashed = {SPONGE.name, COMPRESS.name}
        return (
            broken(found)
            | untrue_hashes(found)
            | {one.bus for one in found.messages if one.bus not in hashed}
        )


def laid_out(
    told: Chapter,
    lie: Callable[[Followed], Followed] = lambda followed: followed,
    row: Callable[[batch.Row], batch.Row] = lambda row: row,
) -> Forged:
    """Lay a chapter out with a lie: hashes, tree, data and statement follow from it."""
    followed = lie(follow_batch(told.before, told.batch, told.tree, told.outcome))
    honest_row = witness._batch_row
    no_trace = np.zeros((1, 1), np.uint32)
    with (
        patch.object(witness, "_batch_row", lambda of: row(honest_row(of))),
        patch.object(poseidon, "fill", lambda *_, **__: (no_trace, [])),
        # They are counted when the last lie is told.
        patch.object(demand, "write_counts", lambda *_, **__: None),
    ):
        made = witness.lay_out(followed, shape_of(followed), kinds_of_rows(), preprocessed(), threads=1)
    return Forged(list(made.statement.elements), made.traces, made.needed)
