"""Leaving a frozen clearing house from the command line: nothing but a chain is there, no node answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from web3.contract.contract import ContractFunction
from web3.utils.address import get_create_address

from benchmarks.exit_gas import MEDIAN_EXIT
from benchmarks.gas import README
from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.binding import packed
from rollup.commands import keystore
from rollup.commands.keystore import Keystore
from rollup.node.ethereum import Ethereum
from rollup.outcome import Transaction
from rollup.schnorr import SignatureSuite, random_secret_key
from rollup.state import Deployment, State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Withdrawal
from rollup.units import Address, ChainId, Time
from tests.cli.command_line import Desk
from tests.rollup.workbench import CALL, UNSIGNED, CountingCheck, make
from tests.rollup.workbench import House as Bench
from tests.verifier_contracts.vault_bench import (
    DAY,
    DOLLAR,
    ORACLES,
    SETTINGS,
    START,
    House,
    Prepared,
)

EXPIRY = START + 40 * DAY
GROUP = 7
SERIES = GROUP << 25 | 100 << 1 | CALL


class RealHouse(House):
    """A clearing house on the embedded chain whose batches lead to real roots."""

    state: State

    def settings(self, **changed: Any) -> tuple[Any, ...]:
        """The same with the root of a genesis that names the next contract but one."""
        nonce = self.w3.eth.get_transaction_count(self.governor)
        expected = int(get_create_address(self.governor, nonce + 1), 16)  # type: ignore[arg-type]
        deployment = Deployment(ChainId(self.w3.eth.chain_id), Address(expected))
        self.state = State.genesis(deployment, Time(SETTINGS["genesisTime"]))
        return super().settings(genesisRoot=self.root(), **changed)

    def root(self) -> int:
        return packed(StateTree.of_state(self.state, KernelHasher(POSEIDON16_20)).root)

    def next_batch(self, *transactions: Transaction) -> None:
        """Serve the queue, apply transactions, publish."""
        start = self.state.system.queue_position
        number = self.state.system.batch_number + 1
        batch = make(Batch, number, self.now, start, self.queue(start), transactions)
        outcome = apply_batch(self.state, batch, CountingCheck())
        assert isinstance(outcome, BatchOutcome), outcome
        self.state = outcome.state
        self.publish(Prepared(number, outcome.published, outcome.content.claims, self.root()))


@dataclass
class Leaving:
    """A chain, and the command lines of Alice and Bob."""

    house: RealHouse
    desk: Desk

    def options(self, name: str | None) -> list[str]:
        shared = ["--data-dir", str(self.desk.data_dir), "--contract", self.house.address]
        return [*shared, "--l1-rpc", "http://127.0.0.1:1", *(["--account", name] if name else [])]

    def run(self, name: str | None, *arguments: str) -> Any:
        return self.desk.done("exit", *arguments, *self.options(name))

    def refused(self, name: str | None, *arguments: str, code: int = 1) -> str:
        return self.desk.refused("exit", *arguments, *self.options(name), code=code)

    def said(self, name: str | None, *arguments: str) -> str:
        ended = self.desk.run("exit", *arguments, *self.options(name))
        assert ended.code == 0, ended.err
        return ended.out


PASSWORD = "correct horse battery staple"  # noqa: S105 - it guards worthless test wallets


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[RealHouse, Path]:
    """A clearing house, and the wallets of two depositors and of somebody without ether."""
    house, folder = RealHouse(), tmp_path_factory.mktemp("desk")
    keys = [house.tester.backend.account_keys[place].to_bytes() for place in (2, 3)]
    with pytest.MonkeyPatch.context() as patched:
        # These tests open a wallet thirty times; what guards real ones takes half a second.
        patched.setattr(keystore, "SCRYPT_WORK", 1 << 12)
        for name, key in zip(("alice", "bob", "poor"), (*keys, bytes([7] * 32)), strict=True):
            Keystore(folder).add_wallet(name, key, PASSWORD)
    return house, folder


@pytest.fixture
def leaving(
    deployed: tuple[RealHouse, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leaving]:
    house, folder = deployed
    monkeypatch.setattr(Ethereum, "at", lambda _url: Ethereum(house.w3))
    # The embedded chain estimates by repeating a call some twenty times.
    monkeypatch.setattr(ContractFunction, "estimate_gas", lambda _call, _options: 2_000_000)
    monkeypatch.setenv("CLEARING_PASSWORD", PASSWORD)
    snapshot, genesis = house.tester.take_snapshot(), house.state
    yield Leaving(house, Desk(folder, capsys))
    house.tester.revert_to_snapshot(snapshot)
    house.state = genesis


def trade_between(house: RealHouse) -> None:
    """Alice buys two calls of Bob; both have registered keys, and Bob has withdrawn ten dollars."""
    house.deposit(house.alice, 500)
    house.deposit(house.bob, 700)
    for person in (house.alice, house.bob):
        key = random_secret_key(SignatureSuite(1)).trading_key
        charge = SETTINGS["forcedItemCharge"]
        house.send(house.function("registerKey", 0, key.suite, list(key.x), list(key.y)), person, charge)
    terms = ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"]
    house.govern(0, terms, GROUP, 1, EXPIRY, 200, DOLLAR, DOLLAR)
    house.govern(1, ["uint16", "uint32", "uint16"], GROUP, 100, 0)
    made = Bench().a_trade(1, 2, make(int, SERIES), 2, 5)  # type: ignore[arg-type]
    life = house.now + DAY
    buy, sell = (
        replace(signed, order=replace(signed.order, expiry=Time(life))) for signed in (made.buy, made.sell)
    )
    house.next_batch(replace(made, buy=buy, sell=sell), make(Withdrawal, 2, 10 * DOLLAR, 0, UNSIGNED))
    house.prove(1)


def freeze(house: RealHouse) -> None:
    house.wait(SETTINGS["queueWindow"] + 2)
    house.send(house.function("freeze"), house.stranger)


def fix_price(house: RealHouse, price: int) -> None:
    house.wait_until(max(EXPIRY, house.now) + 1)
    for oracle in ORACLES:
        signed = oracle.unsafe_sign_hash(house.call("priceDigest", GROUP, price))
        parts = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        house.send(house.function("postPrice", GROUP, price, *parts), house.stranger)
    house.wait(SETTINGS["collectionPeriod"] + 2)
    house.send(house.function("fixPrice", GROUP), house.stranger)


def test_two_people_leave_with_all_that_is_theirs(leaving: Leaving) -> None:
    house = leaving.house
    trade_between(house)
    found = leaving.run("alice", "show")
    assert (found["frozen_at"], found["account"], found["cash"]) == (None, 1, 490 * DOLLAR)
    assert "not frozen; if it were now, after batch 1" in leaving.said("alice", "show")
    assert leaving.refused("alice", "leave").startswith(
        "the clearing house is not frozen: `clearing withdraw`"
    )
    house.deposit(house.alice, 30)
    freeze(house)

    # Bob is short two calls of at most 100 dollars each.
    found = leaving.run(None, "show", "--owner", house.bob)
    assert (found["requirement"], found["cash_at_once"]) == (200 * DOLLAR, 500 * DOLLAR)
    assert found["claims"] == [{"batch": 1, "index": 0, "amount": 10 * DOLLAR, "is_paid": False}]
    assert [group["amount"] for group in found["groups"]] == [None]
    assert leaving.refused("bob", "group").startswith("account 2 has not left;")
    left = leaving.run("bob", "leave")
    assert [call["what"] for call in left["calls"]] == ["group 7 shown", "cash of account 2"]
    assert left["total"] == 500 * DOLLAR
    # One position: between the first two rows of the documentation's table.
    receipt = house.w3.eth.get_transaction_receipt(left["calls"][1]["transaction"])
    listed = dict(
        re.findall(r"^\| (takeCash, .+?) \| ([\d,]+) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    )
    cheap, dear = (
        int(listed[name].replace(",", "")) for name in ("takeCash, without positions", MEDIAN_EXIT)
    )
    assert cheap < receipt["gasUsed"] < dear
    assert leaving.refused("bob", "leave").startswith("account 2 has left already")
    assert leaving.run("bob", "claim")["total"] == 10 * DOLLAR
    assert leaving.run("bob", "claim") == {"calls": [], "total": 0}
    assert leaving.refused("bob", "group", "7").startswith("the price of group 7, which expires 2027-02-2")
    assert leaving.refused("bob", "group", "9") == "account 2 holds nothing in group 9"
    assert leaving.said("bob", "group") == "there is nothing to take now\n"
    assert "no price yet; holds back $200.00" in leaving.said("bob", "show")

    refunded = leaving.run("alice", "refund", "--to", house.carol)
    assert refunded["total"] == 30 * DOLLAR
    position = refunded["calls"][0]["what"].removeprefix("deposit ")
    assert leaving.refused("alice", "refund", position) == f"deposit {position} was refunded before"
    assert leaving.refused("alice", "refund", "0").startswith("queue item 0 is no deposit of 0x")
    assert leaving.said("alice", "leave").endswith("$490.00 taken\n")
    assert leaving.refused("bob", "adopt", "7").endswith("the contract refuses adoptPrice: NoNotice(7)")
    assert "NotGovernor(" in leaving.refused("bob", "announce", "7", "100")

    fix_price(house, 130)
    assert "`clearing exit group 7`" in leaving.said("alice", "show")
    assert leaving.run("alice", "group", "7")["total"] == 60 * DOLLAR
    assert leaving.run("bob", "group")["total"] == 140 * DOLLAR
    assert leaving.refused("bob", "group", "7") == "group 7 was taken before"
    assert house.balance(house.address) == house.call("vaultBalance") == 0
    shown = leaving.said("bob", "show")
    assert "taken" in shown
    assert "paid" in shown


def test_whoever_has_nothing_is_told_so(leaving: Leaving) -> None:
    house = leaving.house
    house.deposit(house.bob, 20)
    freeze(house)
    assert leaving.said("alice", "show").endswith(f"nothing here belongs to {house.alice}\n")
    refusal = leaving.refused("bob", "leave")
    assert refusal.startswith(f"{house.bob} has no account in the last proved state;")
    assert leaving.said("bob", "refund") == "$20.00 taken\n"
    assert leaving.said("bob", "refund") == "there is nothing to take now\n"


def test_data_that_does_not_lead_to_the_proved_root_is_refused(leaving: Leaving) -> None:
    """A tool that made paths from another state would only make calls that the contract refuses."""
    house = leaving.house
    house.deposit(house.bob, 20)
    house.publish(house.prepare())
    house.prove(1)
    refusal = leaving.refused("bob", "show")
    assert "does not lead to the root of batch 1 that the contract believes" in refusal


def test_a_wallet_without_ether_is_told_before_anything_is_sent(leaving: Leaving) -> None:
    house = leaving.house
    poor = Keystore(leaving.desk.data_dir).address("poor")
    house.send(house.function("deposit", poor, 20 * DOLLAR), house.bob)
    house.next_batch()
    house.prove(1)
    house.deposit(house.bob, 20)
    freeze(house)
    refusal = leaving.refused("poor", "show", "--from-block", "100000", code=2)
    assert refusal == "the chain's logs show 0 of 1 proved batches: an earlier --from-block is needed"
    refusal = leaving.refused("poor", "leave", code=2)
    assert refusal == f"the wallet {poor} has no ether on chain {house.deployment.chain} to pay for gas"


def test_an_address_without_a_contract_is_refused(leaving: Leaving) -> None:
    options = ["--data-dir", str(leaving.desk.data_dir), "--contract", leaving.house.carol]
    refusal = leaving.desk.refused("exit", "show", "--account", "bob", *options, code=2)
    assert refusal.startswith(f"there is no contract at {leaving.house.carol} on chain ")
    token = str(leaving.house.contract.functions.token().call())
    for command in (["exit", "show", "--account", "bob"], ["rebuild"], ["l1", "status"]):
        refusal = leaving.desk.refused(*command, *options[:2], "--contract", token, code=2)
        assert (
            refusal
            == f"the contract at {token} on chain {leaving.house.deployment.chain} is no clearing house"
        )


def test_the_governors_price_settles_a_group_of_silent_oracles(leaving: Leaving) -> None:
    house = leaving.house
    key = house.tester.backend.account_keys[0].to_bytes()
    Keystore(leaving.desk.data_dir).add_wallet("governor", key, PASSWORD)
    terms = ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"]
    house.deposit(house.bob, 20)
    house.govern(0, terms, GROUP, 1, EXPIRY, 200, DOLLAR, DOLLAR)
    freeze(house)
    house.wait_until(EXPIRY + 5 * DAY)
    assert "TooEarly(" in leaving.refused("governor", "announce", "7", "100")
    house.wait(40 * DAY)
    announced = leaving.run("governor", "announce", "7", "100")
    assert announced["ready_at"] >= house.now + 17 * DAY
    assert "TooEarly(" in leaving.refused("bob", "adopt", "7")
    house.wait(18 * DAY)
    assert leaving.run("bob", "adopt", "7")["price"] == 100
    assert leaving.refused("governor", "announce", "7", "101").endswith("AlreadyAdopted(7)")
