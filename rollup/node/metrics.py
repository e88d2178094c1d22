"""Counters, gauges and timings in Prometheus' plain text; a dozen lines of format need no library."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BUCKETS_SECONDS: tuple[float, ...] = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""From one wait for the disk to what a person notices."""


@dataclass(slots=True)
class _Timing:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_SECONDS) + 1))
    total: float = 0.0


@dataclass(slots=True)
class Metrics:
    """Everything the node counts."""

    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    timings: dict[str, _Timing] = field(default_factory=dict)

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """Count something, by kind where it has kinds."""
        self.counters[name, label] = self.counters.get((name, label), 0) + by

    def gauge(self, name: str, value: float) -> None:
        """Set what stands at a value now."""
        self.gauges[name] = value

    def timing(self, name: str, seconds: float) -> None:
        """Note how long something took."""
        timing = self.timings.get(name)
        if timing is None:
            timing = self.timings[name] = _Timing()
        timing.counts[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        timing.total += seconds

    def text(self) -> str:
        """Spell everything for a scraper."""
        lines: list[str] = []
        previous = ""
        for (name, label), value in sorted(self.counters.items()):
            full = f"clearing_{name}_total"
            if full != previous:
                lines.append(f"# TYPE {full} counter")
                previous = full
            lines.append(f'{full}{{kind="{label}"}} {value}' if label else f"{full} {value}")
        for name, level in sorted(self.gauges.items()):
            lines += [f"# TYPE clearing_{name} gauge", f"clearing_{name} {level:g}"]
        for name, timing in sorted(self.timings.items()):
            full = f"clearing_{name}_seconds"
            lines.append(f"# TYPE {full} histogram")
            below = 0
            for bound, count in zip(
                (*(f"{edge:g}" for edge in BUCKETS_SECONDS), "+Inf"), timing.counts, strict=True
            ):
                below += count
                lines.append(f'{full}_bucket{{le="{bound}"}} {below}')
            lines += [f"{full}_sum {timing.total:g}", f"{full}_count {below}"]
        return "\n".join(lines) + "\n"
