"""The demonstration: its books balance, it says what is not proved, and with provers the contract pays."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.clearing_demo import NOT_PROVED, command, show_report, to_json
from rollup.node.background import ProvingSettings
from rollup.node.demo import run_demo
from rollup.node.demo_proofs import Progress
from rollup.node.demo_report import Check, DemoReport
from rollup.node.deployment import Verifier
from rollup.node.ports import Attester
from tests.verifier_contracts.vault_bench import LAST_KEYS, STEP_KEYS, TERMINAL_KEY, artifact

HOME = Path(__file__).resolve().parents[3]

PROVING = ProvingSettings((sys.executable, "-m", "tests.rollup.node.repeating_prover"), HOME)
"""A stand-in whose proofs the accepting verifier takes; node, shelf, bridge and contract are the real ones."""

ACCEPTING = Verifier(artifact("AcceptingVerifier"), TERMINAL_KEY, tuple(LAST_KEYS), tuple(STEP_KEYS))

BATCHES = 2
"""One of the only round of trading, one in which everything is settled and some leave."""


def unheard(stage: str, part: float) -> None:
    pass


def told(seed: int, **choices: object) -> DemoReport:
    stages: dict[str, float] = {}
    report = run_demo(seed, stages.__setitem__, rounds=1, **choices)  # type: ignore[arg-type]
    assert set(stages.values()) == {1.0}
    return report


@pytest.fixture(scope="module")
def proved() -> DemoReport:
    return told(3, proving=PROVING, verifier=ACCEPTING)


@pytest.fixture(scope="module")
def unproved() -> DemoReport:
    return told(3)


def test_the_books_balance_and_nothing_is_proved_without_a_prover(unproved: DemoReport) -> None:
    assert unproved.balances
    assert len(unproved.checks) == 5
    assert unproved.proved == 0
    assert len(unproved.batches) == BATCHES
    assert unproved.pipeline == ()
    assert unproved.trades > 10
    assert [batch.number for batch in unproved.batches] == list(range(1, len(unproved.batches) + 1))
    reasons = [refused.reason for refused in unproved.refusals]
    assert reasons == [
        "margin_not_met",
        "signature_invalid",
        "order_number_used",
        "cash_insufficient",
        f"BatchNotProved({BATCHES})",
    ]


def test_the_median_ignores_the_oracle_that_lies(unproved: DemoReport) -> None:
    for settled in unproved.settlements:
        assert settled.price in sorted(settled.posted)[1:4]
        assert max(settled.posted) > 1.4 * settled.price
        assert settled.accounts > 0


def test_money_is_where_it_was_deposited_or_traded_to(unproved: DemoReport) -> None:
    deposited = sum(owner.deposited for owner in unproved.owners)
    assert sum(owner.cash + owner.claimed for owner in unproved.owners) == deposited
    (erin,) = [owner for owner in unproved.owners if owner.name == "erin"]
    assert erin.cash == erin.requirement
    assert erin.claimed > 0


def test_with_provers_the_contract_accepts_every_batch_in_one_proof_and_pays_its_owners_once(
    proved: DemoReport,
) -> None:
    assert proved.balances
    assert proved.proved == len(proved.batches) == BATCHES
    assert all(owner.collected == owner.claimed for owner in proved.owners)
    assert sum(owner.collected > 0 for owner in proved.owners) == 5
    reasons = [refused.reason for refused in proved.refusals]
    assert reasons[-3] == f"BatchNotProved({BATCHES})"
    assert reasons[-2] == "ClaimProofInvalid()"
    assert reasons[-1].startswith(f"AlreadyClaimed({BATCHES}, ")
    arrows = {(arrow.source, arrow.target): arrow.count for arrow in proved.pipeline}
    assert arrows == {
        ("batch", "data on Ethereum"): 3 * BATCHES,
        ("batch", "base proof"): BATCHES,
        ("base proof", "first step"): BATCHES,
        ("first steps", "join"): 1,
        ("join", "terminal"): 1,
        ("terminal", "root accepted"): 1,
        ("root accepted", "claim paid"): 5,
    }


def test_the_same_seed_tells_the_same_story_whoever_judges_the_proofs(
    proved: DemoReport, unproved: DemoReport
) -> None:
    assert [replace(owner, collected=0) for owner in proved.owners] == list(unproved.owners)
    assert proved.settlements == unproved.settlements
    # The vault has paid; the root names the contract, whose address depends on its deployer alone.
    assert [check for check in proved.checks if "vault" not in check.sentence] == [
        check for check in unproved.checks if "vault" not in check.sentence
    ]


def test_the_tables_say_what_is_not_proved_and_whether_the_books_balance(
    unproved: DemoReport, proved: DemoReport, capsys: pytest.CaptureFixture[str]
) -> None:
    show_report(unproved)
    shown = " ".join(capsys.readouterr().out.split())
    assert NOT_PROVED in shown
    assert "the vault holds all cash, all pools and all claims" in shown
    assert to_json(unproved)["balances"] is True
    show_report(proved)
    shown = " ".join(capsys.readouterr().out.split())
    assert "All proofs behind the root together have 100.5 provable bits." in shown
    assert f"The contract has accepted the proof of batches 1 to {BATCHES}: state root {proved.root}" in shown
    assert "It has paid 5 owners who had withdrawn: north 40,000.00, alice 2,500.00" in shown
    assert to_json(proved)["paid"] == sum(owner.claimed for owner in unproved.owners)
    broken = replace(unproved, checks=(Check("a figure", "1", "2"),))
    show_report(broken)
    assert "NO" in capsys.readouterr().out
    assert not broken.balances


def test_the_command_ends_with_the_figures_that_programs_read(
    unproved: DemoReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rollup.node.demo

    ended = [unproved, replace(unproved, checks=(Check("a figure", "1", "2"),))]

    def tell(
        seed: int,
        progress: Progress,
        *,
        attester: Attester | None,
        proving: ProvingSettings | None = None,
        verifier: Verifier | None = None,
    ) -> DemoReport:
        asked.append((attester is not None, proving is not None, verifier is not None))
        return replace(ended.pop(0), seed=seed)

    asked: list[tuple[bool, bool, bool]] = []
    monkeypatch.setattr(rollup.node.demo, "run_demo", tell)
    done = CliRunner().invoke(command, ["--seed", "5", "--json"])
    assert done.exit_code == 0
    assert '"seed": 5' in done.output
    refused = CliRunner().invoke(command, ["--quick"])
    assert refused.exit_code == 1
    assert "the books do not balance" in refused.output
    assert asked == [(False, True, True), (True, False, False)]
    both = CliRunner().invoke(command, ["--quick", "--no-prove"])
    assert both.exit_code == 2


@pytest.mark.long
def test_the_whole_story_repeats() -> None:
    first, second = (run_demo(11, unheard) for _ in range(2))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert first.balances
    assert first.trades > 80
