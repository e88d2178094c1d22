"""A node over the benchmark's market in a process of its own: prints its address, serves until stdin ends."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.clearing_figures import BenchClock, BenchQueue, everybody_has_money, unlimited
from benchmarks.clearing_workload import Market


async def run(path: Path, accounts: int, seed: int, **batches: Any) -> None:
    """Start, print, serve; `batches` are settings of the sequencer: how many transactions, how many seconds."""
    from rollup.node.sequencer import Sequencer, SequencerSettings
    from rollup.node.server import ServerSettings, port_of, serve
    from rollup.node.storage import DataDirectory

    market = Market(seed, accounts)
    queue = BenchQueue(market.queue_items())
    settings = SequencerSettings(
        queue_items=len(queue.items), batch_bytes=10 * 112 * 1024, batch_limits=unlimited(), **batches
    )
    sequencer = Sequencer(DataDirectory(path), market.genesis, BenchClock(market.time), queue, settings)
    restart = await sequencer.start()
    limits = ServerSettings(port=0, requests_per_second=1e6, request_burst=1e6)
    runner = await serve(sequencer, limits)
    if accounts:
        await everybody_has_money(sequencer)
    line = {
        "url": f"http://127.0.0.1:{port_of(runner)}",
        "restart": restart.seconds,
        "sequence": restart.sequence,
    }
    print(json.dumps(line), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
    await sequencer.stop()
    timings = {
        name: round(1000 * timing.total / max(1, sum(timing.counts)), 3)
        for name, timing in sequencer.metrics.timings.items()
    }
    print(json.dumps({"mean_ms": timings, "sequence": sequencer.engine.sequence}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch-transactions", type=int, default=4096)
    parser.add_argument("--batch-seconds", type=float, default=5.0)
    given = parser.parse_args()
    batches = {"batch_transactions": given.batch_transactions, "batch_seconds": given.batch_seconds}
    asyncio.run(run(given.path, given.accounts, given.seed, **batches))
