"""Group listings: the governor opens one underlying and expiry for trading.

    body      group | underlying | expiry (3) | cap (2) | tick (2) | lot (2)
    product   tick * lot = tick value * one million + rest
    effect    the group is listed, if it is not yet, expires in the future, the cap fits 24 bits and is not zero, the
              tick value is whole and not zero, and the payoff at the cap fits 32 bits

Twin: `rollup.transactions.list_group`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNT_STEP, GROUP_STATICS, SIXTEEN_BITS
from circuits.gadgets.byte_limbs import Bytes, byte_product, byte_product_of
from circuits.gadgets.carries import Carries
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from circuits.gadgets.zero import IsZero
from circuits.group_access import GroupAccess, GroupContent, fill_group_access
from circuits.named_columns import Columns, carry_columns, lay_out, less_columns, numbered, zero_columns
from circuits.queue_item import (
    Places,
    constrain_all,
    constrain_byte_sized,
    constrain_item,
    fill_all,
    fill_byte_sized,
    high_first,
    words_of_limbs,
)
from circuits.statement import TIME
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, lift
from prover.field.koalabear import Montgomery
from rollup.leaf_formats import POOL_OFFSET
from rollup.transactions import TAGS, ListGroup
from rollup.units import MICRO, limbs_of

NAME: Final = "group listings"

_QUOTIENT_BYTES: Final = 6
"""A product of two 32-bit numbers over a million has 45 bits."""

_MICRO_BYTES: Final = tuple(MICRO >> 8 * i & 0xFF for i in range(4))
_REST_HIGH_SCALE: Final = 1 << 12
"""The upper limb of a rest times this is looked up too: it lies below 2^4."""


def constrain(air: AirBuilder) -> None:
    """State what every listing of a group did.

    Soundness: without whole terms payoffs would need division, and an exact margin could fall short by dust; without
    the bound a payoff of one lot could overflow the limbs it is proved in.
    """
    group, underlying = air.columns("group", "underlying")
    expiry = [air.column(f"expiry {i}") for i in range(3)]
    cap, tick, lot = (air.columns(f"{name} 0", f"{name} 1") for name in ("cap", "tick", "lot"))
    body = [group, underlying, *high_first(expiry), *high_first(cap), *high_first(tick), *high_first(lot)]
    item = constrain_item(air, TAGS[ListGroup], body)
    live = item.is_live
    access = GroupAccess.constrain(air, item.clock + ACCOUNT_STEP, group, live)
    now = Limbs(tuple(air.public(name) * live for name in TIME))
    is_open = LessThan.constrain(air, "now", now, Limbs(tuple(expiry)), live).is_less
    cap_fits = constrain_byte_sized(air, "cap", cap[1], live)
    has_cap = IsZero.constrain(air, "cap", cap[0] + cap[1])

    tick_bytes, lot_bytes, cap_bytes = (
        _bytes_of(air, name, limbs, live) for name, limbs in (("tick", tick), ("lot", lot), ("cap", cap))
    )
    quotient = Bytes.constrain(air, "tick value", _QUOTIENT_BYTES, live)
    rest, spare = Limbs.constrain(air, "rest", 2, live), Limbs.constrain(air, "rest's spare", 2, live)
    for limbs in (rest, spare):
        air.send(SIXTEEN_BITS, [limbs.columns[1] * _REST_HIGH_SCALE], when=live)
    # Soundness: a rest of a million or more would make another quotient the whole one.
    air.assert_equal("the rest is below a million", rest.element + spare.element, live * (MICRO - 1))
    product = byte_product(tick_bytes.columns, lot_bytes.columns)
    million = [lift(byte) for byte in _MICRO_BYTES]
    parts = byte_product(quotient.columns, million)
    rests = [*rest.columns, *[lift(0)] * (len(parts) - 2)]
    wide = [*product, *[lift(0)] * (len(parts) - len(product))]
    Carries.constrain(
        air,
        "the tick value is the quotient",
        [a - b - c for a, b, c in zip(wide, parts, rests, strict=True)],
        live,
    )
    payoff = byte_product(cap_bytes.columns, quotient.columns)
    at_cap = Limbs.constrain(air, "payoff at the cap", len(payoff), live)
    Carries.constrain(
        air, "the cap pays its value", [a - b for a, b in zip(payoff, at_cap.columns, strict=True)], live
    )
    is_wide = IsZero.constrain(air, "payoff beyond 32 bits", _sum(at_cap.columns[2:]))
    has_rest = IsZero.constrain(air, "rest", rest.element)
    has_value = IsZero.constrain(air, "tick value", _sum(quotient.columns))
    is_listed = constrain_all(
        air,
        "a group is listed",
        [
            live - access.exists,
            is_open,
            cap_fits,
            has_cap.is_something,
            has_value.is_something,
            has_rest.is_zero,
            is_wide.is_zero,
        ],
    )
    statics = [underlying, *expiry, *cap, *tick, *lot, *quotient.limbs[:2]]
    air.send(GROUP_STATICS, [group, *statics], when=is_listed)
    pool = limbs_of(POOL_OFFSET, 64)
    access.write(
        air,
        access.exists + is_listed,
        access.is_fixed,
        access.price,
        access.series,
        [old + is_listed * new for old, new in zip(access.pool, pool, strict=True)],
    )


def _bytes_of(air: AirBuilder, name: str, limbs: tuple[Expression, ...], live: Expression) -> Bytes:
    """Split two limbs into bytes."""
    bytes_ = Bytes.constrain(air, name, 4, live)
    for i, (limb, pair) in enumerate(zip(limbs, bytes_.limbs, strict=True)):
        air.assert_equal(f"{name} is its bytes, limb {i}", limb, pair)
    return bytes_


def _sum(parts: Sequence[Expression]) -> Expression:
    return sum(parts[1:], parts[0])


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a listing."""

    places: Places
    items: Sequence[ListGroup]
    contents: Sequence[GroupContent]
    """The group before."""


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items, places = rows.items, rows.places
    expiries = [item.expiry for item in items]
    read, exists = fill_group_access(rows.contents, places.clocks + ACCOUNT_STEP)
    now, is_open = less_columns("now", [places.now] * len(items), expiries, 3)
    numbers = {
        "cap": [item.cap for item in items],
        "tick": [item.tick_micro_dollars for item in items],
        "lot": [item.lot_micro_units for item in items],
    }
    products = [tick * lot for tick, lot in zip(numbers["tick"], numbers["lot"], strict=True)]
    values, rests = [product // MICRO for product in products], [product % MICRO for product in products]
    limbs = {name: words_of_limbs(2, of_name) for name, of_name in numbers.items()}
    bytes_ = {name: _bytes(of_name, 4) for name, of_name in numbers.items()}
    quotient, rest = _bytes(values, _QUOTIENT_BYTES), words_of_limbs(2, rests)
    spare = words_of_limbs(2, [MICRO - 1 - one for one in rests])
    million = np.repeat(np.array(_MICRO_BYTES, np.int64)[:, None], len(items), axis=1)
    parts = byte_product_of(quotient, million)
    wide = np.zeros_like(parts)
    wide[:4] = byte_product_of(bytes_["tick"], bytes_["lot"])
    wide[:2] -= rest
    payoff = byte_product_of(bytes_["cap"], quotient)
    at_cap = words_of_limbs(
        len(payoff), [cap * value for cap, value in zip(numbers["cap"], values, strict=True)]
    )
    cap_columns, cap_fits = fill_byte_sized("cap", limbs["cap"][1])
    has_cap_columns, has_cap = zero_columns("cap", limbs["cap"].sum(axis=0))
    wide_columns, is_wide = zero_columns("payoff beyond 32 bits", at_cap[2:].sum(axis=0))
    rest_columns, has_rest = zero_columns("rest", np.array(rests, np.int64))
    value_columns, has_value = zero_columns("tick value", quotient.sum(axis=0))
    chain, _ = fill_all(
        "a group is listed", [1 - exists, is_open, cap_fits, has_cap, has_value, 1 - has_rest, 1 - is_wide]
    )
    columns: Columns = {
        **places.columns(),
        "group": np.array([item.group for item in items], np.int64),
        "underlying": np.array([item.underlying for item in items], np.int64),
        **numbered("expiry", words_of_limbs(3, expiries)),
        **read,
        **now,
        **cap_columns,
        **has_cap_columns,
        **numbered("tick value byte", quotient),
        **numbered("rest limb", rest),
        **numbered("rest's spare limb", spare),
        **carry_columns("the tick value is the quotient", wide - parts),
        **numbered("payoff at the cap limb", at_cap),
        **carry_columns("the cap pays its value", payoff - at_cap),
        **wide_columns,
        **rest_columns,
        **value_columns,
        **chain,
    }
    for name in numbers:
        columns |= numbered(name, limbs[name]) | numbered(f"{name} byte", bytes_[name])
    return lay_out(constrain, columns, log_height)


def _bytes(numbers: Sequence[int], count: int) -> NDArray[np.int64]:
    return Bytes.fill(np.array(numbers, np.int64), count)
