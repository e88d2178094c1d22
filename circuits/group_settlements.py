"""Group settlements: anyone closes one account's positions in one fixed group.

published      3 words: account, group
effect         the account's step in the mode of settling: positions out, cash + payoff, pool - payoff
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_step import AccountStep
from circuits.buses import ACCOUNT_STEP, SETTLE_GROUP_MODE, TWO_BYTES
from circuits.gadgets.limbs import LIMB_BITS
from circuits.gadgets.pieces import Pieces
from circuits.record import CURSOR, constrain_record
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode
from rollup.transactions import SettleGroupRecord

NAME: Final = "group settlements"

NUMBERS: Final = (
    *("account low", "account high", "group", "identity"),
    *("nonce low", "nonce high", "floor low", "floor high"),
)

COLUMNS: Final = 1 + len(NUMBERS) + len(CURSOR)


def constrain(air: AirBuilder) -> None:
    """Ask the holder to settle what is published; nobody's word is needed, because the price decides everything.

    Assumes: clocks lie below 2^29; the data bound words; the holder takes the account's own identity, nonce and floor
    only, and its walk settles positions of that group, at least one, at a price that is fixed.
    Guarantees: each message it sends belongs to one settlement of the data, at its clock.
    """
    is_live = air.column("is live")
    account_low, account_high, group, identity, *nonce_and_floor = air.columns(*NUMBERS)
    nonce, floor = nonce_and_floor[:2], nonce_and_floor[2:]
    account = Pieces.of_limbs([account_low, account_high], 24)
    # Soundness: the byte shares its word with the tag.
    air.send(TWO_BYTES, [account_high, 0], when=is_live)
    fields = {"account": account, "group": Pieces.cut((group, 16))}
    cursor = constrain_record(air, is_live, SettleGroupRecord, fields)
    AccountStep(
        cursor.clock + ACCOUNT_STEP,
        account.element,
        identity,
        nonce,
        floor,
        uses_nonce=False,
        group=group,
        mode=SETTLE_GROUP_MODE,
    ).send(air, is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a settlement."""

    clock: NDArray[np.int64]
    offset: NDArray[np.int64]
    claims: NDArray[np.int64]
    account: NDArray[np.int64]
    group: NDArray[np.int64]
    identity: NDArray[np.int64]
    nonce: NDArray[np.int64]
    floor: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many settlements."""
        return len(self.clock)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""

    def limbs(values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [values & (1 << LIMB_BITS) - 1, values >> LIMB_BITS]

    columns = [
        np.ones(rows.count, np.int64),
        *(*limbs(rows.account), rows.group, rows.identity, *limbs(rows.nonce), *limbs(rows.floor)),
        *(rows.clock, rows.offset, rows.claims),
    ]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[:, : rows.count] = encode(np.stack(columns))
    return trace
