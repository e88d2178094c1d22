"""Symbolic field expressions, interned into one directed acyclic graph.

Five operations, nothing else.
Every reader of constraints (the prover's tape, the verifier, the recursion circuit, Solidity) covers these five.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar

from prover.field.koalabear import PRIME


class Operation(StrEnum):
    """The closed vocabulary that every reader must cover."""

    CONSTANT = "constant"
    CELL = "cell"
    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"


class CellKind(StrEnum):
    """Where the value of a cell comes from."""

    PREPROCESSED = "preprocessed"
    """A column fixed by the verification key."""
    PERIODIC = "periodic"
    """A short column that repeats; the verifier evaluates it by itself."""
    MAIN = "main"
    """A column of the witness, committed before any challenge is drawn."""
    CHALLENGE_COLUMN = "challenge column"
    """An extension-valued column of a later round, committed after that round's challenges."""
    SELECTOR = "selector"
    """Non-zero only on the first row, only on the last row, or everywhere but on the last row."""
    PUBLIC = "public"
    """A public value of the statement, the same on every row."""
    CHALLENGE = "challenge"
    """A random extension element drawn at the start of a round, the same on every row."""
    BUS_SUM_SHARE = "bus sum share"
    """The table's claimed bus sum divided by its height, the same on every row."""
    COMBINER = "combiner"
    """A power of the challenge that combines all constraints of a table into one."""


ROW_CONSTANT_KINDS = frozenset(
    {CellKind.PUBLIC, CellKind.CHALLENGE, CellKind.BUS_SUM_SHARE, CellKind.COMBINER}
)
"""Cells with the same value on every row: they add nothing to a degree."""

EXTENSION_KINDS = frozenset(
    {CellKind.CHALLENGE_COLUMN, CellKind.CHALLENGE, CellKind.BUS_SUM_SHARE, CellKind.COMBINER}
)
"""Cells whose values are elements of the challenge extension rather than of the base field."""


class Selector(IntEnum):
    """The index of a selector cell."""

    FIRST_ROW = 0
    LAST_ROW = 1
    TRANSITION = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One value that a constraint reads: a column at this row or the next, or a value that all rows share."""

    kind: CellKind
    index: int
    row_offset: int = 0
    round: int = 0
    """The round of a challenge or challenge column, from 1; 0 for everything else."""


def _cell_degree(cell: Cell) -> int:
    # The transition factor x - g^-1 has degree one in x, not degree height - 1.
    # Division by the vanishing polynomial, of degree height, leaves room for it.
    if cell.kind in ROW_CONSTANT_KINDS:
        return 0
    if cell.kind is CellKind.SELECTOR and cell.index == Selector.TRANSITION:
        return 0
    return 1


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """One node of the graph; equal nodes are the same object."""

    operation: Operation
    sources: tuple[Expression, ...]
    payload: int | Cell | None
    degree: int
    """Degree in trace polynomials: an upper bound in units of (height - 1)."""
    is_extension: bool
    is_row_constant: bool

    _interned: ClassVar[dict[tuple[object, ...], Expression]] = {}

    @classmethod
    def _intern(
        cls, operation: Operation, sources: tuple[Expression, ...], payload: int | Cell | None, degree: int
    ) -> Expression:
        key = (operation, tuple(map(id, sources)), payload)
        found = cls._interned.get(key)
        if found is None:
            if isinstance(payload, Cell):
                is_extension = payload.kind in EXTENSION_KINDS
                is_row_constant = payload.kind in ROW_CONSTANT_KINDS
            else:
                is_extension = any(source.is_extension for source in sources)
                is_row_constant = all(source.is_row_constant for source in sources)
            found = cls(operation, sources, payload, degree, is_extension, is_row_constant)
            cls._interned[key] = found
        return found

    def __add__(self, other: Operand) -> Expression:
        right = lift(other)
        if self.constant_value == 0:
            return right
        if right.constant_value == 0:
            return self
        if self.constant_value is not None and right.constant_value is not None:
            return lift(self.constant_value + right.constant_value)
        return self._intern(Operation.ADD, (self, right), None, max(self.degree, right.degree))

    def __sub__(self, other: Operand) -> Expression:
        right = lift(other)
        if right.constant_value == 0:
            return self
        if self.constant_value is not None and right.constant_value is not None:
            return lift(self.constant_value - right.constant_value)
        if self is right:
            return lift(0)
        return self._intern(Operation.SUBTRACT, (self, right), None, max(self.degree, right.degree))

    def __mul__(self, other: Operand) -> Expression:
        right = lift(other)
        for constant, factor in ((self, right), (right, self)):
            if constant.constant_value == 0:
                return lift(0)
            if constant.constant_value == 1:
                return factor
        if self.constant_value is not None and right.constant_value is not None:
            return lift(self.constant_value * right.constant_value)
        return self._intern(Operation.MULTIPLY, (self, right), None, self.degree + right.degree)

    def __neg__(self) -> Expression:
        return lift(0) - self

    def __radd__(self, other: int) -> Expression:
        return lift(other) + self

    def __rsub__(self, other: int) -> Expression:
        return lift(other) - self

    def __rmul__(self, other: int) -> Expression:
        return lift(other) * self

    @property
    def constant_value(self) -> int | None:
        """The integer of a constant node, None for every other node."""
        return self.payload if isinstance(self.payload, int) else None

    @property
    def next(self) -> Expression:
        """The same column one row below, cyclically."""
        cell = self.payload
        if not isinstance(cell, Cell) or cell.kind in ROW_CONSTANT_KINDS or cell.row_offset != 0:
            raise ValueError("only a column at the current row has a next row")
        if cell.kind in {CellKind.SELECTOR, CellKind.PERIODIC}:
            raise ValueError("selectors and periodic columns are read at the current row only")
        return read(Cell(cell.kind, cell.index, 1, cell.round))

    def __repr__(self) -> str:
        return describe(self, {})


Operand = Expression | int


def lift(operand: Operand) -> Expression:
    """Turn a Python integer into a constant node."""
    if isinstance(operand, Expression):
        return operand
    return Expression._intern(Operation.CONSTANT, (), operand % PRIME, 0)


def read(cell: Cell) -> Expression:
    """The node that reads a cell."""
    return Expression._intern(Operation.CELL, (), cell, _cell_degree(cell))


def topological_order(roots: Iterable[Expression]) -> list[Expression]:
    """List every node once, sources before users."""
    ordered: dict[Expression, None] = {}
    for root in roots:
        stack: list[tuple[Expression, bool]] = [(root, False)]
        while stack:
            node, are_sources_done = stack.pop()
            if node in ordered:
                continue
            if are_sources_done:
                ordered[node] = None
            else:
                stack.append((node, True))
                stack.extend((source, False) for source in reversed(node.sources) if source not in ordered)
    return list(ordered)


def reads_a_cell(root: Expression) -> bool:
    """Whether an expression reads any cell; most show one at once, so the rest is not looked at."""
    seen: set[Expression] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node.payload, Cell):
            return True
        for source in node.sources:
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return False


def cells_of(roots: Iterable[Expression]) -> list[Cell]:
    """Every cell that the expressions read, each once, in the order of first use."""
    return [node.payload for node in topological_order(roots) if isinstance(node.payload, Cell)]


_SYMBOLS = {Operation.ADD: "+", Operation.SUBTRACT: "-", Operation.MULTIPLY: "*"}


def describe(expression: Expression, names: dict[Cell, str], depth: int = 4) -> str:
    """A short text of an expression for error messages; deep parts become an ellipsis."""
    payload = expression.payload
    if isinstance(payload, Cell):
        name = names.get(
            Cell(payload.kind, payload.index, 0, payload.round), f"{payload.kind}[{payload.index}]"
        )
        return f"{name}.next" if payload.row_offset else name
    if payload is not None:
        return str(payload)
    if depth == 0:
        return "..."
    left, right = (describe(source, names, depth - 1) for source in expression.sources)
    return f"({left} {_SYMBOLS[expression.operation]} {right})"
