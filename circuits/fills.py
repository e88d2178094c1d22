"""The fills of a batch: one row for each side of each trade, in the order's slot of its account.

slot before     number, filled       memory
order           number, limit, lots  looked up among the signed ones
slot after      number, filled + lots

A slot holds what is known of its newest order: the number tells whether what is filled was this order's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import FILLS, ORDERS, SIXTEEN_BITS, SLOTS, TWO_BYTES
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import LIMB_BITS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.field.koalabear import Montgomery, encode
from rollup.units import OrderKind

NAME: Final = "fills"

FILL: Final = (
    *("clock", "side", "account", "slot", "number low", "number high", "group", "option"),
    *("price low", "price high", "lots", "fee rate", "is maker", "identity", "floor low", "floor high"),
)
"""What the trade says, in the order of its bus."""

ORDER: Final = ("kind", "limit low", "limit high", "order lots", "max fee rate")
"""What the order says beyond it."""

SLOT: Final = ("old number low", "old number high", "old filled low", "old filled high")

WITNESS: Final = (
    *("floor borrow", "is same order", "number borrow", "filled low", "filled high", "left high"),
    *("price borrow", "improvement low", "improvement high"),
)

TIME_COLUMNS: Final = 3
"""Columns of `Later`."""

COLUMNS: Final = 1 + len(FILL) + len(ORDER) + len(SLOT) + len(WITNESS) + TIME_COLUMNS

LIMB: Final = 1 << LIMB_BITS


def constrain(air: AirBuilder) -> None:
    """State that an order may take the lots, and that its slot says afterwards that it did.

    Assumes: orders are signed, in their time and in their widths; price, fee rate and floor are in 16-bit limbs, lots
    between 0 and 2^16; slots hold limbs, filled below 2^24.
    Guarantees: the order's number is not below the floor nor below the slot's, all fills of one number together do not
    exceed the order's lots, the price is the order's limit or better and exactly the limit for a maker, a maker is not
    immediate, a taker not post-only, the fee rate not above the order's.
    """
    is_live = air.column("is live")
    cells = dict(
        zip((*FILL, *ORDER, *SLOT, *WITNESS), air.columns(*FILL, *ORDER, *SLOT, *WITNESS), strict=True)
    )

    def limbs(name: str) -> tuple[Expression, Expression]:
        return cells[f"{name} low"], cells[f"{name} high"]

    air.receive(FILLS, [cells[name] for name in FILL], when=is_live)
    number, price, limit = limbs("number"), limbs("price"), limbs("limit")
    side, kind, lots, is_maker = cells["side"], cells["kind"], cells["lots"], cells["is maker"]
    air.send(
        ORDERS,
        [
            *(cells["identity"], cells["account"], cells["slot"], *number, side, kind),
            *(cells["group"], cells["option"], *limit, cells["order lots"], cells["max fee rate"]),
        ],
        when=is_live,
    )

    old_number, old_filled, filled = limbs("old number"), limbs("old filled"), limbs("filled")
    earlier = Later.constrain(air, "slot", cells["clock"], is_live)
    place = [cells["account"], cells["slot"]]
    air.receive(SLOTS, [*place, earlier.old_time, *old_number, *old_filled], when=is_live)
    air.send(SLOTS, [*place, cells["clock"], *number, *filled], when=is_live)

    # Soundness: without the floor a cancelled order could be traded.
    floor_borrow = cells["floor borrow"]
    air.assert_boolean("the distance to the floor borrows or not", floor_borrow)
    floor = limbs("floor")
    air.send(SIXTEEN_BITS, [number[0] - floor[0] + floor_borrow * LIMB], when=is_live)
    air.send(SIXTEEN_BITS, [number[1] - floor[1] - floor_borrow], when=is_live)

    # Soundness: without the slot's own number an order that gave way to a newer one could come back unfilled.
    # Either the numbers are equal, or the order's is at least one more: the flag has no third way.
    is_same, number_borrow = cells["is same order"], cells["number borrow"]
    air.assert_boolean("the slot holds this order or an older one", is_same)
    air.assert_boolean("the distance to the slot's number borrows or not", number_borrow)
    distance = (
        number[0] - old_number[0] - 1 + is_same + number_borrow * LIMB,
        number[1] - old_number[1] - number_borrow,
    )
    for limb in distance:
        air.send(SIXTEEN_BITS, [limb], when=is_live)
    air.assert_zero("the same order has the same number", is_same * (distance[0] + distance[1]))

    total = filled[0] + filled[1] * LIMB
    air.assert_zero(
        "filled afterwards is filled before, of this order, and the lots",
        is_same * (old_filled[0] + old_filled[1] * LIMB) + lots - total,
    )
    # Soundness: without what is left an order could be filled for more than was signed.
    left_high = cells["left high"]
    air.send(SIXTEEN_BITS, [filled[0]], when=is_live)
    air.send(SIXTEEN_BITS, [cells["order lots"] - total - left_high * LIMB], when=is_live)
    air.send(TWO_BYTES, [filled[1], left_high], when=is_live)

    price_borrow, improvement = cells["price borrow"], limbs("improvement")
    air.assert_boolean("the price's improvement borrows or not", price_borrow)
    direction = 1 - side * 2
    air.assert_zero(
        "the improvement is the limit less the price for a buyer and the reverse for a seller, low limb",
        direction * (limit[0] - price[0]) + price_borrow * LIMB - improvement[0],
    )
    air.assert_zero(
        "the improvement is the limit less the price for a buyer and the reverse for a seller, high limb",
        direction * (limit[1] - price[1]) - price_borrow - improvement[1],
    )
    # Soundness: without these a buyer could pay more, or a seller get less, than was signed.
    for limb in improvement:
        air.send(SIXTEEN_BITS, [limb], when=is_live)
    air.assert_zero("a maker trades at the limit", is_maker * (improvement[0] + improvement[1]))

    limit_kind, immediate, post_only = (int(kind) for kind in OrderKind)
    air.assert_zero("a maker is not immediate", is_maker * (kind - limit_kind) * (kind - post_only))
    air.assert_zero("a taker is not post-only", (1 - is_maker) * (kind - limit_kind) * (kind - immediate))
    # Soundness: without it the fee could be more than was signed.
    air.send(SIXTEEN_BITS, [cells["max fee rate"] - cells["fee rate"]], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a fill."""

    clock: NDArray[np.int64]
    side: NDArray[np.int64]
    account: NDArray[np.int64]
    slot: NDArray[np.int64]
    number: NDArray[np.int64]
    group: NDArray[np.int64]
    option: NDArray[np.int64]
    price: NDArray[np.int64]
    lots: NDArray[np.int64]
    fee_rate: NDArray[np.int64]
    is_maker: NDArray[np.int64]
    identity: NDArray[np.int64]
    floor: NDArray[np.int64]
    kind: NDArray[np.int64]
    limit_price: NDArray[np.int64]
    order_lots: NDArray[np.int64]
    max_fee_rate: NDArray[np.int64]
    old_time: NDArray[np.int64]
    old_number: NDArray[np.int64]
    old_filled: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many fills."""
        return len(self.clock)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""

    def limbs(values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [values & LIMB - 1, values >> LIMB_BITS & LIMB - 1]

    number, price, limit, floor = (limbs(v) for v in (rows.number, rows.price, rows.limit_price, rows.floor))
    old_number = limbs(rows.old_number)
    is_same = (rows.number == rows.old_number).astype(np.int64)
    filled = is_same * rows.old_filled + rows.lots
    direction = 1 - 2 * rows.side
    improvement = [direction * (a - b) for a, b in zip(limit, price, strict=True)]
    price_borrow = (improvement[0] < 0).astype(np.int64)
    columns = [
        np.ones(rows.count, np.int64),
        *(rows.clock, rows.side, rows.account, rows.slot, *number, rows.group, rows.option, *price),
        *(rows.lots, rows.fee_rate, rows.is_maker, rows.identity, *floor),
        *(rows.kind, *limit, rows.order_lots, rows.max_fee_rate),
        *(*old_number, *limbs(rows.old_filled)),
        (number[0] < floor[0]).astype(np.int64),
        is_same,
        (number[0] + is_same < old_number[0] + 1).astype(np.int64),
        *limbs(filled),
        rows.order_lots - filled >> LIMB_BITS,
        price_borrow,
        improvement[0] + price_borrow * LIMB,
        improvement[1] - price_borrow,
        *Later.fill(rows.old_time, rows.clock),
    ]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[:, : rows.count] = encode(np.stack(columns))
    return trace
