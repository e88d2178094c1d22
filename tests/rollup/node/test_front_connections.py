"""Fronts and unfriendly people: what is sent to harm the others harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
from pathlib import Path

import pytest

from rollup.node.refusals import Refusal
from tests.rollup.node.front_desk import answer, ask, fronted, request, run
from tests.rollup.node.server_desk import Served

FEW_DESCRIPTORS = 164
"""Of a front that shall hold fifty connections."""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: n\r\nConnection: keep-alive\r\nConnection: keep-alive\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: n\r\nX: a\r\n b\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: n\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost : n\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
    ],
    ids=["connection twice", "a folded line", "endless", "a space before the colon", "no HTTP"],
)
def test_a_head_that_is_not_understood_ends_the_connection(tmp_path: Path, head: bytes) -> None:
    """Were it passed on, everything behind it would reach the node without being counted."""

    async def scene(node: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(node.url.rsplit(":", 1)[1]))
        writer.write(head + request("GET", "/health") * 3)
        status, body = await answer(reader)
        assert (status, json.loads(body)["error"]) == (400, Refusal.MALFORMED)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()

    run(tmp_path, scene)


def test_an_empty_line_before_a_request_hides_nothing_from_the_count(tmp_path: Path) -> None:
    async def scene(node: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(node.url.rsplit(":", 1)[1]))
        writer.write(b"\r\n" + request("GET", "/health") * 4)
        assert [(await answer(reader))[0] for _ in range(4)] == [200, 200, 429, 429]
        writer.close()

    run(tmp_path, scene, fronted(requests_per_second=0.001, request_burst=2))


def test_silent_connections_keep_nobody_out(tmp_path: Path) -> None:
    """A process may hold so many sockets: whoever has been silent longest makes room."""

    async def scene(node: Served) -> None:
        # The front has its limit from its start; this process needs more for all who are silent.
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        port = int(node.url.rsplit(":", 1)[1])
        most = (FEW_DESCRIPTORS - 64) // 2
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(most + 5)]
        assert (await ask(node.url, request("GET", "/health")))[0] == 200
        assert await asyncio.wait_for(silent[0][0].read(), 10) == b""
        for _, writer in silent:
            writer.close()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_DESCRIPTORS, hard))
    try:
        run(tmp_path, scene, has_process=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
