"""Values of committed columns at a point outside their domain, and selectors on a coset."""

from __future__ import annotations

import numpy as np

from prover.domain import Domain
from prover.field.kernels import (
    base_batch_inverse,
    evaluate_columns,
    extension_batch_inverse,
    extension_scale,
    geometric_sequence,
)
from prover.field.koalabear import PRIME, Montgomery, decode, encode, inverse, power
from prover.stark.numbers import Quintic

Extension = tuple[int, ...]


def coset_points(log_height: int, shift: int) -> Montgomery:
    """shift * g^i for every row i."""
    return geometric_sequence(shift, Domain(log_height, 0).generator, 1 << log_height)


def selectors_on_coset(log_height: int, shift: int, threads: int) -> Montgomery:
    """First-row, last-row and transition selector on a coset of the trace domain, one row of the result each."""
    domain = Domain(log_height, 0)
    points = decode(coset_points(log_height, shift)).astype(np.uint64)
    vanishing = (power(shift, 1 << log_height) - 1) % PRIME
    from_first = encode((points + (PRIME - 1)) % PRIME)
    from_last = encode((points + (PRIME - domain.last_row)) % PRIME)
    scale = np.uint64(vanishing)
    inverses = [decode(base_batch_inverse(d, threads=threads)).astype(np.uint64) for d in (from_first, from_last)]
    return np.stack([*(encode(i * scale % PRIME) for i in inverses), from_last])


def evaluation_weights(log_height: int, shift: int, point: Extension, threads: int) -> Montgomery:
    """Weights w_i with f(point) = sum of w_i f(shift g^i) for every f of degree below the height, as five planes.

    The barycentric formula: w_i = (z^height - 1) / height * g^i / (z - g^i) at z = point / shift.
    """
    height = 1 << log_height
    scaled = Quintic(point) * inverse(shift)
    rows = decode(coset_points(log_height, 1)).astype(np.uint64)
    differences = np.empty((5, height), dtype=np.uint32)
    differences[0] = encode((scaled.coordinates[0] + (PRIME - rows)) % PRIME)
    for k in range(1, 5):
        differences[k] = encode([scaled.coordinates[k]])[0]
    inverses = extension_batch_inverse(differences, threads=threads)
    vanishing = scaled
    for _ in range(log_height):
        vanishing = vanishing * vanishing
    factor = (vanishing - 1) * inverse(height)
    scaled_inverses = extension_scale(inverses, tuple(int(c) for c in factor.coordinates), threads=threads)
    # Multiplying Montgomery planes by canonical g^i keeps them in Montgomery form.
    return (scaled_inverses.astype(np.uint64) * rows % np.uint64(PRIME)).astype(np.uint32)


def evaluate_at(matrix: Montgomery, weights: Montgomery, threads: int) -> list[Extension]:
    """The value of each column at the point of the weights."""
    if not matrix.shape[0]:
        return []
    values = decode(evaluate_columns(matrix, weights, threads=threads))
    return [tuple(int(c) for c in row) for row in values]


def weights_of_next_row(weights: Montgomery) -> Montgomery:
    """Weights for point * g: the column read one row further is the column rolled by one."""
    return np.ascontiguousarray(np.roll(weights, 1, axis=1))
