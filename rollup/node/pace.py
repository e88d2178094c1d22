"""How work beside the loop keeps out of its way: it takes a share of the interpreter, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter, sleep
from typing import Final, TypeVar

T = TypeVar("T")

REST: Final = 2.0
"""Rest for each piece of work, in its own length: the loop keeps two thirds of the interpreter."""

LONGEST_REST_SECONDS: Final = 0.02
"""A piece that was slow because others had the processor is no reason to wait long."""

PIECE: Final = 256
"""Entries worked on between two rests: a millisecond or two."""

Pause = Callable[[], None]
"""Called between two pieces of work."""


def no_pause() -> None:
    """Nobody waits: go on at once."""


class Pace:
    """Rests in proportion to what was done since the last rest; one thread's own."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def __call__(self) -> None:
        """Rest."""
        worked = perf_counter() - self._since
        sleep(min(REST * worked, LONGEST_REST_SECONDS))
        self._since = perf_counter()


def in_pieces(entries: Sequence[T], pause: Pause, size: int = PIECE) -> Iterator[Sequence[T]]:
    """Cut a list, and rest between the pieces."""
    for start in range(0, len(entries), size):
        if start:
            pause()
        yield entries[start : start + size]
