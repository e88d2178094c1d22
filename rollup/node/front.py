"""A front: a process before the node that answers people, reads what they send and verifies their signatures.

    people ──► connection ─┬─ submission ──► JSON read, signature verified ──► link ──► node ──► answer
                           └─ anything else ──► relayed to the node's own server

It holds nothing that would be missed: what it has taken and the node has not acknowledged was never taken.
A verdict on a signature travels with the key that it was found under, so a front whose keys are old does no harm.
It ends when the node does: then its end of the link reads as closed.

    python -m rollup.node.front LINK HANDOVER LISTENER...    numbers of inherited sockets
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import signal
import socket
import sys
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from prover.memory import keep_freed_memory
from rollup.authority import TradingKey
from rollup.node.front_connection import Connection, Relay
from rollup.node.front_link import ANSWER, SUBMISSION, FrameKind, Link, Verdict, spelled_keys
from rollup.node.inputs import Submission
from rollup.node.limits import RateLimit
from rollup.node.refusals import Refusal
from rollup.node.signed import claim_of, signed_part
from rollup.node.submissions import refusal_answer, spell_submission
from rollup.node.verified import load_kernels, verified_together
from rollup.schnorr_batch import SignedMessage
from rollup.state import Deployment
from rollup.units import AccountId, Address, ChainId

VERIFIED_AT_ONCE: Final = 64
"""Signatures verified before anybody else is heard: two milliseconds."""

GATHERED: Final = 8
"""Submissions that are passed on at once, whoever else waits."""

GATHER_SECONDS: Final = 0.002
"""How long the first of fewer waits for others while the node is busy with some that came before."""

STOPPING_SECONDS: Final = 2.0
"""How long those who wait are still answered when the node stops."""

BACKLOG: Final = 1024
"""Connections that may wait to be taken while a front is started again."""

SILENT_SECONDS: Final = 75.0
"""A connection that has asked nothing whole for so long is closed, as the node's own server does."""

SWEEP_SECONDS: Final = 5.0

DESCRIPTORS_KEPT_FREE: Final = 64
DESCRIPTORS_A_CONNECTION: Final = 2
"""Its own, and one towards the node's server while something is passed on."""

YOUNG_OBJECTS: Final = 1_000
NEVER: Final = 1 << 30
"""The collector looks at young objects only, as in the node: what is loaded stays, and requests form no cycles."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that the node has told, under its serial."""

    serial: int
    key: TradingKey


class Front:
    """One process's work, from its greeting to its end."""

    def __init__(self, link: socket.socket, handover: socket.socket, listeners: list[socket.socket]) -> None:
        self.body_bytes = 0
        self._sockets = (link, handover)
        self._listeners = listeners
        self._link = Link(self._heard, self._end)
        self._rate = RateLimit(0.0, 0.0)
        self._deployment: Deployment | None = None
        self._keys: dict[AccountId, _Known] = {}
        self._connections: set[Connection] = set()
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_connections = max(1, (descriptors - DESCRIPTORS_KEPT_FREE) // DESCRIPTORS_A_CONNECTION)
        self._asked: dict[int, Connection] = {}
        """Who waits for the answer to which request."""
        self._requests = 0
        self._gathered: list[tuple[int, Submission]] = []
        self._timer: asyncio.TimerHandle | None = None
        """When what has gathered is passed on at the latest."""
        self._will_pass_on = False
        self._is_greeted = asyncio.Event()
        self._is_over = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self.is_stopping = False
        self.relaying: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer people until the node stops or is gone; then close everything that was inherited."""
        loop = asyncio.get_running_loop()
        link, handover = self._sockets
        handover.setblocking(False)
        try:
            await loop.create_connection(lambda: self._link, sock=link)
            await self._answer_people()
        finally:
            # The link closes its own socket, once what was said has left.
            self._link.close()
            for inherited in (handover, *self._listeners):
                inherited.close()

    async def _answer_people(self) -> None:
        loop = asyncio.get_running_loop()
        load_kernels()
        await self._is_greeted.wait()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, NEVER, NEVER)
        if not self._is_over.is_set():
            self._servers = [
                await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
                for listener in self._listeners
            ]
            self._link.say(FrameKind.READY)
            self._sweep()
        await self._is_over.wait()
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.close()

    def _end(self) -> None:
        """End at once: the node is gone, or nobody waits any more."""
        self._is_greeted.set()
        self._is_over.set()

    # --------------------------------------------------------------------------------------- from the node

    def _heard(self, kind: FrameKind, body: bytes) -> None:
        match kind:
            case FrameKind.ANSWER:
                request, status = ANSWER.unpack_from(body)
                connection = self._asked.pop(request, None)
                if connection is not None:
                    connection.answer(status, body[ANSWER.size :])
                if self._gathered and self._is_node_idle:
                    self._pass_on_soon()
                self._end_if_idle()
            case FrameKind.KEYS:
                for serial, account, key in spelled_keys(body):
                    self._keys[account] = _Known(serial, key)
            case FrameKind.GREETING:
                self._greet(json.loads(body))
            case FrameKind.STOP:
                self._stop()
            case _:
                raise ValueError(f"the node says {kind.name} to a front")

    def _greet(self, told: dict[str, Any]) -> None:
        self._deployment = Deployment(ChainId(told["chain"]), Address(told["contract"]))
        self.body_bytes = told["body_bytes"]
        self._rate = RateLimit(told["requests_per_second"], told["request_burst"])
        self._is_greeted.set()

    def _stop(self) -> None:
        """Take nothing more; what waits is answered first."""
        self.is_stopping = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.close_if_idle()
        asyncio.get_running_loop().call_later(STOPPING_SECONDS, self._end)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self.is_stopping and not self._asked and not self.relaying:
            # Whatever was written in this turn still leaves.
            asyncio.get_running_loop().call_soon(self._end)

    # ----------------------------------------------------------------------------------------- from people

    def joined(self, connection: Connection) -> None:
        """Somebody has connected; where there are too many, whoever has been silent longest leaves."""
        self._connections.add(connection)
        if len(self._connections) > self._most_connections:
            # Without it idle connections take every descriptor, and nobody else is heard.
            waiting = ((since, one) for one in self._connections if (since := one.waiting_since) is not None)
            min(waiting, key=lambda pair: pair[0])[1].close()

    def _sweep(self) -> None:
        """Close who has been silent for too long, again and again."""
        now = monotonic()
        for connection in tuple(self._connections):
            since = connection.waiting_since
            if since is not None and now - since > SILENT_SECONDS:
                connection.close()
        asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def left(self, connection: Connection) -> None:
        """Somebody is gone; what they asked is done all the same."""
        self._connections.discard(connection)

    def allows(self, address: str) -> bool:
        """Count a request of an address."""
        return self._rate.allows(address)

    def submit(self, connection: Connection, submission: Submission) -> None:
        """Take a submission; while the node is busy with others it waits a little for company.

        Verifying one signature, and writing one row, costs nearly as much as a few.
        """
        self._requests += 1
        self._gathered.append((self._requests, submission))
        self._asked[self._requests] = connection
        if self._is_node_idle or len(self._gathered) >= GATHERED:
            self._pass_on_soon()
        elif self._timer is None and not self._will_pass_on:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._pass_on_soon)

    @property
    def _is_node_idle(self) -> bool:
        """Whether everything that was passed on has its answer."""
        return len(self._asked) == len(self._gathered)

    def _pass_on_soon(self) -> None:
        """Pass on what has gathered, with whatever else comes in this turn of the loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._will_pass_on:
            self._will_pass_on = True
            asyncio.get_running_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        """Verify what has gathered and hand it to the node, in the order in which it came."""
        self._will_pass_on = False
        taken, self._gathered = self._gathered[:VERIFIED_AT_ONCE], self._gathered[VERIFIED_AT_ONCE:]
        if self._gathered:
            self._pass_on_soon()
        claims = []
        serials = []
        for request, submission in taken:
            known, claim = self._claim(submission)
            if claim is not None:
                claims.append(claim)
                serials.append((request, known))
        verdicts = {
            request: (Verdict.VALID if is_valid else Verdict.REFUTED, serial)
            for (request, serial), is_valid in zip(
                serials, verified_together(claims) if claims else [], strict=True
            )
        }
        for request, submission in taken:
            verdict, serial = verdicts.get(request, (Verdict.UNKNOWN, 0))
            kind, spelled = spell_submission(submission)
            self._link.say(FrameKind.SUBMISSION, SUBMISSION.pack(request, kind, verdict, serial) + spelled)

    def _claim(self, submission: Submission) -> tuple[int, SignedMessage | None]:
        """What can be verified here, and the serial of the key that it is verified under."""
        part = signed_part(submission)
        known = None if part is None else self._keys.get(part.account)
        if part is None or known is None or self._deployment is None:
            return 0, None
        return known.serial, claim_of(self._deployment, known.key, part)

    # ------------------------------------------------------------------------------- the node's own server

    def relay(self, relay: Relay) -> None:
        """Ask the node's own server: it is handed one end of a pair of sockets, as if somebody had connected."""
        try:
            here, there = socket.socketpair()
            with there:
                socket.send_fds(self._sockets[1], [b"\0"], [there.fileno()])
        except OSError:
            # So many are being handed over that the node has not looked at them yet.
            relay.client.refuse(*refusal_answer(Refusal.BUSY))
            return
        task = asyncio.create_task(self._relay(relay, here))
        self.relaying.add(task)
        task.add_done_callback(self._relayed)

    @staticmethod
    async def _relay(relay: Relay, here: socket.socket) -> None:
        await asyncio.get_running_loop().create_connection(lambda: relay, sock=here)
        await relay.is_answered.wait()

    def _relayed(self, task: asyncio.Task[None]) -> None:
        self.relaying.discard(task)
        self._end_if_idle()


def main() -> None:
    """Run on the sockets whose numbers are given."""
    keep_freed_memory()
    # Ctrl-C and SIGTERM are for the node, which then tells its fronts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link, handover, *listeners = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    asyncio.run(_run(link, handover, listeners))


async def _run(link: socket.socket, handover: socket.socket, listeners: list[socket.socket]) -> None:
    await Front(link, handover, listeners).run()


if __name__ == "__main__":
    main()
