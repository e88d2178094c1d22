"""Kernels of the low-degree test over words: five planes of field elements, sixteen positions at a time.

Lengths are multiples of 16; the wrappers in `kernels` send shorter words through the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prover.field.column_kernels import (
    apply_matrix,
    load_quintic,
    quintic_multiply,
    store_quintic,
    vector_inverse,
)
from prover.field.compiler import inline_kernel, kernel
from prover.field.simd import (
    add64,
    as64,
    field_add,
    field_multiply,
    field_subtract,
    fold64,
    load32,
    load32_at,
    montgomery_reduce,
    multiply_low_words,
    shift_right64,
    splat32,
    splat64,
    store32,
)

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

TILE_ROWS = 128
"""Eight lines of a column at a time: long enough for the prefetcher."""

TILE_STRIDE = TILE_ROWS + 16
"""One line more than a tile's row, so that the columns of a tile spread over all sets of the cache."""

CHUNK = 64
"""Vectors that share one inversion: enough to make it cheap, few enough to stay in the first cache."""


@kernel
def combine_columns_kernel(
    addresses: NDArray[np.int64], weights: U64, start: int, stop: int, tile: U32, out: U32
) -> None:
    """Reference twin: prover.fri.reference.combine_columns.

    Columns lie a power of two apart, so one vector of each would fall into the same few lines of the first cache.
    A tile of many rows of every column is copied side by side first.
    """
    count = addresses.shape[0]
    length = out.shape[1]
    for first in range(start, stop, TILE_ROWS):
        last = min(stop, first + TILE_ROWS)
        for k in range(count):
            for row in range(first, last, 16):
                store32(tile, k * TILE_STRIDE + row - first, load32_at(addresses[k] + 4 * row))
        for row in range(first, last, 16):
            even0 = splat64(np.uint64(0))
            even1, even2, even3, even4 = even0, even0, even0, even0
            odd0, odd1, odd2, odd3, odd4 = even0, even0, even0, even0, even0
            for k in range(count):
                even = as64(load32(tile, k * TILE_STRIDE + row - first))
                odd = shift_right64(even, np.uint64(32))
                w0, w1 = splat64(weights[k, 0]), splat64(weights[k, 1])
                w2, w3, w4 = splat64(weights[k, 2]), splat64(weights[k, 3]), splat64(weights[k, 4])
                even0, odd0 = (
                    add64(even0, multiply_low_words(even, w0)),
                    add64(odd0, multiply_low_words(odd, w0)),
                )
                even1, odd1 = (
                    add64(even1, multiply_low_words(even, w1)),
                    add64(odd1, multiply_low_words(odd, w1)),
                )
                even2, odd2 = (
                    add64(even2, multiply_low_words(even, w2)),
                    add64(odd2, multiply_low_words(odd, w2)),
                )
                even3, odd3 = (
                    add64(even3, multiply_low_words(even, w3)),
                    add64(odd3, multiply_low_words(odd, w3)),
                )
                even4, odd4 = (
                    add64(even4, multiply_low_words(even, w4)),
                    add64(odd4, multiply_low_words(odd, w4)),
                )
                if k & 1:
                    even0, odd0, even1, odd1 = fold64(even0), fold64(odd0), fold64(even1), fold64(odd1)
                    even2, odd2, even3, odd3 = fold64(even2), fold64(odd2), fold64(even3), fold64(odd3)
                    even4, odd4 = fold64(even4), fold64(odd4)
            store32(out, row, montgomery_reduce(fold64(even0), fold64(odd0)))
            store32(out, length + row, montgomery_reduce(fold64(even1), fold64(odd1)))
            store32(out, 2 * length + row, montgomery_reduce(fold64(even2), fold64(odd2)))
            store32(out, 3 * length + row, montgomery_reduce(fold64(even3), fold64(odd3)))
            store32(out, 4 * length + row, montgomery_reduce(fold64(even4), fold64(odd4)))


@inline_kernel
def _add(a: Any, b: Any) -> Any:
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return field_add(a0, b0), field_add(a1, b1), field_add(a2, b2), field_add(a3, b3), field_add(a4, b4)


@inline_kernel
def _subtract(a: Any, b: Any) -> Any:
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return (
        field_subtract(a0, b0),
        field_subtract(a1, b1),
        field_subtract(a2, b2),
        field_subtract(a3, b3),
        field_subtract(a4, b4),
    )


@inline_kernel
def _scale(a: Any, factor: Any) -> Any:
    a0, a1, a2, a3, a4 = a
    return (
        field_multiply(a0, factor),
        field_multiply(a1, factor),
        field_multiply(a2, factor),
        field_multiply(a3, factor),
        field_multiply(a4, factor),
    )


@kernel
def fold_pairs_kernel(
    upper: U32, lower: U32, inverse_points: U32, matrix: U32, half: U32, start: int, stop: int, out: U32
) -> None:
    """Reference twin: prover.fri.reference.fold_pairs.  The matrix multiplies by half the challenge."""
    length = out.shape[1]
    halves = splat32(half[0])
    for row in range(start, stop, 16):
        a, b = load_quintic(upper, length, row), load_quintic(lower, length, row)
        odd = apply_matrix(matrix, _scale(_subtract(a, b), load32(inverse_points, row)))
        store_quintic(out, length, row, _add(_scale(_add(a, b), halves), odd))


@kernel
def add_scaled_kernel(word: U32, addend: U32, matrix: U32, start: int, stop: int) -> None:
    """Reference twin: prover.fri.reference.add_scaled.  The matrix multiplies by the factor."""
    length = word.shape[1]
    for row in range(start, stop, 16):
        scaled = apply_matrix(matrix, load_quintic(addend, length, row))
        store_quintic(word, length, row, _add(load_quintic(word, length, row), scaled))


@inline_kernel
def _polynomial(coefficients: Any, first: int, stride: int, degree: int, x: Any) -> Any:
    """Horner's rule on every stride-th coefficient, the constant one at `first`."""
    value = splat32(coefficients[first + stride * degree])
    for power in range(degree - 1, -1, -1):
        value = field_add(field_multiply(value, x), splat32(coefficients[first + stride * power]))
    return value


@kernel
def add_quotient_kernel(
    word: U32,
    combined: U32,
    claim: U32,
    points: U32,
    norm: U32,
    adjugate: U32,
    start: int,
    stop: int,
    prefixes: U32,
    norms: U32,
) -> None:
    """Reference twin: prover.fri.reference.quotient_of_differences, added to the word.

    1 / (point - x) = adjugate(x) / norm(x): the norm has base field coefficients, so only it has to be inverted.
    `norm` has six coefficients and then the number one; `adjugate` has five for each coordinate.
    """
    length = word.shape[1]
    claimed = (splat32(claim[0]), splat32(claim[1]), splat32(claim[2]), splat32(claim[3]), splat32(claim[4]))
    for chunk in range(start, stop, 16 * CHUNK):
        end = min(stop, chunk + 16 * CHUNK)
        product = splat32(norm[6])
        for row in range(chunk, end, 16):
            value = _polynomial(norm, 0, 1, 5, load32(points, row))
            store32(prefixes, row - chunk, product)
            store32(norms, row - chunk, value)
            product = field_multiply(product, value)
        suffix = vector_inverse(product)
        for back in range(chunk, end, 16):
            row = end - 16 - (back - chunk)
            x = load32(points, row)
            inverted = field_multiply(suffix, load32(prefixes, row - chunk))
            suffix = field_multiply(suffix, load32(norms, row - chunk))
            partner = (
                _polynomial(adjugate, 0, 5, 4, x),
                _polynomial(adjugate, 1, 5, 4, x),
                _polynomial(adjugate, 2, 5, 4, x),
                _polynomial(adjugate, 3, 5, 4, x),
                _polynomial(adjugate, 4, 5, 4, x),
            )
            difference = _subtract(claimed, load_quintic(combined, length, row))
            quotient = quintic_multiply(_scale(partner, inverted), difference)
            store_quintic(word, length, row, _add(load_quintic(word, length, row), quotient))
