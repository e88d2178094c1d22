"""A node in a process of its own, for tests that kill it: prints its port, then serves until it dies."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from rollup.node.server import ServerSettings
from tests.rollup.node.server_desk import served


async def main(path: Path) -> None:
    # Small batches: a kill should often find a checkpoint half written.
    async with served(path, ServerSettings(port=0), batch_transactions=25, batch_seconds=0.5) as node:
        restart = node.sequencer.restart
        assert restart is not None
        sys.stdout.write(f"{node.url} {restart.sequence}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
