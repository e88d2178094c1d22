"""The decorators that compile kernels, and where the machine code is kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding
import numba
from numba.misc.appdirs import AppDirs

Function = TypeVar("Function", bound=Callable[..., Any])

SOURCE_PATTERNS = (
    "*kernel*.py",
    "simd*.py",
    "compiler.py",
    "koalabear.py",
    "poseidon_*.py",
    "keccak*.py",
)
"""Files whose lines can end up inside a kernel.

numba itself looks only at the outermost function's file: after an edit of an inner one a stale kernel would run on.
"""

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Kernels run without the interpreter's lock, and without numba's reference counts.

Counting a passed array costs more than the work of a short inner function: it made absorbing a row four times slower.
So no kernel may allocate; what it writes to is handed in.
"""

KEPT_FOLDERS = 8
"""Machine code of this many source states is kept: enough to switch branches without compiling again."""


@cache
def kernel_digest() -> str:
    """Name a state of all kernel sources, the compiler and the processor."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in sorted({path for pattern in SOURCE_PATTERNS for path in package.rglob(pattern)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package)} {len(content)}\n".encode() + content)
    cpu = numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    digest.update(f"{numba.__version__} {llvmlite.__version__} {cpu} {numba.config.CPU_FEATURES}".encode())
    return digest.hexdigest()[:16]


def _candidates() -> Iterator[Path]:
    """Where machine code may be kept, best first."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"])
    else:
        yield Path(__file__).parent / "__pycache__" / "kernels"
        yield Path(AppDirs("options-clearing-rollup", appauthor=False).user_cache_dir) / "kernels"


@cache
def cache_folder() -> Path | None:
    """Choose the first folder that can be written to, or None: then every process compiles anew."""
    for base in _candidates():
        folder = base / kernel_digest()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        _forget_old_folders(base, folder)
        return folder
    return None


def _forget_old_folders(base: Path, current: Path) -> None:
    """Delete all but the newest folders; a process that still runs on one merely compiles again."""
    with suppress(OSError):  # another process may be deleting the same folders
        others = [
            path for path in base.iterdir() if path.is_dir() and len(path.name) == 16 and path != current
        ]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[KEPT_FOLDERS - 1 :]:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _cache_directory(folder: Path) -> Iterator[None]:
    """Point numba to our folder while it looks for one, and only then: other packages keep theirs."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Function) -> Function:
    """Compile a function on its first call, keep the machine code, and release the interpreter's lock in it.

    Under NUMBA_DISABLE_JIT=1 the function stays as it is and calls the numpy twins of the vector operations.
    """
    folder = cache_folder()
    if folder is None:
        compiled: Function = numba.njit(**OPTIONS)(function)
        return compiled
    with _cache_directory(folder):
        cached: Function = numba.njit(**OPTIONS, cache=True)(function)
        return cached


def inline_kernel(function: Function) -> Function:
    """Compile a function into every kernel that calls it; vectors then pass in registers."""
    compiled: Function = numba.njit(**OPTIONS, forceinline=True)(function)
    return compiled
