"""How work beside the loop keeps out of its way: it takes a share of the interpreter, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import sleep, thread_time
from typing import Final, TypeVar

T = TypeVar("T")

REST: Final = 9.0
"""Rest for each piece of work, in its own length: the loop keeps nine tenths of the interpreter."""

HURRIED_REST: Final = 2.0
"""The same when more work waits behind this: two thirds are left, and nothing piles up."""

LONGEST_REST_SECONDS: Final = 0.05
"""A piece that was long by itself is no reason to wait much longer."""

PIECE: Final = 64
"""Entries worked on between two rests: half a millisecond or so."""

Pause = Callable[[], None]
"""Called between two pieces of work."""


def no_pause() -> None:
    """Nobody waits: go on at once."""


def nothing_waits() -> bool:
    """There is no hurry."""
    return False


def something_waits() -> bool:
    """There is."""
    return True


class Pace:
    """Rests in proportion to what was done since the last rest; made and called in the thread that works.

    What is counted is the thread's own work: a piece that was slow because others had the processor earns no rest.
    """

    def __init__(self, is_hurried: Callable[[], bool] = nothing_waits) -> None:
        self._is_hurried = is_hurried
        self._since = thread_time()

    def __call__(self) -> None:
        """Rest."""
        worked = thread_time() - self._since
        sleep(min((HURRIED_REST if self._is_hurried() else REST) * worked, LONGEST_REST_SECONDS))
        self._since = thread_time()


def in_pieces(entries: Sequence[T], pause: Pause, size: int = PIECE) -> Iterator[Sequence[T]]:
    """Cut a list, and rest between the pieces."""
    for start in range(0, len(entries), size):
        if start:
            pause()
        yield entries[start : start + size]
