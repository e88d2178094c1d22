"""How the demonstration ends when the provers, or the contract, do not go along; doubles of both are enough for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from rollup.node.background import ProofState
from rollup.node.demo_proofs import StoryError, contract_refuses, prove_everything

BATCHES = 2


class Provers:
    """Provers that have proved everything, or that cannot."""

    def __init__(self, failed: dict[str, str]) -> None:
        self.failed = failed
        self.may_join = False

    def state_of(self, _: int) -> ProofState:
        return ProofState.FAILED if self.failed else ProofState.PROVED

    @property
    def covered(self) -> int:
        return BATCHES if self.may_join else 0

    def describe(self) -> dict[str, Any]:
        return {"failed": self.failed, "proving": [{"stages": 4}]}


class Bridge:
    """A bridge to a contract that takes no proof."""

    published = BATCHES
    proved = 0

    async def look(self, _: object) -> None:
        return None

    def describe(self) -> dict[str, Any]:
        return {"refused": "batches 1 to 2: the contract refuses prove: IsFrozen()"}


def ending(provers: Provers) -> str:
    """The line with which the story ends."""
    running: Any = SimpleNamespace(bridge=Bridge(), sequencer=None)
    shown: list[tuple[str, float]] = []
    watched: Any = provers
    with pytest.raises(StoryError) as caught:
        asyncio.run(prove_everything(running, watched, lambda *told: shown.append(told)))
    assert all(0 <= part <= 1 for _, part in shown)
    return str(caught.value)


def test_a_batch_that_cannot_be_proved_ends_the_story() -> None:
    said = ending(Provers({"prove 2": "it is too large"}))
    assert said == "the provers cannot go on: prove 2: it is too large"


def test_a_contract_that_refuses_the_proof_ends_the_story_with_its_reason() -> None:
    said = ending(Provers({}))
    assert said.startswith("the contract has accepted 0 of 2 batches: batches 1 to 2: the contract refuses")
    assert said.endswith("IsFrozen()")


def test_what_the_contract_must_refuse_and_does_not_ends_the_story() -> None:
    agreeing: Any = SimpleNamespace(refuse_failure=lambda *_: None)
    wallet: Any = SimpleNamespace(address="0x00")
    with pytest.raises(StoryError, match="bob takes all, and the contract agrees"):
        contract_refuses(agreeing, "bob takes all", wallet, None)
