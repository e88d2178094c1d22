"""Options and the groups that hold them: identity, terms and payoff.

A series is its own name: group, strike and kind packed into one number.

    bit 40 ........ 25 | 24 ......... 1 | 0
        group          | strike (ticks) | kind: 0 call, 1 put

So the sorted position list of an account walks every group's strikes upwards, which is what the margin rule needs.
The L1 data names a series by its index in the group's list, which is shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from rollup.formulas import call_payoff, put_payoff, tick_value_identity
from rollup.units import MICRO, GroupId, OptionKind, SeriesIndex, Ticks, Time, UnderlyingId, fits

SeriesId = NewType("SeriesId", int)

_STRIKE_SHIFT = 1
_GROUP_SHIFT = 25

MAX_PAYOFF_BITS: int = 32
"""The largest payoff of one lot fits the width of a price.

No premium above it makes sense, and lots times it cannot overflow.
"""


def series_id(group: GroupId, strike: Ticks, kind: OptionKind) -> SeriesId:
    """Pack a series into its number."""
    return SeriesId((group << _GROUP_SHIFT) | (strike << _STRIKE_SHIFT) | kind)


def group_of(series: SeriesId) -> GroupId:
    """Read the group of a series."""
    return GroupId(series >> _GROUP_SHIFT)


def strike_of(series: SeriesId) -> Ticks:
    """Read the strike of a series."""
    return Ticks((series >> _STRIKE_SHIFT) & 0xFF_FFFF)


def kind_of(series: SeriesId) -> OptionKind:
    """Read the kind of a series."""
    return OptionKind(series & 1)


def option_of(series: SeriesId) -> int:
    """Read strike and kind as one number: what a list of one group's series holds of each."""
    return series & (1 << _GROUP_SHIFT) - 1


def is_put(series: SeriesId) -> bool:
    """Say whether a series is a put, without making an enum of it."""
    return series & 1 == 1


@dataclass(frozen=True, slots=True)
class Group:
    """One underlying and one expiry: everything that settles at one price.

    `tick_micro_dollars` and `lot_micro_units` say what a tick and a lot are; `tick_value` is their product in
    micro-dollars, whole by rule, and is all that payoffs use.
    `pool` is the settlement pool: minus what has been paid out so far to accounts that settled.
    """

    group: GroupId
    underlying: UnderlyingId
    expiry: Time
    cap: Ticks
    tick_micro_dollars: int
    lot_micro_units: int
    tick_value: int
    series: tuple[SeriesId, ...] = ()
    settlement_price: Ticks | None = None
    pool: int = 0

    def lists(self, series: SeriesId) -> bool:
        """Say whether the group lists this series."""
        return series in self.series

    def index_of(self, series: SeriesId) -> SeriesIndex | None:
        """Find the index that names a series in the published data."""
        return SeriesIndex(self.series.index(series)) if series in self.series else None


def payoff_per_lot(series: SeriesId, price: Ticks, tick_value: int) -> int:
    """Compute what one long lot receives at a settlement price, in micro-dollars."""
    strike = strike_of(series)
    if kind_of(series) is OptionKind.CALL:
        return call_payoff(price, strike, tick_value) if price > strike else 0
    return put_payoff(price, strike, tick_value) if price < strike else 0


def has_whole_terms(cap: int, tick_micro_dollars: int, lot_micro_units: int, tick_value: int) -> bool:
    """Say whether tick and lot size give whole micro-dollars and the cap's payoff fits a price.

    Soundness: without the first condition payoffs would need division and an exact margin could fall short by dust.
    Without the second a payoff of one lot could overflow the limbs it is proved in.
    """
    return (
        cap > 0
        and tick_value > 0
        and tick_value_identity(tick_micro_dollars, lot_micro_units, tick_value, MICRO) == 0
        and fits(cap * tick_value, MAX_PAYOFF_BITS)
    )
