"""Linear algebra over the field, in plain numpy: what deletion testing solves with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME

Numbers = NDArray[np.int64]


def row_basis(matrix: Numbers) -> Numbers:
    """Independent rows with the same span."""
    rows = np.unique(matrix[matrix.any(axis=1)], axis=0)
    reduced, pivots = reduce_rows(rows)
    return reduced[: len(pivots)]


def reduce_rows(matrix: Numbers) -> tuple[Numbers, list[int]]:
    """Reduced row echelon form over the field, and the pivots' columns."""
    rows, pivots, top = matrix.copy(), [], 0
    for column in range(rows.shape[1]):
        if top == len(rows):
            break
        found = np.flatnonzero(rows[top:, column])
        if not found.size:
            continue
        pivot = top + int(found[0])
        if pivot != top:
            rows[[top, pivot]] = rows[[pivot, top]]
        rows[top] = rows[top] * pow(int(rows[top, column]), PRIME - 2, PRIME) % PRIME
        others = np.flatnonzero(rows[:, column])
        others = others[others != top]
        rows[others] = (rows[others] - rows[others, column][:, None] * rows[top]) % PRIME
        pivots.append(column)
        top += 1
    return rows, pivots


def null_space(rules: Numbers, width: int) -> Numbers:
    """Independent directions in which no rule moves, one a line."""
    reduced, pivots = reduce_rows(rules) if rules.size else (np.zeros((0, width), np.int64), [])
    free = np.setdiff1d(np.arange(width), pivots)
    answer = np.zeros((len(free), width), np.int64)
    answer[np.arange(len(free)), free] = 1
    answer[:, pivots] = -reduced[: len(pivots), free].T % PRIME
    return answer


def directions(null: Numbers, order: Sequence[int]) -> Numbers:
    """The same directions with as few cells as can be: each has a cell to itself, the first ones in the order."""
    arranged = np.asarray(order)
    answer = np.empty_like(null)
    answer[:, arranged] = reduce_rows(null[:, arranged])[0]
    return answer


def solve(matrix: Numbers, right: Numbers) -> Numbers | None:
    """One solution of a linear system, None where there is none."""
    reduced, pivots = reduce_rows(np.concatenate([matrix, right[:, None]], axis=1))
    width = matrix.shape[1]
    if pivots and pivots[-1] == width:
        return None
    answer = np.zeros(width, np.int64)
    for row, pivot in enumerate(pivots):
        answer[pivot] = reduced[row, width]
    return answer


def product(matrix: Numbers, vector: Numbers) -> Numbers:
    """A matrix times a vector over the field, without overflow: products are reduced before they are added."""
    answer: Numbers = (matrix * vector % PRIME).sum(axis=1) % PRIME
    return answer


def matrix_product(left: Numbers, right: Numbers) -> Numbers:
    """A matrix times a matrix; the left one in halves, because whole products would overflow where they are added."""
    if left.shape[1] >= 1 << 15:
        raise ValueError(f"sums of {left.shape[1]} products do not fit")
    high = (left >> 16) @ right % PRIME
    answer: Numbers = ((high << 16) + (left & 0xFFFF) @ right) % PRIME
    return answer


def rank(matrix: Numbers) -> int:
    """How many rows are independent."""
    return len(reduce_rows(matrix)[1]) if matrix.size else 0
