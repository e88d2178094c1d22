"""What follows from an input: fills, departures, and now and then a closed batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

from rollup.batch import Batch
from rollup.codec import BatchContent
from rollup.events import Traded
from rollup.node.order_book import Departed, Entry
from rollup.outcome import Outcome
from rollup.state import Account, Leaf, LeafIndex
from rollup.units import AccountId, BatchNumber, OrderNumber, SlotIndex, Time


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade with the two orders that made it."""

    trade: Traded
    maker: Entry
    taker: Entry


@dataclass(slots=True)
class BookChanges:
    """How the book differs from the last checkpoint: what a checkpoint has to write."""

    joined: dict[int, Entry] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    seen: dict[tuple[AccountId, SlotIndex], OrderNumber] = field(default_factory=dict)
    """Largest order number of each slot that was used."""

    def enter(self, entry: Entry) -> None:
        """Note an order that rests."""
        self.joined[entry.sequence] = entry

    def leave(self, entry: Entry) -> None:
        """Note an order that is gone."""
        if self.joined.pop(entry.sequence, None) is None:
            self.left.add(entry.sequence)


class Source(NamedTuple):
    """Which inputs a transaction came from: its own, or those of a trade's two orders."""

    first: int
    second: int = 0
    buyer_is_maker: bool = False
    lots: int = 0


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A closed batch with all that is kept of it."""

    batch: Batch
    content: BatchContent
    published: bytes
    sources: tuple[Source, ...]
    before: dict[LeafIndex, Leaf | None]
    after: dict[LeafIndex, Leaf]
    sequence: int
    book: BookChanges

    @property
    def number(self) -> BatchNumber:
        """Its number."""
        return self.batch.number


@dataclass(frozen=True, slots=True)
class Effects:
    """What an input did."""

    sequence: int
    time: Time
    fills: tuple[Fill, ...] = ()
    departed: tuple[Departed, ...] = ()
    placed: Entry | None = None
    outcomes: tuple[Outcome, ...] = ()
    spelled: tuple[bytes, ...] = ()
    """What each outcome publishes; for queue items, what became of them."""
    sealed: SealedBatch | None = None

    @property
    def fingerprint(self) -> int:
        """A checksum of what the input did, so that a replay that does something else is noticed."""
        checksum = crc32(self.sequence.to_bytes(8))
        for spelled in self.spelled:
            checksum = crc32(spelled, checksum)
        for one in self.departed:
            checksum = crc32(f"{one.entry.sequence} {one.reason}".encode(), checksum)
        return crc32(self.sealed.published, checksum) if self.sealed else checksum


def registered(effects: Effects) -> list[Account]:
    """The accounts that an input gave another key."""
    return [
        change.after
        for outcome in effects.outcomes
        for event in outcome.events
        for change in event.changes
        if isinstance(change.after, Account)
        and (change.before.key if isinstance(change.before, Account) else None) != change.after.key
    ]
