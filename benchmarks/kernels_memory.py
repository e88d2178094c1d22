"""What memory allows: how fast a matrix that no cache holds is read and written, past the caches, doing nothing else.

A transform of such a matrix reads and writes each cell once, so that it takes at least as long as a copy.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from prover.field.compiler import kernel
from prover.field.simd import address_of, finish_streams, load_pair_at, stream_pair_at
from prover.field.threads import run_slices
from prover.ntt import Words, aligned_empty

WORDS = 1 << 24
"""64 MiB: larger than most third-level caches, and what a transform is measured on."""

PAIR = 32
"""Words of two vectors, 128 bytes."""

RUNS = 9
"""The best of so many: other work on the machine can only add time."""


@kernel
def copy_past_the_caches(source: Any, target: Any, start: int, stop: int) -> None:
    """Copy these words, by vectors, without reading the target's lines first."""
    for word in range(start, stop, PAIR):
        stream_pair_at(address_of(target, word), load_pair_at(address_of(source, word)))
    finish_streams()


def copy(source: Words, target: Words, threads: int) -> None:
    """Copy a flat array whose length is a multiple of 32 words, and whose target starts at a cache line."""

    def work(start: int, stop: int) -> None:
        copy_past_the_caches(source, target, start, stop)

    run_slices(threads, source.size, work, multiple=PAIR)


@cache
def copy_nanoseconds(threads: int) -> float:
    """Nanoseconds a word of four bytes takes to be read and written."""
    source, target = aligned_empty((WORDS,)), aligned_empty((WORDS,))
    source[:], target[:] = 1, 0
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        copy(source, target, threads)
        best = min(best, time.perf_counter() - start)
    return best / WORDS * 1e9
