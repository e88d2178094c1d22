"""How many vector operations this machine starts in a nanosecond: what the limits of kernels are computed from.

A kernel's operations are counted in the assembly that LLVM writes for it; the fastest they can take is their number
over this rate, with every operand in a register and no step waiting for another.
A machine that takes two turns for 512 bits, as Zen 4 does, has half the rate, and so twice the limit.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np

from prover.field.compiler import kernel
from prover.field.simd import add32, load32, store32, xor32

CHAINS = 12
"""Independent words: more than any machine needs to have an operation ready in every cycle, few enough for registers."""

OPERATIONS_A_TURN = 2 * CHAINS

TURNS = 20_000
"""Well below a millisecond, so that some run is not interrupted."""

RUNS = 200
"""The best of so many: other work on the machine can only add time."""


@kernel
def _turn(words: Any, times: int) -> None:
    """Add and flip twelve vectors again and again: neither operation can be left out or joined with the next one."""
    y, z = load32(words, 192), load32(words, 208)
    a, b, c, d = load32(words, 0), load32(words, 16), load32(words, 32), load32(words, 48)
    e, f, g, h = load32(words, 64), load32(words, 80), load32(words, 96), load32(words, 112)
    i, j, k, m = load32(words, 128), load32(words, 144), load32(words, 160), load32(words, 176)
    for _ in range(times):
        a, b, c, d = add32(a, y), add32(b, y), add32(c, y), add32(d, y)
        e, f, g, h = add32(e, y), add32(f, y), add32(g, y), add32(h, y)
        i, j, k, m = add32(i, y), add32(j, y), add32(k, y), add32(m, y)
        a, b, c, d = xor32(a, z), xor32(b, z), xor32(c, z), xor32(d, z)
        e, f, g, h = xor32(e, z), xor32(f, z), xor32(g, z), xor32(h, z)
        i, j, k, m = xor32(i, z), xor32(j, z), xor32(k, z), xor32(m, z)
    store32(words, 0, xor32(xor32(xor32(a, b), xor32(c, d)), xor32(xor32(e, f), xor32(g, h))))
    store32(words, 16, xor32(xor32(i, j), xor32(k, m)))


@cache
def operations_per_nanosecond() -> float:
    """Operations on sixteen lanes of 32 bits that one core starts in a nanosecond."""
    words = np.random.default_rng(1).integers(0, 1 << 32, 14 * 16, dtype=np.uint32)
    _turn(words, 1)
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        _turn(words, TURNS)
        best = min(best, time.perf_counter() - start)
    return OPERATIONS_A_TURN * TURNS / best / 1e9


def described(measured: dict[str, Any]) -> str:
    """One measurement on one line."""
    floor = "" if measured["floor"] is None else f", floor {measured['floor']:g}"
    limit = measured["limit_nanoseconds"]
    least = "" if limit is None else f", limit {limit:.3g}"
    nanoseconds = measured["nanoseconds_per_unit"]
    return f"{measured['kernel']:48} {nanoseconds:12,.3f} ns for {measured['unit']}{floor}{least}"


def row(
    kernel: str,
    nanoseconds: float,
    unit: str,
    floor: float | None,
    limit: str,
    operations: float | None = None,
) -> dict[str, Any]:
    """One measurement beside what must hold and what the machine allows: a reason, and a figure where operations count."""
    return {
        "kernel": kernel,
        "nanoseconds_per_unit": nanoseconds,
        "unit": unit,
        "floor": floor,
        "machine_limit": limit,
        "limit_nanoseconds": None if operations is None else operations / operations_per_nanosecond(),
    }
