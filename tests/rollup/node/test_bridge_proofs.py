"""Terminal proofs on their way to the contract; the accepting verifier is a double of these tests, all else is real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi.abi import encode

from rollup.node.bridge import Bridge
from rollup.node.ethereum import Ethereum, EthereumError, UnminedError
from rollup.node.proofs import KeyIdentity, ProofShelf, TerminalReport
from rollup.node.storage import Stage
from tests.rollup.node.test_bridge import ALICE, SEQUENCER, Venue, build
from tests.rollup.node.test_sequencer import until
from tests.verifier_contracts.vault_bench import LAST_KEYS, STEP_KEYS, TERMINAL_KEY, TERMINAL_WORDS

LAST, STEP = KeyIdentity(*LAST_KEYS[0]), KeyIdentity(*STEP_KEYS[0])


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    made = build(tmp_path / "chain.sqlite", "AcceptingVerifier")
    yield made
    made.chain.close()


def keep_proof(venue: Venue, shelf: ProofShelf, first: int, last: int) -> TerminalReport:
    """What the accepting verifier accepts of these batches, on the shelf."""
    words = [LAST.digest, LAST.root]
    for number in range(first, last + 1):
        words += [STEP.digest, STEP.root, *venue.contract.functions.statement(number).call()]
    words += [0] * (TERMINAL_WORDS - len(words))
    content = encode(["bytes32", "uint256[]"], [TERMINAL_KEY, words])
    keys = (STEP,) * (last - first + 1)
    report = TerminalReport(first, last, 1.0, len(content), 100.0, keys, LAST, ())
    shelf.keep_terminal(content, report)
    return report


def with_batches(venue: Venue, path: Path, count: int, scene: Any) -> None:
    """Publish some batches, then play a scene with a bridge that has a shelf."""
    shelf = ProofShelf(path)

    async def run() -> None:
        bridge = Bridge(venue.chain, venue.contract, venue.chain.account(SEQUENCER), shelf=shelf)
        sequencer = venue.sequencer(path, bridge)
        await sequencer.start()
        try:
            for number in range(1, count + 1):
                venue.deposit(ALICE, 100)
                await asyncio.to_thread(bridge.read_queue, 0)
                await until(
                    lambda number=number: sequencer.directory.checkpoints.batch(number) is not None  # type: ignore[misc]
                )
                await bridge.look(sequencer)
            assert (bridge.published, bridge.accepted()) == (count, 0)
            await scene(sequencer, bridge, shelf)
        finally:
            await sequencer.stop()

    asyncio.run(run())


def sends_of(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call that is sent from now on."""
    sends: list[str] = []
    send = venue.chain.send

    def noting(signer: Any, function: Any, *rest: Any) -> Any:
        sends.append(function.fn_name)
        return send(signer, function, *rest)

    monkeypatch.setattr(venue.chain, "send", noting)
    return sends


def test_proofs_are_handed_in_once_and_in_order_and_the_batches_are_told(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        keep_proof(venue, shelf, 1, 2)
        sends = sends_of(venue, monkeypatch)
        await bridge.look(sequencer)
        assert (sends, bridge.accepted()) == (["prove"], 2)
        stages = [sequencer.directory.checkpoints.batch(number).stage for number in (1, 2, 3)]
        assert stages == [Stage.PROVED, Stage.PROVED, Stage.PUBLISHED]
        await bridge.look(sequencer)
        assert sends == ["prove"]
        keep_proof(venue, shelf, 3, 3)
        await bridge.look(sequencer)
        assert (sends, bridge.accepted()) == (["prove", "prove"], 3)
        assert bridge.describe() == {
            "sealed": 3,
            "proved": 3,
            "trouble": None,
            "unsealed_since": None,
            "refused": None,
        }

    with_batches(venue, tmp_path / "node", 3, scene)


def test_a_proof_that_the_contract_refuses_is_told_in_one_line_and_not_sent_again(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        report = keep_proof(venue, shelf, 1, 1)
        shelf.keep_terminal(b"\x01\x02", report)
        sends = sends_of(venue, monkeypatch)
        await bridge.look(sequencer)
        await bridge.look(sequencer)
        assert sends == ["prove"]
        assert bridge.accepted() == 0
        said = bridge.describe()["refused"]
        assert said is not None and "\n" not in said
        assert said.startswith("batches 1 to 1: the contract refuses prove: ")

    with_batches(venue, tmp_path / "node", 1, scene)


def test_where_gas_has_a_price_a_proof_is_asked_about_before_it_is_sent(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        report = keep_proof(venue, shelf, 1, 1)
        shelf.keep_terminal(b"\x01\x02", replace(report, last_key=KeyIdentity(7, 7)))
        monkeypatch.setattr(venue.chain, "is_gas_free", False)
        sends = sends_of(venue, monkeypatch)
        await bridge.look(sequencer)
        assert sends == []
        assert "the contract refuses prove: LastKeyUnknown()" in str(bridge.describe()["refused"])

    with_batches(venue, tmp_path / "node", 1, scene)


def test_a_contract_that_is_ahead_gets_no_proof_that_it_would_refuse(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        other = ProofShelf(tmp_path / "other")
        keep_proof(venue, shelf, 1, 2)
        somebody = Bridge(venue.chain, venue.contract, venue.chain.account(ALICE), shelf=other)
        somebody.prove(keep_proof(venue, other, 1, 1))
        sends = sends_of(venue, monkeypatch)
        await bridge.look(sequencer)
        assert (sends, bridge.accepted()) == ([], 1)
        keep_proof(venue, shelf, 2, 2)
        await bridge.look(sequencer)
        assert bridge.accepted() == 2

    with_batches(venue, tmp_path / "node", 2, scene)


def test_what_was_sent_and_is_not_mined_is_waited_for(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        keep_proof(venue, shelf, 1, 1)
        sends = sends_of(venue, monkeypatch)
        send = venue.chain.send
        waiting = [True, False]

        def unmined(signer: Any, function: Any, *rest: Any) -> Any:
            raise UnminedError(function.fn_name, b"\x12" * 32)

        monkeypatch.setattr(venue.chain, "send", unmined)
        monkeypatch.setattr(venue.chain, "is_waiting", lambda _: waiting.pop(0))
        with pytest.raises(UnminedError, match=r"prove was sent as 0x1212.* and is not mined yet"):
            await bridge.look(sequencer)
        monkeypatch.setattr(venue.chain, "send", send)
        await bridge.look(sequencer)
        assert sends == []
        await bridge.look(sequencer)
        assert (sends, bridge.accepted()) == (["prove"], 1)

    with_batches(venue, tmp_path / "node", 1, scene)


def test_acceptance_that_is_taken_back_is_noted_and_the_proof_is_sent_again(
    venue: Venue, tmp_path: Path
) -> None:
    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        checkpoints = sequencer.directory.checkpoints
        snapshot = venue.chain.tester.take_snapshot()
        keep_proof(venue, shelf, 1, 1)
        await bridge.look(sequencer)
        assert checkpoints.batch(1).stage is Stage.PROVED
        venue.chain.tester.revert_to_snapshot(snapshot)
        venue.chain._database.execute("DELETE FROM block WHERE number = (SELECT max(number) FROM block)")
        path = shelf.terminal_path(1, 1)
        content = path.read_bytes()
        path.unlink()
        await bridge.look(sequencer)
        assert checkpoints.batch(1).stage is Stage.PUBLISHED
        path.write_bytes(content)
        await bridge.look(sequencer)
        assert checkpoints.batch(1).stage is Stage.PROVED

    with_batches(venue, tmp_path / "node", 1, scene)


def test_a_transaction_that_no_node_would_pass_on_is_not_sent(venue: Venue) -> None:
    call = venue.contract.functions.append(bytes(128 * 1024))
    with pytest.raises(EthereumError, match=r"append would be a transaction of 131,\d\d\d bytes"):
        venue.chain.send(venue.chain.account(SEQUENCER), call)


def test_the_verifiers_reason_is_told_by_its_name(venue: Venue) -> None:
    from prover.errors import Reason
    from prover.hash.keccak import keccak256
    from rollup.node.ethereum import revert_reason
    from verifier_contracts.artifact import load_artifact

    abi = load_artifact("StarkVerifier").abi
    number = list(Reason).index(Reason.FOLD_INCONSISTENT)
    output = keccak256(b"ProofRefused(uint8)")[:4] + encode(["uint8"], [number])
    error = Exception(f"execution reverted: {output!r}")
    assert revert_reason(error, abi) == f"ProofRefused({Reason.FOLD_INCONSISTENT.value})"


def test_a_transaction_that_nobody_knows_does_not_wait() -> None:
    from web3.exceptions import TransactionNotFound

    def unknown(_: Any) -> Any:
        raise TransactionNotFound("unknown")

    found: Any = SimpleNamespace(eth=SimpleNamespace(get_transaction=unknown))
    assert not Ethereum(found).is_waiting(b"\x01" * 32)
    found.eth.get_transaction = lambda _: {"blockNumber": None}
    assert Ethereum(found).is_waiting(b"\x01" * 32)
