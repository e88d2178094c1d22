"""Settlement prices: the contract's median of the oracles fixes an expired group once.

    body      group | price (4), in ticks
    effect    the price, at most the cap, if the group is listed, not fixed, and expired at the batch's time

Twin: `rollup.transactions.settlement_price`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits.buses import ACCOUNT_STEP
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from circuits.group_access import GroupAccess, GroupContent, ask_statics, fill_group_access, statics_columns
from circuits.named_columns import lay_out, less_columns, numbered
from circuits.queue_item import Places, constrain_all, constrain_item, fill_all, high_first, words_of_limbs
from circuits.statement import TIME
from prover.air.builder import AirBuilder
from prover.air.expression import lift
from prover.field.koalabear import Montgomery
from rollup.transactions import TAGS, SettlementPrice

NAME: Final = "settlement prices"


def constrain(air: AirBuilder) -> None:
    """State what every settlement price did.

    Soundness: without the cap a price above it would make losses larger than any margin held for them.
    """
    group = air.column("group")
    posted = [air.column(f"posted {i}") for i in range(4)]
    item = constrain_item(air, TAGS[SettlementPrice], [group, *high_first(posted)])
    access = GroupAccess.constrain(air, item.clock + ACCOUNT_STEP, group, item.is_live)
    terms = ask_statics(air, group, access.exists)
    now = Limbs(tuple(air.public(name) * item.is_live for name in TIME))
    expiry = Limbs(tuple(terms[f"expiry {i}"] for i in range(3)))
    is_open = LessThan.constrain(air, "now", now, expiry, item.is_live).is_less
    cap = Limbs((terms["cap 0"], terms["cap 1"], lift(0), lift(0)))
    is_above = LessThan.constrain(air, "the cap", cap, Limbs(tuple(posted)), item.is_live).is_less
    is_taken = constrain_all(air, "a price is taken", [access.exists, 1 - access.is_fixed, 1 - is_open])
    price = [air.column(f"clamped {i}") for i in range(2)]
    for i in range(2):
        air.assert_equal(
            f"a price above the cap is the cap, limb {i}",
            price[i],
            posted[i] + is_above * (terms[f"cap {i}"] - posted[i]),
        )
    after = [old + is_taken * (new - old) for old, new in zip(access.price, price, strict=True)]
    access.write(air, access.exists, access.is_fixed + is_taken, after, access.series, access.pool)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a price."""

    places: Places
    items: Sequence[SettlementPrice]
    contents: Sequence[GroupContent]
    """The group before."""


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items, places = rows.items, rows.places
    groups = [content.group for content in rows.contents]
    posted = words_of_limbs(4, [item.price for item in items])
    read, exists = fill_group_access(rows.contents, places.clocks + ACCOUNT_STEP)
    now, is_open = less_columns(
        "now", [places.now] * len(items), [group.expiry if group else 0 for group in groups], 3
    )
    caps = [group.cap if group else 0 for group in groups]
    above, is_above = less_columns("the cap", caps, [item.price for item in items], 4)
    chain, _ = fill_all("a price is taken", [exists, 1 - read["is fixed"], 1 - is_open])
    clamped = np.where(is_above == 1, words_of_limbs(2, caps), posted[:2])
    return lay_out(
        constrain,
        {
            **places.columns(),
            "group": np.array([item.group for item in items], np.int64),
            **numbered("posted", posted),
            **read,
            **statics_columns(groups),
            **now,
            **above,
            **chain,
            **numbered("clamped", clamped),
        },
        log_height,
    )
