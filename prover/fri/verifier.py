"""One query of the low-degree test: rows lead to their roots, and every word is the one before it, folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prover.errors import Reason
from prover.field.koalabear import GENERATOR, inverse, power, root_of_unity
from prover.fri.folding import HALF, evaluate_polynomial, fold_row, inverse_roots
from prover.stark.arithmetic import Arithmetic
from prover.stark.proof import Query, TreeOpening
from prover.stark.shape import EXTENSION_DEGREE, FoldStep, MatrixShape, Phase, Shape

# Any: the values of one run are all of one kind, which the arithmetic chooses.
Value = Any

ColumnPower = tuple[int, int, int, Value]
"""Phase, matrix within it, column within that, and the power of the batching challenge that weighs it."""


@dataclass(frozen=True, slots=True)
class DeepInput:
    """What enters the test at one height: columns, the values claimed for them, and at which points."""

    log_height: int
    point: Value
    next_point: Value
    current: list[ColumnPower]
    current_claim: Value
    """The claimed values at the point, combined with the same powers as the columns."""
    next: list[ColumnPower]
    next_claim: Value


@dataclass(frozen=True, slots=True)
class FoldCheck:
    """A fold as the transcript left it."""

    step: FoldStep
    root: Value
    challenge: Value


def check_query(
    arithmetic: Arithmetic[Value, Value, Value],
    shape: Shape,
    roots: Sequence[Value],
    inputs: dict[int, DeepInput],
    folds: Sequence[FoldCheck],
    final_polynomial: Sequence[Value],
    query: Query[Value, Value, Value],
    bits: Sequence[Value],
) -> None:
    """Check everything that is opened at one position, given as bits, least significant first."""
    log_blowup = shape.parameters.log_blowup
    for phase, root, opening in zip(shape.phases, roots, query.phases, strict=True):
        _check_opening(arithmetic, phase, log_blowup, root, opening, bits)
    log_height = shape.log_max_height
    walk = _DomainWalk(arithmetic, bits, log_height + log_blowup)
    word = _deep_value(arithmetic, inputs[log_height], query, walk.x)
    for fold, opening in zip(folds, query.folds, strict=True):
        step = fold.step
        arity = 1 << step.log_arity
        log_rows = step.log_height + log_blowup - step.log_arity
        matrix = MatrixShape(0, EXTENSION_DEGREE * arity, step.log_height - step.log_arity, ())
        _check_opening(arithmetic, Phase("fold", (matrix,)), log_blowup, fold.root, opening, bits)
        flat = opening.rows[0]
        row = [
            arithmetic.extension(flat[i : i + EXTENSION_DEGREE])
            for i in range(0, len(flat), EXTENSION_DEGREE)
        ]
        chosen = _choose(row, bits[log_rows : log_rows + step.log_arity])
        # Soundness: this ties each word to the one before it, and the first one to the opened rows.
        arithmetic.require_equal(
            word,
            chosen,
            Reason.FOLD_INCONSISTENT,
            f"the word of degree 2^{step.log_height} differs from its source",
        )
        walk.enter_row(step.log_arity)
        scale = [
            [arithmetic.base(root) for root in inverse_roots(level)] for level in range(step.log_arity, 0, -1)
        ]
        word = fold_row(row, fold.challenge * walk.x_inverse, scale, arithmetic.base(HALF))
        walk.raise_to_the(step.log_arity)
        log_height -= step.log_arity
        if step.is_mixed:
            # Soundness: the power continues where the fold's own powers of the challenge end.
            # The mixed word is then one more point of the same random curve.
            weight = fold.challenge
            for _ in range(step.log_arity):
                weight = weight * weight
            word = word + weight * _deep_value(arithmetic, inputs[log_height], query, walk.x)
    expected = evaluate_polynomial(final_polynomial, _as_extension(arithmetic, walk.x))
    arithmetic.require_equal(
        word, expected, Reason.FINAL_POLYNOMIAL_MISMATCH, "the last word is not the final polynomial"
    )


_REASONS = {
    "preprocessed": Reason.PREPROCESSED_ROW_NOT_IN_TREE,
    "main": Reason.MAIN_ROW_NOT_IN_TREE,
    "quotient": Reason.QUOTIENT_ROW_NOT_IN_TREE,
    "fold": Reason.FOLD_ROW_NOT_IN_TREE,
}


def _check_opening(
    arithmetic: Arithmetic[Value, Value, Value],
    phase: Phase,
    log_blowup: int,
    root: Value,
    opening: TreeOpening[Value, Value],
    bits: Sequence[Value],
) -> None:
    """The rows hash up to the root: the tallest at the leaves, each shorter one where its height is reached."""
    log_size = phase.log_height + log_blowup
    node = _row_digest(arithmetic, phase, phase.log_height, opening)
    for depth, sibling in enumerate(opening.path):
        level = log_size - depth - 1
        node = arithmetic.compress_at(bits[level], node, sibling, level)
        log_height = level - log_blowup
        if any(matrix.log_height == log_height for matrix in phase.matrices):
            node = arithmetic.compress(node, _row_digest(arithmetic, phase, log_height, opening), level)
    reason = _REASONS.get(phase.name, Reason.CHALLENGE_ROUND_ROW_NOT_IN_TREE)
    arithmetic.require_same_digest(
        node, root, reason, f"a row of the {phase.name} tree does not lead to its root"
    )


def _row_digest(
    arithmetic: Arithmetic[Value, Value, Value],
    phase: Phase,
    log_height: int,
    opening: TreeOpening[Value, Value],
) -> Value:
    elements: list[Value] = []
    for matrix, row in zip(phase.matrices, opening.rows, strict=True):
        if matrix.log_height == log_height:
            elements += row
    return arithmetic.hash_row(elements)


def _deep_value(
    arithmetic: Arithmetic[Value, Value, Value], deep: DeepInput, query: Query[Value, Value, Value], x: Value
) -> Value:
    """The random combination of (column(x) - value) / (x - point) over all columns and points of one height."""
    place = x * GENERATOR
    reason = Reason.OUT_OF_DOMAIN_POINT_IN_DOMAIN
    total = (deep.current_claim - _combine(arithmetic, deep.current, query)) * arithmetic.inverse(
        deep.point - place, reason
    )
    if deep.next:
        numerator = deep.next_claim - _combine(arithmetic, deep.next, query)
        total = total + numerator * arithmetic.inverse(deep.next_point - place, reason)
    return total


def _combine(
    arithmetic: Arithmetic[Value, Value, Value],
    columns: Sequence[ColumnPower],
    query: Query[Value, Value, Value],
) -> Value:
    values = [query.phases[phase].rows[matrix][column] for phase, matrix, column, _ in columns]
    return arithmetic.weighted_sum([weight for *_, weight in columns], values)


def _choose(values: Sequence[Value], bits: Sequence[Value]) -> Value:
    """The value at the position whose bits these are, least significant first."""
    left = list(values)
    for bit in bits:
        left = [zero + (one - zero) * bit for zero, one in zip(left[::2], left[1::2], strict=True)]
    return left[0]


def _as_extension(arithmetic: Arithmetic[Value, Value, Value], value: Value) -> Value:
    zero = arithmetic.base(0)
    return arithmetic.extension([value, *([zero] * (EXTENSION_DEGREE - 1))])


class _DomainWalk:
    """The point of the query and its inverse, carried through the folds."""

    def __init__(
        self, arithmetic: Arithmetic[Value, Value, Value], bits: Sequence[Value], log_size: int
    ) -> None:
        self.bits = bits
        self.log_size = log_size
        self.x = arithmetic.base(1)
        self.x_inverse = arithmetic.base(1)
        for position in range(log_size):
            root = power(root_of_unity(log_size), 1 << position)
            self._turn(bits[position], root)

    def _turn(self, bit: Value, root: int) -> None:
        """Multiply the point by the root where the bit is one."""
        self.x = self.x * (bit * (root - 1) + 1)
        self.x_inverse = self.x_inverse * (bit * (inverse(root) - 1) + 1)

    def enter_row(self, log_arity: int) -> None:
        """Move from the value's own point to the point of the first value in its row."""
        for position in range(log_arity):
            root = power(root_of_unity(log_arity), 1 << position)
            self._turn(self.bits[self.log_size - log_arity + position], inverse(root))

    def raise_to_the(self, log_arity: int) -> None:
        """Move to the domain of the folded word."""
        for _ in range(log_arity):
            self.x = self.x * self.x
            self.x_inverse = self.x_inverse * self.x_inverse
        self.log_size -= log_arity
