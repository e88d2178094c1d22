"""A generator in a process of its own: sends signed orders over HTTP and times their acknowledgements.

Open loop: at Poisson times, whatever the node does.
The time of an order runs from the moment it should have been sent, so a node that falls behind cannot hide it.
Closed loop, with a rate of zero: as many as the node takes on all connections.

Requests are spelled beforehand and answers read as little as HTTP allows: the generator shares the machine's cores with
the node, and what it takes of them, or sends late, would be counted as the node's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from random import Random
from selectors import SelectSelector
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from benchmarks.clearing_tail import Slow, slowest
from benchmarks.clearing_workload import Market
from rollup.node.wire import order_to_json

CONNECTIONS = 64

CLOSED_RATE = 5000
"""Orders a second that are signed beforehand for a closed loop: more than any node has taken."""

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
OK = 200


def prepared(url: str, rate: float, seconds: float, seed: int, accounts: int) -> list[bytes]:
    """Sign and spell everything beforehand, so that sending is all that is left to do."""
    market = Market(seed, accounts)
    count = int((rate or CLOSED_RATE) * seconds)
    orders = [order for pair in market.pairs(-(-count // 2)) for order in pair][:count]
    requests = [request(url, json.dumps(order_to_json(signed)).encode()) for signed in market.signed(orders)]
    # A pause of this process would be counted as the node's.
    gc.collect()
    gc.freeze()
    gc.disable()
    return requests


def request(url: str, body: bytes) -> bytes:
    """One order's request."""
    head = (
        f"POST /v1/orders HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """A connection that is kept: one request at a time, answered with its status."""

    def __init__(self, answered: Callable[[Connection, int], None]) -> None:
        self._answered = answered
        self._read = b""
        self._transport: Any = None
        self.due = 0.0
        """When the request on its way should have been sent."""
        self.sent = 0.0
        """When it was."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Send a request."""
        self.due, self.sent = due, perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait for the whole answer."""
        self._read += data
        head, found, body = self._read.partition(HEAD_END)
        if not found:
            return
        length = head.lower().partition(LENGTH)[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        self._read = b""
        self._answered(self, int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        """End the run: an answer that does not come cannot be timed."""
        if self.due:
            asyncio.get_running_loop().stop()
            raise ConnectionError("the node has closed a connection instead of answering") from exc

    def close(self) -> None:
        """End."""
        self.due = 0.0
        self._transport.close()


class Generator:
    """Sends requests on the first connection that is free, in order, and notes how long each took."""

    def __init__(self) -> None:
        self.orders: list[Slow] = []
        self.refused = 0
        self._connections: list[Connection] = []
        self._free: list[Connection] = []
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._endless: Iterator[bytes] = iter(())
        self._end = 0.0
        self._idle = asyncio.Event()

    async def connect(self, url: str) -> None:
        """Open all connections."""
        loop, address = asyncio.get_running_loop(), urlsplit(url)
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered), str(address.hostname), address.port or 80
            )
            self._connections.append(connection)
        self._free = list(self._connections)

    async def open_loop(self, requests: Sequence[bytes], rate: float, random: Random) -> None:
        """Send at Poisson times."""
        due = perf_counter() + 0.1
        for one in requests:
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - perf_counter()))
            self._waiting.append((one, due))
            if self._free:
                self._go_on(self._free.pop())
        await self._all_answered()

    async def closed_loop(self, requests: Sequence[bytes], seconds: float) -> None:
        """Keep all connections busy."""
        self._endless, self._end = iter(requests), perf_counter() + seconds
        while self._free:
            self._go_on(self._free.pop())
        await self._all_answered()

    async def _all_answered(self) -> None:
        while len(self._free) < len(self._connections):
            self._idle.clear()
            await self._idle.wait()

    def _go_on(self, connection: Connection) -> None:
        """Send what waits, or the next request of a closed loop."""
        now = perf_counter()
        if self._waiting:
            connection.send(*self._waiting.popleft())
        elif now < self._end and (following := next(self._endless, None)) is not None:
            connection.send(following, now)
        else:
            connection.due = 0.0
            self._free.append(connection)
            self._idle.set()

    def _answered(self, connection: Connection, status: int) -> None:
        self.orders.append((connection.due, connection.sent, perf_counter()))
        self.refused += status != OK
        self._go_on(connection)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()


async def run(url: str, rate: float, seconds: float, seed: int, accounts: int) -> dict[str, Any]:
    """Send, on time or as fast as the node takes them."""
    requests = prepared(url, rate, seconds, seed, accounts)
    generator = Generator()
    await generator.connect(url)
    began = perf_counter()
    if rate:
        await generator.open_loop(requests, rate, Random(seed))
    else:
        await generator.closed_loop(requests, seconds)
    took = perf_counter() - began
    generator.close()
    delays = sorted(answered - due for due, _, answered in generator.orders)
    lateness = sorted(sent - due for due, sent, _ in generator.orders)
    return {
        "sent": len(delays),
        "refused": generator.refused,
        "rate": rate,
        "answered_per_second": len(delays) / took,
        "p50_ms": 1000 * delays[len(delays) // 2],
        "p95_ms": 1000 * delays[int(len(delays) * 0.95)],
        "p99_ms": 1000 * delays[int(len(delays) * 0.99)],
        "p999_ms": 1000 * delays[int(len(delays) * 0.999)],
        "max_ms": 1000 * delays[-1],
        "sent_late_p99_ms": 1000 * lateness[int(len(lateness) * 0.99)],
        "slowest": slowest(generator.orders),
    }


def precise_loop() -> asyncio.AbstractEventLoop:
    """A loop that sleeps to the microsecond; epoll's timeouts are whole milliseconds."""
    return asyncio.SelectorEventLoop(SelectSelector())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--accounts", type=int, default=1000)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        load = run(given.url, given.rate, given.seconds, given.seed, given.accounts)
        print(json.dumps(runner.run(load)))
