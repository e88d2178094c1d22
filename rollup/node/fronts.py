"""The fronts of a node: processes that answer people, so that HTTP and signatures take nothing from the sequencer.

The node binds the port and keeps it; fronts inherit it, and take connections from it in turns.
One that dies is started again: people who were connected to it connect anew, nobody else notices.
What it had passed on is done all the same, and what was acknowledged is on the disk.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rollup.authority import TradingKey
from rollup.fields import MalformedError
from rollup.node.answers import receipt_json
from rollup.node.engine import Reason
from rollup.node.front_link import ANSWER, SUBMISSION, FrameKind, Link, Verdict, spell_keys
from rollup.node.gathered import Known, Receipt
from rollup.node.inputs import InputKind
from rollup.node.refusals import Refusal
from rollup.node.submissions import refusal_answer, spelled_submission
from rollup.state import Account
from rollup.units import AccountId

if TYPE_CHECKING:
    from aiohttp import web

    from rollup.node.sequencer import Sequencer
    from rollup.node.server import ServerSettings

logger = logging.getLogger("clearing.node")

HOME: Final = Path(__file__).resolve().parents[2]
"""Where a front finds the packages."""

BACKLOG: Final = 1024
KEYS_AT_ONCE: Final = 256
"""Keys told before anybody else has a turn: half a millisecond."""

READY_LOOK_SECONDS: Final = 0.01
"""How often the start looks whether a front answers."""

STOPPING_SECONDS: Final = 5.0
"""How long a front may take to end, before it is ended."""

FIRST_REST_SECONDS: Final = 0.1
"""Before a front is started again; doubled with each that dies before it was ready."""

LONGEST_REST_SECONDS: Final = 10.0

ATTEMPTS: Final = 3
"""Fronts that may die in a row before the first was ready."""


class ListenError(Exception):
    """The port cannot be had; the message is one line for a person."""


class FrontError(ListenError):
    """No front starts, so nobody can be answered."""


def listen_error(host: str, port: int, error: OSError) -> ListenError:
    """Say in one line why a port cannot be had."""
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    return ListenError(f"cannot listen on {host}:{port}: {reason}")


@dataclass(slots=True)
class KeyList:
    """Every key that the fronts have been told, by serial; a verdict names the serial of the key it is about."""

    keys: list[tuple[AccountId, TradingKey]] = field(default_factory=list)
    _serials: dict[AccountId, int] = field(default_factory=dict)

    def add(self, account: AccountId, key: TradingKey) -> tuple[int, AccountId, TradingKey]:
        """Give a key its serial."""
        serial = self._serials[account] = len(self.keys)
        self.keys.append((account, key))
        return serial, account, key

    def newest(self) -> Iterator[list[tuple[int, AccountId, TradingKey]]]:
        """The key that each account has, a few at a time; keys may be added meanwhile."""
        for start in range(0, len(self.keys), KEYS_AT_ONCE):
            yield [
                (serial, account, key)
                for serial, (account, key) in enumerate(self.keys[start : start + KEYS_AT_ONCE], start)
                if self._serials[account] == serial
            ]

    def known(self, serial: int, verdict: Verdict) -> Known | None:
        """What a verdict says."""
        if verdict is Verdict.UNKNOWN or serial >= len(self.keys):
            return None
        return Known(self.keys[serial][1], verdict is Verdict.VALID)


@dataclass(slots=True, eq=False)
class _Running:
    """A front that runs."""

    process: asyncio.subprocess.Process
    link_end: socket.socket
    handover_end: socket.socket
    link: Link | None = None
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)


class Fronts:
    """Starts fronts, keeps them running, and stands between them and the sequencer."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.restarts = 0
        self._listeners: list[socket.socket] = []
        self._running: set[_Running] = set()
        self._keys = KeyList()
        self._keepers: list[asyncio.Task[None]] = []
        self._sequencer: Sequencer | None = None
        self._runner: web.AppRunner | None = None
        self._may_serve = asyncio.Event()
        self._is_stopping = False
        self._has_served = False
        """Whether fronts start at all here: if not, the node's start fails, and later deaths are repaired for ever."""
        self._connecting: set[asyncio.Task[None]] = set()

    @property
    def addresses(self) -> list[Any]:
        """Where people are answered."""
        return [listener.getsockname() for listener in self._listeners]

    @property
    def processes(self) -> list[int]:
        """The fronts that run."""
        return [one.process.pid for one in self._running]

    # --------------------------------------------------------------------------------------- start and stop

    async def launch(self) -> None:
        """Take the port and start the processes; they load while the node reads its files."""
        self._listeners = await _bound(self.settings.host, self.settings.port)
        self._keepers = [asyncio.create_task(self._keep(), name="front") for _ in range(self.settings.fronts)]

    async def serve(self, sequencer: Sequencer, runner: web.AppRunner) -> None:
        """Let people in; returns when a front answers. `runner` is the server for everything but submissions."""
        self._sequencer, self._runner = sequencer, runner
        # In one go: a key that is registered meanwhile would be missed.
        for leaf in sequencer.engine.state.all_leaves().values():
            if isinstance(leaf, Account) and leaf.key is not None:
                self._keys.add(leaf.account, leaf.key)
        sequencer.tell_key = self._tell_key
        self._may_serve.set()
        while not any(one.is_ready.is_set() for one in self._running):
            for keeper in self._keepers:
                if keeper.done():
                    keeper.result()
            await asyncio.sleep(READY_LOOK_SECONDS)

    async def stop(self) -> None:
        """Let those who wait be answered, and end the processes and the port."""
        self._is_stopping = True
        if self._sequencer is not None:
            self._sequencer.tell_key = None
        for one in self._running:
            if one.link is not None:
                one.link.say(FrameKind.STOP)
            else:
                one.process.kill()
        for listener in self._listeners:
            listener.close()
        for keeper in self._keepers:
            if not self._running:
                keeper.cancel()
        await asyncio.gather(*(self._ended(one) for one in tuple(self._running)))
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    @staticmethod
    async def _ended(one: _Running) -> None:
        try:
            await asyncio.wait_for(one.process.wait(), STOPPING_SECONDS)
        except TimeoutError:
            one.process.kill()
            await one.process.wait()

    # -------------------------------------------------------------------------------------------- processes

    async def _keep(self) -> None:
        """Run a front, and another one when it has died."""
        rest, deaths = FIRST_REST_SECONDS, 0
        while not self._is_stopping:
            one = await self._start()
            self._running.add(one)
            try:
                await self._attend(one)
            finally:
                self._running.discard(one)
                self._let_go(one)
            if self._is_stopping:
                break
            status = one.process.returncode
            if one.is_ready.is_set():
                self._has_served, rest, deaths = True, FIRST_REST_SECONDS, 0
            else:
                rest, deaths = min(2 * rest, LONGEST_REST_SECONDS), deaths + 1
            if deaths >= ATTEMPTS and not self._has_served:
                raise FrontError(
                    f"{deaths} processes that should answer people ended at once (status {status});"
                    " --fronts 0 does without them"
                )
            self.restarts += 1
            logger.error("a front has died with status %s; another one is started", status)
            await asyncio.sleep(rest)

    async def _start(self) -> _Running:
        link_end, link_there = socket.socketpair()
        handover_end, handover_there = socket.socketpair()
        handover_end.setblocking(False)
        inherited = [one.fileno() for one in (link_there, handover_there, *self._listeners)]
        with link_there, handover_there:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "rollup.node.front",
                *(str(number) for number in inherited),
                pass_fds=inherited,
                cwd=HOME,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        return _Running(process, link_end, handover_end)

    async def _attend(self, one: _Running) -> None:
        """Greet a front, and wait for its end."""
        try:
            await self._may_serve.wait()
            loop = asyncio.get_running_loop()
            link = Link(partial(self._heard, one), lambda: None)
            await loop.create_connection(lambda: link, sock=one.link_end)
            one.link = link
            self._greet(link)
            for keys in self._keys.newest():
                link.say(FrameKind.KEYS, spell_keys(keys))
                await asyncio.sleep(0)
            loop.add_reader(one.handover_end.fileno(), self._take_over, one.handover_end)
            await one.process.wait()
        finally:
            if one.process.returncode is None:
                one.process.kill()
                await one.process.wait()

    @staticmethod
    def _let_go(one: _Running) -> None:
        asyncio.get_running_loop().remove_reader(one.handover_end.fileno())
        one.handover_end.close()
        if one.link is None:
            one.link_end.close()
        else:
            one.link.close()

    def _greet(self, link: Link) -> None:
        if self._sequencer is None:
            raise RuntimeError("fronts serve a sequencer")
        deployment, settings = self._sequencer.engine.state.system.deployment, self.settings
        told = {
            "chain": int(deployment.chain),
            "contract": int(deployment.contract),
            "body_bytes": settings.body_bytes,
            "requests_per_second": settings.requests_per_second,
            "request_burst": settings.request_burst,
        }
        link.say(FrameKind.GREETING, json.dumps(told).encode())

    def _tell_key(self, account: AccountId, key: TradingKey) -> None:
        """Let every front know a key that was registered."""
        told = spell_keys([self._keys.add(account, key)])
        for one in self._running:
            if one.link is not None:
                one.link.say(FrameKind.KEYS, told)

    # ------------------------------------------------------------------------------------------ submissions

    def _heard(self, one: _Running, kind: FrameKind, body: bytes) -> None:
        if kind is FrameKind.SUBMISSION:
            self._submit(one, body)
        elif kind is FrameKind.READY:
            one.is_ready.set()
        else:
            raise ValueError(f"a front says {kind.name} to the node")

    def _submit(self, one: _Running, body: bytes) -> None:
        """Give a submission to the sequencer; the answer goes back when it is on the disk."""
        if self._sequencer is None or one.link is None:
            raise RuntimeError("a front speaks before it was greeted")
        request, kind, verdict, serial = SUBMISSION.unpack_from(body)
        answered = _answering(one.link, request)
        try:
            submission = spelled_submission(InputKind(kind), body[SUBMISSION.size :])
        except MalformedError as error:
            _refuse(one.link, request, Refusal.MALFORMED, str(error))
            return
        self._sequencer.offer(submission, answered, self._keys.known(serial, Verdict(verdict)))

    # -------------------------------------------------------------------------------- everything but those

    def _take_over(self, handover: socket.socket) -> None:
        """Serve what a front does not understand, on the socket that it hands over."""
        try:
            data, descriptors, _, _ = socket.recv_fds(handover, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(handover.fileno())
        for descriptor in descriptors:
            taken = socket.socket(fileno=descriptor)
            server = None if self._runner is None else self._runner.server
            if server is None or self._is_stopping:
                taken.close()
                continue
            taken.setblocking(False)
            task = asyncio.get_running_loop().create_task(_connected(server, taken))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)


async def _connected(server: Any, taken: socket.socket) -> None:
    await asyncio.get_running_loop().connect_accepted_socket(server, taken)


def _answering(link: Link, request: int) -> Callable[[Receipt | Reason], None]:
    def answered(answer: Receipt | Reason) -> None:
        if isinstance(answer, Receipt):
            link.say(FrameKind.ANSWER, ANSWER.pack(request, 200) + json.dumps(receipt_json(answer)).encode())
        else:
            _refuse(link, request, answer)

    return answered


def _refuse(link: Link, request: int, reason: Reason, detail: str = "") -> None:
    status, body = refusal_answer(reason, detail)
    link.say(FrameKind.ANSWER, ANSWER.pack(request, status) + json.dumps(body).encode())


async def insist_on_port(host: str, port: int) -> None:
    """Say in one line that a port cannot be had, before anything is begun that takes long."""
    for listener in await _bound(host, port):
        listener.close()


async def _bound(host: str, port: int) -> list[socket.socket]:
    """Bind every address of a host; a port that cannot be had is said in one line."""
    try:
        return await _sockets_at(host, port)
    except OSError as error:
        raise listen_error(host, port, error) from error


async def _sockets_at(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of a host, as asyncio would bind them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                listener = socket.socket(family, kind, protocol)
            except OSError:
                # A family that this machine does not speak.
                continue
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
            listener.setblocking(False)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    if not listeners:
        raise OSError("no address of this host can be had")
    return listeners
