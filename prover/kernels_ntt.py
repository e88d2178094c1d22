"""Number-theoretic transforms of columns, 16 neighbouring rows a vector.

Both directions work on remainders: a block of 2h rows holds a polynomial modulo X^2h - t^2 and splits into
the remainders modulo X^h - t and X^h + t, so that one factor t serves a whole block.

    down   natural -> bit-reversed    (x, y) -> (x + t y, x - t y)      block sizes height, height / 2, .., 2
    up     bit-reversed -> natural    (x, y) -> (x + y, (x - y) t)      block sizes 2, 4, .., height

A column that does not fit the first-level cache is a matrix of rows, each a chunk of neighbouring elements:

    chunk 0    | . . . . . . . |      tiles:  some neighbouring elements of every chunk, copied to a buffer,
    chunk 1    | . . . . . . . |              run through all levels whose blocks are larger than a chunk
    ..                                chunks: run through all other levels where they lie

Within a chunk the last four levels pair rows of one vector: 16 vectors are transposed there, so that lanes are groups.
Reference twin of every kernel here: `prover.ntt.naive_evaluations` on plain integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import PRIME
from prover.field.simd import (
    add32,
    address_of,
    field_add,
    field_difference,
    field_subtract,
    load32,
    load_pair_at,
    load_rows16_at,
    multiply_fixed,
    prefetch_read_at,
    prefetch_write_at,
    splat32,
    splat_pair,
    store_pair_at,
    store_rows16_at,
    transpose16,
)

VECTOR = 64
"""Bytes of one vector of 16 lanes."""

LINE = 64
"""Bytes of a cache line on the processors this was tuned on; with longer ones a line is merely asked for twice."""

PAIR = 128
"""Bytes of two vectors in step."""

TILE = 512
"""Bytes of each chunk in a tile.

Chunks lie a power of two apart, so that their lines compete for the same few sets of every cache:
with 128 bytes a pass took twice as long, while buffers of wider tiles outgrow the second-level cache.
"""

GROUPS = 16
"""Vectors, and lanes, of the squares that are transposed."""

SQUARE = 1024
"""Bytes of such a square: 256 elements."""

TAIL_PAIRS = 15
"""Pairs of factor and quotient for the last four levels of a square: 1 + 2 + 4 + 8."""

_P64 = np.uint64(PRIME)


@inline_kernel
def down(x: Any, y: Any, factor: Any, quotient: Any) -> Any:
    """Split a block: remainders modulo X^h - t and X^h + t."""
    product = multiply_fixed(y, factor, quotient)
    return field_add(x, product), field_subtract(x, product)


@inline_kernel
def up(x: Any, y: Any, factor: Any, quotient: Any) -> Any:
    """Join two blocks; the difference stays below 2p, which the product allows."""
    return field_add(x, y), multiply_fixed(field_difference(x, y), factor, quotient)


@inline_kernel
def fetch_rows(address: int, pitch: int, rows: int, ahead: int) -> None:
    """Ask for the lines of so many rows that lie `ahead` bytes further; zero asks for none."""
    if ahead != 0:
        for row in range(rows):
            prefetch_read_at(address + row * pitch + ahead)
            prefetch_read_at(address + row * pitch + ahead + LINE)


@kernel
def step_down2(
    source: int, source_pitch: int, target: int, target_pitch: int, width: int, rows: int, half: int,
    factors: Any, quotients: Any, base: int, ahead: int,
) -> None:
    """One level down over rows of `width` bytes, a multiple of 128.

    Blocks are numbered from base * (blocks of this call).
    What lies `ahead` bytes further in the source is fetched: rows far apart defeat the processor's own prefetcher.
    """
    blocks = rows // (2 * half)
    for block in range(blocks):
        index = base * blocks + block
        factor, quotient = splat_pair(factors[index]), splat_pair(quotients[index])
        for row in range(2 * half * block, 2 * half * block + half):
            a, s = source + row * source_pitch, half * source_pitch
            b, t = target + row * target_pitch, half * target_pitch
            for offset in range(0, width, PAIR):
                fetch_rows(a + offset, s, 2, ahead)
                x0, x1 = down(load_pair_at(a + offset), load_pair_at(a + s + offset), factor, quotient)
                store_pair_at(b + offset, x0)
                store_pair_at(b + t + offset, x1)


@kernel
def step_up2(
    source: int, source_pitch: int, target: int, target_pitch: int, width: int, rows: int, half: int,
    factors: Any, quotients: Any, base: int, ahead: int,
) -> None:
    """One level up; the operands are those of step_down2."""
    blocks = rows // (2 * half)
    for block in range(blocks):
        index = base * blocks + block
        factor, quotient = splat_pair(factors[index]), splat_pair(quotients[index])
        for row in range(2 * half * block, 2 * half * block + half):
            a, s = source + row * source_pitch, half * source_pitch
            b, t = target + row * target_pitch, half * target_pitch
            for offset in range(0, width, PAIR):
                fetch_rows(a + offset, s, 2, ahead)
                x0, x1 = up(load_pair_at(a + offset), load_pair_at(a + s + offset), factor, quotient)
                store_pair_at(b + offset, x0)
                store_pair_at(b + t + offset, x1)


@kernel
def step_down4(
    source: int, source_pitch: int, target: int, target_pitch: int, width: int, rows: int, quarter: int,
    factors: Any, quotients: Any, base: int, ahead: int,
) -> None:
    """Two levels down in one pass through the memory."""
    blocks = rows // (4 * quarter)
    for block in range(blocks):
        index = base * blocks + block
        factor, quotient = splat_pair(factors[index]), splat_pair(quotients[index])
        factor0, quotient0 = splat_pair(factors[2 * index]), splat_pair(quotients[2 * index])
        factor1, quotient1 = splat_pair(factors[2 * index + 1]), splat_pair(quotients[2 * index + 1])
        for row in range(4 * quarter * block, 4 * quarter * block + quarter):
            a, s = source + row * source_pitch, quarter * source_pitch
            b, t = target + row * target_pitch, quarter * target_pitch
            for offset in range(0, width, PAIR):
                fetch_rows(a + offset, s, 4, ahead)
                x0, x2 = down(load_pair_at(a + offset), load_pair_at(a + 2 * s + offset), factor, quotient)
                x1, x3 = down(load_pair_at(a + s + offset), load_pair_at(a + 3 * s + offset), factor, quotient)
                y0, y1 = down(x0, x1, factor0, quotient0)
                y2, y3 = down(x2, x3, factor1, quotient1)
                store_pair_at(b + offset, y0)
                store_pair_at(b + t + offset, y1)
                store_pair_at(b + 2 * t + offset, y2)
                store_pair_at(b + 3 * t + offset, y3)


@kernel
def step_up4(
    source: int, source_pitch: int, target: int, target_pitch: int, width: int, rows: int, quarter: int,
    factors: Any, quotients: Any, base: int, ahead: int,
) -> None:
    """Two levels up in one pass through the memory."""
    blocks = rows // (4 * quarter)
    for block in range(blocks):
        index = base * blocks + block
        factor, quotient = splat_pair(factors[index]), splat_pair(quotients[index])
        factor0, quotient0 = splat_pair(factors[2 * index]), splat_pair(quotients[2 * index])
        factor1, quotient1 = splat_pair(factors[2 * index + 1]), splat_pair(quotients[2 * index + 1])
        for row in range(4 * quarter * block, 4 * quarter * block + quarter):
            a, s = source + row * source_pitch, quarter * source_pitch
            b, t = target + row * target_pitch, quarter * target_pitch
            for offset in range(0, width, PAIR):
                fetch_rows(a + offset, s, 4, ahead)
                x0, x1 = up(load_pair_at(a + offset), load_pair_at(a + s + offset), factor0, quotient0)
                x2, x3 = up(load_pair_at(a + 2 * s + offset), load_pair_at(a + 3 * s + offset), factor1, quotient1)
                y0, y2 = up(x0, x2, factor, quotient)
                y1, y3 = up(x1, x3, factor, quotient)
                store_pair_at(b + offset, y0)
                store_pair_at(b + t + offset, y1)
                store_pair_at(b + 2 * t + offset, y2)
                store_pair_at(b + 3 * t + offset, y3)


@kernel
def step_up4_scaled(
    address: int, quarter: int, factors: Any, quotients: Any, index: int, scale: Any, scaled_factor: Any,
) -> None:
    """The last two levels of a chunk, in place, and all results times one constant; a quarter is in bytes.

    `scale` and `scaled_factor` (times the block's own factor) are pairs of factor and quotient.
    """
    plain, plain_quotient = splat_pair(scale[0]), splat_pair(scale[1])
    factor, quotient = splat_pair(scaled_factor[0]), splat_pair(scaled_factor[1])
    factor0, quotient0 = splat_pair(factors[2 * index]), splat_pair(quotients[2 * index])
    factor1, quotient1 = splat_pair(factors[2 * index + 1]), splat_pair(quotients[2 * index + 1])
    for a in range(address, address + quarter, PAIR):
        x0, x1 = up(load_pair_at(a), load_pair_at(a + quarter), factor0, quotient0)
        x2, x3 = up(load_pair_at(a + 2 * quarter), load_pair_at(a + 3 * quarter), factor1, quotient1)
        store_pair_at(a, multiply_fixed(add32(x0, x2), plain, plain_quotient))
        store_pair_at(a + quarter, multiply_fixed(add32(x1, x3), plain, plain_quotient))
        store_pair_at(a + 2 * quarter, multiply_fixed(field_difference(x0, x2), factor, quotient))
        store_pair_at(a + 3 * quarter, multiply_fixed(field_difference(x1, x3), factor, quotient))


@inline_kernel
def down_pair(x: Any, y: Any, pairs: Any, place: int) -> Any:
    """A level down with a factor of its own in every lane."""
    return down(x, y, load32(pairs, place), load32(pairs, place + 16))


@inline_kernel
def up_pair(x: Any, y: Any, pairs: Any, place: int) -> Any:
    """A level up with a factor of its own in every lane."""
    return up(x, y, load32(pairs, place), load32(pairs, place + 16))


@inline_kernel
def square_down(square: Any, t: Any, at: int) -> Any:
    """The last four levels down: vector k holds the elements k of 16 groups of 16."""
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 = square
    f, q = load32(t, at), load32(t, at + 16)
    b0, b8 = down(a0, a8, f, q)
    b1, b9 = down(a1, a9, f, q)
    b2, b10 = down(a2, a10, f, q)
    b3, b11 = down(a3, a11, f, q)
    b4, b12 = down(a4, a12, f, q)
    b5, b13 = down(a5, a13, f, q)
    b6, b14 = down(a6, a14, f, q)
    b7, b15 = down(a7, a15, f, q)
    f, q = load32(t, at + 32), load32(t, at + 48)
    c0, c4 = down(b0, b4, f, q)
    c1, c5 = down(b1, b5, f, q)
    c2, c6 = down(b2, b6, f, q)
    c3, c7 = down(b3, b7, f, q)
    f, q = load32(t, at + 64), load32(t, at + 80)
    c8, c12 = down(b8, b12, f, q)
    c9, c13 = down(b9, b13, f, q)
    c10, c14 = down(b10, b14, f, q)
    c11, c15 = down(b11, b15, f, q)
    f, q = load32(t, at + 96), load32(t, at + 112)
    d0, d2 = down(c0, c2, f, q)
    d1, d3 = down(c1, c3, f, q)
    f, q = load32(t, at + 128), load32(t, at + 144)
    d4, d6 = down(c4, c6, f, q)
    d5, d7 = down(c5, c7, f, q)
    f, q = load32(t, at + 160), load32(t, at + 176)
    d8, d10 = down(c8, c10, f, q)
    d9, d11 = down(c9, c11, f, q)
    f, q = load32(t, at + 192), load32(t, at + 208)
    d12, d14 = down(c12, c14, f, q)
    d13, d15 = down(c13, c15, f, q)
    e0, e1 = down_pair(d0, d1, t, at + 224)
    e2, e3 = down_pair(d2, d3, t, at + 256)
    e4, e5 = down_pair(d4, d5, t, at + 288)
    e6, e7 = down_pair(d6, d7, t, at + 320)
    e8, e9 = down_pair(d8, d9, t, at + 352)
    e10, e11 = down_pair(d10, d11, t, at + 384)
    e12, e13 = down_pair(d12, d13, t, at + 416)
    e14, e15 = down_pair(d14, d15, t, at + 448)
    return e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15


@inline_kernel
def square_up(square: Any, t: Any, at: int) -> Any:
    """The first four levels up: the mirror image of square_down."""
    e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15 = square
    d0, d1 = up_pair(e0, e1, t, at + 224)
    d2, d3 = up_pair(e2, e3, t, at + 256)
    d4, d5 = up_pair(e4, e5, t, at + 288)
    d6, d7 = up_pair(e6, e7, t, at + 320)
    d8, d9 = up_pair(e8, e9, t, at + 352)
    d10, d11 = up_pair(e10, e11, t, at + 384)
    d12, d13 = up_pair(e12, e13, t, at + 416)
    d14, d15 = up_pair(e14, e15, t, at + 448)
    f, q = load32(t, at + 96), load32(t, at + 112)
    c0, c2 = up(d0, d2, f, q)
    c1, c3 = up(d1, d3, f, q)
    f, q = load32(t, at + 128), load32(t, at + 144)
    c4, c6 = up(d4, d6, f, q)
    c5, c7 = up(d5, d7, f, q)
    f, q = load32(t, at + 160), load32(t, at + 176)
    c8, c10 = up(d8, d10, f, q)
    c9, c11 = up(d9, d11, f, q)
    f, q = load32(t, at + 192), load32(t, at + 208)
    c12, c14 = up(d12, d14, f, q)
    c13, c15 = up(d13, d15, f, q)
    f, q = load32(t, at + 32), load32(t, at + 48)
    b0, b4 = up(c0, c4, f, q)
    b1, b5 = up(c1, c5, f, q)
    b2, b6 = up(c2, c6, f, q)
    b3, b7 = up(c3, c7, f, q)
    f, q = load32(t, at + 64), load32(t, at + 80)
    b8, b12 = up(c8, c12, f, q)
    b9, b13 = up(c9, c13, f, q)
    b10, b14 = up(c10, c14, f, q)
    b11, b15 = up(c11, c15, f, q)
    f, q = load32(t, at), load32(t, at + 16)
    a0, a8 = up(b0, b8, f, q)
    a1, a9 = up(b1, b9, f, q)
    a2, a10 = up(b2, b10, f, q)
    a3, a11 = up(b3, b11, f, q)
    a4, a12 = up(b4, b12, f, q)
    a5, a13 = up(b5, b13, f, q)
    a6, a14 = up(b6, b14, f, q)
    a7, a15 = up(b7, b15, f, q)
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


@inline_kernel
def quad_down(x0: Any, x1: Any, x2: Any, x3: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels down on four neighbouring vectors, which are one block."""
    factor, quotient = splat32(factors[index]), splat32(quotients[index])
    y0, y2 = down(x0, x2, factor, quotient)
    y1, y3 = down(x1, x3, factor, quotient)
    z0, z1 = down(y0, y1, splat32(factors[2 * index]), splat32(quotients[2 * index]))
    z2, z3 = down(y2, y3, splat32(factors[2 * index + 1]), splat32(quotients[2 * index + 1]))
    return z0, z1, z2, z3


@inline_kernel
def quad_up(x0: Any, x1: Any, x2: Any, x3: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels up on four neighbouring vectors, which become one block."""
    y0, y1 = up(x0, x1, splat32(factors[2 * index]), splat32(quotients[2 * index]))
    y2, y3 = up(x2, x3, splat32(factors[2 * index + 1]), splat32(quotients[2 * index + 1]))
    factor, quotient = splat32(factors[index]), splat32(quotients[index])
    z0, z2 = up(y0, y2, factor, quotient)
    z1, z3 = up(y1, y3, factor, quotient)
    return z0, z1, z2, z3


@inline_kernel
def quads_down(x: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels down on the four blocks of a square."""
    a0, a1, a2, a3 = quad_down(x[0], x[1], x[2], x[3], factors, quotients, index)
    a4, a5, a6, a7 = quad_down(x[4], x[5], x[6], x[7], factors, quotients, index + 1)
    a8, a9, a10, a11 = quad_down(x[8], x[9], x[10], x[11], factors, quotients, index + 2)
    a12, a13, a14, a15 = quad_down(x[12], x[13], x[14], x[15], factors, quotients, index + 3)
    return a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15


@inline_kernel
def quads_up(x: Any, factors: Any, quotients: Any, index: int) -> Any:
    """Two levels up on the four blocks of a square."""
    a0, a1, a2, a3 = quad_up(x[0], x[1], x[2], x[3], factors, quotients, index)
    a4, a5, a6, a7 = quad_up(x[4], x[5], x[6], x[7], factors, quotients, index + 1)
    a8, a9, a10, a11 = quad_up(x[8], x[9], x[10], x[11], factors, quotients, index + 2)
    a12, a13, a14, a15 = quad_up(x[12], x[13], x[14], x[15], factors, quotients, index + 3)
    return a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15


@inline_kernel
def fetch_square(address: int, is_written: bool) -> None:
    """Ask for the lines of a square."""
    for place in range(address, address + SQUARE, LINE):
        if is_written:
            prefetch_write_at(place)
        else:
            prefetch_read_at(place)


@kernel
def squares_down(address: int, length: int, factors: Any, quotients: Any, tail: Any, first: int, following: int) -> None:
    """The last six levels of a chunk in place; squares stay transposed. The chunk at `following` is fetched ahead."""
    for square in range(length // SQUARE):
        fetch_square(following + square * SQUARE, False)
        place = address + square * SQUARE
        rows = quads_down(load_rows16_at(place, VECTOR), factors, quotients, 4 * (first + square))
        done = square_down(transpose16(rows), tail, (first + square) * (TAIL_PAIRS * 32))
        store_rows16_at(place, VECTOR, done)


@kernel
def squares_restored(address: int, length: int, factor: int, quotient: int, following: int) -> None:
    """Transpose the squares of a chunk back, times one constant."""
    f, q = splat32(factor), splat32(quotient)
    for offset in range(0, length, SQUARE):
        fetch_square(following + offset, True)
        x = transpose16(load_rows16_at(address + offset, VECTOR))
        scaled = (
            multiply_fixed(x[0], f, q), multiply_fixed(x[1], f, q),
            multiply_fixed(x[2], f, q), multiply_fixed(x[3], f, q),
            multiply_fixed(x[4], f, q), multiply_fixed(x[5], f, q),
            multiply_fixed(x[6], f, q), multiply_fixed(x[7], f, q),
            multiply_fixed(x[8], f, q), multiply_fixed(x[9], f, q),
            multiply_fixed(x[10], f, q), multiply_fixed(x[11], f, q),
            multiply_fixed(x[12], f, q), multiply_fixed(x[13], f, q),
            multiply_fixed(x[14], f, q), multiply_fixed(x[15], f, q),
        )  # fmt: skip
        store_rows16_at(address + offset, VECTOR, scaled)


@kernel
def squares_up(
    source: int, target: int, length: int, is_transposed: bool, powers: Any, coset: int, factors: Any, quotients: Any,
    tail: Any, first: int, next_source: int, next_target: int,
) -> None:
    """Scale a chunk of coefficients to a coset and do the first six levels up; fetch the next chunks ahead."""
    for square in range(length // SQUARE):
        if not is_transposed:
            fetch_square(next_source + square * SQUARE, False)
        fetch_square(next_target + square * SQUARE, True)
        rows = load_rows16_at(source + square * SQUARE, VECTOR)
        if not is_transposed:
            rows = transpose16(rows)
        scaled = scale_square(rows, powers, coset * (length // 2) + square * (GROUPS * 32))
        joined = transpose16(square_up(scaled, tail, (first + square) * (TAIL_PAIRS * 32)))
        done = quads_up(joined, factors, quotients, 4 * (first + square))
        store_rows16_at(target + square * SQUARE, VECTOR, done)


@kernel
def chunk_down(
    source: int, target: int, length: int, factors: Any, quotients: Any, tail: Any, chunk: int, following: int
) -> None:
    """All levels within one chunk of `length` bytes; its squares end up transposed."""
    place = source
    half = length // 2
    while half >= 4 * VECTOR:
        if half >= 8 * VECTOR:
            pitch = half // 2
            step_down4(place, pitch, target, pitch, pitch, length // pitch, 1, factors, quotients, chunk, 0)
        else:
            step_down2(place, half, target, half, half, length // half, 1, factors, quotients, chunk, 0)
        place = target
        half //= 4
    squares_down(target, length, factors, quotients, tail, chunk * (length // SQUARE), following)


@kernel
def chunk_up(
    source: int, target: int, length: int, is_transposed: bool, powers: Any, coset: int, factors: Any, quotients: Any,
    tail: Any, chunk: int, scale: Any, scaled_factor: Any, next_source: int, next_target: int,
) -> None:
    """Scale to a coset and do all levels within one chunk; an empty `scale` is the constant one."""
    squares_up(
        source, target, length, is_transposed, powers, coset, factors, quotients, tail, chunk * (length // SQUARE),
        next_source, next_target,
    )
    log_length = 0
    while 1 << log_length < length:
        log_length += 1
    half = 4 * VECTOR
    # An odd number of levels begins with a single one, so that the last step has two and can scale.
    if log_length % 2 == 1:
        step_up2(target, half, target, half, half, length // half, 1, factors, quotients, chunk, 0)
        half *= 2
    while half < length:
        if scale.size > 0 and 4 * half == length:
            step_up4_scaled(target, half, factors, quotients, chunk, scale, scaled_factor)
        else:
            step_up4(target, half, target, half, half, length // half, 1, factors, quotients, chunk, 0)
        half *= 4


@kernel
def tiles_down(
    source: Any, target: Any, rows: int, factors: Any, quotients: Any, buffer: Any, start: int, stop: int
) -> None:
    """The levels above chunks, for tiles start to stop, counted column by column; `rows` chunks a column."""
    pitch = source.shape[1] // rows * 4
    tiles = pitch // TILE
    work = (address_of(buffer, 0) + LINE - 1) // LINE * LINE
    for tile in range(start, stop):
        offset = tile // tiles * (rows * pitch) + tile % tiles * TILE
        place, place_pitch, ahead = address_of(source, 0) + offset, pitch, pitch
        half = rows // 2
        while half >= 1:
            end, end_pitch = work, TILE
            if half <= 2:
                end, end_pitch = address_of(target, 0) + offset, pitch
            if half >= 2:
                step_down4(place, place_pitch, end, end_pitch, TILE, rows, half // 2, factors, quotients, 0, ahead)
            else:
                step_down2(place, place_pitch, end, end_pitch, TILE, rows, 1, factors, quotients, 0, ahead)
            place, place_pitch, ahead = end, end_pitch, 0
            half //= 4


@kernel
def tiles_up(matrix: Any, rows: int, factors: Any, quotients: Any, buffer: Any, start: int, stop: int) -> None:
    """The levels above chunks on the way up, in place; the operands are those of tiles_down."""
    pitch = matrix.shape[1] // rows * 4
    tiles = pitch // TILE
    work = (address_of(buffer, 0) + LINE - 1) // LINE * LINE
    for tile in range(start, stop):
        home = address_of(matrix, 0) + tile // tiles * (rows * pitch) + tile % tiles * TILE
        place, place_pitch, ahead = home, pitch, pitch
        half = 1
        while half < rows:
            end, end_pitch = work, TILE
            if 4 * half >= rows:
                end, end_pitch = home, pitch
            if 2 * half < rows:
                step_up4(place, place_pitch, end, end_pitch, TILE, rows, half, factors, quotients, 0, ahead)
            else:
                step_up2(place, place_pitch, end, end_pitch, TILE, rows, half, factors, quotients, 0, ahead)
            place, place_pitch, ahead = end, end_pitch, 0
            half *= 4


@kernel
def inverse_chunks(
    source: Any, target: Any, length: int, factors: Any, quotients: Any, tail: Any, factor: int, quotient: int,
    start: int, stop: int,
) -> None:
    """Chunks down to coefficients in bit-reversed order.

    Unit = chunk * columns + column, so that neighbouring units share their factors.
    """
    columns = source.shape[0]
    column_bytes = source.shape[1] * 4
    for unit in range(start, stop):
        offset = unit % columns * column_bytes + unit // columns * length
        following = min(unit + 1, stop - 1)
        ahead = following % columns * column_bytes + following // columns * length
        place = address_of(target, 0) + offset
        chunk_down(
            address_of(source, 0) + offset, place, length, factors, quotients, tail, unit // columns,
            address_of(source, 0) + ahead,
        )
        squares_restored(place, length, factor, quotient, address_of(target, 0) + ahead)


@kernel
def coset_chunks(
    coefficients: Any, target: Any, length: int, powers: Any, scales: Any, scaled_factors: Any,
    factors: Any, quotients: Any, tail: Any, start: int, stop: int,
) -> None:
    """Chunks of coefficients up on one coset; units are those of inverse_chunks."""
    columns = coefficients.shape[0]
    column_bytes = coefficients.shape[1] * 4
    for unit in range(start, stop):
        chunk = unit // columns
        offset = unit % columns * column_bytes + chunk * length
        following = min(unit + 1, stop - 1)
        ahead = following % columns * column_bytes + following // columns * length
        chunk_up(
            address_of(coefficients, 0) + offset, address_of(target, 0) + offset, length, False, powers, 0,
            factors, quotients, tail, chunk, scales[0, chunk], scaled_factors[0, chunk],
            address_of(coefficients, 0) + ahead, address_of(target, 0) + ahead,
        )


@kernel
def extend_chunks(
    source: Any, target: Any, length: int, powers: Any, scales: Any, scaled_factors: Any,
    inverse_factors: Any, inverse_quotients: Any, inverse_tail: Any, factors: Any, quotients: Any, tail: Any,
    buffer: Any, start: int, stop: int,
) -> None:
    """Chunks down to coefficients, which stay in a buffer, and up again on every coset; units as in inverse_chunks."""
    columns, cosets, height = target.shape
    column_bytes = height * 4
    work = (address_of(buffer, 0) + LINE - 1) // LINE * LINE
    for unit in range(start, stop):
        chunk, column = unit // columns, unit % columns
        following = min(unit + 1, stop - 1)
        next_column, next_offset = following % columns, following // columns * length
        chunk_down(
            address_of(source, 0) + column * column_bytes + chunk * length, work, length,
            inverse_factors, inverse_quotients, inverse_tail, chunk,
            address_of(source, 0) + next_column * column_bytes + next_offset,
        )
        for coset in range(cosets):
            place = address_of(target, 0) + (column * cosets + coset) * column_bytes + chunk * length
            next_target = place + column_bytes
            if coset == cosets - 1:
                next_target = address_of(target, 0) + next_column * cosets * column_bytes + next_offset
            chunk_up(
                work, place, length, True, powers, coset, factors, quotients, tail, chunk,
                scales[coset, chunk], scaled_factors[coset, chunk], work, next_target,
            )


@kernel
def small_down(matrix: Any, factors: Any) -> None:
    """All levels down in place, for columns too short for vectors."""
    columns, height = matrix.shape
    for column in range(columns):
        half = height // 2
        while half >= 1:
            for block in range(height // (2 * half)):
                factor = np.uint64(factors[block])
                for row in range(2 * half * block, 2 * half * block + half):
                    x = np.uint64(matrix[column, row])
                    product = np.uint64(matrix[column, row + half]) * factor % _P64
                    matrix[column, row] = (x + product) % _P64
                    matrix[column, row + half] = (x + (_P64 - product)) % _P64
            half //= 2


@kernel
def small_up(matrix: Any, factors: Any) -> None:
    """All levels up in place, for columns too short for vectors."""
    columns, height = matrix.shape
    for column in range(columns):
        half = 1
        while half < height:
            for block in range(height // (2 * half)):
                factor = np.uint64(factors[block])
                for row in range(2 * half * block, 2 * half * block + half):
                    x, y = np.uint64(matrix[column, row]), np.uint64(matrix[column, row + half])
                    matrix[column, row] = (x + y) % _P64
                    matrix[column, row + half] = (x + (_P64 - y)) * factor % _P64
            half *= 2
