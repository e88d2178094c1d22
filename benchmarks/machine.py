"""The machine a figure was measured on, described so that the figure can be judged elsewhere."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from rollup.commands.terminal import json_option, print_json

VECTOR_REGISTERS = ((r"\bzmm\d", 512), (r"\bymm\d", 256), (r"\bxmm\d", 128), (r"\bv\d+\.4s", 128))
"""How assembly spells vector registers, and their bits, widest first."""

LANES_ADDITION = """
define void @add(ptr %target, ptr %source) {
  %left = load <16 x i32>, ptr %target
  %right = load <16 x i32>, ptr %source
  %sum = add <16 x i32> %left, %right
  store <16 x i32> %sum, ptr %target
  ret void
}
"""
"""One addition of the 16 lanes that the kernels are written with."""

PACKAGES = ("numpy", "numba", "llvmlite", "galois", "py_ecc", "pycryptodome", "web3")
"""The packages whose version can change a figure or an answer."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of this machine; None where the system does not tell."""

    processor: str
    architecture: str
    system: str
    cores: int
    """Cores this process may use: an affinity mask or a cgroup's CPU set counts."""
    llvm_cpu: str
    vector_bits: int
    memory_bytes: int | None
    memory_limit_bytes: int | None
    """A limit set on the process's control group, if it is below the memory there is."""
    caches: dict[str, str]
    python: str
    packages: dict[str, str]

    def rows(self) -> list[tuple[str, str]]:
        """List everything as text, for a table."""
        return [
            ("processor", f"{self.processor} ({self.architecture})"),
            ("system", self.system),
            ("cores", str(self.cores)),
            ("vector width, as LLVM sees it", f"{self.vector_bits} bits ({self.llvm_cpu})"),
            ("memory", _gibibytes(self.memory_bytes)),
            *([("memory limit", _gibibytes(self.memory_limit_bytes))] if self.memory_limit_bytes else []),
            *((f"cache {name}", size) for name, size in self.caches.items()),
            ("Python", self.python),
            *self.packages.items(),
        ]


@cache
def describe() -> Machine:
    """Look at this machine once."""
    cpu, features = llvm_target()
    memory, limit = _memory_bytes(), _memory_limit_bytes()
    return Machine(
        processor=_processor(),
        architecture=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        cores=_cores(),
        llvm_cpu=cpu,
        vector_bits=vector_bits(cpu, features),
        memory_bytes=memory,
        memory_limit_bytes=limit if limit and memory and limit < memory else None,
        caches=_caches(),
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        packages={name: _version(name) for name in PACKAGES},
    )


def vector_bits(cpu: str, features: str) -> int:
    """The width of the registers LLVM adds 16 lanes in; 64 where it takes them one by one.

    Asking for assembly is surer than reading a list of features: a CPU can have wide registers that LLVM avoids.
    """
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=3)
    assembly = machine.emit_assembly(binding.parse_assembly(LANES_ADDITION))
    return next((bits for spelling, bits in VECTOR_REGISTERS if re.search(spelling, assembly)), 64)


def llvm_target() -> tuple[str, str]:
    """The CPU and features that numba compiles for; two environment variables of numba's can narrow them."""
    import numba
    from llvmlite import binding

    cpu, features = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    return (
        str(cpu or binding.get_host_cpu_name()),
        str(binding.get_host_cpu_features().flatten() if features is None else features),
    )


def _processor() -> str:
    """The model the system reports."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in {"model name", "Model"}:
                return value.strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _memory_limit_bytes() -> int | None:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(path).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return None


def _caches() -> dict[str, str]:
    """Sizes of the caches that core 0 reaches, by level and kind."""
    sizes: dict[str, str] = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text(encoding="ascii").strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        sizes[f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")] = size
    return sizes


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _gibibytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 2**30:.1f} GiB"


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Describe the machine that every result is kept with.

    \b
    Examples:
      clearing bench machine
      clearing bench machine --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    machine = describe()
    if as_json:
        print_json(asdict(machine))
    else:
        for name, value in machine.rows():
            click.echo(f"{name}: {value}")
