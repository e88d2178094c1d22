"""Closed batches on their way to the checkpoint, one after the other, beside the loop.

    closed batch ──► spelled, in pieces between orders ──► tree, root, checkpoint: elsewhere ──► told

Nobody waits for it: what a checkpoint says, the journal says already.
Elsewhere is a process of its own, or a thread where that is not wanted.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

from rollup.node.checkpoint_link import HEAD, Said, message, spell_stage, spelled_root
from rollup.node.checkpoint_writer import CheckpointWriter
from rollup.node.effects import SealedBatch
from rollup.node.metrics import Metrics
from rollup.node.pace import PIECE, Pace
from rollup.node.sealed_bytes import SpelledBatch, spelling
from rollup.node.storage import DataDirectory, Stage, StorageError
from rollup.state import Leaf, LeafIndex
from rollup.state_tree import Digest

BATCHES_AHEAD: Final = 8
"""Closed batches that may wait for their root; then orders wait too."""

REST_SECONDS: Final = 0.002
"""Between two pieces of work in the loop, each of a tenth of a millisecond."""

ENDING_SECONDS: Final = 10.0
"""How long the process may take to end, before it is ended."""

HOME: Final = Path(__file__).resolve().parents[2]
"""Where the process finds the packages."""

Leaves = Mapping[LeafIndex, Leaf]


class Scribe(Protocol):
    """Whoever keeps the tree and writes checkpoints."""

    async def launch(self) -> None:
        """Make ready what takes time, once the checkpoint's file is there."""

    async def begin(self, leaves: Leaves, expected: Digest | None) -> Digest:
        """Build the tree of what the checkpoint holds."""

    async def write_down(self, batch: SpelledBatch, *, is_hurried: Callable[[], bool]) -> Digest:
        """Write a batch; its root is returned."""

    async def set_stage(self, number: int, stage: Stage) -> None:
        """Note how far a batch has come."""

    async def end(self) -> None:
        """Let go of everything."""


class ThreadScribe:
    """Writes in a thread of this process."""

    def __init__(self, directory: DataDirectory) -> None:
        self._checkpoints = directory.checkpoints
        self._writer = CheckpointWriter(directory.checkpoints, directory.path)
        self._thread = ThreadPoolExecutor(1, "tree")

    async def launch(self) -> None:
        """A thread is ready."""

    async def begin(self, leaves: Leaves, expected: Digest | None) -> Digest:
        """Build the tree of what the checkpoint holds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._writer.begin, leaves, expected)

    async def write_down(self, batch: SpelledBatch, *, is_hurried: Callable[[], bool]) -> Digest:
        """Write a batch; its root is returned."""

        def write() -> Digest:
            return self._writer.write_down(batch, Pace(is_hurried))

        return await asyncio.get_running_loop().run_in_executor(self._thread, write)

    async def set_stage(self, number: int, stage: Stage) -> None:
        """Note how far a batch has come."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._checkpoints.set_stage, number, stage)

    async def end(self) -> None:
        """Wait for the thread to end."""
        self._thread.shutdown()


class ProcessScribe:
    """Has a process write, which keeps the folder's lock for as long as it runs."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._turn = asyncio.Lock()

    async def launch(self) -> None:
        """Start the process; it loads while the node reads its files."""
        here, there = socket.socketpair()
        inherited = there.fileno(), self._directory.lock_descriptor
        with there:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "rollup.node.checkpoint_process",
                str(there.fileno()),
                str(self._directory.path.resolve()),
                pass_fds=inherited,
                cwd=HOME,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                # Ctrl-C is for the node, which finishes what is being written.
                start_new_session=True,
            )
        self._reader, self._writer = await asyncio.open_connection(sock=here)

    async def begin(self, leaves: Leaves, expected: Digest | None) -> Digest:
        """Have the process read by itself what the checkpoint holds."""
        del leaves, expected
        return spelled_root(await self._ask(Said.BEGIN, b""))

    async def write_down(self, batch: SpelledBatch, *, is_hurried: Callable[[], bool]) -> Digest:
        """Write a batch; its root is returned."""
        kind = Said.URGENT_BATCH if is_hurried() else Said.BATCH
        return spelled_root(await self._ask(kind, batch.to_bytes()))

    async def set_stage(self, number: int, stage: Stage) -> None:
        """Note how far a batch has come."""
        await self._ask(Said.STAGE, spell_stage(number, stage))

    async def _ask(self, kind: Said, body: bytes) -> bytes:
        async with self._turn:
            if self._writer is None:
                raise RuntimeError("the process that writes checkpoints has not begun")
            self._writer.write(message(kind, body))
            return await self._answer()

    async def _answer(self) -> bytes:
        if self._reader is None or self._process is None:
            raise RuntimeError("the process that writes checkpoints has not begun")
        try:
            length, kind = HEAD.unpack(await self._reader.readexactly(HEAD.size))
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            status = await self._process.wait()
            raise StorageError(
                f"the process that writes checkpoints ended with status {status}; a restart repeats its work"
            ) from error
        if kind == Said.FAILED:
            raise StorageError(body.decode())
        return body

    async def end(self) -> None:
        """Let the process end; what it was asked for is done by then, or counts for nothing."""
        if self._writer is not None:
            self._writer.write(message(Said.END))
            self._writer.close()
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), ENDING_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


class Checkpointer:
    """Hands closed batches on; `root` is that of the last one written down."""

    def __init__(
        self,
        directory: DataDirectory,
        metrics: Metrics,
        told: Callable[[SealedBatch], None],
        *,
        has_process: bool,
    ) -> None:
        """`told` is called in the loop with each batch that has been written down."""
        self.root: Digest | None = None
        self._metrics = metrics
        self._told = told
        self._scribe: Scribe = ProcessScribe(directory) if has_process else ThreadScribe(directory)
        self._closed: asyncio.Queue[SealedBatch | None] = asyncio.Queue(BATCHES_AHEAD)
        self._is_over = False

    async def launch(self) -> None:
        """Begin to load, once the checkpoint's file is there."""
        await self._scribe.launch()

    async def put(self, sealed: SealedBatch | None) -> None:
        """Hand a closed batch over; None ends the run behind it."""
        if not self._is_over:
            await self._closed.put(sealed)

    async def run(self, leaves: Leaves, expected: Digest | None, unsaved: list[SealedBatch]) -> None:
        """Build the tree, then write down what a restart found closed, then whatever is closed."""
        try:
            await self._write_everything(leaves, expected, unsaved)
        finally:
            # Nobody takes anything from the queue any more; who waits to put something into it goes on.
            self._is_over = True
            while not self._closed.empty():
                self._closed.get_nowait()

    async def _write_everything(
        self, leaves: Leaves, expected: Digest | None, unsaved: list[SealedBatch]
    ) -> None:
        self.root = await self._scribe.begin(leaves, expected)
        while unsaved:
            await self._write_down(unsaved.pop(0))
        while (sealed := await self._closed.get()) is not None:
            began = perf_counter()
            await self._write_down(sealed)
            self._metrics.timing("checkpoint", perf_counter() - began)
            self._metrics.count("batches")
            self._told(sealed)
            remains = _objects_of(sealed)
            del sealed
            await _let_go(remains)
            # What has grown old stays; walking it again would keep everybody waiting.
            gc.freeze()

    async def _write_down(self, sealed: SealedBatch) -> None:
        batch = await _spelled(sealed)
        self.root = await self._scribe.write_down(batch, is_hurried=lambda: not self._closed.empty())

    async def set_stage(self, number: int, stage: Stage) -> None:
        """Note how far a batch has come; the files have one writer."""
        await self._scribe.set_stage(number, stage)

    async def end(self) -> None:
        """Wait for whoever writes to end."""
        await self._scribe.end()


async def _spelled(sealed: SealedBatch) -> SpelledBatch:
    """Spell a batch, a piece at a time: all at once it would keep everybody waiting for 20 ms."""
    steps = spelling(sealed)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            batch: SpelledBatch = ended.value
            return batch
        await asyncio.sleep(REST_SECONDS)


async def _let_go(remains: list[object]) -> None:
    """Free the objects of a batch, a piece at a time: all at once they would keep everybody waiting for 10 ms."""
    while remains:
        del remains[-PIECE:]
        await asyncio.sleep(REST_SECONDS)


def _objects_of(sealed: SealedBatch) -> list[object]:
    """What a batch is made of: thousands of objects, which end with their last holder."""
    return [
        *sealed.content.records,
        *sealed.batch.transactions,
        *sealed.sources,
        *sealed.before.values(),
        *sealed.book.joined.values(),
    ]
