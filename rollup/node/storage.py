"""What the node keeps on disk: a journal of inputs, and a checkpoint at the end of every batch.

    DIR/lock                held by the node that works here
    DIR/journal.sqlite      every input that was acknowledged, in order
    DIR/checkpoint.sqlite   leaves, book and batches as of the last batch written down

Both are in WAL mode. The journal is synchronous=FULL: a commit that returned is on the disk.
A checkpoint only says what the journal says already; it makes a restart short, and losing the latest costs a replay.
So it is synchronous=NORMAL, whole after a power cut though perhaps not the newest, and no order waits for its pages.
They are two files so that a checkpoint's thousands of rows never stand before an order's one.
The journal is never cut: the orders in it are what a batch is proved from.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import NamedTuple, Self

from rollup.fields import from_words
from rollup.node.effects import Source
from rollup.node.leaf_bytes import decode_leaf, encode_leaf
from rollup.node.log_space import LOG_BYTES, lengthen
from rollup.node.pace import Pause, in_pieces, no_pause
from rollup.node.sealed_bytes import SpelledBatch, entries_of, sources_of, undo_of
from rollup.orders import SignedOrder
from rollup.state import SYSTEM_INDEX, Leaf, LeafIndex, State
from rollup.units import AccountId, BatchNumber, OrderNumber, SlotIndex
from rollup.versioned_map import VersionedMap

DATA_DIRECTORY_VERSION: int = 1
"""Changes whenever older files would be misread; it stands in each file's `user_version`."""

ROWS_A_STATEMENT: int = 64
"""Rows inserted together; a statement is kept for each number of them."""

PAGE_BYTES: int = 4096
PAGES_A_COMMIT: int = 2
"""At least: the leaf that a commit appends to, and what points to it."""

FOLDED_PAGES: int = 1024
"""The write-ahead log is folded when it has grown by four megabytes: every second or two under load."""

_JOURNAL_TABLES = """
CREATE TABLE entry (
    sequence INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    payload BLOB NOT NULL,
    fingerprint INTEGER NOT NULL
);
"""

_CHECKPOINT_TABLES = """
CREATE TABLE leaf (place INTEGER PRIMARY KEY, encoded BLOB NOT NULL);
CREATE TABLE resting (sequence INTEGER PRIMARY KEY, signed BLOB NOT NULL);
CREATE TABLE seen (place INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE batch (
    number INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    root BLOB NOT NULL,
    transactions INTEGER NOT NULL,
    published BLOB NOT NULL,
    sources BLOB NOT NULL,
    undo BLOB NOT NULL,
    stage TEXT NOT NULL
);
CREATE TABLE genesis (place INTEGER PRIMARY KEY, encoded BLOB NOT NULL);
"""


ENDING_SECONDS: float = 5.0
"""How long a start waits for what a dead node had started."""

ENDING_LOOK_SECONDS: float = 0.01


class StorageError(Exception):
    """The data directory cannot be used; the message is one line for a person."""


class Stage(StrEnum):
    """How far a batch has come."""

    SEALED = "sealed"
    """Closed by this node, and on its disk."""
    PUBLISHED = "published"
    """Its data is on Ethereum, sealed by the contract."""
    PROVED = "proved"
    """The contract has accepted a proof."""


class JournalRow(NamedTuple):
    """One acknowledged input."""

    sequence: int
    kind: int
    payload: bytes
    fingerprint: int


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """What is kept of a batch."""

    number: BatchNumber
    time: int
    sequence: int
    root: tuple[int, ...]
    transactions: int
    published: bytes
    stage: Stage


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a restart begins."""

    state: State
    sequence: int
    root: tuple[int, ...] | None
    """The root after the last batch written down; None before the first."""
    resting: list[tuple[int, SignedOrder]]
    seen: dict[tuple[AccountId, SlotIndex], OrderNumber]


class DataDirectory:
    """A folder that one node at a time works in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = LockFile(path / "lock")
        try:
            self.journal = Journal(path / "journal.sqlite")
            self.checkpoints = Checkpoints(path / "checkpoint.sqlite")
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lock_descriptor(self) -> int:
        """What a process inherits that writes here beside this one: the folder is in use until both have ended."""
        return self._lock.descriptor

    def close(self) -> None:
        """Finish what is being written and let go."""
        self.journal.close()
        self.checkpoints.close()
        self._lock.close()


class LockFile:
    """A lock that the system lets go of when its process dies, however it dies, and those to whom it was handed."""

    def __init__(self, path: Path) -> None:
        import fcntl

        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        until = monotonic() + ENDING_SECONDS
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                holder = os.pread(self.descriptor, 20, 0).decode(errors="replace").strip()
                if monotonic() < until and not _runs(holder):
                    # The node is dead; what it had started notices at once and ends.
                    sleep(ENDING_LOOK_SECONDS)
                    continue
                os.close(self.descriptor)
                raise StorageError(
                    f"another node (process {holder or 'unknown'}) works in {path.parent}"
                ) from error
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self.descriptor)


def _runs(process: str) -> bool:
    """Say whether a process runs; one that cannot be told does."""
    if not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def open_database(path: Path, tables: str, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open a file, or make it, and insist on its version."""
    is_new = not path.exists() or path.stat().st_size == 0
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=256)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        if is_new:
            connection.executescript(f"BEGIN; {tables} PRAGMA user_version={DATA_DIRECTORY_VERSION}; COMMIT;")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StorageError(f"{path} cannot be read: {error}") from error
    if version != DATA_DIRECTORY_VERSION:
        connection.close()
        raise StorageError(
            f"{path.parent} holds data of version {version}; this node reads version {DATA_DIRECTORY_VERSION}"
        )
    return connection


class Journal:
    """Acknowledged inputs in order. One thread writes; any may read."""

    def __init__(self, path: Path) -> None:
        self._connection = open_database(path, _JOURNAL_TABLES)
        lengthen(path.with_name(path.name + "-wal"), LOG_BYTES)
        self._pages = 0
        """About as many pages as the write-ahead log has grown by since it was folded."""
        self._reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._reader_lock = Lock()
        # The write-ahead log is folded back by `fold`, in a quiet moment, not by whichever commit fills it.
        self._connection.execute("PRAGMA wal_autocheckpoint=0")

    def append(self, rows: Sequence[JournalRow]) -> None:
        """Write inputs; when this returns they are on the disk, all of them with one wait for it."""
        self._pages += PAGES_A_COMMIT + sum(len(row.payload) for row in rows) // PAGE_BYTES
        if len(rows) <= ROWS_A_STATEMENT:
            # A single statement is a transaction of its own.
            insert_rows(self._connection, "INSERT INTO entry", rows)
            return
        with _transaction(self._connection) as connection:
            insert_rows(connection, "INSERT INTO entry", rows)

    @property
    def is_long(self) -> bool:
        """Say whether the write-ahead log is due to be folded."""
        return self._pages >= FOLDED_PAGES

    def fold(self) -> None:
        """Move the write-ahead log into the file; any thread may, and nobody who writes is kept waiting."""
        with self._reader_lock:
            self._reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def begin_again(self) -> None:
        """Move what was written during `fold`, so that the log is written from its beginning again; the writer's.

        A log that is never moved whole grows for ever, and where a file grows each commit waits for the file system.
        """
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._pages = 0

    def last_sequence(self) -> int:
        """Number of the last input, or zero."""
        with self._reader_lock:
            (last,) = self._reader.execute("SELECT coalesce(max(sequence), 0) FROM entry").fetchone()
        return int(last)

    def rows_after(self, sequence: int) -> Iterator[JournalRow]:
        """Read the inputs that follow a checkpoint."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("SELECT * FROM entry WHERE sequence > ? ORDER BY sequence", (sequence,))
            for row in cursor:
                yield JournalRow(*row)

    def rows(self, sequences: Iterable[int]) -> list[JournalRow]:
        """Read single inputs."""
        found = []
        with self._reader_lock:
            for sequence in sequences:
                row = self._reader.execute("SELECT * FROM entry WHERE sequence = ?", (sequence,)).fetchone()
                if row is None:
                    raise StorageError(f"the journal has no input {sequence}")
                found.append(JournalRow(*row))
        return found

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._connection.close()


class Checkpoints:
    """State, book and batches as of the last batch written. One thread writes; any may read."""

    def __init__(self, path: Path) -> None:
        self._connection = open_database(path, _CHECKPOINT_TABLES, synchronous="NORMAL")
        self._reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._reader_lock = Lock()

    def is_empty(self) -> bool:
        """Say whether not even a genesis is there."""
        with self._reader_lock:
            return self._reader.execute("SELECT 1 FROM genesis LIMIT 1").fetchone() is None

    def begin_with(self, genesis: State) -> None:
        """Write down the state that everything starts from."""
        rows = [(place, encode_leaf(leaf)) for place, leaf in genesis.all_leaves().items()]
        with _transaction(self._connection) as connection:
            insert_rows(connection, "INSERT INTO genesis", rows)
            insert_rows(connection, "INSERT INTO leaf", rows)

    def genesis(self) -> State:
        """Read the state that everything started from."""
        with self._reader_lock:
            rows = self._reader.execute("SELECT place, encoded FROM genesis").fetchall()
        return State.of_leaves([decode_leaf(encoded) for _, encoded in rows])

    def load(self) -> Checkpoint:
        """Read where a restart begins."""
        with self._reader_lock:
            read = self._reader.execute
            leaves: dict[LeafIndex, Leaf] = {
                place: decode_leaf(encoded) for place, encoded in read("SELECT place, encoded FROM leaf")
            }
            if SYSTEM_INDEX not in leaves:
                raise StorageError("the checkpoint has no system leaf")
            resting = [
                (sequence, from_words(SignedOrder, signed))
                for sequence, signed in read("SELECT sequence, signed FROM resting ORDER BY sequence")
            ]
            seen = {
                (AccountId(place >> 8), SlotIndex(place & 0xFF)): OrderNumber(number)
                for place, number in read("SELECT place, number FROM seen")
            }
            last = read("SELECT sequence, root FROM batch ORDER BY number DESC LIMIT 1").fetchone()
        sequence, root = (0, None) if last is None else (last[0], _root_from_bytes(last[1]))
        return Checkpoint(State(VersionedMap(leaves)), sequence, root, resting, seen)

    def write(self, batch: SpelledBatch, root: tuple[int, ...], pause: Pause = no_pause) -> None:
        """Write down a batch and everything it changed, resting between the pieces if anybody is to be let past."""
        with _transaction(self._connection) as connection:
            for leaves in in_pieces([*entries_of(batch.leaves)], pause):
                insert_rows(connection, "INSERT OR REPLACE INTO leaf", leaves)
            for gone in in_pieces(batch.left_sequences(), pause):
                marks = ", ".join("?" * len(gone))
                connection.execute(f"DELETE FROM resting WHERE sequence IN ({marks})", gone)  # noqa: S608 - marks only
            for joined in in_pieces([*entries_of(batch.resting)], pause):
                insert_rows(connection, "INSERT OR REPLACE INTO resting", joined)
            for seen in in_pieces(batch.seen_numbers(), pause):
                insert_rows(connection, "INSERT OR REPLACE INTO seen", seen)
            pause()
            connection.execute(
                "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    batch.number,
                    batch.time,
                    batch.sequence,
                    _root_to_bytes(root),
                    batch.transactions,
                    batch.published,
                    batch.sources,
                    batch.undo,
                    Stage.SEALED,
                ),
            )

    def set_stage(self, number: int, stage: Stage) -> None:
        """Note how far a batch has come."""
        with _transaction(self._connection) as connection:
            connection.execute("UPDATE batch SET stage = ? WHERE number = ?", (stage, number))

    def batch(self, number: int) -> StoredBatch | None:
        """Read one batch."""
        found = self._batches("WHERE number = ?", (number,))
        return found[0] if found else None

    def latest_batches(self, count: int) -> list[StoredBatch]:
        """Read the newest batches, newest first."""
        return self._batches("ORDER BY number DESC LIMIT ?", (count,))

    def batches_at(self, stage: Stage) -> list[StoredBatch]:
        """Read all batches that have come this far and no further, oldest first."""
        return self._batches("WHERE stage = ? ORDER BY number", (stage,))

    def _batches(self, condition: str, values: tuple[int | str, ...]) -> list[StoredBatch]:
        columns = "number, time, sequence, root, transactions, published, stage"
        with self._reader_lock:
            rows = self._reader.execute(f"SELECT {columns} FROM batch {condition}", values).fetchall()  # noqa: S608 - the conditions are constants of this class
        return [
            StoredBatch(
                BatchNumber(number), time, sequence, _root_from_bytes(root), count, published, Stage(stage)
            )
            for number, time, sequence, root, count, published, stage in rows
        ]

    def sources_of(self, number: int) -> list[Source]:
        """Read which inputs a batch's transactions came from."""
        with self._reader_lock:
            row = self._reader.execute("SELECT sources FROM batch WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise StorageError(f"there is no batch {number}")
        return sources_of(row[0])

    def leaves_before(self, number: int) -> dict[LeafIndex, Leaf | None]:
        """Read what a batch overwrote: applied backwards from the newest, it leads to any older state."""
        with self._reader_lock:
            row = self._reader.execute("SELECT undo FROM batch WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise StorageError(f"there is no batch {number}")
        return undo_of(row[0])

    def state_before(self, number: int) -> State:
        """Read the newest state and put back what this batch and all later ones overwrote."""
        with self._reader_lock, _reading(self._reader) as read:
            leaves: dict[LeafIndex, Leaf] = {
                place: decode_leaf(encoded) for place, encoded in read("SELECT place, encoded FROM leaf")
            }
            rows = read("SELECT undo FROM batch WHERE number >= ? ORDER BY number DESC", (number,))
            for (undo,) in rows:
                for place, leaf in undo_of(undo).items():
                    if leaf is None:
                        leaves.pop(place, None)
                    else:
                        leaves[place] = leaf
        return State(VersionedMap(leaves))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._connection.close()


@contextmanager
def _reading(
    connection: sqlite3.Connection,
) -> Iterator[Callable[..., sqlite3.Cursor]]:
    """Several queries that see one moment, whatever is written meanwhile."""
    connection.execute("BEGIN")
    try:
        yield connection.execute
    finally:
        connection.execute("ROLLBACK")


def insert_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, many with one statement.

    Python's lock is let go of, and fought for again, at every statement: a row each would cost a group of orders
    tens of milliseconds while the loop is busy.
    """
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        some = rows[start : start + ROWS_A_STATEMENT]
        marks = f"({', '.join('?' * len(some[0]))})"
        connection.execute(
            f"{statement} VALUES {', '.join([marks] * len(some))}", [value for row in some for value in row]
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """A transaction that is rolled back if anything goes wrong."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _root_to_bytes(root: tuple[int, ...]) -> bytes:
    return b"".join(element.to_bytes(4) for element in root)


def _root_from_bytes(encoded: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(encoded[start : start + 4]) for start in range(0, len(encoded), 4))
