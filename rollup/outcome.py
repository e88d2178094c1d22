"""What a transaction is, and what applying it gives.

A transaction is what someone submits, with its signatures.
Its record is what is published: enough to repeat the effect, nothing that only served to authorise it.
`admit` turns the first into the second or refuses; `clear` applies the second.
Rebuilding from L1 starts at the records, so it runs the very same effects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from rollup.authority import Authority, SignatureCheck, TradingKey
from rollup.events import Claim, Event
from rollup.rejections import Rejection
from rollup.state import LeafIndex, State


class RuleBrokenError(Exception):
    """Carries a rejection from the rule that found it to `rollup.transition`, which returns it."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.value)
        self.rejection = rejection


def require(is_met: bool, rejection: Rejection) -> None:
    """Go on only if a rule is met."""
    if not is_met:
        raise RuleBrokenError(rejection)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state afterwards and what happened on the way."""

    state: State
    events: tuple[Event, ...]
    record: Record


class Record(ABC):
    """What is published of one transaction or queue item, and its effect."""

    __slots__ = ()

    @abstractmethod
    def clear(self, state: State) -> tuple[State, Event]:
        """Apply the effect, or raise RuleBrokenError."""

    def new_key(self) -> TradingKey | None:
        """Name the key that the effect would register, which its suite must accept first."""
        return None


class Transaction(ABC):
    """What someone submits."""

    __slots__ = ()

    authority: ClassVar[Authority]
    rule: ClassVar[str]
    """The rule in a sentence, for the documentation."""

    @abstractmethod
    def admit(self, state: State, check: SignatureCheck, tag: int) -> tuple[Record, tuple[Event, ...]]:
        """Check the authority, or raise RuleBrokenError; the tag is part of what was signed."""


class QueueItem(Record):
    """A body in the L1 queue: its own record, because everything in the queue is public.

    The queue cannot refuse a body, so fields whose values need checking are raw words.
    """

    __slots__ = ()

    authority: ClassVar[Authority]
    rule: ClassVar[str]

    @abstractmethod
    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """Leaves that decide whether the item takes effect; places that cannot exist are left out."""

    def refund(self) -> Claim | None:
        """What its payer may claim if the item has no effect."""
        return None
