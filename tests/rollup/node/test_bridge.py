"""The bridge against the real contract: deposits come in, batches go out, whatever dies or is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from eth_typing import HexAddress, HexStr
from web3.types import Nonce
from web3.utils.address import get_create_address

from benchmarks.clearing_workload import Market
from prover.hash.poseidon import POSEIDON16_20
from rollup.binding import PIECE_BYTES, data_hash, packed
from rollup.node.bridge import Bridge, BridgeSettings, ForeignBatchesError, TakenBackError, chunks_of
from rollup.node.ethereum import (
    EmbeddedChain,
    Ethereum,
    EthereumError,
    RevertedError,
    url_without_secrets,
)
from rollup.node.sequencer import BYTES_PER_L1_TRANSACTION, Sequencer, SequencerSettings
from rollup.node.storage import DataDirectory, Stage, StorageError
from rollup.state import Deployment, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit, RegisterKey
from rollup.units import Address, ChainId, Time
from tests.rollup.node.desk import DOLLAR, Desk
from tests.rollup.node.test_sequencer import until
from tests.verifier_contracts.vault_bench import SETTINGS, artifact

DEPLOYER, SEQUENCER, ALICE = 0, 1, 2


@dataclass
class Venue:
    """A chain with the clearing house on it."""

    chain: EmbeddedChain
    token: Any
    contract: Any
    genesis: State

    def bridge(self, **settings: int) -> Bridge:
        return Bridge(self.chain, self.contract, self.chain.account(SEQUENCER), BridgeSettings(**settings))

    def sequencer(self, path: Path, bridge: Bridge) -> Sequencer:
        settings = SequencerSettings(batch_seconds=0.2, queue_seconds=0.05)
        return Sequencer(DataDirectory(path), self.genesis, self.chain, bridge, settings)

    def deposit(self, person: int, dollars: int) -> None:
        signer = self.chain.account(person)
        for call in (
            self.token.functions.mint(signer.address, dollars * DOLLAR),
            self.token.functions.approve(self.contract.address, dollars * DOLLAR),
            self.contract.functions.deposit(signer.address, dollars * DOLLAR),
        ):
            self.chain.send(signer, call)

    def register(self, person: int, market: Market) -> None:
        key = market.secrets[2].trading_key
        call = self.contract.functions.registerKey(0, key.suite, list(key.x), list(key.y))
        self.chain.send(self.chain.account(person), call, value=10**15)


def build(path: Path, judge: str = "RefusingVerifier") -> Venue:
    chain = EmbeddedChain(path, start_time=1_800_000_000)
    deployer = chain.account(DEPLOYER)

    def deploy(name: str, *arguments: Any) -> Any:
        compiled = artifact(name)
        receipt = chain.deploy(deployer, compiled.abi, compiled.bytecode, *arguments)
        return chain.web3.eth.contract(address=receipt["contractAddress"], abi=compiled.abi)

    token, verifier = deploy("PracticeToken"), deploy(judge)
    nonce = chain.web3.eth.get_transaction_count(deployer.address)
    address = contract_address(deployer.address, nonce + 1)
    exits = deploy("Exits", chain.web3.to_checksum_address(f"0x{address:040x}"))
    time = chain.web3.eth.get_block("latest")["timestamp"]
    genesis = State.genesis(Deployment(ChainId(chain.web3.eth.chain_id), Address(address)), Time(time))
    root = StateTree.of_state(genesis, KernelHasher(POSEIDON16_20)).root
    settings = SETTINGS | {
        "token": token.address,
        "governor": deployer.address,
        "sequencer": chain.account(SEQUENCER).address,
        "verifier": verifier.address,
        "exits": exits.address,
        "genesisRoot": packed(root),
        "genesisTime": time,
    }
    (constructor,) = [part for part in artifact("ClearingHouse").abi if part["type"] == "constructor"]
    names = [component["name"] for component in constructor["inputs"][0]["components"]]
    contract = deploy("ClearingHouse", tuple(settings[name] for name in names))
    assert int(contract.address, 16) == address
    return Venue(chain, token, contract, genesis)


def contract_address(deployer: str, nonce: int) -> int:
    return int(get_create_address(HexAddress(HexStr(deployer)), Nonce(nonce)), 16)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    made = build(tmp_path / "chain.sqlite")
    yield made
    made.chain.close()


def play(venue: Venue, path: Path, scene: Any, bridge: Bridge | None = None) -> Sequencer:
    """Run sequencer and bridge while a scene plays."""

    async def run() -> Sequencer:
        used = bridge or venue.bridge()
        sequencer = venue.sequencer(path, used)
        await sequencer.start()
        try:
            await scene(sequencer, used)
        finally:
            await sequencer.stop()
        return sequencer

    return asyncio.run(run())


def test_a_deposit_is_credited_and_a_withdrawals_batch_is_sealed_by_the_contract(
    venue: Venue, tmp_path: Path
) -> None:
    desk = Desk()
    venue.deposit(ALICE, 100)
    venue.register(ALICE, desk.market)

    async def scene(sequencer: Sequencer, bridge: Bridge) -> None:
        await bridge.look(sequencer)
        assert [
            type(queued.item) for queued in bridge.items_from(sequencer.engine.state.system.queue_position, 9)
        ] in (
            [Deposit, RegisterKey],
            [],
        )
        await until(lambda: sequencer.engine.state.account(1) is not None)
        account = sequencer.engine.state.account(1)
        assert account is not None
        assert account.cash == 100 * DOLLAR
        assert account.owner == int(venue.chain.account(ALICE).address, 16)
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        await bridge.look(sequencer)
        assert bridge.published == 1
        await until(lambda: bool(sequencer.directory.checkpoints.batches_at(Stage.PUBLISHED)))
        batch = venue.contract.functions.batch(1).call()
        stored = sequencer.directory.checkpoints.batch(1)
        assert stored is not None
        assert batch[0] == packed(stored.root)

    play(venue, tmp_path / "node", scene)


def test_a_half_published_batch_is_gone_on_with(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.deposit(ALICE, 100)

    async def close_one(sequencer: Sequencer, bridge: Bridge) -> None:
        bridge.read_queue(0)
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        stored = sequencer.directory.checkpoints.batch(1)
        assert stored is not None
        sends: list[str] = []
        send = venue.chain.send

        def send_until_broken(signer: Any, function: Any, *rest: Any) -> Any:
            if len(sends) in broken_at:
                broken_at.remove(len(sends))
                raise EthereumError("the line is cut")
            sends.append(function.fn_name)
            return send(signer, function, *rest)

        broken_at = {1, 2}
        monkeypatch.setattr(bridge.ethereum, "send", send_until_broken)
        for _ in range(2):
            with pytest.raises(EthereumError):
                bridge.publish(stored)
        bridge.publish(stored)
        # The first cut came after `begin`, the second after `append`; nothing was sent twice.
        assert sends == ["begin", "append", "seal"]
        assert venue.contract.functions.sealedBatch().call() == 1

    play(venue, tmp_path / "node", close_one)


def test_a_batch_the_contract_gave_back_is_published_again(venue: Venue, tmp_path: Path) -> None:
    venue.deposit(ALICE, 100)

    async def scene(sequencer: Sequencer, bridge: Bridge) -> None:
        await bridge.look(sequencer)
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        await bridge.look(sequencer)
        assert venue.contract.functions.sealedBatch().call() == 1
        venue.chain.send(venue.chain.account(SEQUENCER), venue.contract.functions.revertBatches())
        bridge.look_at_batches()
        assert bridge.published == 0
        await bridge.look(sequencer)
        assert venue.contract.functions.sealedBatch().call() == 1

    play(venue, tmp_path / "node", scene)


def test_batches_that_another_directory_made_are_not_taken_for_its_own(venue: Venue, tmp_path: Path) -> None:
    venue.deposit(ALICE, 100)

    async def close_one(sequencer: Sequencer, bridge: Bridge) -> None:
        bridge.read_queue(0)
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        await bridge.look(sequencer)
        assert bridge.published == 1

    play(venue, tmp_path / "node", close_one)

    async def begin_anew(sequencer: Sequencer, bridge: Bridge) -> None:
        with pytest.raises(ForeignBatchesError, match=r"Ethereum holds batch 1, which .*/empty did not make"):
            await bridge.run(sequencer)

    play(venue, tmp_path / "empty", begin_anew)


def test_a_reorganisation_above_what_was_served_is_survived(venue: Venue, tmp_path: Path) -> None:
    venue.deposit(ALICE, 100)
    bridge = venue.bridge()
    bridge.read_queue(0)
    assert len(bridge.items_from(venue.genesis.system.queue_position, 9)) == 1
    snapshot = venue.chain.tester.take_snapshot()
    blocks = venue.chain.web3.eth.block_number
    venue.deposit(ALICE, 50)
    bridge.read_queue(1)
    before = bridge.items_from(venue.genesis.system.queue_position, 9)
    assert len(before) == 2
    venue.chain.tester.revert_to_snapshot(snapshot)
    venue.chain._database.execute("DELETE FROM block WHERE number > ?", (blocks,))
    bridge.read_queue(1)
    assert bridge.items_from(venue.genesis.system.queue_position, 9) == before[:1]
    venue.deposit(ALICE, 70)
    bridge.read_queue(1)
    assert len(bridge.items_from(venue.genesis.system.queue_position, 9)) == 2
    venue.chain.tester.revert_to_snapshot(snapshot)
    with pytest.raises(TakenBackError, match="has taken back queue items below 2"):
        bridge.read_queue(2)


def test_items_wait_for_their_confirmations(venue: Venue) -> None:
    venue.deposit(ALICE, 100)
    bridge = venue.bridge(confirmations=2)
    for expected in (0, 0, 1):
        bridge.read_queue(0)
        assert len(bridge.items_from(venue.genesis.system.queue_position, 9)) == expected
        venue.chain.travel(venue.chain.web3.eth.get_block("latest")["timestamp"] + 10)


def test_the_embedded_chain_comes_back_as_it_was(tmp_path: Path) -> None:
    venue = build(tmp_path / "chain.sqlite")
    venue.deposit(ALICE, 100)
    venue.chain.travel(1_800_900_000)
    venue.deposit(ALICE, 50)
    blocks = venue.chain.web3.eth.block_number
    venue.chain.close()
    again = EmbeddedChain(tmp_path / "chain.sqlite")
    assert again.web3.eth.block_number == blocks
    contract = again.web3.eth.contract(address=venue.contract.address, abi=artifact("ClearingHouse").abi)
    assert contract.functions.queueLength().call() == 2
    bridge = Bridge(again, contract, again.account(SEQUENCER))
    bridge.read_queue(0)
    items = [queued.item for queued in bridge.items_from(venue.genesis.system.queue_position, 9)]
    assert [item.amount for item in items if isinstance(item, Deposit)] == [100 * DOLLAR, 50 * DOLLAR]
    again._database.execute("UPDATE block SET time = time + 5 WHERE number = 3")
    again._database.execute("UPDATE block SET state_root = zeroblob(32) WHERE number = 3")
    again.close()
    with pytest.raises(StorageError, match="block 3 of the embedded chain does not come out as it was"):
        EmbeddedChain(tmp_path / "chain.sqlite")


def test_a_reverted_call_is_an_error_with_its_name(venue: Venue) -> None:
    with pytest.raises(EthereumError, match="seal was reverted in block"):
        venue.chain.send(venue.chain.account(SEQUENCER), venue.contract.functions.seal())


@pytest.mark.parametrize(
    "length", [26, 4096, BYTES_PER_L1_TRANSACTION, BYTES_PER_L1_TRANSACTION + 2, 500_000]
)
@pytest.mark.parametrize("claims", [0, 1, 2000])
def test_data_is_cut_as_the_contract_wants_it(length: int, claims: int) -> None:
    if claims * 28 > length - 26:
        claims = 0
    published = Random(length).randbytes(length)
    chunks = list(chunks_of(published, claims))
    assert b"".join(chunks) == published
    assert all(0 < len(chunk) <= BYTES_PER_L1_TRANSACTION for chunk in chunks)
    assert all(len(chunk) % PIECE_BYTES == 0 for chunk in chunks[:-1])
    assert len(chunks[-1]) >= claims * 28
    assert len(data_hash(published)) == 32


def test_a_batch_that_the_contract_would_refuse_is_not_sent(venue: Venue) -> None:
    blocks = venue.chain.web3.eth.block_number
    bridge = venue.bridge()
    with pytest.raises(RevertedError, match=r"the contract refuses seal: NoBatchBegun\(\)"):
        bridge._send(venue.contract.functions.seal())
    assert venue.chain.web3.eth.block_number == blocks


def test_an_address_is_told_without_the_keys_that_providers_put_into_it() -> None:
    assert (
        url_without_secrets("https://name:secret@node.example:8545/v3/key?x=y") == "https://node.example:8545"
    )
    assert url_without_secrets("http://node.example/key") == "http://node.example"


def test_an_address_where_nobody_answers_is_named() -> None:
    with pytest.raises(EthereumError, match=r"no Ethereum node answers at http://127\.0\.0\.1:9"):
        Ethereum.at("http://127.0.0.1:9")
