"""The arithmetic of a walk: slopes, payoffs and requirements of a group, and the totals.

Values are ticks times tick value, below 2^32, in bytes y.  Lots are a sign and bytes B, so |l| < 2^24.
The old list has at most 32 entries, so a walk has at most 33 positions.

    slack      unsigned, 62 bits: limbs of 16, 16, 16 and 14 bits.  That it can be written down at all is the statement
               "payoff + requirement is not negative here".  Payoffs are below 2^61 in size, so is an honest requirement
    slope      four bytes with 2^30 added, the top one below 2^7.  A slope is below 33 * 2^24 in size; its other
               spelling modulo p would be outside [0, 2^31)
    step       slack' = slack + slope * (y' - y), rows start and position of an open group
    side       |y - price| = slack, rows position of a priced group: below the price, or above it
    end        sum = slack - slope * y (priced), sum = 0 (open), in `sums`, below

Each of the three is an equation X = 0 of integers with |X| < 2^62 + 2^61.1 (step: slack' - slack lies within 2^62, the
slope times a difference of values within 33 * 2^56; end: a slack less a requirement, and a payoff; side: 2^34).
It is stated modulo p and modulo 2^32, and p * 2^32 > 2^62.98, so X is zero.
Modulo 2^32: two terms at the weights 1 and 2^16, below 2^27 in size, and two carries.

    sums       of psi * B * y over the group, by weight: sum 0 .. sum 3 at 2^0, 2^8, 2^16, 2^24 (below 2^23 in size) and
               all of it modulo p.  psi is the sign of the lots where they count: puts of an open group; options in the
               money of a priced one, calls negative.  At the start: + slack - R, then every position takes its own off.
               open:   what the puts pay at zero is slack - R of the start row, so nothing is left at the end
               priced: the payoff is sum of psi B y + slope * price, slope minus the sum of psi B
    rest       the same of the lots alone, modulo p (sums of lots are below 2^30): it ends as the end row's slope,
               which in an open group is zero; its start is minus the slope at zero

Tight: the requirement is zero, or a slack is zero; `tight` can only change where one is.
A settlement has no requirement; its payoff is slack - 2^61.
"""

from __future__ import annotations

from circuits.walk_columns import (
    HIGH_OFFSET,
    HIGH_PARTS,
    LOW_BYTES,
    PAYOFF_OFFSET,
    PAYOFF_OFFSET_TOP,
    Cells,
    low_terms,
    product_digits,
    total_of,
    weighed,
)
from prover.air.builder import AirBuilder
from prover.air.expression import Operand, lift
from rollup.formulas import payoff_at_next_kink, slope_after_strike


def constrain_slopes_and_sums(air: AirBuilder, cells: Cells) -> None:
    """What adds up along a group."""
    below = cells.below
    slope, start, end = cells.slope_element, cells["is start"], cells["is end"]
    is_open, is_put = cells["is open group"], cells["is put"]
    air.assert_zero("a start is no put", start * is_put)
    air.assert_equal(
        "lots count with their sign where they are puts of open groups or in the money",
        cells["psi"],
        cells.sign * (cells["steps"] * is_put + cells["takes side"] * (is_put + cells["is above"] - 1)),
    )
    air.on_transition.assert_zero(
        "the slope turns at a strike by its lots",
        cells["steps"]
        * below["is position"]
        * (below.slope_element - slope_after_strike(slope, below["lots"])),
    )
    takes_off = below["is position"] + below["is end"]
    lots = weighed(below.lots_bytes, 8)
    air.assert_zero("the rest begins as minus the slope at zero", start * (cells["rest"] + is_open * slope))
    air.on_transition.assert_zero(
        "a position takes its lots off the rest",
        takes_off * (below["rest"] - cells["rest"]) + below["psi"] * lots,
    )
    air.assert_zero("the rest ends as the slope", end * (slope - cells["rest"]))
    # Soundness: otherwise the slope at zero is the prover's choice.
    air.assert_zero("an open group's rest ends at zero", end * is_open * cells["rest"])

    slack, requirement = cells.slack, cells.requirement
    begins: dict[str, Operand] = {
        "sum 0": is_open * slack[0] - requirement[0],
        "sum 1": 0,
        "sum 2": is_open * slack[1] - requirement[1],
        "sum 3": 0,
        "sum": is_open * cells.slack_element - weighed(requirement, 16),
    }
    digits = product_digits(below.lots_bytes, below.value)
    taken = {f"sum {i}": digit for i, digit in enumerate(digits)} | {"sum": lots * weighed(below.value, 8)}
    for name, first in begins.items():
        air.assert_zero(f"{name} begins as slack less requirement", start * (cells[name] - first))
        air.on_transition.assert_zero(
            f"a position takes its value off {name}",
            takes_off * (below[name] - cells[name]) + below["psi"] * taken[name],
        )
    for name, low, high in zip(("sum 1", "sum 3"), LOW_BYTES, HIGH_PARTS, strict=True):
        air.assert_zero(
            f"an end cuts {name} at its lowest byte",
            end * (cells[name] - cells[low] - (cells[high] - HIGH_OFFSET) * 256),
        )


def constrain_equations(air: AirBuilder, cells: Cells) -> None:
    """Step, side and end: modulo p, and modulo 2^32 with carries."""
    below = cells.below
    steps, side, end, is_priced = (
        cells[name] for name in ("steps", "takes side", "is end", "is priced group")
    )
    slope, value, end_low, end_high = (
        cells.slope_element,
        weighed(cells.value, 8),
        cells["end value low"],
        cells["end value high"],
    )
    rise = [high - low for high, low in zip(below.value, cells.value, strict=True)]
    stepped = low_terms(product_digits(cells.slope_bytes, rise))
    step_terms = [below.slack[i] - cells.slack[i] - stepped[i] for i in range(2)]
    step_whole = below.slack_element - payoff_at_next_kink(
        cells.slack_element, slope, value, weighed(below.value, 8), lift(1)
    )

    direction = cells["is above"] * 2 - 1
    value_limbs = [cells.value[0] + cells.value[1] * 256, cells.value[2] + cells.value[3] * 256]
    side_terms = [
        direction * (value_limbs[i] - limb) - cells.slack[i] for i, limb in enumerate((end_low, end_high))
    ]
    side_whole = side_terms[0] + side_terms[1] * (1 << 16)

    at_price = low_terms(product_digits(cells.slope_bytes, cells.value))
    low_bytes = [cells[name] for name in LOW_BYTES]
    end_terms = [
        cells["sum 0"] + low_bytes[0] * 256 + is_priced * cells.slack[0] - at_price[0],
        cells["sum 2"]
        + cells[HIGH_PARTS[0]]
        - HIGH_OFFSET
        + low_bytes[1] * 256
        + is_priced * cells.slack[1]
        - at_price[1],
    ]
    # The offset is a multiple of 2^32, so only the equation modulo p sees it.
    end_whole = end * (cells["sum"] + is_priced * cells.slack_element - slope * value)
    end_whole = end_whole - cells["is settled"] * PAYOFF_OFFSET

    terms = [steps * step_terms[i] + side * side_terms[i] + end * end_terms[i] for i in range(2)]
    first, second = cells["carry 1"], cells["carry 2"]
    air.assert_zero("what stands at weight 1 is carried on", terms[0] - first * (1 << 16))
    air.assert_zero("what stands at weight 2^16 is carried on", terms[1] + first - second * (1 << 16))
    air.assert_zero(
        "each step and side and end adds up modulo the prime",
        steps * step_whole + side * side_whole + end_whole,
    )


def constrain_tightness(air: AirBuilder, cells: Cells) -> None:
    """A requirement is zero, or takes the worst case to exactly zero."""
    below, start = cells.below, cells["is start"]
    # Soundness: a requirement too large is theft: a forced withdrawal pays the cash above it.
    air.assert_zero(
        "a start is tight for no requirement or for no slack",
        start * (cells["tight"] - cells["is negative"] - cells["is above"]),
    )
    air.assert_zero(
        "a start without requirement has none", start * cells["is negative"] * total_of(cells.requirement)
    )
    air.assert_zero(
        "a start without slack has none and is of an open group",
        start * cells["is above"] * (cells.slack_sum + 1 - cells["is open group"]),
    )
    change = below["tight"] - cells["tight"]
    air.on_transition.assert_zero(
        "a group becomes tight where there is no slack",
        (below["is position"] + below["is end"]) * change * below.slack_sum,
    )
    # Their slack is a distance from the price.
    air.on_transition.assert_zero("a side makes nothing tight", below["takes side"] * change)
    air.assert_zero("a margin is tight", cells["is end"] * (1 - cells["settles"]) * (cells["tight"] - 1))
    air.assert_zero("a settlement requires nothing", start * cells["settles"] * total_of(cells.requirement))


def constrain_totals(air: AirBuilder, cells: Cells) -> None:
    """Requirements, or payoffs, of a walk."""
    below = cells.below
    goes_on = cells.live - cells["is last"]
    for i in range(4):
        name = f"total {i}"
        payoff = below.slack[i] - (PAYOFF_OFFSET_TOP if i == 3 else 0)
        added = below["is start"] * below.requirement[i] + below["is settled"] * payoff
        air.on_first_row.assert_zero(
            f"the first walk's {name} begins with its requirement",
            cells[name] - cells["is start"] * cells.requirement[i],
        )
        air.on_transition.assert_zero(
            f"a walk adds requirements and payoffs to {name}", below[name] - goes_on * cells[name] - added
        )
