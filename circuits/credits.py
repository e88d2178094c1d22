"""The credits: one row an amount that an account receives without being asked.

    credit (clock, account, amount) ---> row <--- account before
                                         row ---> account after: more cash, all else as it was

Receivers of transfers, and the treasury of every trade.  Nobody's margin can fall by receiving, so nothing is walked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNTS, CREDITS
from circuits.gadgets.carries import Carries
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import Limbs
from circuits.gadgets.zero import assert_not_zero, inverses
from circuits.named_columns import carry_columns, later_columns, lay_out, limb_columns, numbered
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery

NAME: Final = "credits"


def constrain(air: AirBuilder) -> None:
    """State what a credit does to its account.

    Assumes: whoever sends a credit has limbs of the amount below 2^20.
    Guarantees: what the wire of `CREDITS` says.
    """
    is_live = air.column("is live")
    clock, account, identity = air.columns("clock", "account", "identity")
    amount = air.columns(*(f"amount {i}" for i in range(4)))
    kept = air.columns("nonce 0", "nonce 1", "floor 0", "floor 1")
    cash = air.columns(*(f"cash {i}" for i in range(4)))
    held = air.columns("version", "count")
    air.receive(CREDITS, [clock, account, *amount], when=is_live)
    later = Later.constrain(air, "account", clock, is_live)
    # Soundness: cash at a place without an account would be nobody's, and gone.
    assert_not_zero(air, "the account exists", identity, is_live)
    after = Limbs.constrain(air, "cash after", 4, is_live).columns
    Carries.constrain(
        air,
        "cash grows by the amount",
        [cash[i] + amount[i] - after[i] for i in range(4)],
        is_live,
    )
    air.receive(ACCOUNTS, [account, later.old_time, identity, *kept, *cash, *held], when=is_live)
    air.send(ACCOUNTS, [account, clock, identity, *kept, *after, *held], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a credit."""

    clock: NDArray[np.int64]
    account: NDArray[np.int64]
    amount: NDArray[np.int64]
    """Limbs as the credit's sender has them: (4, n)."""
    identity: NDArray[np.int64]
    nonce: NDArray[np.int64]
    floor: NDArray[np.int64]
    cash: NDArray[np.int64]
    version: NDArray[np.int64]
    count: NDArray[np.int64]
    old_time: NDArray[np.int64]


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    amount = sum((limb << 16 * i for i, limb in enumerate(rows.amount)), np.zeros_like(rows.cash))
    after = limb_columns("cash after", rows.cash + amount, 4)
    cash = np.stack(list(limb_columns("", rows.cash, 4).values()))
    return lay_out(
        constrain,
        {
            "is live": np.ones(len(rows.clock), np.int64),
            "clock": rows.clock,
            "account": rows.account,
            "identity": rows.identity,
            **numbered("amount", rows.amount),
            "nonce 0": rows.nonce & 0xFFFF,
            "nonce 1": rows.nonce >> 16,
            "floor 0": rows.floor & 0xFFFF,
            "floor 1": rows.floor >> 16,
            **numbered("cash", cash),
            "version": rows.version,
            "count": rows.count,
            **later_columns("account", rows.old_time, rows.clock),
            "the account exists: inverse": inverses(rows.identity),
            **after,
            **carry_columns("cash grows by the amount", cash + rows.amount - np.stack(list(after.values()))),
        },
        log_height,
    )
