"""The API described for programs (OpenAPI 3.1); schemas of what is sent come from the declared fields."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any

from rollup.authority import Signature
from rollup.fields import word_bytes
from rollup.node.inputs import CancelRequest
from rollup.node.refusals import Refusal
from rollup.node.wire import SUBMITTED, Json, declared
from rollup.orders import Order
from rollup.rejections import Rejection
from rollup.units import WIDTH_BITS

_WHOLE: Json = {"type": "integer"}
_TEXT: Json = {"type": "string"}
_NULLABLE_TEXT: Json = {"type": ["string", "null"]}
_NULLABLE_NUMBER: Json = {"type": ["number", "null"]}
_NULLABLE_WHOLE: Json = {"type": ["integer", "null"]}


def _of(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(one: Json) -> Json:
    return {"type": "array", "items": one}


def _field(kind: Any) -> Json:
    if kind is Signature:
        return {"type": "string", "pattern": f"^0x[0-9a-fA-F]{{{2 * word_bytes(Signature)}}}$"}
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return {"type": "string", "enum": [member.lower() for member in kind.__members__]}
    return {"type": "integer", "minimum": 0, "maximum": (1 << WIDTH_BITS[kind.__name__]) - 1}


def _declared(kind: type) -> Json:
    return _of(**{name: _field(one) for name, one in declared(kind)}) | {"additionalProperties": False}


def _schemas() -> Json:
    order = _declared(Order)
    signature = _field(Signature)
    series = {"group": _WHOLE, "strike": _WHOLE, "option": _TEXT}
    level = _of(price=_WHOLE, lots=_WHOLE, orders=_WHOLE)
    batch = {
        "channel": _TEXT,
        "number": _WHOLE,
        "time": _WHOLE,
        "transactions": _WHOLE,
        "bytes": _WHOLE,
        "claim_count": _WHOLE,
        "root": _NULLABLE_TEXT,
        "stage": _TEXT,
    }
    proof = {"proof": _TEXT, "proof_seconds": _NULLABLE_NUMBER, "proof_bytes": _NULLABLE_WHOLE}
    trade = _of(
        channel=_TEXT,
        sequence=_WHOLE,
        time=_WHOLE,
        batch=_WHOLE,
        **series,
        price=_WHOLE,
        lots=_WHOLE,
        taker_side=_TEXT,
        buyer=_WHOLE,
        seller=_WHOLE,
    )
    group = _of(
        group=_WHOLE,
        underlying=_WHOLE,
        expiry=_WHOLE,
        cap=_WHOLE,
        tick_micro_dollars=_WHOLE,
        lot_micro_units=_WHOLE,
        settlement_price=_NULLABLE_WHOLE,
        pool=_WHOLE,
        series=_list(_of(**series)),
    )
    open_order = _of(**order["properties"], sequence=_WHOLE, remaining=_WHOLE)
    claim = _of(owner=_TEXT, amount=_WHOLE)
    return {
        "SignedOrder": _of(**order["properties"], signature=signature) | {"additionalProperties": False},
        "CancelRequest": _declared(CancelRequest),
        "Transaction": {
            "oneOf": [
                _of(type={"type": "string", "const": name}, **_declared(kind)["properties"])
                | {"additionalProperties": False}
                for name, kind in SUBMITTED.items()
            ]
        },
        "Receipt": _of(
            sequence=_WHOLE,
            batch=_WHOLE,
            time=_WHOLE,
            fills=_list(_of(price=_WHOLE, lots=_WHOLE, fee=_WHOLE)),
            status=_TEXT,
            filled=_WHOLE,
        ),
        "Error": {
            "type": "object",
            "required": ["error", "origin"],
            "properties": {
                "error": {"type": "string", "enum": sorted({*Rejection, *Refusal})},
                "origin": {"type": "string", "enum": ["rules", "node"]},
                "detail": _TEXT,
            },
        },
        "Health": _of(
            status=_TEXT,
            detail=_NULLABLE_TEXT,
            sequence=_WHOLE,
            batch=_WHOLE,
            root=_NULLABLE_TEXT,
            restart=_NULLABLE_TEXT,
            ethereum={"type": ["object", "null"]},
            proving={"type": ["object", "null"]},
        ),
        "Parameters": _of(
            chain=_WHOLE,
            contract=_TEXT,
            version=_WHOLE,
            maker_fee_rate=_WHOLE,
            taker_fee_rate=_WHOLE,
            treasury=_WHOLE,
            time=_WHOLE,
            batch=_WHOLE,
            queue_position=_WHOLE,
            open_orders_per_account=_WHOLE,
        ),
        "Groups": _of(groups=_list(group)),
        "Book": _of(sequence=_WHOLE, **series, bids=_list(level), asks=_list(level)),
        "Trades": _of(trades=_list(trade)),
        "Batches": _of(batches=_list(_of(**batch, **proof))),
        "Batch": _of(
            **batch,
            **proof,
            queue_start=_WHOLE,
            queue_items=_WHOLE,
            records={"type": "object"},
            claims=_list(claim),
        ),
        "Account": _of(
            account=_WHOLE,
            owner=_TEXT,
            key=_NULLABLE_TEXT,
            nonce=_WHOLE,
            order_floor=_WHOLE,
            cash=_WHOLE,
            requirement=_WHOLE,
            free=_WHOLE,
            positions=_list(_of(**series, lots=_WHOLE)),
        ),
        "OpenOrders": _of(orders=_list(open_order)),
        "Slot": _of(number=_NULLABLE_WHOLE, filled=_WHOLE),
        "Input": _of(sequence=_WHOLE, kind=_TEXT, payload=_TEXT, fingerprint=_WHOLE),
    }


READINGS: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "/": ("The page", None, ()),
    "/health": ("Whether the node works", "Health", ()),
    "/metrics": ("Figures in Prometheus' text", None, ()),
    "/v1/openapi.json": ("This description", None, ()),
    "/v1/parameters": ("What a client needs to sign and to price", "Parameters", ()),
    "/v1/groups": ("Every group with its series", "Groups", ()),
    "/v1/book/{group}/{strike}/{option}": ("The best prices of one series", "Book", ("depth",)),
    "/v1/trades": ("The newest trades, newest first", "Trades", ("count",)),
    "/v1/batches": ("The newest batches, newest first", "Batches", ("count",)),
    "/v1/batches/{number}": ("One batch, its content counted", "Batch", ()),
    "/v1/batches/{number}/data": ("The bytes that a batch publishes", None, ()),
    "/v1/accounts/{account}": ("One account with its margin", "Account", ()),
    "/v1/accounts/{account}/orders": ("An account's orders in the book", "OpenOrders", ()),
    "/v1/accounts/{account}/slots/{slot}": ("What a slot has seen", "Slot", ()),
    "/v1/inputs/{sequence}": ("One acknowledged input, as the journal holds it", "Input", ()),
    "/v1/feed": ("A WebSocket that tells book, trades and batches", None, ("channels",)),
}
"""Path, summary, schema of the answer, and what the query may say."""

SUBMISSIONS: dict[str, tuple[str, str]] = {
    "/v1/orders": ("Place a signed order", "SignedOrder"),
    "/v1/cancels": ("Take an order out of the book", "CancelRequest"),
    "/v1/transactions": ("Transfer, withdraw, raise the floor, settle", "Transaction"),
}
"""Path, summary, schema of the body; the answer is a receipt."""


def _content(schema: str | None) -> Json:
    if schema is None:
        return {"description": "as the summary says"}
    return {
        "description": schema,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _parameters(path: str, query: tuple[str, ...]) -> list[Json]:
    names = [piece[1:-1] for piece in path.split("/") if piece.startswith("{")]
    return [
        *({"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names),
        *({"name": name, "in": "query", "required": False, "schema": _TEXT} for name in query),
    ]


@cache
def description() -> Json:
    """The whole description."""
    failure = {"default": _content("Error")}
    paths: Json = {
        path: {
            "get": {
                "summary": summary,
                "parameters": _parameters(path, query),
                "responses": {"101" if path == "/v1/feed" else "200": _content(schema)} | failure,
            }
        }
        for path, (summary, schema, query) in READINGS.items()
    }
    for path, (summary, schema) in SUBMISSIONS.items():
        body = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
        paths[path] = {
            "post": {
                "summary": summary,
                "parameters": [],
                "requestBody": {"required": True, "content": body},
                "responses": {"200": _content("Receipt")} | failure,
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Options clearing rollup: the node", "version": "1"},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
