"""Readings of groups in the middle of the queue: what a forced withdrawal finds, before or after a price is fixed.

clock          the group's memory is read and left as it is
clock + 1      the account's step, whose walks name the terms by this clock: the stamp
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNT_STEP, GROUP_STATICS, GROUP_TERMS, GROUPS, READING_STEP, SIXTEEN_BITS
from circuits.gadgets.later import CLOCK_BITS, Later
from circuits.groups import CONTENT, TermColumns, content_columns
from circuits.named_columns import later_columns, lay_out
from circuits.tick_values import EndValue
from circuits.touched_groups import numbers_of
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from rollup.instruments import Group

NAME: Final = "group readings"

CLOCK_HIGH_SCALE: Final = 1 << 32 - CLOCK_BITS
"""The upper limb of a clock times this is looked up too, so that the clock lies below 2^29."""

LISTED: Final = 1
"""Positions are held in listed groups only."""


def constrain(air: AirBuilder) -> None:
    """Read a listed group and provide its terms as they are at the clock of the account's step.

    Assumes: what memory holds was checked by who wrote it; a price is at most the cap.
    Guarantees: the terms under a stamp are those between the queue item's reading and its account step; the stamp is
    in [1, 2^29].
    """
    is_live, group, low, high = air.columns("is live", "group", "clock low", "clock high")
    content = air.columns(*CONTENT)
    count = air.column("count of terms")
    # Soundness: nobody else bounds this clock, and a clock beyond 2^29 could be called earlier than what came before.
    for part in (low, high, high * CLOCK_HIGH_SCALE):
        air.send(SIXTEEN_BITS, [part], when=is_live)
    clock = low + high * (1 << 16)
    later = Later.constrain(air, "group", clock, is_live)
    air.receive(GROUPS, [group, later.old_time, LISTED, *content], when=is_live)
    air.send(GROUPS, [group, clock, LISTED, *content], when=is_live)
    terms = TermColumns.constrain(air, is_live)
    air.send(GROUP_STATICS, [group, *terms.elements], when=is_live)
    is_open = terms.is_open(air, is_live)
    is_fixed, price = content[0], content[1:3]
    end_value = EndValue.constrain(air, is_fixed, price, terms.cap, terms.tick_value, is_live)
    air.assert_zero("a dead row provides no terms", count * (1 - is_live))
    stamp = clock + (ACCOUNT_STEP - READING_STEP)
    air.provide(GROUP_TERMS, [group, stamp, is_open, is_fixed, *end_value.columns], count)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a reading."""

    clocks: NDArray[np.int64]
    old_times: NDArray[np.int64]
    groups: Sequence[Group]
    """As they are read."""


def fill(rows: Rows, now: int, log_height: int) -> Montgomery:
    """The trace, in a batch of this time."""
    columns = {
        "is live": np.ones(len(rows.clocks), np.int64),
        "group": numbers_of(rows.groups, "group"),
        "clock low": rows.clocks & 0xFFFF,
        "clock high": rows.clocks >> 16,
        **content_columns("", rows.groups),
        **later_columns("group", rows.old_times, rows.clocks),
        **TermColumns.fill(rows.groups, now),
    }
    prices = numbers_of(rows.groups, "settlement_price")
    caps, tick_values = numbers_of(rows.groups, "cap"), numbers_of(rows.groups, "tick_value")
    columns |= EndValue.fill(columns["is fixed"], prices, caps, tick_values)
    return lay_out(constrain, columns, log_height)
