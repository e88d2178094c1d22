"""What a kernel could take at best, printed beside what it takes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import kernels_memory, kernels_rate
from prover.ntt import aligned_empty


def test_a_limit_is_a_kernels_operations_over_the_machines_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels_rate, "operations_per_nanosecond", lambda: 8.0)
    counted = kernels_rate.row("product", 0.25, "product", 0.066, "13 operations for 16", 13 / 16)
    assert counted["limit_nanoseconds"] == pytest.approx(0.1015625)
    assert kernels_rate.described(counted).endswith("0.250 ns for product, floor 0.066, limit 0.102")
    uncounted = kernels_rate.row("start", 1234.5, "run", None, "plain Python")
    assert uncounted["limit_nanoseconds"] is None
    assert kernels_rate.described(uncounted).endswith("1,234.500 ns for run")


def test_the_rate_is_that_of_operations_none_of_which_can_be_left_out() -> None:
    words = np.arange(14 * 16, dtype=np.uint32)
    kept = words.reshape(14, 16).copy()
    kernels_rate._turn(words, 3)
    for _ in range(3):
        kept[:12] = (kept[:12] + kept[12]) ^ kept[13]
    assert np.array_equal(words[:16], np.bitwise_xor.reduce(kept[:8]))
    assert np.array_equal(words[16:32], np.bitwise_xor.reduce(kept[8:12]))
    assert kernels_rate.operations_per_nanosecond() > 0


def test_a_copy_past_the_caches_copies_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.arange(4096, dtype=np.uint32)
    for threads in (1, 3):
        target = aligned_empty(words.shape)
        target[:] = 0
        kernels_memory.copy(words, target, threads)
        assert np.array_equal(target, words)
    monkeypatch.setattr(kernels_memory, "WORDS", 1 << 12)
    assert kernels_memory.copy_nanoseconds.__wrapped__(1) > 0
