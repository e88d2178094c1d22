"""Heads of HTTP messages: what is plain is understood, and nothing else is."""

from __future__ import annotations

import pytest

from rollup.node.http_heads import answer_head, json_answer, request_head, wants_upgrade, with_close


def head(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("latin-1")


def test_a_plain_request_is_understood() -> None:
    read = request_head(
        head("POST /v1/orders HTTP/1.1", "Host: node", "content-LENGTH:  12 ", "Connection: Close")
    )
    assert read is not None
    assert (read.method, read.target, read.length, read.is_plain, read.is_last) == (
        "POST",
        "/v1/orders",
        12,
        True,
        True,
    )
    read = request_head(head("GET / HTTP/1.1", "Host: node", "Connection: keep-alive"))
    assert read is not None
    assert (read.length, read.is_plain, read.is_last) == (0, True, False)


@pytest.mark.parametrize(
    "line",
    [
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Upgrade: websocket",
        "Content-Encoding: gzip",
        "Connection: keep-alive, Upgrade",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 1_0",
        "Content-Length: 0x10",
        "Content-Length:",
        "Content-Length: 1, 1",
        f"Content-Length: {'9' * 19}",
    ],
)
def test_what_changes_where_a_request_ends_is_not_plain(line: str) -> None:
    read = request_head(head("POST /v1/orders HTTP/1.1", "Host: node", line))
    assert read is not None
    assert not read.is_plain


@pytest.mark.parametrize(
    "lines",
    [
        ("POST /v1/orders HTTP/1.1", "Content-Length: 1", "Content-Length: 1"),
        ("POST /v1/orders HTTP/1.1", "Content-Length: 1", "content-length: 2"),
        ("POST /v1/orders HTTP/1.1", "Content-Length : 1"),
        ("POST /v1/orders HTTP/1.1", " Content-Length: 1"),
        ("POST /v1/orders HTTP/1.1", "Host: node\nContent-Length: 1"),
        ("POST /v1/orders HTTP/1.1", "Host: node\rContent-Length: 1"),
        ("POST /v1/orders HTTP/1.1", "Host: \0"),
        ("POST /v1/orders HTTP/1.1", "no colon"),
        ("POST /v1/orders HTTP/1.1", ": no name"),
        ("POST  /v1/orders HTTP/1.1",),
        ("POST /v1/orders HTTP/2.0",),
        ("POST /v1/orders",),
        ("POST /v1/\xf6rders HTTP/1.1",),
        ("P(ST /v1/orders HTTP/1.1",),
        ("", "POST /v1/orders HTTP/1.1"),
    ],
)
def test_an_odd_head_is_not_understood(lines: tuple[str, ...]) -> None:
    """Two readings of one request are what smuggling is made of: the node's server alone reads what is odd."""
    assert request_head(head(*lines)) is None


def test_an_older_version_is_understood_and_not_plain() -> None:
    read = request_head(head("GET / HTTP/1.0"))
    assert read is not None
    assert not read.is_plain


def test_only_a_plain_upgrade_is_one() -> None:
    upgrade = ("GET /v1/feed HTTP/1.1", "Host: node", "Upgrade: websocket", "Connection: Upgrade")
    assert wants_upgrade(head(*upgrade))
    assert not wants_upgrade(head(*upgrade, "Transfer-Encoding: chunked"))
    assert not wants_upgrade(head(*upgrade[:2]))
    assert not wants_upgrade(head(*upgrade, "no colon"))


def test_a_request_can_be_told_to_close() -> None:
    asked = head("GET / HTTP/1.1", "Host: node", "connection: keep-alive", "X: y")
    assert with_close(asked) == head("GET / HTTP/1.1", "Host: node", "X: y", "Connection: close")


def test_the_end_of_an_answer_is_known() -> None:
    assert answer_head(head("HTTP/1.1 200 OK", "Content-Length: 5"), "GET") == (200, 5)
    assert answer_head(head("HTTP/1.1 200 OK", "Content-Length: 5"), "HEAD") == (200, 0)
    assert answer_head(head("HTTP/1.1 304 Not Modified", "Content-Length: 5"), "GET") == (304, 0)
    assert answer_head(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), "GET") == (200, None)
    assert answer_head(head("HTTP/1.1 101 Switching Protocols"), "GET") == (101, None)


def test_an_answer_is_http() -> None:
    first, _, body = json_answer(422, b'{"error": "busy"}').partition(b"\r\n\r\n")
    lines = first.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 422 Unprocessable Entity"
    assert "Content-Length: 17" in lines
    assert "Content-Type: application/json; charset=utf-8" in lines
    assert not any(line.startswith("Connection") for line in lines)
    assert body == b'{"error": "busy"}'
    assert b"\r\nConnection: close\r\n" in json_answer(200, b"{}", is_last=True)
