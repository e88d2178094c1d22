"""The numbers of all walks of a batch, position by position and group by group, by numpy alone.

    positions      old list and edit of each walk, sorted: one entry a position row
    groups         where walk or group changes: first and last position

Requirements and payoffs are computed here from the lists as the rules would; what an event says of them comes to the
circuit by the holders, and disagrees on the bus if it is wrong.
Twin: `rollup.margin.walk_group`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.walk_columns import PAYOFF_OFFSET, PAYOFF_OFFSET_TOP

Integers = NDArray[np.int64]

SERIES_BITS: Final = 41
"""Group and option, as `rollup.instruments` packs them."""

OPTION_BITS: Final = 25


@dataclass(frozen=True, slots=True)
class Terms:
    """What the other tables say of series and groups; both sorted."""

    series: Integers
    ranks: Integers
    values: Integers
    """Strike times tick value."""
    groups: Integers
    """Stamp times 2^16 plus the group."""
    are_open: Integers
    are_fixed: Integers
    end_values: Integers
    """Settlement price, or the cap, times tick value."""


@dataclass(frozen=True)
class Rows:
    """One entry a walk, and one a position of the old lists, walk by walk."""

    clock: Integers
    account: Integers
    old_version: Integers
    settles: Integers
    stamp: Integers
    edit_series: Integers
    """For a settlement by name the group with option zero."""
    edit_lots: Integers
    held_walk: Integers
    """Which walk's list."""
    held_series: Integers
    held_lots: Integers
    terms: Terms


@dataclass(frozen=True)
class Walked:
    """All walks, position by position and group by group."""

    rows: Rows
    walk: Integers
    series: Integers
    was: Integers
    old_lots: Integers
    takes_edit: Integers

    @classmethod
    def of(cls, rows: Rows) -> Walked:
        """Put each edit into its place of the old list."""
        keys = rows.held_walk << SERIES_BITS | rows.held_series
        editing = np.flatnonzero((rows.edit_lots != 0) & (rows.settles == 0))
        edits = editing << SERIES_BITS | rows.edit_series[editing]
        places = np.searchsorted(keys, edits)
        is_new = np.append(keys, -1)[places] != edits
        merged = np.insert(keys, places[is_new], edits[is_new])
        takes_edit = np.zeros(len(merged), np.int64)
        takes_edit[np.searchsorted(merged, edits)] = 1
        return cls(
            rows,
            merged >> SERIES_BITS,
            merged & (1 << SERIES_BITS) - 1,
            np.insert(np.ones(len(keys), np.int64), places[is_new], 0),
            np.insert(rows.held_lots, places[is_new], 0),
            takes_edit,
        )

    @cached_property
    def lots(self) -> Integers:
        """With the edit."""
        return self.old_lots + self.takes_edit * self.rows.edit_lots[self.walk]

    @cached_property
    def first(self) -> Integers:
        """The first position of every group."""
        group = self.walk << 16 | self.series >> OPTION_BITS
        return np.flatnonzero(np.diff(group, prepend=-1))

    @cached_property
    def end(self) -> Integers:
        """Behind the last position of every group."""
        return np.append(self.first, len(self.walk))[1:]

    @cached_property
    def group_of(self) -> Integers:
        """The group of every position, numbered over all walks."""
        return np.repeat(np.arange(len(self.first)), self.end - self.first)

    @cached_property
    def group(self) -> Integers:
        """Every group's own number."""
        return self.series[self.first] >> OPTION_BITS

    @cached_property
    def group_walk(self) -> Integers:
        """Whose walk a group belongs to."""
        return self.walk[self.first]

    @cached_property
    def _terms(self) -> Integers:
        """Where the terms of every group stand."""
        terms = self.rows.terms
        wanted = self.rows.stamp[self.group_walk] << 16 | self.group
        return np.searchsorted(terms.groups, wanted).clip(max=max(0, len(terms.groups) - 1))

    @cached_property
    def is_fixed(self) -> Integers:
        """Whether a group's price is."""
        return self.rows.terms.are_fixed[self._terms]

    @cached_property
    def is_open_in_time(self) -> Integers:
        """Whether a group can still be traded."""
        return self.rows.terms.are_open[self._terms]

    @cached_property
    def end_value(self) -> Integers:
        """Where a group's walk ends."""
        return self.rows.terms.end_values[self._terms]

    @cached_property
    def is_settled(self) -> Integers:
        """By name, or by force every group that is fixed."""
        rows, walk = self.rows, self.group_walk
        is_named = self.group == rows.edit_series[walk] >> OPTION_BITS
        return rows.settles[walk] * np.where(rows.stamp[walk] == 0, is_named, self.is_fixed)

    @cached_property
    def is_margined(self) -> Integers:
        """Whether a group's worst case counts."""
        return 1 - self.rows.settles[self.group_walk]

    @cached_property
    def is_priced(self) -> Integers:
        """Whether a group counts at its price."""
        return self.is_settled | self.is_margined & self.is_fixed

    @cached_property
    def is_open(self) -> Integers:
        """Whether all prices of a group are walked."""
        return self.is_margined & (1 - self.is_fixed)

    @cached_property
    def _series_terms(self) -> Integers:
        terms = self.rows.terms
        return np.searchsorted(terms.series, self.series).clip(max=max(0, len(terms.series) - 1))

    @cached_property
    def value(self) -> Integers:
        """Strike times tick value."""
        return self.rows.terms.values[self._series_terms]

    @cached_property
    def rank(self) -> Integers:
        """Among all series."""
        return self.rows.terms.ranks[self._series_terms]

    @cached_property
    def is_put(self) -> Integers:
        """Puts are odd."""
        return self.series & 1

    @cached_property
    def is_above(self) -> Integers:
        """Whether a strike is above the price of a priced group."""
        return self.is_priced[self.group_of] * (self.value > self.end_value[self.group_of])

    @cached_property
    def counts(self) -> Integers:
        """How a position's lots count in sums: 1, -1 or 0."""
        is_priced, is_open = self.is_priced[self.group_of], self.is_open[self.group_of]
        return is_open * self.is_put + is_priced * (self.is_put + self.is_above - 1)

    def summed(self, values: Integers) -> Integers:
        """Sums of a number of every position, by group."""
        return np.add.reduceat(values, self.first) if len(self.first) else np.zeros(0, np.int64)

    def running(self, values: Integers) -> Integers:
        """Sums inside each group up to a position and with it; wraps at 2^64, where differences come back."""
        total = np.cumsum(values)
        return total - (total - values)[self.first][self.group_of]

    @cached_property
    def _weighed_lots(self) -> Integers:
        return self.summed(self.counts * self.lots)

    @cached_property
    def _weighed_values(self) -> Integers:
        return self.summed(self.counts * self.lots * self.value)

    @cached_property
    def slope(self) -> Integers:
        """Just above every position's strike, for open groups."""
        return self.running(self.lots) - self._weighed_lots[self.group_of]

    @cached_property
    def payoff_at_zero(self) -> Integers:
        """Of open groups."""
        return self._weighed_values

    @cached_property
    def payoff(self) -> Integers:
        """At every position's strike, for open groups: what puts above and calls below it pay."""
        taken = self.running(self.lots * self.value)
        return self.payoff_at_zero[self.group_of] - taken + self.slope * self.value

    @cached_property
    def payoff_at_end(self) -> Integers:
        """At the cap, or at the price."""
        at_cap = (self.payoff + self.slope * (self.end_value[self.group_of] - self.value))[self.end - 1]
        at_price = self._weighed_values - self._weighed_lots * self.end_value
        return np.where(self.is_open == 1, at_cap, np.where(self.is_priced == 1, at_price, 0))

    @cached_property
    def requirement(self) -> Integers:
        """What the worst case of every group takes; nothing where a walk settles."""
        if not len(self.first):
            return np.zeros(0, np.int64)
        on_way = np.minimum(np.minimum.reduceat(self.payoff, self.first), self.payoff_at_zero)
        worst = np.where(self.is_open == 1, np.minimum(on_way, self.payoff_at_end), self.payoff_at_end)
        required: Integers = np.maximum(0, -worst) * self.is_margined
        return required

    @cached_property
    def is_kept(self) -> Integers:
        """Whether a position is in the new list."""
        kept: Integers = (1 - self.is_settled[self.group_of]) * (self.lots != 0)
        return kept

    def by_walk(self, groups: Integers, values: Integers) -> Integers:
        """Sums by walk."""
        summed: Integers = np.bincount(groups, values, len(self.rows.clock)).astype(np.int64)
        return summed

    @cached_property
    def new_count(self) -> Integers:
        """Entries of every walk's new list."""
        return self.by_walk(self.walk, self.is_kept)

    @cached_property
    def added(self) -> Integers:
        """What every group adds to its walk's total, in limbs that may be negative: (4, groups)."""
        payoff = limbs_of(self.payoff_at_end + PAYOFF_OFFSET)
        payoff[3] -= PAYOFF_OFFSET_TOP
        return limbs_of(self.requirement) + self.is_settled * payoff

    @cached_property
    def total(self) -> Integers:
        """Every walk's answer, (4, walks)."""
        return np.stack([self.by_walk(self.group_walk, limb) for limb in self.added])

    @property
    def height(self) -> int:
        """Rows of the table that are live."""
        return len(self.walk) + 2 * len(self.first)


def limbs_of(numbers: Integers) -> Integers:
    """Four limbs; the top one takes a sign."""
    return np.stack([numbers & 0xFFFF, numbers >> 16 & 0xFFFF, numbers >> 32 & 0xFFFF, numbers >> 48])
