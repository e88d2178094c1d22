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
    address_of,
    load_rows16_at,
    multiply_fixed,
    prefetch_read_at,
    prefetch_write_at,
    splat32,
    store_rows16_at,
    transpose16,
)
from prover.kernels_ntt_squares import quads_down, quads_up, scale_square, square_down, square_up
from prover.kernels_ntt_steps import LINE, step_down2, step_down4, step_up2, step_up4, step_up4_scaled

VECTOR = 64
"""Bytes of one vector of 16 lanes."""

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
def fetch_square(address: int, is_written: bool) -> None:
    """Ask for the lines of a square."""
    for place in range(address, address + SQUARE, LINE):
        if is_written:
            prefetch_write_at(place)
        else:
            prefetch_read_at(place)


@kernel
def squares_down(
    address: int, length: int, factors: Any, quotients: Any, tail: Any, first: int, following: int
) -> None:
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
    source: int,
    target: int,
    length: int,
    is_transposed: bool,
    powers: Any,
    coset: int,
    factors: Any,
    quotients: Any,
    tail: Any,
    first: int,
    next_source: int,
    next_target: int,
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
    source: int,
    target: int,
    length: int,
    is_transposed: bool,
    powers: Any,
    coset: int,
    factors: Any,
    quotients: Any,
    tail: Any,
    chunk: int,
    scale: Any,
    scaled_factor: Any,
    next_source: int,
    next_target: int,
) -> None:
    """Scale to a coset and do all levels within one chunk; an empty `scale` is the constant one."""
    squares_up(
        source,
        target,
        length,
        is_transposed,
        powers,
        coset,
        factors,
        quotients,
        tail,
        chunk * (length // SQUARE),
        next_source,
        next_target,
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
                step_down4(
                    place, place_pitch, end, end_pitch, TILE, rows, half // 2, factors, quotients, 0, ahead
                )
            else:
                step_down2(place, place_pitch, end, end_pitch, TILE, rows, 1, factors, quotients, 0, ahead)
            place, place_pitch, ahead = end, end_pitch, 0
            half //= 4


@kernel
def tiles_up(
    matrix: Any, rows: int, factors: Any, quotients: Any, buffer: Any, start: int, stop: int
) -> None:
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
    source: Any,
    target: Any,
    length: int,
    factors: Any,
    quotients: Any,
    tail: Any,
    factor: int,
    quotient: int,
    start: int,
    stop: int,
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
            address_of(source, 0) + offset,
            place,
            length,
            factors,
            quotients,
            tail,
            unit // columns,
            address_of(source, 0) + ahead,
        )
        squares_restored(place, length, factor, quotient, address_of(target, 0) + ahead)


@kernel
def coset_chunks(
    coefficients: Any,
    target: Any,
    length: int,
    powers: Any,
    scales: Any,
    scaled_factors: Any,
    factors: Any,
    quotients: Any,
    tail: Any,
    start: int,
    stop: int,
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
            address_of(coefficients, 0) + offset,
            address_of(target, 0) + offset,
            length,
            False,
            powers,
            0,
            factors,
            quotients,
            tail,
            chunk,
            scales[0, chunk],
            scaled_factors[0, chunk],
            address_of(coefficients, 0) + ahead,
            address_of(target, 0) + ahead,
        )


@kernel
def extend_chunks(
    source: Any,
    target: Any,
    length: int,
    powers: Any,
    scales: Any,
    scaled_factors: Any,
    inverse_factors: Any,
    inverse_quotients: Any,
    inverse_tail: Any,
    factors: Any,
    quotients: Any,
    tail: Any,
    buffer: Any,
    start: int,
    stop: int,
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
            address_of(source, 0) + column * column_bytes + chunk * length,
            work,
            length,
            inverse_factors,
            inverse_quotients,
            inverse_tail,
            chunk,
            address_of(source, 0) + next_column * column_bytes + next_offset,
        )
        for coset in range(cosets):
            place = address_of(target, 0) + (column * cosets + coset) * column_bytes + chunk * length
            next_target = place + column_bytes
            if coset == cosets - 1:
                next_target = address_of(target, 0) + next_column * cosets * column_bytes + next_offset
            chunk_up(
                work,
                place,
                length,
                True,
                powers,
                coset,
                factors,
                quotients,
                tail,
                chunk,
                scales[coset, chunk],
                scaled_factors[coset, chunk],
                work,
                next_target,
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
