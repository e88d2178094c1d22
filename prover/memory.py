"""What this process does with memory: what its arrays gave back is kept, for the arrays that come next.

A proof fills and frees gigabytes, and so does the next one.
By itself the C library hands large blocks back to the system, which maps and clears each page anew when asked again.
On a virtual machine whose host takes free pages back, too, 2 MiB of new memory cost 1.8 ms: several times what a
transform does with them, and a third of a large batch's proof.
What a process holds at its peak does not change; it holds it for longer.

It is a setting of a whole process, so a process that proves chooses it where it begins, and a library never does.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_MAX: Final = -4
_ARENA_MAX: Final = -8
"""Parameters of glibc's mallopt(3), by the numbers of <malloc.h>."""

_NEVER: Final = -1
_GROWTH_BYTES: Final = 2**26
"""The heap grows by so much at once: fewer calls, and room for pages of 2 MiB."""


@cache
def _allocator() -> ctypes.CDLL | None:
    """The C library of this process, if its allocator is one that can be told."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def keep_freed_memory() -> bool:
    """Keep what arrays free for later arrays; whether this process's allocator was told so."""
    library = _allocator()
    if library is None:
        return False
    settings = {
        # One heap for all threads: what one of them frees serves the others.
        _ARENA_MAX: 1,
        # Blocks of their own would go back to the system one by one.
        _MMAP_MAX: 0,
        _TRIM_THRESHOLD: _NEVER,
        _TOP_PAD: _GROWTH_BYTES,
    }
    return all(library.mallopt(name, value) == 1 for name, value in settings.items())


def return_freed_memory() -> bool:
    """Give the system what is kept and not in use; whether there was any."""
    library = _allocator()
    return library is not None and bool(library.malloc_trim(0))


@contextmanager
def collector_paused() -> Iterator[None]:
    """Look for no cycles of dead objects meanwhile.

    Where half a million objects are made and all of them stay, the collector walks over them again and again, and finds
    nothing: it took half of the time in which a large batch is followed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
