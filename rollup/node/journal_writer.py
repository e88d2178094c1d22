"""Writing to the journal, and keeping its write-ahead log short while orders go on coming.

    append ──► append ──► the log is long ──► fold, in a thread of its own ──► the rest, between two appends ──► append

Most of a long log is moved into the file while others write to it.
What was written meanwhile is moved when nobody does.
Then the log is written from its beginning again, into blocks that the file already has.

A quick disk is waited for in the loop: whoever comes meanwhile is read together afterwards.
Handing rows to a thread and hearing from it costs 0.2 ms of the interpreter and as much waiting for it.
A slow disk is waited for in a thread, so that the loop takes orders and answers readers meanwhile.
How slow it is can only be seen from the loop: what a commit takes in a thread is mostly the wait for the interpreter.
So the loop looks again after some commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

from rollup.node.metrics import Metrics
from rollup.node.storage import Journal, JournalRow

QUICK_SECONDS: Final = 0.002
"""What a commit may take in the mean for the loop to wait for it."""

WEIGHT: Final = 0.1
"""Of the newest commit in that mean."""

COMMITS_ASIDE: Final = 128
"""Commits in a thread before the loop looks again: a blink where the disk is quick by then, 1 % where it is not."""


class JournalWriter:
    """The one who writes; used from one task."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self.commit_seconds = 0.0
        """What commits that the loop waited for have taken of late."""
        self.commits_aside = 0
        """So many follow in the thread."""
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
        if self.commits_aside:
            self.commits_aside -= 1
            await loop.run_in_executor(self._writing, self._journal.append, rows)
        else:
            self._journal.append(rows)
            self._judge(perf_counter() - began)
        self._metrics.timing("journal_commit", perf_counter() - began)
        if self._journal.is_long and self._fold is None:
            self._fold = loop.run_in_executor(self._folding, self._journal.fold)

    def _judge(self, seconds: float) -> None:
        """Turn to the thread where the disk is slow."""
        self.commit_seconds += WEIGHT * (seconds - self.commit_seconds)
        if self.commit_seconds > QUICK_SECONDS:
            self.commits_aside = COMMITS_ASIDE
            # The next look decides anew, whatever this one was.
            self.commit_seconds = QUICK_SECONDS / 2

    def shutdown(self) -> None:
        """Wait for the threads to end."""
        self._writing.shutdown()
        self._folding.shutdown()
