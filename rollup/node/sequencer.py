"""The sequencer: admits, matches, closes batches, and acknowledges only what is on the disk.

    submit ──► verify (many signatures at once) ──► engine ──► journal (one wait for many) ──► acknowledge, tell
                                                       └─ closed batch ──► tree, root ──► checkpoint ──► tell

One asyncio loop decides the order of everything.
A slow disk and large groups of signatures have threads beside it, tree and checkpoint a process or a thread.
Fronts are processes before it.
The engine runs ahead of the disk by at most what nobody has been told yet.
What no front has verified waits for a few more while a thread writes: verifying one costs as much as a dozen.
The file is long because all that decides who is answered when shares the state of that one loop.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from rollup.authority import TradingKey
from rollup.node.background import BackgroundProver, ProofState
from rollup.node.checkpointer import Checkpointer
from rollup.node.effects import Effects, SealedBatch, registered
from rollup.node.engine import Engine, Limits, Reason
from rollup.node.feed import Feed
from rollup.node.gathered import Known, Receipt, Together, Waiting, give_answer
from rollup.node.inputs import (
    CancelRequest,
    CloseBatch,
    Input,
    Submission,
    encode_input,
    input_of,
    kind_of_input,
)
from rollup.node.journal_writer import JournalWriter
from rollup.node.metrics import Metrics
from rollup.node.news import batch_news, level_news, open_batch_news, stored_batch_news, trade_news
from rollup.node.ports import Clock, QueueSource
from rollup.node.refusals import Refusal
from rollup.node.replay import Restart, replay
from rollup.node.room import BatchLimits
from rollup.node.storage import DataDirectory, JournalRow, Stage, StorageError
from rollup.node.turns import Turns
from rollup.node.verified import VerifiedSignatures
from rollup.node.verifier import SIGNATURES_TOGETHER, GroupVerifier
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.state import State
from rollup.state_tree import Digest
from rollup.units import AccountId, Time

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
    has_checkpoint_process: bool = False
    """Whether tree and checkpoints are kept by a process of their own, or by a thread of this one."""


class Sequencer:
    """Runs in one event loop, from `start` to `stop`."""

    def __init__(
        self,
        directory: DataDirectory,
        genesis: State,
        clock: Clock,
        queue: QueueSource,
        settings: SequencerSettings | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.settings = settings or SequencerSettings()
        self.directory = directory
        self.clock = clock
        self.queue = queue
        self.feed = Feed()
        self.metrics = metrics or Metrics()
        self.check = VerifiedSignatures(SepticSchnorr())
        self.engine = Engine(genesis, self.check, self.settings.limits, self.settings.batch_limits)
        self.restart: Restart | None = None
        self.prover: BackgroundProver | None = None
        """Who proves what is closed here, if anybody does."""
        self.describe_ethereum: Callable[[], dict[str, object]] | None = None
        """What the contract has, as far as somebody asks it."""
        self.is_ethereum_behind: Callable[[], bool] = lambda: False
        """Whether what is acknowledged now might never be sealed."""
        self.tell_key: Callable[[AccountId, TradingKey], None] | None = None
        """Who wants to know of keys that are registered."""
        self._genesis = genesis
        self._turns = Turns(queue, self.settings)
        self._checkpointer = Checkpointer(
            directory,
            self.metrics,
            self._tell_of_checkpoint,
            has_process=self.settings.has_checkpoint_process,
        )
        self._waiting: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._to_commit: asyncio.Queue[Together | None] = asyncio.Queue(GROUPS_AHEAD)
        self._known = 0
        """Submissions among those that wait whose signatures a front has verified."""
        self._unwritten = 0
        """Groups handed over that are not on the disk yet."""
        self._can_write = True
        self._next_at = 0.0
        """When the next group may begin although the disk is writing."""
        self._will_look = False
        self._told_at = 0.0
        self._thresholds: tuple[int, int, int] | None = None
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._verifier = GroupVerifier(self.check, self.metrics)
        self._writer: JournalWriter | None = None

    # --------------------------------------------------------------------------------------- start and stop

    async def start(self) -> Restart:
        """Read the disk, replay what the last checkpoint does not hold, and begin to serve."""
        began = perf_counter()
        sys.setswitchinterval(SWITCH_SECONDS)
        # What is loaded stays; the collector would walk it again and again, in the middle of somebody's order.
        thresholds = gc.get_threshold()
        gc.disable()
        loading = asyncio.create_task(self._verifier.load())
        checkpoints = self.directory.checkpoints
        if checkpoints.is_empty():
            checkpoints.begin_with(self._genesis)
        await self._checkpointer.launch()
        checkpoint = checkpoints.load()
        if checkpoint.state.system.deployment != self._genesis.system.deployment:
            raise StorageError(f"{self.directory.path} belongs to another deployment of the clearing house")
        engine = self.engine = Engine(
            checkpoint.state, self.check, self.settings.limits, self.settings.batch_limits
        )
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
        self._turns.begin(engine.state)
        self._tasks = [
            asyncio.create_task(self._admit_forever(), name="admit"),
            asyncio.create_task(self._commit_forever(), name="commit"),
            asyncio.create_task(self._checkpointer.run(leaves, checkpoint.root, unsaved), name="checkpoint"),
        ]
        self._tick()
        logger.info(self.restart.describe())
        return self.restart

    @property
    def root(self) -> Digest | None:
        """The state root after the last batch that is written down; None until the tree is built."""
        return self._checkpointer.root

    async def stop(self) -> None:
        """Answer what waits, finish what is being written, and close the files."""
        self._is_stopping = True
        self._wake.set()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.feed.end()
        await self._checkpointer.end()
        for executor in (self._verifier, self._writer):
            if executor is not None:
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
        answer: asyncio.Future[Receipt | Reason] = asyncio.get_running_loop().create_future()

        def answered(given: Receipt | Reason) -> None:
            if not answer.done():
                answer.set_result(given)

        self.offer(submission, answered)
        return await answer

    def offer(
        self,
        submission: Submission,
        answered: Callable[[Receipt | Reason], None],
        known: Known | None = None,
    ) -> None:
        """Take a submission as `submit` does; `known` is what a front has found out about its signature."""
        if self._is_stopping or self.failure is not None:
            answered(Refusal.STOPPING)
        elif len(self._waiting) >= self.settings.waiting:
            self.metrics.count("refused", Refusal.BUSY)
            answered(Refusal.BUSY)
        elif self.is_ethereum_behind() and not isinstance(submission, CancelRequest):
            self.metrics.count("refused", Refusal.ETHEREUM_BEHIND)
            answered(Refusal.ETHEREUM_BEHIND)
        else:
            self._waiting.append(Waiting(submission, answered, perf_counter(), known))
            self._known += known is not None
            self._look()

    async def _admit_forever(self) -> None:
        """Verify, apply and pass on, group after group."""
        try:
            while self._can_write:
                if not self._is_worth_going_on():
                    if self._is_stopping:
                        break
                    self._wake.clear()
                    await self._wake.wait()
                self._next_at = perf_counter() + GATHER_SECONDS
                count = min(len(self._waiting), self.settings.group_size)
                group = [self._waiting.popleft() for _ in range(count)]
                self._known -= sum(waiting.known is not None for waiting in group)
                group += [Waiting(one, None, perf_counter()) for one in self._turns.due_settlements()]
                await self._verifier.verify(group, self.engine)
                ready = Together([], [], [], [])
                for waiting in group:
                    self._admit(waiting, ready)
                self._turn_batches(ready)
                if ready.rows:
                    self._tell_of_open_batch(ready)
                    self._unwritten += 1
                    await self._to_commit.put(ready)
        finally:
            self._is_stopping = True
            for waiting in self._waiting:
                give_answer(waiting, Refusal.STOPPING)
            self._waiting.clear()
            if self._can_write:
                await self._to_commit.put(None)
            else:
                self._abandon_all()

    def _is_worth_going_on(self) -> bool:
        """Say whether a group should be begun: while the disk writes the last one, a few wait a little for more.

        What a front has verified waits for nothing: it costs no more alone than together.
        """
        if self._unwritten and not self._is_stopping and not self._known:
            count = len(self._waiting)
            return count >= SIGNATURES_TOGETHER or (count > 0 and perf_counter() >= self._next_at)
        return bool(self._waiting) or self._turns.has_settlements

    def _look(self) -> None:
        """Begin a group now, or look again when those who wait have waited enough."""
        if self._is_worth_going_on():
            self._wake.set()
        elif self._waiting and not self._will_look:
            self._will_look = True
            remaining = max(0.0, self._next_at - perf_counter())
            asyncio.get_running_loop().call_later(remaining, self._look_again)

    def _look_again(self) -> None:
        self._will_look = False
        self._look()

    def _tick(self) -> None:
        """Look at batch and queue now and then, when nothing else happens."""
        self._wake.set()
        if not self._is_stopping:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._tick)

    def _admit(self, waiting: Waiting, ready: Together) -> None:
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
        elif self._turns.is_full(self.engine):
            self._close_batch(ready)

    def _refuse(self, waiting: Waiting, reason: Reason) -> None:
        self.metrics.count("refused", reason)
        give_answer(waiting, reason)

    def _now(self) -> Time:
        """The clock, which never runs backwards here."""
        return max(self.clock.now(), self.engine.time)

    def _apply(self, entry: Input, ready: Together, waiting: Waiting | None = None) -> Effects | Reason:
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
            # Who begins to listen later reads a book that has these changes.
            if len(self.feed):
                book = self.engine.book
                ready.news += [level_news(effects.sequence, book, *one) for one in book.touched]
            self.engine.book.touched.clear()
        if effects.sealed is not None:
            ready.sealed.append(effects.sealed)
        return effects

    # --------------------------------------------------------------------------------------------- batches

    def _open_batch(self, ready: Together) -> None:
        effects = self._apply(self._turns.opening(self.engine, self._now()), ready)
        if not isinstance(effects, Effects):
            raise RuntimeError(f"a batch cannot open: {effects}")
        self._turns.opened(self.engine, effects)
        if self.tell_key is not None:
            for account in registered(effects):
                if account.key is not None:
                    self.tell_key(account.account, account.key)

    def close_batch(self) -> None:
        """Close the open batch at the next look, however young it is."""
        self._turns.ask()
        self._wake.set()

    def _close_batch(self, ready: Together) -> None:
        began = perf_counter()
        self._turns.closed()
        self._apply(CloseBatch(self._now()), ready)
        self.metrics.timing("batch_closing", perf_counter() - began)

    def _turn_batches(self, ready: Together) -> None:
        """Close the open batch when its time has come, and serve the queue."""
        has_items = self._turns.has_items(self.engine)
        stretch = 1.0 if self.prover is None else self.prover.stretch
        if self.engine.is_open and self._turns.is_due(has_items=has_items, stretch=stretch):
            self._close_batch(ready)
        if has_items and not self.engine.is_open:
            self._open_batch(ready)

    def _tell_of_open_batch(self, ready: Together) -> None:
        """Say how far the open batch is, a few times a second at most."""
        engine, now = self.engine, perf_counter()
        if not engine.is_open or not len(self.feed) or now - self._told_at < TELL_SECONDS:
            return
        system = engine.state.system
        ready.news.append(
            open_batch_news(system.batch_number, system.time, engine.open_count, engine.open_length)
        )
        self._told_at = now

    # ------------------------------------------------------------------------------------------------ disk

    async def _commit_forever(self) -> None:
        """Write groups to the journal, then acknowledge and tell."""
        group: Together | None = None
        writer = self._writer = JournalWriter(self.directory.journal, self.metrics)
        is_last = False
        try:
            while not is_last and (group := await self._to_commit.get()) is not None:
                # Whatever has gathered during the last wait for the disk shares the next one.
                while not self._to_commit.empty() and not is_last:
                    more = self._to_commit.get_nowait()
                    is_last = more is None
                    if more is not None:
                        group.join(more)
                await writer.write(group.rows)
                self._unwritten -= group.groups
                self._acknowledge(group)
                self._look()
                # Not a name of this frame: whoever holds a batch last lets go of all its objects at once.
                while group.sealed:
                    await self._checkpointer.put(group.sealed.pop(0))
        finally:
            self._is_stopping, self._can_write = True, False
            self._wake.set()
            # After a failure this is what was not written; what was acknowledged has its answer already.
            self._abandon(group)
            self._abandon_all()
            await self._checkpointer.put(None)

    def _acknowledge(self, group: Together) -> None:
        """Answer and tell what is on the disk."""
        now = perf_counter()
        for waiting, receipt in group.receipts:
            if waiting is not None:
                give_answer(waiting, receipt)
                self.metrics.timing("admission", now - waiting.since)
        for news in group.news:
            self.feed.tell(news)

    def _abandon_all(self) -> None:
        while not self._to_commit.empty():
            self._abandon(self._to_commit.get_nowait())

    def _abandon(self, group: Together | None) -> None:
        for waiting, _ in group.receipts if group else ():
            if waiting is not None:
                give_answer(waiting, Refusal.STOPPING)

    # ------------------------------------------------------------------------------------- closed batches

    def _tell_of_checkpoint(self, sealed: SealedBatch) -> None:
        self.feed.tell(batch_news(sealed, self.root, Stage.SEALED) | self.proof_of(sealed.number))

    async def note_stage(self, number: int, stage: Stage) -> None:
        """Note and tell how far a batch has come."""
        await self._checkpointer.set_stage(number, stage)
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


SWITCH_SECONDS: Final = 0.0001
"""How long a thread keeps the interpreter while another waits: a fiftieth of Python's default.

The journal's thread asks for it three times on its way back from the disk, and everybody's answer waits for that.
"""

TELL_SECONDS: Final = 0.25
"""How often the open batch is told of: people watch it, nobody counts on it."""

GATHER_SECONDS: Final = 0.004
"""From the beginning of one group to that of the next, while the disk writes: a slow disk finds the next one ready."""

GROUPS_AHEAD: Final = 16
"""Groups that the engine may run ahead of the disk; they share the next wait for it.

What fronts have verified comes in groups of one or two: with two groups ahead the rest would wait for the disk twice.
"""

YOUNG_OBJECTS: Final = 1_000
"""Objects that are made before the collector looks for cycles among them, in less than a millisecond.

With 20,000 it keeps everybody waiting for 20 milliseconds: what it walks no longer fits the processor's cache.
"""

NEVER: Final = 1 << 30
"""The collector does not walk what is old: orders and versions of the state form no cycles."""

LOOK_SECONDS: Final = 0.05
"""How often batch and queue are looked at when nothing else happens."""
