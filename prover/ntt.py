"""Number-theoretic transforms of columns, and their low-degree extension onto cosets.

matrix        (columns, height)            values at 1, g, g^2, ..
coefficients  (columns, height)            in bit-reversed order: position p holds coefficient reverse(p)
extension     (columns, blowup, height)    coset j, row i: the value at shift * w^j * g^i

The file is long because tables, passes and the slow reference are read side by side.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import (
    GENERATOR,
    PRIME,
    TWO_ADICITY,
    Montgomery,
    inverse,
    power,
    root_of_unity,
)
from prover.field.threads import run_slices

LOG_CHUNK = 14
"""Chunks of 2^14 elements, 64 KiB: steps in the second-level cache are as fast, and 8 levels are 4 of them."""

LOG_NARROW_CHUNK = 13
"""Chunks where a matrix has few columns that would otherwise be one chunk each."""

LOG_WHOLE = 15
"""Columns up to 2^15 elements are one chunk each, if there are enough of them to keep all threads busy."""

WIDE = 8
"""So many columns a thread are enough."""

LOG_SQUARE = 8
"""The vector kernels transpose squares of 256 elements; shorter columns take the scalar ones."""

GROUP_BYTES = 2**22
"""Columns go through all passes in groups whose buffers hold 4 MiB, or one column if that is more.

The third-level cache then serves the later passes; with 8 MiB and more it did so less well.
"""

STREAMED_BYTES = 2**24
"""Results from this size on go past the caches: they would be gone from there before anybody reads them."""

Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Factors:
    """What one direction of a transform multiplies by: canonical factors with their quotients (see multiply_fixed).

    The last four levels of square S work modulo X^16 - c, with one c in each of 16 lanes.
    With X = t Y for a t that depends on S, the 16 c become the same in every square, so that one small `tail` serves
    all squares, and the coefficients of X^k are multiplied by t^k, in which constant factors vanish: the `turns`.
    A tail for each square would be read from memory more slowly than the column itself.
    """

    factors: Words
    """Factor of block b, the same on every level: (height / 2,) or less."""
    quotients: Words
    tail: Words
    """The last four levels: (15, 2, 16), flat; lanes are the groups of a square."""
    turns: Words
    """(squares, 16, 2), flat: t^k of every square; on the way down divided by the height."""


@dataclass(frozen=True, slots=True)
class CosetPowers:
    """Powers of the shifts of several cosets, with signs, in bit-reversed order: position = square * 256 + inner."""

    inner: Words
    """(cosets, 16, 2, 16), flat but for the cosets: powers for a transposed square."""
    turns: Words
    """(cosets, squares, 16, 2), flat but for the cosets: the turns times what a whole square is multiplied by."""


# --- tables of factors ------------------------------------------------------------------------------------------------


def bit_reversal(log_length: int) -> NDArray[np.intp]:
    """Give for each position the number with its bits in reverse order."""
    positions = np.zeros(1, dtype=np.intp)
    for level in range(log_length):
        positions = np.concatenate([positions, positions + (1 << (log_length - 1 - level))])
    return positions


def powers_in_order(base: int, log_length: int) -> NDArray[np.uint64]:
    """Give canonical powers base^0, base^1, .. by doubling."""
    powers = np.ones(1, dtype=np.uint64)
    for level in range(log_length):
        powers = np.concatenate([powers, powers * np.uint64(power(base, 1 << level)) % np.uint64(PRIME)])
    return powers


def reversed_powers(base: int, log_length: int) -> NDArray[np.uint64]:
    """Powers in bit-reversed order: position p holds base^reverse(p)."""
    powers = np.ones(1, dtype=np.uint64)
    for level in range(log_length):
        step = np.uint64(power(base, 1 << (log_length - 1 - level)))
        powers = np.concatenate([powers, powers * step % np.uint64(PRIME)])
    return powers


def _signed_powers(base: int, log_length: int) -> NDArray[np.uint64]:
    """The same, negated where the position has an odd number of ones: the signs that kernels want on the way up."""
    powers = np.ones(1, dtype=np.uint64)
    for level in range(log_length):
        step = np.uint64(PRIME - power(base, 1 << (log_length - 1 - level)))
        powers = np.concatenate([powers, powers * step % np.uint64(PRIME)])
    return powers


def _quotients(factors: NDArray[np.uint64]) -> Words:
    return ((factors << np.uint64(32)) // np.uint64(PRIME)).astype(np.uint32)


def _pairs(factors: NDArray[np.uint64]) -> Words:
    """Factor and quotient side by side on a new last axis."""
    return np.stack([factors.astype(np.uint32), _quotients(factors)], axis=-1)


def _turns(root: int, log_height: int, first: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The powers t^0 to t^15 of every square's t, times a number of the square's own: (squares, 16)."""
    # Block b of 16 rows has c = (root^reverse(b))^2. Block 16 S of square S keeps c = 1 where t^8 = root^reverse(16 S).
    base = reversed_powers(root, log_height - LOG_SQUARE)
    columns = [first]
    for _ in range(15):
        columns.append(columns[-1] * base % np.uint64(PRIME))
    return np.stack(columns, axis=-1)


@cache
def _factors(log_height: int, is_inverse: bool) -> Factors:
    """Tables of one direction: block b multiplies by the root of order height to the power reverse(b)."""
    log_blocks = max(log_height - 1, 0)
    root = root_of_unity(log_height)
    if is_inverse:
        root = inverse(root)
    factors = reversed_powers(root, log_blocks)
    if log_height < LOG_SQUARE:
        none = np.empty(0, dtype=np.uint32)
        return Factors(factors.astype(np.uint32), _quotients(factors), none, none)
    # Group g of the first square has 2^level blocks on a level.
    levels = [
        _pairs(factors[: 16 << level]).reshape(16, 1 << level, 2).transpose(1, 2, 0) for level in range(4)
    ]
    scale = inverse(1 << log_height) if is_inverse else 1
    first = np.full(1 << (log_height - LOG_SQUARE), scale, dtype=np.uint64)
    turns = _pairs(_turns(root, log_height, first))
    factors = factors[: 1 << (log_height - 5)]
    return Factors(
        factors.astype(np.uint32), _quotients(factors), _aligned(np.concatenate(levels)), _aligned(turns)
    )


@lru_cache(maxsize=512)
def _coset_powers(log_height: int, shifts: tuple[int, ...]) -> CosetPowers:
    """Powers of each shift in bit-reversed order, as squares need them."""
    inner, turns = [], []
    for shift in shifts:
        low = _signed_powers(power(shift, 1 << (log_height - LOG_SQUARE)), LOG_SQUARE)
        inner.append(_pairs(low.reshape(16, 16)).transpose(1, 2, 0).reshape(-1))  # lanes are groups
        high = _signed_powers(shift, log_height - LOG_SQUARE)
        turns.append(_pairs(_turns(root_of_unity(log_height), log_height, high)).reshape(-1))
    return CosetPowers(_aligned(np.stack(inner), len(shifts)), _aligned(np.stack(turns), len(shifts)))


def coset_shifts(log_height: int, log_blowup: int, shift: int = GENERATOR) -> tuple[int, ...]:
    """Where each coset of an extended domain starts."""
    root = root_of_unity(log_height + log_blowup)
    return tuple(shift * power(root, coset) % PRIME for coset in range(1 << log_blowup))


# --- memory -----------------------------------------------------------------------------------------------------------


def aligned_empty(shape: tuple[int, ...]) -> Words:
    """An array that starts at a cache line: a vector that crosses lines costs two accesses."""
    count = int(np.prod(shape))
    words = np.empty(count + 16, dtype=np.uint32)
    start = -words.ctypes.data % 64 // 4
    return words[start : start + count].reshape(shape)


def _aligned(words: Words, rows: int = 0) -> Words:
    """A copy that starts at a cache line: flat, or so many flat rows."""
    copy = aligned_empty((rows, words.size // rows) if rows else (words.size,))
    copy[:] = words.reshape(copy.shape)
    return copy


_KEPT = threading.local()
"""Buffers of this thread: memory that is new to the process costs more than the transform that runs in it."""


def _kept_buffer(purpose: str, shape: tuple[int, ...]) -> Words:
    """A buffer whose content nobody else in this thread relies on; it grows to the largest size ever asked for."""
    count = int(np.prod(shape))
    buffer: Words | None = getattr(_KEPT, purpose, None)
    if buffer is None or buffer.size < count:
        buffer = aligned_empty((count,))
        setattr(_KEPT, purpose, buffer)
    return buffer[:count].reshape(shape)


def _log_height_of(matrix: Montgomery) -> int:
    if matrix.dtype != np.uint32 or matrix.ndim != 2:
        raise TypeError(f"a matrix is uint32 (columns, height), not {matrix.dtype} {matrix.shape}")
    height = int(matrix.shape[1])
    if height == 0 or height & (height - 1) or height > 1 << TWO_ADICITY:
        raise ValueError(f"a height is a power of two up to 2^{TWO_ADICITY}, not {height}")
    return height.bit_length() - 1


def _target(out: Montgomery | None, shape: tuple[int, ...]) -> Montgomery:
    if out is None:
        return aligned_empty(shape)
    if out.dtype != np.uint32 or out.shape != shape or not out.flags.c_contiguous:
        raise ValueError(f"the result is C-contiguous uint32 {shape}, not {out.dtype} {out.shape}")
    return out


def _groups(columns: int, bytes_each: int) -> list[slice]:
    size = max(1, GROUP_BYTES // bytes_each)
    return [slice(start, min(start + size, columns)) for start in range(0, columns, size)]


def _group_buffers(count: int, groups: list[slice], chunks: int, length: int) -> list[Words]:
    """Room for the largest group, which all groups use in turn, so that it stays in cache; chunks are padded."""
    from prover import kernels_ntt as kernels

    columns = max((group.stop - group.start for group in groups), default=0)
    return list(_kept_buffer("group", (count, columns, chunks, length + kernels.PADDING // 4)))


def _is_streamed(result: Words) -> bool:
    """Whether a result goes past the caches: if it outgrows them, and its vectors start at cache lines."""
    return result.nbytes >= STREAMED_BYTES and result.ctypes.data % 64 == 0


# --- the transforms ---------------------------------------------------------------------------------------------------


def inverse_transform(matrix: Montgomery, *, threads: int = 1, out: Montgomery | None = None) -> Montgomery:
    """Give the coefficients of the polynomials with these values on the subgroup, in bit-reversed order."""
    from prover import kernels_ntt as kernels

    log_height = _log_height_of(matrix)
    matrix = np.ascontiguousarray(matrix)
    columns, height = matrix.shape
    table = _factors(log_height, True)
    result = _target(out, matrix.shape)
    if log_height < LOG_SQUARE:
        result[:] = matrix
        kernels.small_down(result, table.factors)
        scale = np.uint64(inverse(height))
        result[:] = (result.astype(np.uint64) * scale % np.uint64(PRIME)).astype(np.uint32)
        return result
    is_streamed = _is_streamed(result)
    length = _chunk_length(height, columns, threads)
    source, target = _in_chunks(matrix, length), _in_chunks(result, length)
    chunks = source.shape[1]
    if chunks == 1:
        _chunks_down(length, source, target, table, threads, is_restored=True, is_streamed=is_streamed)
        return result
    groups = _groups(columns, 4 * height)
    (buffer,) = _group_buffers(1, groups, chunks, length)
    for group in groups:
        part = source[group]
        down = buffer[: len(part)]
        _tiles_down(length, part, down, table, threads)
        _chunks_down(length, down, target[group], table, threads, is_restored=True, is_streamed=is_streamed)
    return result


def coset_transform(
    coefficients: Montgomery, coset_shift: int, *, threads: int = 1, out: Montgomery | None = None
) -> Montgomery:
    """Give the values on coset_shift * <g> of polynomials whose coefficients are in bit-reversed order."""
    from prover import kernels_ntt as kernels

    log_height = _log_height_of(coefficients)
    coefficients = np.ascontiguousarray(coefficients)
    columns, height = coefficients.shape
    result = _target(out, coefficients.shape)
    table = _factors(log_height, False)
    if log_height < LOG_SQUARE:
        scaled = coefficients * reversed_powers(coset_shift, log_height) % np.uint64(PRIME)
        result[:] = scaled.astype(np.uint32)
        kernels.small_up(result, table.factors)
        return result
    powers = _coset_powers(log_height, (coset_shift % PRIME,))
    length = _chunk_length(height, columns, threads)
    source, target = _in_chunks(coefficients, length), _in_chunks(result, length)
    chunks = source.shape[1]
    if chunks == 1:
        _chunks_up(length, source, target, powers, 0, table, threads, is_transposed=False)
        return result
    is_streamed = _is_streamed(result)
    groups = _groups(columns, 4 * height)
    (buffer,) = _group_buffers(1, groups, chunks, length)
    for group in groups:
        part = source[group]
        _chunks_up(length, part, buffer, powers, 0, table, threads, is_transposed=False)
        _tiles_up(length, buffer[: len(part)], target[group], 0, 1, table, threads, is_streamed=is_streamed)
    return result


def forward_transform(
    coefficients: Montgomery, *, threads: int = 1, out: Montgomery | None = None
) -> Montgomery:
    """Give the values on the subgroup itself: undoes inverse_transform."""
    return coset_transform(coefficients, 1, threads=threads, out=out)


def low_degree_extension(
    matrix: Montgomery,
    log_blowup: int,
    *,
    threads: int = 1,
    shift: int = GENERATOR,
    out: Montgomery | None = None,
) -> Montgomery:
    """Give the values of the columns on every coset shift * w^j * <g>."""
    from prover import kernels_ntt as kernels

    log_height = _log_height_of(matrix)
    matrix = np.ascontiguousarray(matrix)
    columns, height = matrix.shape
    shifts = coset_shifts(log_height, log_blowup, shift)
    target = _target(out, (columns, len(shifts), height))
    table, inverse_table = _factors(log_height, False), _factors(log_height, True)
    if log_height < LOG_SQUARE:
        coefficients = inverse_transform(matrix)
        for coset, coset_shift in enumerate(shifts):
            target[:, coset] = coset_transform(coefficients, coset_shift)
        return target
    powers = _coset_powers(log_height, shifts)
    length = _chunk_length(height, columns, threads)
    source = _in_chunks(matrix, length)
    chunks = source.shape[1]
    if chunks == 1:

        def work(start: int, stop: int) -> None:
            kernels.extend_whole(
                source, target, powers.inner, powers.turns,
                inverse_table.factors, inverse_table.quotients, inverse_table.tail, inverse_table.turns,
                table.factors, table.quotients, table.tail, _chunk_buffer(), start, stop,
            )  # fmt: skip

        run_slices(threads, columns, work, multiple=1)
        return target
    is_streamed = _is_streamed(target)
    cosets = _in_chunks(target.reshape(-1, height), length)
    groups = _groups(columns, 8 * height)
    down, up = _group_buffers(2, groups, chunks, length)
    for group in groups:
        part = source[group]
        down_part, up_part = down[: len(part)], up[: len(part)]
        _tiles_down(length, part, down_part, inverse_table, threads)
        _chunks_down(
            length, down_part, down_part, inverse_table, threads, is_restored=False, is_streamed=False
        )
        values = cosets[group.start * len(shifts) : group.stop * len(shifts)]
        # One coset after the other: all of them together would outgrow the third-level cache between their passes.
        for coset in range(len(shifts)):
            _chunks_up(length, down_part, up_part, powers, coset, table, threads, is_transposed=True)
            _tiles_up(length, up_part, values, coset, len(shifts), table, threads, is_streamed=is_streamed)
    return target


def extend_in_place(words: Words, columns: int, log_blowup: int, *, threads: int = 1) -> Montgomery:
    """Extend columns that stand at the end of `words`, which is just as long as their extension and will hold it.

    A group of columns is in a buffer before its extension is written, and that ends before the next group begins:

        |             .             | c0 | c1 | c2 | c3 |
        | extended c0 | extended c1 |  ...    | c2 | c3 |
    """
    blowup = 1 << log_blowup
    height, rest = divmod(words.size, max(columns, 1) * blowup)
    if words.ndim != 1 or rest:
        raise ValueError(f"{words.shape} words are not the extension of {columns} columns by {blowup}")
    matrix = words[words.size - columns * height :].reshape(columns, height)
    if height <= 1 << LOG_WHOLE:
        # Short columns are extended side by side, in any order.
        matrix = matrix.copy()
    out = words.reshape(columns, blowup, height)
    return low_degree_extension(matrix, log_blowup, threads=threads, out=out)


def extend_from_coset(
    evaluations: Montgomery,
    source_shift: int,
    log_blowup: int,
    *,
    threads: int = 1,
    shift: int = GENERATOR,
    out: Montgomery | None = None,
) -> Montgomery:
    """Extend columns that are given on the coset source_shift * <g> onto every coset shift * w^j * <g>."""
    # Read on the subgroup the values belong to f(source_shift X), so that every target shift shrinks by source_shift.
    relative = shift * inverse(source_shift) % PRIME
    return low_degree_extension(evaluations, log_blowup, threads=threads, shift=relative, out=out)


def coefficients_natural_order(matrix: Montgomery, *, threads: int = 1) -> Montgomery:
    """Give the coefficients of the columns, constant term first."""
    order = bit_reversal(_log_height_of(matrix))
    return np.ascontiguousarray(inverse_transform(matrix, threads=threads)[:, order])


# --- passes -----------------------------------------------------------------------------------------------------------


def _chunk_length(height: int, columns: int, threads: int) -> int:
    """How many elements the levels within one chunk work on."""
    if height > 1 << LOG_WHOLE:
        return 1 << LOG_CHUNK
    return height if columns >= WIDE * threads else min(height, 1 << LOG_NARROW_CHUNK)


def _in_chunks(matrix: Montgomery, length: int) -> Words:
    """The same memory as (columns, chunks, elements of a chunk)."""
    columns, height = matrix.shape
    return matrix.reshape(columns, height // length, length)


def _chunk_buffer() -> Words:
    return _kept_buffer("chunk", ((1 << LOG_WHOLE) + 16,))


def _tiles_down(length: int, source: Words, target: Words, table: Factors, threads: int) -> None:
    """Run the levels above chunks."""
    from prover import kernels_ntt as kernels

    def work(start: int, stop: int) -> None:
        buffer = _kept_buffer("tile", (source.shape[1] * kernels.TILE // 4 + 16,))
        kernels.tiles_down(source, target, 4 * length, table.factors, table.quotients, buffer, start, stop)

    run_slices(threads, source.shape[0] * (4 * length // kernels.TILE), work, multiple=1)


def _tiles_up(
    length: int, source: Words, target: Words, first: int, step: int, table: Factors, threads: int,
    *, is_streamed: bool,
) -> None:  # fmt: skip
    """Run the levels above chunks; column c goes to column first + step c of the target."""
    from prover import kernels_ntt as kernels

    def work(start: int, stop: int) -> None:
        buffer = _kept_buffer("tile", (source.shape[1] * kernels.TILE // 4 + 16,))
        kernels.tiles_up(
            source, target, first, step, 4 * length, is_streamed,
            table.factors, table.quotients, buffer, start, stop,
        )  # fmt: skip

    run_slices(threads, source.shape[0] * (4 * length // kernels.TILE), work, multiple=1)


def _chunks_down(
    length: int,
    source: Words,
    target: Words,
    table: Factors,
    threads: int,
    *,
    is_restored: bool,
    is_streamed: bool,
) -> None:
    """Run the levels within chunks."""
    from prover import kernels_ntt as kernels

    def work(start: int, stop: int) -> None:
        kernels.chunks_down(
            source, target, 4 * length, is_restored, is_streamed,
            table.factors, table.quotients, table.tail, table.turns, _chunk_buffer(), start, stop,
        )  # fmt: skip

    run_slices(threads, source.shape[0] * source.shape[1], work, multiple=1)


def _chunks_up(
    length: int,
    source: Words,
    target: Words,
    powers: CosetPowers,
    coset: int,
    table: Factors,
    threads: int,
    *,
    is_transposed: bool,
) -> None:
    """Scale to a coset and run the levels within chunks."""
    from prover import kernels_ntt as kernels

    def work(start: int, stop: int) -> None:
        kernels.chunks_up(
            source, target, 4 * length, is_transposed, powers.inner[coset], powers.turns[coset],
            table.factors, table.quotients, table.tail, start, stop,
        )  # fmt: skip

    run_slices(threads, source.shape[0] * source.shape[1], work, multiple=1)


# --- reference --------------------------------------------------------------------------------------------------------


def naive_evaluations(coefficients: Sequence[int], shift: int, log_order: int) -> list[int]:
    """Evaluate a polynomial, constant term first, at shift times every power of a root of unity: by the definition."""
    root = root_of_unity(log_order)
    points = [shift * power(root, row) % PRIME for row in range(1 << log_order)]
    return [sum(c * power(point, k) for k, c in enumerate(coefficients)) % PRIME for point in points]


def naive_coefficients(values: Sequence[int]) -> list[int]:
    """Interpolate values at the powers of a root of unity, constant term first: by the definition."""
    height = len(values)
    root = inverse(root_of_unity(height.bit_length() - 1))
    scale = inverse(height)
    return [
        scale * sum(value * power(root, row * k) for row, value in enumerate(values)) % PRIME
        for k in range(height)
    ]
