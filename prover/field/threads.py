"""Threads over kernels that release the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")


def default_threads() -> int:
    """Count the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Keep one pool a size: starting threads costs more than a short kernel."""
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prover")


def slice_bounds(parts: int, length: int, multiple: int) -> list[int]:
    """Cut range(length) into at most `parts` pieces whose inner bounds are multiples of `multiple`."""
    units = -(-length // multiple)
    parts = max(1, min(parts, units))
    return [min(length, multiple * (units * part // parts)) for part in range(parts + 1)]


def run_slices(threads: int, length: int, work: Callable[[int, int], None], *, multiple: int = 16) -> None:
    """Call work(start, stop) on slices that cover range(length), on as many threads as there are slices.

    Inner bounds are multiples of `multiple`, so that only the last slice has a tail.
    An exception of any slice is raised here, after all slices have ended.
    `work` must not call run_slices itself with threads of its own: a full pool would wait for itself.
    """
    if length <= 0:
        return
    bounds = list(pairwise(slice_bounds(threads, length, multiple)))
    if len(bounds) == 1:
        work(0, length)
        return
    # The caller works too: one thread fewer to wake, and a single core never waits for a sleeping one.
    others = [_pool(threads - 1).submit(work, start, stop) for start, stop in bounds[1:]]
    try:
        work(*bounds[0])
    finally:
        failures = [failure for other in others if (failure := other.exception()) is not None]
    if failures:
        raise failures[0]


def run_each(threads: int, items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Call work(item) for every item: each thread takes the next one as soon as it is free.

    `work` must not use threads of its own, as with run_slices.
    """
    waiting = iter(list(items))

    def take(_start: int, _stop: int) -> None:
        for item in waiting:
            work(item)

    run_slices(threads, threads, take, multiple=1)
