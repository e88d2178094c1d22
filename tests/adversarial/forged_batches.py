"""Whole batches laid out as a cheat would have them: hashed, counted and bound to their data anew, then judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np

from circuits import batch, compressions, poseidon, shapes, witness
from circuits.buses import COMPRESS, SPONGE
from circuits.demand import write_counts
from circuits.machine import follow_batch
from circuits.shapes import SHAPES, batch_circuit, preprocessed
from circuits.statement import BatchStatement
from circuits.witness import BatchWitness, Followed
from prover.air.inspect import inspect
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from tests.circuits.loose_ends import broken, untrue_hashes
from tests.circuits.story import Chapter

HASHES = {poseidon.NAME, compressions.NAME}
"""Not inspected, because they are slow: what is asked of them is computed instead."""

FIXED_HEIGHTS = {"signatures": 7, "keys": 2, "range check": 16, "batch": 0, "poseidon": 0, "compressions": 0}

TABLES = {table.name: table for table in batch_circuit().tables}


@dataclass(frozen=True, slots=True)
class SmallShape:
    """Tables just high enough for one batch, with a dead row in most of them."""

    log_heights: Mapping[str, int]


def shape_of(followed: Followed) -> SmallShape:
    """The heights that a batch needs."""
    return SmallShape(
        {
            name: FIXED_HEIGHTS[name]
            if followed.needed.get(name, 0) <= 1 << FIXED_HEIGHTS.get(name, 30) and name in FIXED_HEIGHTS
            else (followed.needed.get(name, 0) + 1).bit_length()
            for name in SHAPES[0].log_heights
        }
    )


@dataclass
class Forged:
    """The traces of a batch by table, to be changed cell by cell."""

    statement: list[int]
    traces: dict[str, Montgomery]
    live: Mapping[str, int] = field(default_factory=dict)

    def column(self, table: str, name: str) -> int:
        """The place of a column."""
        return TABLES[table].main_names.index(name)

    def get(self, table: str, row: int, name: str) -> int:
        """A cell."""
        return int(decode(self.traces[table][self.column(table, name), row : row + 1])[0])

    def put(self, table: str, row: int, /, **cells: int) -> None:
        """Write cells; blanks in a column's name are written as underscores."""
        names = {name.replace(" ", "_").replace("'", ""): i for i, name in enumerate(TABLES[table].main_names)}
        for name, value in cells.items():
            self.traces[table][names[name], row] = encode(np.array([value % PRIME]))[0]

    def copy_row(self, table: str, source: int, to: int) -> None:
        """Lay a row out once more."""
        self.traces[table][:, to] = self.traces[table][:, source]

    def say(self, name: str, value: int) -> None:
        """Write a public value."""
        self.statement[shapes.PUBLIC_NAMES.index(name)] = value % PRIME

    def wrong(self) -> set[str]:
        """Why it is refused: broken constraints, buses that do not balance, hashes that are not true."""
        tables = [table for table in batch_circuit().tables if table.name not in HASHES]
        columns = preprocessed()
        write_counts(
            tables,
            [self.traces[table.name] for table in tables],
            [columns.get(table.name) for table in tables],
            self.statement,
            threads=1,
        )
        found = inspect(tables, self.traces, self.statement, preprocessed=columns, is_montgomery=True)
        hashed = {SPONGE.name, COMPRESS.name}
        return broken(found) | untrue_hashes(found) | {one.bus for one in found.messages if one.bus not in hashed}


def laid_out(
    told: Chapter,
    lie: Callable[[Followed], Followed] = lambda followed: followed,
    row: Callable[[batch.Row], batch.Row] | None = None,
    patches: Mapping[str, Any] | None = None,
) -> tuple[Forged, BatchStatement]:
    """Lay a chapter out with a lie: hashes, tree, data and statement follow from it."""
    followed = lie(follow_batch(told.before, told.batch, told.tree, told.outcome))
    honest_row = witness._batch_row

    def batch_row(of: Followed) -> batch.Row:
        found = honest_row(of)
        return found if row is None else row(found)

    with patch.object(witness, "_batch_row", batch_row):
        made = _lay_out(followed, patches or {})
    return Forged(list(made.statement.elements), made.traces, made.needed), made.statement


def _lay_out(followed: Followed, patches: Mapping[str, Any]) -> BatchWitness:
    with patch.object(poseidon, "fill", lambda *_, **__: (np.zeros((1, 1), np.uint32), [])):
        with patch.object(compressions, "fill", lambda *_, **__: np.zeros((1, 1), np.uint32)):
            with patch.object(witness.demand, "write_counts", lambda *_, **__: None):
                if patches:
                    (target, value), *rest = patches.items()
                    module, name = target.rsplit(".", 1)
                    with patch(f"{module}.{name}", value):
                        return _lay_out(followed, dict(rest))
                return witness.lay_out(
                    followed, shape_of(followed), batch_circuit().tables, preprocessed(), threads=1
                )
