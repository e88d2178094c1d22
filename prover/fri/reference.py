"""The kernels of the low-degree test in plain numpy: slow, obvious, and what the fast ones are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prover.errors import Reason
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from prover.stark.numbers import Extension, Number, Quintic, invert


def _quintic(planes: Montgomery) -> Quintic:
    return Quintic([plane.astype(np.uint64) for plane in decode(planes)])


def _planes(value: Quintic, count: int) -> Montgomery:
    return encode(
        np.stack([np.broadcast_to(np.asarray(c, dtype=np.uint64), (count,)) for c in value.coordinates])
    )


def combine_columns(
    columns: Sequence[NDArray[np.uint32]], weights: Sequence[Extension], length: int
) -> Montgomery:
    """The sum of weight times column, as five planes."""
    total = Quintic([np.zeros(length, dtype=np.uint64) for _ in range(5)])
    for column, weight in zip(columns, weights, strict=True):
        values = decode(column.reshape(length)).astype(np.uint64)
        total = total + Quintic([values * c % PRIME for c in weight])
    return _planes(total, length)


def fold_pairs(
    upper: Montgomery, lower: Montgomery, inverse_points: Montgomery, challenge: Extension
) -> Montgomery:
    """((upper + lower) + challenge / x * (upper - lower)) / 2 in every lane."""
    a, b = _quintic(upper), _quintic(lower)
    inverses = decode(inverse_points).astype(np.uint64)
    ratio = Quintic([inverses * c % PRIME for c in challenge])
    half = (PRIME + 1) // 2
    folded = (a + b + ratio * (a - b)) * half
    return _planes(folded, upper.shape[1])


def add_scaled(word: Montgomery, addend: Montgomery, factor: Extension) -> Montgomery:
    """word + factor * addend in every lane."""
    return _planes(_quintic(word) + _quintic(addend) * Quintic(factor), word.shape[1])


def quotient_of_differences(
    combined: Montgomery, claim: Extension, points: Montgomery, point: Extension
) -> Montgomery:
    """(claim - combined) / (point - x) in every lane."""
    count = combined.shape[1]
    places = Number(decode(points).astype(np.uint64))
    inverses = invert(Quintic(point) - places, Reason.OUT_OF_DOMAIN_POINT_IN_DOMAIN)
    return _planes((Quintic(claim) - _quintic(combined)) * inverses, count)
