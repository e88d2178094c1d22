"""Parameter changes: the governor sets fee rates and treasury.

    body      maker rate | taker rate | treasury (2)
    effect    the parameters, if the treasury is an account

Twin: `rollup.transactions.set_parameters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_access import AccountAccess, Content, fill_access
from circuits.buses import ACCOUNT_STEP, OWED_STEP, PARAMETERS, SIXTEEN_BITS
from circuits.gadgets.later import Later
from circuits.named_columns import later_columns, lay_out, numbered
from circuits.queue_item import Places, constrain_item, high_first, words_of_limbs
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from rollup.state import Parameters
from rollup.transactions import TAGS, SetParameters

NAME: Final = "parameter changes"


def constrain(air: AirBuilder) -> None:
    """State what every change of parameters did.

    Soundness: a treasury that is no account would let fees vanish, and cash would no longer add up to what is owed.
    """
    rates = air.columns("maker rate", "taker rate")
    treasury = air.columns("treasury 0", "treasury 1")
    item = constrain_item(air, TAGS[SetParameters], [*rates, *high_first(treasury)])
    access = AccountAccess.constrain(air, item.clock + ACCOUNT_STEP, treasury, item.is_live)
    access.write(air, access.identity, access.floor, access.cash)
    clock = item.clock + OWED_STEP
    later = Later.constrain(air, "parameters", clock, item.is_live)
    version = air.columns("version 0", "version 1")
    old_rates, old_treasury = air.columns("old maker rate", "old taker rate"), air.column("old treasury")
    carry = air.column("version carry")
    air.assert_boolean("the version's limbs carry or not", carry)
    is_set = access.exists
    low, high = version[0] + is_set - carry * (1 << 16), version[1] + carry
    for limb in (low, high):
        air.send(SIXTEEN_BITS, [limb], when=item.is_live)
    after = [old + is_set * (new - old) for old, new in zip(old_rates, rates, strict=True)]
    treasury_after = old_treasury + is_set * (access.account - old_treasury)
    air.receive(PARAMETERS, [later.old_time, *version, *old_rates, old_treasury], when=item.is_live)
    air.send(PARAMETERS, [clock, low, high, *after, treasury_after], when=item.is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a change."""

    places: Places
    items: Sequence[SetParameters]
    contents: Sequence[Content]
    """The treasury's account."""
    before: Sequence[Parameters]
    times: NDArray[np.int64]
    """When the parameters were last set."""


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items, before = rows.items, rows.before
    treasuries = np.array([item.treasury for item in items], np.int64)
    read, _, exists = fill_access(treasuries, rows.places.clocks + ACCOUNT_STEP, rows.contents)
    versions = words_of_limbs(2, [one.version for one in before])
    return lay_out(
        constrain,
        {
            **rows.places.columns(),
            "maker rate": np.array([item.maker_fee_rate for item in items], np.int64),
            "taker rate": np.array([item.taker_fee_rate for item in items], np.int64),
            **numbered("treasury", words_of_limbs(2, treasuries.tolist())),
            **read,
            **later_columns("parameters", rows.times, rows.places.clocks + OWED_STEP),
            # The account's own version, of its positions, is another column.
            "version 0": versions[0],
            "version 1": versions[1],
            "old maker rate": np.array([one.maker_fee_rate for one in before], np.int64),
            "old taker rate": np.array([one.taker_fee_rate for one in before], np.int64),
            "old treasury": np.array([one.treasury for one in before], np.int64),
            "version carry": ((versions[0] + exists) >> 16),
        },
        log_height,
    )
