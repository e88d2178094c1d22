"""Identities: one row for each way in which a touched account was or is somebody's.

    number | account | owner | suite | key      hashed to the identity digest of an account's leaf

An account whose key is replaced has two. Numbers count from 1; 0 is nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import (
    IDENTITIES,
    IDENTITY_DIGESTS,
    IDENTITY_KEYS,
    IDENTITY_OWNERS,
    KEYS,
    OWN_MULTIPLE,
    SIXTEEN_BITS,
    TWO_BYTES,
)
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import digest_columns, hash_where, send_hash
from circuits.named_columns import lay_out, numbered
from prover.air.builder import AirBuilder
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import Montgomery
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.leaf_formats import LeafFormat
from rollup.schnorr import SignatureSuite

NAME: Final = "identities"

OWNER_LIMBS: Final = 10

PROVEN_SUITE: Final = int(SignatureSuite.SEPTIC_POSEIDON16_20)
"""The suite whose signatures the circuits check; a key of another is kept, but signs nothing here."""


def constrain(air: AirBuilder) -> None:
    """State who every identity is, and provide it by its number.

    Assumes: whoever gives an account a new identity knows all of it (`IDENTITIES`) and has checked owner, suite and
    key; what an old leaf is over was checked when it was written.
    Guarantees: a number stands for one identity and never is 0; the account's limbs are its number's, below 2^24; a
    trading key that is provided is the key of that number in the key table, under suite 1.
    """
    is_live, number, low, high = air.columns("is live", "number", "account 0", "account 1")
    owner = air.columns(*(f"owner {i}" for i in range(OWNER_LIMBS)))
    suite = air.column("suite")
    key = air.columns(*(f"key {i}" for i in range(POINT_ELEMENTS)))
    has_key, key_number, call = air.columns("has proven key", "key number", "call")
    digest = air.columns(*(f"digest {i}" for i in range(DIGEST_LENGTH)))
    digests, owners, keys, wholes = air.columns(
        "count of digests", "count of owners", "count of keys", "count of wholes"
    )
    account = low + high * (1 << 16)

    # Soundness: under one number two identities could lend each other their keys; number 0 says that there is nobody.
    air.on_first_row.assert_equal("identities are numbered from one", number, 1)
    air.on_transition.assert_equal("every identity has the next number", number.next, number + 1)
    # Soundness: limbs that are not the number's would be hashed for another account than the one that asks.
    air.send(SIXTEEN_BITS, [low], when=is_live)
    air.send(TWO_BYTES, [high, 0], when=is_live)
    send_hash(air, LeafFormat.ACCOUNT_IDENTITY, call, [low, high, *owner, suite, *key], digest, when=is_live)
    air.assert_zero("a proven key is of the suite that is proven", has_key * (suite - PROVEN_SUITE))
    # Soundness: without it the number could be that of a key that anybody owns.
    air.send(KEYS, [key_number, OWN_MULTIPLE, *key], when=has_key)

    for name, count in (("digest", digests), ("owner", owners), ("key", keys), ("content", wholes)):
        air.assert_zero(f"a dead row provides no {name}", count * (1 - is_live))
    air.assert_zero("a key that is not proven is not provided", keys * (1 - has_key))
    air.provide(IDENTITY_DIGESTS, [number, *digest], digests)
    air.provide(IDENTITY_OWNERS, [number, account, *owner], owners)
    air.provide(IDENTITY_KEYS, [number, account, key_number], keys)
    air.provide(IDENTITIES, [number, account, *owner, suite, *key], wholes)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry an identity, in the order of their numbers, the first being 1."""

    accounts: NDArray[np.int64]
    owners: NDArray[np.int64]
    """(10, n): limbs, lowest first."""
    suites: NDArray[np.int64]
    """0 without a key."""
    keys: NDArray[np.int64]
    """(14, n), canonical; zeros without a key."""
    key_numbers: NDArray[np.int64]
    """The key's number in the key table; any for keys of other suites."""


def fill(rows: Rows, ledger: HashLedger, log_height: int) -> tuple[Montgomery, Montgomery]:
    """The trace, and the identities' digests (8, n)."""
    low, high = rows.accounts & 0xFFFF, rows.accounts >> 16
    live = np.ones(len(low), np.int64)
    elements = np.concatenate([[low, high], rows.owners, [rows.suites], rows.keys])
    calls, digests = hash_where(live, LeafFormat.ACCOUNT_IDENTITY, elements, ledger)
    has_key = (rows.suites == PROVEN_SUITE).astype(np.int64)
    columns = {
        "is live": live,
        "number": np.arange(1, (1 << log_height) + 1),
        "account 0": low,
        "account 1": high,
        **numbered("owner", rows.owners),
        "suite": rows.suites,
        **numbered("key", rows.keys),
        "has proven key": has_key,
        "key number": rows.key_numbers * has_key,
        "call": calls,
        **digest_columns("digest", digests),
    }
    return lay_out(constrain, columns, log_height), digests
