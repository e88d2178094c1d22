"""What the disk alone takes for a commit: nothing that waits for it can be quicker, and its stalls are everybody's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

from rollup.node.log_space import lengthen

COMMIT_BYTES: Final = 2 * (4096 + 24)
"""As a commit of a few orders writes into the journal's log: two pages with their heads."""

LOG_BYTES: Final = 4 << 20

COMMITS_A_SECOND: Final = 350.0
"""About as many as a node makes of a thousand orders a second."""


def disk_figures(seconds: float, folder: Path | None = None) -> dict[str, float]:
    """Milliseconds of bare writes, each forced to the disk, into blocks that the file has; no node runs."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = Path(made) / "log"
        lengthen(path, LOG_BYTES)
        taken = []
        with path.open("r+b", buffering=0) as file:
            due = perf_counter()
            for place in range(max(1, int(COMMITS_A_SECOND * seconds))):
                due += 1 / COMMITS_A_SECOND
                sleep(max(0.0, due - perf_counter()))
                began = perf_counter()
                os.pwrite(
                    file.fileno(), bytes(COMMIT_BYTES), place * COMMIT_BYTES % (LOG_BYTES - COMMIT_BYTES)
                )
                _to_disk(file.fileno())
                taken.append(1000 * (perf_counter() - began))
    taken.sort()
    return {
        "commit_p50_ms": taken[len(taken) // 2],
        "commit_p99_ms": taken[int(len(taken) * 0.99)],
        "commit_max_ms": taken[-1],
    }


def _to_disk(descriptor: int) -> None:
    """As SQLite does where the system has it."""
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)
