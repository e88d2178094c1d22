"""The sequencer: acknowledgements, batches, restarts."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from prover.hash.poseidon import POSEIDON16_20
from rollup.node.feed import Listener, News
from rollup.node.gathered import Receipt
from rollup.node.refusals import Refusal
from rollup.node.replay import ReplayError
from rollup.node.sequencer import Sequencer
from rollup.node.storage import Stage, StorageError, StoredBatch
from rollup.orders import SignedOrder
from rollup.rebuild import rebuild
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import SettlementPrice, Withdrawal
from rollup.units import GroupId
from tests.rollup.node.desk import ALICE, BOB, CAROL, DOLLAR, Desk, HandClock, ListQueue, small_market
from tests.rollup.workbench import make

DAY = 24 * 3600

Scene = Callable[[Sequencer, HandClock, ListQueue], Awaitable[None]]


def run(path: Path, scene: Scene, **settings: object) -> Sequencer:
    """Start a node, play a scene, and stop it properly."""

    async def play() -> Sequencer:
        sequencer, clock, queue = Desk().sequencer(path, **settings)
        await sequencer.start()
        try:
            await until(lambda: sequencer.engine.state.account(ALICE) is not None)
            await scene(sequencer, clock, queue)
        finally:
            await sequencer.stop()
        return sequencer

    return asyncio.run(play())


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen within ten seconds")


async def idle(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
    pass


def test_what_is_acknowledged_is_in_the_journal_by_then(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for lots in (3, 4, 5):
            receipt = await sequencer.submit(desk.buy(ALICE, 5, lots, slot=lots))
            assert isinstance(receipt, Receipt)
            reader = sqlite3.connect(tmp_path / "journal.sqlite")
            assert reader.execute("SELECT max(sequence) FROM entry").fetchone() == (receipt.effects.sequence,)
            reader.close()

    run(tmp_path, scene)


def test_a_restart_goes_on_where_the_last_acknowledgement_was(tmp_path: Path) -> None:
    desk = Desk()

    async def trade(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for submission in (
            desk.sell(ALICE, 5, 3),
            desk.buy(BOB, 5, 2),
            desk.buy(CAROL, 4, 7),
            desk.transaction(Withdrawal, CAROL, CAROL, 5 * DOLLAR, 0),
        ):
            assert isinstance(await sequencer.submit(submission), Receipt)

    first = run(tmp_path, trade)
    second = run(tmp_path, idle)
    assert second.restart is not None
    assert second.restart.sequence == first.engine.sequence
    assert second.restart.replayed == first.engine.sequence
    assert second.restart.describe().startswith(
        f"restarted at input {first.engine.sequence}, the last acknowledged one:"
        f" {first.engine.sequence} inputs replayed"
    )
    assert second.engine.state == first.engine.state
    assert second.engine.book.entries() == first.engine.book.entries()
    assert second.engine.is_open


def test_a_restart_after_closed_batches_begins_at_the_last_checkpoint(tmp_path: Path) -> None:
    desk = Desk()

    async def trade(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for _ in range(7):
            await sequencer.submit(desk.sell(ALICE, 5, 3))
            await sequencer.submit(desk.buy(BOB, 5, 2))
        await sequencer.submit(desk.buy(CAROL, 4, 7))

    first = run(tmp_path, trade, batch_transactions=3)
    second = run(tmp_path, idle)
    assert second.restart is not None
    assert second.restart.replayed < 8
    assert second.engine.state == first.engine.state
    assert second.engine.book.entries() == first.engine.book.entries()
    published: list[StoredBatch] = []

    async def read(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        published.extend(reversed(sequencer.directory.checkpoints.latest_batches(99)))

    run(tmp_path, read)
    assert [stored.transactions for stored in published] == [3, 3]
    state = rebuild(small_market().genesis, [stored.published for stored in published], SepticSchnorr())
    assert published[-1].root == StateTree.of_state(state, KernelHasher(POSEIDON16_20)).root


@pytest.mark.parametrize(
    ("settings", "orders", "batches"),
    [
        ({"batch_transactions": 2}, 4, 2),
        # A trade is 26 bytes; the first batch holds the queue items too and is full from the start.
        ({"batch_bytes": 200}, 8, 2),
        ({"batch_seconds": 0.05}, 1, 1),
    ],
)
def test_a_batch_ends_by_count_by_size_or_by_time(
    tmp_path: Path, settings: dict[str, object], orders: int, batches: int
) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for _ in range(orders):
            await sequencer.submit(desk.sell(ALICE, 5, 1))
            await sequencer.submit(desk.buy(BOB, 5, 1))
        await until(lambda: len(sequencer.directory.checkpoints.latest_batches(99)) >= batches)
        for stored in sequencer.directory.checkpoints.latest_batches(99):
            assert stored.stage is Stage.SEALED

    run(tmp_path, scene, **settings)


def test_a_batch_is_closed_when_somebody_asks_for_it(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        await sequencer.submit(desk.sell(ALICE, 5, 3))
        await sequencer.submit(desk.buy(BOB, 5, 3))
        sequencer.close_batch()
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        assert not sequencer.engine.is_open
        (batch,) = sequencer.directory.checkpoints.latest_batches(9)
        assert batch.transactions == 1

    run(tmp_path, scene)


def test_the_collector_is_left_as_it_was_found(tmp_path: Path) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    run(tmp_path, idle)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == frozen


def test_when_the_disk_fails_nobody_is_told_that_an_order_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        def fail(rows: object) -> None:
            raise sqlite3.OperationalError("the disk is full")

        monkeypatch.setattr(sequencer.directory.journal, "append", fail)
        answers = await asyncio.gather(
            *(sequencer.submit(desk.buy(ALICE, 5, 1, slot=slot)) for slot in range(4))
        )
        assert answers == [Refusal.STOPPING] * 4
        assert isinstance(sequencer.failure, sqlite3.OperationalError)

    with pytest.raises(sqlite3.OperationalError, match="the disk is full"):
        run(tmp_path, scene)


def test_a_bad_signature_is_refused_among_good_ones(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        good = [desk.buy(ALICE, 5, 1, slot=slot) for slot in range(4)]
        bad = SignedOrder(good[0].order, good[1].signature)
        answers = await asyncio.gather(*(sequencer.submit(one) for one in (good[1], bad, good[2], good[0])))
        assert [answer if isinstance(answer, Rejection) else "" for answer in answers] == [
            "",
            Rejection.SIGNATURE_INVALID,
            "",
            "",
        ]

    run(tmp_path, scene)


def test_too_many_waiting_submissions_are_refused_at_once(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        orders = [desk.buy(ALICE, 5, 1, slot=slot) for slot in range(3)]
        answers = await asyncio.gather(*(sequencer.submit(one) for one in orders))
        assert [answer for answer in answers if isinstance(answer, Refusal)] == [Refusal.BUSY]

    run(tmp_path, scene, waiting=2)


def test_accounts_are_settled_once_the_price_is_fixed(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        await sequencer.submit(desk.sell(ALICE, 5, 3))
        await sequencer.submit(desk.buy(BOB, 5, 3))
        clock.time += DAY
        queue.add(clock.time, make(SettlementPrice, 1, 100))

        def is_settled() -> bool:
            alice, bob = (sequencer.engine.state.account(account) for account in (ALICE, BOB))
            return not alice.positions and not bob.positions if alice and bob else False

        await until(is_settled)
        group = sequencer.engine.state.group(GroupId(1))
        assert group is not None
        assert (group.settlement_price, group.pool) == (100, 0)

    run(tmp_path, scene, queue_seconds=0.0)


def test_the_feed_tells_books_trades_and_batches_after_they_are_durable(tmp_path: Path) -> None:
    desk = Desk()
    heard: list[News] = []

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        listener: Listener = sequencer.feed.listen(frozenset({"trades", "book", "batches"}))
        await sequencer.submit(desk.sell(ALICE, 5, 3))
        await sequencer.submit(desk.buy(BOB, 6, 2))
        while not heard or heard[-1].get("stage") != "sealed":
            news = await asyncio.wait_for(listener.queue.get(), 10)
            assert news is not None
            heard.append(news)

    run(tmp_path, scene, batch_transactions=1)
    assert [news["channel"] for news in heard] == ["book", "batches", "trades", "book", "batches"]
    assert (heard[0]["lots"], heard[2]["price"], heard[3]["lots"]) == (3, 5 * DOLLAR, 1)
    assert (heard[2]["buyer"], heard[2]["seller"], heard[2]["taker_side"]) == (BOB, ALICE, "buy")
    assert (heard[1]["stage"], heard[1]["transactions"], heard[1]["root"]) == ("open", 0, None)
    assert heard[4]["transactions"] == 1


def test_a_listener_that_does_not_keep_up_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollup.node.feed.WAITING_MESSAGES", 2)
    desk = Desk()

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        listener = sequencer.feed.listen(frozenset({"book"}))
        for price in (3, 4, 5):
            await sequencer.submit(desk.buy(ALICE, price, 1))
        assert listener.is_too_slow
        assert len(sequencer.feed) == 0

    run(tmp_path, scene)


def test_a_journal_that_does_something_else_now_is_not_replayed(tmp_path: Path) -> None:
    run(tmp_path, idle)
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute("UPDATE entry SET fingerprint = fingerprint + 1")
    connection.commit()
    connection.close()
    with pytest.raises(ReplayError, match="input 1 does something else now than when it was acknowledged"):
        run(tmp_path, idle)


def test_a_checkpoint_whose_leaves_do_not_hash_to_its_root_stops_the_node(tmp_path: Path) -> None:
    run(tmp_path, idle, batch_seconds=0.0)
    connection = sqlite3.connect(tmp_path / "checkpoint.sqlite")
    assert connection.execute("UPDATE batch SET root = zeroblob(32)").rowcount > 0
    connection.commit()
    connection.close()

    async def wait(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        await until(lambda: sequencer.failure is not None)
        assert await sequencer.submit(Desk().buy(ALICE, 5, 1)) is Refusal.STOPPING

    with pytest.raises(StorageError, match="do not hash to the root of the last batch"):
        run(tmp_path, wait)
