"""The API: HTTP with JSON, a WebSocket feed, and one page.

A refusal has its reason's name in `error`; `origin` says whether the rules or the node refused.
docs/api.md tells the same for people, `openapi` for programs; tests compare all three.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from aiohttp import WSMsgType, web

from rollup.codec import decode_batch
from rollup.node import answers
from rollup.node.engine import Reason
from rollup.node.feed import CHANNELS
from rollup.node.fronts import Fronts, listen_error
from rollup.node.limits import RateLimit
from rollup.node.news import root_text, stored_batch_news
from rollup.node.openapi import description
from rollup.node.refusals import Refusal
from rollup.node.sequencer import Sequencer
from rollup.node.storage import StorageError
from rollup.node.submissions import RefusedError, read_submission, refusal_answer
from rollup.rejections import Rejection
from rollup.units import OptionKind, SlotIndex

logger = logging.getLogger("clearing.node")

LOOPBACK: Final = "127.0.0.1"
"""Nobody else's machine reaches the node unless its operator says so."""

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:"
)
"""The page is one file and speaks to nobody but this node."""

MAX_LIST: Final = 1000
"""Entries of one answer."""

DEFAULT_LIST: Final = 50

BEHIND: Final = (
    "batches that closed more than half an hour ago are not on Ethereum, which seals none an hour old"
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the node listens and what it puts up with."""

    host: str = LOOPBACK
    port: int = 8645
    body_bytes: int = 16 * 1024
    """An order is 600 bytes of JSON."""
    requests_per_second: float = 2_000.0
    """From one address; a market maker with 32 series quotes both sides thirty times a second."""
    request_burst: float = 4_000.0
    """Each front counts what comes through it."""
    fronts: int = 0
    """Processes that answer people before the node; 0: it does so itself."""
    feed_connections: int = 200


def refusal(reason: Reason, detail: str = "") -> web.Response:
    """The answer that a reason makes."""
    status, body = refusal_answer(reason, detail)
    return web.json_response(body, status=status)


def whole_number(text: str | None, default: int | None, limit: int) -> int:
    """Read a number from a path or a query."""
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) > limit:
        raise RefusedError(Refusal.MALFORMED, f"a whole number of at most {limit} is needed")
    return int(text)


@dataclass(slots=True)
class Api:
    """The handlers; each reads the engine between two steps of the one loop, so it never sees half a step."""

    sequencer: Sequencer
    settings: ServerSettings = field(default_factory=ServerSettings)

    # -------------------------------------------------------------------------------------------- people

    async def page(self, request: web.Request) -> web.Response:
        """The one page."""
        del request
        text = files("rollup.node").joinpath("page.html").read_text(encoding="utf-8")
        headers = {"Content-Security-Policy": PAGE_POLICY}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def health(self, request: web.Request) -> web.Response:
        """Say whether the node works."""
        del request
        sequencer = self.sequencer
        failure = sequencer.failure
        status, detail = "ok", None
        if failure:
            status, detail = "failed", str(failure)
        elif sequencer.is_ethereum_behind():
            status, detail = "behind", BEHIND
        body = {
            "status": status,
            "detail": detail,
            "sequence": sequencer.engine.sequence,
            "batch": int(sequencer.engine.state.system.batch_number),
            "root": root_text(sequencer.root),
            "restart": sequencer.restart.describe() if sequencer.restart else None,
            "ethereum": sequencer.describe_ethereum() if sequencer.describe_ethereum else None,
            "proving": sequencer.prover.describe() if sequencer.prover else None,
        }
        return web.json_response(body, status=503 if failure else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        """Figures for a scraper."""
        del request
        sequencer, engine = self.sequencer, self.sequencer.engine
        for name, value in (
            ("sequence", engine.sequence),
            ("open_orders", engine.book.count),
            ("batch_number", engine.state.system.batch_number),
            ("batch_transactions", engine.open_count),
            ("batch_bytes", engine.open_length),
            ("waiting", sequencer.waiting),
            ("listeners", len(sequencer.feed)),
            ("batches_without_proof", sequencer.prover.behind if sequencer.prover else 0),
            ("batches_not_joined", sequencer.prover.unjoined if sequencer.prover else 0),
        ):
            sequencer.metrics.gauge(name, value)
        return web.Response(text=sequencer.metrics.text(), content_type="text/plain")

    async def openapi(self, request: web.Request) -> web.Response:
        """The description of this API."""
        del request
        return web.json_response(description())

    # ------------------------------------------------------------------------------------------ readings

    async def parameters(self, request: web.Request) -> web.Response:
        """Deployment, fees, time."""
        del request
        return web.json_response(answers.parameters_json(self.sequencer))

    async def groups(self, request: web.Request) -> web.Response:
        """Every group with its series."""
        del request
        state = self.sequencer.engine.state
        return web.json_response({"groups": [answers.group_json(group) for group in state.groups()]})

    async def book(self, request: web.Request) -> web.Response:
        """The best prices of one series."""
        option = OptionKind.__members__.get(request.match_info["option"].upper())
        if option is None:
            raise RefusedError(Refusal.NOT_FOUND)
        group = whole_number(request.match_info["group"], None, 0xFFFF)
        strike = whole_number(request.match_info["strike"], None, 0xFF_FFFF)
        depth = whole_number(request.query.get("depth"), DEFAULT_LIST, MAX_LIST)
        return web.json_response(answers.book_json(self.sequencer.engine, group, strike, option, depth))

    async def trades(self, request: web.Request) -> web.Response:
        """The newest trades, newest first."""
        count = whole_number(request.query.get("count"), DEFAULT_LIST, MAX_LIST)
        recent = list(self.sequencer.feed.recent_trades)[-count:] if count else []
        return web.json_response({"trades": recent[::-1]})

    async def batches(self, request: web.Request) -> web.Response:
        """The newest batches, newest first."""
        count = whole_number(request.query.get("count"), DEFAULT_LIST, MAX_LIST)
        checkpoints = self.sequencer.directory.checkpoints
        stored = await asyncio.to_thread(checkpoints.latest_batches, count)
        proof_of = self.sequencer.proof_of
        told = [stored_batch_news(one) | proof_of(one.number) for one in stored]
        return web.json_response({"batches": told})

    async def batch(self, request: web.Request) -> web.Response:
        """One batch, its content counted."""
        number = whole_number(request.match_info["number"], None, 0xFFFF_FFFF)
        stored = await asyncio.to_thread(self.sequencer.directory.checkpoints.batch, number)
        if stored is None:
            raise RefusedError(Refusal.NOT_FOUND)
        content = answers.batch_content_json(decode_batch(stored.published))
        return web.json_response(stored_batch_news(stored) | self.sequencer.proof_of(number) | content)

    async def batch_data(self, request: web.Request) -> web.Response:
        """The bytes that a batch publishes."""
        number = whole_number(request.match_info["number"], None, 0xFFFF_FFFF)
        stored = await asyncio.to_thread(self.sequencer.directory.checkpoints.batch, number)
        if stored is None:
            raise RefusedError(Refusal.NOT_FOUND)
        return web.Response(body=stored.published, content_type="application/octet-stream")

    async def account(self, request: web.Request) -> web.Response:
        """One account."""
        state = self.sequencer.engine.state
        account = state.account(whole_number(request.match_info["account"], None, 0xFFFF_FFFF))
        if account is None:
            raise RefusedError(Refusal.NOT_FOUND)
        return web.json_response(answers.account_json(state, account))

    async def open_orders(self, request: web.Request) -> web.Response:
        """An account's orders in the book."""
        engine = self.sequencer.engine
        account = engine.state.account(whole_number(request.match_info["account"], None, 0xFFFF_FFFF))
        if account is None:
            raise RefusedError(Refusal.NOT_FOUND)
        orders = [answers.open_order_json(entry) for entry in engine.book.orders_of(account.account)]
        return web.json_response({"orders": orders})

    async def slot(self, request: web.Request) -> web.Response:
        """What an account's slot has seen."""
        engine = self.sequencer.engine
        account = engine.state.account(whole_number(request.match_info["account"], None, 0xFFFF_FFFF))
        if account is None:
            raise RefusedError(Refusal.NOT_FOUND)
        slot = SlotIndex(whole_number(request.match_info["slot"], None, 0xFF))
        number = engine.seen_number(account.account, slot)
        leaf = engine.state.slot(account.account, slot)
        is_filled = leaf is not None and leaf.number == number
        return web.json_response(
            {"number": number if number >= 0 else None, "filled": leaf.filled if leaf and is_filled else 0}
        )

    async def input(self, request: web.Request) -> web.Response:
        """One acknowledged input as the journal holds it."""
        sequence = whole_number(request.match_info["sequence"], None, (1 << 63) - 1)
        try:
            (row,) = await asyncio.to_thread(self.sequencer.directory.journal.rows, (sequence,))
        except StorageError as error:
            raise RefusedError(Refusal.NOT_FOUND) from error
        return web.json_response(answers.input_json(row))

    # --------------------------------------------------------------------------------------- submissions

    async def place_order(self, request: web.Request) -> web.Response:
        """Take a signed order."""
        return await self._submit(request, "/v1/orders")

    async def cancel_order(self, request: web.Request) -> web.Response:
        """Take a signed cancel request."""
        return await self._submit(request, "/v1/cancels")

    async def submit_transaction(self, request: web.Request) -> web.Response:
        """Take a signed transaction."""
        return await self._submit(request, "/v1/transactions")

    async def _submit(self, request: web.Request, path: str) -> web.Response:
        submission = read_submission(path, await request.read())
        answer = await self.sequencer.submit(submission)
        if isinstance(answer, Rejection | Refusal):
            raise RefusedError(answer)
        return web.json_response(answers.receipt_json(answer))

    # ---------------------------------------------------------------------------------------------- feed

    async def feed(self, request: web.Request) -> web.WebSocketResponse:
        """Tell book, trades and batches as they come."""
        asked = request.query.get("channels", ",".join(CHANNELS)).split(",")
        if not set(asked) <= set(CHANNELS):
            raise RefusedError(Refusal.MALFORMED, f"channels are {', '.join(CHANNELS)}")
        if len(self.sequencer.feed) >= self.settings.feed_connections:
            raise RefusedError(Refusal.BUSY)
        socket = web.WebSocketResponse(heartbeat=30, max_msg_size=1024)
        await socket.prepare(request)
        listener = self.sequencer.feed.listen(frozenset(asked))

        async def read() -> None:
            # Nothing is expected of a listener; reading notices that it has left.
            async for message in socket:
                if message.type in {WSMsgType.ERROR, WSMsgType.TEXT, WSMsgType.BINARY}:
                    break
            listener.end()

        reading = asyncio.create_task(read())
        try:
            while (news := await listener.queue.get()) is not None:
                await socket.send_json(news)
        except ConnectionError:
            logger.debug("a listener went away")
        finally:
            self.sequencer.feed.leave(listener)
            reading.cancel()
            await socket.close(message=b"too slow" if listener.is_too_slow else b"")
        return socket


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(sequencer: Sequencer, settings: ServerSettings | None = None) -> web.Application:
    """Everything the node answers."""
    api = Api(sequencer, settings or ServerSettings())
    rate = None
    if not api.settings.fronts:
        rate = RateLimit(api.settings.requests_per_second, api.settings.request_burst)

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            # Fronts have counted what they relay.
            if rate is not None and not rate.allows(request.remote or ""):
                raise RefusedError(Refusal.RATE_EXCEEDED)
            return await handler(request)
        except RefusedError as refused:
            return refusal(refused.reason, refused.detail)
        except web.HTTPNotFound:
            return refusal(Refusal.NOT_FOUND)
        except web.HTTPMethodNotAllowed:
            return refusal(Refusal.METHOD_NOT_ALLOWED)
        except web.HTTPRequestEntityTooLarge:
            return refusal(Refusal.BODY_TOO_LARGE)

    app = web.Application(middlewares=[answer], client_max_size=api.settings.body_bytes)
    app.add_routes(
        [
            web.get("/", api.page),
            web.get("/health", api.health),
            web.get("/metrics", api.metrics),
            web.get("/v1/openapi.json", api.openapi),
            web.get("/v1/parameters", api.parameters),
            web.get("/v1/groups", api.groups),
            web.get("/v1/book/{group}/{strike}/{option}", api.book),
            web.get("/v1/trades", api.trades),
            web.get("/v1/batches", api.batches),
            web.get("/v1/batches/{number}", api.batch),
            web.get("/v1/batches/{number}/data", api.batch_data),
            web.get("/v1/accounts/{account}", api.account),
            web.get("/v1/accounts/{account}/orders", api.open_orders),
            web.get("/v1/accounts/{account}/slots/{slot}", api.slot),
            web.get("/v1/inputs/{sequence}", api.input),
            web.get("/v1/feed", api.feed),
            web.post("/v1/orders", api.place_order),
            web.post("/v1/cancels", api.cancel_order),
            web.post("/v1/transactions", api.submit_transaction),
        ]
    )
    return app


@dataclass(frozen=True, slots=True)
class Served:
    """A server and the fronts before it."""

    runner: web.AppRunner
    fronts: Fronts | None

    @property
    def addresses(self) -> list[Any]:
        """Where people are answered."""
        return self.runner.addresses if self.fronts is None else self.fronts.addresses

    async def cleanup(self) -> None:
        """Answer who waits, and stop."""
        if self.fronts is not None:
            await self.fronts.stop()
        await self.runner.cleanup()


async def serve(sequencer: Sequencer, settings: ServerSettings, fronts: Fronts | None = None) -> Served:
    """Listen; a port that is taken is said in one line. `fronts` may have been launched before."""
    runner = web.AppRunner(application(sequencer, settings), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    if not settings.fronts:
        await listen(runner, settings.host, settings.port)
        return Served(runner, None)
    before = fronts or Fronts(settings)
    served = Served(runner, before)
    try:
        if fronts is None:
            await before.launch()
        await before.serve(sequencer, runner)
    except BaseException:
        await served.cleanup()
        raise
    return served


async def listen(runner: web.AppRunner, host: str, port: int) -> None:
    """Listen; a port that cannot be had is said in one line."""
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise listen_error(host, port, error) from error


def port_of(runner: web.AppRunner | Served) -> int:
    """The port that was taken, where any would do."""
    address: Any = runner.addresses[0]
    return int(address[1])
