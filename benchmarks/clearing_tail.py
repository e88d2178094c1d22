"""Where the slowest acknowledgements of a run spent their time: what the node did meanwhile is laid beside them.

Both processes read the one clock of the machine, so the times of one can be compared with those of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter
from typing import Any, Final

from rollup.node.metrics import Metrics

SLOWEST_PART: Final = 0.01
"""The tail: what lies beyond the 99th percentile."""

KEPT_SECONDS: Final = 0.001
"""Shorter spans explain no tail."""

NAMES: Final = {
    "journal_commit": "the disk: the journal's commits",
    "fold": "the disk: the journal's log is folded",
    "batch_closing": "a batch is closed",
    "verification": "signatures, verified by the node itself",
    "generator": "the generator, which sent late",
    "else": "anything else: queues, fronts, the processors' other work",
}

Span = tuple[str, float, float]
"""What was done, when it began and when it ended."""

Slow = tuple[float, float, float]
"""When an order should have been sent, when it was, and when it was answered."""


@dataclass(slots=True)
class SpanMetrics(Metrics):
    """A node's metrics that also remember when each thing was done."""

    spans: list[Span] = field(default_factory=list)

    def timing(self, name: str, seconds: float) -> None:
        """Note how long something took, and that it has ended now."""
        Metrics.timing(self, name, seconds)
        if name in NAMES and seconds >= KEPT_SECONDS:
            now = perf_counter()
            self.spans.append((name, now - seconds, now))


def slowest(orders: Sequence[Slow]) -> list[Slow]:
    """The orders beyond the 99th percentile."""
    count = max(1, int(len(orders) * SLOWEST_PART))
    return sorted(orders, key=lambda one: one[0] - one[2])[:count]


def part_of(order: Slow, spans: Sequence[Span]) -> str:
    """What took the largest part of an order's time; `else`, unless that is at least a third of it."""
    due, sent, answered = order
    parts = {"generator": sent - due}
    for name, began, ended in spans:
        parts[name] = parts.get(name, 0.0) + max(0.0, min(ended, answered) - max(began, sent))
    name, seconds = max(parts.items(), key=lambda part: part[1])
    return name if seconds >= (answered - due) / 3 else "else"


def explained(slow: Sequence[Slow], spans: Sequence[Span]) -> dict[str, Any]:
    """Of the slowest orders: how many are due to what, and in how many moments they came."""
    counted = Counter(NAMES[part_of(one, spans)] for one in slow)
    times = sorted(answered for _, _, answered in slow)
    moments = sum(later - earlier > 0.1 for earlier, later in pairwise(times)) + 1
    return {"orders": len(slow), "moments": moments, "because_of": dict(counted.most_common())}
