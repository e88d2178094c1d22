"""What the provers do next, from what is there; pure, so it can be read and tested by itself.

    accepted ────────── covered ─────────── ready ─────────── closed
    by the contract     by terminal         first steps       the newest batch
                        proofs here         here

A batch is first proved by itself: its base proof and the first step of its recursion.
A terminal proof then joins 1, 2, 4 or 8 consecutive batches; it takes about as long for eight as for one.
So batches come first as long as they make the next terminal proof longer, and provers that lag make longer ones.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from rollup.node.proofs import LONGEST, covered_until

SIZES: Final = (LONGEST, 4, 2, 1)
"""How many batches a terminal proof may join; for each there is one program that the contract knows."""


@dataclass(frozen=True, slots=True)
class ProveBatch:
    """Make a batch's base proof and its first step."""

    number: int

    @property
    def batches(self) -> range:
        """What it is about."""
        return range(self.number, self.number + 1)

    @property
    def line(self) -> str:
        """As a prover is told."""
        return f"prove {self.number}"


@dataclass(frozen=True, slots=True)
class JoinBatches:
    """Make one terminal proof of consecutive batches."""

    first: int
    last: int

    @property
    def batches(self) -> range:
        """What it is about."""
        return range(self.first, self.last + 1)

    @property
    def line(self) -> str:
        """As a prover is told."""
        return f"join {self.first} {self.last}"


Work = ProveBatch | JoinBatches


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is."""

    accepted: int
    """The last batch of which the contract has accepted a proof."""
    closed: int
    """The newest batch."""
    steps: AbstractSet[int]
    """Batches whose first step is on the shelf."""
    terminals: Collection[tuple[int, int]] = ()
    """First and last batch of each terminal proof on the shelf."""
    at_work: AbstractSet[Work] = field(default_factory=frozenset)
    failed: AbstractSet[Work] = field(default_factory=frozenset)
    may_join: bool = True
    """No: terminal proofs wait, because the last one was begun a short while ago, or because somebody says so."""

    @property
    def covered(self) -> int:
        """The last batch that the contract has accepted, or that the terminal proofs here lead up to."""
        return covered_until(self.accepted, set(self.terminals))

    @property
    def ready(self) -> int:
        """The last of the batches behind `covered` that have their first steps, without a gap."""
        reached = self.covered
        while reached + 1 in self.steps and reached < self.closed:
            reached += 1
        return reached


def next_work(situation: Situation) -> Work | None:
    """What a free prover does; None if there is nothing for it."""
    join = _next_join(situation)
    batch = _next_batch(situation)
    if join is None or batch is None:
        return join or batch
    would_grow = batch.number == situation.ready + 1
    return batch if would_grow and len(join.batches) < SIZES[0] else join


def _next_batch(situation: Situation) -> ProveBatch | None:
    """The oldest batch that needs a first step and that nobody is at."""
    for number in range(situation.covered + 1, situation.closed + 1):
        work = ProveBatch(number)
        if number not in situation.steps and work not in situation.at_work and work not in situation.failed:
            return work
    return None


def _next_join(situation: Situation) -> JoinBatches | None:
    """The longest terminal proof that can be made; one at a time, as each takes gigabytes."""
    if not situation.may_join or any(isinstance(work, JoinBatches) for work in situation.at_work):
        return None
    first = situation.covered + 1
    for size in SIZES:
        work = JoinBatches(first, first + size - 1)
        if work.last <= situation.ready and work not in situation.failed:
            return work
    return None
