"""An open-loop generator in a process of its own: sends orders at Poisson times, whatever the node does.

The time of an order runs from the moment it should have been sent, so a node that falls behind cannot hide it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from random import Random
from time import perf_counter
from typing import Any

import aiohttp

from benchmarks.clearing_workload import Market
from rollup.node.wire import order_to_json

CONNECTIONS = 64


async def run(url: str, rate: float, seconds: float, seed: int, accounts: int) -> dict[str, Any]:
    """Sign beforehand, then send on time."""
    market = Market(seed, accounts)
    count = int(rate * seconds)
    orders = [order for pair in market.pairs(-(-count // 2)) for order in pair][:count]
    bodies = [json.dumps(order_to_json(signed)).encode() for signed in market.signed(orders)]
    random = Random(seed)
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

        sending: set[asyncio.Task[None]] = set()
        due = perf_counter() + 0.1
        for body in bodies:
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - perf_counter()))
            task = asyncio.create_task(send(body, due))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)
    delays.sort()
    return {
        "sent": count,
        "refused": refused,
        "rate": rate,
        "p50_ms": 1000 * delays[len(delays) // 2],
        "p99_ms": 1000 * delays[int(len(delays) * 0.99)],
        "p999_ms": 1000 * delays[int(len(delays) * 0.999)],
        "max_ms": 1000 * delays[-1],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--accounts", type=int, default=1000)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(run(given.url, given.rate, given.seconds, given.seed, given.accounts))))
