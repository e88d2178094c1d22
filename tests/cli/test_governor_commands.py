"""Governor, oracles, and what people do without the sequencer: the contract is the real one, with the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollup.commands import keystore as keystore_module
from rollup.commands.keystore import Keystore
from rollup.node.ethereum import Ethereum
from rollup.node.governance import Action, decode_arguments, encode_arguments
from rollup.transactions import ForcedCancelOrders, ForcedWithdrawal
from tests.cli.command_line import Desk
from tests.verifier_contracts.vault_bench import DAY, ORACLES, SETTINGS, House

PASSWORD = "correct horse battery staple"  # noqa: S105 - of keys that everybody knows
GROUP = ("--underlying", "1", "--cap", "20000", "--tick", "1", "--lot", "0.01")


@dataclass
class Office:
    """A clearing house on a chain of its own, and people with keys to it."""

    house: House
    desk: Desk

    def _options(self, name: str | None) -> list[str]:
        shared = ["--contract", self.house.address, "--l1-rpc", "http://127.0.0.1:1"]
        return [*shared, *(["--account", name] if name else [])]

    def done(self, name: str | None, *arguments: str) -> Any:
        return self.desk.done(*arguments, *self._options(name))

    def said(self, name: str | None, *arguments: str) -> str:
        ended = self.desk.run(*arguments, *self._options(name))
        assert ended.code == 0, ended.err
        return ended.out

    def refused(self, name: str | None, *arguments: str, code: int = 1) -> str:
        return self.desk.refused(*arguments, *self._options(name), code=code)

    def wait_until(self, time: int) -> None:
        """Let time pass, until a block of that time is there: commands look at the newest one."""
        self.house.wait_until(time)
        self.house.tester.mine_block()

    def make(self, *change: str) -> Any:
        """Announce a change, wait, and make it."""
        made = self.done("governor", "governor", "propose", *change)
        self.wait_until(made["ready_at"])
        return self.done("governor", "governor", "execute", str(made["proposal"]))


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Office:
    house = House()
    monkeypatch.setattr(Ethereum, "at", lambda _url: Ethereum(house.w3))
    monkeypatch.setattr(keystore_module, "SCRYPT_WORK", 1 << 12)
    monkeypatch.setenv("CLEARING_PASSWORD", PASSWORD)
    monkeypatch.setenv("CLEARING_DATA_DIR", str(tmp_path))
    keys = dict(zip(house.w3.eth.accounts, house.tester.backend.account_keys, strict=True))
    people = {"governor": house.governor, "alice": house.alice, "bob": house.bob}
    for name, address in people.items():
        Keystore(tmp_path).add_wallet(name, keys[address].to_bytes(), PASSWORD)
    for place, oracle in enumerate(ORACLES):
        Keystore(tmp_path).add_wallet(f"oracle{place}", oracle.key, PASSWORD)
        house.w3.eth.send_transaction({"from": house.stranger, "to": oracle.address, "value": 10**18})
    return Office(house, Desk(tmp_path, capsys))


def test_a_group_is_announced_waits_and_is_listed(office: Office) -> None:
    expiry = office.house.now + 90 * DAY
    made = office.done("governor", "governor", "propose", "group", "4", "--expiry", str(expiry), *GROUP)
    assert (made["proposal"], made["action"], made["state"]) == (0, "list_group", "waiting")
    assert made["arguments"] == {
        "group": 4,
        "underlying": 1,
        "expiry": expiry,
        "cap": 20_000,
        "tick_micro_dollars": 1_000_000,
        "lot_micro_units": 10_000,
    }
    assert made["ready_at"] - (office.house.now - 1) == SETTINGS["timelock"]
    assert office.done(None, "governor", "list")["proposals"] == [made]
    table = office.said(None, "governor", "list")
    assert "list group" in table and "waiting" in table and "cap 20000" in table
    early = office.refused("governor", "governor", "execute", "0")
    assert early.startswith("proposal 0 is ready at 20")
    office.wait_until(made["ready_at"])
    assert "ready" in office.said(None, "governor", "list")
    assert office.said("governor", "governor", "execute", "0").startswith(
        "proposal 0 is executed: list group"
    )
    assert office.house.call("group", 4)[0] == expiry
    assert "nothing is announced" in office.said(None, "governor", "list")
    gone = "no proposal 0 waits: it was never made, is executed or cancelled"
    assert office.refused("governor", "governor", "execute", "0") == gone
    assert office.make("series", "4", "3000", "put")["arguments"] == {"group": 4, "strike": 3000, "option": 1}
    assert len(office.house.queue()) == 2


def test_everything_that_the_governor_may_announce_arrives_as_it_was_said(office: Office) -> None:
    house = office.house
    house.deposit(house.alice)
    office.make("parameters", "--maker-fee-rate", "10", "--taker-fee-rate", "300", "--treasury", "1")
    oracles = [oracle.address for oracle in ORACLES[:3]]
    assert (
        office.make("oracles", *oracles, "--threshold", "3", "--faults", "0")["arguments"]["threshold"] == 3
    )
    assert [house.call("oracleThreshold"), house.call("isOracle", oracles[2])] == [3, True]
    assert house.call("isOracle", ORACLES[4].address) is False
    office.make("sequencer", house.bob)
    assert house.call("sequencer") == house.bob
    pinned = str(Path(__file__).resolve().parents[2] / "circuits" / "pinned_chain.json")
    changed = office.make("verifier", "--keys", pinned)
    assert house.call("verifier") == changed["arguments"]["verifier"]
    assert changed["arguments"]["terminal_key"] == "0x" + bytes(house.call("terminalKey")).hex()
    assert office.make("step-keys", "2")["arguments"]["version"] == 2
    office.make("governor", house.alice)
    assert house.call("governor") == house.alice
    refused = office.refused("governor", "governor", "propose", "sequencer", house.alice)
    assert refused.startswith(f"the governor is {house.alice}, not {house.governor}")


def test_an_announcement_is_taken_back_or_expires(office: Office) -> None:
    office.done("governor", "governor", "propose", "sequencer", office.house.bob)
    late = office.done("governor", "governor", "propose", "sequencer", office.house.alice)
    assert office.refused("alice", "governor", "cancel", "0").startswith("the governor is")
    assert office.said("governor", "governor", "cancel", "0") == "proposal 0 is cancelled\n"
    office.wait_until(late["expires_at"] + 1)
    (left,) = office.done(None, "governor", "list")["proposals"]
    assert (left["proposal"], left["state"]) == (1, "expired")
    assert office.refused("governor", "governor", "execute", "1").startswith("proposal 1 expired at")


def test_what_the_contract_cannot_take_is_one_line(office: Office, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    complaint = office.refused(
        "governor", "governor", "propose", "step-keys", "1", "--keys", str(keys), code=2
    )
    assert "cannot be used as the keys of a proof chain" in complaint
    missing = office.refused(
        "governor", "governor", "propose", "step-keys", "1", "--keys", str(tmp_path / "none"), code=2
    )
    assert missing.startswith("cannot read")
    made = office.done("governor", "governor", "propose", "series", "9", "100", "call")
    office.wait_until(made["ready_at"])
    assert "GroupUnknown" in office.refused("governor", "governor", "execute", "0")


def test_arguments_are_read_as_they_were_spelled() -> None:
    values = (7, [(1, 2), (3, 1 << 255)])
    read = decode_arguments(Action.SET_STEP_KEYS, encode_arguments(Action.SET_STEP_KEYS, values))
    words = [[f"0x{1:064x}", f"0x{2:064x}"], [f"0x{3:064x}", f"0x{1 << 255:064x}"]]
    assert read == {"version": 7, "step_keys": words}


def test_a_price_is_signed_carried_and_fixed(office: Office, tmp_path: Path) -> None:
    house = office.house
    expiry = house.now + 30 * DAY
    office.make("group", "1", "--expiry", str(expiry), *GROUP)
    early = office.refused("oracle0", "oracle", "post", "1", "3000")
    assert early.startswith("group 1 expires at") and "there is no price before" in early
    assert office.refused("oracle0", "oracle", "sign", "2", "3000") == "the contract lists no group 2"
    office.wait_until(expiry)
    assert "is no oracle" in office.refused("alice", "oracle", "post", "1", "3000")
    file = tmp_path / "price.json"
    office.done("oracle0", "oracle", "sign", "1", "3001", "--out", str(file))
    assert office.done(None, "oracle", "list", "1")["prices"] == []
    # Somebody else carries it, and may not change it.
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(json.loads(file.read_text()) | {"price": 1}))
    assert "NotOracle" in office.refused("alice", "oracle", "post", "--signed", str(changed))
    carried = office.done("alice", "oracle", "post", "--signed", str(file))
    assert (carried["price"], carried["posted"], carried["oracle"]) == (3001, 1, ORACLES[0].address)
    assert "2 of 3 prices are posted" in office.said("oracle1", "oracle", "post", "1", "2990")
    assert "3 of 3 prices are posted" in office.said("oracle2", "oracle", "post", "1", "3010")
    status = office.done(None, "oracle", "list", "1")
    assert (status["prices"], status["settlement_price"]) == ([3001, 2990, 3010], None)
    assert "CollectionOpen" in office.refused("bob", "oracle", "fix", "1")
    office.wait_until(status["closes_at"] + 1)
    assert office.done("bob", "oracle", "fix", "1")["settlement_price"] == 3001
    assert "settled at 3001 ticks already" in office.refused("bob", "oracle", "fix", "1")
    assert "3001 ticks" in office.said(None, "oracle", "list", "1")
    for content in ("[]", "{}", "x", json.dumps(json.loads(file.read_text()) | {"signature": "0x12"})):
        changed.write_text(content)
        bad = office.refused("alice", "oracle", "post", "--signed", str(changed), code=2)
        assert bad.endswith("does not hold a signed price")
    assert "give either" in office.refused("alice", "oracle", "post", "1", code=2)


def test_forced_items_stand_in_the_queue_with_their_deadline(office: Office) -> None:
    house = office.house
    assert "has no account" in office.refused("alice", "force", "withdraw")
    house.deposit(house.alice)
    cancelled = office.done("alice", "force", "cancel", "1000")
    assert (cancelled["position"], cancelled["order_floor"]) == (1, 1000)
    assert "item 2 of the queue" in office.said("alice", "force", "withdraw")
    _, first, second = (queued.item for queued in house.queue())
    assert isinstance(first, ForcedCancelOrders) and first.order_floor == 1000
    assert isinstance(second, ForcedWithdrawal)
    assert cancelled["freeze_at"] - cancelled["queued_at"] == SETTINGS["queueWindow"] + 1
    assert "NothingOverdue" in office.refused("bob", "force", "freeze", "--yes")
    office.wait_until(cancelled["freeze_at"])
    assert "--yes" in office.refused("bob", "force", "freeze", "--json", code=2)
    assert office.done("bob", "force", "freeze", "--yes")["proved_batch"] == 0
    assert "IsFrozen" in office.refused("alice", "force", "withdraw")


def test_anybody_takes_back_what_is_not_proved_in_time(office: Office) -> None:
    house = office.house
    assert "NothingToRevert" in office.refused("bob", "force", "revert")
    house.publish(house.prepare())
    assert "ProofNotOverdue" in office.refused("bob", "force", "revert")
    office.wait_until(house.now + SETTINGS["proofDeadline"] + 1)
    assert office.done("bob", "force", "revert") == {"proved_batch": 0, "reverted": [1]}
    assert house.call("sealedBatch") == 0
