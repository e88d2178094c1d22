"""Transfers: cash moves from one account to another, on the sender's signature.

published      8 words: sender, receiver, amount
effects        sender - amount, nonce + 1        receiver + amount
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_step import AccountStep
from circuits.buses import (
    ACCOUNT_STEP,
    CREDIT_STEP,
    CREDITS,
    TWO_BYTES,
)
from circuits.gadgets.byte_limbs import Bytes
from circuits.gadgets.limbs import LIMB_BITS
from circuits.gadgets.pieces import Pieces
from circuits.gadgets.zero import inverses
from circuits.record import CURSOR, constrain_record
from circuits.signed_message import SIGNER, constrain_signer, fill_signer
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode
from rollup.transactions import TAGS, Transfer, TransferRecord

NAME: Final = "transfers"

SENDER: Final = ("sender low", "sender high", "nonce low", "nonce high", "floor low", "floor high")

RECEIVER_BYTES, AMOUNT_BYTES = 3, 8

COLUMNS: Final = 1 + len(SENDER) + RECEIVER_BYTES + AMOUNT_BYTES + 1 + len(SIGNER) + len(CURSOR)


def constrain(air: AirBuilder) -> None:
    """State that the sender signed the transfer that is published, and pass it on to both accounts.

    Assumes: clocks lie below 2^29; the data bound words; the holder takes the sender's own identity, nonce and floor
    only, which are in limbs, uses the nonce up and meets the margin; the credit is taken by an account that exists.
    Guarantees: each message it sends belongs to one transfer of the data, at its clock.
    """
    is_live = air.column("is live")
    sender_low, sender_high, *nonce_and_floor = air.columns(*SENDER)
    nonce, floor = nonce_and_floor[:2], nonce_and_floor[2:]
    receiver_bytes = Bytes.constrain(air, "receiver", RECEIVER_BYTES, is_live)
    amount_bytes = Bytes.constrain(air, "amount", AMOUNT_BYTES, is_live)
    inverse = air.column("inverse of difference and amount")
    sender = Pieces.of_limbs([sender_low, sender_high], 24)
    receiver, amount = Pieces.of_bytes(receiver_bytes), Pieces.of_bytes(amount_bytes)
    # Soundness: the byte shares its word with the tag.
    air.send(TWO_BYTES, [sender_high, 0], when=is_live)

    fields = {
        "sender": sender,
        "receiver": receiver,
        "amount": amount,
        "nonce": Pieces.of_limbs(nonce, 32),
    }
    identity = constrain_signer(air, is_live, Transfer, TAGS[Transfer], sender, fields)
    cursor = constrain_record(air, is_live, TransferRecord, fields)

    # Soundness: a transfer to oneself or of nothing would use a nonce up and move nothing, which the rules refuse.
    # The bytes are not negative and few, so their sum is zero only if each of them is.
    difference, total = (
        sender.element - receiver.element,
        sum(amount_bytes.columns[1:], amount_bytes.columns[0]),
    )
    air.assert_zero(
        "sender and receiver are two accounts and some cash moves", difference * total * inverse - is_live
    )
    paid = [limb * -1 for limb in amount.limbs]
    AccountStep(
        cursor.clock + ACCOUNT_STEP, sender.element, identity, nonce, floor, uses_nonce=True, change=paid
    ).send(air, is_live)
    air.send(CREDITS, [cursor.clock + CREDIT_STEP, receiver.element, *amount.limbs], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a transfer."""

    clock: NDArray[np.int64]
    offset: NDArray[np.int64]
    claims: NDArray[np.int64]
    calls: NDArray[np.int64]
    key_numbers: NDArray[np.int64]
    key_ends: Montgomery
    """(4, n): y3 to y6 of each key."""
    identities: NDArray[np.int64]
    sender: NDArray[np.int64]
    receiver: NDArray[np.int64]
    amount: NDArray[np.int64]
    nonce: NDArray[np.int64]
    floor: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many transfers."""
        return len(self.clock)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    mask = (1 << LIMB_BITS) - 1
    amount = np.stack([rows.amount >> 8 * i & 0xFF for i in range(AMOUNT_BYTES)])
    before = [
        np.ones(rows.count, np.int64),
        *(rows.sender & mask, rows.sender >> LIMB_BITS),
        *(rows.nonce & mask, rows.nonce >> LIMB_BITS, rows.floor & mask, rows.floor >> LIMB_BITS),
        *Bytes.fill(rows.receiver, RECEIVER_BYTES),
        *amount,
        inverses((rows.sender - rows.receiver) * amount.sum(axis=0)),
    ]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[: len(before), : rows.count] = encode(np.stack(before))
    signer = fill_signer(rows.calls, rows.key_numbers, rows.key_ends, rows.identities)
    trace[len(before) : -len(CURSOR), : rows.count] = signer
    trace[-len(CURSOR) :, : rows.count] = encode(np.stack([rows.clock, rows.offset, rows.claims]))
    return trace
