"""Deposits: an item credits its account, creates it if it is new, or becomes a claim of its payer.

    body      account (2) | owner (10) | payer (10) | amount (4)
    credited  the account's number fits and is not zero, the amount is not zero, the account is new or the owner's,
              and no more is owed afterwards than the vault's cap
    else      nothing changes, and an amount that is not zero is claimed

Twin: `rollup.transactions.deposit`.
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
from circuits.buses import ACCOUNT_STEP, CLAIMS, IDENTITIES, OWED, OWED_STEP
from circuits.gadgets.carries import Carries
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import Limbs
from circuits.gadgets.zero import IsZero
from circuits.named_columns import Columns, carry_columns, later_columns, lay_out, numbered, zero_columns
from circuits.queue_item import Places, constrain_all, constrain_item, fill_all, high_first, words_of_limbs
from prover.air.builder import AirBuilder
from prover.air.expression import lift
from prover.field.koalabear import Montgomery
from rollup.transactions import TAGS, Deposit
from rollup.units import VAULT_CAP, limbs_of

NAME: Final = "deposits"

_SUM_LIMBS: Final = 5
"""What is owed and a deposit of any size: 65 bits."""

_CAP: Final = (*limbs_of(VAULT_CAP, 64), 0)


def constrain(air: AirBuilder) -> None:
    """State what every deposit in the queue did.

    Guarantees: cash and what is owed grow by the same amount, or neither does and the payer has the claim.
    """
    number = air.columns("account 0", "account 1")
    owner = [air.column(f"owner {i}") for i in range(OWNER_LIMBS)]
    payer = [air.column(f"payer {i}") for i in range(OWNER_LIMBS)]
    amount = [air.column(f"amount {i}") for i in range(4)]
    is_refunded = air.column("is refunded")
    body = [*high_first(number), *high_first(owner), *high_first(payer), *high_first(amount)]
    item = constrain_item(air, TAGS[Deposit], body, is_refunded)
    clock = item.clock + ACCOUNT_STEP

    access = AccountAccess.constrain(air, clock, number, item.is_live)
    ownership = Ownership.constrain(air, access, owner)
    has_number = IsZero.constrain(air, "account", access.account)
    has_amount = IsZero.constrain(air, "amount", amount[0] + amount[1] + amount[2] + amount[3])
    later = Later.constrain(air, "owed", item.clock + OWED_STEP, item.is_live)
    owed = [air.column(f"owed {i}") for i in range(4)]
    has_room = air.column("has room")
    air.assert_boolean("there is room in the vault or not", has_room)
    slack = Limbs.constrain(air, "room", _SUM_LIMBS, item.is_live)
    total = [*(a + b for a, b in zip(amount, owed, strict=True)), lift(0)]
    # Soundness: the room is what the cap leaves, or what passes it less one: neither can be negative.
    Carries.constrain(
        air,
        "the vault has room exactly below its cap",
        [
            has_room * (_CAP[m] - total[m])
            + (item.is_live - has_room) * (total[m] - _CAP[m] - int(m == 0))
            - slack.columns[m]
            for m in range(_SUM_LIMBS)
        ],
        item.is_live,
    )
    is_credited = constrain_all(
        air,
        "a deposit is credited",
        [
            access.is_made * has_number.is_something,
            has_amount.is_something,
            1 - access.exists + ownership.is_owned,
            has_room,
        ],
    )
    # Soundness: a dead row claims nothing, although its amount is anything.
    air.assert_equal(
        "an amount that is not credited is claimed",
        is_refunded,
        has_amount.is_something * (item.is_live - is_credited),
    )
    air.send(CLAIMS, [item.claims, *payer, *amount], when=is_refunded)

    is_new = air.column("is new")
    air.assert_equal("an account is new that was not there", is_new, is_credited * (1 - access.exists))
    identity = air.column("identity after")
    air.assert_zero(
        "an account that is not new keeps its identity", (1 - is_new) * (identity - access.identity)
    )
    # Soundness: a new account must be the owner's who is named, without a key of anybody's choice.
    air.send(IDENTITIES, [identity, access.account, *owner, *[0] * 15], when=is_new)
    cash = Limbs.constrain(air, "cash after", 4, item.is_live)
    owed_after = Limbs.constrain(air, "owed after", 4, item.is_live)
    for name, before, after in (("cash", access.cash, cash), ("owed", owed, owed_after)):
        Carries.constrain(
            air,
            f"what is credited raises {name}",
            [a + is_credited * b - c for a, b, c in zip(before, amount, after.columns, strict=True)],
            item.is_live,
        )
    access.write(air, identity, access.floor, cash.columns)
    air.receive(OWED, [later.old_time, *owed], when=item.is_live)
    air.send(OWED, [item.clock + OWED_STEP, *owed_after.columns], when=item.is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a deposit."""

    places: Places
    items: Sequence[Deposit]
    contents: Sequence[Content]
    """The account before."""
    identities_after: NDArray[np.int64]
    owed: Sequence[int]
    """What was owed before."""
    owed_times: NDArray[np.int64]


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items = rows.items
    accounts = np.array([item.account for item in items], np.int64)
    amounts, owed = words_of_limbs(4, [item.amount for item in items]), words_of_limbs(4, rows.owed)
    clocks = rows.places.clocks
    read, is_made, exists = fill_access(accounts, clocks + ACCOUNT_STEP, rows.contents)
    ownership, is_owned = fill_ownership(exists, [item.owner for item in items], rows.contents)
    number_columns, has_number = zero_columns("account", accounts)
    amount_columns, has_amount = zero_columns("amount", amounts.sum(axis=0))
    sums = [item.amount + before for item, before in zip(items, rows.owed, strict=True)]
    has_room = np.array([total <= VAULT_CAP for total in sums], np.int64)
    slack = [VAULT_CAP - total if total <= VAULT_CAP else total - VAULT_CAP - 1 for total in sums]
    slack_limbs = words_of_limbs(_SUM_LIMBS, slack)
    total = np.concatenate([amounts + owed, np.zeros((1, len(items)), np.int64)])
    cap, one = np.array(_CAP, np.int64)[:, None], np.eye(_SUM_LIMBS, 1, dtype=np.int64)
    room_terms = has_room * (cap - total) + (1 - has_room) * (total - cap - one) - slack_limbs
    chain, is_credited = fill_all(
        "a deposit is credited", [is_made * has_number, has_amount, 1 - exists + is_owned, has_room]
    )
    cash = words_of_limbs(4, [content.cash for content in rows.contents]) * exists
    columns: Columns = {
        **rows.places.columns(),
        **numbered("account", words_of_limbs(2, accounts.tolist())),
        **numbered("owner", words_of_limbs(OWNER_LIMBS, [item.owner for item in items])),
        **numbered("payer", words_of_limbs(OWNER_LIMBS, [item.payer for item in items])),
        **numbered("amount", amounts),
        **read,
        **ownership,
        **number_columns,
        **amount_columns,
        **later_columns("owed", rows.owed_times, clocks + OWED_STEP),
        **numbered("owed", owed),
        "has room": has_room,
        **{f"room limb {m}": row for m, row in enumerate(slack_limbs)},
        **carry_columns("the vault has room exactly below its cap", room_terms),
        **chain,
        "is refunded": has_amount * (1 - is_credited),
        "is new": is_credited * (1 - exists),
        "identity after": rows.identities_after,
    }
    for name, before in (("cash", cash), ("owed", owed)):
        numbers = [
            sum(int(limb) << 16 * m for m, limb in enumerate(limbs))
            for limbs in (before + is_credited * amounts).T
        ]
        after = words_of_limbs(4, numbers)
        columns |= {f"{name} after limb {m}": row for m, row in enumerate(after)}
        columns |= carry_columns(f"what is credited raises {name}", before + is_credited * amounts - after)
    return lay_out(constrain, columns, log_height)
