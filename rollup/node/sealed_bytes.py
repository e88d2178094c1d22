"""A closed batch in bytes: what a checkpoint keeps of it, on its way to whoever writes checkpoints.

head: number (4), time (8), sequence (8), transactions (4), then the length of each part (4 each)
published    what goes to Ethereum
sources      for each transaction: first input (8), second (8), whether the buyer made (1), lots (2)
undo         for each leaf that was overwritten: place (8), length (2), the leaf as it was, or nothing
leaves       the same as they are now
resting      for each order that joined the book: sequence (8), length (2), the signed order in words layout
left         for each that left it: sequence (8)
seen         for each slot that was used: account and slot (8), largest order number (4)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeVar

from rollup.node.effects import SealedBatch, Source
from rollup.node.inputs import words_of
from rollup.node.leaf_bytes import decode_leaf, encode_leaf
from rollup.node.pace import PIECE
from rollup.state import Leaf, LeafIndex

T = TypeVar("T")

_SOURCE: Final = Struct(">QQBH")
_ENTRY: Final = Struct(">QH")
_LEFT: Final = Struct(">Q")
_SEEN: Final = Struct(">QI")


@dataclass(frozen=True, slots=True)
class SpelledBatch:
    """A closed batch as it is written down."""

    number: int
    time: int
    sequence: int
    transactions: int
    published: bytes
    sources: bytes
    undo: bytes
    leaves: bytes
    resting: bytes
    left: bytes
    seen: bytes

    def to_bytes(self) -> bytes:
        """Spell it whole."""
        parts = [getattr(self, name) for name in _PARTS]
        numbers = self.number, self.time, self.sequence, self.transactions
        return _HEAD.pack(*numbers, *map(len, parts)) + b"".join(parts)

    @classmethod
    def from_bytes(cls, encoded: bytes) -> SpelledBatch:
        """Read it again."""
        number, time, sequence, transactions, *lengths = _HEAD.unpack_from(encoded)
        parts, start = [], _HEAD.size
        for length in lengths:
            parts.append(encoded[start : start + length])
            start += length
        return cls(number, time, sequence, transactions, *parts)

    def left_sequences(self) -> list[int]:
        """Orders that are no longer in the book."""
        return [sequence for (sequence,) in _LEFT.iter_unpack(self.left)]

    def seen_numbers(self) -> list[tuple[int, int]]:
        """Slots and the largest order number of each."""
        return list(_SEEN.iter_unpack(self.seen))


_PARTS: Final = ("published", "sources", "undo", "leaves", "resting", "left", "seen")
_HEAD: Final = Struct(f">IQQI{len(_PARTS)}I")


def spelling(sealed: SealedBatch) -> Generator[None, None, SpelledBatch]:
    """Spell a closed batch a piece at a time: whoever runs this may let others go first at each `yield`."""
    book = sealed.book
    undo = yield from _joined([*sealed.before.items()], lambda one: _entry(one[0], _leaf_bytes(one[1])))
    leaves = yield from _joined([*sealed.after.items()], lambda one: _entry(one[0], encode_leaf(one[1])))
    resting = yield from _joined([*book.joined.items()], lambda one: _entry(one[0], words_of(one[1].signed)))
    left = yield from _joined([*book.left], _LEFT.pack)
    seen = yield from _joined(
        [*book.seen.items()], lambda one: _SEEN.pack(one[0][0] << 8 | one[0][1], one[1])
    )
    sources = yield from _joined(sealed.sources, lambda one: _SOURCE.pack(*one))
    return SpelledBatch(
        int(sealed.number),
        int(sealed.batch.time),
        sealed.sequence,
        len(sealed.batch.transactions),
        sealed.published,
        sources,
        undo,
        leaves,
        resting,
        left,
        seen,
    )


def spelled(sealed: SealedBatch) -> SpelledBatch:
    """Spell a closed batch at once."""
    spelled_by = spelling(sealed)
    while True:
        try:
            next(spelled_by)
        except StopIteration as ended:
            found: SpelledBatch = ended.value
            return found


def _joined(entries: list[T] | tuple[T, ...], spell: Callable[[T], bytes]) -> Generator[None, None, bytes]:
    pieces: list[bytes] = []
    for start in range(0, len(entries), PIECE):
        pieces += map(spell, entries[start : start + PIECE])
        yield
    return b"".join(pieces)


def _entry(place: int, encoded: bytes) -> bytes:
    return _ENTRY.pack(place, len(encoded)) + encoded


def _leaf_bytes(leaf: Leaf | None) -> bytes:
    return b"" if leaf is None else encode_leaf(leaf)


def entries_of(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Read leaves or orders again, each with its place or number."""
    offset = 0
    while offset < len(encoded):
        place, length = _ENTRY.unpack_from(encoded, offset)
        offset += _ENTRY.size
        yield place, encoded[offset : offset + length]
        offset += length


def leaves_of(entries: Iterable[tuple[int, bytes]]) -> dict[LeafIndex, Leaf]:
    """Read leaves that are there."""
    return {LeafIndex(place): decode_leaf(encoded) for place, encoded in entries}


def undo_of(encoded: bytes) -> dict[LeafIndex, Leaf | None]:
    """Read what a batch overwrote."""
    return {LeafIndex(place): decode_leaf(leaf) if leaf else None for place, leaf in entries_of(encoded)}


def sources_of(encoded: bytes) -> list[Source]:
    """Read which inputs a batch's transactions came from."""
    return [
        Source(first, second, bool(is_buyer), lots)
        for first, second, is_buyer, lots in _SOURCE.iter_unpack(encoded)
    ]
