"""The whole node over the embedded chain: a deposit on Ethereum ends as a published batch, across a restart."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from rollup.client import AsyncClient
from rollup.node.bridge import BridgeSettings
from rollup.node.ethereum import EmbeddedChain, Ethereum
from rollup.node.node import NodeSettings, Running, Venue, run_node
from rollup.node.sequencer import SequencerSettings
from rollup.node.server import ServerSettings
from rollup.node.storage import DataDirectory, StorageError
from tests.rollup.node.desk import DOLLAR, small_market
from tests.rollup.node.test_bridge import ALICE, SEQUENCER, build
from tests.rollup.node.test_sequencer import until

SETTINGS = NodeSettings(
    sequencer=SequencerSettings(batch_seconds=0.2, queue_seconds=0.05),
    server=ServerSettings(port=0),
    bridge=BridgeSettings(look_seconds=0.05),
    chain_port=0,
)


def test_a_deposit_becomes_cash_and_a_withdrawal_a_claim_and_a_restart_changes_nothing(
    tmp_path: Path,
) -> None:
    bench = build(tmp_path / "chain.sqlite")
    bench.deposit(ALICE, 100)
    bench.register(ALICE, small_market())
    secret = small_market().secrets[2]

    async def first_life() -> None:
        venue = Venue(bench.chain, bench.contract, bench.chain.account(SEQUENCER), bench.genesis)
        running: list[Running] = []
        stop = asyncio.Event()
        node = asyncio.create_task(
            run_node(tmp_path / "node", venue, SETTINGS, started=running.append, stop=stop)
        )
        await until(lambda: bool(running))
        (only,) = running
        assert only.chain_url is not None
        assert (await asyncio.to_thread(Ethereum.at, only.chain_url)).web3.provider is not None
        await until(lambda: only.bridge.published >= 1)
        async with AsyncClient(only.url, 1, secret) as client:
            assert (await client.account_state())["cash"] == 100 * DOLLAR
            await client.withdraw(30 * DOLLAR)
            published = only.bridge.published
            await until(lambda: only.bridge.published > published)
            await until_stage(client, only.bridge.published, "published")
            (claim,) = (await client.batch(only.bridge.published))["claims"]
            assert claim["amount"] == 30 * DOLLAR
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(node, 30)

    async def until_stage(client: AsyncClient, number: int, stage: str) -> None:
        for _ in range(200):
            if (await client.batch(number))["stage"] == stage:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"batch {number} is not {stage}")

    async def second_life() -> None:
        chain = EmbeddedChain(tmp_path / "chain.sqlite")
        contract = chain.web3.eth.contract(address=bench.contract.address, abi=bench.contract.abi)
        venue = Venue(chain, contract, chain.account(SEQUENCER), bench.genesis)
        running: list[Running] = []
        stop = asyncio.Event()
        node = asyncio.create_task(
            run_node(tmp_path / "node", venue, SETTINGS, started=running.append, stop=stop)
        )
        await until(lambda: bool(running))
        async with AsyncClient(running[0].url) as client:
            assert (await client.account_state(1))["cash"] == 70 * DOLLAR
        stop.set()
        await asyncio.wait_for(node, 30)

    asyncio.run(first_life())
    asyncio.run(second_life())


def test_a_second_node_on_one_directory_ends_with_a_line(tmp_path: Path) -> None:
    bench = build(tmp_path / "chain.sqlite")
    venue = Venue(bench.chain, bench.contract, bench.chain.account(SEQUENCER), bench.genesis)

    running: list[Running] = []

    async def run() -> None:
        await run_node(tmp_path / "node", venue, SETTINGS, started=running.append)

    with DataDirectory(tmp_path / "node"), pytest.raises(StorageError, match="another node"):
        asyncio.run(run())
    bench.chain.close()
