"""Behind a chain that is not reached nothing is acknowledged that could never be sealed; floods stop no reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web3.exceptions import Web3RPCError

from rollup.commands.vault import CHARGES_OFFERED, Vault
from rollup.node.block_spans import BLOCKS_AT_ONCE, in_spans
from rollup.node.bridge import BEHIND_SECONDS, Bridge
from rollup.node.ethereum import EthereumError
from rollup.node.refusals import Refusal
from rollup.node.sequencer import Sequencer
from rollup.units import Time
from tests.rollup.node.desk import ALICE as TRADER
from tests.rollup.node.desk import Desk
from tests.rollup.node.test_bridge import ALICE, Venue, build, play
from tests.rollup.node.test_sequencer import until
from tests.verifier_contracts.vault_bench import SETTINGS


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    made = build(tmp_path / "chain.sqlite")
    yield made
    made.chain.close()


def test_nothing_new_is_taken_behind_a_batch_that_ethereum_has_not_sealed_for_half_an_hour(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    venue.deposit(ALICE, 100)

    async def scene(sequencer: Sequencer, bridge: Bridge) -> None:
        sequencer.is_ethereum_behind = bridge.is_behind
        bridge.look_at_batches()
        bridge.read_queue(0)
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        stored = sequencer.directory.checkpoints.batch(1)
        assert stored is not None

        def nobody_answers() -> None:
            raise EthereumError("nobody answers")

        with monkeypatch.context() as away:
            away.setattr(venue.chain, "look_at_clock", nobody_answers)
            with pytest.raises(EthereumError):
                await bridge.look(sequencer)
        assert bridge.describe()["unsealed_since"] == stored.time
        order = desk.buy(TRADER, 5, 1)
        for late, is_behind in ((BEHIND_SECONDS, False), (BEHIND_SECONDS + 1, True)):
            with monkeypatch.context() as later:
                later.setattr(venue.chain, "now", lambda late=late: Time(stored.time + late))
                assert bridge.is_behind() is is_behind
                answers = [await sequencer.submit(one) for one in (order, desk.cancel(TRADER, 0, 1))]
                assert [answer is Refusal.ETHEREUM_BEHIND for answer in answers] == [is_behind, False]
        await bridge.look(sequencer)
        assert venue.contract.functions.sealedBatch().call() >= 1
        assert not bridge.is_behind()

    play(venue, tmp_path / "node", scene)


class Node:
    """An Ethereum node that answers so many events at most, one a block."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[tuple[int, int]] = []

    def ask(self, start: int, end: int) -> list[int]:
        self.asked.append((start, end))
        if end - start >= self.most:
            raise Web3RPCError("query returned more than that many results")
        return list(range(start, end + 1))


@pytest.mark.parametrize("most", [1, 7, BLOCKS_AT_ONCE])
def test_every_block_is_asked_for_once_however_little_a_node_answers(most: int) -> None:
    node = Node(most)
    assert list(in_spans(5, 5 + BLOCKS_AT_ONCE + 40, node.ask)) == list(range(5, 5 + BLOCKS_AT_ONCE + 41))
    assert max(end - start for start, end in node.asked) < BLOCKS_AT_ONCE


def test_a_node_that_refuses_a_single_block_is_not_asked_for_ever() -> None:
    node = Node(0)
    with pytest.raises(Web3RPCError):
        list(in_spans(0, 100, node.ask))
    assert len(node.asked) < 10


def test_a_forced_item_offers_room_for_others_before_it_and_gets_back_what_is_not_due(venue: Venue) -> None:
    venue.deposit(ALICE, 100)
    charge = SETTINGS["forcedItemCharge"]
    vault = Vault(venue.chain, venue.contract, venue.token)
    wallet = venue.chain.account(ALICE)
    offered = vault.charge_offered(wallet.address)
    assert offered == CHARGES_OFFERED * charge
    before = venue.chain.web3.eth.get_balance(wallet.address)
    receipt = vault.send(wallet, venue.contract.functions.forceWithdrawal(), offered)
    spent = before - venue.chain.web3.eth.get_balance(wallet.address)
    assert spent == charge + receipt["gasUsed"] * receipt["effectiveGasPrice"]
    assert vault.charge_offered("0x" + "12" * 20) == charge
