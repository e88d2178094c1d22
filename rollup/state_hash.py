"""Hashing leaves and nodes of the state tree, many at a time.

Digests are rows of eight elements in Montgomery form, as the kernels give them.
Two hashers do the same: the reference, one hash after the other as `prover.hash.poseidon` defines it, and the kernels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, PoseidonParameters, compress, sponge
from rollup.instruments import Group
from rollup.leaf_formats import (
    Elements,
    LeafFormat,
    account_elements,
    format_of,
    group_elements,
    identity_elements,
    positions_elements,
    series_elements,
    slot_elements,
    system_elements,
)
from rollup.state import Account, Leaf, OrderSlot, System

Digests = NDArray[np.uint32]
"""One digest a row, Montgomery form."""


class StateHasher(ABC):
    """Hashes for one Poseidon suite, which is in the tag of every leaf."""

    def __init__(self, parameters: PoseidonParameters) -> None:
        self.parameters = parameters

    @abstractmethod
    def sponge_rows(self, kind: HashKind, label: int, rows: Sequence[Elements]) -> Digests:
        """Hash lists of elements of one length."""

    @abstractmethod
    def compress_rows(self, left: Digests, right: Digests, level: int) -> Digests:
        """Hash pairs of digests into nodes of a layer of 2^level nodes."""

    def hash_lists(self, format_: LeafFormat, lists: Sequence[Elements]) -> Digests:
        """Hash lists of any lengths, equal lengths together."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for place, elements in enumerate(lists):
            by_length[len(elements)].append(place)
        digests = np.empty((len(lists), DIGEST_LENGTH), dtype=np.uint32)
        for places in by_length.values():
            digests[places] = self.sponge_rows(
                format_.kind, format_.label, [lists[place] for place in places]
            )
        return digests

    def empty_digest(self) -> Elements:
        """The digest of a place without a leaf."""
        return sponge(self.parameters, HashKind.EMPTY_SUBTREE, ())

    def leaf_digests(self, leaves: Sequence[Leaf]) -> Digests:
        """Hash leaves of any kinds, in their order."""
        by_format: dict[LeafFormat, list[int]] = defaultdict(list)
        for place, leaf in enumerate(leaves):
            by_format[format_of(leaf)].append(place)
        digests = np.empty((len(leaves), DIGEST_LENGTH), dtype=np.uint32)
        for format_, places in by_format.items():
            digests[places] = self.hash_lists(format_, self._elements([leaves[place] for place in places]))
        return digests

    def _elements(self, leaves: Sequence[Leaf]) -> list[Elements]:
        """Spell leaves of one kind, inner lists hashed first."""
        accounts = [leaf for leaf in leaves if isinstance(leaf, Account)]
        groups = [leaf for leaf in leaves if isinstance(leaf, Group)]
        if accounts:
            identities = self._inner(
                LeafFormat.ACCOUNT_IDENTITY, [identity_elements(leaf) for leaf in accounts]
            )
            positions = self._inner(
                LeafFormat.ACCOUNT_POSITIONS, [positions_elements(leaf.positions) for leaf in accounts]
            )
            return [
                account_elements(leaf, tuple(identity), tuple(held))
                for leaf, identity, held in zip(accounts, identities, positions, strict=True)
            ]
        if groups:
            series = self._inner(LeafFormat.GROUP_SERIES, [series_elements(leaf) for leaf in groups])
            return [group_elements(leaf, tuple(listed)) for leaf, listed in zip(groups, series, strict=True)]
        return [
            slot_elements(leaf) if isinstance(leaf, OrderSlot) else system_elements(leaf)
            for leaf in leaves
            if isinstance(leaf, OrderSlot | System)
        ]

    def _inner(self, format_: LeafFormat, lists: Sequence[Elements]) -> list[list[int]]:
        """Hash inner lists to canonical digests."""
        inner: list[list[int]] = decode(self.hash_lists(format_, lists)).tolist()
        return inner


class ReferenceHasher(StateHasher):
    """One hash after the other: what the kernels are compared with, and what runs where they cannot."""

    def sponge_rows(self, kind: HashKind, label: int, rows: Sequence[Elements]) -> Digests:
        """Hash lists of elements of one length."""
        return encode(np.array([sponge(self.parameters, kind, row, label) for row in rows], dtype=np.uint64))

    def compress_rows(self, left: Digests, right: Digests, level: int) -> Digests:
        """Hash pairs of digests into nodes."""
        pairs = zip(decode(left).tolist(), decode(right).tolist(), strict=True)
        return encode(np.array([compress(one, other, level, self.parameters) for one, other in pairs]))


class KernelHasher(StateHasher):
    """Sixteen lanes at a time."""

    def __init__(self, parameters: PoseidonParameters, threads: int = 1) -> None:
        super().__init__(parameters)
        self.threads = threads

    def sponge_rows(self, kind: HashKind, label: int, rows: Sequence[Elements]) -> Digests:
        """Hash lists of elements of one length."""
        from prover.hash.poseidon_kernels import hash_rows

        if not rows[0]:
            # A sponge over nothing has no columns to tell how many rows there are, and one answer.
            empty = encode(np.array(sponge(self.parameters, kind, (), label), dtype=np.uint64))
            return np.tile(empty, (len(rows), 1))
        columns = np.ascontiguousarray(encode(np.array(rows, dtype=np.uint32)).T)
        return np.ascontiguousarray(hash_rows([columns], self.parameters, kind, label, self.threads).T)

    def compress_rows(self, left: Digests, right: Digests, level: int) -> Digests:
        """Hash pairs of digests into nodes."""
        from prover.hash.poseidon_kernels import permute_states

        inputs = np.ascontiguousarray(np.concatenate([left, right], axis=1).T)
        inputs[-1] = _add(inputs[-1], encode(np.array([level + 1], dtype=np.uint64)))
        outputs = permute_states(inputs, self.parameters, self.threads)
        return np.ascontiguousarray(_add(outputs[:DIGEST_LENGTH], inputs[:DIGEST_LENGTH]).T)


def _add(left: Digests, right: Digests) -> Digests:
    """Add field elements; both are below p, so their sum fits 32 bits."""
    total = left + right
    reduced: Digests = np.minimum(total, total - np.uint32(PRIME))
    return reduced
