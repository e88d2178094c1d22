"""The tree of a batch's claims, as the contract builds it: what an owner shows to be paid.

    leaf    keccak256(domain, batch, index, owner, amount), five words
    node    keccak256(left, right); a node without a right neighbour is paired with zero
    root    a single leaf is the root; without claims it is zero

Soundness: batch and index stand in every leaf, so that one payment can serve only one claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prover.hash.keccak import keccak256
from rollup.events import Claim
from rollup.units import BatchNumber

CLAIM_DOMAIN: Final[bytes] = keccak256(b"options clearing rollup: claim")
"""A full word, as everything that is hashed here."""

WORD: Final = 32

NO_NEIGHBOUR: Final[bytes] = bytes(WORD)
"""What a node without a right neighbour is paired with, and the root where nothing is claimed."""


def claim_leaf(number: BatchNumber, index: int, claim: Claim) -> bytes:
    """Hash one claim."""
    words = (number, index, claim.owner, claim.amount)
    return keccak256(CLAIM_DOMAIN + b"".join(word.to_bytes(WORD) for word in words))


def claim_layers(number: BatchNumber, claims: Sequence[Claim]) -> list[list[bytes]]:
    """Build the tree, leaves first; the last layer is the root alone."""
    layer = [claim_leaf(number, index, claim) for index, claim in enumerate(claims)]
    layers = [layer]
    while len(layer) > 1:
        filled = layer + [NO_NEIGHBOUR] * (len(layer) % 2)
        layer = [keccak256(filled[place] + filled[place + 1]) for place in range(0, len(filled), 2)]
        layers.append(layer)
    return layers


def claims_root(number: BatchNumber, claims: Sequence[Claim]) -> bytes:
    """The root that the contract keeps of a batch."""
    return claim_layers(number, claims)[-1][0] if claims else NO_NEIGHBOUR


def claim_path(number: BatchNumber, claims: Sequence[Claim], index: int) -> list[bytes]:
    """List the neighbours from a claim to the root."""
    path = []
    for layer in claim_layers(number, claims)[:-1]:
        neighbour = index ^ 1
        path.append(layer[neighbour] if neighbour < len(layer) else NO_NEIGHBOUR)
        index >>= 1
    return path
