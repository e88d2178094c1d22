"""Fast field arithmetic on whole arrays: pads to full vectors, splits over threads, calls the kernels.

All arrays hold Montgomery forms; extension elements are five planes (5, length).
Single elements, as arguments, are canonical integers or tuples of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock

import numpy as np

from prover.field import column_kernels
from prover.field.extension import QUINTIC, Element
from prover.field.koalabear import PRIME, Montgomery, encode, power
from prover.field.threads import run_slices

LANES = column_kernels.LANES
INVERSION_BLOCK = column_kernels.INVERSION_VECTORS * LANES

WEIGHTS_BLOCK = 1024
"""Rows whose weights, 20 KiB, stay in a first-level cache beside the columns."""

FEWEST_ROWS_A_SLICE = 1 << 12
"""Below this many rows a second thread costs more than it takes over."""

ONE = int(encode([1])[0])


def _padded(values: Montgomery, fill: int = 0) -> Montgomery:
    """The array with its last axis filled up to full vectors, C-contiguous; the same one where it is so already."""
    if values.dtype != np.uint32:
        raise TypeError(f"field elements in Montgomery form are uint32, not {values.dtype}")
    missing = -values.shape[-1] % LANES
    if not missing:
        return np.ascontiguousarray(values)
    result = np.full((*values.shape[:-1], values.shape[-1] + missing), fill, dtype=np.uint32)
    result[..., : values.shape[-1]] = values
    return result


def _slices(threads: int, length: int, work: Callable[[int, int], None], multiple: int = LANES) -> None:
    run_slices(min(threads, max(1, length // FEWEST_ROWS_A_SLICE)), length, work, multiple=multiple)


def _elementwise(
    operation: Callable[[Montgomery, Montgomery, Montgomery, int, int], None],
    left: Montgomery,
    right: Montgomery,
    threads: int,
) -> Montgomery:
    if left.shape != right.shape:
        raise ValueError(f"shapes differ: {left.shape} and {right.shape}")
    a, b = _padded(left.reshape(-1)), _padded(right.reshape(-1))
    out = np.empty_like(a)
    _slices(threads, a.size, lambda start, stop: operation(a, b, out, start, stop))
    return out[: left.size].reshape(left.shape)


# --- base field -------------------------------------------------------------------------------------------------------


def add(left: Montgomery, right: Montgomery, *, threads: int = 1) -> Montgomery:
    """Add two arrays of one shape."""
    return _elementwise(column_kernels.add, left, right, threads)


def subtract(left: Montgomery, right: Montgomery, *, threads: int = 1) -> Montgomery:
    """Subtract two arrays of one shape."""
    return _elementwise(column_kernels.subtract, left, right, threads)


def multiply(left: Montgomery, right: Montgomery, *, threads: int = 1) -> Montgomery:
    """Multiply two arrays of one shape, element by element."""
    return _elementwise(column_kernels.multiply, left, right, threads)


def scale(values: Montgomery, factor: int, *, threads: int = 1) -> Montgomery:
    """Multiply an array of any shape by one element."""
    flat = _padded(values.reshape(-1))
    out = np.empty_like(flat)
    spread = int(encode([factor])[0])
    _slices(threads, flat.size, lambda start, stop: column_kernels.scale(flat, spread, out, start, stop))
    return out[: values.size].reshape(values.shape)


def base_batch_inverse(values: Montgomery, *, threads: int = 1) -> Montgomery:
    """Invert every element; a zero among them raises ZeroDivisionError."""
    if values.size and not values.all():
        raise ZeroDivisionError("zero has no inverse")
    flat = _padded(values.reshape(-1), ONE)
    out = np.empty_like(flat)
    _slices(
        threads,
        flat.size,
        lambda start, stop: column_kernels.batch_inverse(flat, out, start, stop),
        INVERSION_BLOCK,
    )
    return out[: values.size].reshape(values.shape)


def geometric_sequence(start: int, ratio: int, count: int) -> Montgomery:
    """Give start, start * ratio, start * ratio^2, .."""
    powers = encode([start])
    while powers.size < count:
        powers = np.concatenate([powers, scale(powers, power(ratio, powers.size))])
    return powers[:count]


def prefix_sums(values: Montgomery) -> Montgomery:
    """Give for each position of the last axis the sum up to and with it; extension planes sum plane by plane."""
    matrix = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    out = np.empty_like(matrix)
    column_kernels.prefix_sums(matrix, out)
    return out.reshape(values.shape)


# --- quintic extension ------------------------------------------------------------------------------------------------


def _check_planes(*arrays: Montgomery) -> int:
    """The number of elements, the same for all."""
    shape = arrays[0].shape
    if any(array.shape != shape for array in arrays) or len(shape) != 2 or shape[0] != QUINTIC.degree:
        raise ValueError(
            f"extension elements are (5, length) arrays, not {[array.shape for array in arrays]}"
        )
    return int(shape[1])


def extension_multiply(left: Montgomery, right: Montgomery, *, threads: int = 1) -> Montgomery:
    """Multiply two arrays of extension elements, element by element."""
    length = _check_planes(left, right)
    a, b = _padded(left), _padded(right)
    out = np.empty_like(a)
    _slices(
        threads, a.shape[1], lambda start, stop: column_kernels.extension_multiply(a, b, out, start, stop)
    )
    return out[:, :length]


def extension_multiply_base(values: Montgomery, factors: Montgomery, *, threads: int = 1) -> Montgomery:
    """Multiply extension elements by base field elements, one each."""
    length = _check_planes(values)
    if factors.shape != (length,):
        raise ValueError(f"{length} elements need as many factors, not {factors.shape}")
    a, b = _padded(values), _padded(factors)
    out = np.empty_like(a)
    _slices(
        threads,
        a.shape[1],
        lambda start, stop: column_kernels.extension_multiply_base(a, b, out, start, stop),
    )
    return out[:, :length]


def extension_scale(values: Montgomery, factor: Element, *, threads: int = 1) -> Montgomery:
    """Multiply an array of extension elements by one of them."""
    # Multiplication by a constant is linear: column k of its matrix is the image of X^k.
    images = [QUINTIC.multiply(QUINTIC.element(factor), unit) for unit in _units()]
    return _map(values, images, threads)


def _units() -> list[Element]:
    return [tuple(int(i == k) for i in range(QUINTIC.degree)) for k in range(QUINTIC.degree)]


def _map(values: Montgomery, images: list[Element], threads: int) -> Montgomery:
    length = _check_planes(values)
    matrix = _matrix_of(tuple(images))
    a = _padded(values)
    out = np.empty_like(a)
    _slices(
        threads, a.shape[1], lambda start, stop: column_kernels.extension_map(a, matrix, out, start, stop)
    )
    return out[:, :length]


def _matrix_of(images: tuple[Element, ...]) -> Montgomery:
    """The 25 entries, row by row, of the linear map that sends X^k to image k."""
    return encode(np.array(images, dtype=np.int64).T.reshape(-1))


@cache
def _frobenius_matrix(times: int) -> Montgomery:
    return _matrix_of(tuple(QUINTIC.frobenius(unit, times) for unit in _units()))


def extension_batch_inverse(values: Montgomery, *, threads: int = 1) -> Montgomery:
    """Invert every element; a zero among them raises ZeroDivisionError."""
    length = _check_planes(values)
    a = _padded(values)
    others, norms = np.empty_like(a), np.empty_like(a[0])
    once, twice = _frobenius_matrix(1), _frobenius_matrix(2)
    _slices(
        threads,
        a.shape[1],
        lambda start, stop: column_kernels.conjugates_and_norm(a, once, twice, others, norms, start, stop),
    )
    # Only zero has the norm zero.
    inverses = base_batch_inverse(norms[:length], threads=threads)
    return extension_multiply_base(others[:, :length], inverses, threads=threads)


def extension_powers(base: Element, count: int, *, threads: int = 1) -> Montgomery:
    """Give base^0, base^1, .. as planes."""
    powers = encode(np.array([QUINTIC.one], dtype=np.int64).T)
    while powers.shape[1] < count:
        step = QUINTIC.power(QUINTIC.element(base), powers.shape[1])
        powers = np.concatenate([powers, extension_scale(powers, step, threads=threads)], axis=1)
    return np.ascontiguousarray(powers[:, :count])


# --- sums over rows ---------------------------------------------------------------------------------------------------


def evaluate_columns(
    matrix: Montgomery | Sequence[Montgomery], weights: Montgomery, *, threads: int = 1
) -> Montgomery:
    """Give for each column of (columns, height) the sum of value * weight over the rows, as (columns, 5).

    With barycentric weights (5, height) this is the value of each column's polynomial at a point of the extension.
    Columns may lie anywhere: one coset of an extension is read where it is.
    """
    height = _check_planes(weights)
    if any(column.shape != (height,) for column in matrix):
        raise ValueError(f"a column does not have a weight for each of its rows: {height}")
    columns, rows = len(matrix), height
    if height % (2 * LANES):
        missing = -height % (2 * LANES)
        matrix = [np.pad(column, (0, missing)) for column in matrix]
        weights = np.pad(weights, ((0, 0), (0, missing)))
        rows += missing
    # Soundness of memory: the kernel reads raw addresses, so every column must be one contiguous run.
    alive = [np.ascontiguousarray(column, dtype=np.uint32) for column in matrix]
    addresses = np.array([column.ctypes.data for column in alive], dtype=np.int64)
    weights = np.ascontiguousarray(weights)
    totals = np.zeros((columns, QUINTIC.degree), dtype=np.uint64)
    lock = Lock()

    def work(start: int, stop: int) -> None:
        lanes = np.zeros((columns, QUINTIC.degree, LANES), dtype=np.uint32)
        column_kernels.weighted_sums(addresses, weights, WEIGHTS_BLOCK, lanes, start, stop)
        sums = lanes.sum(axis=2, dtype=np.uint64)
        with lock:
            np.add(totals, sums, out=totals)

    if columns:
        _slices(threads, rows, work, WEIGHTS_BLOCK)
    # Until here the kernel has read from these columns.
    del alive
    return (totals % np.uint64(PRIME)).astype(np.uint32)
