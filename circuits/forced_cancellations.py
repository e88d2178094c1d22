"""Cancellations through the queue: the owner raises the account's floor of order numbers.

    body      account (2) | owner (10) | floor (2)
    effect    the floor is the higher of the old and the new one, if the account is the owner's

The rule calls a floor that is not higher an item without effect; the higher of the two is the same.
Twin: `rollup.transactions.forced_cancel_orders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits.account_access import (
    OWNER_LIMBS,
    AccountAccess,
    Content,
    Ownership,
    fill_access,
    fill_ownership,
)
from circuits.buses import ACCOUNT_STEP
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from circuits.named_columns import lay_out, less_columns, numbered
from circuits.queue_item import Places, constrain_item, high_first, words_of_limbs
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from rollup.transactions import TAGS, ForcedCancelOrders

NAME: Final = "forced cancellations"


def constrain(air: AirBuilder) -> None:
    """State what every cancellation in the queue did."""
    number = air.columns("account 0", "account 1")
    owner = [air.column(f"owner {i}") for i in range(OWNER_LIMBS)]
    floor = air.columns("new floor 0", "new floor 1")
    body = [*high_first(number), *high_first(owner), *high_first(floor)]
    item = constrain_item(air, TAGS[ForcedCancelOrders], body)
    access = AccountAccess.constrain(air, item.clock + ACCOUNT_STEP, number, item.is_live)
    ownership = Ownership.constrain(air, access, owner)
    # Assumes of the memory: an account's floor is in limbs.
    is_higher = LessThan.constrain(
        air, "the old floor", Limbs(access.floor), Limbs(floor), access.is_made
    ).is_less
    is_raised = air.column("is raised")
    air.assert_equal("the owner's higher floor is taken", is_raised, is_higher * ownership.is_owned)
    after = [old + is_raised * (new - old) for old, new in zip(access.floor, floor, strict=True)]
    access.write(air, access.identity, after, access.cash)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a cancellation."""

    places: Places
    items: Sequence[ForcedCancelOrders]
    contents: Sequence[Content]
    """The account before."""


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items = rows.items
    accounts = np.array([item.account for item in items], np.int64)
    read, is_made, exists = fill_access(accounts, rows.places.clocks + ACCOUNT_STEP, rows.contents)
    ownership, is_owned = fill_ownership(exists, [item.owner for item in items], rows.contents)
    old = [content.floor * int(made) for content, made in zip(rows.contents, is_made, strict=True)]
    comparison, is_higher = less_columns("the old floor", old, [item.order_floor for item in items], 2)
    return lay_out(
        constrain,
        {
            **rows.places.columns(),
            **numbered("account", words_of_limbs(2, accounts.tolist())),
            **numbered("owner", words_of_limbs(OWNER_LIMBS, [item.owner for item in items])),
            **numbered("new floor", words_of_limbs(2, [item.order_floor for item in items])),
            **read,
            **ownership,
            **comparison,
            "is raised": is_higher * is_owned,
        },
        log_height,
    )
