"""What the node and a front before it say to one another: frames on a pair of sockets that nobody else holds.

    length (4), kind (1), body

    node ──► front    greeting    what clearing house this is, what is put up with; JSON
                      keys        for each: serial (4), account (4), suite (2), 14 elements (4 each)
                      answer      request (8), status (2), body as JSON
                      stop        take no more, answer what waits, end
    front ──► node    ready       kernels are loaded, people are answered
                      submission  request (8), kind (1), verdict (1), serial of the key (4), as the journal spells it

A verdict counts only for the key that it names: the node compares it with the one that the account has by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from typing import Any, Final

from rollup.authority import TradingKey
from rollup.units import AccountId, FieldElement, SuiteId

_HEAD: Final = Struct(">IB")
SUBMISSION: Final = Struct(">QBBI")
ANSWER: Final = Struct(">QH")
_KEY: Final = Struct(">IIH14I")


class FrameKind(IntEnum):
    """What a frame says."""

    GREETING = 1
    KEYS = 2
    ANSWER = 3
    STOP = 4
    READY = 5
    SUBMISSION = 6


class Verdict(IntEnum):
    """What a front found out about a signature."""

    UNKNOWN = 0
    """It knows no key of this account, or nothing need be verified: the node looks itself."""
    VALID = 1
    REFUTED = 2


def frame(kind: FrameKind, body: bytes = b"") -> bytes:
    """Spell a frame."""
    return _HEAD.pack(len(body), kind) + body


def spell_keys(keys: list[tuple[int, AccountId, TradingKey]]) -> bytes:
    """Spell keys with their serials and accounts."""
    return b"".join(_KEY.pack(serial, account, key.suite, *key.x, *key.y) for serial, account, key in keys)


def spelled_keys(body: bytes) -> Iterator[tuple[int, AccountId, TradingKey]]:
    """Read them again."""
    for serial, account, suite, *elements in _KEY.iter_unpack(body):
        x: Any = tuple(FieldElement(element) for element in elements[:7])
        y: Any = tuple(FieldElement(element) for element in elements[7:])
        yield serial, AccountId(account), TradingKey(SuiteId(suite), x, y)


class Link(asyncio.Protocol):
    """One end: hands over whole frames, and writes what has gathered once a turn of the loop."""

    def __init__(self, heard: Callable[[FrameKind, bytes], None], lost: Callable[[], None]) -> None:
        self._heard = heard
        self._lost = lost
        self._read = bytearray()
        self._to_write: list[bytes] = []
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The other process is gone."""
        del exc
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Hand over every frame that is whole."""
        read = self._read
        read += data
        start = 0
        while len(read) - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(read, start)
            end = start + _HEAD.size + length
            if end > len(read):
                break
            self._heard(FrameKind(kind), bytes(read[start + _HEAD.size : end]))
            start = end
        del read[:start]

    def say(self, kind: FrameKind, body: bytes = b"") -> None:
        """Write a frame, together with whatever else is said in this turn."""
        if not self._to_write:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_write.append(frame(kind, body))

    def _flush(self) -> None:
        said, self._to_write = self._to_write, []
        if self._transport is not None:
            self._transport.write(b"".join(said))

    def close(self) -> None:
        """End."""
        if self._transport is not None:
            self._transport.close()
