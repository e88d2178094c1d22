"""The description of the machine follows what numba compiles for."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import machine

X86 = platform.machine() in {"x86_64", "AMD64"}

DESCRIBE = """
import json
from dataclasses import asdict
from benchmarks.machine import describe
print(json.dumps(asdict(describe())))
"""


@pytest.mark.parametrize(
    ("cpu", "features", "bits"),
    [("generic", "", 128), ("haswell", "+avx2", 256), ("skylake-avx512", "-prefer-256-bit", 512)]
    if X86
    else [("generic", "+neon", 128)],
)
def test_the_vector_width_is_the_one_llvm_uses_for_a_cpu(cpu: str, features: str, bits: int) -> None:
    assert machine.vector_bits(cpu, features) == bits


def test_a_narrower_target_of_numba_is_described_as_narrower(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE],
        cwd=checkout,
        env={**os.environ, "NUMBA_CPU_NAME": "generic"},
        capture_output=True,
        text=True,
        check=True,
    )
    described = json.loads(done.stdout)
    assert (described["llvm_cpu"], described["vector_bits"]) == ("generic", 128)


def test_what_the_system_does_not_tell_is_left_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "sysconf", raising=False)
    machine.describe.cache_clear()
    described = machine.describe()
    machine.describe.cache_clear()
    assert described.memory_bytes is None
    assert described.memory_limit_bytes is None
    assert described.caches == {}
    assert described.cores == os.cpu_count()
    assert ("memory", "unknown") in described.rows()


def test_a_limit_of_the_control_group_is_shown_when_it_is_below_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("1073741824\n")
    monkeypatch.setattr(machine, "Path", lambda path: tmp_path / path.lstrip("/"))
    machine.describe.cache_clear()
    described = machine.describe()
    machine.describe.cache_clear()
    assert described.memory_limit_bytes == 2**30
    assert ("memory limit", "1.0 GiB") in described.rows()


def test_a_package_that_is_absent_is_said_to_be() -> None:
    assert machine._version("no-such-package-here") == "not installed"
