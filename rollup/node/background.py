"""Proving beside the node: processes of their own, batch after batch, each batch until its proof is on the shelf.

    checkpoint ──► the oldest batch without a proof ──► a prover's process ──► DIR/proofs ──► told

What is to be done is read off the disk: batches in the checkpoint, proofs on the shelf.
So nothing is lost with a process, nor with the node: whoever starts again finds the same work.
The command that starts a process is handed in by whoever knows the circuits; numbers go to it by lines.
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

from rollup.node.proofs import ProofReport, ProofShelf
from rollup.node.storage import Checkpoints

logger = logging.getLogger("clearing.node")

LOOK_SECONDS: Final = 0.25
"""How often new batches are looked for."""

ATTEMPTS: Final = 3
"""A batch at which so many processes have died is left out, and told as failed; the next start tries it again."""

FIRST_REST_SECONDS: Final = 0.5
"""Before a process is started again; doubled with each death in a row."""

LONGEST_REST_SECONDS: Final = 30.0

REMEMBERED: Final = 20
"""Proofs whose seconds make the estimate."""

LOG_FILE: Final = "provers.log"

LONGEST_LINE: Final = 1 << 16


class ProofState(StrEnum):
    """How far a batch's proof has come."""

    OFF = "off"
    """This node does not prove."""
    WAITING = "waiting"
    PROVING = "proving"
    PROVED = "proved"
    """The proof is on this node's shelf; whether the contract has accepted one is the batch's stage."""
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


@dataclass(slots=True)
class _Work:
    """A batch that a process has been given."""

    number: int
    since: float
    stage: str = ""
    fraction: float = 0.0


@dataclass(slots=True)
class _Deaths:
    """Processes that ended without an answer."""

    of: dict[int, int] = field(default_factory=dict)
    in_a_row: int = 0


class BackgroundProver:
    """Keeps the shelf in step with the batches; runs in the node's loop, which it never blocks."""

    def __init__(
        self,
        folder: Path,
        checkpoints: Checkpoints,
        settings: ProvingSettings,
        told: Callable[[int], Awaitable[None]],
    ) -> None:
        """`told` is called with a batch's number whenever its proof has come further."""
        self.shelf = ProofShelf(folder)
        self.settings = settings
        self.restarts = 0
        self.last = 0
        """The newest batch."""
        self._folder = folder
        self._checkpoints = checkpoints
        self._told = told
        self._first = 1
        self._proved: set[int] = set()
        self._failed: dict[int, str] = {}
        self._works: dict[int, _Work] = {}
        self._deaths = _Deaths()
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    # ----------------------------------------------------------------------------------------------- what is told

    @property
    def behind(self) -> int:
        """Batches that are closed and have no proof yet; those that failed are among them."""
        return max(0, self.last - (self._first - 1) - len(self._proved))

    @property
    def seconds_behind(self) -> float | None:
        """How long the waiting batches will take, by the latest proofs; None before the first one."""
        if not self._seconds:
            return None
        waiting = self.behind - len(self._failed)
        return waiting * median(self._seconds) / self.settings.processes

    def state_of(self, number: int) -> ProofState:
        """How far a batch's proof is."""
        if number in self._proved or number < self._first:
            return ProofState.PROVED
        if number in self._failed:
            return ProofState.FAILED
        return ProofState.PROVING if number in self._works else ProofState.WAITING

    def describe(self) -> dict[str, Any]:
        """The provers, for people and programs."""
        now = monotonic()
        return {
            "processes": self.settings.processes,
            "behind": self.behind,
            "seconds_behind": self.seconds_behind,
            "restarts": self.restarts,
            "proving": [
                {
                    "number": work.number,
                    "stage": work.stage,
                    "fraction": work.fraction,
                    "seconds": now - work.since,
                }
                for work in self._works.values()
            ],
            "failed": {str(number): reason for number, reason in self._failed.items()},
        }

    def describe_batch(self, number: int) -> dict[str, Any]:
        """One batch's proof."""
        state = self.state_of(number)
        report = self.shelf.report(number) if state is ProofState.PROVED else None
        return {
            "proof": state.value,
            "proof_seconds": None if report is None else report.seconds,
            "proof_bytes": None if report is None else report.proof_bytes,
        }

    # ---------------------------------------------------------------------------------------------------- the run

    async def run(self) -> None:
        """Prove until cancelled; the processes end with this."""
        await asyncio.gather(*(self._work_forever() for _ in range(self.settings.processes)))

    async def _next(self) -> int:
        """Wait for the oldest batch that has no proof and that nobody is at."""
        while True:
            latest = await asyncio.to_thread(self._checkpoints.latest_batches, 1)
            self.last = max(self.last, latest[0].number if latest else 0)
            number = self._take()
            if number is not None:
                return number
            await asyncio.sleep(LOOK_SECONDS)

    def _take(self) -> int | None:
        """The oldest batch without a proof, which is the caller's from now on."""
        for number in range(self._first, self.last + 1):
            if number in self._proved or number in self._works or number in self._failed:
                continue
            if not self.shelf.has(number):
                self._works[number] = _Work(number, monotonic())
                return number
            self._proved.add(number)
        while self._first in self._proved:
            self._proved.discard(self._first)
            self._first += 1
        return None

    async def _work_forever(self) -> None:
        """One process after the other, each with one batch after the other."""
        while True:
            number = await self._next()
            process = await self._start()
            try:
                while await self._prove(process, number):
                    number = await self._next()
            finally:
                self._works.pop(number, None)
                await _end(process)
            await self._rest(number, process.returncode)

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

    async def _prove(self, process: asyncio.subprocess.Process, number: int) -> bool:
        """Hand a batch over and follow it; no if the process died over it."""
        assert process.stdin is not None and process.stdout is not None
        work = self._works[number]
        await self._told(number)
        try:
            process.stdin.write(f"{number}\n".encode())
            await process.stdin.drain()
            while line := await process.stdout.readline():
                if self._heard(work, line):
                    await self._told(number)
                    return True
        except (ConnectionError, ValueError) as error:
            logger.warning("the prover at batch %d: %s", number, error)
        return False

    def _heard(self, work: _Work, line: bytes) -> bool:
        """Note what a process says; yes if it is done with its batch."""
        said: Mapping[str, Any] = json.loads(line)
        number = work.number
        if "stage" in said:
            work.stage, work.fraction = str(said["stage"]), float(said["fraction"])
            return False
        if "failed" in said:
            self._failed[number] = str(said["failed"])
            logger.error("batch %d cannot be proved: %s", number, said["failed"])
        elif not self.shelf.has(number):
            raise ValueError("a proof was announced that is not on the shelf")
        else:
            report = ProofReport(**said["proved"])
            self._proved.add(number)
            self._seconds.append(report.seconds)
            logger.info("batch %d is proved in %.1f s", number, report.seconds)
        self._deaths.in_a_row = 0
        self._works.pop(number, None)
        return True

    async def _rest(self, number: int, code: int | None) -> None:
        """After a death: count it, give the batch up if there were too many, and wait a little."""
        deaths = self._deaths
        self.restarts += 1
        deaths.in_a_row += 1
        deaths.of[number] = deaths.of.get(number, 0) + 1
        logger.warning("the prover ended at batch %d with code %s; it is started again", number, code)
        if deaths.of[number] >= self.settings.attempts:
            self._failed[number] = f"the prover ended {deaths.of[number]} times, at last with code {code}"
        await self._told(number)
        rest = self.settings.first_rest_seconds * 2.0 ** (deaths.in_a_row - 1)
        await asyncio.sleep(min(rest, LONGEST_REST_SECONDS))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: it has nothing that could be lost."""
    if process.returncode is None:
        process.kill()
    await process.wait()
