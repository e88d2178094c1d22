"""Withdrawals: an account turns cash into a claim of its owner, on its own signature.

published      6 words: account, amount; the claim at the end of the data
effects        account - amount, nonce + 1        owed - amount        claim of (owner, amount)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_step import AccountStep
from circuits.buses import (
    ACCOUNT_STEP,
    CLAIMS,
    IDENTITY_OWNERS,
    OWED,
    OWED_STEP,
    SIXTEEN_BITS,
    TWO_BYTES,
)
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import LIMB_BITS
from circuits.gadgets.pieces import Pieces
from circuits.gadgets.zero import inverses
from circuits.record import CURSOR, constrain_record
from circuits.signed_message import SIGNER, constrain_signer, fill_signer
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode
from rollup.transactions import TAGS, Withdrawal, WithdrawalRecord

NAME: Final = "withdrawals"

ACCOUNT: Final = ("account low", "account high", "nonce low", "nonce high", "floor low", "floor high")
AMOUNT: Final = tuple(f"amount limb {i}" for i in range(4))
OWED_BEFORE: Final = tuple(f"owed before, limb {i}" for i in range(4))
OWED_AFTER: Final = tuple(f"owed after, limb {i}" for i in range(4))
BORROWS: Final = tuple(f"owed borrow {i}" for i in range(3))
OWNER: Final = tuple(f"owner limb {i}" for i in range(10))

NUMBERS: Final = (*ACCOUNT, *AMOUNT, *OWED_BEFORE, *OWED_AFTER, *BORROWS, *OWNER)

TIME_COLUMNS: Final = 3
"""Columns of `Later`."""

COLUMNS: Final = 1 + len(NUMBERS) + 1 + len(SIGNER) + len(CURSOR) + TIME_COLUMNS


def constrain(air: AirBuilder) -> None:
    """State that the account signed the withdrawal that is published, and make the claim.

    Assumes: clocks lie below 2^29; the data bound words; the holder takes the account's own identity, nonce and floor
    only, which are in limbs, uses the nonce up and meets the margin; owners and what is owed are in 16-bit limbs.
    Guarantees: each message it sends belongs to one withdrawal of the data, at its clock; what is owed stays in limbs.
    """
    is_live = air.column("is live")
    account_low, account_high, *nonce_and_floor = air.columns(*ACCOUNT)
    nonce, floor = nonce_and_floor[:2], nonce_and_floor[2:]
    amount, before, after = air.columns(*AMOUNT), air.columns(*OWED_BEFORE), air.columns(*OWED_AFTER)
    borrows, owner = air.columns(*BORROWS), air.columns(*OWNER)
    inverse = air.column("inverse of the amount")
    account = Pieces.of_limbs([account_low, account_high], 24)
    # Soundness: the byte shares its word with the tag; the other limbs are words of their own.
    air.send(TWO_BYTES, [account_high, 0], when=is_live)

    fields = {
        "account": account,
        "amount": Pieces.of_limbs(amount, 64),
        "nonce": Pieces.of_limbs(nonce, 32),
    }
    identity = constrain_signer(air, is_live, Withdrawal, TAGS[Withdrawal], account, fields)
    own_claims = 1
    cursor = constrain_record(air, is_live, WithdrawalRecord, fields, own_claims)

    # Soundness: the limbs are not negative and few, so their sum is zero only if each of them is.
    air.assert_zero("some cash is withdrawn", sum(amount[1:], amount[0]) * inverse - is_live)
    paid = [limb * -1 for limb in amount]
    AccountStep(
        cursor.clock + ACCOUNT_STEP, account.element, identity, nonce, floor, uses_nonce=True, change=paid
    ).send(air, is_live)
    # Soundness: the claim is the owner's; without the identity the sequencer could name anybody.
    air.send(IDENTITY_OWNERS, [identity, account.element, *owner], when=is_live)
    air.send(CLAIMS, [cursor.claims, *owner, *amount], when=is_live)

    earlier = Later.constrain(air, "owed", cursor.clock + OWED_STEP, is_live)
    air.receive(OWED, [earlier.old_time, *before], when=is_live)
    air.send(OWED, [cursor.clock + OWED_STEP, *after], when=is_live)
    for i, borrow in enumerate(borrows):
        air.assert_boolean(f"limb {i} of what is owed borrows or not", borrow)
    for i in range(len(after)):
        # Soundness: the highest limb borrows from nothing, so no more is claimed than is owed.
        air.send(SIXTEEN_BITS, [after[i]], when=is_live)
        lent = borrows[i] * (1 << LIMB_BITS) if i < len(borrows) else 0
        taken = borrows[i - 1] if i else 0
        air.assert_zero(
            f"what is owed falls by the amount, limb {i}", before[i] - amount[i] - taken + lent - after[i]
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a withdrawal."""

    clock: NDArray[np.int64]
    offset: NDArray[np.int64]
    claims: NDArray[np.int64]
    calls: NDArray[np.int64]
    key_numbers: NDArray[np.int64]
    key_ends: Montgomery
    """(4, n): y3 to y6 of each key."""
    identities: NDArray[np.int64]
    account: NDArray[np.int64]
    amount: NDArray[np.int64]
    nonce: NDArray[np.int64]
    floor: NDArray[np.int64]
    owner: NDArray[np.int64]
    """(10, n): limbs, lowest first."""
    old_time: NDArray[np.int64]
    """When what is owed was last written."""
    owed_before: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many withdrawals."""
        return len(self.clock)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    mask = (1 << LIMB_BITS) - 1

    def limbs(values: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
        return [values >> LIMB_BITS * i & mask for i in range(count)]

    before, amount = limbs(rows.owed_before, 4), limbs(rows.amount, 4)
    borrows: list[NDArray[np.int64]] = []
    taken = np.zeros(rows.count, np.int64)
    for i in range(len(BORROWS)):
        taken = (before[i] < amount[i] + taken).astype(np.int64)
        borrows.append(taken)
    columns = [
        np.ones(rows.count, np.int64),
        *(*limbs(rows.account, 2), *limbs(rows.nonce, 2), *limbs(rows.floor, 2)),
        *(*amount, *before, *limbs(rows.owed_before - rows.amount, 4), *borrows, *rows.owner),
        inverses(sum(amount[1:], amount[0])),
    ]
    behind = [rows.clock, rows.offset, rows.claims, *Later.fill(rows.old_time, rows.clock + OWED_STEP)]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[: len(columns), : rows.count] = encode(np.stack(columns))
    signer = fill_signer(rows.calls, rows.key_numbers, rows.key_ends, rows.identities)
    trace[len(columns) : -len(behind), : rows.count] = signer
    trace[-len(behind) :, : rows.count] = encode(np.stack(behind))
    return trace
