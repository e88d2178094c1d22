"""The sequencer: admits, matches, closes batches, and acknowledges only what is on the disk.

    submit ──► verify (many signatures at once) ──► engine ──► journal (one wait for many) ──► acknowledge, tell
                                                       └─ closed batch ──► tree, root ──► checkpoint ──► tell

One asyncio loop decides the order of everything.
Disk, tree and large groups of signatures have threads beside it.
The engine runs ahead of the disk by at most what nobody has been told yet.

Longer than 500 lines because the order in which these steps wait for each other is one argument, read in one place.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from prover.hash.poseidon import POSEIDON16_20
from rollup.events import PriceFixed
from rollup.fields import packed_bytes
from rollup.instruments import Group, group_of
from rollup.node.background import BackgroundProver, ProofState
from rollup.node.effects import Effects, SealedBatch
from rollup.node.engine import Engine, Limits, Reason
from rollup.node.feed import Feed, News
from rollup.node.inputs import (
    CancelRequest,
    CloseBatch,
    Input,
    OpenBatch,
    Submission,
    encode_input,
    input_of,
    kind_of_input,
)
from rollup.node.metrics import Metrics
from rollup.node.news import batch_news, level_news, open_batch_news, stored_batch_news, trade_news
from rollup.node.pace import Pace, in_pieces
from rollup.node.ports import Clock, QueueSource
from rollup.node.refusals import Refusal
from rollup.node.replay import ReplayError, Restart, replay
from rollup.node.room import BatchLimits, items_that_fit
from rollup.node.storage import DataDirectory, JournalRow, Stage, StorageError
from rollup.node.verified import VerifiedSignatures, load_kernels, verified_together
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.state import State
from rollup.state_hash import KernelHasher
from rollup.state_tree import Digest, StateTree
from rollup.transactions import SettleGroup, TradeRecord
from rollup.units import AccountId, GroupId, Time

logger = logging.getLogger("clearing.node")

BYTES_PER_L1_TRANSACTION: Final = 112 * 1024
"""Data that one `append` carries: below the 128 KiB that nodes pass on, with room for the call around it."""


@dataclass(frozen=True, slots=True)
class SequencerSettings:
    """When a batch ends, and how much may wait."""

    batch_bytes: int = BYTES_PER_L1_TRANSACTION
    """A batch that fits one `append` costs the least; a larger one spans several."""
    batch_transactions: int = 4096
    """What a proof is dimensioned for."""
    batch_seconds: float = 5.0
    """Age of the open batch at which it is closed, if anything is in it."""
    queue_seconds: float = 1.0
    """Age of the open batch at which it makes way for waiting queue items."""
    queue_items: int = 200
    """Queue items one batch serves: in twenty milliseconds, twice what a block of Ethereum can queue."""
    waiting: int = 4096
    """Submissions that may wait; beyond it the answer is `busy`."""
    group_size: int = 256
    """Submissions verified and written together: enough that a signature costs 30 microseconds, in 8 milliseconds."""
    limits: Limits = field(default_factory=Limits)
    batch_limits: BatchLimits = field(default_factory=BatchLimits)
    """What a proof has room for."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is acknowledged, and where it happened."""

    effects: Effects
    batch: int


@dataclass(slots=True)
class _Waiting:
    """A submission and whoever waits for its answer."""

    submission: Submission
    answer: asyncio.Future[Receipt | Reason] | None
    since: float
    is_refuted: bool = False


@dataclass(slots=True)
class _Group:
    """What goes to the disk together."""

    rows: list[JournalRow]
    receipts: list[tuple[_Waiting | None, Receipt]]
    news: list[News]
    sealed: list[SealedBatch]

    def join(self, later: _Group) -> None:
        """Take in what came afterwards."""
        self.rows += later.rows
        self.receipts += later.receipts
        self.news += later.news
        self.sealed += later.sealed


class Sequencer:
    """Runs in one event loop, from `start` to `stop`."""

    def __init__(
        self,
        directory: DataDirectory,
        genesis: State,
        clock: Clock,
        queue: QueueSource,
        settings: SequencerSettings | None = None,
    ) -> None:
        self.settings = settings or SequencerSettings()
        self.directory = directory
        self.clock = clock
        self.queue = queue
        self.feed = Feed()
        self.metrics = Metrics()
        self.check = VerifiedSignatures(SepticSchnorr())
        self.engine = Engine(genesis, self.check, self.settings.limits)
        self.root: Digest | None = None
        self.restart: Restart | None = None
        self.prover: BackgroundProver | None = None
        """Who proves what is closed here, if anybody does."""
        self._genesis = genesis
        self._tree: StateTree | None = None
        self._waiting: deque[_Waiting] = deque()
        self._settlements: deque[tuple[AccountId, GroupId]] = deque()
        self._wake = asyncio.Event()
        self._to_commit: asyncio.Queue[_Group | None] = asyncio.Queue(GROUPS_AHEAD)
        self._to_checkpoint: asyncio.Queue[SealedBatch | None] = asyncio.Queue(8)
        self._opened_at = 0.0
        self._told_at = 0.0
        self._thresholds: tuple[int, int, int] | None = None
        self._is_due = False
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._verifying = ThreadPoolExecutor(1, "verify")
        self._writing = ThreadPoolExecutor(1, "journal")
        self._hashing = ThreadPoolExecutor(1, "tree")

    # --------------------------------------------------------------------------------------- start and stop

    async def start(self) -> Restart:
        """Read the disk, replay what the last checkpoint does not hold, and begin to serve."""
        began = perf_counter()
        sys.setswitchinterval(SWITCH_SECONDS)
        # What is loaded stays; the collector would walk it again and again, in the middle of somebody's order.
        thresholds = gc.get_threshold()
        gc.disable()
        loop = asyncio.get_running_loop()
        loading = loop.run_in_executor(self._verifying, load_kernels)
        checkpoints = self.directory.checkpoints
        if checkpoints.is_empty():
            checkpoints.begin_with(self._genesis)
        checkpoint = checkpoints.load()
        if checkpoint.state.system.deployment != self._genesis.system.deployment:
            raise StorageError(f"{self.directory.path} belongs to another deployment of the clearing house")
        engine = self.engine = Engine(checkpoint.state, self.check, self.settings.limits)
        engine.restore(checkpoint.sequence, checkpoint.resting, checkpoint.seen)
        leaves = checkpoint.state.all_leaves()
        unsaved, replayed = replay(engine, self.directory.journal, checkpoint, self.feed)
        await loading
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, NEVER, NEVER)
        gc.enable()
        self._thresholds = thresholds
        self.restart = Restart(
            engine.sequence,
            replayed,
            engine.state.system.batch_number,
            engine.is_open,
            engine.book.count,
            perf_counter() - began,
        )
        self._opened_at = perf_counter()
        self._schedule_settlements(engine.state)

        async def build_tree() -> None:
            await loop.run_in_executor(self._hashing, self._build_tree, leaves, checkpoint.root)

        self._tasks = [
            asyncio.create_task(self._admit_forever(), name="admit"),
            asyncio.create_task(self._commit_forever(), name="commit"),
            asyncio.create_task(self._checkpoint_forever(build_tree(), unsaved), name="checkpoint"),
        ]
        logger.info(self.restart.describe())
        return self.restart

    def _build_tree(self, leaves: object, expected: Digest | None) -> None:
        """Hash all leaves anew, and insist on the root that was written down with them."""
        hasher = KernelHasher(POSEIDON16_20)
        tree = StateTree.without_leaves(hasher).updated(leaves)  # type: ignore[arg-type]
        if expected is not None and tree.root != expected:
            raise ReplayError(
                f"the leaves in {self.directory.path} do not hash to the root of the last batch"
            )
        self._tree, self.root = tree, tree.root

    async def stop(self) -> None:
        """Answer what waits, finish what is being written, and close the files."""
        self._is_stopping = True
        self._wake.set()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.feed.end()
        for executor in (self._verifying, self._writing, self._hashing):
            executor.shutdown()
        self.directory.close()
        if self._thresholds is not None:
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    @property
    def waiting(self) -> int:
        """Submissions that wait for their turn."""
        return len(self._waiting)

    @property
    def failure(self) -> BaseException | None:
        """What has stopped the node, if something has."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    async def wait_for_failure(self) -> None:
        """Return when a part of the sequencer has ended; `stop` raises what ended it."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    # ------------------------------------------------------------------------------------------- admission

    async def submit(self, submission: Submission) -> Receipt | Reason:
        """Take a submission; the answer comes when it is on the disk, or as soon as it is turned away."""
        if self._is_stopping or self.failure is not None:
            return Refusal.STOPPING
        if len(self._waiting) >= self.settings.waiting:
            self.metrics.count("refused", Refusal.BUSY)
            return Refusal.BUSY
        answer: asyncio.Future[Receipt | Reason] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(submission, answer, perf_counter()))
        self._wake.set()
        return await answer

    async def _admit_forever(self) -> None:
        """Verify, apply and pass on, group after group."""
        try:
            while True:
                if not self._waiting and not self._settlements:
                    if self._is_stopping:
                        break
                    await self._sleep()
                group = [
                    self._waiting.popleft() for _ in range(min(len(self._waiting), self.settings.group_size))
                ]
                group += self._due_settlements()
                await self._verify(group)
                ready = _Group([], [], [], [])
                for waiting in group:
                    self._admit(waiting, ready)
                self._turn_batches(ready)
                if ready.rows:
                    self._tell_of_open_batch(ready)
                    await self._to_commit.put(ready)
        finally:
            self._is_stopping = True
            for waiting in self._waiting:
                _answer(waiting, Refusal.STOPPING)
            self._waiting.clear()
            await self._to_commit.put(None)

    async def _sleep(self) -> None:
        """Wait for a submission, or for the next look at batch and queue."""
        self._wake.clear()
        if self._waiting or self._is_stopping:
            return
        try:
            await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
        except TimeoutError:
            return

    async def _verify(self, group: list[_Waiting]) -> None:
        """Verify the signatures of a group together."""
        signed = []
        for waiting in group:
            message = self.engine.signed_message(input_of(waiting.submission, self.engine.time))
            if message is not None:
                signed.append((waiting, message))
        if not signed:
            return
        messages = [message for _, message in signed]
        began = perf_counter()
        if len(messages) <= SIGNATURES_IN_LOOP:
            answers = verified_together(messages)
        else:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._verifying, verified_together, messages)
        self.metrics.timing("verification", perf_counter() - began)
        self.metrics.count("signatures_verified", by=len(messages))
        for (waiting, message), is_valid in zip(signed, answers, strict=True):
            if is_valid:
                self.check.remember(*message)
            else:
                waiting.is_refuted = True

    def _admit(self, waiting: _Waiting, ready: _Group) -> None:
        """Give a submission to the engine."""
        if waiting.is_refuted:
            self._refuse(waiting, Rejection.SIGNATURE_INVALID)
            return
        if not self.engine.is_open and not isinstance(waiting.submission, CancelRequest):
            self._open_batch(ready)
        entry = input_of(waiting.submission, self._now())
        effects = self._apply(entry, ready, waiting)
        if not isinstance(effects, Effects):
            self._refuse(waiting, effects)
        elif self._is_full():
            self._close_batch(ready)

    def _refuse(self, waiting: _Waiting, reason: Reason) -> None:
        self.metrics.count("refused", reason)
        _answer(waiting, reason)

    def _now(self) -> Time:
        """The clock, which never runs backwards here."""
        return max(self.clock.now(), self.engine.time)

    def _apply(self, entry: Input, ready: _Group, waiting: _Waiting | None = None) -> Effects | Reason:
        """Give an input to the engine and prepare what is written and told of it."""
        effects = self.engine.apply(entry)
        if not isinstance(effects, Effects):
            return effects
        kind = kind_of_input(entry)
        ready.rows.append(JournalRow(effects.sequence, kind, encode_input(entry), effects.fingerprint))
        batch = self.engine.state.system.batch_number
        ready.receipts.append((waiting, Receipt(effects, batch)))
        self.metrics.count("admitted", kind.name.lower())
        self.metrics.count("trades", by=len(effects.fills))
        ready.news += [trade_news(effects, fill, batch) for fill in effects.fills]
        if self.engine.book.touched:
            ready.news += [
                level_news(effects.sequence, self.engine.book, *one) for one in self.engine.book.touched
            ]
            self.engine.book.touched.clear()
        if effects.sealed is not None:
            ready.sealed.append(effects.sealed)
        return effects

    # --------------------------------------------------------------------------------------------- batches

    def _is_full(self) -> bool:
        settings, engine = self.settings, self.engine
        room = packed_bytes(TradeRecord) * 2
        return (
            engine.open_count >= settings.batch_transactions
            or engine.open_length + room > settings.batch_bytes
            or engine.has_no_room(settings.batch_limits)
        )

    def _open_batch(self, ready: _Group) -> None:
        """Begin a batch with the queue items that are due."""
        now = self._now()
        position = self.engine.state.system.queue_position
        items = []
        waiting = self.queue.items_from(position, self.settings.queue_items)
        for queued in items_that_fit(self.engine.state, waiting, self.settings.batch_limits):
            # A batch is not older than what it serves; what the chain's clock dates ahead of ours waits.
            if queued.time > now:
                break
            items.append(queued)
        effects = self._apply(OpenBatch(now, tuple(items)), ready)
        if not isinstance(effects, Effects):
            raise RuntimeError(f"a batch cannot open: {effects}")
        self._opened_at = perf_counter()
        fixed = [
            event for outcome in effects.outcomes for event in outcome.events if isinstance(event, PriceFixed)
        ]
        if fixed:
            groups = {
                change.after.group
                for event in fixed
                for change in event.changes
                if isinstance(change.after, Group)
            }
            self._schedule_settlements(self.engine.state, groups)

    def close_batch(self) -> None:
        """Close the open batch at the next look, however young it is."""
        self._is_due = True
        self._wake.set()

    def _close_batch(self, ready: _Group) -> None:
        self._is_due = False
        self._apply(CloseBatch(self._now()), ready)

    def _turn_batches(self, ready: _Group) -> None:
        """Close the open batch when its time has come, and serve the queue."""
        engine, settings = self.engine, self.settings
        has_items = bool(self.queue.items_from(engine.state.system.queue_position, 1))
        if engine.is_open:
            age = perf_counter() - self._opened_at
            is_due = self._is_due or age >= settings.batch_seconds
            if is_due or (has_items and age >= settings.queue_seconds):
                self._close_batch(ready)
        if has_items and not engine.is_open:
            self._open_batch(ready)

    def _tell_of_open_batch(self, ready: _Group) -> None:
        """Say how far the open batch is, a few times a second at most."""
        engine, now = self.engine, perf_counter()
        if not engine.is_open or not len(self.feed) or now - self._told_at < TELL_SECONDS:
            return
        system = engine.state.system
        ready.news.append(
            open_batch_news(system.batch_number, system.time, engine.open_count, engine.open_length)
        )
        self._told_at = now

    def _schedule_settlements(self, state: State, groups: set[GroupId] | None = None) -> None:
        """Line up everybody who holds positions in a group whose price is fixed."""
        fixed = groups or {group.group for group in state.groups() if group.settlement_price is not None}
        if not fixed:
            return
        for account in state.accounts():
            held = {group_of(position.series) for position in account.positions}
            self._settlements.extend((account.account, group) for group in sorted(held & fixed))

    def _due_settlements(self) -> list[_Waiting]:
        """A few settlements at a time, so that people's orders do not wait behind them."""
        due = [self._settlements.popleft() for _ in range(min(len(self._settlements), SETTLEMENTS_AT_ONCE))]
        return [_Waiting(SettleGroup(account, group), None, perf_counter()) for account, group in due]

    # ------------------------------------------------------------------------------------------------ disk

    async def _commit_forever(self) -> None:
        """Write groups to the journal, then acknowledge and tell."""
        loop = asyncio.get_running_loop()
        group: _Group | None = None
        is_last = False
        try:
            while not is_last and (group := await self._to_commit.get()) is not None:
                # Whatever has gathered during the last wait for the disk shares the next one.
                while not self._to_commit.empty() and not is_last:
                    more = self._to_commit.get_nowait()
                    is_last = more is None
                    if more is not None:
                        group.join(more)
                began = perf_counter()
                await loop.run_in_executor(self._writing, self.directory.journal.append, group.rows)
                self._acknowledge(group, perf_counter() - began)
                for sealed in group.sealed:
                    await self._to_checkpoint.put(sealed)
        finally:
            self._is_stopping = True
            self._wake.set()
            # After a failure this is what was not written; what was acknowledged has its answer already.
            self._abandon(group)
            while not self._to_commit.empty():
                self._abandon(self._to_commit.get_nowait())
            await self._to_checkpoint.put(None)

    def _acknowledge(self, group: _Group, seconds: float) -> None:
        """Answer and tell what is on the disk."""
        now = perf_counter()
        self.metrics.timing("journal_commit", seconds)
        for waiting, receipt in group.receipts:
            if waiting is not None:
                _answer(waiting, receipt)
                self.metrics.timing("admission", now - waiting.since)
        for news in group.news:
            self.feed.tell(news)

    def _abandon(self, group: _Group | None) -> None:
        for waiting, _ in group.receipts if group else ():
            if waiting is not None:
                _answer(waiting, Refusal.STOPPING)

    async def _checkpoint_forever(self, build_tree: object, unsaved: list[SealedBatch]) -> None:
        """Hash and write down closed batches, one after the other."""
        await build_tree  # type: ignore[misc]
        loop = asyncio.get_running_loop()
        for sealed in unsaved:
            await loop.run_in_executor(self._hashing, self._write_down, sealed)
        while (waiting := await self._to_checkpoint.get()) is not None:
            began = perf_counter()
            await loop.run_in_executor(self._hashing, self._write_down, waiting)
            self.metrics.timing("checkpoint", perf_counter() - began)
            self.metrics.count("batches")
            self.feed.tell(batch_news(waiting, self.root, Stage.SEALED) | self.proof_of(waiting.number))

    async def note_stage(self, number: int, stage: Stage) -> None:
        """Note and tell how far a batch has come; the files have one writer, the tree's thread."""
        checkpoints = self.directory.checkpoints
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._hashing, checkpoints.set_stage, number, stage)
        await self.tell_of_batch(number)

    async def tell_of_batch(self, number: int) -> None:
        """Tell how far a batch is, in its stage or in its proof."""
        stored = await asyncio.to_thread(self.directory.checkpoints.batch, number)
        if stored is not None:
            self.feed.tell(stored_batch_news(stored) | self.proof_of(number))

    def proof_of(self, number: int) -> dict[str, object]:
        """What is told of a batch's proof."""
        if self.prover is None:
            return {"proof": ProofState.OFF.value, "proof_seconds": None, "proof_bytes": None}
        return self.prover.describe_batch(number)

    def _write_down(self, sealed: SealedBatch) -> None:
        """Compute a batch's root and write its checkpoint, a piece at a time: the loop goes first."""
        tree, pace = self._tree, Pace()
        if tree is None:
            raise RuntimeError("the tree is built before the first batch is written down")
        # Neighbours together, so that the pieces share few nodes above them.
        for places in in_pieces(sorted(sealed.after), pace):
            tree = tree.updated({place: sealed.after[place] for place in places})
        self._tree, self.root = tree, tree.root
        self.directory.checkpoints.write(sealed, tree.root, pace)
        self.directory.journal.fold()
        # What has grown old stays; walking it again would keep everybody waiting.
        gc.freeze()


SWITCH_SECONDS: Final = 0.0005
"""How long a thread keeps the interpreter while another waits: a tenth of Python's default.

The loop must not wait five milliseconds for the tree's thread each time it comes back from the disk.
"""

TELL_SECONDS: Final = 0.25
"""How often the open batch is told of: people watch it, nobody counts on it."""

SIGNATURES_IN_LOOP: Final = 16
"""So many are verified on the spot, in less than a millisecond: handing them to a thread and back takes longer."""

GROUPS_AHEAD: Final = 2
"""Groups that the engine may run ahead of the disk; they share the next wait for it.

More would be smaller ones, and a group of one costs as much to verify as a group of sixteen.
"""

YOUNG_OBJECTS: Final = 20_000
"""Objects that are made before the collector looks for cycles among them, in a millisecond."""

NEVER: Final = 1 << 30
"""The collector does not walk what is old: orders and versions of the state form no cycles."""

LOOK_SECONDS: Final = 0.05
"""How often batch and queue are looked at when nothing else happens."""

SETTLEMENTS_AT_ONCE: Final = 64


def _answer(waiting: _Waiting, answer: Receipt | Reason) -> None:
    if waiting.answer is not None and not waiting.answer.done():
        waiting.answer.set_result(answer)
