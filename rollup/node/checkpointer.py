"""Closed batches, hashed and written down beside the loop: one after the other, in a thread that mostly rests.

    closed batch ──► tree, root ──► checkpoint ──► told

Nobody waits for it: what a checkpoint says, the journal says already.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final, TypeVar

from prover.hash.poseidon import POSEIDON16_20
from rollup.node.effects import SealedBatch
from rollup.node.metrics import Metrics
from rollup.node.pace import PIECE, Pace, in_pieces
from rollup.node.replay import ReplayError
from rollup.node.storage import DataDirectory
from rollup.state import Leaf, LeafIndex
from rollup.state_hash import KernelHasher
from rollup.state_tree import Digest, StateTree

T = TypeVar("T")

BATCHES_AHEAD: Final = 8
"""Closed batches that may wait for their root; then orders wait too."""


class Checkpointer:
    """Keeps the state's tree; `root` is that of the last batch written down."""

    def __init__(
        self, directory: DataDirectory, metrics: Metrics, told: Callable[[SealedBatch], None]
    ) -> None:
        """`told` is called in the loop with each batch that has been written down."""
        self.root: Digest | None = None
        self._directory = directory
        self._metrics = metrics
        self._told = told
        self._tree: StateTree | None = None
        self._closed: asyncio.Queue[SealedBatch | None] = asyncio.Queue(BATCHES_AHEAD)
        self._thread = ThreadPoolExecutor(1, "tree")

    async def put(self, sealed: SealedBatch | None) -> None:
        """Hand a closed batch over; None ends the run behind it."""
        await self._closed.put(sealed)

    async def run(
        self, leaves: Mapping[LeafIndex, Leaf], expected: Digest | None, unsaved: Sequence[SealedBatch]
    ) -> None:
        """Build the tree, then write down what a restart found closed, then whatever is closed."""
        await self.in_thread(self._build_tree, leaves, expected)
        for sealed in unsaved:
            await self.in_thread(self._write_down, sealed)
        while (sealed_now := await self._closed.get()) is not None:
            began = perf_counter()
            await self.in_thread(self._write_down, sealed_now)
            self._metrics.timing("checkpoint", perf_counter() - began)
            self._metrics.count("batches")
            self._told(sealed_now)
            remains = _objects_of(sealed_now)
            del sealed_now
            await self.in_thread(self._let_go, remains)

    async def in_thread(self, work: Callable[..., T], *values: object) -> T:
        """Run something in the one thread that writes checkpoints."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *values)

    def shutdown(self) -> None:
        """Wait for the thread to end."""
        self._thread.shutdown()

    def _build_tree(self, leaves: Mapping[LeafIndex, Leaf], expected: Digest | None) -> None:
        """Hash all leaves anew, and insist on the root that was written down with them."""
        hasher = KernelHasher(POSEIDON16_20)
        tree = StateTree.without_leaves(hasher).updated(leaves)
        if expected is not None and tree.root != expected:
            raise ReplayError(
                f"the leaves in {self._directory.path} do not hash to the root of the last batch"
            )
        self._tree, self.root = tree, tree.root

    def _write_down(self, sealed: SealedBatch) -> None:
        """Compute a batch's root and write its checkpoint, a piece at a time: the loop goes first."""
        tree, pace = self._tree, Pace(lambda: not self._closed.empty())
        if tree is None:
            raise RuntimeError("the tree is built before the first batch is written down")
        # Neighbours together, so that the pieces share few nodes above them.
        for places in in_pieces(sorted(sealed.after), pace):
            tree = tree.updated({place: sealed.after[place] for place in places})
        self._tree, self.root = tree, tree.root
        self._directory.checkpoints.write(sealed, tree.root, pace)
        # What has grown old stays; walking it again would keep everybody waiting.
        gc.freeze()

    def _let_go(self, remains: list[object]) -> None:
        """Free the objects of a batch, a piece at a time: all at once they would keep everybody waiting for 10 ms."""
        pace = Pace(lambda: not self._closed.empty())
        while remains:
            del remains[-PIECE:]
            pace()


def _objects_of(sealed: SealedBatch) -> list[object]:
    """What a batch is made of: thousands of objects, which end with their last holder."""
    return [
        *sealed.content.records,
        *sealed.batch.transactions,
        *sealed.sources,
        *sealed.before.values(),
        *sealed.book.joined.values(),
    ]
