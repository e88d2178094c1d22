"""The sparse Merkle tree over all leaves: fixed depth, one root.

    level 0     the root
    level 34    the leaves, at their `LeafIndex`
    node        1 << level | index within its level; children of n are 2n and 2n + 1

A place without a leaf has one fixed digest, and a subtree without leaves is hashed from it like any other, so a circuit
needs no second rule for empty branches. Only nodes above a leaf are stored.
A tree never changes; an update shares with its predecessor every node that is not above a changed leaf, and hashes the
others layer by layer, each layer in one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import decode, encode
from prover.hash.poseidon import DIGEST_LENGTH, PoseidonParameters, compress
from rollup.state import TREE_DEPTH, Leaf, LeafIndex, State
from rollup.state_hash import Digests, StateHasher
from rollup.versioned_map import VersionedMap

Digest = tuple[int, ...]
"""Eight canonical elements."""


@dataclass(frozen=True, slots=True)
class Path:
    """What proves a leaf, or its absence: the siblings from the leaf upwards."""

    index: LeafIndex
    siblings: tuple[Digest, ...]


def root_of_path(leaf_digest: Digest, path: Path, parameters: PoseidonParameters) -> Digest:
    """Hash a leaf's digest up to the root along a path."""
    if len(path.siblings) != TREE_DEPTH:
        raise ValueError(f"a path has {TREE_DEPTH} siblings, not {len(path.siblings)}")
    digest = leaf_digest
    for height, sibling in enumerate(path.siblings):
        level = TREE_DEPTH - 1 - height
        pair = (sibling, digest) if path.index >> height & 1 else (digest, sibling)
        digest = compress(*pair, level, parameters)
    return digest


def _canonical(encoded: bytes) -> Digest:
    """Read a stored digest."""
    return tuple(decode(np.frombuffer(encoded, dtype=np.uint32)).tolist())


@dataclass(frozen=True, slots=True)
class StateTree:
    """One version of the tree."""

    hasher: StateHasher
    empty: tuple[bytes, ...]
    """Digest of a subtree without leaves, by the level of its top."""
    nodes: VersionedMap[int, bytes]
    """Stored digests, 32 bytes each in Montgomery form, by node."""

    @classmethod
    def without_leaves(cls, hasher: StateHasher) -> StateTree:
        """The tree of nothing."""
        digest = encode(np.array([hasher.empty_digest()], dtype=np.uint64))
        empty = [digest.tobytes()]
        for level in range(TREE_DEPTH - 1, -1, -1):
            digest = hasher.compress_rows(digest, digest, level)
            empty.append(digest.tobytes())
        return cls(hasher, tuple(reversed(empty)), VersionedMap())

    @classmethod
    def of_state(cls, state: State, hasher: StateHasher) -> StateTree:
        """The tree over all leaves of a state."""
        return cls.without_leaves(hasher).updated(state.all_leaves())

    @property
    def root(self) -> Digest:
        """The digest that stands for the whole state."""
        return _canonical(self._stored(1, 0))

    def updated(self, leaves: Mapping[LeafIndex, Leaf]) -> StateTree:
        """The tree after these leaves have been written."""
        if not leaves:
            return self
        indices: NDArray[np.int64] = np.fromiter(sorted(leaves), dtype=np.int64, count=len(leaves))
        digests = self.hasher.leaf_digests([leaves[LeafIndex(index)] for index in indices.tolist()])
        changes = _entries(indices, TREE_DEPTH, digests)
        for level in range(TREE_DEPTH - 1, -1, -1):
            indices, digests = self._layer_above(indices, digests, level)
            changes.update(_entries(indices, level, digests))
        return StateTree(self.hasher, self.empty, self.nodes.set_many(changes))

    def _layer_above(
        self, indices: NDArray[np.int64], digests: Digests, level: int
    ) -> tuple[NDArray[np.int64], Digests]:
        """Hash the parents of the changed nodes: sorted indices and digests of the layer at `level`."""
        parents, places = np.unique(indices >> 1, return_inverse=True)
        children = np.empty((len(parents), 2, DIGEST_LENGTH), dtype=np.uint32)
        is_changed = np.zeros((len(parents), 2), dtype=np.bool_)
        children[places, indices & 1] = digests
        is_changed[places, indices & 1] = True
        rows, sides = np.nonzero(~is_changed)
        if len(rows):
            siblings = 2 * parents[rows] + sides + (1 << (level + 1))
            stored = self.nodes.get_many(siblings.tolist())
            empty = self.empty[level + 1]
            joined = b"".join([empty if digest is None else digest for digest in stored])
            children[rows, sides] = np.frombuffer(joined, dtype=np.uint32).reshape(-1, DIGEST_LENGTH)
        return parents, self.hasher.compress_rows(children[:, 0], children[:, 1], level)

    def _stored(self, node: int, level: int) -> bytes:
        """The digest of a node, stored or empty."""
        found = self.nodes.get(node)
        return self.empty[level] if found is None else found

    def leaf_digest(self, index: LeafIndex) -> Digest:
        """The digest at a place, of its leaf or of nothing."""
        return _canonical(self._stored(1 << TREE_DEPTH | index, TREE_DEPTH))

    def open(self, index: LeafIndex) -> Path:
        """Collect the siblings that prove what is at a place."""
        node = 1 << TREE_DEPTH | index
        return Path(
            index,
            tuple(
                _canonical(self._stored(node >> height ^ 1, TREE_DEPTH - height))
                for height in range(TREE_DEPTH)
            ),
        )


def _entries(indices: NDArray[np.int64], level: int, digests: Digests) -> dict[int, bytes]:
    """Cut an array of digests into stored nodes."""
    encoded = digests.tobytes()
    size = 4 * DIGEST_LENGTH
    return {
        node: encoded[start : start + size]
        for node, start in zip((indices + (1 << level)).tolist(), range(0, len(encoded), size), strict=True)
    }
