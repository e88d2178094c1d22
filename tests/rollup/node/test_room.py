"""What a batch needs is counted as it is filled, and the batch is closed before a proof has no room for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollup.codec import QueuedItem
from rollup.node.effects import Effects
from rollup.node.engine import Engine
from rollup.node.gathered import Receipt
from rollup.node.inputs import CloseBatch, OpenBatch, PlaceOrder, SubmitTransaction
from rollup.node.order_book import Departure
from rollup.node.refusals import Refusal
from rollup.node.room import NAMES, BatchLimits, BatchLoad, is_full, items_that_fit
from rollup.node.sequencer import Sequencer
from rollup.node.verified import VerifiedSignatures
from rollup.schnorr import SepticSchnorr
from rollup.transactions import ForcedWithdrawal, Transfer, Withdrawal
from rollup.units import Time
from tests.rollup.node.desk import ALICE, BOB, CAROL, Desk, HandClock, ListQueue, small_market
from tests.rollup.node.test_sequencer import run, until
from tests.rollup.workbench import make

LIMITS = BatchLimits()


def test_an_empty_batch_has_room() -> None:
    assert not is_full(BatchLoad(), LIMITS, 0)


@pytest.mark.parametrize("name", ["trades", "signatures", "walk_rows", "slots"])
def test_a_batch_is_full_when_one_count_is(name: str) -> None:
    load = BatchLoad()
    setattr(load, name, getattr(LIMITS, name))
    assert is_full(load, LIMITS, 0)


def test_published_bytes_take_permutations_and_rows_of_their_own() -> None:
    assert is_full(BatchLoad(), LIMITS, 16 * LIMITS.permutations)
    assert is_full(BatchLoad(), LIMITS, 16 * LIMITS.data_rows)


def test_transactions_that_are_no_trades_share_their_room() -> None:
    load = BatchLoad()
    for place in range(LIMITS.mixed):
        load.note_record((Transfer, Withdrawal)[place % 2])
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
    taken = items_that_fit(state, [item] * 2000, LIMITS)
    assert 0 < len(taken) < 2000
    load = BatchLoad()
    for queued in taken:
        load.note_item(queued.item, state)
    assert LIMITS.part(2).hold(load.needs(0))
    assert items_that_fit(state, [item] * 2, replace(LIMITS, walk_rows=0)) == [item]


def brimming(part: int) -> tuple[Desk, Engine]:
    """An engine whose batch holds little beside everybody's money."""
    desk = Desk()
    items = desk.market.queue_items()
    load = BatchLoad()
    for queued in items:
        load.note_item(queued.item, desk.market.genesis)
    taken = load.needs(0)
    limits = BatchLimits(*(getattr(taken, name) + getattr(LIMITS, name) // part for name in NAMES))
    engine = Engine(desk.market.genesis, VerifiedSignatures(SepticSchnorr()), batch_limits=limits)
    engine.apply(OpenBatch(Time(desk.market.time), tuple(items)))
    return desk, engine


def test_an_order_of_many_fills_ends_where_the_batch_does() -> None:
    desk, engine = brimming(64)
    now = Time(desk.market.time)
    for slot in range(80):
        maker = desk.sell((BOB, CAROL)[slot % 2], 5, 1, slot=slot)
        assert isinstance(engine.apply(PlaceOrder(now, maker)), Effects)
    effects = engine.apply(PlaceOrder(now, desk.buy(ALICE, 5, 80)))
    assert isinstance(effects, Effects)
    assert 0 < len(effects.fills) < 80
    (left,) = [one for one in effects.departed if one.entry is effects.placed]
    assert left.reason is Departure.UNFIT
    closed = engine.apply(CloseBatch(now))
    assert isinstance(closed, Effects)
    assert closed.sealed is not None
    assert len(closed.sealed.batch.transactions) == len(effects.fills)


def test_a_transaction_without_room_is_told_to_come_again() -> None:
    desk, engine = brimming(1 << 20)
    transfer = desk.transaction(Transfer, ALICE, ALICE, BOB, 5, 0)
    entry = SubmitTransaction(Time(desk.market.time), transfer)
    before = engine.state
    assert engine.apply(entry) is Refusal.BUSY
    assert engine.state is before
    assert engine.open_count == 0
