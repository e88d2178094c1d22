"""A restart: the journal applied again from the last checkpoint on, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass

from rollup.node.effects import Effects, SealedBatch
from rollup.node.engine import Engine
from rollup.node.feed import Feed
from rollup.node.inputs import InputKind, decode_input
from rollup.node.news import trade_news
from rollup.node.storage import Checkpoint, Journal, StorageError


class ReplayError(StorageError):
    """The journal does not lead where it led before."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What a start found on the disk."""

    sequence: int
    replayed: int
    batch: int
    is_open: bool
    open_orders: int
    seconds: float

    def describe(self) -> str:
        """Say it in a line."""
        open_batch = f"batch {self.batch} is open" if self.is_open else f"batch {self.batch} is closed"
        return (
            f"restarted at input {self.sequence}, the last acknowledged one: {self.replayed} inputs replayed since the"
            f" last checkpoint, {open_batch}, {self.open_orders} orders in the book, {self.seconds:.2f} s"
        )


def replay(
    engine: Engine, journal: Journal, checkpoint: Checkpoint, feed: Feed
) -> tuple[list[SealedBatch], int]:
    """Apply what follows a checkpoint; batches that were closed since, and the number of inputs, are returned.

    Signatures are not verified again: what is in the journal was verified before it was written.
    """
    unsaved: list[SealedBatch] = []
    replayed = 0
    for row in journal.rows_after(checkpoint.sequence):
        if row.sequence != engine.sequence + 1:
            raise ReplayError(f"the journal goes on with input {row.sequence}, not {engine.sequence + 1}")
        entry = decode_input(InputKind(row.kind), row.payload)
        message = engine.signed_message(entry)
        if message is not None:
            engine.check.remember(*message)
        effects = engine.apply(entry)
        if not isinstance(effects, Effects) or effects.fingerprint != row.fingerprint:
            raise ReplayError(f"input {row.sequence} does something else now than when it was acknowledged")
        batch = engine.state.system.batch_number
        feed.recent_trades.extend(trade_news(effects, fill, batch) for fill in effects.fills)
        if effects.sealed is not None:
            unsaved.append(effects.sealed)
        replayed += 1
    if journal.last_sequence() < checkpoint.sequence:
        raise ReplayError(
            f"the journal ends before input {checkpoint.sequence}, where the last checkpoint stands"
        )
    engine.book.touched.clear()
    return unsaved, replayed
