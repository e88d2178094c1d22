"""Withdrawals through the queue: the owner leaves with everything that is free, whatever the sequencer thinks of it.

    body      account (2) | owner (10)
    effect    if the account is the owner's: its fixed groups are settled, and what its margin does not need is claimed

What is paid is the cash above the requirement to the last unit: the account step of mode 2 leaves exactly that.
The rule calls an item with nothing fixed and nothing free one without effect; paying nothing is the same.
Twin: `rollup.transactions.forced_withdrawal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_access import (
    OWNER_LIMBS,
    AccountAccess,
    Content,
    Ownership,
    fill_access,
    fill_ownership,
)
from circuits.buses import (
    ACCOUNT_STEP,
    ACCOUNT_STEPS,
    CLAIMS,
    FORCED_MODE,
    OWED,
    OWED_STEP,
    READING_STEP,
)
from circuits.gadgets.carries import Carries
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import Limbs
from circuits.gadgets.zero import IsZero
from circuits.named_columns import carry_columns, later_columns, lay_out, numbered, zero_columns
from circuits.queue_item import Places, constrain_item, high_first, words_of_limbs
from prover.air.builder import AirBuilder
from prover.air.expression import Operand
from prover.field.koalabear import Montgomery
from rollup.transactions import TAGS, ForcedWithdrawal

NAME: Final = "forced withdrawals"


def constrain(air: AirBuilder) -> None:
    """State what every withdrawal in the queue did.

    The account is read once to see whose it is, one clock before the account step that pays.
    Soundness: were the amount the sequencer's choice, it could keep an owner's money back for ever.
    """
    number = air.columns("account 0", "account 1")
    owner = [air.column(f"owner {i}") for i in range(OWNER_LIMBS)]
    is_paid = air.column("is paid")
    item = constrain_item(air, TAGS[ForcedWithdrawal], [*high_first(number), *high_first(owner)], is_paid)
    access = AccountAccess.constrain(air, item.clock + READING_STEP, number, item.is_live)
    access.write(air, access.identity, access.floor, access.cash)
    is_owned = Ownership.constrain(air, access, owner).is_owned
    free = Limbs.constrain(air, "free", 4, item.is_live)
    for i, limb in enumerate(free.columns):
        air.assert_zero(f"nothing is paid to another, limb {i}", (1 - is_owned) * limb)
    paid = [0 - limb for limb in free.columns]
    step: list[Operand] = [access.identity, *access.nonce, 0, *access.floor, *paid, 0, 0, 0]
    air.send(ACCOUNT_STEPS, [item.clock + ACCOUNT_STEP, access.account, *step, FORCED_MODE], when=is_owned)
    total = free.columns[0] + free.columns[1] + free.columns[2] + free.columns[3]
    has_free = IsZero.constrain(air, "free", total)
    air.assert_equal("a claim is made where something is free", is_paid, has_free.is_something)
    air.send(CLAIMS, [item.claims, *owner, *free.columns], when=is_paid)

    clock = item.clock + OWED_STEP
    later = Later.constrain(air, "owed", clock, item.is_live)
    owed = [air.column(f"owed {i}") for i in range(4)]
    after = Limbs.constrain(air, "owed after", 4, item.is_live)
    Carries.constrain(
        air,
        "what is paid is owed no more",
        [a - b - c for a, b, c in zip(owed, free.columns, after.columns, strict=True)],
        item.is_live,
    )
    air.receive(OWED, [later.old_time, *owed], when=item.is_live)
    air.send(OWED, [clock, *after.columns], when=item.is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a withdrawal."""

    places: Places
    items: Sequence[ForcedWithdrawal]
    contents: Sequence[Content]
    """The account before."""
    free: Sequence[int]
    """What was paid."""
    owed: Sequence[int]
    """What was owed before."""
    owed_times: NDArray[np.int64]


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items, clocks = rows.items, rows.places.clocks
    accounts = np.array([item.account for item in items], np.int64)
    read, _, exists = fill_access(accounts, clocks + READING_STEP, rows.contents)
    ownership, _ = fill_ownership(exists, [item.owner for item in items], rows.contents)
    free, owed = words_of_limbs(4, rows.free), words_of_limbs(4, rows.owed)
    has_free, is_paid = zero_columns("free", free.sum(axis=0))
    after = words_of_limbs(4, [before - paid for before, paid in zip(rows.owed, rows.free, strict=True)])
    return lay_out(
        constrain,
        {
            **rows.places.columns(),
            **numbered("account", words_of_limbs(2, accounts.tolist())),
            **numbered("owner", words_of_limbs(OWNER_LIMBS, [item.owner for item in items])),
            **read,
            **ownership,
            "is paid": is_paid,
            **numbered("free limb", free),
            **has_free,
            **later_columns("owed", rows.owed_times, clocks + OWED_STEP),
            **numbered("owed", owed),
            **numbered("owed after limb", after),
            **carry_columns("what is paid is owed no more", owed - free - after),
        },
        log_height,
    )
