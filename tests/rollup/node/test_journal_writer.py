"""The journal's write-ahead log: it has its room beforehand, stays short, and holds what was written."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from threading import current_thread, main_thread

import pytest

from rollup.node.journal_writer import COMMITS_ASIDE, QUICK_SECONDS, JournalWriter
from rollup.node.log_space import LOG_BYTES, lengthen
from rollup.node.metrics import Metrics
from rollup.node.storage import FOLDED_PAGES, DataDirectory, Journal, JournalRow


def rows(first: int, count: int) -> list[JournalRow]:
    return [JournalRow(number, 2, number.to_bytes(130), number) for number in range(first, first + count)]


def log_of(path: Path) -> Path:
    return path / "journal.sqlite-wal"


def test_the_log_does_not_grow_however_much_is_written(tmp_path: Path) -> None:
    commits = 0

    async def write(directory: DataDirectory, metrics: Metrics) -> None:
        nonlocal commits
        writer = JournalWriter(directory.journal, metrics)
        # Two pages each, so that it is long twice; and on until it was folded.
        while commits < FOLDED_PAGES or "fold" not in metrics.timings:
            await writer.write(rows(1 + 3 * commits, 3))
            commits += 1
            # A quick disk is waited for in the loop, which hears of a thread's end only between two turns.
            await asyncio.sleep(0)
        writer.shutdown()

    metrics = Metrics()
    with DataDirectory(tmp_path) as directory:
        assert log_of(tmp_path).stat().st_size == LOG_BYTES
        asyncio.run(write(directory, metrics))
        assert log_of(tmp_path).stat().st_size == LOG_BYTES
        assert sum(metrics.timings["journal_commit"].counts) == commits
        # Killed now: the file and the log behind it are all that is left.
        shutil.copytree(tmp_path, tmp_path / "killed")
    for path in (tmp_path, tmp_path / "killed"):
        with DataDirectory(path) as directory:
            assert list(directory.journal.rows_after(0)) == rows(1, 3 * commits)


def test_only_a_quick_disk_is_waited_for_in_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_in: list[bool] = []
    original = Journal.append

    def append(self: Journal, rows: Sequence[JournalRow]) -> None:
        written_in.append(current_thread() is main_thread())
        original(self, rows)

    monkeypatch.setattr(Journal, "append", append)

    async def write(writer: JournalWriter) -> None:
        writer.commit_seconds = -100.0
        await writer.write(rows(1, 1))
        writer.commit_seconds = 100 * QUICK_SECONDS
        await writer.write(rows(2, 1))
        # One look was enough; the next one comes after many commits, and may find it quick.
        assert writer.commits_aside == COMMITS_ASIDE
        writer.commits_aside = 1
        await writer.write(rows(3, 1))
        assert writer.commit_seconds < QUICK_SECONDS
        await writer.write(rows(4, 1))
        writer.shutdown()

    with DataDirectory(tmp_path) as directory:
        asyncio.run(write(JournalWriter(directory.journal, Metrics())))
        assert directory.journal.last_sequence() == 4
    assert written_in == [True, True, False, True]


def test_zeros_behind_a_log_say_nothing(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        directory.journal.append(rows(1, 2))
        shutil.copytree(tmp_path, tmp_path / "killed")
    killed = tmp_path / "killed"
    lengthen(log_of(killed), LOG_BYTES + 12_345)
    assert log_of(killed).stat().st_size == LOG_BYTES + 12_345
    with DataDirectory(killed) as directory:
        assert list(directory.journal.rows_after(0)) == rows(1, 2)
        directory.journal.append(rows(3, 1))
    with DataDirectory(killed) as directory:
        assert directory.journal.last_sequence() == 3


def test_a_log_that_is_long_enough_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"frame")
    lengthen(log, 3)
    assert log.read_bytes() == b"frame"
    lengthen(log, 8)
    assert log.read_bytes() == b"frame\0\0\0"
