"""Butterflies on squares of 16 vectors: the six lowest levels of a transform, unrolled.

    levels of stride 32 and 16    between vectors, one factor a block of four vectors
    levels of stride 8, 4, 2, 1   within vectors; the square is transposed first, so that lanes are groups of 16 rows

On the way up operands y come as -y, see `kernels_ntt`.
Unrolled by hand: numba keeps a tuple of vectors in registers only where it never indexes it by a variable.
Reference twin of every kernel here: `prover.ntt.naive_evaluations` on plain integers.
"""

from __future__ import annotations

from typing import Any

from prover.field.compiler import inline_kernel
from prover.field.simd import (
    add32,
    field_add,
    field_difference,
    field_subtract,
    load32,
    multiply_by_one,
    multiply_fixed,
    splat32,
)


@inline_kernel
def down(x: Any, y: Any, factor: Any, quotient: Any) -> Any:
    """Split a block: remainders modulo X^h - t and X^h + t."""
    product = multiply_fixed(y, factor, quotient)
    return field_add(x, product), field_subtract(x, product)


@inline_kernel
def down_loose(x: Any, y: Any, factor: Any, quotient: Any) -> Any:
    """The same, not reduced: below 2p, for results that are multiplied next, which may be any 32-bit words."""
    product = multiply_fixed(y, factor, quotient)
    return add32(x, product), field_difference(x, product)


@inline_kernel
def up(x: Any, minus_y: Any, factor: Any, quotient: Any) -> Any:
    """Join two blocks: x + y, and x - y times the factor, which may be below 2p before that."""
    return field_subtract(x, minus_y), multiply_fixed(add32(x, minus_y), factor, quotient)


@inline_kernel
def up_loose(x: Any, minus_y: Any, factor: Any, quotient: Any) -> Any:
    """The same, with a sum that is not reduced: below 2p, for results that are multiplied next."""
    return field_difference(x, minus_y), multiply_fixed(add32(x, minus_y), factor, quotient)


@inline_kernel
def down_one(x: Any, y: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Split a block by the factor of this index."""
    product = multiply_by_one(y, splat32(factors[index]), splat32(quotients[index]))
    return field_add(x, product), field_subtract(x, product)


@inline_kernel
def down_one_loose(x: Any, y: Any, factors: Any, quotients: Any, index: int) -> Any:
    """The same, not reduced."""
    product = multiply_by_one(y, splat32(factors[index]), splat32(quotients[index]))
    return add32(x, product), field_difference(x, product)


@inline_kernel
def up_one(x: Any, minus_y: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Join two blocks by the factor of this index."""
    product = multiply_by_one(add32(x, minus_y), splat32(factors[index]), splat32(quotients[index]))
    return field_subtract(x, minus_y), product


@inline_kernel
def quad_down(x0: Any, x1: Any, x2: Any, x3: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels down on four neighbouring vectors, which are one block; the results are not reduced."""
    y0, y2 = down_one(x0, x2, factors, quotients, index)
    y1, y3 = down_one_loose(x1, x3, factors, quotients, index)
    z0, z1 = down_one_loose(y0, y1, factors, quotients, 2 * index)
    z2, z3 = down_one_loose(y2, y3, factors, quotients, 2 * index + 1)
    return z0, z1, z2, z3


@inline_kernel
def quads_down(x: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels down on the four blocks of a square; the results are not reduced."""
    a0, a1, a2, a3 = quad_down(x[0], x[1], x[2], x[3], factors, quotients, index)
    a4, a5, a6, a7 = quad_down(x[4], x[5], x[6], x[7], factors, quotients, index + 1)
    a8, a9, a10, a11 = quad_down(x[8], x[9], x[10], x[11], factors, quotients, index + 2)
    a12, a13, a14, a15 = quad_down(x[12], x[13], x[14], x[15], factors, quotients, index + 3)
    return a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15


@inline_kernel
def quad_up(x0: Any, x1: Any, x2: Any, x3: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels up on four neighbouring vectors, which become one block."""
    y0, y1 = up_one(x0, x1, factors, quotients, 2 * index)
    y2, y3 = up_one(x2, x3, factors, quotients, 2 * index + 1)
    z0, z2 = up_one(y0, y2, factors, quotients, index)
    z1, z3 = up_one(y1, y3, factors, quotients, index)
    return z0, z1, z2, z3


@inline_kernel
def quads_up(x: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels up on the four blocks of a square."""
    a0, a1, a2, a3 = quad_up(x[0], x[1], x[2], x[3], factors, quotients, index)
    a4, a5, a6, a7 = quad_up(x[4], x[5], x[6], x[7], factors, quotients, index + 1)
    a8, a9, a10, a11 = quad_up(x[8], x[9], x[10], x[11], factors, quotients, index + 2)
    a12, a13, a14, a15 = quad_up(x[12], x[13], x[14], x[15], factors, quotients, index + 3)
    return a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15


@inline_kernel
def turn_vector(x: Any, pairs: Any, place: int) -> Any:
    """One vector times one factor."""
    return multiply_by_one(x, splat32(pairs[place]), splat32(pairs[place + 1]))


@inline_kernel
def turn_square(x: Any, t: Any, at: int) -> Any:
    """Every vector of a square times a factor of its own; `t` has factor and quotient side by side."""
    return (
        turn_vector(x[0], t, at), turn_vector(x[1], t, at + 2),
        turn_vector(x[2], t, at + 4), turn_vector(x[3], t, at + 6),
        turn_vector(x[4], t, at + 8), turn_vector(x[5], t, at + 10),
        turn_vector(x[6], t, at + 12), turn_vector(x[7], t, at + 14),
        turn_vector(x[8], t, at + 16), turn_vector(x[9], t, at + 18),
        turn_vector(x[10], t, at + 20), turn_vector(x[11], t, at + 22),
        turn_vector(x[12], t, at + 24), turn_vector(x[13], t, at + 26),
        turn_vector(x[14], t, at + 28), turn_vector(x[15], t, at + 30),
    )  # fmt: skip


@inline_kernel
def down_pair(x: Any, y: Any, pairs: Any, place: int) -> Any:
    """A level down with a factor of its own in every lane."""
    return down(x, y, load32(pairs, place), load32(pairs, place + 16))


@inline_kernel
def square_down(square: Any, t: Any) -> Any:
    """The last four levels down: vector k holds the elements k of 16 groups of 16."""
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 = square
    f, q = load32(t, 0), load32(t, 16)
    b0, b8 = down(a0, a8, f, q)
    b1, b9 = down(a1, a9, f, q)
    b2, b10 = down(a2, a10, f, q)
    b3, b11 = down(a3, a11, f, q)
    b4, b12 = down_loose(a4, a12, f, q)
    b5, b13 = down_loose(a5, a13, f, q)
    b6, b14 = down_loose(a6, a14, f, q)
    b7, b15 = down_loose(a7, a15, f, q)
    f, q = load32(t, 32), load32(t, 48)
    c0, c4 = down(b0, b4, f, q)
    c1, c5 = down(b1, b5, f, q)
    c2, c6 = down_loose(b2, b6, f, q)
    c3, c7 = down_loose(b3, b7, f, q)
    f, q = load32(t, 64), load32(t, 80)
    c8, c12 = down(b8, b12, f, q)
    c9, c13 = down(b9, b13, f, q)
    c10, c14 = down_loose(b10, b14, f, q)
    c11, c15 = down_loose(b11, b15, f, q)
    f, q = load32(t, 96), load32(t, 112)
    d0, d2 = down(c0, c2, f, q)
    d1, d3 = down_loose(c1, c3, f, q)
    f, q = load32(t, 128), load32(t, 144)
    d4, d6 = down(c4, c6, f, q)
    d5, d7 = down_loose(c5, c7, f, q)
    f, q = load32(t, 160), load32(t, 176)
    d8, d10 = down(c8, c10, f, q)
    d9, d11 = down_loose(c9, c11, f, q)
    f, q = load32(t, 192), load32(t, 208)
    d12, d14 = down(c12, c14, f, q)
    d13, d15 = down_loose(c13, c15, f, q)
    e0, e1 = down_pair(d0, d1, t, 224)
    e2, e3 = down_pair(d2, d3, t, 256)
    e4, e5 = down_pair(d4, d5, t, 288)
    e6, e7 = down_pair(d6, d7, t, 320)
    e8, e9 = down_pair(d8, d9, t, 352)
    e10, e11 = down_pair(d10, d11, t, 384)
    e12, e13 = down_pair(d12, d13, t, 416)
    e14, e15 = down_pair(d14, d15, t, 448)
    return e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15


@inline_kernel
def up_pair(x: Any, y: Any, pairs: Any, place: int) -> Any:
    """A level up with a factor of its own in every lane."""
    return up(x, y, load32(pairs, place), load32(pairs, place + 16))


@inline_kernel
def square_up(square: Any, t: Any) -> Any:
    """The first four levels up: the mirror image of square_down; the results are not reduced."""
    e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15 = square
    d0, d1 = up_pair(e0, e1, t, 224)
    d2, d3 = up_pair(e2, e3, t, 256)
    d4, d5 = up_pair(e4, e5, t, 288)
    d6, d7 = up_pair(e6, e7, t, 320)
    d8, d9 = up_pair(e8, e9, t, 352)
    d10, d11 = up_pair(e10, e11, t, 384)
    d12, d13 = up_pair(e12, e13, t, 416)
    d14, d15 = up_pair(e14, e15, t, 448)
    f, q = load32(t, 96), load32(t, 112)
    c0, c2 = up(d0, d2, f, q)
    c1, c3 = up(d1, d3, f, q)
    f, q = load32(t, 128), load32(t, 144)
    c4, c6 = up(d4, d6, f, q)
    c5, c7 = up(d5, d7, f, q)
    f, q = load32(t, 160), load32(t, 176)
    c8, c10 = up(d8, d10, f, q)
    c9, c11 = up(d9, d11, f, q)
    f, q = load32(t, 192), load32(t, 208)
    c12, c14 = up(d12, d14, f, q)
    c13, c15 = up(d13, d15, f, q)
    f, q = load32(t, 32), load32(t, 48)
    b0, b4 = up(c0, c4, f, q)
    b1, b5 = up(c1, c5, f, q)
    b2, b6 = up(c2, c6, f, q)
    b3, b7 = up(c3, c7, f, q)
    f, q = load32(t, 64), load32(t, 80)
    b8, b12 = up(c8, c12, f, q)
    b9, b13 = up(c9, c13, f, q)
    b10, b14 = up(c10, c14, f, q)
    b11, b15 = up(c11, c15, f, q)
    f, q = load32(t, 0), load32(t, 16)
    a0, a8 = up_loose(b0, b8, f, q)
    a1, a9 = up_loose(b1, b9, f, q)
    a2, a10 = up_loose(b2, b10, f, q)
    a3, a11 = up_loose(b3, b11, f, q)
    a4, a12 = up_loose(b4, b12, f, q)
    a5, a13 = up_loose(b5, b13, f, q)
    a6, a14 = up_loose(b6, b14, f, q)
    a7, a15 = up_loose(b7, b15, f, q)
    return a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15


@inline_kernel
def scale_vector(x: Any, pairs: Any, place: int) -> Any:
    """One vector times a factor of its own in every lane."""
    return multiply_fixed(x, load32(pairs, place), load32(pairs, place + 16))


@inline_kernel
def scale_square(x: Any, s: Any, at: int) -> Any:
    """A transposed square times the powers of a coset's shift."""
    return (
        scale_vector(x[0], s, at), scale_vector(x[1], s, at + 32),
        scale_vector(x[2], s, at + 64), scale_vector(x[3], s, at + 96),
        scale_vector(x[4], s, at + 128), scale_vector(x[5], s, at + 160),
        scale_vector(x[6], s, at + 192), scale_vector(x[7], s, at + 224),
        scale_vector(x[8], s, at + 256), scale_vector(x[9], s, at + 288),
        scale_vector(x[10], s, at + 320), scale_vector(x[11], s, at + 352),
        scale_vector(x[12], s, at + 384), scale_vector(x[13], s, at + 416),
        scale_vector(x[14], s, at + 448), scale_vector(x[15], s, at + 480),
    )  # fmt: skip
