"""Canonical bytes: a submitted transaction, and the data a batch publishes on L1.

    batch data      every number whole 16-bit words, high byte first
      header        version, length, batch number, time, queue start, three counts: 26 bytes, offsets constant
      queue items   tag (1 word), time of queueing (3 words), body in words layout
      records       packed layout: tag, fields (`rollup.fields`)
      claims        owner (10 words), amount (4 words): the last 28 bytes times their count

The contract reads the header at constant offsets, compares the queue items with its queue, and builds the claim tree
from the end; it never looks into a record.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollup.events import Claim
from rollup.fields import (
    MalformedError,
    from_words,
    pack,
    packed_bytes,
    tag_of_packed,
    to_words,
    unpack,
    word_bytes,
)
from rollup.outcome import QueueItem, Record, Transaction
from rollup.transactions import TAGS, TRANSACTIONS
from rollup.units import BatchNumber, Count, DataLength, DataVersion, QueuePosition, Time

DATA_VERSION: DataVersion = DataVersion(1)
"""Changes whenever the same bytes would mean something else."""

TAG_BYTES: int = 2
"""A queue item's and a submitted transaction's tag: one word."""


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What stands before the sections of a batch's data."""

    version: DataVersion
    length: DataLength
    number: BatchNumber
    time: Time
    queue_start: QueuePosition
    items: Count
    records: Count
    claims: Count


@dataclass(frozen=True, slots=True)
class QueuedAt:
    """When the contract queued an item."""

    time: Time


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """A queue item with its L1 time."""

    time: Time
    item: QueueItem


@dataclass(frozen=True, slots=True)
class BatchContent:
    """Everything a batch publishes."""

    number: BatchNumber
    time: Time
    queue_start: QueuePosition
    items: tuple[QueuedItem, ...]
    records: tuple[Record, ...]
    claims: tuple[Claim, ...]


def encode_transaction(transaction: Transaction | QueueItem) -> bytes:
    """Spell a submitted transaction or queue item: its tag, then its fields in words layout."""
    return TAGS[type(transaction)].to_bytes(TAG_BYTES, "big") + to_words(transaction)


def decode_transaction(encoded: bytes) -> Transaction | QueueItem:
    """Read a submitted transaction or queue item, strictly."""
    tag = int.from_bytes(encoded[:TAG_BYTES], "big")
    if len(encoded) < TAG_BYTES or tag >= len(TRANSACTIONS):
        raise MalformedError("no transaction has this tag")
    return from_words(TRANSACTIONS[tag].submitted, encoded[TAG_BYTES:])


def encode_queued_item(queued: QueuedItem) -> bytes:
    """Spell a queue item with its time, as the contract hashes and a batch repeats it."""
    tag = TAGS[type(queued.item)].to_bytes(TAG_BYTES, "big")
    return tag + to_words(QueuedAt(queued.time)) + to_words(queued.item)


def encode_record(record: Record) -> bytes:
    """Spell what is published of a transaction."""
    return pack(TAGS[type(record)], record)


def encode_batch(content: BatchContent, spelled_records: bytes | None = None) -> bytes:
    """Spell a batch's data; records that were spelled one by one, as they came, need not be spelled again."""
    items = b"".join(encode_queued_item(queued) for queued in content.items)
    records = (
        b"".join(encode_record(record) for record in content.records)
        if spelled_records is None
        else spelled_records
    )
    claims = b"".join(to_words(claim) for claim in content.claims)
    header = BatchHeader(
        DATA_VERSION,
        DataLength(word_bytes(BatchHeader) + len(items) + len(records) + len(claims)),
        content.number,
        content.time,
        content.queue_start,
        Count(len(content.items)),
        Count(len(content.records)),
        Count(len(content.claims)),
    )
    return to_words(header) + items + records + claims


class _Reader:
    """Takes bytes off the front."""

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self.offset = 0

    def peek(self, length: int) -> bytes:
        """Look at the next bytes."""
        piece = self.encoded[self.offset : self.offset + length]
        if len(piece) != length:
            raise MalformedError("the data ends early")
        return piece

    def take(self, length: int) -> bytes:
        """Read the next bytes."""
        piece = self.peek(length)
        self.offset += length
        return piece


def _read_queued_item(reader: _Reader) -> QueuedItem:
    tag = int.from_bytes(reader.take(TAG_BYTES), "big")
    entry = TRANSACTIONS[tag] if tag < len(TRANSACTIONS) else None
    if entry is None or not entry.is_from_queue:
        raise MalformedError("no queue item has this tag")
    time = from_words(QueuedAt, reader.take(word_bytes(QueuedAt))).time
    item = from_words(entry.published, reader.take(word_bytes(entry.published)))
    assert isinstance(item, QueueItem)
    return QueuedItem(time, item)


def _read_record(reader: _Reader) -> Record:
    tag = tag_of_packed(reader.peek(1)[0])
    if tag >= len(TRANSACTIONS) or TRANSACTIONS[tag].is_from_queue:
        raise MalformedError("no published transaction has this tag")
    published = TRANSACTIONS[tag].published
    return unpack(published, reader.take(packed_bytes(published)))


def decode_batch(encoded: bytes) -> BatchContent:
    """Read a batch's data, strictly: what is read is spelled by exactly these bytes."""
    reader = _Reader(encoded)
    header = from_words(BatchHeader, reader.take(word_bytes(BatchHeader)))
    if header.version != DATA_VERSION:
        raise MalformedError(f"data version {header.version} is not {DATA_VERSION}")
    if header.length != len(encoded):
        raise MalformedError(f"the data is {len(encoded)} bytes, not the {header.length} it says")
    items = tuple(_read_queued_item(reader) for _ in range(header.items))
    records = tuple(_read_record(reader) for _ in range(header.records))
    claims = tuple(from_words(Claim, reader.take(word_bytes(Claim))) for _ in range(header.claims))
    if reader.offset != len(encoded):
        raise MalformedError("bytes follow the last claim")
    return BatchContent(header.number, header.time, header.queue_start, items, records, claims)
