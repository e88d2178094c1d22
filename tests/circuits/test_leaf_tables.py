"""Accounts, slots and identities: leaves are hashed as the rules hash them, and memory begins and ends with them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from circuits import accounts, identities, slots
from circuits.buses import (
    ACCOUNTS,
    IDENTITIES,
    IDENTITY_DIGESTS,
    IDENTITY_KEYS,
    IDENTITY_OWNERS,
    KEYS,
    NODES,
    POSITION_LISTS,
    SIXTEEN_BITS,
    SLOTS,
    TWO_BYTES,
)
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import EMPTY_DIGEST, hash_where
from circuits.poseidon import PARAMETERS
from prover.air.bus import Bus
from prover.air.inspect import Findings
from prover.air.table import Table
from prover.field.koalabear import Montgomery, decode, encode
from rollup.authority import TradingKey
from rollup.leaf_formats import LeafFormat, identity_elements
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite
from rollup.state import Account, Leaf, OrderSlot, account_index, slot_index
from rollup.state_hash import ReferenceHasher
from rollup.units import AccountId, Address, Amount, Nonce, OrderNumber, SlotIndex, limbs_of
from tests.circuits import loose_ends as ends

ACCOUNT_TABLE = ends.table_of(accounts.NAME, accounts.constrain)
SLOT_TABLE = ends.table_of(slots.NAME, slots.constrain)
IDENTITY_TABLE = ends.table_of(identities.NAME, identities.constrain)
HASHER = ReferenceHasher(PARAMETERS)

NUMBERS = [3, 70_000, (1 << 24) - 1, 9, 65_536]


def _leaf_digest(leaf: Leaf | None) -> tuple[int, ...]:
    return EMPTY_DIGEST if leaf is None else tuple(decode(HASHER.leaf_digests([leaf])[0]).tolist())


def _account(number: int, cash: int) -> Account:
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


def _identity_rows(owned: list[Account], suites: list[int] | None = None) -> identities.Rows:
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


@cache
def _account_witness() -> tuple[Montgomery, tuple[Account | None, ...], tuple[Account | None, ...]]:
    """One that changes, one that is read, one that comes to be, one that is looked for in vain, one that pays."""
    old = tuple(_account(n, 5 << 40) if i in {0, 1, 4} else None for i, n in enumerate(NUMBERS))
    new = tuple(_account(n, (5 << 40) + i * (i != 1)) if i != 3 else None for i, n in enumerate(NUMBERS))
    everybody = [account for account in new if account is not None]
    ledger = HashLedger()
    _, digests = identities.fill(_identity_rows(everybody), ledger, 2)
    numbers = {account.account: i + 1 for i, account in enumerate(everybody)}

    def leaves(version: tuple[Account | None, ...]) -> accounts.Leaves:
        held = HASHER.hash_lists(LeafFormat.ACCOUNT_POSITIONS, [()])[0]
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
    found = ends.inspected([ACCOUNT_TABLE], {accounts.NAME: trace})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    nodes: Counter[tuple[int, ...]] = Counter()
    for number, before, after in zip(NUMBERS, old, new, strict=True):
        index = account_index(AccountId(number))
        digests = ends.centred((*_leaf_digest(before), *_leaf_digest(after)))
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


def _broken(table: Table, trace: Montgomery) -> set[str]:
    return ends.broken(ends.inspected([table], {table.name: trace}))


@pytest.mark.parametrize("which", ["old", "new"])
def test_an_account_that_is_there_cannot_be_denied(which: str) -> None:
    """All its numbers are zero, its identity is nobody: then its place would have to be empty."""
    trace, *_ = _account_witness()
    names = ACCOUNT_TABLE.main_names
    forged = trace.copy()
    for name in ("exists", "identity", "count", *accounts.NUMBERS):
        forged[names.index(f"{which} {name}"), 0] = 0
    assert f"no {which} leaf" in _broken(ACCOUNT_TABLE, forged)


def test_an_account_cannot_be_made_of_nothing() -> None:
    """A leaf whose identity is number 0: nobody provides that digest."""
    trace, *_ = _account_witness()
    forged = ends.changed(trace, ACCOUNT_TABLE, 3, new_exists=1)
    found = ends.inspected([ACCOUNT_TABLE], {accounts.NAME: forged})
    asked = {message[0] for message in ends.loose_ends(found, IDENTITY_DIGESTS)}
    assert 0 in asked


def test_a_dead_row_opens_no_list() -> None:
    trace, *_ = _account_witness()
    for which in ("old", "new"):
        forged = ends.changed(trace, ACCOUNT_TABLE, 6, **{f"{which}_exists": 1})
        assert f"a dead row has no {which} leaf" in _broken(ACCOUNT_TABLE, forged)


def test_an_account_is_not_removed() -> None:
    trace, *_ = _account_witness()
    assert "no account is removed" in _broken(
        ACCOUNT_TABLE, ends.changed(trace, ACCOUNT_TABLE, 1, new_exists=0)
    )


def _asked(found: Findings, bus: Bus) -> set[tuple[int, ...]]:
    return set(ends.loose_ends(found, bus))


def test_the_number_of_an_account_is_a_byte_and_a_word() -> None:
    """The byte is looked up; 2^24 + 3 cannot be an account."""
    trace, *_ = _account_witness()
    forged = ends.changed(trace, ACCOUNT_TABLE, 0, high=256)
    found = ends.inspected([ACCOUNT_TABLE], {accounts.NAME: forged})
    assert (256, 0) in _asked(found, TWO_BYTES)


@cache
def _slot_witness() -> tuple[Montgomery, tuple[OrderSlot | None, ...], tuple[OrderSlot | None, ...]]:
    """One that fills up, one that is new, one that another order takes, one that is only opened, one never used."""
    places = [(3, 0), (70_000, 255), ((1 << 24) - 1, 7), (256, 1), (257, 1)]
    numbers = [(7, 5, 7, 6), (0, 0, 9, 1), (8, 2, 1 << 31, 70_000), (5, 6, 5, 6), (0, 0, 0, 0)]

    def slot(place: tuple[int, int], number: int, filled: int) -> OrderSlot | None:
        return (
            OrderSlot(AccountId(place[0]), SlotIndex(place[1]), OrderNumber(number), filled)
            if filled
            else None
        )

    table = np.array(numbers).T
    rows = slots.Rows(
        np.array([account for account, _ in places]),
        np.array([slot for _, slot in places]),
        slots.Leaves((table[1] > 0).astype(np.int64), table[0], table[1]),
        slots.Leaves((table[3] > 0).astype(np.int64), table[2], table[3]),
        np.array([33, 34, 49, 0, 0]),
    )
    trace, *_ = slots.fill(rows, HashLedger(), 3)
    old = tuple(slot(place, row[0], row[1]) for place, row in zip(places, numbers, strict=True))
    new = tuple(slot(place, row[2], row[3]) for place, row in zip(places, numbers, strict=True))
    return trace, old, new


def test_slots_open_and_close_their_leaves() -> None:
    trace, old, new = _slot_witness()
    found = ends.inspected([SLOT_TABLE], {slots.NAME: trace})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    nodes: Counter[tuple[int, ...]] = Counter()
    for place, before, after in zip(
        [(3, 0), (70_000, 255), ((1 << 24) - 1, 7), (256, 1), (257, 1)], old, new, strict=True
    ):
        index = slot_index(AccountId(place[0]), SlotIndex(place[1]))
        digests = ends.centred((*_leaf_digest(before), *_leaf_digest(after)))
        nodes[(34, index >> 16, index & 0xFFFF, *digests)] += 1
    assert ends.loose_ends(found, NODES) == nodes
    assert ends.loose_ends(found, SLOTS)[(70_000, 255, 34, 9, 0, 1, 0)] == -1
    assert ends.loose_ends(found, SLOTS)[(70_000, 255, 0, 0, 0, 0, 0)] == 1


def test_a_slot_that_was_never_used_gets_no_leaf() -> None:
    """A leaf of zeros, truly hashed, where the rules have none."""
    trace, *_ = _slot_witness()
    ledger = HashLedger()
    calls, digests = hash_where(
        np.ones(1, np.int64), LeafFormat.ORDER_SLOT, np.zeros((4, 1), np.int64), ledger
    )
    forged = ends.changed(trace, SLOT_TABLE, 4, new_exists=1, new_call=int(calls[0]) + 100)
    for i in range(8):
        forged[SLOT_TABLE.main_names.index(f"new digest {i}"), 4] = digests[i, 0]
    found = ends.inspected([SLOT_TABLE], {slots.NAME: forged})
    assert ends.broken(found) == {"a leaf that begins to be was written by somebody"}
    assert ends.untrue_hashes(found) == set()


def test_a_used_slot_cannot_be_denied() -> None:
    trace, *_ = _slot_witness()
    forged = ends.changed(trace, SLOT_TABLE, 0, old_exists=0, old_number_0=0, old_filled_0=0)
    assert "no old leaf" in _broken(SLOT_TABLE, forged)
    forged = ends.changed(trace, SLOT_TABLE, 0, new_exists=0, new_number_0=0, new_filled_0=0)
    assert "no slot is removed" in _broken(SLOT_TABLE, forged)


def test_one_slot_is_not_shown_under_two_numbers() -> None:
    """Account 3 slot 0 as account 2 slot 256: the same place, so the split is looked up."""
    trace, *_ = _slot_witness()
    forged = ends.changed(trace, SLOT_TABLE, 0, account_low=2, slot=256)
    found = ends.inspected([SLOT_TABLE], {slots.NAME: forged})
    assert (256, 2) in _asked(found, TWO_BYTES)
    # And an account beyond all accounts, whose slots would be in another region.
    forged = ends.changed(trace, SLOT_TABLE, 0, high=1 << 16)
    assert (1 << 16,) in _asked(ends.inspected([SLOT_TABLE], {slots.NAME: forged}), SIXTEEN_BITS)


@cache
def _identity_witness() -> tuple[Montgomery, tuple[Account, ...]]:
    keys = [
        SecretKey(suite, 12_345).trading_key
        for suite in (SignatureSuite.SEPTIC_POSEIDON16_20, SignatureSuite.SEPTIC_POSEIDON16_36)
    ]
    assert all(SepticSchnorr().accepts_key(key) for key in keys)
    owned: list[Account] = []
    held: list[TradingKey | None] = [None, *keys]
    for number, key in zip((3, 70_000, (1 << 24) - 1), held, strict=True):
        owned.append(replace(_account(number, 0), key=key))
    trace, digests = identities.fill(_identity_rows(owned), HashLedger(), 2)
    expected = HASHER.hash_lists(
        LeafFormat.ACCOUNT_IDENTITY, [identity_elements(account) for account in owned]
    )
    assert (expected == digests.T).all()
    return trace, tuple(owned)


def _with_counts(trace: Montgomery, row: int, *kinds: str) -> Montgomery:
    forged = trace.copy()
    for kind in kinds:
        forged[IDENTITY_TABLE.main_names.index(f"count of {kind}"), row] = encode([1])[0]
    return forged


def test_identities_are_hashed_and_provided() -> None:
    trace, owned = _identity_witness()
    asked = trace
    for row in range(3):
        asked = _with_counts(asked, row, "digests", "owners", "wholes")
    asked = _with_counts(asked, 1, "keys")
    found = ends.inspected([IDENTITY_TABLE], {identities.NAME: asked})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    for number, account in enumerate(owned, start=1):
        owner = limbs_of(account.owner, 160)
        assert ends.loose_ends(found, IDENTITY_OWNERS)[(number, account.account, *owner)] == -1
    assert ends.loose_ends(found, IDENTITY_KEYS) == Counter({(2, 70_000, 41): -1})
    assert [message[0] for message in ends.loose_ends(found, KEYS)] == [41]
    assert {message[0] for message in ends.loose_ends(found, IDENTITIES)} == {1, 2, 3}
    assert {message[0] for message in ends.loose_ends(found, IDENTITY_DIGESTS)} == {1, 2, 3}


def test_a_key_is_provided_only_if_it_is_there_and_proven() -> None:
    trace, _ = _identity_witness()
    for row in (0, 2):
        assert _broken(IDENTITY_TABLE, _with_counts(trace, row, "keys")) == {
            "a key that is not proven is not provided"
        }
        forged = ends.changed(_with_counts(trace, row, "keys"), IDENTITY_TABLE, row, has_proven_key=1)
        assert _broken(IDENTITY_TABLE, forged) == {"a proven key is of the suite that is proven"}


def test_a_dead_row_provides_nothing() -> None:
    trace, _ = _identity_witness()
    for kind, name in (("digests", "digest"), ("owners", "owner"), ("keys", "key"), ("wholes", "content")):
        assert f"a dead row provides no {name}" in _broken(IDENTITY_TABLE, _with_counts(trace, 3, kind))


def test_two_identities_have_no_common_number_and_none_has_number_zero() -> None:
    trace, _ = _identity_witness()
    assert "every identity has the next number" in _broken(
        IDENTITY_TABLE, ends.changed(trace, IDENTITY_TABLE, 1, number=1)
    )
    assert "identities are numbered from one" in _broken(
        IDENTITY_TABLE, ends.changed(trace, IDENTITY_TABLE, 0, number=0)
    )


def test_the_limbs_of_an_identitys_account_are_its_numbers() -> None:
    """Account 70000 spelled as 70000 and 0: truly hashed, another identity than the rules'."""
    trace, _ = _identity_witness()
    forged = ends.changed(trace, IDENTITY_TABLE, 1, account_0=70_000, account_1=0)
    found = ends.inspected([IDENTITY_TABLE], {identities.NAME: forged})
    assert (70_000,) in _asked(found, SIXTEEN_BITS)


@pytest.mark.parametrize("table", [ACCOUNT_TABLE, SLOT_TABLE, IDENTITY_TABLE], ids=lambda table: table.name)
def test_every_column_is_bound_alone(table: Table) -> None:
    honest = {
        accounts.NAME: _account_witness()[0],
        slots.NAME: _slot_witness()[0],
        identities.NAME: _identity_witness()[0],
    }[table.name]
    expected = ends.inspected([table], {table.name: honest})
    buses = {interaction.bus for interaction in table.interactions}
    for column, name in enumerate(table.main_names):
        trace = honest.copy()
        trace[column, 0 if table is SLOT_TABLE else 1] ^= np.uint32(1)
        found = ends.inspected([table], {table.name: trace})
        is_seen = any(ends.loose_ends(found, bus) != ends.loose_ends(expected, bus) for bus in buses)
        # The inverse of a time matters where a leaf begins to be.
        assert found.constraints or is_seen or name == "time inverse", name
