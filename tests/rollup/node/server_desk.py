"""A node that answers over HTTP, with the desk's market, for tests of the API and the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rollup.node.fronts import Fronts
from rollup.node.sequencer import Sequencer
from rollup.node.server import ServerSettings, port_of, serve
from tests.rollup.node.desk import ALICE, Desk, HandClock, ListQueue
from tests.rollup.node.test_sequencer import until


@dataclass
class Served:
    sequencer: Sequencer
    clock: HandClock
    queue: ListQueue
    url: str
    fronts: Fronts | None = None


@asynccontextmanager
async def served(
    path: Path, server: ServerSettings | None = None, **settings: object
) -> AsyncIterator[Served]:
    sequencer, clock, queue = Desk().sequencer(path, **settings)
    await sequencer.start()
    runner = await serve(sequencer, server or ServerSettings(port=0))
    try:
        await until(lambda: sequencer.engine.state.account(ALICE) is not None)
        yield Served(sequencer, clock, queue, f"http://127.0.0.1:{port_of(runner)}", runner.fronts)
    finally:
        await runner.cleanup()
        await sequencer.stop()
