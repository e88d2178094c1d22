"""A node over the benchmark's market in a process of its own: prints its address, serves until stdin ends."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.clearing_figures import BenchClock, BenchQueue, everybody_has_money, unlimited
from benchmarks.clearing_tail import SpanMetrics
from benchmarks.clearing_workload import Market
from prover.memory import keep_freed_memory


async def run(path: Path, accounts: int, seed: int, fronts: int = 1, **batches: Any) -> None:
    """Start, print, serve; `batches` are settings of the sequencer: how many transactions, how many seconds."""
    from rollup.node.fronts import Fronts
    from rollup.node.sequencer import Sequencer, SequencerSettings
    from rollup.node.server import ServerSettings, port_of, serve
    from rollup.node.storage import DataDirectory

    keep_freed_memory()
    market = Market(seed, accounts)
    queue = BenchQueue(market.queue_items())
    settings = SequencerSettings(
        queue_items=len(queue.items),
        batch_bytes=10 * 112 * 1024,
        batch_limits=unlimited(),
        has_checkpoint_process=True,
        **batches,
    )
    metrics = SpanMetrics()
    clock = BenchClock(market.time)
    sequencer = Sequencer(DataDirectory(path), market.genesis, clock, queue, settings, metrics)
    limits = ServerSettings(port=0, requests_per_second=1e6, request_burst=1e6, fronts=fronts)
    before = Fronts(limits)
    if fronts:
        await before.launch()
    restart = await sequencer.start()
    runner = await serve(sequencer, limits, before)
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
        for name, timing in metrics.timings.items()
    }
    line = {"mean_ms": timings, "sequence": sequencer.engine.sequence, "spans": metrics.spans}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch-transactions", type=int, default=4096)
    parser.add_argument("--batch-seconds", type=float, default=5.0)
    parser.add_argument("--fronts", type=int, default=1)
    given = parser.parse_args()
    batches = {"batch_transactions": given.batch_transactions, "batch_seconds": given.batch_seconds}
    asyncio.run(run(given.path, given.accounts, given.seed, given.fronts, **batches))
