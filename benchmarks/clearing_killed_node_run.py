"""A node in a process of its own, to be killed: prints where it is and where it restarted, then serves."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.clearing_figures import BenchClock, BenchQueue, everybody_has_money
from benchmarks.clearing_kill_run import ACCOUNTS
from benchmarks.clearing_workload import Market

BATCH_TRANSACTIONS = 25
BATCH_SECONDS = 0.5
"""Small batches: a kill should often find a checkpoint half written."""


async def main(path: Path) -> None:
    """Start, print, serve."""
    from rollup.node.sequencer import Sequencer, SequencerSettings
    from rollup.node.server import ServerSettings, port_of, serve
    from rollup.node.storage import DataDirectory

    market = Market(accounts=ACCOUNTS)
    queue = BenchQueue(market.queue_items())
    settings = SequencerSettings(batch_transactions=BATCH_TRANSACTIONS, batch_seconds=BATCH_SECONDS)
    sequencer = Sequencer(DataDirectory(path), market.genesis, BenchClock(market.time), queue, settings)
    restart = await sequencer.start()
    runner = await serve(sequencer, ServerSettings(port=0))
    await everybody_has_money(sequencer)
    line = {"url": f"http://127.0.0.1:{port_of(runner)}", "sequence": restart.sequence}
    print(json.dumps(line), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
