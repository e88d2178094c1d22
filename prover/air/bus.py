"""Buses: how rows of tables send messages to each other.

A bus is a multiset of messages; it is balanced when every message is received as often as it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from prover.air.expression import Expression


@dataclass(frozen=True, slots=True)
class Bus:
    """A named channel whose messages all have the same number of values."""

    name: str
    identifier: int
    """Unique in its circuit.

    Soundness: it is part of every fingerprint, so no message can be received on another bus."""
    arity: int

    def __post_init__(self) -> None:
        if not 0 <= self.identifier < 1 << 16:
            raise ValueError(f"bus {self.name}: the identifier must lie in [0, 65536)")
        if not 1 <= self.arity <= 1 << 8:
            raise ValueError(f"bus {self.name}: a message has between 1 and 256 values")

    @property
    def tag(self) -> int:
        """The constant term of every fingerprint on this bus: identifier and arity, never zero."""
        return self.identifier * 512 + self.arity


class Direction(StrEnum):
    """Whether an interaction adds messages to a bus or takes them off."""

    SEND = "send"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One message a row, sent or received `count` times."""

    bus: Bus
    direction: Direction
    values: tuple[Expression, ...]
    count: Expression
    weight: int
    """The largest count of one row when the count is bounded, 0 when the row may choose any field element.

    Soundness: the weights times the heights, summed over a bus, stay below the prime.
    Otherwise a message sent p times would count as never sent."""
    pinned_total: int = 0
    """For a count that the key fixes: a bound on the sum of all rows' absolute counts, instead of a weight a row.

    Such a count may be negative, which receives the message.
    Soundness: nobody chooses it after the key is made, and whoever makes a key checks the sum."""

    @property
    def is_pinned(self) -> bool:
        """Whether preprocessed columns say how often the message is sent or received."""
        return self.pinned_total > 0
