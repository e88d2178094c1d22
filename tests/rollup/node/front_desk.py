"""A node behind a front, in this process or in one of its own, and bytes to ask it with."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from rollup.node.front import Front
from rollup.node.sequencer import Sequencer
from rollup.node.server import ServerSettings
from rollup.node.wire import order_to_json
from rollup.orders import SignedOrder
from tests.rollup.node.server_desk import Served, served

Scene = Callable[[Served], Awaitable[None]]


def fronted(**changes: Any) -> ServerSettings:
    return ServerSettings(**({"port": 0, "fronts": 1} | changes))


class FrontHere:
    """A front in the loop of its node, where a process of its own is not what is looked at."""

    def __init__(self, numbers: list[int]) -> None:
        link, handover, *listeners = (socket.socket(fileno=os.dup(number)) for number in numbers)
        self.pid = os.getpid()
        self.returncode = 0
        self._task = asyncio.create_task(Front(link, handover, listeners).run())

    async def wait(self) -> int:
        await self._task
        return self.returncode

    def kill(self) -> None:
        self._task.cancel()

    @staticmethod
    async def launched(*command: str, **kwargs: Any) -> FrontHere:
        del command
        return FrontHere(kwargs["pass_fds"])


def run(path: Path, scene: Scene, server: ServerSettings | None = None, *, has_process: bool = False) -> None:
    async def play() -> None:
        async with served(path, server or fronted()) as node:
            await scene(node)

    if has_process:
        asyncio.run(play())
        return
    no_collector = SimpleNamespace(freeze=lambda: None, set_threshold=lambda *_: None)
    # A front sets this process's collector, and ignores its Ctrl-C, only when it is a process.
    with (
        patch("rollup.node.fronts.asyncio.create_subprocess_exec", FrontHere.launched),
        patch("rollup.node.front.gc", no_collector),
    ):
        asyncio.run(play())


def order_request(order: SignedOrder, *headers: str) -> bytes:
    return request("POST", "/v1/orders", json.dumps(order_to_json(order)).encode(), *headers)


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: node", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answer(reader: asyncio.StreamReader, method: str = "POST") -> tuple[int, bytes]:
    """One answer: its status and its body."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode().lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    body = b"" if method == "HEAD" else await asyncio.wait_for(reader.readexactly(length), 10)
    return int(head.split()[1]), body


async def ask(url: str, sent: bytes) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(sent)
    try:
        return await answer(reader, sent.split(b" ", 1)[0].decode())
    finally:
        writer.close()


def verified_by_node(sequencer: Sequencer) -> int:
    return sequencer.metrics.counters.get(("signatures_verified", ""), 0)
