"""Series listings: the governor adds an option to a group.

    body      group | strike (2) | option
    effect    the series is the group's next, if the group is listed and open, the kind is known, the strike lies above
              zero and below the cap, the group does not list it yet and has room

Twin: `rollup.transactions.list_series`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import ACCOUNT_STEP, SERIES_PLACES, SIXTEEN_BITS
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from circuits.gadgets.zero import IsZero
from circuits.group_access import GroupAccess, GroupContent, ask_statics, fill_group_access, statics_columns
from circuits.named_columns import Columns, lay_out, less_columns, numbered, zero_columns
from circuits.queue_item import Places, constrain_all, constrain_item, fill_all, high_first, words_of_limbs
from circuits.statement import TIME
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from rollup.transactions import TAGS, ListSeries
from rollup.units import MAX_SERIES

NAME: Final = "series listings"


def constrain(air: AirBuilder) -> None:
    """State what every listing of a series did.

    Assumes: the table of series holds no series twice, so one that is listed already cannot be listed again.
    Soundness: a strike beyond the cap would be a kink that no margin walk sees.
    """
    group = air.column("group")
    strike, option = air.columns("strike 0", "strike 1"), air.column("option")
    item = constrain_item(air, TAGS[ListSeries], [group, *high_first(strike), option])
    access = GroupAccess.constrain(air, item.clock + ACCOUNT_STEP, group, item.is_live)
    terms = ask_statics(air, group, access.exists)
    now = Limbs(tuple(air.public(name) * item.is_live for name in TIME))
    expiry = Limbs(tuple(terms[f"expiry {i}"] for i in range(3)))
    is_open = LessThan.constrain(air, "now", now, expiry, item.is_live).is_less
    cap = Limbs((terms["cap 0"], terms["cap 1"]))
    is_below = LessThan.constrain(air, "the strike", Limbs(strike), cap, item.is_live).is_less
    has_strike = IsZero.constrain(air, "strike", strike[0] + strike[1])
    other_kind = IsZero.constrain(air, "option less one", option * (option - 1))
    room = IsZero.constrain(air, "places left", access.series - item.is_live * MAX_SERIES)
    is_listed = air.column("is listed already")
    air.assert_boolean("a series is listed already or not", is_listed)
    # What is listed already is shown by its place in the list, which lies before the list's end.
    place = air.column("place of the same")
    code = (strike[0] + strike[1] * (1 << 16)) * 2 + option
    air.send(SERIES_PLACES, [group, place, code], when=is_listed)
    air.send(SIXTEEN_BITS, [access.series - 1 - place], when=is_listed)
    is_taken = constrain_all(
        air,
        "a series is taken",
        [
            access.exists,
            is_open,
            is_below,
            has_strike.is_something,
            other_kind.is_zero,
            room.is_something,
            1 - is_listed,
        ],
    )
    # Soundness: the list that is hashed has the series at this place.
    air.send(SERIES_PLACES, [group, access.series, code], when=is_taken)
    access.write(air, access.exists, access.is_fixed, access.price, access.series + is_taken, access.pool)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a listing."""

    places: Places
    items: Sequence[ListSeries]
    contents: Sequence[GroupContent]
    """The group before."""
    same_places: NDArray[np.int64]
    """The place of a series that is listed already, -1 otherwise."""


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items, places = rows.items, rows.places
    groups = [content.group for content in rows.contents]
    read, exists = fill_group_access(rows.contents, places.clocks + ACCOUNT_STEP)
    expiries = [group.expiry if group else 0 for group in groups]
    now, is_open = less_columns("now", [places.now] * len(items), expiries, 3)
    strikes = [item.strike for item in items]
    below, is_below = less_columns("the strike", strikes, [group.cap if group else 0 for group in groups], 2)
    limbs = words_of_limbs(2, strikes)
    options = np.array([item.option for item in items], np.int64)
    strike_columns, has_strike = zero_columns("strike", limbs.sum(axis=0))
    other_columns, is_other = zero_columns("option less one", options * (options - 1))
    room_columns, has_room = zero_columns("places left", read["series count"] - MAX_SERIES)
    is_listed = (rows.same_places >= 0).astype(np.int64)
    chain, _ = fill_all(
        "a series is taken", [exists, is_open, is_below, has_strike, 1 - is_other, has_room, 1 - is_listed]
    )
    columns: Columns = {
        **places.columns(),
        "group": np.array([item.group for item in items], np.int64),
        **numbered("strike", limbs),
        "option": options,
        **read,
        **statics_columns(groups),
        **now,
        **below,
        **strike_columns,
        **other_columns,
        **room_columns,
        "is listed already": is_listed,
        "place of the same": rows.same_places * is_listed,
        **chain,
    }
    return lay_out(constrain, columns, log_height)
