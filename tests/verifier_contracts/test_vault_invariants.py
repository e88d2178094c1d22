"""Whatever is called in whatever order: the vault is deposits less claims, and only proved claims are paid, once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from rollup.codec import QueuedItem
from tests.conftest import LONG
from tests.verifier_contracts.vault_bench import DAY, DOLLAR, SETTINGS, House, Prepared, read_queued

STEPS = 600 if LONG else 80
SEEDS = range(20 if LONG else 1)


@dataclass
class Model:
    """What should be true, kept beside the contract."""

    house: House
    random: random.Random
    deposited: int = 0
    paid: int = 0
    sealed: list[Prepared] = field(default_factory=list)
    promised: list[int] = field(default_factory=list)
    """Claims of each sealed batch, so that honest batches never promise more than was deposited."""
    proved: int = 0
    claimed: set[tuple[int, int]] = field(default_factory=set)
    is_frozen: bool = False
    queued: list[QueuedItem] = field(default_factory=list)
    steps_taken: set[str] = field(default_factory=set)

    def owners(self) -> list[str]:
        return [self.house.alice, self.house.bob, self.house.carol]

    def queue(self, receipt: Any) -> None:
        (announced,) = self.house.events(receipt, "QueueItemAdded")
        self.queued.append(read_queued(announced))

    # ------------------------------------------------------------------------------------------------- steps

    def deposit(self) -> None:
        person = self.random.choice(self.owners())
        amount = self.random.randrange(10 * DOLLAR, 1000 * DOLLAR)
        function = self.house.function("deposit", self.random.choice(self.owners()), amount)
        if self.is_frozen:
            assert self.house.refusal(function, person) == "IsFrozen()"
            return
        self.queue(self.house.send(function, person))
        self.deposited += amount

    def force(self) -> None:
        person = self.random.choice(self.owners())
        function = self.house.function("forceWithdrawal")
        if self.is_frozen:
            assert self.house.refusal(function, person) == "IsFrozen()"
        elif self.house.call("accountOf", person):
            self.queue(self.house.send(function, person, SETTINGS["forcedItemCharge"]))
        else:
            assert self.house.refusal(function, person, 10**18).startswith("AccountUnknown(")

    def publish(self) -> None:
        if self.is_frozen:
            return
        room = self.deposited - sum(self.promised)
        claims = []
        for _ in range(self.random.randrange(4)):
            amount = self.random.randrange(1 + room // 2)
            room -= amount
            claims.append((self.random.choice(self.owners()), amount))
        start = self.house.call("batch", len(self.sealed))[6]
        batch = self.house.prepare(claims, items=tuple(self.queued[start:]))
        self.house.publish(batch)
        self.sealed.append(batch)
        self.promised.append(sum(amount for _, amount in claims))

    def prove(self) -> None:
        if self.proved < len(self.sealed):
            self.house.prove(self.proved + 1)
            self.proved += 1

    def revert(self) -> None:
        function = self.house.function("revertBatches")
        if self.is_frozen:
            assert self.house.refusal(function, self.house.sequencer) == "IsFrozen()"
        elif self.proved == len(self.sealed):
            assert self.house.refusal(function, self.house.sequencer) == "NothingToRevert()"
        else:
            self.house.send(function, self.house.sequencer)
            self.drop_unproved()

    def drop_unproved(self) -> None:
        del self.sealed[self.proved :], self.promised[self.proved :]

    def claim(self) -> None:
        entries = [(batch, index) for batch in self.sealed for index in range(len(batch.claims))]
        if not entries:
            return
        batch, index = self.random.choice(entries)
        owner = next(each for each in self.owners() if int(each, 16) == batch.claims[index].owner)
        caller = self.random.choice([owner, owner, self.house.stranger])
        function = self.house.claim(batch, index, self.house.stranger)
        if batch.number > self.proved:
            assert self.house.refusal(function, caller) == f"BatchNotProved({batch.number})"
        elif (batch.number, index) in self.claimed:
            assert self.house.refusal(function, caller) == f"AlreadyClaimed({batch.number}, {index})"
        elif caller != owner:
            assert self.house.refusal(function, caller) == "ClaimProofInvalid()"
        else:
            self.house.send(function, caller)
            self.claimed.add((batch.number, index))
            self.paid += batch.claims[index].amount

    def wait(self) -> None:
        self.house.wait(self.random.choice([2, 600, DAY // 2]))

    def freeze(self) -> None:
        function = self.house.function("freeze")
        refusal = self.house.refusal(function, self.house.stranger)
        if self.is_frozen:
            assert refusal == "IsFrozen()"
        elif refusal == "accepted":
            self.house.send(function, self.house.stranger)
            self.is_frozen = True
            self.drop_unproved()
        else:
            assert refusal == "NothingOverdue()"

    # -------------------------------------------------------------------------------------------- invariants

    def check(self) -> None:
        """What must hold after every step."""
        house = self.house
        assert house.variable("vaultBalance", 8) == self.deposited - self.paid
        assert house.balance(house.address) == self.deposited - self.paid
        assert house.balance(house.stranger) == self.paid
        assert house.variable("provedBatch", 4) == self.proved
        assert house.variable("sealedBatch", 4) == len(self.sealed)
        assert (house.variable("frozenAt", 6) != 0) is self.is_frozen

    def step(self) -> None:
        """Take one step at random."""
        steps = (
            ["deposit"] * 3 + ["force", "wait", "revert", "freeze"] + ["publish", "prove"] * 3 + ["claim"] * 5
        )
        name = self.random.choice(steps)
        getattr(self, name)()
        self.steps_taken.add(name)
        self.check()


@pytest.mark.parametrize("seed", SEEDS)
def test_vault_claims_and_proofs_stay_in_step(house: House, seed: int) -> None:
    model = Model(house, random.Random(seed))
    for _ in range(STEPS):
        model.step()
    assert len(model.steps_taken) == 8
    assert model.paid > 0
    for batch in model.sealed[: model.proved]:
        for index in range(len(batch.claims)):
            is_paid = (batch.number, index) in model.claimed
            assert house.call("isClaimed", batch.number, index) is is_paid
