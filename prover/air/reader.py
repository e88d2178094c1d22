"""The Python reader of expressions: slow, obvious, and the definition of what they mean.

It works over any ring: field elements, numpy arrays of them, or the wires of a recursion circuit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol, Self, TypeVar

from prover.air.expression import Cell, Expression, Operation, topological_order


class Ring(Protocol):
    """What a value must offer to be read."""

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...


Value = TypeVar("Value", bound=Ring)


def evaluate(
    expressions: Sequence[Expression], read_cell: Callable[[Cell], Value], lift: Callable[[int], Value]
) -> list[Value]:
    """The values of the expressions, each shared part computed once."""
    values: dict[Expression, Value] = {}
    for node in _order_of(tuple(expressions)):
        if node.operation is Operation.CONSTANT:
            assert isinstance(node.payload, int)
            values[node] = lift(node.payload)
        elif node.operation is Operation.CELL:
            assert isinstance(node.payload, Cell)
            values[node] = read_cell(node.payload)
        else:
            left, right = (values[source] for source in node.sources)
            values[node] = _apply(node.operation, left, right)
    return [values[expression] for expression in expressions]


@lru_cache(maxsize=128)
def _order_of(expressions: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """Every part before what it is part of; whoever verifies reads the same tables again and again."""
    return tuple(topological_order(expressions))


def _apply(operation: Operation, left: Value, right: Value) -> Value:
    if operation is Operation.ADD:
        return left + right
    if operation is Operation.SUBTRACT:
        return left - right
    return left * right
