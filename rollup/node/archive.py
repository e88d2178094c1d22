"""A node's batches, read beside the node: by who proves them, in a process of its own.

A checkpoint is one transaction of SQLite, so whoever reads it in one transaction sees the end of one batch.
The state before an older batch is the newest one with what later batches overwrote put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rollup.batch import Batch
from rollup.node.proving import batch_of
from rollup.node.storage import Checkpoints, Journal, StorageError, StoredBatch
from rollup.state import State
from rollup.state_tree import StateTree
from rollup.units import BatchNumber


@dataclass(frozen=True, slots=True)
class ArchivedBatch:
    """A batch with the state that it found, and what its node says of it."""

    before: State
    batch: Batch
    root_before: tuple[int, ...] | None
    """None before the first batch."""
    stored: StoredBatch

    def tree(self, empty: StateTree) -> StateTree:
        """Hash the state that the batch found, and insist on the root that was written down for it."""
        tree = empty.updated(self.before.all_leaves())
        if self.root_before is not None and tree.root != self.root_before:
            raise StorageError(f"the state before batch {self.stored.number} does not hash to its root")
        return tree


class Archive:
    """The files of a node's folder; they are read without the node's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        files = path / "journal.sqlite", path / "checkpoint.sqlite"
        if not all(file.exists() for file in files):
            raise StorageError(f"there is no node's data in {path}")
        self.journal = Journal(files[0])
        try:
            self.checkpoints = Checkpoints(files[1])
        except BaseException:
            self.journal.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self.journal.close()
        self.checkpoints.close()

    def last_number(self) -> int:
        """The newest batch that is written down, or zero."""
        latest = self.checkpoints.latest_batches(1)
        return latest[0].number if latest else 0

    def batch(self, number: int) -> ArchivedBatch:
        """Read a batch and the state before it."""
        stored = self.checkpoints.batch(number)
        if stored is None:
            raise StorageError(f"there is no batch {number} in {self.path}")
        earlier = self.checkpoints.batch(number - 1)
        return ArchivedBatch(
            self.checkpoints.state_before(number),
            batch_of(self, BatchNumber(number), stored),
            None if earlier is None else earlier.root,
            stored,
        )
