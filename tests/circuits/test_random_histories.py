"""Completeness: whatever the rules accept is laid out without a broken constraint, to the same root."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.circuits.histories import RecordedHistories, told
from tests.circuits.whole_batches import wrong_with


class ProvableHistories(RecordedHistories):
    """In the end every batch of the history is laid out."""

    def teardown(self) -> None:
        super().teardown()
        for place, chapter in enumerate(told(self.house.batches)):
            # Now and then with room to spare: rows without anything alive follow constraints of their own.
            assert wrong_with(chapter, room=int(place % 4 == 3)) == []


class ManyProvableHistories(ProvableHistories):
    """Fifty times as many."""


ProvableHistories.TestCase.settings = settings(
    max_examples=8, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
ManyProvableHistories.TestCase.settings = settings(
    max_examples=400, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
test_whatever_happens_is_laid_out = ProvableHistories.TestCase
test_whatever_happens_is_laid_out_often = pytest.mark.long(ManyProvableHistories.TestCase)
