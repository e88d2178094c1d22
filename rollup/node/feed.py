"""News for whoever listens: the book, trades and batches, each told only once it is on the disk."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

News = dict[str, object]
"""One message, ready to be spelled as JSON; `channel` says what it is about."""

CHANNELS: Final = ("book", "trades", "batches")

RECENT_TRADES: Final = 1000
"""Trades kept for those who ask what happened before they listened."""

WAITING_MESSAGES: Final = 10_000
"""How far a listener may fall behind; then it is let go, because the node cannot wait for it."""


@dataclass(slots=True, eq=False)
class Listener:
    """One subscription; `None` in the queue is its end."""

    channels: frozenset[str]
    queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(WAITING_MESSAGES + 1))
    is_too_slow: bool = False

    def end(self) -> None:
        """Let whoever reads the queue know that nothing follows."""
        if not self.queue.full():
            self.queue.put_nowait(None)


class Feed:
    """Hands every message to every listener of its channel."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self.recent_trades: deque[News] = deque(maxlen=RECENT_TRADES)

    def __len__(self) -> int:
        return len(self._listeners)

    def listen(self, channels: frozenset[str]) -> Listener:
        """Begin to listen."""
        listener = Listener(channels)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Stop listening."""
        self._listeners.discard(listener)

    def tell(self, news: News) -> None:
        """Pass a message on."""
        if news["channel"] == "trades":
            self.recent_trades.append(news)
        for listener in tuple(self._listeners):
            if news["channel"] not in listener.channels:
                continue
            if listener.queue.qsize() >= WAITING_MESSAGES:
                listener.is_too_slow = True
                self.leave(listener)
                listener.end()
            else:
                listener.queue.put_nowait(news)

    def end(self) -> None:
        """Say goodbye to everybody."""
        for listener in tuple(self._listeners):
            self.leave(listener)
            listener.end()
