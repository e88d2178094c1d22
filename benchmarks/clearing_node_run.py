"""A node over the benchmark's market in a process of its own: prints its address, serves until stdin ends."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from benchmarks.clearing_figures import BenchClock, BenchQueue, everybody_has_money, unlimited
from benchmarks.clearing_workload import Market


async def run(path: Path, accounts: int, seed: int) -> None:
    """Start, print, serve."""
    from rollup.node.sequencer import Sequencer, SequencerSettings
    from rollup.node.server import ServerSettings, port_of, serve
    from rollup.node.storage import DataDirectory

    market = Market(seed, accounts)
    queue = BenchQueue(market.queue_items())
    settings = SequencerSettings(
        queue_items=len(queue.items), batch_bytes=10 * 112 * 1024, batch_limits=unlimited()
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
    given = parser.parse_args()
    asyncio.run(run(given.path, given.accounts, given.seed))
