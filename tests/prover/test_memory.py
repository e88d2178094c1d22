"""A process that proves keeps the memory that its arrays free."""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys

import pytest

from prover import memory

CHILD = """
import json, resource
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from prover.memory import keep_freed_memory, return_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(1 << 22, np.uint32) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before + 0 * len(arrays)

def elsewhere():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(faults).result()

is_kept = keep_freed_memory()
print(json.dumps([is_kept, faults(), faults(), elsewhere(), return_freed_memory(), faults()]))
"""
"""Faults of four arrays of 16 MiB: new, again, again in another thread, and after everything was given back."""


def test_freed_memory_serves_the_next_arrays_of_any_thread() -> None:
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    is_kept, new, again, elsewhere, is_returned, after = json.loads(child.stdout)
    if not is_kept:
        pytest.skip("this system's allocator cannot be told")
    assert is_returned
    assert new > 0
    assert after > 0
    # A thread's own start takes a few pages.
    assert max(again, elsewhere) < min(new, after) / 10


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    memory._allocator.cache_clear()
    monkeypatch.setattr(sys, "platform", "other")
    try:
        assert not memory.keep_freed_memory()
        assert not memory.return_freed_memory()
    finally:
        memory._allocator.cache_clear()


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_collector_is_as_it_was_after_a_pause(is_enabled: bool) -> None:
    was_enabled = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        with contextlib.suppress(KeyError), memory.collector_paused():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
