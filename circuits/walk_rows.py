"""Laying out walks: every row of every walk at once, by numpy alone.

    positions      old list and edit of each walk, sorted: one entry a position row
    groups         where walk or group changes: first and last position
    rows           group g's start stands 2 g rows behind its first position, and so on: no loop anywhere

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

from circuits.gadgets.zero import inverses
from circuits.walks import (
    COLUMNS,
    GROUP_CONSTANTS,
    HIGH_OFFSET,
    HIGH_PARTS,
    LOW_BYTES,
    PAYOFF_OFFSET,
    PAYOFF_OFFSET_TOP,
    REQUIREMENT_COLUMNS,
    SLOPE_OFFSET,
    WALK_CONSTANTS,
)
from prover.field.koalabear import PRIME, Montgomery, encode
from rollup.units import MAX_POSITIONS

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
        payoff = _limbs(self.payoff_at_end + PAYOFF_OFFSET)
        payoff[3] -= PAYOFF_OFFSET_TOP
        return _limbs(self.requirement) + self.is_settled * payoff

    @cached_property
    def total(self) -> Integers:
        """Every walk's answer, (4, walks)."""
        return np.stack([self.by_walk(self.group_walk, limb) for limb in self.added])

    @property
    def height(self) -> int:
        """Rows of the table that are live."""
        return len(self.walk) + 2 * len(self.first)


def fill(walked: Walked, log_height: int) -> Montgomery:
    """The trace; rows that are left over are dead."""
    if walked.height > 1 << log_height:
        raise ValueError(f"{walked.height} rows of walks do not fit a table of {1 << log_height}")
    trace = np.zeros((len(COLUMNS), 1 << log_height), np.int64)
    if walked.height:
        _Filling(walked, trace).fill()
    return encode(trace)


def _limbs(numbers: Integers) -> Integers:
    """Four limbs; the top one takes a sign."""
    return np.stack([numbers & 0xFFFF, numbers >> 16 & 0xFFFF, numbers >> 32 & 0xFFFF, numbers >> 48])


class _Filling:
    """One trace while it is written; numbers stand for the three kinds of rows."""

    def __init__(self, walked: Walked, trace: Integers) -> None:
        self.walked = walked
        self.live = walked.height
        self.columns = {name: trace[place, : self.live] for place, name in enumerate(COLUMNS)}
        groups = np.arange(len(walked.first))
        self.starts = walked.first + 2 * groups
        self.positions = np.arange(len(walked.walk)) + 2 * walked.group_of + 1
        self.ends = walked.end + 2 * groups + 1
        self.group_of_row = np.repeat(groups, walked.end - walked.first + 2)

    def fill(self) -> None:
        """Write all columns."""
        self._fill_kinds()
        self._fill_constants()
        self._fill_positions()
        slack = self._fill_slacks()
        self._fill_sums()
        self._fill_ends()
        self._fill_carries()
        self._fill_tightness(slack)

    def _put(
        self, name: str, starts: Integers | int, positions: Integers | int, ends: Integers | int
    ) -> None:
        column = self.columns[name]
        column[self.starts], column[self.positions], column[self.ends] = starts, positions, ends

    def _fill_kinds(self) -> None:
        walked = self.walked
        of_position = walked.group_of
        is_last = np.append(np.diff(walked.group_walk) != 0, True)
        self._put("is start", 1, 0, 0)
        self._put("is position", 0, 1, 0)
        self._put("is end", 0, 0, 1)
        self._put("is last", 0, 0, is_last)
        self._put("steps", walked.is_open, walked.is_open[of_position], 0)
        self._put("takes side", 0, walked.is_priced[of_position], 0)
        self._put("is settled", 0, 0, walked.is_settled)
        is_named = walked.is_settled * (walked.rows.stamp[walked.group_walk] == 0)
        self._put("takes edit", 0, walked.takes_edit, is_named)

    def _fill_constants(self) -> None:
        walked, rows = self.walked, self.walked.rows
        walk_of_row = walked.group_walk[self.group_of_row]
        option_mask = (1 << OPTION_BITS) - 1
        of_walk = {
            "clock": rows.clock,
            "account": rows.account,
            "old version": rows.old_version,
            "settles": rows.settles,
            "stamp": rows.stamp,
            "edit group": rows.edit_series >> OPTION_BITS,
            "edit option": rows.edit_series & option_mask,
            "edit lots": rows.edit_lots,
        }
        for name in WALK_CONSTANTS:
            self.columns[name][:] = of_walk[name][walk_of_row]
        of_group = {
            "group": walked.group,
            "is open group": walked.is_open,
            "is priced group": walked.is_priced,
            "end value low": walked.end_value & 0xFFFF,
            "end value high": walked.end_value >> 16,
        }
        for name in GROUP_CONSTANTS:
            self.columns[name][:] = of_group[name][self.group_of_row]
        first_rows = np.searchsorted(walk_of_row, walk_of_row)
        self.columns["was"][self.positions] = walked.was
        self.columns["is"][self.positions] = walked.is_kept
        for name, counted in (("old place", "was"), ("new place", "is"), ("edits", "takes edit")):
            before = np.cumsum(self.columns[counted]) - self.columns[counted]
            self.columns[name][:] = before - before[first_rows]
        for i, limb in enumerate(walked.added):
            column = np.zeros(self.live, np.int64)
            where = np.where(walked.is_settled == 1, self.ends, self.starts)
            column[where] = limb
            total = np.cumsum(column)
            self.columns[f"total {i}"][:] = total - (total - column)[first_rows]

    def _fill_positions(self) -> None:
        walked = self.walked
        option = walked.series & (1 << OPTION_BITS) - 1
        for name, values in (
            ("option", option),
            ("is put", walked.is_put),
            ("old lots", walked.old_lots),
            ("lots", walked.lots),
            ("is negative", walked.lots < 0),
            ("is above", walked.is_above),
            ("psi", walked.counts * np.where(walked.lots < 0, -1, 1)),
        ):
            self.columns[name][self.positions] = values
        kept = walked.is_kept * walked.lots
        self.columns["inverse"][self.positions] = inverses(kept)
        # Ends keep the rank of the last position, and so does the start behind; a walk's first start has none.
        last_ranks = walked.rank[walked.end - 1]
        is_later = np.append(False, np.diff(walked.group_walk) == 0)
        self._put("rank", np.append(0, last_ranks[:-1]) * is_later, walked.rank, last_ranks)
        size = np.abs(walked.lots)
        for i in range(3):
            self.columns[f"lots byte {i}"][self.positions] = size >> 8 * i & (0xFF if i < 2 else -1)
        for i in range(4):
            shift = 8 * i
            self._put(f"value byte {i}", 0, walked.value >> shift & 0xFF, walked.end_value >> shift & 0xFF)

    def _fill_slacks(self) -> Integers:
        """The slack of every row, and the limbs."""
        walked = self.walked
        is_open, is_priced, of_position = walked.is_open, walked.is_priced, walked.group_of
        required = walked.requirement
        distance = np.abs(walked.value - walked.end_value[of_position])
        slack = np.zeros(self.live, np.int64)
        slack[self.starts] = is_open * (walked.payoff_at_zero + required)
        slack[self.positions] = np.where(
            is_open[of_position] == 1,
            walked.payoff + required[of_position],
            is_priced[of_position] * distance,
        )
        offset = walked.is_settled * PAYOFF_OFFSET
        slack[self.ends] = (is_open | is_priced) * (walked.payoff_at_end + required) + offset
        for i, limb in enumerate(_limbs(slack)):
            self.columns[f"slack limb {i}"][:] = limb
        parts = _limbs(required)
        spelled = [parts[0] & 0xFF, parts[0] >> 8, parts[1], parts[2], parts[3]]
        for name, part in zip(REQUIREMENT_COLUMNS, spelled, strict=True):
            self.columns[name][self.starts] = part
        return slack

    def _fill_sums(self) -> None:
        """Sums, rest and slope."""
        walked = self.walked
        is_open, of_position = walked.is_open, walked.group_of
        psi = self.columns["psi"][self.positions]
        size = np.abs(walked.lots)
        lots = [self.columns[f"lots byte {i}"][self.positions] for i in range(3)]
        value = [self.columns[f"value byte {i}"][self.positions] for i in range(4)]
        starts = self._limbs_of_starts()
        whole = sum(limb * pow(2, 16 * i, PRIME) % PRIME for i, limb in enumerate(starts))
        begins = {"sum 0": starts[0], "sum 1": 0, "sum 2": starts[1], "sum 3": 0, "sum": whole}
        taken: dict[str, Integers] = {"sum": size * (walked.value % PRIME) % PRIME}
        for k in range(4):
            taken[f"sum {k}"] = np.sum([lots[i] * value[k - i] for i in range(3) if i <= k], axis=0)
        for name, begin in begins.items():
            first = np.broadcast_to(begin, len(walked.first))
            left = first[of_position] - walked.running(psi * taken[name])
            self._put(name, first, left, left[walked.end - 1])
        rest = np.where(is_open == 1, walked.summed(psi * size), 0)
        left = rest[of_position] - walked.running(psi * size)
        ends = left[walked.end - 1]
        self._put("rest", rest, left, ends)
        slope_above = is_open[of_position] * walked.slope
        slope = np.zeros(self.live, np.int64)
        slope[self.starts], slope[self.positions], slope[self.ends] = -rest, slope_above, ends
        for i in range(4):
            self.columns[f"slope byte {i}"][:] = slope + SLOPE_OFFSET >> 8 * i & 0xFF

    def _limbs_of_starts(self) -> Integers:
        """Slack, in open groups, less requirement, limb by limb."""
        slack = np.stack([self.columns[f"slack limb {i}"][self.starts] for i in range(4)])
        return slack * self.walked.is_open - _limbs(self.walked.requirement)

    def _fill_ends(self) -> None:
        walked = self.walked
        for name, low, high in zip(("sum 1", "sum 3"), LOW_BYTES, HIGH_PARTS, strict=True):
            total = self.columns[name][self.ends]
            self.columns[low][self.ends] = total & 0xFF
            self.columns[high][self.ends] = (total >> 8) + HIGH_OFFSET
        self.columns["is put"][self.ends] = walked.is_open_in_time
        self.columns["is negative"][self.ends] = walked.is_fixed
        following = np.append(walked.group[1:], 0)
        new_count = self.columns["new place"][self.ends]
        is_last = self.columns["is last"][self.ends]
        self.columns["inverse"][self.ends] = inverses(
            np.where(is_last == 1, new_count - (MAX_POSITIONS + 1), following - walked.group)
        )

    def _fill_carries(self) -> None:
        """The carries of whichever equation a row has."""
        columns = self.columns
        slope = [columns[f"slope byte {i}"] for i in range(4)]
        slope[3] = slope[3] - (SLOPE_OFFSET >> 24)
        value = np.stack([columns[f"value byte {i}"] for i in range(4)])
        steps, side, end = columns["steps"], columns["takes side"], columns["is end"]
        factor = np.where(steps == 1, np.roll(value, -1, axis=1) - value, end * value)
        digits = [sum((slope[i] * factor[k - i] for i in range(k + 1)), np.int64(0)) for k in range(4)]
        products = [digits[0] + digits[1] * 256, digits[2] + digits[3] * 256]
        limbs = [columns["slack limb 0"], columns["slack limb 1"]]
        values = [value[0] + value[1] * 256, value[2] + value[3] * 256]
        direction = 2 * columns["is above"] - 1
        sums = [
            columns["sum 0"] + columns[LOW_BYTES[0]] * 256,
            columns["sum 2"] + columns[HIGH_PARTS[0]] - HIGH_OFFSET + columns[LOW_BYTES[1]] * 256,
        ]
        carry = np.zeros(self.live, np.int64)
        ends = [columns["end value low"], columns["end value high"]]
        for i in range(2):
            step_term = np.roll(limbs[i], -1) - limbs[i] - products[i]
            side_term = direction * (values[i] - ends[i]) - limbs[i]
            end_term = sums[i] + columns["is priced group"] * limbs[i] - products[i]
            terms = steps * step_term + side * side_term + end * end_term + carry
            carry = terms >> 16
            columns[f"carry {i + 1}"][:] = carry

    def _fill_tightness(self, slack: Integers) -> None:
        """Where a group's requirement is shown to be no larger than it must be."""
        walked = self.walked
        is_free = walked.requirement == 0
        at_zero = (walked.is_open == 1) & (slack[self.starts] == 0) & ~is_free
        self.columns["is negative"][self.starts] = is_free
        self.columns["is above"][self.starts] = at_zero
        is_tight = (slack == 0) & (self.columns["takes side"] == 0)
        is_tight[self.starts] = is_free | at_zero
        tight = np.cumsum(is_tight)
        before = (tight - is_tight)[self.starts][self.group_of_row]
        self.columns["tight"][:] = tight > before
