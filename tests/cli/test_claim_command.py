"""Collecting from a proved batch; the accepting verifier is a double of these tests, the contract is the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rollup.client import NodeRefusalError
from rollup.commands.claim_command import Owed, _collect, _owed
from rollup.commands.terminal import Refused
from rollup.commands.vault import Vault
from rollup.node.ethereum import Ethereum, RevertedError
from rollup.node.refusals import Refusal
from tests.verifier_contracts.vault_bench import House, Prepared

ALICE = 2


@dataclass(frozen=True)
class Published:
    """A node that knows one batch."""

    prepared: Prepared

    def batch(self, number: int) -> dict[str, Any]:
        if number != self.prepared.number:
            raise NodeRefusalError(Refusal.NOT_FOUND)
        claims = [
            {"owner": f"0x{claim.owner:040x}", "amount": claim.amount} for claim in self.prepared.claims
        ]
        return {"claims": claims}

    def batch_data(self, number: int) -> bytes:
        assert number == self.prepared.number
        return self.prepared.published

    def health(self) -> dict[str, Any]:
        return {"batch": self.prepared.number + 1}


@dataclass(frozen=True)
class Holder:
    """What the command asks for a wallet."""

    key: LocalAccount

    def wallet(self) -> LocalAccount:
        return self.key


def test_an_owner_collects_every_claim_of_a_proved_batch_once() -> None:
    house = House()
    key = house.tester.backend.account_keys[ALICE]
    wallet: LocalAccount = Account.from_key(key.to_bytes())
    assert wallet.address == house.alice
    house.deposit(house.alice)
    claims = [(house.bob, 5), (house.alice, 7), (house.alice, 11)]
    batch = house.prepare(claims)
    house.publish(batch)
    client: Any = Published(batch)
    holder: Any = Holder(wallet)
    vault = Vault(Ethereum(house.w3), house.contract, house.token)

    unproved = _owed(client, vault, 1, house.alice, 0)
    assert unproved == [Owed(1, 1, 7, "not proved"), Owed(1, 2, 11, "not proved")]
    assert _collect(holder, client, vault, unproved, house.stranger) == unproved
    # The contract says the same to whoever does not ask first.
    premature = house.claim(batch, 1, house.alice)
    with pytest.raises(RevertedError, match=r"the contract refuses claim: BatchNotProved\(1\)"):
        vault.send(wallet, premature)

    house.prove(1)
    claimable = _owed(client, vault, 1, house.alice, 1)
    collected = _collect(holder, client, vault, claimable, house.stranger)
    assert collected == [Owed(1, 1, 7, "collected"), Owed(1, 2, 11, "collected")]
    assert house.balance(house.stranger) == 18
    assert [one.state for one in _owed(client, vault, 1, house.alice, 1)] == ["paid", "paid"]

    with pytest.raises(Refused, match=r"^batch 2 is not proved yet: it is still open$"):
        _owed(client, vault, 2, house.alice, 1)
    with pytest.raises(Refused, match=r"^there is no batch 3$"):
        _owed(client, vault, 3, house.alice, 1)
