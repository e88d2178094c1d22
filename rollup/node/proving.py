"""What a prover is handed: a stored batch with the signed orders behind its trades, out of checkpoint and journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rollup.authority import SignatureCheck
from rollup.batch import Batch
from rollup.codec import decode_batch
from rollup.node.effects import Source
from rollup.node.inputs import Input, InputKind, PlaceOrder, SubmitTransaction, decode_input
from rollup.node.storage import Checkpoints, DataDirectory, Journal, StorageError, StoredBatch
from rollup.outcome import Transaction
from rollup.rebuild import rebuild_batch
from rollup.state import State
from rollup.transactions import Trade
from rollup.units import BatchNumber, FillLots


class NodeFiles(Protocol):
    """Journal and checkpoints, whether or not the node's lock is held."""

    @property
    def journal(self) -> Journal:
        """Every acknowledged input."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """Every batch."""
        ...


def stored_batch(directory: DataDirectory, number: BatchNumber) -> Batch:
    """Put a batch together again as the sequencer applied it, signatures and all."""
    stored = directory.checkpoints.batch(number)
    if stored is None:
        raise StorageError(f"there is no batch {number} in {directory.path}")
    return batch_of(directory, number, stored)


def batch_of(files: NodeFiles, number: BatchNumber, stored: StoredBatch) -> Batch:
    """Put together the inputs that a batch was made of."""
    content = decode_batch(stored.published)
    sources = files.checkpoints.sources_of(number)
    return Batch(
        content.number,
        content.time,
        content.queue_start,
        content.items,
        tuple(_transaction(files.journal, source) for source in sources),
    )


def batches_to_prove(directory: DataDirectory, check: SignatureCheck) -> Iterator[tuple[State, Batch]]:
    """Every stored batch in order, each with the state before it; the check serves key registration only."""
    state = directory.checkpoints.genesis()
    number = BatchNumber(1)
    while (stored := directory.checkpoints.batch(number)) is not None:
        yield state, stored_batch(directory, number)
        state = rebuild_batch(state, stored.published, check)
        number = BatchNumber(number + 1)


def _transaction(journal: Journal, source: Source) -> Transaction:
    first = _input(journal, source.first)
    if isinstance(first, SubmitTransaction):
        return first.transaction
    second = _input(journal, source.second)
    if not isinstance(first, PlaceOrder) or not isinstance(second, PlaceOrder):
        raise StorageError(f"inputs {source.first} and {source.second} are not the orders of a trade")
    return Trade(first.signed, second.signed, source.buyer_is_maker, FillLots(source.lots))


def _input(journal: Journal, sequence: int) -> Input:
    (row,) = journal.rows((sequence,))
    return decode_input(InputKind(row.kind), row.payload)
