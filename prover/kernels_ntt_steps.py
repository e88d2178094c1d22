"""Steps of a transform: one or two levels over rows of memory, each row a run of bytes at a fixed pitch.

A step reads from one place and writes to another or the same one, each with a pitch of its own:
so the first step of a pass copies a tile out of its matrix and the last one copies it back.

What a step down leaves to be multiplied next is not reduced: below 2p.
That is the second half of every block, by rows where a block has several, by bytes where it is one row.
The first block of all has the factor one on every level, so that it needs few products, and its operands are reduced.
Reference twin of every kernel here: `prover.ntt.naive_evaluations` on plain integers.
"""

from __future__ import annotations

from typing import Any

from prover.field.compiler import inline_kernel, kernel
from prover.field.simd import (
    add32,
    field_add,
    field_difference,
    field_subtract,
    load_pair_at,
    multiply_fixed,
    prefetch_read_at,
    splat_pair,
    store_pair_at,
    stream_pair_at,
)
from prover.kernels_ntt_squares import down, down_loose, up

LINE = 64
"""Bytes of a cache line on the processors this was tuned on; with longer ones a line is merely asked for twice."""

PAIR = 128
"""Bytes of two vectors in step."""


@inline_kernel
def fetch_rows(address: int, pitch: int, rows: int, ahead: int) -> None:
    """Ask for the lines of so many rows that lie `ahead` bytes further; zero asks for none."""
    if ahead != 0:
        for row in range(rows):
            prefetch_read_at(address + row * pitch + ahead)
            prefetch_read_at(address + row * pitch + ahead + LINE)


@inline_kernel
def load2(address: int, pitch: int) -> Any:
    """The same place in two rows."""
    return load_pair_at(address), load_pair_at(address + pitch)


@inline_kernel
def load4(address: int, pitch: int) -> Any:
    """The same place in four rows."""
    return (
        load_pair_at(address),
        load_pair_at(address + pitch),
        load_pair_at(address + 2 * pitch),
        load_pair_at(address + 3 * pitch),
    )


@inline_kernel
def store2(address: int, pitch: int, x: Any) -> None:
    """The same place in two rows."""
    store_pair_at(address, x[0])
    store_pair_at(address + pitch, x[1])


@inline_kernel
def store4(address: int, pitch: int, x: Any) -> None:
    """The same place in four rows."""
    store_pair_at(address, x[0])
    store_pair_at(address + pitch, x[1])
    store_pair_at(address + 2 * pitch, x[2])
    store_pair_at(address + 3 * pitch, x[3])


@inline_kernel
def stream4(address: int, pitch: int, x: Any) -> None:
    """The same place in four rows, past the caches."""
    stream_pair_at(address, x[0])
    stream_pair_at(address + pitch, x[1])
    stream_pair_at(address + 2 * pitch, x[2])
    stream_pair_at(address + 3 * pitch, x[3])


@inline_kernel
def reduced_bytes(row: int, rows: int, width: int, reduced: int) -> int:
    """How much of a row is added next, where blocks are `rows` rows: of rows half, of one row what is `reduced`."""
    if rows == 1:
        return reduced
    return width if 2 * row < rows else 0


@kernel
def step_down2(
    source: int,
    source_pitch: int,
    target: int,
    target_pitch: int,
    width: int,
    rows: int,
    half: int,
    factors: Any,
    quotients: Any,
    base: int,
    ahead: int,
    reduced: int,
) -> None:
    """One level down over rows of `width` bytes, a multiple of 128.

    Blocks are numbered from base * (blocks of this call).
    What lies `ahead` bytes further in the source is fetched: rows far apart defeat the processor's own prefetcher.
    Where blocks become single rows, `reduced` bytes of each are reduced.
    """
    blocks = rows // (2 * half)
    for block in range(blocks):
        index = base * blocks + block
        f, q = splat_pair(factors[index]), splat_pair(quotients[index])
        for row in range(half):
            a, s = source + (2 * half * block + row) * source_pitch, half * source_pitch
            b, t = target + (2 * half * block + row) * target_pitch, half * target_pitch
            strict = reduced_bytes(row, half, width, reduced)
            if index == 0:
                for offset in range(0, width, PAIR):
                    fetch_rows(a + offset, s, 2, ahead)
                    x, y = load2(a + offset, s)
                    store2(b + offset, t, (field_add(x, y), field_subtract(x, y)))
            else:
                for offset in range(0, strict, PAIR):
                    fetch_rows(a + offset, s, 2, ahead)
                    x, y = load2(a + offset, s)
                    store2(b + offset, t, down(x, y, f, q))
                for offset in range(strict, width, PAIR):
                    fetch_rows(a + offset, s, 2, ahead)
                    x, y = load2(a + offset, s)
                    store2(b + offset, t, down_loose(x, y, f, q))


@kernel
def step_up2(
    source: int,
    source_pitch: int,
    target: int,
    target_pitch: int,
    width: int,
    rows: int,
    half: int,
    factors: Any,
    quotients: Any,
    base: int,
    ahead: int,
) -> None:
    """One level up; the operands are those of step_down2, but for the last."""
    blocks = rows // (2 * half)
    for block in range(blocks):
        index = base * blocks + block
        f, q = splat_pair(factors[index]), splat_pair(quotients[index])
        for row in range(2 * half * block, 2 * half * block + half):
            a, s = source + row * source_pitch, half * source_pitch
            b, t = target + row * target_pitch, half * target_pitch
            if index == 0:
                for offset in range(0, width, PAIR):
                    fetch_rows(a + offset, s, 2, ahead)
                    x, y = load2(a + offset, s)
                    store2(b + offset, t, (field_subtract(x, y), field_add(x, y)))
            else:
                for offset in range(0, width, PAIR):
                    fetch_rows(a + offset, s, 2, ahead)
                    x, y = load2(a + offset, s)
                    store2(b + offset, t, up(x, y, f, q))


@inline_kernel
def four_down(x: Any, f: Any, q: Any, f0: Any, q0: Any, f1: Any, q1: Any) -> Any:
    """Two levels down."""
    y0, y2 = down(x[0], x[2], f, q)
    y1, y3 = down_loose(x[1], x[3], f, q)
    z0, z1 = down(y0, y1, f0, q0)
    z2, z3 = down(y2, y3, f1, q1)
    return z0, z1, z2, z3


@inline_kernel
def four_down_loose(x: Any, f: Any, q: Any, f0: Any, q0: Any, f1: Any, q1: Any) -> Any:
    """The same; the results are not reduced."""
    y0, y2 = down(x[0], x[2], f, q)
    y1, y3 = down_loose(x[1], x[3], f, q)
    z0, z1 = down_loose(y0, y1, f0, q0)
    z2, z3 = down_loose(y2, y3, f1, q1)
    return z0, z1, z2, z3


@inline_kernel
def four_down_first(x: Any, f1: Any, q1: Any) -> Any:
    """The same for the first block of all."""
    y0, y2 = field_add(x[0], x[2]), field_subtract(x[0], x[2])
    y1, y3 = field_add(x[1], x[3]), field_difference(x[1], x[3])
    z2, z3 = down(y2, y3, f1, q1)
    return field_add(y0, y1), field_subtract(y0, y1), z2, z3


@inline_kernel
def four_up(x: Any, f: Any, q: Any, f0: Any, q0: Any, f1: Any, q1: Any) -> Any:
    """Two levels up."""
    y0, y1 = up(x[0], x[1], f0, q0)
    y2, y3 = up(x[2], x[3], f1, q1)
    z0, z2 = up(y0, y2, f, q)
    z1, z3 = up(y1, y3, f, q)
    return z0, z1, z2, z3


@inline_kernel
def four_up_first(x: Any, f1: Any, q1: Any) -> Any:
    """The same for the first block of all."""
    y0, y1 = field_subtract(x[0], x[1]), field_add(x[0], x[1])
    y2, y3 = field_subtract(x[2], x[3]), multiply_fixed(add32(x[2], x[3]), f1, q1)
    return field_subtract(y0, y2), field_subtract(y1, y3), field_add(y0, y2), field_add(y1, y3)


@kernel
def step_down4(
    source: int,
    source_pitch: int,
    target: int,
    target_pitch: int,
    width: int,
    rows: int,
    quarter: int,
    factors: Any,
    quotients: Any,
    base: int,
    ahead: int,
    reduced: int,
) -> None:
    """Two levels down in one pass through the memory."""
    blocks = rows // (4 * quarter)
    for block in range(blocks):
        index = base * blocks + block
        f, q = splat_pair(factors[index]), splat_pair(quotients[index])
        f0, q0 = splat_pair(factors[2 * index]), splat_pair(quotients[2 * index])
        f1, q1 = splat_pair(factors[2 * index + 1]), splat_pair(quotients[2 * index + 1])
        for row in range(quarter):
            a, s = source + (4 * quarter * block + row) * source_pitch, quarter * source_pitch
            b, t = target + (4 * quarter * block + row) * target_pitch, quarter * target_pitch
            strict = reduced_bytes(row, quarter, width, reduced)
            if index == 0:
                for offset in range(0, width, PAIR):
                    fetch_rows(a + offset, s, 4, ahead)
                    store4(b + offset, t, four_down_first(load4(a + offset, s), f1, q1))
            else:
                for offset in range(0, strict, PAIR):
                    fetch_rows(a + offset, s, 4, ahead)
                    store4(b + offset, t, four_down(load4(a + offset, s), f, q, f0, q0, f1, q1))
                for offset in range(strict, width, PAIR):
                    fetch_rows(a + offset, s, 4, ahead)
                    store4(b + offset, t, four_down_loose(load4(a + offset, s), f, q, f0, q0, f1, q1))


@kernel
def step_up4(
    source: int,
    source_pitch: int,
    target: int,
    target_pitch: int,
    width: int,
    rows: int,
    quarter: int,
    factors: Any,
    quotients: Any,
    base: int,
    ahead: int,
    is_streamed: bool,
) -> None:
    """Two levels up in one pass through the memory; the results may go past the caches."""
    blocks = rows // (4 * quarter)
    for block in range(blocks):
        index = base * blocks + block
        f, q = splat_pair(factors[index]), splat_pair(quotients[index])
        f0, q0 = splat_pair(factors[2 * index]), splat_pair(quotients[2 * index])
        f1, q1 = splat_pair(factors[2 * index + 1]), splat_pair(quotients[2 * index + 1])
        for row in range(4 * quarter * block, 4 * quarter * block + quarter):
            a, s = source + row * source_pitch, quarter * source_pitch
            b, t = target + row * target_pitch, quarter * target_pitch
            for offset in range(0, width, PAIR):
                fetch_rows(a + offset, s, 4, ahead)
                x = load4(a + offset, s)
                y = four_up_first(x, f1, q1) if index == 0 else four_up(x, f, q, f0, q0, f1, q1)
                if is_streamed:
                    stream4(b + offset, t, y)
                else:
                    store4(b + offset, t, y)
