"""What the contract says of itself: sealed, proved, claimable, overdue; and how the command shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rollup.commands import l1_command
from rollup.commands.house import FoundHouse
from rollup.commands.vault import Vault
from rollup.node.bridge import Bridge
from rollup.node.l1_status import ClaimCounts, L1Status, l1_status
from rollup.node.proofs import ProofShelf
from rollup.units import QueuePosition
from tests.rollup.node.test_bridge import ALICE, Venue, build
from tests.rollup.node.test_bridge_proofs import keep_proof, with_batches
from tests.verifier_contracts.vault_bench import DAY, DOLLAR


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """Three sealed batches, of which two are proved; an owner waits in the queue to leave."""
    path = tmp_path_factory.mktemp("l1")
    made = build(path / "chain.sqlite", "AcceptingVerifier")

    async def scene(sequencer: Any, bridge: Bridge, shelf: ProofShelf) -> None:
        keep_proof(made, shelf, 1, 2)
        await bridge.look(sequencer)
        assert bridge.items_from(QueuePosition(0), 9)
        leave = made.contract.functions.forceWithdrawal()
        await asyncio.to_thread(made.chain.send, made.chain.account(ALICE), leave, 10**15)

    with_batches(made, path / "node", 3, scene)
    yield made
    made.chain.close()


@pytest.fixture(scope="module")
def found(venue: Venue) -> L1Status:
    return l1_status(venue.chain, venue.contract)


def test_what_is_sealed_and_what_is_proved_are_told_apart(venue: Venue, found: L1Status) -> None:
    assert (found.sealed, found.proved, found.frozen_at) == (3, 2, None)
    (waiting,) = found.waiting
    assert waiting.number == 3
    assert found.now - 60 < waiting.sealed_at <= found.now
    assert (waiting.proof_due_at, waiting.freeze_at) == (
        waiting.sealed_at + DAY,
        waiting.sealed_at + 3 * DAY,
    )
    # The deposit that batch 3 serves, and the owner who wants to leave.
    assert found.items is not None
    assert found.items.count == 2
    assert found.items.freeze_at == found.items.oldest_at + 3 * DAY
    assert found.claims == ClaimCounts(0, 0, 0)
    assert found.vault == 300 * DOLLAR
    assert found.contract == venue.contract.address
    assert found.overdue == ()


@pytest.mark.parametrize(
    ("later", "frozen_at", "said"),
    [
        (DAY, None, "a proof of batch 3 is overdue: anyone may revert it"),
        (3 * DAY, None, "batch 3 waits for its proof too long: anyone may freeze"),
        (3 * DAY, None, "the oldest queue item waits for a proved batch too long: anyone may freeze"),
        (0, 1, "the clearing house is frozen"),
    ],
)
def test_what_is_overdue_is_said_in_a_line(
    found: L1Status, later: int, frozen_at: int | None, said: str
) -> None:
    late = replace(found, now=found.now + later + 60, frozen_at=frozen_at)
    assert any(line.startswith(said) for line in late.overdue)


def test_claims_are_counted_by_what_is_proved_and_what_is_paid() -> None:
    from rollup.node.l1_status import _Counted

    counted = _Counted({1: 3, 2: 0, 3: 2, 4: 7}, paid=1)
    assert counted.until(sealed=3, proved=1) == ClaimCounts(claimable=2, paid=1, waiting=2)


def test_the_command_shows_it_and_ends_with_no_when_something_is_overdue(
    venue: Venue, found: L1Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(venue.chain, venue.contract, venue.token)
    monkeypatch.setattr(l1_command, "found_house", lambda _: FoundHouse(vault, 0))
    shown = CliRunner().invoke(l1_command.group, ["status"])
    assert shown.exit_code == 0, shown.output
    assert "batch 2; 1 sealed batch is NOT proved" in shown.output
    assert "0 can be collected, 0 wait for a proof, 0 paid" in shown.output
    assert "sealed and not proved" in shown.output
    spelled = json.loads(CliRunner().invoke(l1_command.group, ["status", "--json"]).output)
    assert (spelled["sealed"], spelled["proved"], spelled["overdue"]) == (3, 2, [])
    assert spelled["waiting"][0]["number"] == 3
    late = replace(found, now=found.now + 2 * DAY)
    monkeypatch.setattr("rollup.node.l1_status.l1_status", lambda *_: late)
    overdue = CliRunner().invoke(l1_command.group, ["status"])
    assert overdue.exit_code == 1
    assert "OVERDUE" in overdue.output
    assert "a proof of batch 3 is overdue" in overdue.output


def test_where_nothing_answers_the_command_says_so(tmp_path: Path) -> None:
    from cli import main

    contract = "0x" + "11" * 20
    there = ["l1", "status", "--data-dir", str(tmp_path), "--l1-rpc", "http://127.0.0.1:9"]
    assert main([*there, "--contract", contract]) == 2
    assert main([*there, "--url", "http://127.0.0.1:9"]) == 2
