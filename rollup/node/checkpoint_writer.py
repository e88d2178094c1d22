"""Writes batches down: keeps the state's tree, computes each batch's root, and stores both in the checkpoint.

Used by a thread beside the sequencer's loop, or in a process of its own.
It works a piece at a time and rests in between, so that an order goes first wherever it needs the same processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prover.hash.poseidon import POSEIDON16_20
from rollup.node.pace import Pause, in_pieces
from rollup.node.replay import ReplayError
from rollup.node.sealed_bytes import SpelledBatch, entries_of, leaves_of
from rollup.node.storage import Checkpoints
from rollup.state import Leaf, LeafIndex
from rollup.state_hash import KernelHasher
from rollup.state_tree import Digest, StateTree


class CheckpointWriter:
    """The only one who writes to a checkpoint."""

    def __init__(self, checkpoints: Checkpoints, path: Path) -> None:
        """`path` is named where something is wrong with the files."""
        self._checkpoints = checkpoints
        self._path = path
        self._tree: StateTree | None = None

    def begin(self, leaves: Mapping[LeafIndex, Leaf], expected: Digest | None) -> Digest:
        """Hash all leaves anew, and insist on the root that was written down with them."""
        tree = StateTree.without_leaves(KernelHasher(POSEIDON16_20)).updated(leaves)
        if expected is not None and tree.root != expected:
            raise ReplayError(f"the leaves in {self._path} do not hash to the root of the last batch")
        self._tree = tree
        return tree.root

    def write_down(self, batch: SpelledBatch, pause: Pause) -> Digest:
        """Compute a batch's root and write its checkpoint."""
        tree = self._tree
        if tree is None:
            raise RuntimeError("the tree is built before the first batch is written down")
        # Neighbours together, so that the pieces share few nodes above them.
        for entries in in_pieces(sorted(entries_of(batch.leaves)), pause):
            tree = tree.updated(leaves_of(entries))
        self._checkpoints.write(batch, tree.root, pause)
        self._tree = tree
        return tree.root


def load_hasher() -> None:
    """Hash a tree of nothing, so that the first batch does not wait for kernels to be loaded."""
    StateTree.without_leaves(KernelHasher(POSEIDON16_20))
