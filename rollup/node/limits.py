"""How often one address may ask: a bucket of tokens each, refilled with time."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Final

ADDRESSES: Final = 10_000
"""Buckets kept; beyond it the full ones are forgotten, which costs nothing: a new bucket is full too."""


@dataclass(slots=True)
class RateLimit:
    """Tokens a second, and how many may be saved up."""

    per_second: float
    burst: float
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def allows(self, address: str) -> bool:
        """Take a token, if there is one."""
        now = monotonic()
        tokens, since = self._buckets.get(address, (self.burst, now))
        tokens = min(self.burst, tokens + (now - since) * self.per_second)
        if tokens < 1:
            self._buckets[address] = (tokens, now)
            return False
        self._buckets[address] = (tokens - 1, now)
        if len(self._buckets) > ADDRESSES:
            self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        self._buckets = {
            address: (tokens, since)
            for address, (tokens, since) in self._buckets.items()
            if tokens + (now - since) * self.per_second < self.burst
        }
