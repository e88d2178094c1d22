"""Proving beside the node: processes of their own, until the contract has a proof of every batch.

    checkpoint ──► base proof, first step ──► DIR/proofs ──► terminal proof ──► DIR/proofs ──► the bridge

What is to be done is read off the disk and the contract: batches in the checkpoint, proofs on the shelf, the last batch
that the contract has accepted. `schedule` says what comes next.
So nothing is lost with a process, nor with the node: whoever starts again finds the same work.
One process does both kinds of work, because each takes gigabytes and all cores.
The command that starts a process is handed in by whoever knows the circuits; work goes to it by lines.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, Final

from rollup.node.proofs import LONGEST, ProofShelf
from rollup.node.schedule import JoinBatches, ProveBatch, Situation, Work, next_work
from rollup.node.storage import Checkpoints

logger = logging.getLogger("clearing.node")

LOOK_SECONDS: Final = 0.25
"""How often new batches are looked for."""

ATTEMPTS: Final = 3
"""Work at which so many processes have died is left out, and told as failed; the next start tries it again."""

FIRST_REST_SECONDS: Final = 0.5
"""Before a process is started again; doubled with each death in a row."""

LONGEST_REST_SECONDS: Final = 30.0

REMEMBERED: Final = 20
"""Proofs whose seconds make the estimate."""

LONGEST_STRETCH: Final = 60
"""Five minutes for batches of five seconds: their time may not be an hour behind when the contract seals them."""

KEPT_BATCHES: Final = 64
"""Behind the newest batch that the contract has accepted: their proofs stay, some 50 MB.

A terminal proof whose acceptance a re-organisation takes back is sent again, and a person may verify a base proof."""

LOG_FILE: Final = "provers.log"

LONGEST_LINE: Final = 1 << 16


class ProofState(StrEnum):
    """How far a batch's proof has come on this node; whether the contract has accepted one is the batch's stage."""

    OFF = "off"
    """This node does not prove."""
    WAITING = "waiting"
    PROVING = "proving"
    PROVED = "proved"
    """Its own proofs are on the shelf, and wait to be joined."""
    JOINING = "joining"
    JOINED = "joined"
    """A terminal proof of it is on the shelf, or the contract has accepted one."""
    FAILED = "failed"
    """No proof was found; the reason is told."""


@dataclass(frozen=True, slots=True)
class ProvingSettings:
    """How the provers are started."""

    command: Sequence[str]
    """What starts a process; the node's folder is appended."""
    directory: Path | None = None
    """Where it is started; None: here."""
    processes: int = 1
    attempts: int = ATTEMPTS
    first_rest_seconds: float = FIRST_REST_SECONDS
    join_seconds: float = 0.0
    """Least time between the beginnings of two terminal proofs: eight batches in one cost hardly more gas."""
    kept_batches: int = KEPT_BATCHES
    """Of how many batches that the contract has accepted the proofs are kept."""


@dataclass(slots=True)
class _AtWork:
    """Work that a process has been given."""

    work: Work
    since: float
    stage: str = ""
    fraction: float = 0.0
    stages: int = 0
    """How many it has told of."""


@dataclass(slots=True)
class _Deaths:
    """Processes that ended without an answer."""

    of: dict[Work, int] = field(default_factory=dict)
    in_a_row: int = 0


class BackgroundProver:
    """Keeps the shelf in step with the batches; runs in the node's loop, which it never blocks."""

    def __init__(
        self,
        folder: Path,
        checkpoints: Checkpoints,
        settings: ProvingSettings,
        told: Callable[[int], Awaitable[None]],
        accepted: Callable[[], int | None] = lambda: 0,
    ) -> None:
        """`told` is called with a batch's number whenever its proof has come further.

        `accepted` gives the last batch of which the contract has accepted a proof; None as long as nobody knows.
        """
        self.shelf = ProofShelf(folder)
        self.settings = settings
        self.restarts = 0
        self.last = 0
        """The newest batch."""
        self.may_join = True
        """No: terminal proofs wait until somebody says otherwise."""
        self._folder = folder
        self._checkpoints = checkpoints
        self._told = told
        self._ask_accepted = accepted
        self._accepted = 0
        self._forgotten = 0
        """The last batch whose proofs are thrown away."""
        self._has_looked = False
        self._steps = self.shelf.steps()
        self._terminals = self.shelf.terminals()
        self._failed: dict[Work, str] = {}
        self._works: dict[Work, _AtWork] = {}
        self._deaths = _Deaths()
        self._made_again: set[int] = set()
        self._joined_at: float | None = None
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)
        self._join_seconds: deque[float] = deque(maxlen=REMEMBERED)

    # ----------------------------------------------------------------------------------------------- what is told

    @property
    def situation(self) -> Situation:
        """What there is, for the schedule."""
        rests = self._joined_at is not None and monotonic() - self._joined_at < self.settings.join_seconds
        return Situation(
            self._accepted,
            self.last,
            frozenset(self._steps),
            frozenset(self._terminals),
            frozenset(self._works),
            frozenset(self._failed),
            self.may_join and not rests,
        )

    @property
    def covered(self) -> int:
        """The last batch that is accepted, or that terminal proofs on the shelf lead up to."""
        return self.situation.covered

    @property
    def behind(self) -> int:
        """Batches that are closed and not proved by themselves; those that failed are among them."""
        return sum(number not in self._steps for number in range(self.covered + 1, self.last + 1))

    @property
    def unjoined(self) -> int:
        """Batches that are closed and in no terminal proof yet."""
        return max(0, self.last - self.covered)

    @property
    def seconds_behind(self) -> float | None:
        """How long the waiting batches will take to be proved by themselves; None before the first proof."""
        if not self._seconds:
            return None
        failed = sum(isinstance(work, ProveBatch) for work in self._failed)
        return (self.behind - failed) * median(self._seconds) / self.settings.processes

    @property
    def stretch(self) -> float:
        """How much longer a batch is kept open: a large one takes hardly longer to prove than a small one.

        With batches every few seconds and proofs that take longer, the provers would otherwise never catch up.
        """
        return float(min(1 + self.behind // LONGEST, LONGEST_STRETCH))

    def state_of(self, number: int) -> ProofState:
        """How far a batch's proof is."""
        if number <= self.covered:
            return ProofState.JOINED
        for work in self._works:
            if number in work.batches:
                return ProofState.JOINING if isinstance(work, JoinBatches) else ProofState.PROVING
        if ProveBatch(number) in self._failed or JoinBatches(number, number) in self._failed:
            return ProofState.FAILED
        return ProofState.PROVED if number in self._steps else ProofState.WAITING

    def describe(self) -> dict[str, Any]:
        """The provers, for people and programs."""
        now = monotonic()
        return {
            "processes": self.settings.processes,
            "behind": self.behind,
            "unjoined": self.unjoined,
            "seconds_behind": self.seconds_behind,
            "join_seconds": median(self._join_seconds) if self._join_seconds else None,
            "restarts": self.restarts,
            "proving": [
                {
                    "work": work.line,
                    "first": work.batches[0],
                    "last": work.batches[-1],
                    "stage": one.stage,
                    "stages": one.stages,
                    "fraction": one.fraction,
                    "seconds": now - one.since,
                }
                for work, one in self._works.items()
            ],
            "failed": {work.line: reason for work, reason in self._failed.items()},
        }

    def describe_batch(self, number: int) -> dict[str, Any]:
        """One batch's proof."""
        state = self.state_of(number)
        base = self.shelf.report(number) if state is not ProofState.WAITING else None
        step = self.shelf.step_report(number) if base is not None else None
        return {
            "proof": state.value,
            "proof_seconds": None if base is None else base.seconds + (step.seconds if step else 0.0),
            "proof_bytes": None if base is None else base.proof_bytes,
        }

    # ---------------------------------------------------------------------------------------------------- the run

    async def run(self) -> None:
        """Prove until cancelled; the processes end with this."""
        # A group waits for all of its tasks when it is cancelled; `gather` would leave processes behind.
        async with asyncio.TaskGroup() as workers:
            workers.create_task(self._look_forever())
            for _ in range(self.settings.processes):
                workers.create_task(self._work_forever())

    async def _look_forever(self) -> None:
        """Keep an eye on the newest batch and on the contract, also while everybody is busy."""
        while True:
            accepted = self._ask_accepted()
            # Until the contract was asked, what it has accepted long ago would be proved once more.
            if accepted is not None:
                latest = await asyncio.to_thread(self._checkpoints.latest_batches, 1)
                self.last = max(self.last, latest[0].number if latest else 0)
                self._note_accepted(accepted)
                await self._forget_accepted()
                self._has_looked = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _next(self) -> Work:
        """Wait for something to do, which is the caller's from then on."""
        while True:
            work = next_work(self.situation) if self._has_looked else None
            if work is not None:
                self._works[work] = _AtWork(work, monotonic())
                return work
            await asyncio.sleep(LOOK_SECONDS)

    def _note_accepted(self, accepted: int) -> None:
        """Forget first steps that nobody needs any more; a re-organisation may take acceptance back, and they are gone.

        The terminal proofs stay: one that is taken back is sent again.
        """
        self._accepted = accepted
        for number in [one for one in self._steps if one <= accepted]:
            self.shelf.drop_step(number)
            self._steps.discard(number)

    async def _forget_accepted(self) -> None:
        """Throw away the proofs of what the contract has accepted a while ago: they are most of a node's bytes."""
        last = self._accepted - self.settings.kept_batches
        if last <= self._forgotten:
            return
        count = await asyncio.to_thread(self.shelf.forget, last)
        self._forgotten = last
        self._terminals = {batches for batches in self._terminals if batches[1] > last}
        if count:
            logger.info(
                "%d proofs up to batch %d are thrown away: the contract has accepted them", count, last
            )

    async def _work_forever(self) -> None:
        """One process after the other, each with one work after the other."""
        while True:
            work = await self._next()
            process = await self._started()
            try:
                while await self._prove(process, work):
                    work = await self._next()
            finally:
                self._works.pop(work, None)
                await _end(process)
            await self._rest(work, process.returncode)

    async def _started(self) -> asyncio.subprocess.Process:
        """Start a process; one that is half started when the node stops is ended too."""
        starting = asyncio.ensure_future(self._start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _end(await starting)
            raise

    async def _start(self) -> asyncio.subprocess.Process:
        """Start a process; what it complains of is kept beside the files."""
        with (self._folder / LOG_FILE).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.settings.command,
                str(self._folder.resolve()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self.settings.directory,
                limit=LONGEST_LINE,
                # Ctrl-C in a terminal goes to the node alone, which ends its provers itself.
                start_new_session=True,
            )

    async def _prove(self, process: asyncio.subprocess.Process, work: Work) -> bool:
        """Hand work over and follow it; no if the process died over it."""
        assert process.stdin is not None and process.stdout is not None
        one = self._works[work]
        if isinstance(work, JoinBatches):
            self._joined_at = monotonic()
        await self._tell(work)
        try:
            process.stdin.write(f"{work.line}\n".encode())
            await process.stdin.drain()
            while line := await process.stdout.readline():
                if self._heard(one, line):
                    await self._tell(work)
                    return True
        except (ConnectionError, ValueError) as error:
            logger.warning("the prover at %s: %s", work.line, error)
        return False

    async def _tell(self, work: Work) -> None:
        for number in work.batches:
            await self._told(number)

    def _heard(self, one: _AtWork, line: bytes) -> bool:
        """Note what a process says; yes if it is done with its work."""
        said: Mapping[str, Any] = json.loads(line)
        work = one.work
        if "stage" in said:
            stage = str(said["stage"])
            one.stages += stage != one.stage
            one.stage, one.fraction = stage, float(said["fraction"])
            return False
        if "failed" in said:
            self._failed[work] = str(said["failed"])
            logger.error("%s: there is no proof: %s", work.line, said["failed"])
        elif "unusable" in said:
            self._note_unusable(work, [int(number) for number in said["unusable"]])
        elif isinstance(work, ProveBatch):
            self._note_step(work, said)
        else:
            self._note_terminal(work, said)
        self._deaths.in_a_row = 0
        self._works.pop(work, None)
        return True

    def _note_unusable(self, work: Work, numbers: Sequence[int]) -> None:
        """Another version of this program made these first steps: they are made again, but not twice."""
        again = [number for number in numbers if number in self._made_again]
        if again:
            self._failed[work] = f"the first steps of batches {again} cannot be used, although they are new"
            return
        for number in numbers:
            self.shelf.drop_step(number)
            self._steps.discard(number)
            self._made_again.add(number)
        logger.warning("%s: the first steps of batches %s are made again", work.line, numbers)

    def _note_step(self, work: ProveBatch, said: Mapping[str, Any]) -> None:
        seconds = float(said["seconds"])
        if not self.shelf.has_step(work.number):
            raise ValueError("a proof was announced that is not on the shelf")
        self._steps.add(work.number)
        self._seconds.append(seconds)
        logger.info("batch %d is proved in %.1f s", work.number, seconds)

    def _note_terminal(self, work: JoinBatches, said: Mapping[str, Any]) -> None:
        seconds = float(said["seconds"])
        if self.shelf.terminal_report(work.first, work.last) is None:
            raise ValueError("a terminal proof was announced that is not on the shelf")
        self._terminals.add((work.first, work.last))
        self._join_seconds.append(seconds)
        logger.info("batches %d to %d are joined in %.1f s", work.first, work.last, seconds)

    async def _rest(self, work: Work, code: int | None) -> None:
        """After a death: count it, give the work up if there were too many, and wait a little."""
        deaths = self._deaths
        self.restarts += 1
        deaths.in_a_row += 1
        deaths.of[work] = deaths.of.get(work, 0) + 1
        logger.warning("the prover ended at %s with code %s; it is started again", work.line, code)
        if deaths.of[work] >= self.settings.attempts:
            self._failed[work] = f"the prover ended {deaths.of[work]} times, at last with code {code}"
        await self._tell(work)
        rest = self.settings.first_rest_seconds * 2.0 ** (deaths.in_a_row - 1)
        await asyncio.sleep(min(rest, LONGEST_REST_SECONDS))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: it has nothing that could be lost."""
    if process.returncode is None:
        process.kill()
    await process.wait()
