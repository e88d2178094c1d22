"""The clearing house from the command line, against a real node: from a new account to a rebuilt root, and back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollup.commands import keystore
from tests.cli.command_line import Desk, until

MICRO = 1_000_000
CALL = "1/3000/call"


@pytest.fixture
def desk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setenv("CLEARING_DATA_DIR", str(tmp_path / "desk"))
    monkeypatch.setenv("CLEARING_PASSWORD", "correct horse")
    monkeypatch.setenv("CLEARING_NODE_PROVERS", "0")
    monkeypatch.setattr(keystore, "SCRYPT_WORK", 1 << 12)
    made = Desk(tmp_path / "desk", capsys)
    yield made
    made.close()


def test_from_a_new_account_to_a_rebuilt_root_and_over_a_restart(desk: Desk, tmp_path: Path) -> None:
    served = desk.start_node("--batch-time", "1s")
    assert served["contract"].startswith("0x")

    # A second node on the directory, an account without money, and one that does not exist.
    assert "another node (process " in desk.refused("node", code=2)
    for name in ("alice", "bob"):
        assert desk.done("account", "new", name)["name"] == name
    assert "which account? --account NAME, one of alice, bob" in desk.refused("withdraw", "1", code=2)
    assert "was never opened" in desk.refused("withdraw", "1", "--account", "alice", code=2)

    for name in ("alice", "bob"):
        key = desk.done("key", "--account", name)
        assert (key["is_new"], key["account"], key["is_registered"]) == (True, None, False)
        credited = desk.done("deposit", "1000", "--account", name)
        assert credited["cash"] == credited["minted"] == 1000 * MICRO
        assert credited["is_key_registered"] is True
    kept = desk.done("key", "--account", "bob")
    assert (kept["is_new"], kept["account"], kept["is_registered"]) == (False, 2, True)
    assert "--replace replaces it" in desk.refused("key", "--number", "1", "--account", "bob", code=2)
    assert "has just this key (wallet signature 0)" in desk.refused(
        "key", "--replace", "--account", "bob", code=2
    )
    changed = desk.done("key", "--replace", "--number", "1", "--account", "bob")
    assert changed["key"] != kept["key"]
    assert (changed["is_new"], changed["is_registered"], changed["origin"]) == (
        True,
        True,
        "wallet signature 1",
    )

    # A trade.
    resting = desk.done("order", "sell", "5", CALL, "1.25", "--account", "alice", "--lifetime", "1d")
    assert (resting["status"], resting["slot"], resting["number"]) == ("resting", 0, 1)
    filled = desk.done("order", "buy", "2", CALL, "1.30", "--account", "bob")
    assert (filled["status"], filled["fills"][0]["price"], filled["fills"][0]["lots"]) == (
        "filled",
        1_250_000,
        2,
    )
    book = desk.done("book", CALL)
    assert (book["bids"], book["asks"]) == ([], [{"price": 1_250_000, "lots": 3, "orders": 1}])
    assert "margin_not_met" in desk.refused("order", "sell", "99", CALL, "2", "--account", "bob", code=1)
    other = desk.done("order", "sell", "1", CALL, "1.50", "--account", "alice")
    assert other["slot"] == 1
    assert desk.done("cancel", "1", "--account", "alice")["cancelled"][0]["slot"] == 1
    assert desk.refused("cancel", "1", "--account", "alice", code=1) == "no order rests in slot 1"

    assert (
        "cancelled slot 0: sell 3 1/3000/call at $1.25"
        in desk.run("cancel", "--all", "--account", "alice").out
    )
    again = desk.run("order", "sell", "3", CALL, "1.25", "--account", "alice", "--lifetime", "1d").out
    assert again.startswith("sell 3 1/3000/call at $1.25 rests in the book (slot 0, number 2)\n")
    assert desk.done("cancel", "--floor", "2", "--account", "alice")["floor"] == 2
    assert "say which orders" in desk.refused("cancel", "--account", "alice", code=2)

    # What people read.
    shown = desk.run("book").out
    assert "group 1: underlying 1, expires" in shown
    assert "│ 1/3000/call │      │ -   │ $1.25 │ 3    │" in shown
    shown = desk.run("status", "--account", "alice").out
    assert "│ 1/3000/call │ -2 lots" in shown
    assert "its orders" in shown
    assert "account 1 (alice)" in shown

    # Out of the books, but not out of the vault.
    withdrawn = desk.done("withdraw", "100.5", "--account", "bob")
    number = withdrawn["batch"]
    assert withdrawn["cash"] == 1000 * MICRO - 2 * 1_250_000 - 100_500_000
    until(lambda: desk.done("status", "--account", "bob")["batches"]["published"] >= number)
    assert desk.refused("claim", "--account", "bob", code=1) == f"batch {number} is not proved yet"
    assert (
        desk.refused("claim", str(number), "--account", "bob", code=1) == f"batch {number} is not proved yet"
    )
    owed = desk.done("claim", "--list", "--account", "bob")
    assert [(one["batch"], one["amount"], one["state"]) for one in owed["claims"]] == [
        (number, 100_500_000, "not proved")
    ]

    file = tmp_path / "last.batch"
    shown = desk.done("batch", "show", str(number), "--data", str(file))
    assert (shown["stage"], shown["claims"][0]["amount"]) == ("published", 100_500_000)
    assert file.stat().st_size == shown["bytes"]
    assert desk.done("batch", "list")["batches"][0]["number"] == number
    assert f"│ {number}     │ published │" in desk.run("batch", "list").out
    text = desk.run("batch", "show", str(number)).out
    assert f"{shown['root']}" in text
    assert "$100.50 to 0x" in text
    told = desk.run("rebuild", str(file))
    assert (told.code, "does not follow batch 0" in told.err) == (1, True)
    assert desk.refused("batch", "show", "4000000", code=1) == "there is no batch 4000000 yet"

    # Everybody's own check, from Ethereum alone.
    rebuilt = desk.done("rebuild")
    assert (rebuilt["batches"], rebuilt["roots_compared"]) == (number, number + 1)
    assert rebuilt["root"] == shown["root"]
    assert desk.done("rebuild", "--from", "node")["root"] == shown["root"]

    before = desk.done("status", "--account", "bob")
    code, said = desk.end_node()
    assert (code, said.splitlines()[-1]) == (0, "stopped; everything that was acknowledged is on the disk")
    assert "no node answers at" in desk.refused("status", code=2)

    # The same books after a restart.
    desk.start_node("--batch-time", "1s")
    after = desk.done("status", "--account", "bob")
    until(lambda: desk.done("status")["node"]["root"] is not None)
    assert after["account"] == before["account"]
    assert after["batches"] == before["batches"]
    assert desk.done("status")["node"]["root"] == before["node"]["root"] == shown["root"]
    assert desk.done("book", CALL)["asks"] == book["asks"]
    assert desk.end_node(signal.SIGINT)[0] == 0
