"""Submissions on their way through the sequencer: who waits for which, and what goes to the disk together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

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


@dataclass(slots=True)
class Waiting:
    """A submission and whoever waits for its answer."""

    submission: Submission
    answer: asyncio.Future[Receipt | Reason] | None
    since: float
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
    if waiting.answer is not None and not waiting.answer.done():
        waiting.answer.set_result(answer)
