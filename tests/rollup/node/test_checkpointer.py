"""Checkpoints: the same files whoever writes them, and nothing is lost or kept waiting when that process dies."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

from rollup.node.checkpoint_link import (
    HEAD,
    Said,
    message,
    spell_root,
    spell_stage,
    spelled_root,
    spelled_stage,
)
from rollup.node.checkpoint_process import Requests, listen, serve
from rollup.node.checkpointer import HOME, ProcessScribe
from rollup.node.effects import Effects, SealedBatch
from rollup.node.engine import Engine
from rollup.node.gathered import Receipt
from rollup.node.refusals import Refusal
from rollup.node.sealed_bytes import (
    SpelledBatch,
    entries_of,
    leaves_of,
    sources_of,
    spelled,
    spelling,
    undo_of,
)
from rollup.node.sequencer import Sequencer
from rollup.node.storage import DataDirectory, LockFile, Stage, StorageError
from rollup.node.verified import VerifiedSignatures
from rollup.schnorr import SepticSchnorr
from tests.rollup.node.desk import ALICE, BOB, CAROL, Desk, small_market
from tests.rollup.node.test_engine import random_inputs
from tests.rollup.node.test_sequencer import run, until


def closed_batches(seed: int = 1) -> list[SealedBatch]:
    engine = Engine(small_market().genesis, VerifiedSignatures(SepticSchnorr()))
    applied = [engine.apply(entry) for entry in random_inputs(seed, 80)]
    return [one.sealed for one in applied if isinstance(one, Effects) and one.sealed is not None]


# ------------------------------------------------------------------------------------------------------ in bytes


def test_a_closed_batch_survives_its_bytes() -> None:
    batches = closed_batches()
    assert any(one.book.joined for one in batches) and any(one.book.left for one in batches)
    for sealed in batches:
        batch = spelled(sealed)
        assert SpelledBatch.from_bytes(batch.to_bytes()) == batch
        assert (batch.number, batch.sequence) == (sealed.number, sealed.sequence)
        assert batch.transactions == len(sealed.batch.transactions)
        assert batch.published == sealed.published
        assert leaves_of(entries_of(batch.leaves)) == sealed.after
        assert undo_of(batch.undo) == sealed.before
        assert sources_of(batch.sources) == list(sealed.sources)
        assert {number for number, _ in entries_of(batch.resting)} == set(sealed.book.joined)
        assert set(batch.left_sequences()) == sealed.book.left
        assert len(batch.seen_numbers()) == len(sealed.book.seen)


def test_spelling_lets_others_go_first_between_its_pieces() -> None:
    sealed = max(closed_batches(), key=lambda one: len(one.after))
    assert sum(1 for _ in spelling(sealed)) >= 4


def test_messages_survive_their_bytes() -> None:
    root = tuple(range(8))
    assert spelled_root(spell_root(root)) == root
    assert spelled_stage(spell_stage(7, Stage.PROVED)) == (7, "proved")
    length, kind = HEAD.unpack_from(message(Said.STAGE, b"abc"))
    assert (length, kind) == (3, Said.STAGE)


# ------------------------------------------------------------------------------------------- thread and process


async def trade(sequencer: Sequencer, *_: object) -> None:
    desk = Desk()
    for slot in range(4):
        for order in (desk.sell(ALICE, 5, 3, slot=slot), desk.buy(BOB, 5, 2, slot=slot)):
            assert isinstance(await sequencer.submit(order), Receipt)
    assert isinstance(await sequencer.submit(desk.buy(CAROL, 4, 7)), Receipt)
    await until(lambda: sequencer.directory.checkpoints.batch(2) is not None)
    await sequencer.note_stage(1, Stage.PUBLISHED)


def rows_of(folder: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(folder / "checkpoint.sqlite")
    try:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608 - names from here
            for table in ("genesis", "leaf", "resting", "seen", "batch")
        }
    finally:
        connection.close()


def test_a_process_writes_what_a_thread_would(tmp_path: Path) -> None:
    found = {}
    for name, has_process in (("thread", False), ("process", True)):
        path = tmp_path / name
        first = run(path, trade, batch_transactions=2, has_checkpoint_process=has_process)
        found[name] = rows_of(path)
        assert first.root == tuple(
            int.from_bytes(found[name]["batch"][-1][3][at : at + 4]) for at in range(0, 32, 4)
        )
    assert found["thread"] == found["process"]
    assert [row[-1] for row in found["process"]["batch"]] == ["published", "sealed"]


def test_what_the_process_does_can_be_followed_in_a_thread(tmp_path: Path) -> None:
    sealed = closed_batches()[:2]
    with DataDirectory(tmp_path) as directory:
        directory.checkpoints.begin_with(small_market().genesis)
    here, there = socket.socketpair()
    requests: Requests = SimpleQueue()
    listening = Thread(target=listen, args=(there, requests))
    serving = Thread(target=serve, args=(there, tmp_path, requests))
    listening.start()
    serving.start()

    def asked(kind: Said, body: bytes = b"") -> bytes:
        here.sendall(message(kind, body))
        length, answer = HEAD.unpack(here.recv(HEAD.size, socket.MSG_WAITALL))
        assert answer == Said.DONE
        return here.recv(length, socket.MSG_WAITALL)

    with here, there:
        empty = spelled_root(asked(Said.BEGIN))
        first = spelled_root(asked(Said.BATCH, spelled(sealed[0]).to_bytes()))
        second = spelled_root(asked(Said.URGENT_BATCH, spelled(sealed[1]).to_bytes()))
        asked(Said.STAGE, spell_stage(sealed[0].number, Stage.PUBLISHED))
        here.sendall(message(Said.END))
        listening.join()
        serving.join()
        # What the process freezes for good is this one's here.
        gc.unfreeze()
    assert len({empty, first, second}) == 3
    with DataDirectory(tmp_path) as directory:
        checkpoints = directory.checkpoints
        assert checkpoints.load().root == second
        assert [one.stage for one in checkpoints.latest_batches(2)] == [Stage.SEALED, Stage.PUBLISHED]


def test_a_process_insists_on_the_root_that_was_written_down(tmp_path: Path) -> None:
    run(tmp_path, trade, batch_transactions=2)
    connection = sqlite3.connect(tmp_path / "checkpoint.sqlite")
    connection.execute("UPDATE batch SET root = zeroblob(32)")
    connection.commit()
    connection.close()

    async def wait(sequencer: Sequencer, *_: object) -> None:
        await until(lambda: sequencer.failure is not None)

    with pytest.raises(StorageError, match="do not hash to the root of the last batch"):
        run(tmp_path, wait, has_checkpoint_process=True)


def test_a_node_whose_checkpoints_nobody_writes_any_more_stops_and_loses_nothing(tmp_path: Path) -> None:
    desk = Desk()

    async def lose_the_writer(sequencer: Sequencer, *_: object) -> None:
        await until(lambda: sequencer.root is not None)
        assert isinstance(await sequencer.submit(desk.buy(CAROL, 4, 7)), Receipt)
        scribe = sequencer._checkpointer._scribe
        assert isinstance(scribe, ProcessScribe) and scribe._process is not None
        os.kill(scribe._process.pid, signal.SIGKILL)
        await scribe._process.wait()
        # More batches than may wait for their root: nobody hangs on them.
        for slot in range(12):
            for order in (desk.sell(ALICE, 5, 1, slot=slot), desk.buy(BOB, 5, 1, slot=slot)):
                assert isinstance(await sequencer.submit(order), Receipt | Refusal)
        await until(lambda: sequencer.failure is not None)

    with pytest.raises(StorageError, match=r"writes checkpoints ended with status -9; a restart repeats"):
        run(tmp_path, lose_the_writer, batch_transactions=1, has_checkpoint_process=True)

    async def look(sequencer: Sequencer, *_: object) -> None:
        assert sum(entry.order.account == CAROL for entry in sequencer.engine.book.entries()) == 1
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)

    run(tmp_path, look)


# ------------------------------------------------------------------------------------------- a node that is killed


def started(directory: DataDirectory) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A process that writes checkpoints, and our end of what it hears."""
    here, there = socket.socketpair()
    here.settimeout(30)
    with there:
        inherited = there.fileno(), directory.lock_descriptor
        command = [
            sys.executable,
            "-m",
            "rollup.node.checkpoint_process",
            str(inherited[0]),
            str(directory.path),
        ]
        process = subprocess.Popen(command, pass_fds=inherited, cwd=HOME)
    here.sendall(message(Said.BEGIN))
    return process, here


def test_it_ends_with_its_node_and_holds_the_lock_until_then(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.checkpoints.begin_with(small_market().genesis)
    process, link = started(directory)
    try:
        length, kind = HEAD.unpack(link.recv(HEAD.size))
        assert (kind, length) == (Said.DONE, 32)
        directory.close()
        with pytest.raises(StorageError, match="another node"):
            DataDirectory(tmp_path)
        link.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    DataDirectory(tmp_path).close()


def test_it_ends_with_its_node_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.checkpoints.begin_with(small_market().genesis)
    process, link = started(directory)
    try:
        link.recv(HEAD.size + 32)
        link.sendall(message(Said.BATCH, spelled(closed_batches()[0]).to_bytes()) + b"\0\0")
        link.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        directory.close()
    with DataDirectory(tmp_path) as again:
        loaded = again.checkpoints.load()
        genesis, (first, *_) = small_market().genesis.all_leaves(), closed_batches()
        # All of it or nothing.
        assert (loaded.sequence, loaded.state.all_leaves()) in [
            (0, genesis),
            (first.sequence, {**genesis, **first.after}),
        ]


def test_a_start_waits_for_what_a_dead_node_had_started(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    os.pwrite(lock.descriptor, f"{dead.pid}\n".ljust(20).encode(), 0)
    sleeping = [sys.executable, "-c", "import time; time.sleep(0.3)"]
    with subprocess.Popen(sleeping, pass_fds=[lock.descriptor]) as child:
        lock.close()
        LockFile(tmp_path / "lock").close()
        # The lock could be had only when the last who had inherited it was gone.
        child.wait(30)


def test_asking_before_it_has_begun_is_a_mistake(tmp_path: Path) -> None:
    async def ask() -> None:
        with DataDirectory(tmp_path) as directory, pytest.raises(RuntimeError, match="has not begun"):
            await ProcessScribe(directory).set_stage(1, Stage.PROVED)

    asyncio.run(ask())
