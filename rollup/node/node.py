"""The whole node: files, chain, bridge, sequencer and server, started in order and stopped in the reverse one."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from eth_account.signers.local import LocalAccount

from rollup.node.background import BackgroundProver, ProvingSettings
from rollup.node.bridge import Bridge, BridgeSettings
from rollup.node.chain_rpc import serve_chain
from rollup.node.ethereum import EmbeddedChain, Ethereum
from rollup.node.fronts import Fronts
from rollup.node.proofs import ProofShelf
from rollup.node.sequencer import Sequencer, SequencerSettings
from rollup.node.server import LOOPBACK, Served, ServerSettings, port_of, serve
from rollup.node.storage import DataDirectory
from rollup.state import State

logger = logging.getLogger("clearing.node")


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Everything an operator may choose."""

    sequencer: SequencerSettings = field(default_factory=SequencerSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    bridge: BridgeSettings = field(default_factory=BridgeSettings)
    proving: ProvingSettings | None = None
    """How batches are proved beside the node; None: they are not."""
    chain_port: int | None = 8545
    """Where the embedded chain answers on loopback; None keeps it to this process."""


@dataclass(frozen=True, slots=True)
class Venue:
    """The clearing house that a node serves: its chain, its contract, and what it began with."""

    ethereum: Ethereum
    contract: Any
    sequencer_key: LocalAccount
    genesis: State


@dataclass(frozen=True, slots=True)
class Running:
    """A node that answers."""

    sequencer: Sequencer
    bridge: Bridge
    url: str
    chain_url: str | None


async def run_node(
    path: Path,
    venue: Venue,
    settings: NodeSettings,
    *,
    started: Callable[[Running], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set, or until SIGINT or SIGTERM; what is being written is finished first.

    A failure of any part stops the others and is raised.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    bridge = Bridge(
        venue.ethereum, venue.contract, venue.sequencer_key, settings.bridge, shelf=ProofShelf(path)
    )
    sequencer = Sequencer(DataDirectory(path), venue.genesis, venue.ethereum, bridge, settings.sequencer)
    fronts = Fronts(settings.server) if settings.server.fronts else None
    runners: list[web.AppRunner | Served] = []
    beside: list[asyncio.Task[None]] = []
    try:
        if fronts is not None:
            await fronts.launch()
        await sequencer.start()
        sequencer.describe_ethereum = bridge.describe
        sequencer.is_ethereum_behind = bridge.is_behind
        if settings.proving is not None:
            checkpoints = sequencer.directory.checkpoints
            prover = BackgroundProver(
                path, checkpoints, settings.proving, sequencer.tell_of_batch, bridge.accepted
            )
            sequencer.prover = prover
            beside.append(asyncio.create_task(prover.run(), name="prover"))
            beside[-1].add_done_callback(_note_end)
        runners.append(await serve(sequencer, settings.server, fronts))
        host = f"[{settings.server.host}]" if ":" in settings.server.host else settings.server.host
        url = f"http://{host}:{port_of(runners[0])}"
        chain_url = None
        if isinstance(venue.ethereum, EmbeddedChain) and settings.chain_port is not None:
            runners.append(await serve_chain(venue.ethereum, LOOPBACK, settings.chain_port))
            chain_url = f"http://{LOOPBACK}:{port_of(runners[1])}"
        bridging = asyncio.create_task(bridge.run(sequencer), name="bridge")
        beside.append(bridging)
        started(Running(sequencer, bridge, url, chain_url))
        await _until_stopped(stop, sequencer, bridging)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        for runner in reversed(runners):
            await runner.cleanup()
        if fronts is not None:
            await fronts.stop()
        await sequencer.stop()
        venue.ethereum.close()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        logger.info("stopped at input %d", sequencer.engine.sequence)


def _note_end(task: asyncio.Task[None]) -> None:
    """Say that nothing is proved any more; people can trade all the same, and a restart proves what is missing."""
    if not task.cancelled() and task.exception() is not None:
        logger.error("batches are not proved any more: %r", task.exception())


async def _until_stopped(stop: asyncio.Event, sequencer: Sequencer, bridging: asyncio.Task[None]) -> None:
    """Wait for the end, wherever it comes from."""
    stopping = asyncio.create_task(stop.wait())
    failing = asyncio.create_task(sequencer.wait_for_failure())
    try:
        done, _ = await asyncio.wait({stopping, failing, bridging}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()
    finally:
        stopping.cancel()
        failing.cancel()
