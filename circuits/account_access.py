"""An account as a queue item finds it: whether there is one at all, what it holds, whose it is.

The number in an item can be anything; one that no account can have is looked up nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNTS, IDENTITY_OWNERS
from circuits.gadgets.later import Later
from circuits.gadgets.same import Same
from circuits.gadgets.zero import IsZero
from circuits.named_columns import Columns, numbered
from circuits.queue_item import constrain_byte_sized, fill_byte_sized, words_of_limbs
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

OWNER_LIMBS = 10


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """Columns of one access; every one is zero where no account can be."""

    account: Expression
    clock: Operand
    is_made: Expression
    """Whether the number is one that an account can have."""
    old_time: Expression
    identity: Expression
    nonce: tuple[Expression, ...]
    floor: tuple[Expression, ...]
    cash: tuple[Expression, ...]
    version: Expression
    count: Expression
    exists: Expression

    @classmethod
    def constrain(
        cls, air: AirBuilder, clock: Operand, limbs: Sequence[Expression], is_live: Expression
    ) -> AccountAccess:
        """Read the account; the table writes it by `write`.

        Assumes: both limbs lie in [0, 2^16) on live rows.
        Guarantees: `is_made` is one exactly on live rows whose number is below 2^24; then what is read is the account's
        content just before the clock, and `exists` says whether there is one.
        """
        fits = constrain_byte_sized(air, "account", limbs[1], is_live)
        is_made = air.column("account is read")
        air.assert_equal("an account is read where its number fits", is_made, fits * is_live)
        account = limbs[0] + limbs[1] * (1 << 16)
        later = Later.constrain(air, "account", clock, is_made)
        identity = air.column("identity")
        nonce = air.columns("nonce 0", "nonce 1")
        floor = air.columns("floor 0", "floor 1")
        cash = air.columns(*(f"cash {i}" for i in range(4)))
        version, count = air.columns("version", "count")
        content = [identity, *nonce, *floor, *cash, version, count]
        air.receive(ACCOUNTS, [account, later.old_time, *content], when=is_made)
        found = IsZero.constrain(air, "identity", identity)
        # Soundness: where nothing is read nothing may seem to be there.
        air.assert_zero("no account is found where none is read", (1 - is_made) * identity)
        return cls(
            account,
            clock,
            is_made,
            later.old_time,
            identity,
            nonce,
            floor,
            cash,
            version,
            count,
            found.is_something,
        )

    def write(
        self,
        air: AirBuilder,
        identity: Operand,
        floor: Sequence[Operand],
        cash: Sequence[Operand],
    ) -> None:
        """Leave this in place of what was read; nonce and positions stay."""
        content = [identity, *self.nonce, *floor, *cash, self.version, self.count]
        air.send(ACCOUNTS, [self.account, self.clock, *content], when=self.is_made)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whether the account is the owner's who is named."""

    is_owned: Expression

    @classmethod
    def constrain(cls, air: AirBuilder, access: AccountAccess, owner: Sequence[Expression]) -> Ownership:
        """Compare the owners of accounts that exist.

        Guarantees: `is_owned` is one exactly where the account exists and the owner is the one named.
        """
        stored = [air.column(f"stored owner {i}") for i in range(OWNER_LIMBS)]
        air.send(IDENTITY_OWNERS, [access.identity, access.account, *stored], when=access.exists)
        same = Same.constrain(air, "owner", owner, stored, access.exists)
        is_owned = air.column("is owned")
        air.assert_equal(
            "an account is owned that exists and has this owner", is_owned, same.is_same * access.exists
        )
        return cls(is_owned)


class Content(NamedTuple):
    """An account's content before an access, as the events give it."""

    old_time: int
    identity: int
    nonce: int
    floor: int
    cash: int
    version: int
    held: int
    """How many positions."""
    owner: int


ABSENT = Content(0, 0, 0, 0, 0, 0, 0, 0)
"""Where there is no account; the old time is still the true one."""


def fill_access(
    accounts: NDArray[np.int64], clocks: NDArray[np.int64], contents: Sequence[Content]
) -> tuple[Columns, NDArray[np.int64], NDArray[np.int64]]:
    """The columns of `AccountAccess`, and whether each is made and exists."""
    columns, fits = fill_byte_sized("account", accounts >> 16)
    made = [content if fit else ABSENT for content, fit in zip(contents, fits, strict=True)]
    times = np.array([content.old_time for content in made], np.int64)
    identities = np.array([content.identity for content in made], np.int64)
    later = Later.fill(times, np.where(fits == 1, clocks, times + 1))
    exists, inverse = IsZero.fill(identities)
    columns |= {
        "account is read": fits,
        **dict(zip(("account old time", "account gap low", "account gap high"), later, strict=True)),
        "identity": identities,
        **numbered("nonce", words_of_limbs(2, [content.nonce for content in made])),
        **numbered("floor", words_of_limbs(2, [content.floor for content in made])),
        **numbered("cash", words_of_limbs(4, [content.cash for content in made])),
        "version": np.array([content.version for content in made], np.int64),
        "count": np.array([content.held for content in made], np.int64),
        "identity is something": exists,
        "identity inverse": inverse,
    }
    return columns, fits, exists


def fill_ownership(
    exists: NDArray[np.int64], owners: Sequence[int], contents: Sequence[Content]
) -> tuple[Columns, NDArray[np.int64]]:
    """The columns of `Ownership`, and its answer."""
    named = words_of_limbs(OWNER_LIMBS, owners)
    stored = words_of_limbs(OWNER_LIMBS, [content.owner for content in contents]) * exists
    columns = Same.fill("owner", named, stored)
    is_owned = columns["owner is same"] * exists
    return columns | numbered("stored owner", stored) | {"is owned": is_owned}, is_owned
