"""Number-theoretic transforms of columns, 16 neighbouring rows a vector.

Both directions work on remainders: a block of 2h rows holds a polynomial modulo X^2h - t^2 and splits into
the remainders modulo X^h - t and X^h + t, so that one factor t serves a whole block.

    down   natural -> bit-reversed    (x, y) -> (x + t y, x - t y)      block sizes height, height / 2, .., 2
    up     bit-reversed -> natural    (x, y) -> (x + y, (x - y) t)      block sizes 2, 4, .., height

On the way up y is there as -y, so that x - y is a sum and needs no p added to stay positive:
before the level of bit h a word is negative if its position has an odd number of ones from bit h on.
Both results then have the signs that the next level wants, with nothing to do, and none is left at the end.
The powers of a coset's shift, which every coefficient is multiplied by first, bring the signs.

A column that does not fit the second-level cache is a matrix of rows, each a chunk of neighbouring elements:

    chunk 0    | . . . . . . . |      tiles:  some neighbouring elements of every chunk, copied to a buffer,
    chunk 1    | . . . . . . . |              run through all levels whose blocks are larger than a chunk
    ..                                chunks: run through all other levels where they lie

Within a chunk the last four levels pair rows of one vector: 16 vectors are transposed there, so that lanes are groups.
Between tiles and chunks columns lie in buffers that stay in cache, each chunk followed by some padding.
Reference twin of every kernel here: `prover.ntt.naive_evaluations` on plain integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import PRIME
from prover.field.simd import (
    address_of,
    finish_streams,
    load_rows16_at,
    prefetch_read_at,
    prefetch_write_at,
    store_rows16_at,
    stream_rows16_at,
    transpose16,
)
from prover.kernels_ntt_squares import quads_down, quads_up, scale_square, square_down, square_up, turn_square
from prover.kernels_ntt_steps import LINE, step_down2, step_down4, step_up2, step_up4

VECTOR = 64
"""Bytes of one vector of 16 lanes."""

TILE = 1024
"""Bytes of each chunk in a tile.

Chunks of a matrix lie a power of two apart, so that their lines compete for the same few sets of every cache:
with 128 bytes a pass took twice as long, while buffers of wider tiles outgrow the second-level cache.
"""

SQUARE = 1024
"""Bytes of a square of 16 vectors, which is transposed: 256 elements."""

PADDING = TILE
"""Bytes after each chunk of a buffer: so its tiles spread evenly over the sets of a cache."""

ROWS_AHEAD = 2
"""A tile's rows in a matrix are fetched so many rows ahead; many more would compete for the same sets."""

TURN_WORDS = 32
"""Words of the factors that turn one square: a factor and a quotient for each of its vectors."""

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
    source: int,
    target: int,
    length: int,
    is_restored: bool,
    is_streamed: bool,
    factors: Any,
    quotients: Any,
    tail: Any,
    turns: Any,
    first: int,
    next_source: int,
    next_target: int,
) -> None:
    """The last six levels of a chunk; its squares end up transposed or restored, and these may go past the caches."""
    for square in range(length // SQUARE):
        fetch_square(next_source + square * SQUARE, False)
        fetch_square(next_target + square * SQUARE, True)
        rows = quads_down(
            load_rows16_at(source + square * SQUARE, VECTOR), factors, quotients, 4 * (first + square)
        )
        done = square_down(turn_square(transpose16(rows), turns, (first + square) * TURN_WORDS), tail)
        if is_restored:
            done = transpose16(done)
        if is_streamed:
            stream_rows16_at(target + square * SQUARE, VECTOR, done)
        else:
            store_rows16_at(target + square * SQUARE, VECTOR, done)


@kernel
def squares_up(
    source: int,
    target: int,
    length: int,
    is_transposed: bool,
    powers: Any,
    turns: Any,
    factors: Any,
    quotients: Any,
    tail: Any,
    first: int,
    next_source: int,
) -> None:
    """Scale a chunk of coefficients to a coset and do the first six levels up; fetch the next one ahead."""
    for square in range(length // SQUARE):
        fetch_square(next_source + square * SQUARE, False)
        rows = load_rows16_at(source + square * SQUARE, VECTOR)
        if not is_transposed:
            rows = transpose16(rows)
        joined = turn_square(
            square_up(scale_square(rows, powers, 0), tail), turns, (first + square) * TURN_WORDS
        )
        done = quads_up(transpose16(joined), factors, quotients, 4 * (first + square))
        store_rows16_at(target + square * SQUARE, VECTOR, done)


@kernel
def chunk_down(
    source: int,
    work: int,
    target: int,
    length: int,
    is_restored: bool,
    is_streamed: bool,
    factors: Any,
    quotients: Any,
    tail: Any,
    turns: Any,
    chunk: int,
    next_source: int,
    next_target: int,
) -> None:
    """All levels within one chunk of `length` bytes, through a buffer of this length; see squares_down."""
    place = source
    half = length // 2
    while half >= 4 * VECTOR:
        if half >= 8 * VECTOR:
            pitch = half // 2
            step_down4(
                place, pitch, work, pitch, pitch, length // pitch, 1, factors, quotients, chunk, 0, pitch // 2
            )
        else:
            step_down2(
                place, half, work, half, half, length // half, 1, factors, quotients, chunk, 0, half // 2
            )
        place = work
        half //= 4
    squares_down(
        work,
        target,
        length,
        is_restored,
        is_streamed,
        factors,
        quotients,
        tail,
        turns,
        chunk * (length // SQUARE),
        next_source,
        next_target,
    )


@kernel
def chunk_up(
    source: int,
    target: int,
    length: int,
    is_transposed: bool,
    powers: Any,
    turns: Any,
    factors: Any,
    quotients: Any,
    tail: Any,
    chunk: int,
    next_source: int,
) -> None:
    """Scale to a coset and do all levels within one chunk."""
    squares_up(
        source,
        target,
        length,
        is_transposed,
        powers,
        turns,
        factors,
        quotients,
        tail,
        chunk * (length // SQUARE),
        next_source,
    )
    half = 4 * VECTOR
    while half < length:
        if 2 * half < length:
            step_up4(target, half, target, half, half, length // half, 1, factors, quotients, chunk, 0, False)
        else:
            step_up2(target, half, target, half, half, length // half, 1, factors, quotients, chunk, 0)
        half *= 4


@inline_kernel
def aligned(buffer: Any) -> int:
    """The first address in a buffer at which a cache line starts."""
    return (address_of(buffer, 0) + LINE - 1) // LINE * LINE


@inline_kernel
def chunk_address(matrix: Any, column: int, chunk: int) -> int:
    """Where a chunk of a matrix (columns, chunks, words) begins; further words of a chunk may be padding."""
    return address_of(matrix, 0) + 4 * matrix.shape[2] * (column * matrix.shape[1] + chunk)


@kernel
def tiles_down(
    source: Any, target: Any, length: int, factors: Any, quotients: Any, buffer: Any, start: int, stop: int
) -> None:
    """The levels above chunks of `length` bytes, for tiles start to stop, counted column by column."""
    rows = source.shape[1]
    pitch = 4 * source.shape[2]
    tiles = length // TILE
    work = aligned(buffer)
    for tile in range(start, stop):
        offset = tile % tiles * TILE
        place, place_pitch = chunk_address(source, tile // tiles, 0) + offset, pitch
        ahead = ROWS_AHEAD * pitch
        # The first half of a chunk is added next, the second one multiplied.
        reduced = TILE if 2 * offset < length else 0
        half = rows // 2
        while half >= 1:
            end, end_pitch = work, TILE
            if half <= 2:
                end, end_pitch = chunk_address(target, tile // tiles, 0) + offset, 4 * target.shape[2]
            if half >= 2:
                step_down4(
                    place, place_pitch, end, end_pitch, TILE, rows, half // 2, factors, quotients, 0, ahead,
                    reduced,
                )  # fmt: skip
            else:
                step_down2(
                    place, place_pitch, end, end_pitch, TILE, rows, 1, factors, quotients, 0, ahead, reduced
                )
            place, place_pitch, ahead = end, end_pitch, 0
            half //= 4


@kernel
def tiles_up(
    source: Any,
    target: Any,
    first: int,
    step: int,
    length: int,
    is_streamed: bool,
    factors: Any,
    quotients: Any,
    buffer: Any,
    start: int,
    stop: int,
) -> None:
    """The levels above chunks on the way up; column c of the source goes to column first + step c of the target."""
    rows = source.shape[1]
    tiles = length // TILE
    work = aligned(buffer)
    log_rows = 0
    while 1 << log_rows < rows:
        log_rows += 1
    for tile in range(start, stop):
        column, offset = tile // tiles, tile % tiles * TILE
        place, place_pitch = chunk_address(source, column, 0) + offset, 4 * source.shape[2]
        home, home_pitch = chunk_address(target, first + step * column, 0) + offset, 4 * target.shape[2]
        ahead = TILE
        half = 1
        # An odd number of levels begins with a single one, so that the last step, which may stream, has two.
        if log_rows % 2 == 1:
            end, end_pitch = work, TILE
            if rows == 2:
                end, end_pitch = home, home_pitch
            step_up2(place, place_pitch, end, end_pitch, TILE, rows, 1, factors, quotients, 0, ahead)
            place, place_pitch, ahead = end, end_pitch, 0
            half = 2
        while half < rows:
            end, end_pitch = work, TILE
            if 4 * half == rows:
                end, end_pitch = home, home_pitch
            is_last = is_streamed and 4 * half == rows
            step_up4(
                place, place_pitch, end, end_pitch, TILE, rows, half, factors, quotients, 0, ahead, is_last
            )
            place, place_pitch, ahead = end, end_pitch, 0
            half *= 4
    if is_streamed:
        finish_streams()


@kernel
def chunks_down(
    source: Any,
    target: Any,
    length: int,
    is_restored: bool,
    is_streamed: bool,
    factors: Any,
    quotients: Any,
    tail: Any,
    turns: Any,
    buffer: Any,
    start: int,
    stop: int,
) -> None:
    """Chunks down to coefficients in bit-reversed order.

    Unit = chunk * columns + column, so that neighbouring units share their factors.
    """
    columns = source.shape[0]
    work = aligned(buffer)
    for unit in range(start, stop):
        following = min(unit + 1, stop - 1)
        # What is streamed must not be in a cache before.
        next_target = (
            work if is_streamed else chunk_address(target, following % columns, following // columns)
        )
        chunk_down(
            chunk_address(source, unit % columns, unit // columns),
            work,
            chunk_address(target, unit % columns, unit // columns),
            length,
            is_restored,
            is_streamed,
            factors,
            quotients,
            tail,
            turns,
            unit // columns,
            chunk_address(source, following % columns, following // columns),
            next_target,
        )
    if is_streamed:
        finish_streams()


@kernel
def chunks_up(
    source: Any,
    target: Any,
    length: int,
    is_transposed: bool,
    powers: Any,
    turns: Any,
    factors: Any,
    quotients: Any,
    tail: Any,
    start: int,
    stop: int,
) -> None:
    """Chunks of coefficients up on one coset; units are those of chunks_down."""
    columns = source.shape[0]
    for unit in range(start, stop):
        following = min(unit + 1, stop - 1)
        chunk_up(
            chunk_address(source, unit % columns, unit // columns),
            chunk_address(target, unit % columns, unit // columns),
            length,
            is_transposed,
            powers,
            turns,
            factors,
            quotients,
            tail,
            unit // columns,
            chunk_address(source, following % columns, following // columns),
        )


@kernel
def extend_whole(
    source: Any,
    target: Any,
    powers: Any,
    turns: Any,
    inverse_factors: Any,
    inverse_quotients: Any,
    inverse_tail: Any,
    inverse_turns: Any,
    factors: Any,
    quotients: Any,
    tail: Any,
    buffer: Any,
    start: int,
    stop: int,
) -> None:
    """Columns that are one chunk down to coefficients, which stay in a buffer, and up again on every coset."""
    cosets = target.shape[1]
    length = 4 * target.shape[2]
    work = aligned(buffer)
    for column in range(start, stop):
        following = min(column + 1, stop - 1)
        chunk_down(
            chunk_address(source, column, 0),
            work,
            work,
            length,
            False,
            False,
            inverse_factors,
            inverse_quotients,
            inverse_tail,
            inverse_turns,
            0,
            chunk_address(source, following, 0),
            chunk_address(target, column, 0),
        )
        for coset in range(cosets):
            chunk_up(
                work,
                chunk_address(target, column, coset),
                length,
                True,
                powers[coset],
                turns[coset],
                factors,
                quotients,
                tail,
                0,
                work,
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
