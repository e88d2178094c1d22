"""The settlements: one row a group that an account leaves; its pool pays, or is paid.

    settlement (clock, group, payoff) ---> row <--- group before, which is fixed
                                           row ---> group after, one clock later: pool less payoff

Twin of `rollup.settlement`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import GROUPS, SETTLEMENTS
from circuits.gadgets.carries import Carries
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import Limbs
from circuits.named_columns import carry_columns, later_columns, lay_out, limb_columns, numbered
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from rollup.formulas import settled_pool
from rollup.leaf_formats import POOL_OFFSET

NAME: Final = "settlements"

EXISTS, IS_FIXED = 1, 1


def constrain(air: AirBuilder) -> None:
    """State what a settlement does to its group.

    Assumes: the payoff's limbs lie in [0, 2^16), the top one in [-2^13, 2^13).
    Guarantees: what the wire of `SETTLEMENTS` says; the group's price stays.
    """
    is_live = air.column("is live")
    clock, group = air.columns("clock", "group")
    payoff = air.columns(*(f"payoff {i}" for i in range(4)))
    kept = air.columns("price 0", "price 1", "series count")
    pool = air.columns(*(f"pool {i}" for i in range(4)))
    air.receive(SETTLEMENTS, [clock, group, *payoff], when=is_live)
    later = Later.constrain(air, "group", clock + 1, is_live)
    after = Limbs.constrain(air, "pool after", 4, is_live).columns
    Carries.constrain(
        air,
        "the pool pays the payoff",
        [settled_pool(pool[i], payoff[i]) - after[i] for i in range(4)],
        is_live,
    )
    # Soundness: a group without a price pays nobody yet.
    air.receive(GROUPS, [group, later.old_time, EXISTS, IS_FIXED, *kept, *pool], when=is_live)
    air.send(GROUPS, [group, clock + 1, EXISTS, IS_FIXED, *kept, *after], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a settlement."""

    clock: NDArray[np.int64]
    """The account step's."""
    group: NDArray[np.int64]
    payoff: NDArray[np.int64]
    price: NDArray[np.int64]
    """In ticks."""
    series: NDArray[np.int64]
    """How many the group lists."""
    pool: NDArray[np.int64]
    """Before; signed."""
    old_time: NDArray[np.int64]


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    offset = np.uint64(POOL_OFFSET).astype(np.int64)
    pool = np.stack(list(limb_columns("", rows.pool ^ offset, 4).values()))
    after = limb_columns("pool after", settled_pool(rows.pool, rows.payoff) ^ offset, 4)
    payoff = np.stack(list(limb_columns("", rows.payoff, 4).values()))
    payoff[3] = rows.payoff >> 48
    return lay_out(
        constrain,
        {
            "is live": np.ones(len(rows.clock), np.int64),
            "clock": rows.clock,
            "group": rows.group,
            **numbered("payoff", payoff),
            "price 0": rows.price & 0xFFFF,
            "price 1": rows.price >> 16,
            "series count": rows.series,
            **numbered("pool", pool),
            **later_columns("group", rows.old_time, rows.clock + 1),
            **after,
            **carry_columns("the pool pays the payoff", pool - payoff - np.stack(list(after.values()))),
        },
        log_height,
    )
