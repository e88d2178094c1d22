"""The low-degree test's kernels as the prover calls them: constants prepared, rows spread over threads.

Words shorter than a vector go through the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from prover.field.kernels import geometric_sequence
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.threads import run_slices
from prover.fri import reference, word_kernels
from prover.stark.numbers import Extension, Quintic, canonical, conjugates

SHORTEST = 16
"""A word below one vector's length."""


@lru_cache(maxsize=32)
def shared_sequence(start: int, ratio: int, count: int) -> Montgomery:
    """start, start * ratio, start * ratio^2, ..: computed once, as every proof of one shape asks for the same."""
    sequence = geometric_sequence(start, ratio, count)
    # Every caller shares the one array, so nobody may write to it.
    sequence.flags.writeable = False
    return sequence


def multiplication_matrix(factor: Extension) -> Montgomery:
    """25 entries, row by row: row k, column j is what coordinate j adds to coordinate k of a product."""
    units = [canonical(Quintic(factor) * Quintic([int(k == j) for k in range(5)])) for j in range(5)]
    return encode(np.array(units, dtype=np.int64).T.reshape(-1))


def combine_columns(
    columns: Sequence[Montgomery], weights: Sequence[Extension], length: int, threads: int
) -> Montgomery:
    """The sum of weight times column, as five planes."""
    if length < SHORTEST:
        return reference.combine_columns(columns, weights, length)
    flat = [column.reshape(length) for column in columns]
    # Soundness of memory: the kernel reads raw addresses, so every column must be one contiguous run.
    if any(column.strides != (4,) or column.dtype != np.uint32 for column in flat):
        raise ValueError("a column is not a contiguous array of 32-bit words")
    addresses = np.array([column.ctypes.data for column in flat], dtype=np.int64)
    factors = encode(np.array(weights, dtype=np.int64)).astype(np.uint64)
    out = np.empty((5, length), dtype=np.uint32)

    def work(start: int, stop: int) -> None:
        tile = np.empty(len(flat) * word_kernels.TILE_STRIDE, dtype=np.uint32)
        word_kernels.combine_columns_kernel(addresses, factors, start, stop, tile, out)

    run_slices(threads, length, work)
    return out


def fold_pairs(
    upper: Montgomery,
    lower: Montgomery,
    inverse_points: Montgomery,
    challenge: Extension,
    out: Montgomery,
    threads: int,
) -> None:
    """((upper + lower) + challenge / x * (upper - lower)) / 2 in every position."""
    length = out.shape[1]
    if length < SHORTEST:
        out[:] = reference.fold_pairs(upper, lower, inverse_points, challenge)
        return
    half = (PRIME + 1) // 2
    matrix = multiplication_matrix(canonical(Quintic(challenge) * half))
    halves = encode([half])
    run_slices(
        threads,
        length,
        lambda a, b: word_kernels.fold_pairs_kernel(upper, lower, inverse_points, matrix, halves, a, b, out),
    )


def add_scaled(word: Montgomery, addend: Montgomery, factor: Extension, threads: int) -> None:
    """word += factor * addend in every position."""
    length = word.shape[1]
    if length < SHORTEST:
        word[:] = reference.add_scaled(word, addend, factor)
        return
    matrix = multiplication_matrix(factor)
    run_slices(threads, length, lambda a, b: word_kernels.add_scaled_kernel(word, addend, matrix, a, b))


def add_quotient_of_differences(
    word: Montgomery,
    combined: Montgomery,
    claim: Extension,
    points: Montgomery,
    point: Extension,
    threads: int,
) -> None:
    """word += (claim - combined) / (point - x) in every position."""
    length = word.shape[1]
    if length < SHORTEST:
        quotients = reference.quotient_of_differences(combined, claim, points, point)
        word[:] = reference.add_scaled(word, quotients, (1, 0, 0, 0, 0))
        return
    norm, adjugate = norm_and_adjugate(point)
    norm_row = encode([*norm, 1])
    adjugate_rows = encode(np.array(adjugate, dtype=np.int64).reshape(-1))
    claimed = encode(np.array(claim, dtype=np.int64))

    def work(start: int, stop: int) -> None:
        scratch = np.empty((2, 16 * word_kernels.CHUNK), dtype=np.uint32)
        word_kernels.add_quotient_kernel(
            word, combined, claimed, points, norm_row, adjugate_rows, start, stop, scratch[0], scratch[1]
        )

    run_slices(threads, length, work)


def norm_and_adjugate(point: Extension) -> tuple[list[int], list[list[int]]]:
    """Polynomials with norm(x) = adjugate(x) (point - x): over the base field, and of degree four over the extension."""
    # The product over all conjugates c of (c - x); coefficients, constant first.
    product = [Quintic((1, 0, 0, 0, 0))]
    partial = product
    for number, conjugate in enumerate(conjugates(Quintic(point))):
        zero = Quintic((0,) * 5)
        product = [
            conjugate * low - high for low, high in zip([*product, zero], [zero, *product], strict=True)
        ]
        if number == 0:
            # Leave the point itself out of the adjugate.
            continue
        partial = [
            conjugate * low - high for low, high in zip([*partial, zero], [zero, *partial], strict=True)
        ]
    norm = [[int(c) for c in coefficient.coordinates] for coefficient in product]
    if any(any(coefficient[1:]) for coefficient in norm):
        raise ArithmeticError("a norm does not lie in the base field")
    return [coefficient[0] for coefficient in norm], [[int(c) for c in a.coordinates] for a in partial]
