"""Claims: one row a claim, in the order in which the batch made them; the data ends with them.

place      0        1        2   ...       the claim's index on L1
offset     o        o + 14   o + 28 ...    owner, high word first, then amount
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import CLAIM_CURSOR, CLAIMS, DATA_WORDS
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode

NAME: Final = "claims"

OWNER_LIMBS: Final = 10
AMOUNT_LIMBS: Final = 4
WORDS: Final = OWNER_LIMBS + AMOUNT_LIMBS
"""Words of a claim in the data."""

COLUMNS: Final = 3 + WORDS


def constrain(air: AirBuilder) -> None:
    """Take every claim off its bus and publish it at its place.

    Assumes: who sends a claim has its limbs in [0, 2^16).
    Guarantees: the data ends with the claims that transactions made, in their order.
    Soundness: the contract builds the tree of claims from these words; a claim that no transaction made would be money
    out of nothing, and one left out would be lost.
    """
    is_live, place, offset = air.columns("is live", "place", "offset")
    owner = [air.column(f"owner limb {i}") for i in range(OWNER_LIMBS)]
    amount = [air.column(f"amount limb {i}") for i in range(AMOUNT_LIMBS)]
    air.receive(CLAIMS, [place, *owner, *amount], when=is_live)
    air.receive(CLAIM_CURSOR, [place, offset], when=is_live)
    air.send(CLAIM_CURSOR, [place + 1, offset + WORDS], when=is_live)
    for i, word in enumerate([*reversed(owner), *reversed(amount)]):
        air.send(DATA_WORDS, [offset + i, word], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a claim."""

    owners: NDArray[np.int64]
    """(10, n)"""
    amounts: NDArray[np.int64]
    """(4, n)"""
    start: int
    """The first claim's word."""

    @property
    def count(self) -> int:
        """How many claims."""
        return int(self.owners.shape[1])


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    trace = np.zeros((COLUMNS, 1 << log_height), np.int64)
    count = rows.count
    places = np.arange(count)
    trace[0, :count] = 1
    trace[1, :count] = places
    trace[2, :count] = rows.start + WORDS * places
    trace[3 : 3 + OWNER_LIMBS, :count] = rows.owners
    trace[3 + OWNER_LIMBS :, :count] = rows.amounts
    return encode(trace)
