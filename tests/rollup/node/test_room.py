"""What a batch needs is counted as it is filled, and the batch is closed before a proof has no room for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollup.codec import QueuedItem
from rollup.node.room import BatchLimits, BatchLoad, is_full, items_that_fit
from rollup.node.sequencer import Receipt, Sequencer
from rollup.transactions import ForcedWithdrawal, Transfer
from tests.rollup.node.desk import ALICE, BOB, Desk, HandClock, ListQueue, small_market
from tests.rollup.node.test_sequencer import run, until
from tests.rollup.workbench import make

LIMITS = BatchLimits()


def test_an_empty_batch_has_room() -> None:
    assert not is_full(BatchLoad(), LIMITS, 0)


@pytest.mark.parametrize("name", ["trades", "accounts", "walk_rows", "settlements"])
def test_a_batch_is_full_when_one_count_is(name: str) -> None:
    load = BatchLoad()
    setattr(load, name, getattr(LIMITS, name))
    assert is_full(load, LIMITS, 0)


def test_published_bytes_take_permutations_too() -> None:
    assert is_full(BatchLoad(), LIMITS, 16 * LIMITS.permutations)


def test_transactions_of_one_kind_are_counted_apart_from_trades() -> None:
    load = BatchLoad()
    for _ in range(LIMITS.records_of_a_kind):
        load.note_record(Transfer, is_trade=False)
    assert is_full(load, LIMITS, 0)


def test_a_batch_is_closed_when_its_proof_would_have_no_room(tmp_path: Path) -> None:
    desk = Desk()
    limits = replace(LIMITS, trades=1)

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for slot in (1, 2):
            for order in (desk.buy(ALICE, 5, 1, slot=slot), desk.sell(BOB, 5, 1, slot=slot)):
                assert isinstance(await sequencer.submit(order), Receipt)
        await until(lambda: len(sequencer.directory.checkpoints.latest_batches(9)) == 2)
        stored = sequencer.directory.checkpoints.latest_batches(9)
        assert [one.transactions for one in stored] == [1, 1]

    run(tmp_path, scene, batch_limits=limits)


def test_no_more_of_the_queue_is_served_than_fits() -> None:
    state = small_market().genesis
    item = make(QueuedItem, 1, make(ForcedWithdrawal, 2, 3))
    taken = items_that_fit(state, [item] * 500, LIMITS)
    assert 0 < len(taken) <= LIMITS.items
    assert items_that_fit(state, [item] * 2, replace(LIMITS, settlements=0)) == [item]
