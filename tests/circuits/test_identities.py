"""Identities: hashed as the rules hash them, provided under one number each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

from circuits import identities
from circuits.buses import (
    IDENTITIES,
    IDENTITY_DIGESTS,
    IDENTITY_KEYS,
    IDENTITY_OWNERS,
    KEYS,
    SIXTEEN_BITS,
)
from circuits.hash_ledger import HashLedger
from prover.field.koalabear import Montgomery, encode
from rollup.authority import TradingKey
from rollup.leaf_formats import LeafFormat, identity_elements
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite
from rollup.state import Account
from rollup.units import limbs_of
from tests.circuits import books
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(identities.NAME, identities.constrain)


@cache
def _identity_witness() -> tuple[Montgomery, tuple[Account, ...]]:
    keys = [
        SecretKey(suite, 12_345).trading_key
        for suite in (SignatureSuite.SEPTIC_POSEIDON16_20, SignatureSuite.SEPTIC_POSEIDON16_36)
    ]
    # Only the first may be registered; a leaf of the reserve suite is hashed all the same.
    assert [SepticSchnorr().accepts_key(key) for key in keys] == [True, False]
    owned: list[Account] = []
    held: list[TradingKey | None] = [None, *keys]
    for number, key in zip((3, 70_000, (1 << 24) - 1), held, strict=True):
        owned.append(replace(books.account(number, 0), key=key))
    trace, digests = identities.fill(books.identity_rows(owned), HashLedger(), 2)
    expected = books.HASHER.hash_lists(
        LeafFormat.ACCOUNT_IDENTITY, [identity_elements(account) for account in owned]
    )
    assert (expected == digests.T).all()
    return trace, tuple(owned)


def _with_counts(trace: Montgomery, row: int, *kinds: str) -> Montgomery:
    forged = trace.copy()
    for kind in kinds:
        forged[TABLE.main_names.index(f"count of {kind}"), row] = encode([1])[0]
    return forged


def test_identities_are_hashed_and_provided() -> None:
    trace, owned = _identity_witness()
    asked = trace
    for row in range(3):
        asked = _with_counts(asked, row, "digests", "owners", "wholes")
    asked = _with_counts(asked, 1, "keys")
    found = ends.inspected([TABLE], {identities.NAME: asked})
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
        assert books.broken(TABLE, _with_counts(trace, row, "keys")) == {
            "a key that is not proven is not provided"
        }
        forged = ends.changed(_with_counts(trace, row, "keys"), TABLE, row, has_proven_key=1)
        assert books.broken(TABLE, forged) == {"a proven key is of the suite that is proven"}


def test_a_dead_row_provides_nothing() -> None:
    trace, _ = _identity_witness()
    for kind, name in (("digests", "digest"), ("owners", "owner"), ("keys", "key"), ("wholes", "content")):
        assert f"a dead row provides no {name}" in books.broken(TABLE, _with_counts(trace, 3, kind))


def test_two_identities_have_no_common_number_and_none_has_number_zero() -> None:
    trace, _ = _identity_witness()
    assert "every identity has the next number" in books.broken(
        TABLE, ends.changed(trace, TABLE, 1, number=1)
    )
    assert "identities are numbered from one" in books.broken(TABLE, ends.changed(trace, TABLE, 0, number=0))


def test_the_limbs_of_an_identitys_account_are_its_numbers() -> None:
    """Account 70000 spelled as 70000 and 0: truly hashed, another identity than the rules'."""
    trace, _ = _identity_witness()
    forged = ends.changed(trace, TABLE, 1, account_0=70_000, account_1=0)
    found = ends.inspected([TABLE], {identities.NAME: forged})
    assert (70_000,) in books.asked(found, SIXTEEN_BITS)


def test_every_column_is_bound_alone() -> None:
    assert ends.unbound_columns(TABLE, _identity_witness()[0], at=1) == []
