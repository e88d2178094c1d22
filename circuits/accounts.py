"""Accounts that the batch touches: one row each, the leaf before and after, the ends of its memory.

    old leaf:  identity digest | positions digest | nonce | floor | cash      -> memory at clock 0
    new leaf:  identity digest | positions digest | nonce | floor | cash      <- memory as it was last written

Where there was no leaf the memory begins with identity 0 and zeros; where there is one its identity is never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNTS, IDENTITY_DIGESTS, NODES, POSITION_LISTS, TWO_BYTES
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import assert_empty, digest_columns, hash_where, limbs_of_numbers, send_hash
from circuits.named_columns import lay_out, numbered
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.field.koalabear import Montgomery, decode
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.leaf_formats import LeafFormat
from rollup.state import TREE_DEPTH, account_index
from rollup.units import AccountId

NAME: Final = "accounts"

REGION: Final = account_index(AccountId(0)) >> 16
"""What the upper 18 bits of an account's place begin with."""

NUMBERS: Final = (
    "nonce 0",
    "nonce 1",
    "floor 0",
    "floor 1",
    *(f"cash {i}" for i in range(4)),
)
"""The leaf's elements behind its digests, and the memory's behind the identity."""


@dataclass(frozen=True, slots=True)
class LeafColumns:
    """One version of the leaf."""

    exists: Expression
    identity: Expression
    numbers: tuple[Expression, ...]
    count: Expression
    identity_digest: tuple[Expression, ...]
    positions_digest: tuple[Expression, ...]
    digest: tuple[Expression, ...]
    call: Expression

    @classmethod
    def constrain(cls, air: AirBuilder, which: str, is_live: Expression) -> LeafColumns:
        """Declare a version: the leaf's hash where there is one, else the empty place and a content of zeros."""
        identity_digest, positions_digest, digest = (
            air.columns(*(f"{which} {name} {i}" for i in range(DIGEST_LENGTH)))
            for name in ("identity digest", "positions digest", "digest")
        )
        leaf = cls(
            air.column(f"{which} exists"),
            air.column(f"{which} identity"),
            air.columns(*(f"{which} {name}" for name in NUMBERS)),
            air.column(f"{which} count"),
            identity_digest,
            positions_digest,
            digest,
            air.column(f"{which} call"),
        )
        # Soundness: a dead row that had a leaf would open a position list that no tree contains.
        air.assert_zero(f"a dead row has no {which} leaf", leaf.exists * (1 - is_live))
        for name, element in zip(
            ("identity", *NUMBERS, "count"), (leaf.identity, *leaf.numbers, leaf.count), strict=True
        ):
            air.assert_zero(f"no {which} leaf, no {which} {name}", (1 - leaf.exists) * element)
        assert_empty(air, f"no {which} leaf, an empty {which} place", leaf.digest, is_live - leaf.exists)
        # Soundness: there is no identity 0, so what has identity 0 has no leaf, and what has a leaf has another.
        air.send(IDENTITY_DIGESTS, [leaf.identity, *leaf.identity_digest], when=leaf.exists)
        elements = [*leaf.identity_digest, *leaf.positions_digest, *leaf.numbers]
        send_hash(air, LeafFormat.ACCOUNT, leaf.call, elements, leaf.digest, when=leaf.exists)
        return leaf


def constrain(air: AirBuilder) -> None:
    """Open and close the memory of every touched account.

    Assumes: whoever writes an account's memory checks the limbs that it writes and keeps the others; what an old leaf
    holds was checked when it was written. Identities are numbered from 1. The tree bounds `low`.
    Guarantees: the memory begins with what the old root says and ends with what the new one says; an account's number
    is below 2^24, and it is touched by one row.
    """
    is_live, high, low = air.columns("is live", "high", "low")
    time, version = air.columns("time", "version")
    account = high * (1 << 16) + low
    old, new = LeafColumns.constrain(air, "old", is_live), LeafColumns.constrain(air, "new", is_live)

    # Soundness: an account of 2^24 or more would have its order slots among the accounts.
    air.send(TWO_BYTES, [high, 0], when=is_live)
    air.assert_zero("no account is removed", old.exists * (1 - new.exists))
    air.assert_zero("a list is written for an account that is there", (1 - new.exists) * version)
    air.send(NODES, [TREE_DEPTH, REGION + high, low, *old.digest, *new.digest], when=is_live)
    air.send(ACCOUNTS, [account, 0, old.identity, *old.numbers, 0, old.count], when=is_live)
    air.receive(ACCOUNTS, [account, time, new.identity, *new.numbers, version, new.count], when=is_live)
    air.send(POSITION_LISTS, [account, 0, 0, old.count, *old.positions_digest], when=old.exists)
    air.send(POSITION_LISTS, [account, 1, version, new.count, *new.positions_digest], when=new.exists)


@dataclass(frozen=True, slots=True)
class Leaves:
    """One version of all leaves, zeros where there is none."""

    identities: NDArray[np.int64]
    """The number of the identity; 0: there is no leaf."""
    nonces: NDArray[np.int64]
    floors: NDArray[np.int64]
    cash: NDArray[np.int64]
    counts: NDArray[np.int64]
    """How many positions."""
    identity_digests: Montgomery
    """(8, n), as the list digests."""
    positions_digests: Montgomery

    @property
    def exists(self) -> NDArray[np.int64]:
        """Where there is a leaf."""
        return np.not_equal(self.identities, 0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a touched account."""

    accounts: NDArray[np.int64]
    old: Leaves
    new: Leaves
    times: NDArray[np.int64]
    """The clock of the last access; 0: none."""
    versions: NDArray[np.int64]
    """The clock at which the position list was last written; 0: as it was opened."""


def fill(rows: Rows, ledger: HashLedger, log_height: int) -> tuple[Montgomery, Montgomery, Montgomery]:
    """The trace, and the leaves' digests (8, n) before and after."""
    columns = {
        "is live": np.ones(len(rows.accounts), np.int64),
        "high": rows.accounts >> 16,
        "low": rows.accounts & 0xFFFF,
        "time": rows.times,
        "version": rows.versions,
    }
    leaves = []
    for which, version in (("old", rows.old), ("new", rows.new)):
        numbers = np.concatenate(
            [
                limbs_of_numbers(version.nonces, 2),
                limbs_of_numbers(version.floors, 2),
                limbs_of_numbers(version.cash, 4),
            ]
        )
        inner = [decode(version.identity_digests), decode(version.positions_digests)]
        elements = np.concatenate([*inner, numbers]).astype(np.int64)
        exists = version.exists
        calls, digests = hash_where(exists, LeafFormat.ACCOUNT, elements, ledger)
        columns |= {
            f"{which} exists": exists,
            f"{which} identity": version.identities,
            **{f"{which} {name}": row for name, row in zip(NUMBERS, numbers, strict=True)},
            f"{which} count": version.counts,
            **numbered(f"{which} identity digest", elements[:DIGEST_LENGTH]),
            **numbered(f"{which} positions digest", elements[DIGEST_LENGTH : 2 * DIGEST_LENGTH]),
            **digest_columns(f"{which} digest", digests),
            f"{which} call": calls,
        }
        leaves.append(digests)
    return lay_out(constrain, columns, log_height), leaves[0], leaves[1]
