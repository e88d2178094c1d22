"""Writing to the journal, and keeping its write-ahead log short while orders go on coming.

    append ──► append ──► the log is long ──► fold, in a thread of its own ──► the rest, between two appends ──► append

Most of a long log is moved into the file while others write to it.
What was written meanwhile is moved when nobody does.
Then the log is written from its beginning again, into blocks that the file already has.

A quick disk is waited for in the loop: whoever comes meanwhile is read together afterwards.
Handing rows to a thread and hearing from it costs 0.2 ms of the interpreter and as much waiting for it.
A slow disk is waited for in a thread, so that the loop takes orders and answers readers meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

from rollup.node.metrics import Metrics
from rollup.node.storage import Journal, JournalRow

QUICK_SECONDS: Final = 0.001
"""What a commit may take in the mean for the loop to wait for it."""

WEIGHT: Final = 0.1
"""Of the newest commit in that mean."""


class JournalWriter:
    """The one who writes; used from one task."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self.commit_seconds = 0.0
        """What commits have taken of late."""
        self._journal = journal
        self._metrics = metrics
        self._writing = ThreadPoolExecutor(1, "journal")
        self._folding = ThreadPoolExecutor(1, "fold")
        self._fold: asyncio.Future[None] | None = None

    async def write(self, rows: Sequence[JournalRow]) -> None:
        """Write inputs; when this returns they are on the disk."""
        loop = asyncio.get_running_loop()
        if self._fold is not None and self._fold.done():
            self._fold.result()
            self._fold = None
            began = perf_counter()
            await loop.run_in_executor(self._writing, self._journal.begin_again)
            self._metrics.timing("fold", perf_counter() - began)
        began = perf_counter()
        if self.commit_seconds <= QUICK_SECONDS:
            self._append(rows)
        else:
            await loop.run_in_executor(self._writing, self._append, rows)
        self._metrics.timing("journal_commit", perf_counter() - began)
        if self._journal.is_long and self._fold is None:
            self._fold = loop.run_in_executor(self._folding, self._journal.fold)

    def _append(self, rows: Sequence[JournalRow]) -> None:
        began = perf_counter()
        self._journal.append(rows)
        self.commit_seconds += WEIGHT * (perf_counter() - began - self.commit_seconds)

    def shutdown(self) -> None:
        """Wait for the threads to end."""
        self._writing.shutdown()
        self._folding.shutdown()
