"""Kernels over columns of field elements, sixteen rows at a time.

Flat arrays have a length that is a multiple of 16; the wrappers in `kernels` pad shorter ones.
Elements of the quintic extension are five planes, coordinate 0 first.
A sum of products is accumulated in 64-bit lanes, folded after every two products and reduced once at its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import PRIME
from prover.field.simd import (
    add64,
    field_add,
    field_multiply,
    field_subtract,
    fold64,
    load32,
    load32_at,
    montgomery_reduce,
    multiply_even,
    multiply_odd,
    splat32,
    splat64,
    store32,
)

LANES = 16

INVERSION_VECTORS = 256
"""Vectors that share one inversion: its 58 products, each waiting for the one before, take 1 part in 10 of the time."""

QUARTER = INVERSION_VECTORS // 4 * LANES
"""Elements of each of the four chains of products that such a block runs side by side."""

_P = np.uint64(PRIME)


# --- element by element -----------------------------------------------------------------------------------------------


@kernel
def add(left: Any, right: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: koalabear.add."""
    for i in range(start, stop, LANES):
        store32(out, i, field_add(load32(left, i), load32(right, i)))


@kernel
def subtract(left: Any, right: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: koalabear.subtract."""
    for i in range(start, stop, LANES):
        store32(out, i, field_subtract(load32(left, i), load32(right, i)))


@kernel
def multiply(left: Any, right: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: koalabear.multiply."""
    for i in range(start, stop, LANES):
        store32(out, i, field_multiply(load32(left, i), load32(right, i)))


@kernel
def scale(values: Any, factor: int, out: Any, start: int, stop: int) -> None:
    """Reference twin: koalabear.multiply, by one factor in Montgomery form."""
    spread = splat32(factor)
    for i in range(start, stop, LANES):
        store32(out, i, field_multiply(load32(values, i), spread))


@inline_kernel
def vector_inverse(value: Any) -> Any:
    """Reference twin: koalabear.inverse, as value^(p - 2); zero gives zero."""
    # p - 2 = 2^31 - 2^24 - 1: six ones, a zero, then 24 ones.
    result = value
    for _ in range(5):
        result = field_multiply(field_multiply(result, result), value)
    result = field_multiply(result, result)
    for _ in range(24):
        result = field_multiply(field_multiply(result, result), value)
    return result


@kernel
def batch_inverse(values: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: koalabear.inverse; no value is zero, and `out` is another array."""
    first = start
    # A product takes some 25 cycles, but a new one can start every few: four chains fill the gaps of one.
    while first + 4 * QUARTER <= stop:
        q0, q1, q2, q3 = first, first + QUARTER, first + 2 * QUARTER, first + 3 * QUARTER
        p0, p1, p2, p3 = load32(values, q0), load32(values, q1), load32(values, q2), load32(values, q3)
        for i in range(LANES, QUARTER, LANES):
            store32(out, q0 + i, p0)
            store32(out, q1 + i, p1)
            store32(out, q2 + i, p2)
            store32(out, q3 + i, p3)
            p0 = field_multiply(p0, load32(values, q0 + i))
            p1 = field_multiply(p1, load32(values, q1 + i))
            p2 = field_multiply(p2, load32(values, q2 + i))
            p3 = field_multiply(p3, load32(values, q3 + i))
        p01, p23 = field_multiply(p0, p1), field_multiply(p2, p3)
        inverted = vector_inverse(field_multiply(p01, p23))
        i01, i23 = field_multiply(inverted, p23), field_multiply(inverted, p01)
        i0, i1 = field_multiply(i01, p1), field_multiply(i01, p0)
        i2, i3 = field_multiply(i23, p3), field_multiply(i23, p2)
        for i in range(QUARTER - LANES, 0, -LANES):
            store32(out, q0 + i, field_multiply(load32(out, q0 + i), i0))
            store32(out, q1 + i, field_multiply(load32(out, q1 + i), i1))
            store32(out, q2 + i, field_multiply(load32(out, q2 + i), i2))
            store32(out, q3 + i, field_multiply(load32(out, q3 + i), i3))
            i0 = field_multiply(i0, load32(values, q0 + i))
            i1 = field_multiply(i1, load32(values, q1 + i))
            i2 = field_multiply(i2, load32(values, q2 + i))
            i3 = field_multiply(i3, load32(values, q3 + i))
        store32(out, q0, i0)
        store32(out, q1, i1)
        store32(out, q2, i2)
        store32(out, q3, i3)
        first += 4 * QUARTER
    if first < stop:
        product = load32(values, first)
        for i in range(first + LANES, stop, LANES):
            store32(out, i, product)
            product = field_multiply(product, load32(values, i))
        inverted = vector_inverse(product)
        for i in range(stop - LANES, first, -LANES):
            store32(out, i, field_multiply(load32(out, i), inverted))
            inverted = field_multiply(inverted, load32(values, i))
        store32(out, first, inverted)


@kernel
def prefix_sums(values: Any, out: Any) -> None:
    """Reference twin: itertools.accumulate with koalabear.add, on every row of a matrix."""
    rows, length = values.shape
    for row in range(rows):
        total = np.uint64(0)
        for i in range(length):
            total += np.uint64(values[row, i])
            if total >= _P:
                total -= _P
            out[row, i] = total


# --- the quintic extension --------------------------------------------------------------------------------------------


@inline_kernel
def _sum1(a: Any, b: Any) -> Any:
    return montgomery_reduce(multiply_even(a, b), multiply_odd(a, b))


@inline_kernel
def _two(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Even and odd lanes of a b + c d: two products are below 2 p^2, which is below p 2^32."""
    return add64(multiply_even(a, b), multiply_even(c, d)), add64(multiply_odd(a, b), multiply_odd(c, d))


@inline_kernel
def _more(even: Any, odd: Any, a: Any, b: Any) -> Any:
    """One product more onto a sum below p 2^32."""
    return fold64(add64(even, multiply_even(a, b))), fold64(add64(odd, multiply_odd(a, b)))


@inline_kernel
def _two_more(even: Any, odd: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Two products more onto a sum below p 2^32: together they stay below 2 p 2^32."""
    even = fold64(add64(even, add64(multiply_even(a, b), multiply_even(c, d))))
    odd = fold64(add64(odd, add64(multiply_odd(a, b), multiply_odd(c, d))))
    return even, odd


@inline_kernel
def _sum2(a: Any, b: Any, c: Any, d: Any) -> Any:
    even, odd = _two(a, b, c, d)
    return montgomery_reduce(even, odd)


@inline_kernel
def _sum3(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
    even, odd = _two(a, b, c, d)
    even, odd = _more(even, odd, e, f)
    return montgomery_reduce(even, odd)


@inline_kernel
def _sum4(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    even, odd = _two(a, b, c, d)
    even, odd = _two_more(even, odd, e, f, g, h)
    return montgomery_reduce(even, odd)


@inline_kernel
def _sum5(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any) -> Any:
    even, odd = _two(a, b, c, d)
    even, odd = _two_more(even, odd, e, f, g, h)
    even, odd = _more(even, odd, i, j)
    return montgomery_reduce(even, odd)


@inline_kernel
def quintic_multiply(a: Any, b: Any) -> Any:
    """Reference twin: QUINTIC.multiply, on tuples of five vectors."""
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    c0 = _sum1(a0, b0)
    c1 = _sum2(a0, b1, a1, b0)
    c2 = _sum3(a0, b2, a1, b1, a2, b0)
    c3 = _sum4(a0, b3, a1, b2, a2, b1, a3, b0)
    c4 = _sum5(a0, b4, a1, b3, a2, b2, a3, b1, a4, b0)
    c5 = _sum4(a1, b4, a2, b3, a3, b2, a4, b1)
    c6 = _sum3(a2, b4, a3, b3, a4, b2)
    c7 = _sum2(a3, b4, a4, b3)
    c8 = _sum1(a4, b4)
    # X^5 = 1 - X^2, X^6 = X - X^3, X^7 = X^2 - X^4, X^8 = X^3 + X^2 - 1.
    d0 = field_subtract(field_add(c0, c5), c8)
    d1 = field_add(c1, c6)
    d2 = field_subtract(field_add(c2, field_add(c7, c8)), c5)
    d3 = field_subtract(field_add(c3, c8), c6)
    d4 = field_subtract(c4, c7)
    return d0, d1, d2, d3, d4


@inline_kernel
def load_quintic(planes: Any, length: int, i: int) -> Any:
    """Sixteen neighbouring elements of (5, length)."""
    return (
        load32(planes, i),
        load32(planes, i + length),
        load32(planes, i + 2 * length),
        load32(planes, i + 3 * length),
        load32(planes, i + 4 * length),
    )


@inline_kernel
def store_quintic(planes: Any, length: int, i: int, value: Any) -> None:
    """Sixteen neighbouring elements of (5, length)."""
    d0, d1, d2, d3, d4 = value
    store32(planes, i, d0)
    store32(planes, i + length, d1)
    store32(planes, i + 2 * length, d2)
    store32(planes, i + 3 * length, d3)
    store32(planes, i + 4 * length, d4)


@inline_kernel
def apply_matrix(matrix: Any, a: Any) -> Any:
    """A linear map on five coordinates: 25 entries in Montgomery form, row by row."""
    a0, a1, a2, a3, a4 = a
    return (
        _sum5(a0, splat32(matrix[0]), a1, splat32(matrix[1]), a2, splat32(matrix[2]), a3, splat32(matrix[3]), a4, splat32(matrix[4])),
        _sum5(a0, splat32(matrix[5]), a1, splat32(matrix[6]), a2, splat32(matrix[7]), a3, splat32(matrix[8]), a4, splat32(matrix[9])),
        _sum5(a0, splat32(matrix[10]), a1, splat32(matrix[11]), a2, splat32(matrix[12]), a3, splat32(matrix[13]), a4, splat32(matrix[14])),
        _sum5(a0, splat32(matrix[15]), a1, splat32(matrix[16]), a2, splat32(matrix[17]), a3, splat32(matrix[18]), a4, splat32(matrix[19])),
        _sum5(a0, splat32(matrix[20]), a1, splat32(matrix[21]), a2, splat32(matrix[22]), a3, splat32(matrix[23]), a4, splat32(matrix[24])),
    )  # fmt: skip


@kernel
def extension_multiply(left: Any, right: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: QUINTIC.multiply."""
    length = left.shape[1]
    for i in range(start, stop, LANES):
        product = quintic_multiply(load_quintic(left, length, i), load_quintic(right, length, i))
        store_quintic(out, length, i, product)


@kernel
def extension_map(values: Any, matrix: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: QUINTIC.multiply by a constant, or QUINTIC.frobenius: any linear map of the coordinates."""
    length = values.shape[1]
    for i in range(start, stop, LANES):
        store_quintic(out, length, i, apply_matrix(matrix, load_quintic(values, length, i)))


@kernel
def conjugates_and_norm(
    values: Any, frobenius: Any, frobenius_twice: Any, others: Any, norms: Any, start: int, stop: int
) -> None:
    """Reference twin: QUINTIC.norm, and the product of the other conjugates: a^(p + p^2 + p^3 + p^4)."""
    length = values.shape[1]
    for i in range(start, stop, LANES):
        a = load_quintic(values, length, i)
        first = apply_matrix(frobenius, a)
        pair = quintic_multiply(first, apply_matrix(frobenius, first))
        product = quintic_multiply(pair, apply_matrix(frobenius_twice, pair))
        a0, a1, a2, a3, a4 = a
        c0, c1, c2, c3, c4 = product
        # The constant term of the product alone: the others of a norm are zero.
        ends = field_subtract(_sum4(a1, c4, a2, c3, a3, c2, a4, c1), _sum1(a4, c4))
        store32(norms, i, field_add(_sum1(a0, c0), ends))
        store_quintic(others, length, i, product)


@kernel
def extension_multiply_base(values: Any, factors: Any, out: Any, start: int, stop: int) -> None:
    """Reference twin: QUINTIC.scale, with a factor of the base field for every element."""
    length = values.shape[1]
    for i in range(start, stop, LANES):
        factor = load32(factors, i)
        a0, a1, a2, a3, a4 = load_quintic(values, length, i)
        scaled = (
            field_multiply(a0, factor),
            field_multiply(a1, factor),
            field_multiply(a2, factor),
            field_multiply(a3, factor),
            field_multiply(a4, factor),
        )
        store_quintic(out, length, i, scaled)


# --- sums over rows ---------------------------------------------------------------------------------------------------


@inline_kernel
def _accumulate(even: Any, odd: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """Two products a x + b y more onto lazy sums below p 2^32."""
    even = fold64(add64(even, add64(multiply_even(a, x), multiply_even(b, y))))
    odd = fold64(add64(odd, add64(multiply_odd(a, x), multiply_odd(b, y))))
    return even, odd


@kernel
def weighted_sums(addresses: Any, weights: Any, block: int, lanes: Any, start: int, stop: int) -> None:
    """Reference twin: QUINTIC.scale and QUINTIC.add over all rows, for every column; `lanes` (columns, 5, 16) gets the sums.

    Columns are given by where they begin.
    `start` and `stop` are multiples of 32, or the weights are zero where a step reaches past the last row.
    Rows are taken in blocks, so that their weights stay in cache while all columns pass.
    """
    columns, height = addresses.shape[0], weights.shape[1]
    for first in range(start, stop, block):
        last = min(first + block, stop)
        for column in range(columns):
            e0 = o0 = e1 = o1 = e2 = o2 = e3 = o3 = e4 = o4 = splat64(0)
            base = addresses[column]
            for i in range(first, last, 2 * LANES):
                a, b = load32_at(base + 4 * i), load32_at(base + 4 * (i + LANES))
                j = i + LANES
                e0, o0 = _accumulate(e0, o0, a, b, load32(weights, i), load32(weights, j))
                e1, o1 = _accumulate(e1, o1, a, b, load32(weights, i + height), load32(weights, j + height))
                e2, o2 = _accumulate(
                    e2, o2, a, b, load32(weights, i + 2 * height), load32(weights, j + 2 * height)
                )
                e3, o3 = _accumulate(
                    e3, o3, a, b, load32(weights, i + 3 * height), load32(weights, j + 3 * height)
                )
                e4, o4 = _accumulate(
                    e4, o4, a, b, load32(weights, i + 4 * height), load32(weights, j + 4 * height)
                )
            place = column * 80
            store32(lanes, place, field_add(load32(lanes, place), montgomery_reduce(e0, o0)))
            store32(lanes, place + 16, field_add(load32(lanes, place + 16), montgomery_reduce(e1, o1)))
            store32(lanes, place + 32, field_add(load32(lanes, place + 32), montgomery_reduce(e2, o2)))
            store32(lanes, place + 48, field_add(load32(lanes, place + 48), montgomery_reduce(e3, o3)))
            store32(lanes, place + 64, field_add(load32(lanes, place + 64), montgomery_reduce(e4, o4)))
