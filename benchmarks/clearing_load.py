"""A generator in a process of its own: sends signed orders over HTTP and times their acknowledgements.

Open loop: at Poisson times, whatever the node does.
The time of an order runs from the moment it should have been sent, so a node that falls behind cannot hide it.
Closed loop, with a rate of zero: as many as the node takes on all connections.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from time import perf_counter
from typing import Any

import aiohttp

from benchmarks.clearing_workload import Market
from rollup.node.wire import order_to_json

CONNECTIONS = 64

CLOSED_RATE = 5000
"""Orders a second that are signed beforehand for a closed loop: more than any node has taken."""


def prepared(rate: float, seconds: float, seed: int, accounts: int) -> list[bytes]:
    """Sign everything beforehand, so that sending is all that is left to do."""
    market = Market(seed, accounts)
    count = int((rate or CLOSED_RATE) * seconds)
    orders = [order for pair in market.pairs(-(-count // 2)) for order in pair][:count]
    bodies = [json.dumps(order_to_json(signed)).encode() for signed in market.signed(orders)]
    # A pause of this process would be counted as the node's.
    gc.collect()
    gc.freeze()
    gc.disable()
    return bodies


async def run(url: str, rate: float, seconds: float, seed: int, accounts: int) -> dict[str, Any]:
    """Send, on time or as fast as the node takes them."""
    bodies = prepared(rate, seconds, seed, accounts)
    delays: list[float] = []
    refused = 0
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:

        async def send(body: bytes, due: float) -> None:
            nonlocal refused
            async with session.post("/v1/orders", data=body) as response:
                await response.read()
                refused += response.status != 200
            delays.append(perf_counter() - due)

        began = perf_counter()
        if rate:
            await _open_loop(bodies, rate, Random(seed), send)
        else:
            await _closed_loop(bodies, seconds, send)
        took = perf_counter() - began
    delays.sort()
    return {
        "sent": len(delays),
        "refused": refused,
        "rate": rate,
        "answered_per_second": len(delays) / took,
        "p50_ms": 1000 * delays[len(delays) // 2],
        "p99_ms": 1000 * delays[int(len(delays) * 0.99)],
        "p999_ms": 1000 * delays[int(len(delays) * 0.999)],
        "max_ms": 1000 * delays[-1],
    }


Send = Callable[[bytes, float], Coroutine[Any, Any, None]]


async def _open_loop(bodies: Sequence[bytes], rate: float, random: Random, send: Send) -> None:
    sending: set[asyncio.Task[None]] = set()
    due = perf_counter() + 0.1
    for body in bodies:
        due += random.expovariate(rate)
        await asyncio.sleep(max(0.0, due - perf_counter()))
        task = asyncio.create_task(send(body, due))
        sending.add(task)
        task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)


async def _closed_loop(bodies: Sequence[bytes], seconds: float, send: Send) -> None:
    waiting, end = iter(bodies), perf_counter() + seconds

    async def line() -> None:
        for body in waiting:
            now = perf_counter()
            if now >= end:
                return
            await send(body, now)

    await asyncio.gather(*(line() for _ in range(CONNECTIONS)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--accounts", type=int, default=1000)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(run(given.url, given.rate, given.seconds, given.seed, given.accounts))))
