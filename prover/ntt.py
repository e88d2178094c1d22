"""Number-theoretic transforms of columns, and their low-degree extension onto cosets.

matrix        (columns, height)            values at 1, g, g^2, ..
coefficients  (columns, height)            in bit-reversed order: position p holds coefficient reverse(p)
extension     (columns, blowup, height)    coset j, row i: the value at shift * w^j * g^i
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

LOG_CHUNK = 12
"""Chunks of 2^12 elements, 16 KiB: a chunk and its buffer fit a first-level cache of 48 KiB."""

LOG_SMALLEST_VECTOR_HEIGHT = 8
"""The vector kernels transpose squares of 256 elements; shorter columns take the scalar ones."""

GROUP_BYTES = 2**23
"""Columns go through all passes in groups of about 8 MiB: the third-level cache then serves the later passes."""

Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Factors:
    """What one direction of a transform multiplies by: canonical factors with their quotients (see multiply_fixed)."""

    factors: Words
    """Factor of block b, the same on every level: (height / 2,) or less."""
    quotients: Words
    tail: Words
    """The last four levels: (squares, 15, 2, 16), flat; lanes are the groups of a square."""


@dataclass(frozen=True, slots=True)
class CosetPowers:
    """Powers of the shifts of several cosets, split over chunks: position = chunk * 2^log_chunk + inner."""

    inner: Words
    """(cosets, squares of a chunk, 16, 2, 16), flat: powers for transposed squares, times a constant."""
    scales: Words
    """(cosets, chunks, 2): what a whole chunk is multiplied by; (cosets, 1, 0) where there is one chunk."""
    scaled_factors: Words
    """(cosets, chunks, 2): the same times the factor of the chunk's last level."""


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


def _reversed_powers(base: int, log_length: int) -> NDArray[np.uint64]:
    """Powers in bit-reversed order: position p holds base^reverse(p)."""
    powers = np.ones(1, dtype=np.uint64)
    for level in range(log_length):
        step = np.uint64(power(base, 1 << (log_length - 1 - level)))
        powers = np.concatenate([powers, powers * step % np.uint64(PRIME)])
    return powers


def _quotients(factors: NDArray[np.uint64]) -> Words:
    return ((factors << np.uint64(32)) // np.uint64(PRIME)).astype(np.uint32)


def _pairs(factors: NDArray[np.uint64]) -> Words:
    """Factor and quotient side by side on a new last axis."""
    return np.stack([factors.astype(np.uint32), _quotients(factors)], axis=-1)


@cache
def _factors(log_height: int, is_inverse: bool) -> Factors:
    """Tables of one direction: block b multiplies by the root of order height to the power reverse(b)."""
    log_blocks = max(log_height - 1, 0)
    root = root_of_unity(log_height)
    factors = _reversed_powers(inverse(root) if is_inverse else root, log_blocks)
    tail = np.empty(0, dtype=np.uint32)
    if log_height >= LOG_SMALLEST_VECTOR_HEIGHT:
        groups = 1 << (log_height - 4)
        levels = []
        for level in range(4):
            # Group g has 2^level blocks on this level; 16 groups in the lanes make a square.
            blocks = _pairs(factors[: groups << level]).reshape(groups // 16, 16, 1 << level, 2)
            levels.append(blocks.transpose(0, 2, 3, 1))
        tail = aligned_empty((groups // 16 * 15 * 32,))
        tail[:] = np.concatenate(levels, axis=1).reshape(-1)
        factors = factors[: groups // 2] if groups > 1 else factors[:1]
    return Factors(factors.astype(np.uint32), _quotients(factors), tail)


@lru_cache(maxsize=256)
def _coset_powers(log_height: int, shifts: tuple[int, ...], scale: int) -> CosetPowers:
    """Powers of each shift in bit-reversed order, for columns that are cut into chunks."""
    log_chunk = min(log_height, LOG_CHUNK)
    log_chunks = log_height - log_chunk
    inner, outer = [], []
    for shift in shifts:
        low = _reversed_powers(power(shift, 1 << log_chunks), log_chunk) * np.uint64(scale) % np.uint64(PRIME)
        squares = _pairs(low.reshape(-1, 16, 16)).transpose(0, 2, 3, 1)  # lanes are groups
        inner.append(np.ascontiguousarray(squares).reshape(-1))
        outer.append(_reversed_powers(shift, log_chunks))
    if log_chunks == 0:
        none = np.empty((len(shifts), 1, 0), dtype=np.uint32)
        return CosetPowers(np.concatenate(inner), none, none)
    scales = np.stack(outer)
    own = _factors(log_height, False).factors[: 1 << log_chunks].astype(np.uint64)
    return CosetPowers(np.concatenate(inner), _pairs(scales), _pairs(scales * own % np.uint64(PRIME)))


def _shifts_of(log_height: int, log_blowup: int, shift: int) -> tuple[int, ...]:
    root = root_of_unity(log_height + log_blowup)
    return tuple(shift * power(root, coset) % PRIME for coset in range(1 << log_blowup))


# --- memory -----------------------------------------------------------------------------------------------------------


def aligned_empty(shape: tuple[int, ...]) -> Words:
    """An array that starts at a cache line: a vector that crosses lines costs two accesses."""
    count = int(np.prod(shape))
    words = np.empty(count + 16, dtype=np.uint32)
    start = -words.ctypes.data % 64 // 4
    return words[start : start + count].reshape(shape)


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


def _group_buffer(groups: list[slice], height: int) -> Montgomery:
    """Room for the largest group, which all groups use in turn, so that it stays in cache."""
    return _kept_buffer("group", (max((group.stop - group.start for group in groups), default=0), height))


# --- the transforms ---------------------------------------------------------------------------------------------------


def inverse_transform(matrix: Montgomery, *, threads: int = 1, out: Montgomery | None = None) -> Montgomery:
    """Give the coefficients of the polynomials with these values on the subgroup, in bit-reversed order."""
    from prover import kernels_ntt as kernels

    log_height = _log_height_of(matrix)
    matrix = np.ascontiguousarray(matrix)
    columns, height = matrix.shape
    table = _factors(log_height, True)
    scale = inverse(height)
    result = _target(out, matrix.shape)
    if log_height < LOG_SMALLEST_VECTOR_HEIGHT:
        result[:] = matrix
        kernels.small_down(result, table.factors)
        result[:] = (result.astype(np.uint64) * np.uint64(scale) % np.uint64(PRIME)).astype(np.uint32)
        return result
    quotient = (scale << 32) // PRIME
    chunks = height >> min(log_height, LOG_CHUNK)
    groups = _groups(columns, 8 * height)
    buffer = _group_buffer(groups, height)
    for group in groups:
        part, target = matrix[group], result[group]
        source = _tiles_down(part, buffer[: part.shape[0]], chunks, table, threads)

        def work(start: int, stop: int, source: Montgomery = source, target: Montgomery = target) -> None:
            kernels.inverse_chunks(
                source, target, 4 * height // chunks, table.factors, table.quotients, table.tail,
                scale, quotient, start, stop,
            )  # fmt: skip

        run_slices(threads, chunks * part.shape[0], work, multiple=1)
    return result


def coset_transform(
    coefficients: Montgomery, coset_shift: int, *, threads: int = 1, out: Montgomery | None = None
) -> Montgomery:
    """Give the values on coset_shift * <g> of polynomials whose coefficients are in bit-reversed order."""
    from prover import kernels_ntt as kernels

    log_height = _log_height_of(coefficients)
    coefficients = np.ascontiguousarray(coefficients)
    columns, height = coefficients.shape
    target = _target(out, coefficients.shape)
    table = _factors(log_height, False)
    if log_height < LOG_SMALLEST_VECTOR_HEIGHT:
        scaled = coefficients * _reversed_powers(coset_shift, log_height) % np.uint64(PRIME)
        target[:] = scaled.astype(np.uint32)
        kernels.small_up(target, table.factors)
        return target
    powers = _coset_powers(log_height, (coset_shift % PRIME,), 1)
    chunks = height >> min(log_height, LOG_CHUNK)
    for group in _groups(columns, 8 * height):
        part, values = coefficients[group], target[group]

        def work(start: int, stop: int, part: Montgomery = part, values: Montgomery = values) -> None:
            kernels.coset_chunks(
                part, values, 4 * height // chunks, powers.inner, powers.scales, powers.scaled_factors,
                table.factors, table.quotients, table.tail, start, stop,
            )  # fmt: skip

        run_slices(threads, chunks * part.shape[0], work, multiple=1)
        _tiles_up(values, chunks, table, threads)
    return target


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
    shifts = _shifts_of(log_height, log_blowup, shift)
    target = _target(out, (columns, len(shifts), height))
    table, inverse_table = _factors(log_height, False), _factors(log_height, True)
    if log_height < LOG_SMALLEST_VECTOR_HEIGHT:
        coefficients = inverse_transform(matrix)
        for coset, coset_shift in enumerate(shifts):
            target[:, coset] = coset_transform(coefficients, coset_shift)
        return target
    powers = _coset_powers(log_height, shifts, inverse(height))
    chunks = height >> min(log_height, LOG_CHUNK)
    groups = _groups(columns, 4 * height * (1 + len(shifts)))
    buffer = _group_buffer(groups, height)
    for group in groups:
        part, values = matrix[group], target[group]
        source = _tiles_down(part, buffer[: part.shape[0]], chunks, inverse_table, threads)

        def work(start: int, stop: int, source: Montgomery = source, values: Montgomery = values) -> None:
            kernels.extend_chunks(
                source, values, 4 * height // chunks, powers.inner, powers.scales, powers.scaled_factors,
                inverse_table.factors, inverse_table.quotients, inverse_table.tail,
                table.factors, table.quotients, table.tail,
                _kept_buffer("chunk", (height // chunks + 16,)), start, stop,
            )  # fmt: skip

        run_slices(threads, chunks * part.shape[0], work, multiple=1)
        _tiles_up(values.reshape(-1, height), chunks, table, threads)
    return target


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


def _tiles_down(
    source: Montgomery, target: Montgomery, chunks: int, table: Factors, threads: int
) -> Montgomery:
    """Run the levels above chunks, if there are any, and give the array that holds the result."""
    from prover import kernels_ntt as kernels

    if chunks == 1:
        return source

    def work(start: int, stop: int) -> None:
        buffer = _kept_buffer("tile", (chunks * kernels.TILE // 4 + 16,))
        kernels.tiles_down(source, target, chunks, table.factors, table.quotients, buffer, start, stop)

    run_slices(threads, source.size // chunks * 4 // kernels.TILE, work, multiple=1)
    return target


def _tiles_up(matrix: Montgomery, chunks: int, table: Factors, threads: int) -> None:
    """Run the levels above chunks in place, if there are any."""
    from prover import kernels_ntt as kernels

    if chunks == 1:
        return

    def work(start: int, stop: int) -> None:
        buffer = _kept_buffer("tile", (chunks * kernels.TILE // 4 + 16,))
        kernels.tiles_up(matrix, chunks, table.factors, table.quotients, buffer, start, stop)

    run_slices(threads, matrix.size // chunks * 4 // kernels.TILE, work, multiple=1)


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
