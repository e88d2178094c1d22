"""The shape of a proof: which matrices are committed when, at which heights, and how they are folded.

A key pins a shape, so a proof has no lengths of its own: nothing in it can lie about its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from prover.air.expression import CellKind
from prover.air.table import Table
from prover.parameters import StarkParameters

EXTENSION_DEGREE = 5
"""Challenges live in GF(p^5): degree four leaves fewer than 80 provable bits at 2^20 rows."""


@dataclass(frozen=True, slots=True)
class MatrixShape:
    """One committed matrix of base field columns."""

    table: int
    columns: int
    log_height: int
    next_columns: tuple[int, ...]
    """The columns that are opened at the next row too, ascending."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Matrices committed under one root."""

    name: str
    matrices: tuple[MatrixShape, ...]

    @property
    def log_height(self) -> int:
        """The height of the tallest matrix: the tree has one leaf for each point of its extended domain."""
        return max(matrix.log_height for matrix in self.matrices)


@dataclass(frozen=True, slots=True)
class FoldStep:
    """One fold of the low-degree test."""

    log_height: int
    """The log2 of the degree bound before the fold."""
    log_arity: int
    is_mixed: bool
    """Whether the tables of the height reached are added after the fold."""


@dataclass(frozen=True)
class Shape:
    """Everything about a proof that does not depend on its values."""

    parameters: StarkParameters
    tables: tuple[Table, ...]
    log_heights: tuple[int, ...]
    rounds: int
    """The number of challenge rounds, the bus argument included."""
    bus_round: int | None
    public_count: int

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The commitments in the order in which they are made; phases without a column are left out."""
        tables = range(len(self.tables))
        columns_of = [
            ("preprocessed", [self._preprocessed(i) for i in tables]),
            ("main", [self._main(i) for i in tables]),
            *(
                (f"challenge round {round}", [self._round(i, round) for i in tables])
                for round in range(1, self.rounds + 1)
            ),
            ("quotient", [self._quotient(i) for i in tables]),
        ]
        phases = (Phase(name, tuple(m for m in matrices if m.columns)) for name, matrices in columns_of)
        return tuple(phase for phase in phases if phase.matrices)

    def phase(self, name: str) -> Phase | None:
        """The phase of that name, None if it commits to nothing."""
        return next((phase for phase in self.phases if phase.name == name), None)

    @property
    def log_max_height(self) -> int:
        """The height of the tallest table."""
        return max(self.log_heights)

    def log_quotient_pieces(self, table: int) -> int:
        """How many cosets the quotient of a table needs: degree d leaves degree d - 1 times the height."""
        return (self.tables[table].degree - 2).bit_length()

    def challenge_count(self, round: int) -> int:
        """How many challenges are drawn at the start of a round: as many as the table that reads most of them."""
        counts = (table.challenge_counts for table in self.tables)
        return max((count[round - 1] for count in counts if len(count) >= round), default=0)

    @cached_property
    def bus_tables(self) -> tuple[int, ...]:
        """The tables that claim a bus sum."""
        return tuple(i for i, table in enumerate(self.tables) if table.interactions)

    @cached_property
    def input_heights(self) -> tuple[int, ...]:
        """The distinct heights of the tables, tallest first: each enters the low-degree test once."""
        return tuple(sorted(set(self.log_heights), reverse=True))

    @property
    def log_final_length(self) -> int:
        """The log2 of the number of coefficients at which folding stops, at the latest at the lowest table."""
        return min(self.parameters.log_final_length, *self.log_heights)

    @cached_property
    def folds(self) -> tuple[FoldStep, ...]:
        """The folds: as large as allowed, but never past a height at which a table enters."""
        steps = []
        current = self.log_max_height
        while current > self.log_final_length:
            stop = max((h for h in self.input_heights if h < current), default=self.log_final_length)
            stop = max(stop, self.log_final_length)
            arity = min(self.parameters.log_fold_arity, current - stop)
            steps.append(FoldStep(current, arity, current - arity in self.input_heights))
            current -= arity
        return tuple(steps)

    @cached_property
    def trees(self) -> tuple[Phase, ...]:
        """Every tree that a query opens: the phases, then the words that are folded."""
        return (
            *self.phases,
            *(
                Phase(
                    f"fold {number}",
                    (
                        MatrixShape(
                            0, EXTENSION_DEGREE << step.log_arity, step.log_height - step.log_arity, ()
                        ),
                    ),
                )
                for number, step in enumerate(self.folds)
            ),
        )

    @property
    def nonce_count(self) -> int:
        """One nonce for each grinding: rounds, constraint, out-of-domain, batching, folds, queries."""
        return self.rounds + 3 + len(self.folds) + 1

    def _preprocessed(self, i: int) -> MatrixShape:
        table = self.tables[i]
        next_columns = table.next_row_columns(CellKind.PREPROCESSED)
        return MatrixShape(i, len(table.preprocessed_names), self.log_heights[i], next_columns)

    def _main(self, i: int) -> MatrixShape:
        table = self.tables[i]
        return MatrixShape(
            i, len(table.main_names), self.log_heights[i], table.next_row_columns(CellKind.MAIN)
        )

    def _round(self, i: int, round: int) -> MatrixShape:
        table = self.tables[i]
        wide = table.next_row_columns(CellKind.CHALLENGE_COLUMN, round)
        planes = tuple(EXTENSION_DEGREE * column + k for column in wide for k in range(EXTENSION_DEGREE))
        return MatrixShape(
            i, EXTENSION_DEGREE * len(table.challenge_names(round)), self.log_heights[i], planes
        )

    def _quotient(self, i: int) -> MatrixShape:
        return MatrixShape(i, EXTENSION_DEGREE << self.log_quotient_pieces(i), self.log_heights[i], ())


def opened_columns(phases: Sequence[Phase]) -> int:
    """The number of pairs of a column and a point at which it is opened."""
    return sum(matrix.columns + len(matrix.next_columns) for phase in phases for matrix in phase.matrices)
