"""Laying out walks: every row of every walk at once.

Group g's start stands 2 g rows behind its first position, and so on: no loop over rows anywhere.
"""

from __future__ import annotations

import numpy as np

from circuits.gadgets.zero import inverses
from circuits.walk_columns import (
    COLUMNS,
    GROUP_CONSTANTS,
    HIGH_OFFSET,
    HIGH_PARTS,
    LOW_BYTES,
    PAYOFF_OFFSET,
    REQUIREMENT_COLUMNS,
    SLOPE_OFFSET,
    WALK_CONSTANTS,
)
from circuits.walk_rows import OPTION_BITS, Integers, Walked, limbs_of
from prover.field.koalabear import PRIME, Montgomery, encode
from rollup.units import MAX_POSITIONS


def fill(walked: Walked, log_height: int) -> Montgomery:
    """The trace; rows that are left over are dead."""
    if walked.height > 1 << log_height:
        raise ValueError(f"{walked.height} rows of walks do not fit a table of {1 << log_height}")
    trace = np.zeros((len(COLUMNS), 1 << log_height), np.int64)
    if walked.height:
        _Filling(walked, trace).fill()
    return encode(trace)


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
        for i, limb in enumerate(limbs_of(slack)):
            self.columns[f"slack limb {i}"][:] = limb
        parts = limbs_of(required)
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
        return slack * self.walked.is_open - limbs_of(self.walked.requirement)

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
