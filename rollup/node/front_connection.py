"""A connection of a person to a front: submissions are read here, everything else goes to the node's own server.

One request is answered at a time, in the order in which they come, as HTTP wants it.
"""

from __future__ import annotations

import asyncio
import json
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rollup.node.http_heads import (
    HEAD_END,
    LONGEST_HEAD,
    RequestHead,
    answer_head,
    json_answer,
    request_head,
    wants_upgrade,
    with_close,
)
from rollup.node.refusals import Refusal
from rollup.node.submissions import READERS, RefusedError, read_submission, refusal_answer
from rollup.node.wire import Json

if TYPE_CHECKING:
    from rollup.node.front import Front

READ_AHEAD: Final = 64 * 1024
"""Bytes of later requests that may wait; then the sender does."""

SWITCHING_PROTOCOLS: Final = 101


class _Turn(Enum):
    """Who speaks."""

    PERSON = auto()
    """A request is awaited."""
    NODE = auto()
    """An answer is awaited."""
    BOTH = auto()
    """Bytes are passed on as they come: a feed, or a request that only the node's server understands."""


class Connection(asyncio.Protocol):
    """Reads requests and writes answers."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._transport: Any = None
        self._address = ""
        self._read = bytearray()
        self._turn = _Turn.PERSON
        self._is_last = False
        self._is_paused = False
        self._relay: Relay | None = None
        self._asked_since = monotonic()
        """When the next request began to be awaited."""

    @property
    def waiting_since(self) -> float | None:
        """When a whole request began to be awaited; None while something is answered or passed on."""
        return self._asked_since if self._turn is _Turn.PERSON else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._front.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The person is gone."""
        del exc
        self._transport = None
        self._front.left(self)
        if self._relay is not None:
            self._relay.close()

    def data_received(self, data: bytes) -> None:
        """Pass on, or read what is whole."""
        if self._turn is _Turn.BOTH and self._relay is not None:
            self._relay.write(data)
            return
        self._read += data
        self._go_on()
        if self._turn is not _Turn.PERSON and len(self._read) > READ_AHEAD:
            self.pause()

    def pause_writing(self) -> None:
        """The person reads too slowly: the node's server waits, as if they were connected to it."""
        if self._relay is not None:
            self._relay.pause()

    def resume_writing(self) -> None:
        """The person has caught up."""
        if self._relay is not None:
            self._relay.resume()

    def pause(self) -> None:
        """Read nothing more for now."""
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    # -------------------------------------------------------------------------------------------- requests

    def _go_on(self) -> None:
        """Read the next request, if it is whole and nobody waits for an answer."""
        while self._turn is _Turn.PERSON and self._transport is not None and self._read:
            # An empty line before a request says nothing, and servers pass it over.
            while self._read.startswith(b"\r\n"):
                del self._read[:2]
            end = self._read.find(HEAD_END, 0, LONGEST_HEAD)
            if end < 0:
                if len(self._read) >= LONGEST_HEAD:
                    self._refuse_head("the head of a request is too long")
                return
            head = bytes(self._read[:end])
            asked = request_head(head)
            rest = end + len(HEAD_END)
            if asked is None:
                # It could be several requests to the node's server, of which none would be counted.
                self._refuse_head("the head of a request is not one of HTTP/1.1")
                return
            if not (asked.is_plain or wants_upgrade(head)) or asked.length > self._front.body_bytes:
                self._pass_everything_on(with_close(head) + bytes(self._read[end:]))
                return
            if len(self._read) < rest + asked.length:
                return
            request = bytes(self._read[: rest + asked.length])
            del self._read[: rest + asked.length]
            self._take(asked, request, rest)

    def _take(self, asked: RequestHead, request: bytes, body_at: int) -> None:
        """Answer a request, or pass it on."""
        self._is_last = asked.is_last or self._front.is_stopping
        self._turn = _Turn.NODE
        if not self._front.allows(self._address):
            self.refuse(*refusal_answer(Refusal.RATE_EXCEEDED))
        elif asked.method == "POST" and asked.target in READERS and asked.is_plain:
            try:
                submission = read_submission(asked.target, request[body_at:])
            except RefusedError as refused:
                self.refuse(*refusal_answer(refused.reason, refused.detail))
            else:
                self._front.submit(self, submission)
        else:
            self._relay = Relay(self, request, asked.method)
            self._front.relay(self._relay)

    def _refuse_head(self, detail: str) -> None:
        """Answer what is no request, and end: where the next one begins cannot be told."""
        self._read.clear()
        self._is_last = True
        self._turn = _Turn.NODE
        reason = Refusal.MALFORMED if self._front.allows(self._address) else Refusal.RATE_EXCEEDED
        self.refuse(*refusal_answer(reason, detail if reason is Refusal.MALFORMED else ""))

    def _pass_everything_on(self, everything: bytes) -> None:
        """Leave the connection to the node's server, which answers this request and closes it."""
        self._read.clear()
        self._is_last = True
        self._turn = _Turn.NODE
        if not self._front.allows(self._address):
            self.refuse(*refusal_answer(Refusal.RATE_EXCEEDED))
            return
        self._turn = _Turn.BOTH
        self._relay = Relay(self, everything, None)
        self._front.relay(self._relay)

    # --------------------------------------------------------------------------------------------- answers

    def answer(self, status: int, body: bytes) -> None:
        """Answer a submission."""
        if self._transport is None:
            return
        self._transport.write(json_answer(status, body, is_last=self._is_last or self._front.is_stopping))
        self.answered()

    def refuse(self, status: int, body: Json) -> None:
        """Answer with a refusal that was found here."""
        self.answer(status, json.dumps(body).encode())

    def write(self, data: bytes) -> None:
        """Pass on what the node's server says."""
        if self._transport is not None:
            self._transport.write(data)

    def answered(self) -> None:
        """An answer is whole: read on."""
        self._relay = None
        if self._is_last or self._front.is_stopping:
            self.close()
            return
        self._turn = _Turn.PERSON
        self._asked_since = monotonic()
        self.resume()
        if self._read:
            # Not from within: a person who sends many requests at once shall not make the stack deep.
            asyncio.get_running_loop().call_soon(self._go_on)

    def switch(self) -> None:
        """From now on bytes are passed on as they come."""
        self._turn = _Turn.BOTH
        if self._read and self._relay is not None:
            self._relay.write(bytes(self._read))
            self._read.clear()

    def close(self) -> None:
        """End, once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def close_if_idle(self) -> None:
        """End, unless an answer is awaited."""
        if self._turn is not _Turn.NODE:
            self.close()


class Relay(asyncio.Protocol):
    """A request on its way to the node's own server, and its answer on the way back."""

    def __init__(self, client: Connection, request: bytes, method: str | None) -> None:
        """`method` is None where nothing is understood: bytes are passed on until the server closes."""
        self.client = client
        self.is_answered = asyncio.Event()
        self._request = request
        self._method = method
        self._transport: Any = None
        self._read = b""
        self._remaining: int | None = None
        """Bytes of the answer's body that are still to come; None: its head is not read yet, or nobody counts."""
        self._is_open_ended = method is None
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = transport
        if self._is_closed:
            self._transport.close()
            return
        self._transport.write(self._request)
        if self._is_open_ended:
            # A feed, or a server that closes by itself: nobody who stops waits for it.
            self.is_answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed: where that is not behind a whole answer, the person's connection ends too."""
        del exc
        self._transport = None
        if not self._is_closed:
            self._is_closed = True
            self.client.close()
        self.is_answered.set()

    def data_received(self, data: bytes) -> None:
        """Pass the answer on, and notice its end."""
        if self._is_open_ended:
            self.client.write(data)
            return
        if self._remaining is None:
            self._read += data
            head, found, data = self._read.partition(HEAD_END)
            if not found:
                return
            status, self._remaining = answer_head(head, self._method or "")
            self.client.write(head + HEAD_END)
            if status == SWITCHING_PROTOCOLS or self._remaining is None:
                self._is_open_ended = True
                self.is_answered.set()
                self.client.write(data)
                self.client.switch()
                return
        self.client.write(data)
        self._remaining -= len(data)
        if self._remaining <= 0:
            self.close()
            self.client.answered()

    def write(self, data: bytes) -> None:
        """Pass on what the person says."""
        if self._transport is None:
            self._request += data
        else:
            self._transport.write(data)

    def pause(self) -> None:
        """Let the server wait."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Let it go on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The server reads too slowly: the person waits."""
        self.client.pause()

    def resume_writing(self) -> None:
        """The server has caught up."""
        self.client.resume()

    def close(self) -> None:
        """End."""
        self._is_closed = True
        if self._transport is not None:
            self._transport.close()
