"""Proving beside the node, with a stand-in for the process that proves: nothing is lost, whatever dies."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rollup.node.background import BackgroundProver, ProofState, ProvingSettings
from rollup.node.proofs import ProofShelf
from tests.rollup.node.test_sequencer import until

HOME = Path(__file__).resolve().parents[3]


@dataclass
class Batches:
    """Checkpoints of which only the newest number is asked."""

    last: int

    def latest_batches(self, count: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(number=self.last)][:count] if self.last else []


def settings_for(folder: Path, **doings: list[str]) -> ProvingSettings:
    script = folder / "script.json"
    script.write_text(json.dumps({name.removeprefix("batch_"): what for name, what in doings.items()}))
    command = (sys.executable, "-m", "tests.rollup.node.stand_in_prover", str(script))
    return ProvingSettings(command, HOME, first_rest_seconds=0.01)


def play(
    folder: Path, batches: Batches, settings: ProvingSettings, is_over: Callable[[BackgroundProver], bool]
) -> tuple[BackgroundProver, list[tuple[int, ProofState]]]:
    """Run a prover until something is so."""
    told: list[tuple[int, ProofState]] = []

    async def tell(number: int) -> None:
        told.append((number, prover.state_of(number)))

    async def run() -> None:
        running = asyncio.create_task(prover.run())
        await until(lambda: is_over(prover) or running.done())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    checkpoints: Any = batches
    prover = BackgroundProver(folder, checkpoints, settings, tell)
    asyncio.run(run())
    return prover, told


def test_every_batch_is_proved_in_order_and_told(tmp_path: Path) -> None:
    prover, told = play(tmp_path, Batches(3), settings_for(tmp_path), lambda one: one.behind == 0 < one.last)
    assert told == [
        (number, state) for number in (1, 2, 3) for state in (ProofState.PROVING, ProofState.PROVED)
    ]
    assert prover.describe_batch(2) == {"proof": "proved", "proof_seconds": 0.25, "proof_bytes": 5}
    assert prover.describe()["seconds_behind"] == 0.0
    assert [ProofShelf(tmp_path).has(number) for number in (1, 2, 3, 4)] == [True, True, True, False]


def test_a_prover_that_dies_is_started_again_and_its_batch_is_proved(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, batch_2=["die", "die"])
    prover, _ = play(tmp_path, Batches(3), settings, lambda one: one.behind == 0 < one.last)
    assert prover.restarts == 2
    assert all(prover.state_of(number) is ProofState.PROVED for number in (1, 2, 3))


def test_a_batch_at_which_every_prover_dies_is_told_as_failed_and_the_others_are_proved(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path, batch_1=["die"] * 9)
    prover, _ = play(tmp_path, Batches(2), settings, lambda one: one.behind == 1 and one.last == 2)
    assert prover.state_of(1) is ProofState.FAILED
    assert "3 times, at last with code -9" in prover.describe()["failed"]["1"]
    assert prover.state_of(2) is ProofState.PROVED


def test_a_batch_that_cannot_be_proved_says_why(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, batch_1=["fail"])
    prover, _ = play(tmp_path, Batches(1), settings, lambda one: one.state_of(1) is ProofState.FAILED)
    assert prover.describe()["failed"] == {"1": "it is too large"}
    assert (prover.restarts, prover.behind) == (0, 1)


def test_a_proof_that_is_announced_and_not_there_does_not_count(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, batch_1=["lie"])
    prover, _ = play(tmp_path, Batches(1), settings, lambda one: one.behind == 0 < one.last)
    assert prover.restarts == 1
    assert ProofShelf(tmp_path).has(1)


def test_a_node_that_starts_again_goes_on_with_what_has_no_proof(tmp_path: Path) -> None:
    held = settings_for(tmp_path, batch_2=["wait"])
    before, _ = play(
        tmp_path, Batches(2), held, lambda one: bool(one.describe()["proving"]) and one.behind == 1
    )
    assert before.state_of(1) is ProofState.PROVED
    after, told = play(tmp_path, Batches(2), settings_for(tmp_path), lambda one: one.behind == 0 < one.last)
    assert [number for number, _ in told] == [2, 2]
    assert after.restarts == 0


def test_several_processes_share_the_work(tmp_path: Path) -> None:
    settings = replace(settings_for(tmp_path, batch_1=["wait"]), processes=2)
    prover, _ = play(tmp_path, Batches(4), settings, lambda one: one.behind == 1 and one.last == 4)
    assert prover.state_of(1) is not ProofState.PROVED
    assert all(prover.state_of(number) is ProofState.PROVED for number in (2, 3, 4))


def test_a_new_batch_is_found_while_the_prover_is_idle(tmp_path: Path) -> None:
    batches = Batches(1)

    def grown(prover: BackgroundProver) -> bool:
        if prover.state_of(1) is ProofState.PROVED:
            batches.last = 2
        return prover.state_of(2) is ProofState.PROVED

    prover, _ = play(tmp_path, batches, settings_for(tmp_path), grown)
    assert prover.last == 2
