"""A table: the frozen result of stating its constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from prover.air.bus import Interaction
from prover.air.expression import Cell, CellKind, Expression, Selector, cells_of, lift, read


class Scope(StrEnum):
    """The rows on which a constraint holds."""

    EVERY_ROW = "every row"
    FIRST_ROW = "first row"
    LAST_ROW = "last row"
    TRANSITION = "every row but the last"


_SELECTOR_OF_SCOPE = {
    Scope.FIRST_ROW: Selector.FIRST_ROW,
    Scope.LAST_ROW: Selector.LAST_ROW,
    Scope.TRANSITION: Selector.TRANSITION,
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A polynomial that vanishes on the rows of its scope; its name is a sentence, shown when it does not."""

    name: str
    scope: Scope
    polynomial: Expression

    @property
    def selected(self) -> Expression:
        """The polynomial times the selector of its scope: it vanishes on every row."""
        if self.scope is Scope.EVERY_ROW:
            return self.polynomial
        return read(Cell(CellKind.SELECTOR, _SELECTOR_OF_SCOPE[self.scope])) * self.polynomial


@lru_cache(maxsize=128)
def _combined(constraints: tuple[Constraint, ...]) -> Expression:
    """Put together once: whoever verifies asks for each proof."""
    total = lift(0)
    for position, constraint in enumerate(constraints):
        total = total + read(Cell(CellKind.COMBINER, position)) * constraint.selected
    return total


@dataclass(frozen=True, slots=True)
class PeriodicColumn:
    """A column that repeats every `len(values)` rows."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChallengeColumn:
    """An extension-valued column, committed in a round after that round's challenges are drawn."""

    name: str
    round: int


Extension = tuple[int, int, int, int, int]
"""An element of the challenge extension: five canonical coordinates, constant term first."""

FillChallengeColumns = Callable[
    [int, Sequence[Sequence[int]], Sequence[Sequence[Extension]]], Sequence[Sequence[Extension]]
]
"""Fill a round: (round, main columns as canonical integers, challenges of all rounds so far) -> one column
of extension values for each challenge column that the table declared for this round, in order."""


@dataclass(frozen=True, slots=True)
class Table:
    """Everything a prover and a verifier know about a table, apart from its height and its cells."""

    name: str
    preprocessed_names: tuple[str, ...]
    main_names: tuple[str, ...]
    periodic: tuple[PeriodicColumn, ...]
    challenge_columns: tuple[ChallengeColumn, ...]
    challenge_counts: tuple[int, ...]
    """How many challenges the table reads in each round, from round 1."""
    constraints: tuple[Constraint, ...]
    interactions: tuple[Interaction, ...]
    fill_challenge_columns: FillChallengeColumns | None = None

    def challenge_names(self, round: int) -> tuple[str, ...]:
        """The names of the challenge columns of one round, in order."""
        return tuple(column.name for column in self.challenge_columns if column.round == round)

    @property
    def degree(self) -> int:
        """The largest degree of a constraint with its selector, at least 2 so that a quotient exists."""
        return max([2, *(constraint.selected.degree for constraint in self.constraints)])

    @property
    def combination(self) -> Expression:
        """All constraints as one polynomial: each times its own power of the combining challenge."""
        return _combined(self.constraints)

    def next_row_columns(self, kind: CellKind, round: int = 0) -> tuple[int, ...]:
        """The columns of one commitment that some constraint reads at the next row, ascending."""
        cells = cells_of(constraint.polynomial for constraint in self.constraints)
        return tuple(
            sorted(
                cell.index for cell in cells if cell.kind is kind and cell.round == round and cell.row_offset
            )
        )

    def cell_names(self) -> dict[Cell, str]:
        """The name of every column cell at the current row, for messages."""
        names = {Cell(CellKind.PREPROCESSED, i): name for i, name in enumerate(self.preprocessed_names)}
        names |= {Cell(CellKind.MAIN, i): name for i, name in enumerate(self.main_names)}
        names |= {Cell(CellKind.PERIODIC, i): column.name for i, column in enumerate(self.periodic)}
        for round in range(1, len(self.challenge_counts) + 1):
            for i, name in enumerate(self.challenge_names(round)):
                names[Cell(CellKind.CHALLENGE_COLUMN, i, 0, round)] = name
        return names
