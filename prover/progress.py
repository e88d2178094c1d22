"""Stages of long work: reported to a callback while they run, timed when they end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What the caller of long work may hand in: called with a stage's name and how much of it is done."""

    def __call__(self, stage: str, fraction: float, /) -> None:
        """Hear that this fraction (0 to 1) of the stage is done; called from the thread that does the work."""


def silent(_stage: str, _fraction: float, /) -> None:
    """Progress for a caller who does not want to hear."""


class Stages:
    """Names the stages of one piece of work and keeps the seconds each took.

    A stage that is entered twice adds up; a stage inside a stage counts in both.
    """

    def __init__(
        self, progress: Progress = silent, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Run one stage; the body may call what it is given with the fraction it has done."""
        self._progress(name, 0.0)
        start = self._clock()
        try:
            yield lambda fraction: self._progress(name, fraction)
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + self._clock() - start
        self._progress(name, 1.0)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, in the order in which they were first finished."""
        return dict(self._seconds)
