"""Heads of HTTP messages, as far as a front must understand them to know where each ends.

What is plain is answered here or passed on as one request; what can be read and is not plain goes to the node's own
server, which then answers and closes; what cannot be read is refused by the front.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Final

HEAD_END: Final = b"\r\n\r\n"

LONGEST_HEAD: Final = 32 * 1024
"""Longer ones are refused."""

LONGEST_NUMBER: Final = 18

LONGEST_REMEMBERED: Final = 1024
"""Longer heads are read anew: nobody shall fill the memory with them."""

_TOKEN: Final = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_BARE: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
"""Answers that have no body, whatever their head says."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What the head of a request asks for."""

    method: str
    target: str
    length: int
    """Bytes of the body."""
    is_plain: bool
    """Its end is known, and another request may follow."""
    is_last: bool
    """The client wants the connection closed behind the answer."""


def request_head(head: bytes) -> RequestHead | None:
    """Read a request's head without the empty line; None: it cannot be understood."""
    return _remembered(head) if len(head) <= LONGEST_REMEMBERED else _read_head(head)


@lru_cache(maxsize=1024)
def _remembered(head: bytes) -> RequestHead | None:
    """A program's heads are all alike."""
    return _read_head(head)


def _read_head(head: bytes) -> RequestHead | None:
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    headers = _headers(lines)
    if headers is None or len(words) != 3 or not _TOKEN.issuperset(words[0]) or not words[0] or not words[1]:
        return None
    if not words[1].isascii() or min(words[1]) <= ord(" ") or words[2] not in {b"HTTP/1.1", b"HTTP/1.0"}:
        return None
    connection = headers.get(b"connection", b"").lower()
    length = _length(headers)
    is_plain = (
        length is not None
        and words[2] == b"HTTP/1.1"
        and connection in {b"", b"close", b"keep-alive"}
        and not headers.keys() & {b"transfer-encoding", b"expect", b"upgrade", b"content-encoding"}
    )
    return RequestHead(words[0].decode(), words[1].decode(), length or 0, is_plain, connection == b"close")


def wants_upgrade(head: bytes) -> bool:
    """Say whether a request asks for another protocol, as a listener of the feed does."""
    headers = _headers(head.split(b"\r\n")[1:]) or {}
    return b"upgrade" in headers and not headers.keys() & {b"transfer-encoding", b"expect"}


def with_close(head: bytes) -> bytes:
    """The same request, asking for the connection to be closed behind the answer."""
    first, *lines = head.split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].lower() != b"connection"]
    return b"\r\n".join([first, *kept, b"Connection: close"])


def answer_head(head: bytes, method: str) -> tuple[int, int | None]:
    """The status of an answer of the node's server, and the bytes of its body; None: it ends with the connection."""
    first, *lines = head.split(b"\r\n")
    status = int(first.split(b" ", 2)[1])
    headers = _headers(lines) or {}
    if method == "HEAD" or status in _BARE:
        return status, 0
    return status, None if b"transfer-encoding" in headers else _length(headers, None)


def json_answer(status: int, body: bytes, *, is_last: bool = False) -> bytes:
    """Spell an answer as the node's server does."""
    return _answer_start(status, int(time()), is_last=is_last) + b"%d\r\n\r\n" % len(body) + body


@lru_cache(maxsize=64)
def _answer_start(status: int, now: int, *, is_last: bool) -> bytes:
    closing = "Connection: close\r\n" if is_last else ""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Date: {formatdate(now, usegmt=True)}\r\n{closing}Content-Length: "
    ).encode()


def _headers(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """Headers by their names in lower case; None where a line is odd, or a length is given twice."""
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if (
            not colon
            or not name
            or not _TOKEN.issuperset(name)
            or b"\n" in value
            or b"\r" in value
            or b"\0" in value
        ):
            return None
        name = name.lower()
        if name in headers and name in {b"content-length", b"connection", b"transfer-encoding"}:
            return None
        headers[name] = value.strip(b" \t")
    return headers


def _length(headers: dict[bytes, bytes], missing: int | None = 0) -> int | None:
    """The length of a body; None where it cannot be told."""
    spelled = headers.get(b"content-length")
    if spelled is None:
        return missing
    if not spelled.isdigit() or len(spelled) > LONGEST_NUMBER:
        return None
    return int(spelled)
