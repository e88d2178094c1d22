"""Submissions on their way through the sequencer: who waits for which, and what goes to the disk together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollup.authority import TradingKey
from rollup.node.effects import Effects, SealedBatch
from rollup.node.engine import Reason
from rollup.node.feed import News
from rollup.node.inputs import Submission
from rollup.node.storage import JournalRow


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is acknowledged, and where it happened."""

    effects: Effects
    batch: int


@dataclass(frozen=True, slots=True)
class Known:
    """What a front has found out about a submission's signature, and under which key."""

    key: TradingKey
    is_valid: bool


@dataclass(slots=True)
class Waiting:
    """A submission and whoever waits for its answer."""

    submission: Submission
    answered: Callable[[Receipt | Reason], None] | None
    since: float
    known: Known | None = None
    is_refuted: bool = False


@dataclass(slots=True)
class Together:
    """What goes to the disk together."""

    rows: list[JournalRow]
    receipts: list[tuple[Waiting | None, Receipt]]
    news: list[News]
    sealed: list[SealedBatch]

    groups: int = 1
    """How many were handed over as one."""

    def join(self, later: Together) -> None:
        """Take in what came afterwards."""
        self.groups += later.groups
        self.rows += later.rows
        self.receipts += later.receipts
        self.news += later.news
        self.sealed += later.sealed


def give_answer(waiting: Waiting, answer: Receipt | Reason) -> None:
    """Tell whoever waits, once."""
    if waiting.answered is not None:
        answered, waiting.answered = waiting.answered, None
        answered(answer)
