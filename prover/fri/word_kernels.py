"""Kernels of the low-degree test over words: five planes of field elements, sixteen positions at a time.

Lengths are multiples of 16; the wrappers in `kernels` pad shorter words.
Products are accumulated in 64-bit lanes and reduced once: fold64 keeps a sum below p 2^32 after every two of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


@inline_kernel
def _inverse(value):  # type: ignore[no-untyped-def]  # vectors have no Python type
    """Reference twin: prover.field.koalabear.inverse.  value^(p - 2) = value^(126 * 2^24 + (2^24 - 1))."""
    # p - 2 = 2^31 - 2^24 - 1 has the bits 1111110 followed by 24 ones.
    result = value
    for _ in range(5):
        result = field_multiply(field_multiply(result, result), value)
    result = field_multiply(result, result)
    for _ in range(24):
        result = field_multiply(field_multiply(result, result), value)
    return result


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
def _matrix_row(t0, t1, t2, t3, t4, matrix, k):  # type: ignore[no-untyped-def]  # vectors have no Python type
    """Coordinate k of a product with a fixed element: a row of its multiplication matrix times the coordinates."""
    m0, m1, m2 = splat64(matrix[k, 0]), splat64(matrix[k, 1]), splat64(matrix[k, 2])
    m3, m4 = splat64(matrix[k, 3]), splat64(matrix[k, 4])
    shift = np.uint64(32)
    e0, e1, e2, e3, e4 = as64(t0), as64(t1), as64(t2), as64(t3), as64(t4)
    even = add64(multiply_low_words(e0, m0), multiply_low_words(e1, m1))
    even = fold64(add64(add64(even, multiply_low_words(e2, m2)), multiply_low_words(e3, m3)))
    even = fold64(add64(even, multiply_low_words(e4, m4)))
    o0, o1, o2 = shift_right64(e0, shift), shift_right64(e1, shift), shift_right64(e2, shift)
    o3, o4 = shift_right64(e3, shift), shift_right64(e4, shift)
    odd = add64(multiply_low_words(o0, m0), multiply_low_words(o1, m1))
    odd = fold64(add64(add64(odd, multiply_low_words(o2, m2)), multiply_low_words(o3, m3)))
    odd = fold64(add64(odd, multiply_low_words(o4, m4)))
    return montgomery_reduce(even, odd)


@kernel
def fold_pairs_kernel(
    upper: U32, lower: U32, inverse_points: U32, matrix: U64, half: np.uint32, start: int, stop: int, out: U32
) -> None:
    """Reference twin: prover.fri.reference.fold_pairs.  The matrix multiplies by half the challenge."""
    length = out.shape[1]
    halves = splat32(half)
    for row in range(start, stop, 16):
        x = load32(inverse_points, row)
        t0 = field_multiply(field_subtract(load32(upper, row), load32(lower, row)), x)
        at = length + row
        t1 = field_multiply(field_subtract(load32(upper, at), load32(lower, at)), x)
        at = 2 * length + row
        t2 = field_multiply(field_subtract(load32(upper, at), load32(lower, at)), x)
        at = 3 * length + row
        t3 = field_multiply(field_subtract(load32(upper, at), load32(lower, at)), x)
        at = 4 * length + row
        t4 = field_multiply(field_subtract(load32(upper, at), load32(lower, at)), x)
        for k in range(5):
            at = k * length + row
            mean = field_multiply(field_add(load32(upper, at), load32(lower, at)), halves)
            store32(out, at, field_add(mean, _matrix_row(t0, t1, t2, t3, t4, matrix, k)))


@kernel
def add_scaled_kernel(word: U32, addend: U32, matrix: U64, start: int, stop: int) -> None:
    """Reference twin: prover.fri.reference.add_scaled.  The matrix multiplies by the factor."""
    length = word.shape[1]
    for row in range(start, stop, 16):
        t0, t1, t2 = load32(addend, row), load32(addend, length + row), load32(addend, 2 * length + row)
        t3, t4 = load32(addend, 3 * length + row), load32(addend, 4 * length + row)
        for k in range(5):
            at = k * length + row
            store32(word, at, field_add(load32(word, at), _matrix_row(t0, t1, t2, t3, t4, matrix, k)))


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
    values: U32,
) -> None:
    """Reference twin: prover.fri.reference.quotient_of_differences, added to the word.

    1 / (point - x) = adjugate(x) / norm(x): the norm has base field coefficients, so only it has to be inverted.
    """
    length = word.shape[1]
    for chunk in range(start, stop, 16 * CHUNK):
        end = min(stop, chunk + 16 * CHUNK)
        product = splat32(norm[6])
        for row in range(chunk, end, 16):
            x = load32(points, row)
            value = splat32(norm[5])
            for degree in range(4, -1, -1):
                value = field_add(field_multiply(value, x), splat32(norm[degree]))
            store32(prefixes, row - chunk, product)
            store32(values, row - chunk, value)
            product = field_multiply(product, value)
        suffix = _inverse(product)
        for back in range(chunk, end, 16):
            row = end - 16 - (back - chunk)
            x = load32(points, row)
            inverted = field_multiply(suffix, load32(prefixes, row - chunk))
            suffix = field_multiply(suffix, load32(values, row - chunk))
            for k in range(5):
                value = splat32(adjugate[4, k])
                for degree in range(3, -1, -1):
                    value = field_add(field_multiply(value, x), splat32(adjugate[degree, k]))
                # The prefix of this vector has been used, so its place holds the numerators' partner for a moment.
                store32(prefixes, 16 * CHUNK + 16 * k, field_multiply(value, inverted))
            a0, a1, a2 = (
                load32(prefixes, 16 * CHUNK),
                load32(prefixes, 16 * CHUNK + 16),
                load32(prefixes, 16 * CHUNK + 32),
            )
            a3, a4 = load32(prefixes, 16 * CHUNK + 48), load32(prefixes, 16 * CHUNK + 64)
            b0 = field_subtract(splat32(claim[0]), load32(combined, row))
            b1 = field_subtract(splat32(claim[1]), load32(combined, length + row))
            b2 = field_subtract(splat32(claim[2]), load32(combined, 2 * length + row))
            b3 = field_subtract(splat32(claim[3]), load32(combined, 3 * length + row))
            b4 = field_subtract(splat32(claim[4]), load32(combined, 4 * length + row))
            # Products of degree five and up come back through X^5 = 1 - X^2.
            p5 = field_add(
                field_add(field_multiply(a1, b4), field_multiply(a2, b3)),
                field_add(field_multiply(a3, b2), field_multiply(a4, b1)),
            )
            p6 = field_add(field_add(field_multiply(a2, b4), field_multiply(a3, b3)), field_multiply(a4, b2))
            p7 = field_add(field_multiply(a3, b4), field_multiply(a4, b3))
            p8 = field_multiply(a4, b4)
            c0 = field_subtract(field_add(field_multiply(a0, b0), p5), p8)
            c1 = field_add(field_add(field_multiply(a0, b1), field_multiply(a1, b0)), p6)
            c2 = field_add(field_add(field_multiply(a0, b2), field_multiply(a1, b1)), field_multiply(a2, b0))
            c2 = field_subtract(field_add(field_add(c2, p7), p8), p5)
            c3 = field_add(
                field_add(field_multiply(a0, b3), field_multiply(a1, b2)),
                field_add(field_multiply(a2, b1), field_multiply(a3, b0)),
            )
            c3 = field_subtract(field_add(c3, p8), p6)
            c4 = field_add(
                field_add(field_multiply(a0, b4), field_multiply(a1, b3)),
                field_add(field_multiply(a2, b2), field_multiply(a3, b1)),
            )
            c4 = field_subtract(field_add(c4, field_multiply(a4, b0)), p7)
            store32(word, row, field_add(load32(word, row), c0))
            store32(word, length + row, field_add(load32(word, length + row), c1))
            store32(word, 2 * length + row, field_add(load32(word, 2 * length + row), c2))
            store32(word, 3 * length + row, field_add(load32(word, 3 * length + row), c3))
            store32(word, 4 * length + row, field_add(load32(word, 4 * length + row), c4))
