"""Values of committed columns at a point outside their domain, and selectors on a coset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prover.domain import Domain, raise_to_two_power
from prover.field.kernels import base_batch_inverse, evaluate_columns, extension_scale, multiply
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode, inverse, power
from prover.fri.kernels import add_quotient_of_differences, shared_sequence
from prover.ntt import inverse_transform, reversed_powers
from prover.stark.numbers import Extension, Quintic, canonical


def coset_points(log_height: int, shift: int) -> Montgomery:
    """shift * g^i for every row i."""
    return shared_sequence(shift, Domain(log_height, 0).generator, 1 << log_height)


def selectors_on_coset(log_height: int, shift: int, threads: int) -> Montgomery:
    """First-row, last-row and transition selector on a coset of the trace domain, one row of the result each."""
    domain = Domain(log_height, 0)
    points = decode(coset_points(log_height, shift)).astype(np.uint64)
    vanishing = (power(shift, 1 << log_height) - 1) % PRIME
    from_first = encode((points + (PRIME - 1)) % PRIME)
    from_last = encode((points + (PRIME - domain.last_row)) % PRIME)
    scale = np.uint64(vanishing)
    inverses = [
        decode(base_batch_inverse(d, threads=threads)).astype(np.uint64) for d in (from_first, from_last)
    ]
    return np.stack([*(encode(i * scale % PRIME) for i in inverses), from_last])


def evaluation_weights(log_height: int, shift: int, point: Extension, threads: int) -> Montgomery:
    """Weights w_i with f(point) = sum of w_i f(shift g^i) for every f of degree below the height, as five planes.

    The barycentric formula at z = point / shift, with c = (z^height - 1) / height:
        w_i = c g^i / (z - g^i) = c z / (z - g^i) - c
    """
    height = 1 << log_height
    place = Quintic(point) * inverse(shift)
    factor = (raise_to_two_power(place, log_height) - 1) * inverse(height)
    constant = Quintic((0,) * 5) - factor
    weights = np.repeat(encode(np.array(canonical(constant), dtype=np.int64))[:, None], height, axis=1)
    nothing = np.zeros((5, height), dtype=np.uint32)
    points = coset_points(log_height, 1)
    add_quotient_of_differences(
        weights, nothing, canonical(factor * place), points, canonical(place), threads
    )
    return weights


class PointWeights:
    """Weights that give the values of columns at a point and at the next row's, each made when it is asked for."""

    def __init__(self, point: Extension, threads: int) -> None:
        self.point = point
        self.threads = threads
        self._made: dict[tuple[int, bool, bool], Montgomery] = {}

    def of(self, log_height: int, *, are_coefficients: bool, is_next: bool) -> Montgomery:
        """For columns on the first coset of their extended domain, or given by their coefficients."""
        key = (log_height, are_coefficients, is_next)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def _make(self, log_height: int, are_coefficients: bool, is_next: bool) -> Montgomery:
        if are_coefficients:
            turn = Domain(log_height, 0).generator if is_next else 1
            return coefficient_weights(log_height, canonical(Quintic(self.point) * turn), self.threads)
        if is_next:
            return weights_of_next_row(self.of(log_height, are_coefficients=False, is_next=False))
        return evaluation_weights(log_height, GENERATOR, self.point, self.threads)


def coefficient_weights(log_height: int, point: Extension, threads: int) -> Montgomery:
    """The powers of a point in the bit-reversed order of coefficients, as five planes."""
    weights = encode(np.array([[1], [0], [0], [0], [0]]))
    for level in range(log_height):
        step = canonical(raise_to_two_power(Quintic(point), log_height - 1 - level))
        weights = np.concatenate([weights, extension_scale(weights, step, threads=threads)], axis=1)
    return weights


def evaluate_at(
    matrix: Montgomery | Sequence[Montgomery], weights: Montgomery, threads: int
) -> list[Extension]:
    """The value of each column at the point of the weights."""
    if not len(matrix):
        return []
    values = decode(evaluate_columns(matrix, weights, threads=threads))
    return [canonical(Quintic(row)) for row in values]


def weights_of_next_row(weights: Montgomery) -> Montgomery:
    """Weights for point * g: the column read one row further is the column rolled by one."""
    return np.ascontiguousarray(np.roll(weights, 1, axis=1))


def piece_coefficients(pieces: Sequence[Montgomery], shifts: Sequence[int], threads: int) -> Montgomery:
    """The coefficients, in bit-reversed order, of polynomials given on cosets: pieces of several planes each."""
    planes = []
    for piece, shift in zip(pieces, shifts, strict=True):
        found = inverse_transform(piece, threads=threads)
        # What is known on the coset is the polynomial in x over the coset's shift.
        back = encode(reversed_powers(inverse(shift), piece.shape[1].bit_length() - 1))
        planes += [multiply(plane, back, threads=threads) for plane in found]
    return np.stack(planes)
