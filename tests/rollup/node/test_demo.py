"""The demonstration: its books balance, it says what is not proved, and with a prover everything is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from click.testing import CliRunner
from eth_abi.abi import encode

from benchmarks.clearing_demo import NOT_PROVED, command, show_report, to_json
from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.binding import bind, packed
from rollup.codec import DATA_VERSION
from rollup.node.demo import Progress, run_demo
from rollup.node.demo_report import Check, DemoReport
from rollup.node.deployment import Verifier
from rollup.node.ports import Attester
from rollup.schnorr import SepticSchnorr
from rollup.state import State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from tests.verifier_contracts.vault_bench import artifact

TERMINAL_KEY, BASE_KEY = bytes(range(32)), bytes(range(32, 64))


@dataclass
class RepeatingProver:
    """Repeats each batch by the rules, from its signed orders on, and spells its statement: a proof for the double."""

    proved: list[Batch] = field(default_factory=list)

    def prove_batch(self, before: State, batch: Batch) -> bytes:
        outcome = apply_batch(before, batch, SepticSchnorr())
        assert isinstance(outcome, BatchOutcome)
        hasher = KernelHasher(POSEIDON16_20)
        roots = [packed(StateTree.of_state(state, hasher).root) for state in (before, outcome.state)]
        system, deployment = outcome.state.system, before.system.deployment
        bound = bind(outcome.published, deployment, batch.number, hasher)
        statement = [
            *(DATA_VERSION, deployment.chain, deployment.contract, batch.number),
            *(*roots, 0, len(outcome.published)),
            *(packed(bound.digest), packed(bound.point), packed(bound.value)),
            *(before.system.queue_position, system.queue_position),
            *(batch.time, system.parameters.version, int.from_bytes(BASE_KEY)),
        ]
        self.proved.append(batch)
        return encode(["bytes32", "uint256[]"], [TERMINAL_KEY, statement])


def unheard(stage: str, part: float) -> None:
    pass


def told(seed: int, **choices: object) -> DemoReport:
    stages: dict[str, float] = {}
    report = run_demo(seed, stages.__setitem__, rounds=1, **choices)  # type: ignore[arg-type]
    assert set(stages.values()) == {1.0}
    return report


@pytest.fixture(scope="module")
def proved() -> tuple[DemoReport, RepeatingProver]:
    prover = RepeatingProver()
    verifier = Verifier(artifact("AcceptingVerifier"), TERMINAL_KEY, BASE_KEY)
    return told(3, prover=prover, verifier=verifier), prover


@pytest.fixture(scope="module")
def unproved() -> DemoReport:
    return told(3)


def test_the_books_balance_and_nothing_is_proved_without_a_prover(unproved: DemoReport) -> None:
    assert unproved.balances
    assert len(unproved.checks) == 5
    assert unproved.proved == 0
    assert unproved.trades > 10
    assert [batch.number for batch in unproved.batches] == list(range(1, len(unproved.batches) + 1))
    reasons = [refused.reason for refused in unproved.refusals]
    assert reasons == [
        "margin_not_met",
        "signature_invalid",
        "order_number_used",
        "cash_insufficient",
        f"batch {len(unproved.batches)} is not proved yet",
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


def test_with_a_prover_every_batch_is_proved_from_its_signed_orders(
    proved: tuple[DemoReport, RepeatingProver],
) -> None:
    report, prover = proved
    assert report.balances
    assert report.proved == len(report.batches) == len(prover.proved)
    assert all(not refused.reason.endswith("not proved yet") for refused in report.refusals)


def test_the_same_seed_tells_the_same_story_whoever_judges_the_proofs(
    proved: tuple[DemoReport, RepeatingProver], unproved: DemoReport
) -> None:
    with_proofs, _ = proved
    assert with_proofs.owners == unproved.owners
    assert with_proofs.settlements == unproved.settlements
    # The root names the contract, whose address depends on its deployer alone.
    assert with_proofs.checks == unproved.checks


def test_the_tables_say_what_is_not_proved_and_whether_the_books_balance(
    unproved: DemoReport, capsys: pytest.CaptureFixture[str]
) -> None:
    show_report(unproved)
    shown = " ".join(capsys.readouterr().out.split())
    assert NOT_PROVED in shown
    assert "the vault holds all cash, all pools and all claims" in shown
    assert to_json(unproved)["balances"] is True
    broken = replace(unproved, checks=(Check("a figure", "1", "2"),))
    show_report(broken)
    assert "NO" in capsys.readouterr().out
    assert not broken.balances


def test_the_command_ends_with_the_figures_that_programs_read(
    unproved: DemoReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rollup.node.demo

    ended = [unproved, replace(unproved, checks=(Check("a figure", "1", "2"),))]

    def tell(seed: int, progress: Progress, *, attester: Attester | None) -> DemoReport:
        assert attester is not None
        return replace(ended.pop(0), seed=seed)

    monkeypatch.setattr(rollup.node.demo, "run_demo", tell)
    done = CliRunner().invoke(command, ["--seed", "5", "--json"])
    assert done.exit_code == 0
    assert '"seed": 5' in done.output
    refused = CliRunner().invoke(command, [])
    assert refused.exit_code == 1
    assert "the books do not balance" in refused.output


@pytest.mark.long
def test_the_whole_story_repeats() -> None:
    first, second = (run_demo(11, unheard) for _ in range(2))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)
    assert first.balances
    assert first.trades > 200
