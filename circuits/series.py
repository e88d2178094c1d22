"""The series of every touched group, sorted by group and option: what positions and trades may name.

    rank   group   option = strike * 2 + kind   index in the group's list   value of the strike
    1      3       ...
    2      3       larger
    3      7       ...

Sorted strictly, so no series is there twice; all of them, because every entry of every list is taken here once.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from circuits.buses import GROUP_STATICS, SERIES_LISTS, SERIES_PLACES, SERIES_TERMS, SIXTEEN_BITS
from circuits.gadgets.byte_limbs import Bytes
from circuits.leaf_hash import limbs_of_numbers
from circuits.named_columns import lay_out, numbered
from circuits.tick_values import TICK_BYTES, VALUE_BYTES, TickValue, byte_columns
from circuits.touched_groups import TouchedGroups, numbers_of, options_of
from prover.air.builder import AirBuilder
from prover.field.koalabear import PRIME, Montgomery
from rollup.instruments import Group

NAME: Final = "series"

OTHER_TERMS: Final = (
    "underlying",
    *(f"expiry {i}" for i in range(3)),
    *(f"cap {i}" for i in range(2)),
    *(f"tick {i}" for i in range(2)),
    *(f"lot {i}" for i in range(2)),
)
"""Terms of the group that only complete the message."""

GAP_HIGH_SCALE: Final = 1 << 7
"""The upper part of a gap times this is looked up, so that a gap lies below 2^25, as options do."""

MAX_LOG_HEIGHT: Final = 15
"""Ranks lie below 2^16."""


def constrain(air: AirBuilder) -> None:
    """Take every entry of every list, sort them, and provide their terms.

    Assumes: groups lie below 2^16; the table has at most 2^15 rows.
    Guarantees: what is provided is listed by its group at the end of the batch; ranks lie in [1, 2^16) and rise
    strictly with group and option; the value is the strike times the group's tick value.
    """
    is_live, group, option, index, is_put, rank = air.columns(
        "is live", "group", "option", "index", "is put", "rank"
    )
    strike = Bytes.constrain(air, "strike", TICK_BYTES, is_live)
    tick_value = Bytes.constrain(air, "tick value", VALUE_BYTES, is_live)
    others = air.columns(*OTHER_TERMS)
    follows, same_group, gap_low, gap_high = air.columns("follows", "same group", "gap low", "gap high")
    terms_count, places_count = air.columns("count of terms", "count of places")

    air.receive(SERIES_LISTS, [group, index, option], when=is_live)
    air.assert_boolean("an option is a put or a call", is_put)
    air.assert_equal("an option is its strike and its kind", option, strike.element * 2 + is_put)
    air.send(GROUP_STATICS, [group, *others, *tick_value.limbs], when=is_live)
    value = TickValue.constrain(air, "value", strike, tick_value, is_live)

    air.on_first_row.assert_equal("ranks begin with one", rank, 1)
    air.on_transition.assert_equal("ranks rise by one", rank.next, rank + 1)
    # Soundness: two rows of one series would have two ranks, and a position could stand in a list twice.
    air.on_transition.assert_equal("whether a series follows is said", follows, is_live.next)
    air.on_transition.assert_zero("no series follows a dead row", is_live.next * (1 - is_live))
    air.assert_boolean("the next series is of the same group or not", same_group)
    air.on_transition.assert_zero("the same group is the same", same_group * (group.next - group))
    air.on_transition.assert_equal(
        "the next series is of a later group, or of a larger option of the same",
        same_group * (option.next - option) + (1 - same_group) * (group.next - group),
        gap_low + gap_high * (1 << 16) + follows,
    )
    air.on_last_row.assert_zero("nothing follows the last row", follows)
    for part in (gap_low, gap_high * GAP_HIGH_SCALE):
        air.send(SIXTEEN_BITS, [part], when=follows)

    for name, count in (("terms", terms_count), ("place", places_count)):
        air.assert_zero(f"a dead row provides no {name}", count * (1 - is_live))
    air.provide(SERIES_TERMS, [group, option, is_put, rank, *value.columns], terms_count)
    air.provide(SERIES_PLACES, [group, index, option], places_count)


def rows_of(groups: TouchedGroups) -> int:
    """How many rows the series take."""
    return sum(len(options_of(group)) for group in groups.after)


def fill(groups: TouchedGroups, log_height: int) -> Montgomery:
    """The trace."""
    if log_height > MAX_LOG_HEIGHT:
        raise ValueError(f"a table of series has at most 2^{MAX_LOG_HEIGHT} rows, not 2^{log_height}")
    height = 1 << log_height
    entries = sorted(
        (number, option, index, place)
        for place, (number, after) in enumerate(zip(groups.numbers.tolist(), groups.after, strict=True))
        for index, option in enumerate(options_of(after))
    )
    if len(entries) > height:
        raise ValueError(f"{len(entries)} series do not fit a table of {height}")
    group, option, index, place = np.array(entries, np.int64).reshape(-1, 4).T
    owners: list[Group | None] = [groups.after[i] for i in place]
    strikes, tick_values = option >> 1, numbers_of(owners, "tick_value")
    next_group, next_option = np.append(group[1:], 0), np.append(option[1:], 0)
    follows = (np.arange(len(entries)) + 1 < len(entries)).astype(np.int64)
    same_group = follows * (next_group == group)
    gaps = np.where(same_group == 1, next_option - option, next_group - group) - follows
    columns = {
        "is live": np.ones(len(entries), np.int64),
        "group": group,
        "option": option,
        "index": index,
        "is put": option & 1,
        "rank": np.arange(1, height + 1),
        **byte_columns("strike", strikes, TICK_BYTES),
        **byte_columns("tick value", tick_values, VALUE_BYTES),
        "underlying": numbers_of(owners, "underlying"),
        **numbered("expiry", limbs_of_numbers(numbers_of(owners, "expiry"), 3)),
        **numbered("cap", limbs_of_numbers(numbers_of(owners, "cap"), 2)),
        **numbered("tick", limbs_of_numbers(numbers_of(owners, "tick_micro_dollars"), 2)),
        **numbered("lot", limbs_of_numbers(numbers_of(owners, "lot_micro_units"), 2)),
        **TickValue.fill("value", strikes, tick_values),
        "follows": follows,
        "same group": same_group,
        # Below the last series the gap means nothing and is not looked up.
        "gap low": np.where(follows == 1, gaps & 0xFFFF, gaps % PRIME),
        "gap high": np.where(follows == 1, gaps >> 16, 0),
    }
    return lay_out(constrain, columns, log_height)
