"""Field arithmetic and transforms: nanoseconds of a product, a sum and a transformed cell, beside the machine's limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from benchmarks.kernels_memory import copy_nanoseconds
from benchmarks.kernels_rate import described, row
from prover.field import kernels
from prover.field.compiler import kernel
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.simd import field_multiply, load32, store32
from prover.field.threads import default_threads
from prover.ntt import aligned_empty, coset_transform, inverse_transform, low_degree_extension

RUNS = 9
"""The best of so many: other work on the machine can only add time."""

CACHED = 1 << 11
"""Elements of each array of the timed products: three arrays, 24 KiB, stay in the first-level cache."""

REPEATS = 2000

ROWS = 1 << 16
"""Rows of the arrays whose kernels read from the second-level cache or beyond."""

MULTIPLY_FLOOR = 0.066
"""Nanoseconds a product on one core that no change may exceed."""

TRANSFORM_FLOOR = 1.4
"""Nanoseconds a cell of 2^20 rows on one core; two cores halve it."""

MULTIPLY_LIMIT = "13 vector operations for 16 products"
TRANSFORM_LIMIT = (
    "13.5 vector operations for 32 cells on each level down and 13 up, but the lowest six levels take 60 and 64 for "
    "16 cells, transposing and scaling included, and the first block of all needs few products"
)
TALL_LIMIT = (
    "the same, with 8 bytes a cell from and to memory meanwhile; 'in parts' is what those operations take at the rate "
    "of 2^12 rows, which stay in the first-level cache, and after them a copy past the caches"
)
DOWN_LEVEL, UP_LEVEL = 108 / 256, 104 / 256
"""Vector operations a cell and level, counted in the assembly of a step of two levels over eight vectors."""

DOWN_FIRST, UP_FIRST = 4 / 3 * (108 - 64) / 128, 4 / 3 * (104 - 62) / 128
"""Operations a cell that first blocks save: all of one step of two levels, a quarter of the next, and so on."""

DOWN_SQUARE, UP_SQUARE = 967 / 256, 1031 / 256
"""The same for the lowest six levels, of a square of sixteen vectors."""

COPY_LIMIT = "what memory gives: each cell read and written once, and nothing else done"

IN_CACHE_LOG_HEIGHT = 12
"""Columns of 16 KiB: their levels find everything in the first-level cache."""

DOT_LIMIT = "30 vector operations for 16 cells and five planes"
EXTENSION_LIMIT = (
    "25 products of two halves, 9 reductions: some 250 vector instructions for 16 elements, 1 ns"
)
INVERSE_LIMIT = (
    "three products an element and one inversion for 4,096: 0.2 ns; four chains of products run side by side"
)


@kernel
def multiply_repeatedly(left: Any, right: Any, out: Any, times: int) -> None:
    """Multiply the same arrays again and again, so that calling does not show."""
    for _ in range(times):
        for i in range(0, left.size, 16):
            store32(out, i, field_multiply(load32(left, i), load32(right, i)))


def _best_seconds(work: Callable[[], object]) -> float:
    work()
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _random(*shape: int) -> Montgomery:
    array = aligned_empty(shape)
    array[:] = encode(np.random.default_rng(1).integers(0, PRIME, shape))
    return array


def _arithmetic() -> list[dict[str, Any]]:
    left, right, out = _random(CACHED), _random(CACHED), aligned_empty((CACHED,))
    product = _best_seconds(lambda: multiply_repeatedly(left, right, out, REPEATS))
    column, planes, matrix = _random(ROWS), _random(5, ROWS), _random(16, ROWS)
    inverse = _best_seconds(lambda: kernels.base_batch_inverse(column))
    extension = _best_seconds(lambda: kernels.extension_multiply(planes, planes))
    sums = _best_seconds(lambda: kernels.evaluate_columns(matrix, planes))
    return [
        row(
            "Montgomery product",
            product / (CACHED * REPEATS) * 1e9,
            "product",
            MULTIPLY_FLOOR,
            MULTIPLY_LIMIT,
            13 / 16,
        ),
        row("base field batch inverse", inverse / ROWS * 1e9, "element", None, INVERSE_LIMIT),
        row("quintic product", extension / ROWS * 1e9, "product", None, EXTENSION_LIMIT, 250 / 16),
        row(
            "weighted sum of a column, five planes",
            sums / matrix.size * 1e9,
            "cell",
            None,
            DOT_LIMIT,
            30 / 16,
        ),
    ]


@dataclass(frozen=True, slots=True)
class Transform:
    """One kind of transform: nanoseconds a cell that it took, operations a cell, and its share of a copy's traffic."""

    name: str
    unit: str
    nanoseconds: float
    operations: float
    traffic: float


def _transforms(log_height: int, columns: int, threads: int) -> list[Transform]:
    matrix = _random(columns, 1 << log_height)
    out = aligned_empty(matrix.shape)
    extended = aligned_empty((columns // 4, 4, 1 << log_height))
    # Pages that are new to the process are charged to no measurement: each one below runs once before.
    down = _best_seconds(lambda: inverse_transform(matrix, threads=threads, out=out))
    up = _best_seconds(lambda: coset_transform(matrix, 3, threads=threads, out=out))
    part = matrix[: columns // 4]
    extension = _best_seconds(lambda: low_degree_extension(part, 2, threads=threads, out=extended))
    levels = log_height - 6
    down_operations = (DOWN_SQUARE + DOWN_LEVEL * levels - DOWN_FIRST) / threads
    up_operations = (UP_SQUARE + UP_LEVEL * levels - UP_FIRST) / threads
    # An extension by 4 writes what it reads a quarter of.
    return [
        Transform("inverse transform", "cell", down / matrix.size * 1e9, down_operations, 1.0),
        Transform("coset transform", "cell", up / matrix.size * 1e9, up_operations, 1.0),
        Transform(
            "extension by 4",
            "cell of the result",
            extension / extended.size * 1e9,
            up_operations + down_operations / 4,
            0.625,
        ),
    ]


def _transform_rows(threads: int) -> list[dict[str, Any]]:
    """Transforms by height on so many threads; the tallest also as the sum of its parts."""
    where = f"{threads} core{'s' if threads > 1 else ''}"
    found = []
    in_cache = _transforms(IN_CACHE_LOG_HEIGHT, 256, threads)
    for log_height, measured in ((IN_CACHE_LOG_HEIGHT, in_cache), (17, _transforms(17, 32, threads))):
        for one in measured:
            name = f"{one.name}, 2^{log_height} rows, {where}"
            found.append(row(name, one.nanoseconds, one.unit, None, TRANSFORM_LIMIT, one.operations))
    copied = copy_nanoseconds(threads)
    found.append(row(f"copy past the caches, {where}", copied, "cell", None, COPY_LIMIT))
    for short, tall in zip(in_cache, _transforms(20, 16, threads), strict=True):
        name = f"{tall.name}, 2^20 rows, {where}"
        floor = TRANSFORM_FLOOR / min(threads, 2) if tall.unit == "cell" else None
        found.append(row(name, tall.nanoseconds, tall.unit, floor, TALL_LIMIT, tall.operations))
        parts = short.nanoseconds * tall.operations / short.operations + copied * tall.traffic
        found.append(row(f"{name}, in parts", parts, tall.unit, None, TALL_LIMIT))
    return found


def rows() -> list[dict[str, Any]]:
    """One row a measurement: on one core, and the transforms also on all."""
    found = _arithmetic()
    cores = default_threads()
    for threads in sorted({1, cores}):
        found += _transform_rows(threads)
    return found


def main() -> None:
    """Print one line a measurement."""
    for found in rows():
        click.echo(described(found))


if __name__ == "__main__":
    main()
