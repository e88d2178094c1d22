"""Steps of a transform: one or two levels over rows of memory, each row a run of bytes at a fixed pitch.

A step reads from one place and writes to another or the same one, each with a pitch of its own:
so the first step of a pass copies a tile out of its matrix and the last one copies it back.
Reference twin of every kernel here: `prover.ntt.naive_evaluations` on plain integers.
"""

from __future__ import annotations

from typing import Any

from prover.field.compiler import inline_kernel, kernel
from prover.field.simd import (
    load_pair_at,
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
                x1, x3 = down_loose(
                    load_pair_at(a + s + offset), load_pair_at(a + 3 * s + offset), factor, quotient
                )
                y0, y1 = down(x0, x1, factor0, quotient0)
                y2, y3 = down(x2, x3, factor1, quotient1)
                store_pair_at(b + offset, y0)
                store_pair_at(b + t + offset, y1)
                store_pair_at(b + 2 * t + offset, y2)
                store_pair_at(b + 3 * t + offset, y3)


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
        factor, quotient = splat_pair(factors[index]), splat_pair(quotients[index])
        factor0, quotient0 = splat_pair(factors[2 * index]), splat_pair(quotients[2 * index])
        factor1, quotient1 = splat_pair(factors[2 * index + 1]), splat_pair(quotients[2 * index + 1])
        for row in range(4 * quarter * block, 4 * quarter * block + quarter):
            a, s = source + row * source_pitch, quarter * source_pitch
            b, t = target + row * target_pitch, quarter * target_pitch
            for offset in range(0, width, PAIR):
                fetch_rows(a + offset, s, 4, ahead)
                x0, x1 = up(load_pair_at(a + offset), load_pair_at(a + s + offset), factor0, quotient0)
                x2, x3 = up(
                    load_pair_at(a + 2 * s + offset), load_pair_at(a + 3 * s + offset), factor1, quotient1
                )
                y0, y2 = up(x0, x2, factor, quotient)
                y1, y3 = up(x1, x3, factor, quotient)
                if is_streamed:
                    stream_pair_at(b + offset, y0)
                    stream_pair_at(b + t + offset, y1)
                    stream_pair_at(b + 2 * t + offset, y2)
                    stream_pair_at(b + 3 * t + offset, y3)
                else:
                    store_pair_at(b + offset, y0)
                    store_pair_at(b + t + offset, y1)
                    store_pair_at(b + 2 * t + offset, y2)
                    store_pair_at(b + 3 * t + offset, y3)
