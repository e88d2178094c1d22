"""What the node needs of the world outside, as protocols: time, the L1 queue, Ethereum, and proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollup.batch import Batch
from rollup.codec import QueuedItem
from rollup.state import State
from rollup.units import BatchNumber, QueuePosition, Time


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> Time:
        """Seconds since 1970, UTC."""
        ...


class QueueSource(Protocol):
    """What has been queued on Ethereum, as far as it will not be taken back."""

    def items_from(self, position: QueuePosition, count: int) -> Sequence[QueuedItem]:
        """Give up to `count` items in order, beginning with the one at this position; quick, called in the loop."""
        ...


@dataclass(frozen=True, slots=True)
class Attested:
    """A validity proof of a batch that was made and verified."""

    number: BatchNumber
    seconds: float
    verify_seconds: float
    proof_bytes: int
    provable_bits: float


class Attester(Protocol):
    """Proves a batch and verifies the proof; who knows the circuits hands it in."""

    def __call__(self, before: State, batch: Batch, words: Sequence[int]) -> Attested:
        """Say what it took; raise if there is no proof of what the contract's statement, these words, says."""
        ...
