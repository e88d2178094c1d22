"""Hashes of leaves, as messages of the table that owns the elements: their blocks and the digest, under one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DIGEST_PLACE, SPONGE
from circuits.hash_ledger import HashLedger
from circuits.named_columns import Columns, numbered
from circuits.poseidon import PARAMETERS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import Montgomery, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import RATE, sponge
from rollup.leaf_formats import LeafFormat
from rollup.units import WORD_BITS

NO_OWNER: Final = 0
"""Calls whose blocks all come from one row need no owner."""

EMPTY_DIGEST: Final = sponge(PARAMETERS, HashKind.EMPTY_SUBTREE, ())
"""What stands at a place without a leaf."""


def send_hash(
    air: AirBuilder,
    format_: LeafFormat,
    call: Expression,
    elements: Sequence[Operand],
    digest: Sequence[Expression],
    when: Operand = 1,
) -> None:
    """Send every block of a list of fixed length, and the digest that it is said to have.

    Guarantees: where `when` is one, the digest is the hash of these elements in this format.
    """
    tags: list[Operand] = [int(format_.kind), len(elements), format_.label]
    for start in range(0, len(elements), RATE):
        block = elements[start : start + RATE]
        padding = [0] * (RATE - len(block))
        air.send(SPONGE, [call, NO_OWNER, start // RATE, *tags, *block, *padding], when=when)
    air.send(SPONGE, [call, NO_OWNER, DIGEST_PLACE, *tags, *digest], when=when)


def assert_empty(air: AirBuilder, name: str, digest: Sequence[Expression], when: Expression) -> None:
    """State that there is no leaf where `when` is one."""
    for i, (element, empty) in enumerate(zip(digest, EMPTY_DIGEST, strict=True)):
        air.assert_zero(f"{name}, element {i}", when * (element - empty))


def hash_where(
    exists: NDArray[np.int64], format_: LeafFormat, elements: NDArray[np.int64], ledger: HashLedger
) -> tuple[NDArray[np.int64], Montgomery]:
    """The calls (n) and digests (8, n) of leaves that are there; the empty digest, and no call, for the others.

    Elements are (length, n), canonical.
    """
    there = np.flatnonzero(exists)
    owners = np.full(len(there), NO_OWNER, np.uint32)
    numbers, found = ledger.sponge(format_.kind, format_.label, owners, encode(elements[:, there]))
    calls = np.zeros(len(exists), np.int64)
    digests = np.repeat(encode(np.array(EMPTY_DIGEST, np.int64))[:, None], len(exists), axis=1)
    calls[there], digests[:, there] = numbers, found
    return calls, digests


def limbs_of_numbers(numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The 16-bit limbs of numbers that are not negative, (count, n), lowest first."""
    return np.stack([numbers >> WORD_BITS * i & 0xFFFF for i in range(count)])


def digest_columns(name: str, digests: Montgomery) -> Columns:
    """A digest's elements under the names that tables give them."""
    return numbered(name, decode(digests).astype(np.int64))
