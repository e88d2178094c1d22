"""The API: what it answers, what it refuses, and that its description says the same."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rollup.codec import decode_batch
from rollup.node.fronts import ListenError
from rollup.node.openapi import READINGS, SUBMISSIONS, description
from rollup.node.refusals import Refusal
from rollup.node.sequencer import Sequencer
from rollup.node.server import LOOPBACK, ServerSettings, application, serve
from rollup.node.submissions import STATUS
from rollup.node.wire import (
    SUBMITTED,
    cancel_from_json,
    flat_to_json,
    order_from_json,
    order_to_json,
    transaction_from_json,
    transaction_to_json,
)
from rollup.orders import SignedOrder
from rollup.rejections import Rejection
from rollup.transactions import CancelOrders, Transfer
from rollup.units import OrderKind
from tests.rollup.node.desk import ALICE, BOB, CAROL, DOLLAR, Desk
from tests.rollup.node.server_desk import Served, served
from tests.rollup.node.test_sequencer import until

Scene = Callable[[Served, aiohttp.ClientSession], Awaitable[None]]
ROOT = Path(__file__).parents[3]


def run(path: Path, scene: Scene, server: ServerSettings | None = None, **settings: object) -> None:
    async def play() -> None:
        async with served(path, server, **settings) as node, aiohttp.ClientSession(node.url) as session:
            await scene(node, session)

    asyncio.run(play())


async def post(session: aiohttp.ClientSession, path: str, body: object) -> tuple[int, Any]:
    async with session.post(path, json=body) as response:
        return response.status, await response.json()


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        return await response.json()


def schema_error(schema: dict[str, Any], value: Any, where: str = "") -> str | None:
    """A JSON Schema checker for as much of it as the description uses."""
    if "$ref" in schema:
        return schema_error(
            description()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, where
        )
    if "oneOf" in schema:
        fits = [one for one in schema["oneOf"] if schema_error(one, value) is None]
        return None if len(fits) == 1 else f"{where} fits {len(fits)} of them"
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    types: dict[str, Any] = {"object": dict, "array": list, "integer": int, "string": str, "null": type(None)}
    types["number"] = (int, float)
    if not any(isinstance(value, types[kind]) for kind in kinds):
        return f"{where} is {value!r}, not {kinds}"
    if isinstance(value, dict):
        missing = set(schema.get("required", [])) - set(value)
        unknown = set(value) - set(schema["properties"]) if "properties" in schema else set()
        if missing or unknown:
            return f"{where} misses {sorted(missing)}, has unknown {sorted(unknown)}"
        pairs = (
            [(schema["properties"][name], one, name) for name, one in value.items()]
            if "properties" in schema
            else []
        )
        return next(
            (bad for one in pairs if (bad := schema_error(one[0], one[1], f"{where}.{one[2]}"))), None
        )
    if isinstance(value, list):
        return next((bad for one in value if (bad := schema_error(schema["items"], one, f"{where}[]"))), None)
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is {value!r}, none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        return f"{where} is not {schema['const']}"
    if "pattern" in schema and not re.match(schema["pattern"], value):
        return f"{where} does not look like {schema['pattern']}"
    return None


def test_every_answer_is_what_the_description_says(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        for order in (desk.sell(ALICE, 5, 3), desk.buy(BOB, 6, 2), desk.buy(CAROL, 4, 1)):
            status, receipt = await post(session, "/v1/orders", order_to_json(order))
            assert status == 200
            assert schema_error({"$ref": "#/components/schemas/Receipt"}, receipt) is None
        await until(lambda: bool(node.sequencer.directory.checkpoints.latest_batches(1)))
        values = {
            "group": 1,
            "strike": 80,
            "option": "call",
            "number": 1,
            "account": ALICE,
            "slot": 0,
            "sequence": 1,
        }
        answered = 0
        for path, (_, schema, _) in READINGS.items():
            if schema is None:
                continue
            answer = await get(session, path.format(**values))
            assert schema_error({"$ref": f"#/components/schemas/{schema}"}, answer, schema) is None
            answered += 1
        assert answered == 11
        assert (await get(session, "/v1/openapi.json")) == json.loads(json.dumps(description()))

    run(tmp_path, scene, batch_transactions=1)


def test_routes_and_description_are_the_same_list(tmp_path: Path) -> None:
    sequencer: Any = object.__new__(Sequencer)
    app = application(sequencer)
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    described = {
        (method.upper(), path) for path, methods in description()["paths"].items() for method in methods
    }
    assert routes == described
    assert routes == {("GET", path) for path in READINGS} | {("POST", path) for path in SUBMISSIONS}


def test_the_documentation_names_every_route_and_every_reason() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for path in [*READINGS, *SUBMISSIONS]:
        assert f"`{path}`" in text
    for refusal in Refusal:
        assert f"`{refusal}`" in text
        assert f"| `{refusal}` | {STATUS.get(refusal, 422)} |" in text


def test_orders_and_transactions_survive_their_json() -> None:
    desk = Desk()
    order = desk.buy(ALICE, 5, 2, kind=OrderKind.POST_ONLY)
    assert order_from_json(json.loads(json.dumps(order_to_json(order)))) == order
    request = desk.cancel(ALICE, 0, 1)
    assert cancel_from_json(json.loads(json.dumps(flat_to_json(request)))) == request
    transaction = desk.transaction(CancelOrders, ALICE, ALICE, 5, 0)
    assert transaction_from_json(json.loads(json.dumps(transaction_to_json(transaction)))) == transaction
    assert sorted(SUBMITTED) == ["CancelOrders", "SettleGroup", "Transfer", "Withdrawal"]


def good_order() -> dict[str, Any]:
    return order_to_json(Desk().buy(ALICE, 5, 1))


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"lots": None}, "lots is a whole number below 2^24"),
        ({"lots": 1.5}, "lots is a whole number below 2^24"),
        ({"lots": True}, "lots is a whole number below 2^24"),
        ({"lots": -1}, "lots is a whole number below 2^24"),
        ({"lots": 1 << 24}, "lots is a whole number below 2^24"),
        ({"side": "BUY"}, "side is one of buy, sell"),
        ({"side": 0}, "side is one of buy, sell"),
        ({"kind": "stop"}, "kind is one of limit, immediate, post_only"),
        ({"signature": "0x12"}, "Signature is 84 bytes, not 1"),
        ({"signature": "0xzz"}, "signature is hex text that begins with 0x"),
        ({"signature": 5}, "signature is hex text that begins with 0x"),
        ({"note": "hello"}, "note is no field of this"),
    ],
)
def test_a_malformed_order_is_told_what_is_wrong(tmp_path: Path, change: dict[str, Any], detail: str) -> None:
    with pytest.raises(ValueError, match=re.escape(detail)):
        order_from_json(good_order() | change)


def test_refusals_carry_their_names(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        order = desk.buy(ALICE, 5, 1)
        forged = order_to_json(SignedOrder(order.order, desk.buy(BOB, 5, 1).signature))
        assert await post(session, "/v1/orders", forged) == (
            422,
            {"error": "signature_invalid", "origin": "rules"},
        )
        await post(session, "/v1/orders", order_to_json(order))
        assert await post(session, "/v1/orders", order_to_json(order)) == (
            422,
            {"error": "order_number_used", "origin": "node"},
        )
        assert await post(session, "/v1/cancels", flat_to_json(desk.cancel(ALICE, 3, 1))) == (
            404,
            {"error": "order_not_in_book", "origin": "node"},
        )
        poor = desk.transaction(Transfer, ALICE, ALICE, BOB, 99_000_000 * DOLLAR, 0)
        status, answer = await post(session, "/v1/transactions", transaction_to_json(poor))
        assert (status, answer["error"]) == (422, Rejection.CASH_INSUFFICIENT)
        assert await post(session, "/v1/orders", [1]) == (
            400,
            {"error": "malformed", "origin": "node", "detail": "the body is one JSON object"},
        )
        async with session.post("/v1/orders", data=b"{") as response:
            assert (response.status, (await response.json())["detail"]) == (400, "the body is not JSON")
        async with session.get("/v1/nowhere") as response:
            assert (response.status, (await response.json())["error"]) == (404, Refusal.NOT_FOUND)
        async with session.delete("/v1/orders") as response:
            assert (response.status, (await response.json())["error"]) == (405, Refusal.METHOD_NOT_ALLOWED)
        for path in ("/v1/accounts/99", "/v1/batches/99", "/v1/inputs/99", "/v1/book/1/80/future"):
            assert (await get(session, path))["error"] == Refusal.NOT_FOUND
        for path in (
            "/v1/accounts/x",
            "/v1/trades?count=-1",
            "/v1/trades?count=1001",
            "/v1/feed?channels=all",
        ):
            assert (await get(session, path))["error"] == Refusal.MALFORMED

    run(tmp_path, scene)


def test_body_and_rate_are_limited(tmp_path: Path) -> None:
    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        async with session.post("/v1/orders", data=b" " * 2000) as response:
            assert (response.status, (await response.json())["error"]) == (413, Refusal.BODY_TOO_LARGE)
        statuses = []
        for _ in range(6):
            async with session.get("/health") as response:
                statuses.append(response.status)
        assert statuses == [200, 200, 200, 200, 429, 429]

    run(tmp_path, scene, ServerSettings(port=0, body_bytes=1000, requests_per_second=0.001, request_burst=5))


def test_the_feed_speaks_as_things_happen(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect("/v1/feed?channels=trades,batches") as socket:
            for order in (desk.sell(ALICE, 5, 3), desk.buy(BOB, 6, 2)):
                await post(session, "/v1/orders", order_to_json(order))
            opened, trade, batch = [await asyncio.wait_for(socket.receive_json(), 10) for _ in range(3)]
        assert (opened["stage"], opened["root"]) == ("open", None)
        schemas = description()["components"]["schemas"]
        assert schema_error(schemas["Trades"]["properties"]["trades"]["items"], trade) is None
        assert schema_error(schemas["Batches"]["properties"]["batches"]["items"], batch) is None
        await until(lambda: len(node.sequencer.feed) == 0)

    run(tmp_path, scene, batch_transactions=1)


def test_the_data_of_a_batch_is_its_bytes(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        for order in (desk.sell(ALICE, 5, 3), desk.buy(BOB, 6, 2)):
            await post(session, "/v1/orders", order_to_json(order))
        await until(lambda: bool(node.sequencer.directory.checkpoints.latest_batches(1)))
        async with session.get("/v1/batches/1/data") as response:
            content = decode_batch(await response.read())
        assert len(content.records) == 1
        batch = await get(session, "/v1/batches/1")
        assert (batch["records"], batch["stage"], batch["transactions"]) == ({"Trade": 1}, "sealed", 1)

    run(tmp_path, scene, batch_transactions=1)


def test_health_metrics_and_page_are_there(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        await post(session, "/v1/orders", order_to_json(desk.buy(ALICE, 5, 1)))
        health = await get(session, "/health")
        assert (health["status"], health["sequence"]) == ("ok", 2)
        async with session.get("/metrics") as response:
            text = await response.text()
        assert 'clearing_admitted_total{kind="order"} 1\n' in text
        assert "clearing_open_orders 1\n" in text
        assert 'clearing_admission_seconds_bucket{le="+Inf"} 1\n' in text
        assert all(
            re.match(r"^(# TYPE \w+ \w+|\w+(\{\w+=\"[^\"]*\"\})? [-+.e\d]+)$", line)
            for line in text.splitlines()
        )
        async with session.get("/") as response:
            page = await response.text()
            assert response.content_type == "text/html"
        assert "<title>Options clearing rollup</title>" in page
        # One file that loads nothing from anywhere.
        assert not re.search(r"(src|href)=", page)

    run(tmp_path, scene)


def test_the_node_listens_on_loopback_unless_told_otherwise() -> None:
    assert ServerSettings().host == LOOPBACK == "127.0.0.1"


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    async def scene(node: Served, session: aiohttp.ClientSession) -> None:
        port = int(node.url.rsplit(":", 1)[1])
        with pytest.raises(ListenError) as raised:
            await serve(node.sequencer, ServerSettings(port=port))
        assert str(raised.value).startswith(f"cannot listen on 127.0.0.1:{port}: ")
        assert "\n" not in str(raised.value)

    run(tmp_path, scene)
