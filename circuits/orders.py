"""The orders of a batch: one row a signed order, however many trades fill it.

key end, header, fields      -> the sponge call of its signature
fields, in few elements      <- fills, as often as they ask

The order must be in its time: batch time < expiry <= batch time + 30 days.

    remaining = expiry - batch time - 1 = low + 2^16 high           high is a byte: never negative
    30 days - 1 - remaining             = spare low + 2^16 spare high     the same
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ORDERS, SIXTEEN_BITS, TWO_BYTES
from circuits.gadgets.limbs import LIMB_BITS
from circuits.gadgets.pieces import Pieces
from circuits.signed_message import SIGNER, constrain_signer, fill_signer
from circuits.statement import TIME
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.field.koalabear import Montgomery, encode
from rollup.orders import Order
from rollup.transactions import TAGS, Trade
from rollup.units import MAX_ORDER_LIFETIME_SECONDS, OrderKind

NAME: Final = "orders"

FIELDS: Final = (
    *("account low", "account high", "slot", "number low", "number high", "side", "kind", "group"),
    *("strike low", "strike high", "option", "limit low", "limit high", "lots low", "lots high"),
    *("max fee rate", "expiry low", "expiry middle", "expiry high"),
)
"""What is signed: limbs of 16 bits, each `high` of a 24-bit number a byte."""

WITNESS: Final = ("borrow of the low limb", "borrow of the middle limb", "spare high")
"""What the order's time needs."""

COLUMNS: Final = 1 + len(FIELDS) + len(WITNESS) + len(SIGNER) + 1

LAST_REMAINING_SECOND: Final = MAX_ORDER_LIFETIME_SECONDS - 1
"""The most that an order may have left behind the batch's own second."""

CALL_OR_PUT_WEIGHT: Final = 2
"""An option is its strike times two, and one if it is a put."""


def constrain(air: AirBuilder) -> None:
    """Provide orders that are signed and in their time.

    Assumes: the public time is in limbs; identities, keys and signatures are what their buses say.
    Guarantees: an order provided has each field in its declared width, was signed by the key of its identity for this
    clearing house, and the batch's time is before its expiry and at most thirty days before it.
    """
    is_live = air.column("is live")
    cells = dict(zip(FIELDS, air.columns(*FIELDS), strict=True))
    side, kind, option = cells["side"], cells["kind"], cells["option"]
    low_borrow, middle_borrow, spare_high = air.columns(*WITNESS)

    # Soundness: a limb out of range would be another spelling of the number, one that nobody signed or everybody fills.
    for name in FIELDS:
        if name not in {"account high", "slot", "strike high", "lots high", "side", "kind", "option"}:
            air.send(SIXTEEN_BITS, [cells[name]], when=is_live)
    air.send(TWO_BYTES, [cells["account high"], cells["slot"]], when=is_live)
    air.send(TWO_BYTES, [cells["strike high"], cells["lots high"]], when=is_live)
    air.assert_boolean("an order buys or sells", side)
    air.assert_boolean("an option is a call or a put", option)
    post_only = int(OrderKind.POST_ONLY)
    air.assert_zero("an order has one of three kinds", kind * (kind - 1) * (kind - post_only))

    times = [air.public(name) for name in TIME]
    air.assert_boolean("the low limb of the time left borrows or not", low_borrow)
    air.assert_boolean("the middle limb of the time left borrows or not", middle_borrow)
    low = cells["expiry low"] - times[0] - 1 + low_borrow * (1 << LIMB_BITS)
    high = cells["expiry middle"] - times[1] - low_borrow + middle_borrow * (1 << LIMB_BITS)
    # Soundness: without it the batch's time could have passed the expiry, or the expiry lie years ahead.
    air.assert_zero(
        "the time left has no third limb", is_live * (cells["expiry high"] - times[2] - middle_borrow)
    )
    air.send(SIXTEEN_BITS, [low], when=is_live)
    spare_low = LAST_REMAINING_SECOND - low - (high + spare_high) * (1 << LIMB_BITS)
    air.send(SIXTEEN_BITS, [spare_low], when=is_live)
    air.send(TWO_BYTES, [high, spare_high], when=is_live)

    order = _pieces(cells)
    identity = constrain_signer(air, is_live, Order, TAGS[Trade], order["account"], order)
    count = air.column("count")
    # Soundness: a dead row has no signature; it must not provide an order.
    air.assert_zero("a dead row provides no order", (1 - is_live) * count)
    air.provide(
        ORDERS,
        [
            *(identity, order["account"].element, cells["slot"], *order["number"].limbs, side, kind),
            *(cells["group"], order["strike"].element * CALL_OR_PUT_WEIGHT + option),
            *(*order["limit_price"].limbs, order["lots"].element, cells["max fee rate"]),
        ],
        count,
    )


def _pieces(cells: dict[str, Expression]) -> dict[str, Pieces]:
    """The order's fields by their declared names."""

    def limbs(name: str, bits: int, *parts: str) -> Pieces:
        return Pieces.of_limbs([cells[f"{name} {part}"] for part in parts or ("low", "high")], bits)

    return {
        "account": limbs("account", 24),
        "slot": Pieces.cut((cells["slot"], 8)),
        "number": limbs("number", 32),
        "side": Pieces.cut((cells["side"], 8)),
        "kind": Pieces.cut((cells["kind"], 8)),
        "group": Pieces.cut((cells["group"], 16)),
        "strike": limbs("strike", 24),
        "option": Pieces.cut((cells["option"], 8)),
        "limit_price": limbs("limit", 32),
        "lots": limbs("lots", 24),
        "max_fee_rate": Pieces.cut((cells["max fee rate"], 16)),
        "expiry": limbs("expiry", 48, "low", "middle", "high"),
    }


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry an order; the order's fields have their own names (`rollup.orders.Order`)."""

    calls: NDArray[np.int64]
    key_numbers: NDArray[np.int64]
    key_ends: Montgomery
    """(4, n): y3 to y6 of each key."""
    identities: NDArray[np.int64]
    account: NDArray[np.int64]
    slot: NDArray[np.int64]
    number: NDArray[np.int64]
    side: NDArray[np.int64]
    kind: NDArray[np.int64]
    group: NDArray[np.int64]
    strike: NDArray[np.int64]
    option: NDArray[np.int64]
    limit_price: NDArray[np.int64]
    lots: NDArray[np.int64]
    max_fee_rate: NDArray[np.int64]
    expiry: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many orders."""
        return len(self.account)


ORDER_FIELDS: Final = tuple(field.name for field in fields(Order))
"""The order's own fields among those of `Rows`."""


def fill(rows: Rows, time: int, log_height: int) -> Montgomery:
    """The trace at a batch's time; the count is left zero."""
    mask = (1 << LIMB_BITS) - 1

    def limbs(values: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
        return [values >> LIMB_BITS * i & mask for i in range(count)]

    time_low, time_middle = time & mask, time >> LIMB_BITS & mask
    expiry = limbs(rows.expiry, 3)
    low_borrow = (expiry[0] < time_low + 1).astype(np.int64)
    middle_borrow = (expiry[1] < time_middle + low_borrow).astype(np.int64)
    spare = LAST_REMAINING_SECOND - (rows.expiry - time - 1)
    columns = [
        np.ones(rows.count, np.int64),
        *limbs(rows.account, 2),
        rows.slot,
        *limbs(rows.number, 2),
        rows.side,
        rows.kind,
        rows.group,
        *limbs(rows.strike, 2),
        rows.option,
        *limbs(rows.limit_price, 2),
        *limbs(rows.lots, 2),
        rows.max_fee_rate,
        *expiry,
        low_borrow,
        middle_borrow,
        spare >> LIMB_BITS,
    ]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[: len(columns), : rows.count] = encode(np.stack(columns))
    signer = fill_signer(rows.calls, rows.key_numbers, rows.key_ends, rows.identities)
    trace[len(columns) : -1, : rows.count] = signer
    return trace
