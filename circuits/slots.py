"""Order slots that the batch touches: one row each, the leaf before and after, the ends of its memory.

place:  0 0 | account, upper 16 bits   |   account, lower 8 bits | slot, 8 bits
        high                               low
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import NODES, SIXTEEN_BITS, SLOTS, TWO_BYTES
from circuits.gadgets.zero import inverses
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import assert_empty, digest_columns, hash_where, limbs_of_numbers, send_hash
from circuits.named_columns import lay_out
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.field.koalabear import Montgomery
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.leaf_formats import LeafFormat
from rollup.state import TREE_DEPTH

NAME: Final = "slots"

NUMBERS: Final = ("number 0", "number 1", "filled 0", "filled 1")


def constrain(air: AirBuilder) -> None:
    """Open and close the memory of every touched slot.

    Assumes: fills check the limbs that they write, and what they write is filled by a lot at least; what an old leaf
    holds was checked when it was written.
    Guarantees: the memory begins with what the old root says and ends with what the new one says; a slot is touched by
    one row, and a leaf begins to be only where somebody wrote it.
    """
    is_live, high, account_low, slot, time = air.columns("is live", "high", "account low", "slot", "time")
    account = high * (1 << 8) + account_low
    old_exists, old, old_digest = _leaf(air, "old", is_live)
    new_exists, new, new_digest = _leaf(air, "new", is_live)

    # Soundness: a place is told by account and slot in one way only, and lies in the slots' region.
    air.send(TWO_BYTES, [slot, account_low], when=is_live)
    air.send(SIXTEEN_BITS, [high], when=is_live)
    air.assert_zero("no slot is removed", old_exists * (1 - new_exists))
    # Soundness: else a leaf of zeros could be added where the rules have none.
    air.assert_zero(
        "a leaf that begins to be was written by somebody",
        (new_exists - old_exists) * (time * air.column("time inverse") - 1),
    )
    place = [high, slot + account_low * (1 << 8)]
    air.send(NODES, [TREE_DEPTH, *place, *old_digest, *new_digest], when=is_live)
    air.send(SLOTS, [account, slot, 0, *old], when=is_live)
    air.receive(SLOTS, [account, slot, time, *new], when=is_live)


def _leaf(
    air: AirBuilder, which: str, is_live: Expression
) -> tuple[Expression, tuple[Expression, ...], tuple[Expression, ...]]:
    """A version: the leaf's hash where there is one, else the empty place and zeros."""
    exists, call = air.columns(f"{which} exists", f"{which} call")
    numbers = air.columns(*(f"{which} {name}" for name in NUMBERS))
    digest = air.columns(*(f"{which} digest {i}" for i in range(DIGEST_LENGTH)))
    air.assert_zero(f"a dead row has no {which} leaf", exists * (1 - is_live))
    for name, element in zip(NUMBERS, numbers, strict=True):
        air.assert_zero(f"no {which} leaf, no {which} {name}", (1 - exists) * element)
    assert_empty(air, f"no {which} leaf, an empty {which} place", digest, is_live - exists)
    send_hash(air, LeafFormat.ORDER_SLOT, call, numbers, digest, when=exists)
    return exists, numbers, digest


@dataclass(frozen=True, slots=True)
class Leaves:
    """One version of all leaves, zeros where there is none."""

    exists: NDArray[np.int64]
    numbers: NDArray[np.int64]
    filled: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a touched slot."""

    accounts: NDArray[np.int64]
    slots: NDArray[np.int64]
    old: Leaves
    new: Leaves
    times: NDArray[np.int64]
    """The clock of the last access; 0: none."""


def fill(rows: Rows, ledger: HashLedger, log_height: int) -> tuple[Montgomery, Montgomery, Montgomery]:
    """The trace, and the leaves' digests (8, n) before and after."""
    columns = {
        "is live": np.ones(len(rows.accounts), np.int64),
        "high": rows.accounts >> 8,
        "account low": rows.accounts & 0xFF,
        "slot": rows.slots,
        "time": rows.times,
        "time inverse": inverses(rows.times),
    }
    leaves = []
    for which, version in (("old", rows.old), ("new", rows.new)):
        elements = np.concatenate([limbs_of_numbers(version.numbers, 2), limbs_of_numbers(version.filled, 2)])
        calls, digests = hash_where(version.exists, LeafFormat.ORDER_SLOT, elements, ledger)
        columns |= {
            f"{which} exists": version.exists,
            f"{which} call": calls,
            **{f"{which} {name}": row for name, row in zip(NUMBERS, elements, strict=True)},
            **digest_columns(f"{which} digest", digests),
        }
        leaves.append(digests)
    return lay_out(constrain, columns, log_height), leaves[0], leaves[1]
