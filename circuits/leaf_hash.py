"""Hashes of leaves, as messages of the table that owns the elements: their blocks and the digest, under one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from circuits.buses import DIGEST_PLACE, SPONGE
from circuits.poseidon import PARAMETERS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, RATE, sponge
from rollup.leaf_formats import LeafFormat

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


def empty_digests(count: int) -> Montgomery:
    """The digests (8, n) of places without a leaf."""
    return np.repeat(encode(np.array(EMPTY_DIGEST, np.int64))[:, None], count, axis=1).reshape(
        DIGEST_LENGTH, count
    )
