"""Cancellations: an account raises the floor of its order numbers, on its own signature.

published      4 words: account, floor
effect         floor raised, nonce + 1

Cash and positions stay, so no margin is asked, and the row writes the account itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNT_STEP, ACCOUNTS, SIXTEEN_BITS, TWO_BYTES
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import LIMB_BITS
from circuits.gadgets.pieces import Pieces
from circuits.record import CURSOR, constrain_record
from circuits.signed_message import SIGNER, constrain_signer, fill_signer
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode
from rollup.transactions import TAGS, CancelOrders, CancelOrdersRecord

NAME: Final = "cancellations"

ACCOUNT: Final = (
    *("account low", "account high", "nonce low", "nonce high", "floor low", "floor high"),
    *("old floor low", "old floor high"),
)
KEPT: Final = (*(f"cash limb {i}" for i in range(4)), "version", "position count")
"""What a cancellation leaves as it is."""

WITNESS: Final = ("floor borrow", "nonce carry", "next nonce low", "next nonce high")

NUMBERS: Final = (*ACCOUNT, *KEPT, *WITNESS)

TIME_COLUMNS: Final = 3
"""Columns of `Later`."""

COLUMNS: Final = 1 + len(NUMBERS) + len(SIGNER) + len(CURSOR) + TIME_COLUMNS

LIMB: Final = 1 << LIMB_BITS


def constrain(air: AirBuilder) -> None:
    """State that the account signed the cancellation that is published, and raise its floor.

    Assumes: clocks lie below 2^29; the data bound words; accounts hold nonce and floor in 16-bit limbs; an identity
    that has a key belongs to an account.
    Guarantees: the account existed, its floor rises to the published one and its nonce by one; both stay in limbs.
    """
    is_live = air.column("is live")
    account_low, account_high, *rest = air.columns(*ACCOUNT)
    nonce, floor, old_floor = rest[:2], rest[2:4], rest[4:]
    kept = air.columns(*KEPT)
    floor_borrow, nonce_carry, *next_nonce = air.columns(*WITNESS)
    account = Pieces.of_limbs([account_low, account_high], 24)
    for limb in next_nonce:
        air.send(SIXTEEN_BITS, [limb], when=is_live)
    # Soundness: the byte shares its word with the tag; the other limbs are words of their own, or the account's.
    air.send(TWO_BYTES, [account_high, 0], when=is_live)

    fields = {
        "account": account,
        "order_floor": Pieces.of_limbs(floor, 32),
        "nonce": Pieces.of_limbs(nonce, 32),
    }
    identity = constrain_signer(air, is_live, CancelOrders, TAGS[CancelOrders], account, fields)
    cursor = constrain_record(air, is_live, CancelOrdersRecord, fields)

    # Soundness: a floor that falls would bring cancelled orders back.
    air.assert_boolean("the rise of the floor borrows or not", floor_borrow)
    air.send(SIXTEEN_BITS, [floor[0] - old_floor[0] - 1 + floor_borrow * LIMB], when=is_live)
    air.send(SIXTEEN_BITS, [floor[1] - old_floor[1] - floor_borrow], when=is_live)
    # Soundness: a nonce that stays, or starts again after the last, could be used twice.
    air.assert_boolean("the nonce carries or not", nonce_carry)
    air.assert_zero(
        "the nonce rises by one, low limb", nonce[0] + is_live - nonce_carry * LIMB - next_nonce[0]
    )
    air.assert_zero("the nonce rises by one, high limb", nonce[1] + nonce_carry - next_nonce[1])

    clock = cursor.clock + ACCOUNT_STEP
    earlier = Later.constrain(air, "account", clock, is_live)
    air.receive(
        ACCOUNTS,
        [account.element, earlier.old_time, identity, *nonce, *old_floor, *kept],
        when=is_live,
    )
    air.send(ACCOUNTS, [account.element, clock, identity, *next_nonce, *floor, *kept], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a cancellation."""

    clock: NDArray[np.int64]
    offset: NDArray[np.int64]
    claims: NDArray[np.int64]
    calls: NDArray[np.int64]
    key_numbers: NDArray[np.int64]
    key_ends: Montgomery
    """(4, n): y3 to y6 of each key."""
    identities: NDArray[np.int64]
    account: NDArray[np.int64]
    order_floor: NDArray[np.int64]
    nonce: NDArray[np.int64]
    old_time: NDArray[np.int64]
    """When the account was last written."""
    old_floor: NDArray[np.int64]
    cash: NDArray[np.int64]
    version: NDArray[np.int64]
    position_count: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many cancellations."""
        return len(self.clock)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""

    def limbs(values: NDArray[np.int64], count: int = 2) -> list[NDArray[np.int64]]:
        return [values >> LIMB_BITS * i & LIMB - 1 for i in range(count)]

    nonce, floor, old_floor = limbs(rows.nonce), limbs(rows.order_floor), limbs(rows.old_floor)
    nonce_carry = (nonce[0] == LIMB - 1).astype(np.int64)
    columns = [
        np.ones(rows.count, np.int64),
        *(*limbs(rows.account), *nonce, *floor, *old_floor),
        *(*limbs(rows.cash, 4), rows.version, rows.position_count),
        (floor[0] < old_floor[0] + 1).astype(np.int64),
        nonce_carry,
        *(nonce[0] + 1 - nonce_carry * LIMB, nonce[1] + nonce_carry),
    ]
    behind = [rows.clock, rows.offset, rows.claims, *Later.fill(rows.old_time, rows.clock + ACCOUNT_STEP)]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[: len(columns), : rows.count] = encode(np.stack(columns))
    signer = fill_signer(rows.calls, rows.key_numbers, rows.key_ends, rows.identities)
    trace[len(columns) : -len(behind), : rows.count] = signer
    trace[-len(behind) :, : rows.count] = encode(np.stack(behind))
    return trace
