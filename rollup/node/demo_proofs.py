"""The end of the demonstration: every batch is proved to the contract, and the contract pays who has withdrawn.

The proofs are made by the node's own provers and handed in by its own bridge; here somebody only waits and watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from rollup.claims import claim_path
from rollup.codec import decode_batch
from rollup.node.background import BackgroundProver, ProofState
from rollup.node.demo_house import House
from rollup.node.demo_report import Refused
from rollup.node.ethereum import EmbeddedChain, RevertedError
from rollup.node.node import Running
from rollup.node.published import published_batches

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

Progress = Callable[[str, float], None]
"""Told what is being done, and which part of it is."""

PROVING_PATIENCE_SECONDS: Final = 3600.0
"""A first run compiles every kernel and makes every key."""

JOINING_STAGES: Final = 40
"""About so many stages does a prover tell of while it joins: for the bar only."""

LOOK_SECONDS: Final = 0.1

BY_ITSELF: Final = (ProofState.PROVED, ProofState.JOINING, ProofState.JOINED)


class StoryError(Exception):
    """The story did not come to its end; one line for a person."""


async def prove_everything(running: Running, prover: BackgroundProver, show: Progress) -> None:
    """Wait until the contract has accepted a proof of every batch that it has sealed."""
    last = running.bridge.published
    await _wait(prover, "proofs: each batch, and that its proof verifies", show, lambda: _alone(prover, last))
    prover.may_join = True
    await _wait(
        prover, "proofs: all batches joined into one for the contract", show, lambda: _joined(prover, last)
    )
    stage = "the contract verifies the proof"
    show(stage, 0.0)
    await running.bridge.look(running.sequencer)
    if running.bridge.proved < last:
        said = running.bridge.describe()["refused"] or "it gave no reason"
        raise StoryError(f"the contract has accepted {running.bridge.proved} of {last} batches: {said}")
    show(stage, 1.0)


async def _wait(prover: BackgroundProver, stage: str, show: Progress, done: Callable[[], float]) -> None:
    """Show how far the provers are; a batch that cannot be proved ends the story."""
    deadline = perf_counter() + PROVING_PATIENCE_SECONDS
    shown = -1.0
    while (part := done()) < 1:
        if part != shown:
            show(stage, part)
            shown = part
        failed = prover.describe()["failed"]
        if failed:
            raise StoryError("the provers cannot go on: " + "; ".join(map(": ".join, failed.items())))
        if perf_counter() > deadline:
            raise StoryError(f"the provers did not get there within {PROVING_PATIENCE_SECONDS:,.0f} s")
        await asyncio.sleep(LOOK_SECONDS)
    show(stage, 1.0)


def _alone(prover: BackgroundProver, last: int) -> float:
    """Which part of the batches is proved, each by itself."""
    return sum(prover.state_of(number) in BY_ITSELF for number in range(1, last + 1)) / last


def _joined(prover: BackgroundProver, last: int) -> float:
    """Which part of the batches is joined, by what the prover has told of the terminal proof it is at."""
    if prover.covered >= last:
        return 1.0
    stages = max((one["stages"] for one in prover.describe()["proving"]), default=0)
    going_on = min(stages / JOINING_STAGES, 0.99)
    return (prover.covered + going_on * (last - prover.covered)) / last


def collect_claims(
    house: House, wallets: Mapping[str, LocalAccount], show: Progress
) -> tuple[dict[str, int], list[Refused]]:
    """Every owner takes what is owed out of the vault; nobody gets it twice, nor what is another's."""
    stage = "claims: paid by the contract to their owners"
    owners = {int(wallet.address, 16): name for name, wallet in wallets.items()}
    claims = [
        (content.number, index, claim, content.claims)
        for content in map(decode_batch, published_batches(house.chain, house.contract))
        for index, claim in enumerate(content.claims)
    ]
    collected: dict[str, int] = {}
    refused = []
    for place, (number, index, claim, beside) in enumerate(claims):
        show(stage, place / len(claims))
        name, path = owners[claim.owner], claim_path(number, beside, index)
        wallet = wallets[name]
        call = house.contract.functions.claim(number, index, claim.amount, wallet.address, path)
        is_tried = name == "alice"
        if is_tried:
            refused.append(
                contract_refuses(house.chain, "bob claims what alice is owed", wallets["bob"], call)
            )
        before = house.balance(wallet.address)
        house.chain.send(wallet, call)
        collected[name] = collected.get(name, 0) + house.balance(wallet.address) - before
        if is_tried:
            refused.append(contract_refuses(house.chain, "alice claims the same a second time", wallet, call))
    show(stage, 1.0)
    return collected, refused


def contract_refuses(chain: EmbeddedChain, attempt: str, wallet: LocalAccount, call: Any) -> Refused:
    """Ask for what the contract must refuse, and give its reason."""
    try:
        chain.refuse_failure(wallet.address, call)
    except RevertedError as refused:
        return Refused(attempt, str(refused).rpartition(": ")[2])
    raise StoryError(f"{attempt}, and the contract agrees")
