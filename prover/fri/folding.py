"""The folding formula, once, over any ring.

A polynomial f(X) = e(X^2) + X o(X^2) folds with challenge c to e + c o.
From the two values at x and -x:   e = (f(x) + f(-x)) / 2,   o = (f(x) - f(-x)) / 2x.
A fold of arity 2^k is k such folds with c, c^2, c^4, ..: the values of a row become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prover.field.koalabear import inverse, power, root_of_unity

# Any: constants of the base field meet values of the extension, on numbers as on wires.
Value = Any

HALF = inverse(2)
"""One half in the base field: the mean of two values needs it."""


def fold_pair(at_x: Value, at_minus_x: Value, challenge_over_x: Value, half: Value) -> Value:
    """One value of the folded polynomial from the two values above it."""
    return ((at_x + at_minus_x) + challenge_over_x * (at_x - at_minus_x)) * half


def inverse_roots(log_order: int) -> list[int]:
    """w^0, w^-1, .., w^-(half - 1) for the root w of that order: the divisors of the first level of a fold."""
    root = inverse(root_of_unity(log_order))
    return [power(root, exponent) for exponent in range(1 << log_order >> 1)]


def fold_row(row: Sequence[Value], challenge_over_x: Value, scale: list[list[Value]], half: Value) -> Value:
    """Fold a whole row: value m lies at x times the m-th power of the root whose order is the row's length.

    `challenge_over_x` is the challenge divided by x.
    `scale[level]` holds the inverse roots of that level, lifted into the ring.
    """
    values = list(row)
    ratio = challenge_over_x
    for roots in scale:
        middle = len(values) // 2
        values = [fold_pair(values[m], values[m + middle], ratio * roots[m], half) for m in range(middle)]
        # The next level folds in X^2 with the squared challenge, so the ratio squares too.
        ratio = ratio * ratio
    return values[0]


def evaluate_polynomial(coefficients: Sequence[Value], point: Value) -> Value:
    """Horner's rule, constant coefficient first."""
    total = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * point + coefficient
    return total
