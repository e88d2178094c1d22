"""The embedded chain as others see it: through a plain JSON-RPC client, as wallets and commands are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rollup.node.chain_rpc import CALL_REVERTED, GIVE_ETHER, METHOD_UNKNOWN, REQUEST_FAILED, serve_chain
from rollup.node.ethereum import PRACTICE_ETHER, Ethereum, EthereumError, RevertedError, revert_output
from rollup.node.server import port_of
from tests.rollup.node.desk import DOLLAR
from tests.rollup.node.test_bridge import ALICE, Venue, build


def play(path: Path, work: Callable[[Venue, str], None]) -> None:
    """Serve a chain while somebody works against its address in a thread."""

    async def run() -> None:
        venue = build(path / "chain.sqlite")
        runner = await serve_chain(venue.chain, "127.0.0.1", 0)
        try:
            await asyncio.to_thread(work, venue, f"http://127.0.0.1:{port_of(runner)}")
        finally:
            await runner.cleanup()
            venue.chain.close()

    asyncio.run(run())


def test_a_deposit_over_json_rpc_is_mined_and_seen(tmp_path: Path) -> None:
    def work(venue: Venue, url: str) -> None:
        remote = Ethereum.at(url)
        signer = venue.chain.account(ALICE)
        token = remote.web3.eth.contract(address=venue.token.address, abi=venue.token.abi)
        contract = remote.web3.eth.contract(address=venue.contract.address, abi=venue.contract.abi)
        for call in (
            token.functions.mint(signer.address, 100 * DOLLAR),
            token.functions.approve(contract.address, 100 * DOLLAR),
            contract.functions.deposit(signer.address, 100 * DOLLAR),
        ):
            remote.send(signer, call)
        (event,) = contract.events.Deposited().get_logs(from_block=0)
        assert event["args"]["amount"] == 100 * DOLLAR
        assert token.functions.balanceOf(contract.address).call() == 100 * DOLLAR
        assert remote.web3.eth.get_balance(signer.address) > 0
        assert remote.web3.eth.chain_id == venue.chain.web3.eth.chain_id
        assert remote.now() >= remote.web3.eth.get_block("latest")["timestamp"]
        # Everything that was mined this way is on the disk.
        (rows,) = venue.chain._database.execute("SELECT max(number) FROM block").fetchone()
        assert rows == remote.web3.eth.block_number
        with pytest.raises(EthereumError, match="freeze was reverted"):
            remote.send(signer, contract.functions.freeze())

    play(tmp_path, work)


async def ask(url: str, body: Any) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return await response.json()


def test_a_revert_is_told_with_the_contracts_own_words_and_a_new_wallet_is_given_ether(
    tmp_path: Path,
) -> None:
    def work(venue: Venue, url: str) -> None:
        remote = Ethereum.at(url)
        contract = remote.web3.eth.contract(address=venue.contract.address, abi=venue.contract.abi)
        stranger = "0x" + "12" * 20
        given = asyncio.run(ask(url, {"id": 2, "method": GIVE_ETHER, "params": [stranger]}))
        assert given["result"].startswith("0x")
        assert remote.web3.eth.get_balance(remote.web3.to_checksum_address(stranger)) == PRACTICE_ETHER
        deposit = contract.functions.deposit(stranger, 5)
        with pytest.raises(
            RevertedError, match=r"the contract refuses deposit: DepositTooSmall\(5, 10000000\)"
        ):
            remote.refuse_failure(stranger, deposit)
        call = {"to": contract.address, "data": deposit._encode_transaction_data()}
        asked = {"id": 1, "method": "eth_call", "params": [call, "latest"]}
        error = asyncio.run(ask(url, asked))["error"]
        assert (error["code"], error["data"][:10]) == (CALL_REVERTED, "0x4a77f2fa")
        assert revert_output("execution reverted: out of words") is None
        assert revert_output("execution reverted: 12") is None

    play(tmp_path, work)


def test_what_a_foreign_page_could_send_is_not_read(tmp_path: Path) -> None:
    def work(venue: Venue, url: str) -> None:
        async def post() -> int:
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, data='{"method": "x"}') as answer,
            ):
                return answer.status

        del venue
        assert asyncio.run(post()) == 415

    play(tmp_path, work)


def test_what_is_not_answered_is_said(tmp_path: Path) -> None:
    def work(venue: Venue, url: str) -> None:
        unsigned = {"jsonrpc": "2.0", "id": 7, "method": "eth_sendTransaction", "params": [{}]}
        answer = asyncio.run(ask(url, unsigned))
        assert (answer["id"], answer["error"]["code"]) == (7, METHOD_UNKNOWN)
        broken = {"id": 8, "method": "eth_sendRawTransaction", "params": ["0x1234"]}
        number = {"id": 9, "method": "eth_blockNumber", "params": []}
        one, other = asyncio.run(ask(url, [broken, number]))
        assert one["error"]["code"] == REQUEST_FAILED
        assert other == {"jsonrpc": "2.0", "id": 9, "result": hex(venue.chain.web3.eth.block_number)}
        assert asyncio.run(ask(url, 5))["error"]["message"] == "not a request"
        later = venue.chain.web3.eth.get_block("latest")["timestamp"] + 1000
        asyncio.run(ask(url, {"id": 1, "method": "evm_travel", "params": [later]}))
        assert abs(venue.chain.web3.eth.get_block("latest")["timestamp"] - later) <= 1

    play(tmp_path, work)
