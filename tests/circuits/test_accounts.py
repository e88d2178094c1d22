"""Accounts: their leaves are hashed as the rules hash them, and their memory begins and ends with them."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from circuits import accounts, identities
from circuits.buses import (
    ACCOUNTS,
    IDENTITY_DIGESTS,
    NODES,
    POSITION_LISTS,
    TWO_BYTES,
)
from circuits.hash_ledger import HashLedger
from prover.field.koalabear import Montgomery
from rollup.leaf_formats import LeafFormat
from rollup.state import Account, account_index
from rollup.units import AccountId, limbs_of
from tests.circuits import books
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(accounts.NAME, accounts.constrain)

NUMBERS = [3, 70_000, (1 << 24) - 1, 9, 65_536]


@cache
def _account_witness() -> tuple[Montgomery, tuple[Account | None, ...], tuple[Account | None, ...]]:
    """One that changes, one that is read, one that comes to be, one that is looked for in vain, one that pays."""
    old = tuple(books.account(n, 5 << 40) if i in {0, 1, 4} else None for i, n in enumerate(NUMBERS))
    new = tuple(books.account(n, (5 << 40) + i * (i != 1)) if i != 3 else None for i, n in enumerate(NUMBERS))
    everybody = [account for account in new if account is not None]
    ledger = HashLedger()
    _, digests = identities.fill(books.identity_rows(everybody), ledger, 2)
    numbers = {account.account: i + 1 for i, account in enumerate(everybody)}

    def leaves(version: tuple[Account | None, ...]) -> accounts.Leaves:
        held = books.HASHER.hash_lists(LeafFormat.ACCOUNT_POSITIONS, [()])[0]
        ids = np.array([0 if a is None else numbers[a.account] for a in version])
        inner = np.zeros((8, len(version)), np.uint32)
        inner[:, ids > 0] = digests[:, ids[ids > 0] - 1]
        nonces, floors, cash = (
            np.array([0 if a is None else getattr(a, name) for a in version], np.int64)
            for name in ("nonce", "order_floor", "cash")
        )
        nothing = np.zeros(len(version), np.int64)
        lists = held[:, None] * (ids > 0).astype(np.uint32)
        return accounts.Leaves(ids, nonces, floors, cash, nothing, inner, lists)

    times, versions = np.array([48, 0, 64, 16, 80]), np.array([48, 0, 0, 0, 0])
    rows = accounts.Rows(np.array(NUMBERS), leaves(old), leaves(new), times, versions)
    trace, *_ = accounts.fill(rows, ledger, 3)
    return trace, old, new


def test_accounts_open_and_close_their_leaves() -> None:
    trace, old, new = _account_witness()
    found = ends.inspected([TABLE], {accounts.NAME: trace})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    nodes: Counter[tuple[int, ...]] = Counter()
    for number, before, after in zip(NUMBERS, old, new, strict=True):
        index = account_index(AccountId(number))
        digests = ends.centred((*books.leaf_digest(before), *books.leaf_digest(after)))
        nodes[(34, index >> 16, index & 0xFFFF, *digests)] += 1
    assert ends.loose_ends(found, NODES) == nodes
    memory = ends.loose_ends(found, ACCOUNTS)
    assert memory[(9, 0, *[0] * 11)] == 1
    assert memory[(9, 16, *[0] * 11)] == -1
    changed = new[0]
    assert changed is not None
    numbers = (*limbs_of(changed.nonce, 32), *limbs_of(changed.order_floor, 32), *limbs_of(changed.cash, 64))
    assert memory[(3, 48, 1, *numbers, 48, 0)] == -1
    lists = ends.loose_ends(found, POSITION_LISTS)
    assert Counter(message[:4] for message in lists) == Counter(
        [(number, 0, 0, 0) for number in (3, 70_000, 65_536)]
        + [(3, 1, 48, 0)]
        + [(number, 1, 0, 0) for number in (70_000, (1 << 24) - 1, 65_536)]
    )


@pytest.mark.parametrize("which", ["old", "new"])
def test_an_account_that_is_there_cannot_be_denied(which: str) -> None:
    """All its numbers are zero, its identity is nobody: then its place would have to be empty."""
    trace, *_ = _account_witness()
    names = TABLE.main_names
    forged = trace.copy()
    for name in ("exists", "identity", "count", *accounts.NUMBERS):
        forged[names.index(f"{which} {name}"), 0] = 0
    assert f"no {which} leaf" in books.broken(TABLE, forged)


def test_an_account_cannot_be_made_of_nothing() -> None:
    """A leaf whose identity is number 0: nobody provides that digest."""
    trace, *_ = _account_witness()
    forged = ends.changed(trace, TABLE, 3, new_exists=1)
    found = ends.inspected([TABLE], {accounts.NAME: forged})
    asked = {message[0] for message in ends.loose_ends(found, IDENTITY_DIGESTS)}
    assert 0 in asked


def test_a_dead_row_opens_no_list() -> None:
    trace, *_ = _account_witness()
    for which in ("old", "new"):
        forged = ends.changed(trace, TABLE, 6, **{f"{which}_exists": 1})
        assert f"a dead row has no {which} leaf" in books.broken(TABLE, forged)


def test_an_account_is_not_removed() -> None:
    trace, *_ = _account_witness()
    assert "no account is removed" in books.broken(TABLE, ends.changed(trace, TABLE, 1, new_exists=0))


def test_the_number_of_an_account_is_a_byte_and_a_word() -> None:
    """The byte is looked up; 2^24 + 3 cannot be an account."""
    trace, *_ = _account_witness()
    forged = ends.changed(trace, TABLE, 0, high=256)
    found = ends.inspected([TABLE], {accounts.NAME: forged})
    assert (256, 0) in books.asked(found, TWO_BYTES)


def test_every_column_is_bound_alone() -> None:
    assert ends.unbound_columns(TABLE, _account_witness()[0], at=1) == []
