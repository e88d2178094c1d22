"""What the node keeps on disk: nothing acknowledged is lost, and what cannot be used is said in one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rollup.node.effects import Effects
from rollup.node.engine import Engine
from rollup.node.leaf_bytes import decode_leaf, encode_leaf
from rollup.node.sealed_bytes import spelled
from rollup.node.storage import DataDirectory, JournalRow, Stage, StorageError
from rollup.node.verified import VerifiedSignatures
from rollup.schnorr import SepticSchnorr
from rollup.units import BatchNumber
from tests.rollup.node.desk import small_market
from tests.rollup.node.test_engine import random_inputs

ROWS = [JournalRow(1, 2, b"one", 3), JournalRow(2, 5, b"", 2**32 - 1)]


def test_what_was_appended_is_there_after_reopening(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "node") as directory:
        directory.journal.append(ROWS)
    with DataDirectory(tmp_path / "node") as directory:
        assert list(directory.journal.rows_after(0)) == ROWS
        assert list(directory.journal.rows_after(1)) == ROWS[1:]
        assert directory.journal.rows([2]) == ROWS[1:]
        assert directory.journal.last_sequence() == 2


def test_an_input_is_written_once(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        directory.journal.append(ROWS[:1])
        with pytest.raises(sqlite3.IntegrityError):
            directory.journal.append(ROWS)
        assert directory.journal.last_sequence() == 1
        directory.journal.append(ROWS[1:])


def test_a_commit_of_the_journal_waits_for_the_disk_and_a_checkpoint_need_not(tmp_path: Path) -> None:
    full, normal = 2, 1
    with DataDirectory(tmp_path) as directory:
        for file, expected in ((directory.journal, full), (directory.checkpoints, normal)):
            assert file._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert file._connection.execute("PRAGMA synchronous").fetchone() == (expected,)


def test_a_second_node_in_one_directory_is_told_who_works_there(tmp_path: Path) -> None:
    import os

    with DataDirectory(tmp_path), pytest.raises(StorageError) as raised:
        DataDirectory(tmp_path)
    assert str(raised.value) == f"another node (process {os.getpid()}) works in {tmp_path}"
    with DataDirectory(tmp_path):
        pass


def test_another_data_version_is_named(tmp_path: Path) -> None:
    with DataDirectory(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(StorageError) as raised:
        DataDirectory(tmp_path)
    assert str(raised.value) == f"{tmp_path} holds data of version 9; this node reads version 1"


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(
        b"not a database, and longer than a header of one hundred bytes" * 20
    )
    with pytest.raises(StorageError, match=r"journal\.sqlite cannot be read: file is not a database"):
        DataDirectory(tmp_path)


def test_leaves_survive_their_bytes() -> None:
    engine = Engine(small_market().genesis, VerifiedSignatures(SepticSchnorr()))
    for entry in random_inputs(5, 60):
        engine.apply(entry)
    leaves = engine.state.all_leaves()
    assert len({type(leaf) for leaf in leaves.values()}) == 4
    assert {place: decode_leaf(encode_leaf(leaf)) for place, leaf in leaves.items()} == leaves


def test_a_checkpoint_holds_state_book_batches_and_the_way_back(tmp_path: Path) -> None:
    market = small_market()
    engine = Engine(market.genesis, VerifiedSignatures(SepticSchnorr()))
    sealed = []
    with DataDirectory(tmp_path) as directory:
        directory.checkpoints.begin_with(market.genesis)
        for entry in random_inputs(1, 80):
            effects = engine.apply(entry)
            if isinstance(effects, Effects) and effects.sealed is not None:
                sealed.append(effects.sealed)
                directory.checkpoints.write(spelled(effects.sealed), (effects.sealed.number,) * 8)
        directory.checkpoints.set_stage(1, Stage.PUBLISHED)
    with DataDirectory(tmp_path) as directory:
        checkpoints = directory.checkpoints
        loaded = checkpoints.load()
        assert loaded.state == engine.state
        assert loaded.sequence == sealed[-1].sequence == engine.sequence
        assert loaded.root == (sealed[-1].number,) * 8
        assert checkpoints.genesis() == market.genesis
        assert [stored.published for stored in reversed(checkpoints.latest_batches(99))] == [
            one.published for one in sealed
        ]
        assert [stored.number for stored in checkpoints.batches_at(Stage.PUBLISHED)] == [1]
        assert checkpoints.sources_of(sealed[-1].number) == list(sealed[-1].sources)
        assert checkpoints.batch(BatchNumber(9999)) is None
        restored = Engine(loaded.state, engine.check)
        restored.restore(loaded.sequence, loaded.resting, loaded.seen)
        assert restored.book.entries() == engine.book.entries()
        assert restored.seen == engine.seen
        leaves = dict(loaded.state.all_leaves())
        for one in reversed(sealed):
            for place, leaf in checkpoints.leaves_before(one.number).items():
                if leaf is None:
                    del leaves[place]
                else:
                    leaves[place] = leaf
        assert leaves == market.genesis.all_leaves()
