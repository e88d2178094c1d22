"""Accounts as the rules know them, and what tables of leaves are asked about them."""

from __future__ import annotations

import random

import numpy as np

from circuits import identities
from circuits.leaf_hash import EMPTY_DIGEST
from circuits.poseidon import PARAMETERS
from prover.air.bus import Bus
from prover.air.inspect import Findings
from prover.air.table import Table
from prover.field.koalabear import Montgomery, decode
from rollup.state import Account, Leaf
from rollup.state_hash import ReferenceHasher
from rollup.units import AccountId, Address, Amount, Nonce, OrderNumber, limbs_of
from tests.circuits import loose_ends as ends

HASHER = ReferenceHasher(PARAMETERS)


def leaf_digest(leaf: Leaf | None) -> tuple[int, ...]:
    """The digest at a place, as the rules hash it."""
    return EMPTY_DIGEST if leaf is None else tuple(decode(HASHER.leaf_digests([leaf])[0]).tolist())


def account(number: int, cash: int) -> Account:
    """An account without positions; all else is random, but the same every time."""
    generator = random.Random(f"account {number}")
    return Account(
        AccountId(number),
        Address(generator.randrange(1 << 160)),
        None,
        Nonce(generator.randrange(1 << 32)),
        OrderNumber(generator.randrange(1 << 32)),
        Amount(cash),
        (),
    )


def identity_rows(owned: list[Account]) -> identities.Rows:
    """The identities of accounts, numbered in their order."""
    count = len(owned)
    keys = np.zeros((14, count), np.int64)
    for i, account in enumerate(owned):
        if account.key is not None:
            keys[:, i] = [*account.key.x, *account.key.y]
    return identities.Rows(
        np.array([account.account for account in owned]),
        np.array([limbs_of(account.owner, 160) for account in owned], np.int64).T,
        np.array([0 if account.key is None else account.key.suite for account in owned], np.int64),
        keys,
        np.arange(count) + 40,
    )


def broken(table: Table, trace: Montgomery) -> set[str]:
    """The constraints that a trace of one table breaks."""
    return ends.broken(ends.inspected([table], {table.name: trace}))


def asked(found: Findings, bus: Bus) -> set[tuple[int, ...]]:
    """The messages of a bus that nobody answers."""
    return set(ends.loose_ends(found, bus))
