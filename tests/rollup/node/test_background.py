"""Proving beside the node, with a stand-in for the process that proves: nothing is lost, whatever dies."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from rollup.node.background import BackgroundProver, ProofState, ProvingSettings
from rollup.node.proofs import ProofShelf
from rollup.node.sequencer import SequencerSettings
from rollup.node.turns import Turns
from tests.rollup.node.desk import ListQueue

HOME = Path(__file__).resolve().parents[3]

LOOKS = 12_000
"""Two minutes: each death starts a process anew, and a busy machine takes seconds for one."""


@dataclass
class Batches:
    """Checkpoints of which only the newest number is asked, and a contract that has accepted some of them."""

    last: int
    accepted: int | None = 0

    def latest_batches(self, count: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(number=self.last)][:count] if self.last else []


def settings_for(folder: Path, doings: dict[str, list[str]] | None = None) -> ProvingSettings:
    script = folder / "script.json"
    script.write_text(json.dumps(doings or {}))
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
        for _ in range(LOOKS):
            if is_over(prover) or running.done():
                break
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    checkpoints: Any = batches
    prover = BackgroundProver(folder, checkpoints, settings, tell, lambda: batches.accepted)
    asyncio.run(run())
    return prover, told


def is_done(prover: BackgroundProver) -> bool:
    """Everything that is closed is in a terminal proof."""
    return prover.unjoined == 0 < prover.last


def test_every_batch_is_proved_in_order_then_joined_and_told(tmp_path: Path) -> None:
    prover, told = play(tmp_path, Batches(3), settings_for(tmp_path), is_done)
    by_itself = [ProofState.PROVING, ProofState.PROVED]
    assert told[:6] == [(number, state) for number in (1, 2, 3) for state in by_itself]
    joined = [ProofState.JOINING, ProofState.JOINED]
    assert told[6:] == [
        *((number, state) for state in joined for number in (1, 2)),
        *((3, state) for state in joined),
    ]
    assert prover.describe_batch(2) == {"proof": "joined", "proof_seconds": 0.75, "proof_bytes": 5}
    described = prover.describe()
    assert (described["seconds_behind"], described["join_seconds"]) == (0.0, 0.75)
    shelf = ProofShelf(tmp_path)
    assert [shelf.has(number) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert shelf.terminals() == {(1, 2), (3, 3)}


def test_a_prover_that_dies_is_started_again_and_its_work_is_done(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"prove 2": ["die"], "join 1 2": ["die"]})
    prover, _ = play(tmp_path, Batches(2), settings, is_done)
    assert prover.restarts == 2


def test_work_at_which_every_prover_dies_is_told_as_failed_and_the_rest_is_done(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"prove 2": ["die"] * 9})
    prover, _ = play(tmp_path, Batches(3), settings, lambda one: one.behind == 1 and one.covered == 1)
    assert prover.state_of(2) is ProofState.FAILED
    # 255 where the process object had collected the status before asyncio's thread could ask for it.
    assert re.search(r"3 times, at last with code (-9|255)\b", prover.describe()["failed"]["prove 2"])
    # It has its own proof, and the contract takes it only behind batch 2.
    assert prover.state_of(3) is ProofState.PROVED


def test_a_terminal_proof_at_which_every_prover_dies_is_made_shorter(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"join 1 2": ["die"] * 9})
    play(tmp_path, Batches(2), settings, is_done)
    assert ProofShelf(tmp_path).terminals() == {(1, 1), (2, 2)}


def test_a_batch_that_cannot_be_proved_says_why(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"prove 1": ["fail"]})
    prover, _ = play(tmp_path, Batches(1), settings, lambda one: one.state_of(1) is ProofState.FAILED)
    assert prover.describe()["failed"] == {"prove 1": "it is too large"}
    assert (prover.restarts, prover.behind) == (0, 1)


def test_a_proof_that_is_announced_and_not_there_does_not_count(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"prove 1": ["lie"], "join 1 1": ["lie"]})
    prover, _ = play(tmp_path, Batches(1), settings, is_done)
    assert prover.restarts == 2
    assert ProofShelf(tmp_path).terminals() == {(1, 1)}


def test_a_node_that_starts_again_goes_on_with_what_is_not_on_the_shelf(tmp_path: Path) -> None:
    held = settings_for(tmp_path, {"prove 2": ["wait"]})
    before, _ = play(
        tmp_path, Batches(2), held, lambda one: bool(one.describe()["proving"]) and one.behind == 1
    )
    assert before.state_of(1) is ProofState.PROVED
    held = settings_for(tmp_path, {"join 1 2": ["wait"]})
    play(tmp_path, Batches(2), held, lambda one: one.state_of(2) is ProofState.JOINING)
    after, told = play(tmp_path, Batches(2), settings_for(tmp_path), is_done)
    assert [number for number, _ in told] == [1, 2, 1, 2]
    assert after.restarts == 0


def test_several_processes_share_the_work(tmp_path: Path) -> None:
    settings = replace(settings_for(tmp_path, {"prove 1": ["wait"]}), processes=2)
    prover, _ = play(tmp_path, Batches(4), settings, lambda one: one.behind == 1 and one.last == 4)
    assert prover.state_of(1) is not ProofState.PROVED
    assert all(prover.state_of(number) is ProofState.PROVED for number in (2, 3, 4))


def test_a_new_batch_is_found_while_the_prover_is_idle(tmp_path: Path) -> None:
    batches = Batches(1)

    def grown(prover: BackgroundProver) -> bool:
        if prover.state_of(1) is ProofState.JOINED:
            batches.last = 2
        return prover.state_of(2) is ProofState.JOINED

    prover, _ = play(tmp_path, batches, settings_for(tmp_path), grown)
    assert prover.last == 2


def test_what_the_contract_has_accepted_is_not_proved_again_and_its_first_steps_go(tmp_path: Path) -> None:
    play(tmp_path, Batches(2), settings_for(tmp_path), is_done)
    assert ProofShelf(tmp_path).steps() == {1, 2}
    batches = Batches(6, None)
    waiting, told = play(tmp_path, batches, settings_for(tmp_path), lambda one: len(one.situation.steps) == 2)
    assert (waiting.last, told) == (0, [])
    batches.accepted = 4
    prover, told = play(tmp_path, batches, settings_for(tmp_path), is_done)
    assert {number for number, _ in told} == {5, 6}
    assert ProofShelf(tmp_path).steps() == {5, 6}
    assert prover.state_of(3) is ProofState.JOINED


def test_proofs_of_batches_accepted_long_ago_are_thrown_away_and_their_figures_stay(tmp_path: Path) -> None:
    """A re-organisation of two batches finds their terminal proof, and a person may verify their base proofs."""
    settings = replace(settings_for(tmp_path), kept_batches=2)
    shelf = ProofShelf(tmp_path)
    batches = Batches(5)
    play(tmp_path, batches, settings, is_done)
    assert all(shelf.has(number) for number in range(1, 6)), "the contract has accepted nothing yet"
    assert shelf.terminals() == {(1, 4), (5, 5)}
    batches.accepted = 5
    prover, _ = play(tmp_path, batches, settings, lambda _: not shelf.has(3))
    assert [shelf.has(number) for number in range(1, 6)] == [False, False, False, True, True]
    assert shelf.terminals() == {(1, 4), (5, 5)}, "batch 4 is within the two that are kept"
    assert prover.describe_batch(1) == {"proof": "joined", "proof_seconds": 0.75, "proof_bytes": 5}
    batches.accepted = batches.last = 6
    play(tmp_path, batches, settings, lambda _: shelf.terminals() == {(5, 5)})
    assert not shelf.has(4)
    # What was taken back is sent again: the bridge asks for what goes on behind the accepted one.
    assert shelf.terminal_after(4) is not None


def test_first_steps_of_another_version_are_made_again(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"join 1 2": ["unusable"]})
    _, told = play(tmp_path, Batches(2), settings, is_done)
    states = [ProofState.PROVING, ProofState.PROVED]
    assert [state for number, state in told if number == 1 and state in states] == [*states, *states]


def test_terminal_proofs_wait_as_long_as_they_may_not_be_made(tmp_path: Path) -> None:
    batches = Batches(1)
    settings = replace(settings_for(tmp_path), join_seconds=3600.0)

    def one_and_no_more(prover: BackgroundProver) -> bool:
        if prover.covered == 1:
            batches.last = 2
        return prover.state_of(2) is ProofState.PROVED

    prover, _ = play(tmp_path, batches, settings, one_and_no_more)
    assert (prover.covered, prover.situation.may_join) == (1, False)


def test_batches_are_kept_open_longer_while_the_provers_are_behind(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, {"prove 1": ["wait"]})

    def stretch_at(last: int) -> float:
        prover, _ = play(tmp_path, Batches(last), settings, lambda one: one.last == last)
        return prover.stretch

    assert [stretch_at(last) for last in (1, 7, 9, 10_000)] == [1.0, 1.0, 2.0, 60.0]
    turns = Turns(ListQueue(), SequencerSettings(batch_seconds=1.0))
    turns._opened_at = perf_counter() - 1.5
    assert turns.is_due(has_items=False)
    assert not turns.is_due(has_items=False, stretch=2.0)
