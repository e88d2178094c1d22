"""Orders, requests and transactions as JSON, and back; derived from declared fields, so nothing is spelled twice.

Numbers are JSON numbers, members of a closed list are their names in lower case, and a signature is the hex text of its
words. Field names are those of the classes; an order stands beside its signature in one object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Any, TypeVar, get_type_hints

from rollup.authority import Signature
from rollup.fields import MalformedError, from_words, to_words
from rollup.node.inputs import CancelRequest
from rollup.orders import Order, SignedOrder
from rollup.outcome import Transaction
from rollup.transactions import TRANSACTIONS, Trade
from rollup.units import WIDTH_BITS

T = TypeVar("T")

Json = dict[str, Any]

SUBMITTED: dict[str, type[Transaction]] = {
    entry.name: entry.submitted
    for entry in TRANSACTIONS
    if issubclass(entry.submitted, Transaction) and entry.submitted is not Trade
}
"""Transactions that a person may send, by name."""


_DECLARED: dict[type, tuple[tuple[str, Any], ...]] = {}
"""Names and types of the fields of each class that was asked for."""


def declared(kind: type) -> tuple[tuple[str, Any], ...]:
    """Names and types of a class's own fields."""
    found = _DECLARED.get(kind)
    if found is None:
        hints = get_type_hints(kind)
        own = fields(kind) if is_dataclass(kind) else ()
        found = _DECLARED[kind] = tuple((one.name, hints[one.name]) for one in own)
    return found


def _one_to_json(value: Any) -> Any:
    if isinstance(value, Signature):
        return "0x" + to_words(value).hex()
    return value.name.lower() if isinstance(value, IntEnum) else int(value)


def flat_to_json(instance: object) -> Json:
    """Spell an instance whose fields are numbers, names and a signature."""
    return {name: _one_to_json(getattr(instance, name)) for name, _ in declared(type(instance))}


def _one_from_json(name: str, kind: Any, value: Any) -> Any:
    if kind is Signature:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise MalformedError(f"{name} is hex text that begins with 0x")
        return from_words(Signature, _hex(name, value[2:]))
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        member = kind.__members__.get(value.upper()) if isinstance(value, str) else None
        if member is None or value != value.lower():
            raise MalformedError(f"{name} is one of {', '.join(one.lower() for one in kind.__members__)}")
        return member
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not 0 <= value < 1 << WIDTH_BITS[kind.__name__]
    ):
        raise MalformedError(f"{name} is a whole number below 2^{WIDTH_BITS[kind.__name__]}")
    return value


def _hex(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError(f"{name} is hex text that begins with 0x") from error


def flat_from_json(kind: type[T], spelled: Mapping[str, Any]) -> T:
    """Read such an instance, strictly: no field is missing, and none is unknown."""
    wanted = declared(kind)
    for name, _ in wanted:
        if name not in spelled:
            raise MalformedError(f"{name} is missing")
    if len(spelled) != len(wanted):
        unknown = sorted(set(spelled) - {name for name, _ in wanted})
        raise MalformedError(f"{unknown[0]} is no field of this")
    return kind(*[_one_from_json(name, one, spelled[name]) for name, one in wanted])


def order_to_json(signed: SignedOrder) -> Json:
    """Spell a signed order."""
    return flat_to_json(signed.order) | {"signature": _one_to_json(signed.signature)}


def order_from_json(spelled: Mapping[str, Any]) -> SignedOrder:
    """Read a signed order."""
    order = dict(spelled)
    signature = _one_from_json("signature", Signature, order.pop("signature", None))
    return SignedOrder(flat_from_json(Order, order), signature)


def cancel_from_json(spelled: Mapping[str, Any]) -> CancelRequest:
    """Read a signed cancel request."""
    return flat_from_json(CancelRequest, spelled)


def transaction_to_json(transaction: Transaction) -> Json:
    """Spell a transaction with its type."""
    return {"type": type(transaction).__name__} | flat_to_json(transaction)


def transaction_from_json(spelled: Mapping[str, Any]) -> Transaction:
    """Read a transaction with its type."""
    body = dict(spelled)
    name = body.pop("type", None)
    kind = SUBMITTED.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MalformedError(f"type is one of {', '.join(SUBMITTED)}")
    return flat_from_json(kind, body)
