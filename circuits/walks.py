"""The walk: an account's positions, old and new, group by group, and what its cash must cover.

    kind of row    price             slack                       slope
    start          zero              payoff at zero + R          minus the puts' lots     R: the group's requirement
    position       its strike        payoff at the strike + R    one strike further       old lots, new lots
    position       ...
    end            the cap           payoff at the cap + R
    start          the next group
    ...
    end            and is last: the walk's answer

Twin of `rollup.margin`, `rollup.positions` and `rollup.settlement`; laid out by `circuits.walk_rows`.
A walk either takes margin of every group or settles (`settles`) and evaluates nothing else.  So a group is

    open      a price is not fixed, margin: the walk of the drawing
    priced    its price is fixed: margin at that price, or settlement; the end row stands at the price
    passed    not settled in a walk that settles: its positions go from the old list to the new one

Arithmetic.  Values are ticks times tick value, below 2^32, in bytes y.  Lots are a sign and bytes B, so |l| < 2^24; the
old list has at most 32 entries, so a walk has at most 33 positions.

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

from collections.abc import Sequence
from typing import Final

from circuits.buses import (
    FOURTEEN_BITS,
    GROUP_TERMS,
    POSITIONS,
    SERIES_TERMS,
    SETTLEMENTS,
    SIXTEEN_BITS,
    TWO_BYTES,
    WALKS,
)
from circuits.gadgets.carries import CARRY_OFFSET
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand, lift
from rollup.formulas import payoff_at_next_kink, slope_after_strike
from rollup.units import MAX_POSITIONS

NAME: Final = "walks"

WALK_CONSTANTS: Final = (
    *("clock", "account", "old version", "settles", "stamp"),
    *("edit group", "edit option", "edit lots"),
)
GROUP_CONSTANTS: Final = ("group", "is open group", "is priced group", "end value low", "end value high")

COLUMNS: Final = (
    *("is start", "is position", "is end", "is last"),
    *("steps", "takes side", "is settled", "takes edit"),
    *WALK_CONSTANTS,
    *GROUP_CONSTANTS,
    *("edits", "old place", "new place"),
    *("option", "is put", "rank", "was", "is", "old lots", "lots"),
    *("is negative", "is above", "psi", "inverse", "rest", "tight"),
    *(f"lots byte {i}" for i in range(3)),
    *(f"value byte {i}" for i in range(4)),
    *(f"slope byte {i}" for i in range(4)),
    *(f"slack limb {i}" for i in range(4)),
    *("carry 1", "carry 2"),
    *(f"sum {i}" for i in range(4)),
    "sum",
    *(f"total {i}" for i in range(4)),
)

REQUIREMENT_COLUMNS: Final = ("lots byte 0", "lots byte 1", "old lots", "option", "inverse")
"""Where a start row has the requirement: two bytes, two limbs and the top limb of 14 bits."""

HIGH_PARTS: Final = ("old lots", "option")
"""Where an end row has sum 1 and sum 3 without their lowest bytes, with an offset."""

LOW_BYTES: Final = ("lots byte 0", "lots byte 1")
"""Where an end row has the lowest bytes of sum 1 and sum 3."""

HIGH_OFFSET: Final = 1 << 15
SLOPE_OFFSET: Final = 1 << 30
PAYOFF_OFFSET_TOP: Final = 1 << 13
"""The top limb of 2^61, which a settlement's payoff has added."""

PAYOFF_OFFSET: Final = PAYOFF_OFFSET_TOP << 48


class _Cells:
    """The columns by name, and what is made of them, on a row and on the one below."""

    def __init__(self, columns: dict[str, Expression]) -> None:
        self._columns = columns
        self.value = [self[f"value byte {i}"] for i in range(4)]
        self.slack = [self[f"slack limb {i}"] for i in range(4)]
        self.lots_bytes = [self[f"lots byte {i}"] for i in range(3)]
        slope = [self[f"slope byte {i}"] for i in range(4)]
        self.slope_element = _weighed(slope, 8) - SLOPE_OFFSET
        self.slope_bytes = [*slope[:3], slope[3] - (SLOPE_OFFSET >> 24)]
        self.live = self["is start"] + self["is position"] + self["is end"]
        low, high, *rest = (self[name] for name in REQUIREMENT_COLUMNS)
        self.requirement = [low + high * 256, *rest]
        self.sign = 1 - self["is negative"] * 2

    def __getitem__(self, name: str) -> Expression:
        return self._columns[name]

    @property
    def below(self) -> _Cells:
        """The next row."""
        return _Cells({name: column.next for name, column in self._columns.items()})

    @property
    def slack_element(self) -> Expression:
        return _weighed(self.slack, 16)

    @property
    def slack_sum(self) -> Expression:
        """Zero exactly where the slack is: its limbs are small and not negative."""
        return _total(self.slack)


def _weighed(parts: Sequence[Expression], bits: int) -> Expression:
    """Digits as one element, lowest first."""
    total = lift(0)
    for part in reversed(parts):
        total = total * (1 << bits) + part
    return total


def _total(parts: Sequence[Expression]) -> Expression:
    total = lift(0)
    for part in parts:
        total = total + part
    return total


def product_digits(left: Sequence[Expression], right: Sequence[Expression]) -> list[Expression]:
    """The product of numbers in bytes at the weights 2^0, 2^8, 2^16 and 2^24; what is above is left out."""
    return [
        _total([left[i] * right[k - i] for i in range(len(left)) if 0 <= k - i < len(right)])
        for k in range(4)
    ]


def _low_terms(digits: Sequence[Expression]) -> list[Expression]:
    """Digits at weights of bytes as terms at the weights 1 and 2^16."""
    return [digits[0] + digits[1] * 256, digits[2] + digits[3] * 256]


def constrain(air: AirBuilder) -> None:
    """State what a walk is.

    Assumes: `position lists` opens lists as the rules leave them: sorted, at most 32 entries, lots below 2^24 and none
    of them zero.  `holders` send flags that are zero or one.  Ranks of `series` rise with the strike inside a group.
    Guarantees: what the wire of `WALKS` says.
    """
    cells = _Cells(dict(zip(COLUMNS, air.columns(*COLUMNS), strict=True)))
    _constrain_order(air, cells)
    _constrain_constants(air, cells)
    _constrain_kinds(air, cells)
    _constrain_lists(air, cells)
    _constrain_edit(air, cells)
    _constrain_slopes_and_sums(air, cells)
    _constrain_equations(air, cells)
    _constrain_tightness(air, cells)
    _constrain_totals(air, cells)
    _exchange(air, cells)
    _look_up(air, cells)


def _constrain_order(air: AirBuilder, cells: _Cells) -> None:
    """Start, positions, end; the next group of the walk, or the next walk, or nothing."""
    below = cells.below
    start, position, end, last = (cells[name] for name in ("is start", "is position", "is end", "is last"))
    air.on_first_row.assert_zero("the first row starts a walk or is dead", position + end)
    air.assert_zero("the last row of a walk is an end", last * (1 - end))
    air.on_transition.assert_zero("a start is followed by a position", start * (1 - below["is position"]))
    air.on_transition.assert_zero(
        "a position is followed by a position or an end",
        position * (1 - below["is position"] - below["is end"]),
    )
    air.on_transition.assert_zero(
        "an end that is not the walk's is followed by a start", (end - last) * (1 - below["is start"])
    )
    air.on_transition.assert_zero(
        "a walk begins with a start", (1 - cells.live + last) * (below["is position"] + below["is end"])
    )
    # Soundness: a walk that ran out of the table would answer to nobody.
    air.on_last_row.assert_zero("the table ends between walks", cells.live - last)


def _constrain_constants(air: AirBuilder, cells: _Cells) -> None:
    """What all rows of a walk, or of a group, share, and what is counted along a walk."""
    below = cells.below
    goes_on = cells.live - cells["is last"]
    in_group = cells["is start"] + cells["is position"]
    for name in WALK_CONSTANTS:
        air.on_transition.assert_zero(f"a walk keeps its {name}", goes_on * (below[name] - cells[name]))
    for name in GROUP_CONSTANTS:
        air.on_transition.assert_zero(f"a group keeps its {name}", in_group * (below[name] - cells[name]))
    counted = {"old place": cells["was"], "new place": cells["is"], "edits": cells["takes edit"]}
    for name, step in counted.items():
        air.on_first_row.assert_zero(f"the first walk counts its {name} from zero", cells[name])
        air.on_transition.assert_zero(f"a walk counts its {name} from zero", (1 - goes_on) * below[name])
        air.on_transition.assert_zero(
            f"a walk counts its {name}", goes_on * (below[name] - cells[name] - step)
        )
    # Soundness: one group in two parts would be margined twice, and a requirement that is too large is theft.
    air.on_transition.assert_zero(
        "the next group is another one",
        (cells["is end"] - cells["is last"]) * ((below["group"] - cells["group"]) * cells["inverse"] - 1),
    )
    air.on_transition.assert_zero("an end keeps the rank", below["is end"] * (below["rank"] - cells["rank"]))
    air.on_transition.assert_zero(
        "the next group's start keeps the rank",
        (cells["is end"] - cells["is last"]) * (below["rank"] - cells["rank"]),
    )
    for low, high, name in ((0, 1, "end value low"), (2, 3, "end value high")):
        air.assert_zero(
            f"a group ends at its {name}",
            cells["is end"] * (cells[name] - cells.value[low] - cells.value[high] * 256),
        )
    for i, byte in enumerate(cells.value):
        air.assert_zero(f"a group starts at zero, byte {i}", cells["is start"] * byte)


def _constrain_kinds(air: AirBuilder, cells: _Cells) -> None:
    """What is done with a group follows from its price and from what the walk is for."""
    end, settles = cells["is end"], cells["settles"]
    is_open, is_priced, is_fixed = cells["is open group"], cells["is priced group"], cells["is negative"]
    for name in ("is open group", "is priced group", "is negative", "is above", "takes edit"):
        air.assert_boolean(f"the flag '{name}' is zero or one", cells[name])
    air.assert_zero("no group is open and priced", is_open * is_priced)
    air.assert_zero("a walk for margin passes no group", end * (1 - settles) * (1 - is_open - is_priced))
    air.assert_zero("a walk that settles takes no margin of open groups", settles * is_open)
    air.assert_zero("a priced group has a fixed price", end * is_priced * (1 - is_fixed))
    # Soundness: the walk over all prices asks for less than a loss at the fixed price only if the price is beyond the
    # cap, but it asks for more than the fixed price does, and an owner who leaves would lose the difference.
    air.assert_zero("an open group has no fixed price", end * is_open * is_fixed)
    # Soundness: an owner who leaves is paid for all that is fixed.
    air.assert_zero("after a forced settlement no group is fixed", (1 - settles) * is_priced * cells["stamp"])
    air.assert_equal(
        "steps are taken from starts and positions of open groups",
        cells["steps"],
        (cells["is start"] + cells["is position"]) * is_open,
    )
    air.assert_equal(
        "sides are taken by positions of priced groups", cells["takes side"], cells["is position"] * is_priced
    )
    air.assert_equal(
        "a priced group of a walk that settles is settled", cells["is settled"], end * is_priced * settles
    )


def _constrain_lists(air: AirBuilder, cells: _Cells) -> None:
    """A position is in the old list, in the new one, or in both."""
    position, was, is_kept, lots = cells["is position"], cells["was"], cells["is"], cells["lots"]
    settles = cells["settles"]
    for name in ("was", "is"):
        air.assert_zero(f"only a position '{name}'", cells[name] * (1 - position))
    air.assert_zero("a position was or is", position * (1 - was) * (1 - is_kept))
    air.assert_zero("a position that was not had no lots", position * (1 - was) * cells["old lots"])
    air.assert_zero(
        "the lots are the old ones and the edit",
        position * (lots - cells["old lots"] - cells["takes edit"] * cells["edit lots"]),
    )
    # Soundness: this is where lots are below 2^24.
    air.assert_zero(
        "lots are a sign and bytes", position * (lots - cells.sign * _weighed(cells.lots_bytes, 8))
    )
    # Soundness: a list with an entry of nothing would be a second encoding of the same holdings.
    air.assert_zero("what is kept is something", is_kept * (lots * cells["inverse"] - 1))
    air.assert_zero("what is not kept for margin is nothing", (1 - settles) * (1 - is_kept) * lots)
    air.assert_zero("what is settled is not kept", settles * cells["takes side"] * is_kept)
    air.assert_zero("what is passed is kept", settles * (position - cells["takes side"]) * (1 - is_kept))
    air.assert_zero(
        f"a new list has at most {MAX_POSITIONS} entries",
        cells["is last"] * ((cells["new place"] - (MAX_POSITIONS + 1)) * cells["inverse"] - 1),
    )


def _constrain_edit(air: AirBuilder, cells: _Cells) -> None:
    """The edit goes to the position, or to the settled group, that it names; the walk's answer says how often."""
    takes, position, settles = cells["takes edit"], cells["is position"], cells["settles"]
    air.assert_zero("a start takes no edit", takes * (cells["is start"] + 1 - cells.live))
    air.assert_zero("the edit names the group that takes it", takes * (cells["group"] - cells["edit group"]))
    air.assert_zero(
        "the edit names the option that takes it", takes * position * (cells["option"] - cells["edit option"])
    )
    air.assert_zero("no position takes the edit of a settlement", takes * position * settles)
    air.assert_zero(
        "an end takes the edit of its settlement", takes * cells["is end"] * (1 - cells["is settled"])
    )
    # Soundness: whoever asks to settle one group settles no other.
    air.assert_zero(
        "a group that is settled unnamed is settled by force",
        cells["is settled"] * (1 - takes) * (cells["stamp"] - cells["clock"]),
    )


def _constrain_slopes_and_sums(air: AirBuilder, cells: _Cells) -> None:
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
    lots = _weighed(below.lots_bytes, 8)
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
        "sum": is_open * cells.slack_element - _weighed(requirement, 16),
    }
    digits = product_digits(below.lots_bytes, below.value)
    taken = {f"sum {i}": digit for i, digit in enumerate(digits)} | {"sum": lots * _weighed(below.value, 8)}
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


def _constrain_equations(air: AirBuilder, cells: _Cells) -> None:
    """Step, side and end: modulo p, and modulo 2^32 with carries."""
    below = cells.below
    steps, side, end, is_priced = (
        cells[name] for name in ("steps", "takes side", "is end", "is priced group")
    )
    slope, value, end_low, end_high = (
        cells.slope_element,
        _weighed(cells.value, 8),
        cells["end value low"],
        cells["end value high"],
    )
    rise = [high - low for high, low in zip(below.value, cells.value, strict=True)]
    stepped = _low_terms(product_digits(cells.slope_bytes, rise))
    step_terms = [below.slack[i] - cells.slack[i] - stepped[i] for i in range(2)]
    step_whole = below.slack_element - payoff_at_next_kink(
        cells.slack_element, slope, value, _weighed(below.value, 8), lift(1)
    )

    direction = cells["is above"] * 2 - 1
    value_limbs = [cells.value[0] + cells.value[1] * 256, cells.value[2] + cells.value[3] * 256]
    side_terms = [
        direction * (value_limbs[i] - limb) - cells.slack[i] for i, limb in enumerate((end_low, end_high))
    ]
    side_whole = side_terms[0] + side_terms[1] * (1 << 16)

    at_price = _low_terms(product_digits(cells.slope_bytes, cells.value))
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


def _constrain_tightness(air: AirBuilder, cells: _Cells) -> None:
    """A requirement is zero, or takes the worst case to exactly zero."""
    below, start = cells.below, cells["is start"]
    # Soundness: a requirement too large is theft: a forced withdrawal pays the cash above it.
    air.assert_zero(
        "a start is tight for no requirement or for no slack",
        start * (cells["tight"] - cells["is negative"] - cells["is above"]),
    )
    air.assert_zero(
        "a start without requirement has none", start * cells["is negative"] * _total(cells.requirement)
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
    air.assert_zero("a settlement requires nothing", start * cells["settles"] * _total(cells.requirement))


def _constrain_totals(air: AirBuilder, cells: _Cells) -> None:
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


def _exchange(air: AirBuilder, cells: _Cells) -> None:
    """What other tables are told and asked."""
    account, clock, group, option = (cells[name] for name in ("account", "clock", "group", "option"))
    position, end = cells["is position"], cells["is end"]
    old_place = [account, cells["old version"], cells["old place"]]
    air.receive(POSITIONS, [*old_place, group, option, cells["old lots"]], when=cells["was"])
    air.send(POSITIONS, [account, clock, cells["new place"], group, option, cells["lots"]], when=cells["is"])
    air.send(SERIES_TERMS, [group, option, cells["is put"], cells["rank"], *cells.value], when=position)
    # An end row's columns without other use have what the terms say: whether the group is open in time, and fixed.
    terms = [cells["is put"], cells["is negative"], *cells.value]
    air.send(GROUP_TERMS, [group, cells["stamp"], *terms], when=end)
    payoff = [*cells.slack[:3], cells.slack[3] - PAYOFF_OFFSET_TOP]
    air.send(SETTLEMENTS, [clock, group, *payoff], when=cells["is settled"])
    air.receive(
        WALKS,
        [
            *(clock, account, cells["old version"], cells["old place"], cells["new place"]),
            *(cells[name] for name in ("edit group", "edit option", "edit lots")),
            *(cells["edits"] + cells["takes edit"], cells["settles"], cells["stamp"]),
            *(cells[f"total {i}"] for i in range(4)),
        ],
        when=cells["is last"],
    )


def _look_up(air: AirBuilder, cells: _Cells) -> None:
    """Bytes, limbs and carries."""
    live, start, end = cells.live, cells["is start"], cells["is end"]
    # Soundness: ranks that rise keep the list sorted, no series twice, and the kinks in the order of their prices.
    air.send(SIXTEEN_BITS, [cells["rank"].next - cells["rank"] - 1], when=cells["is position"].next)
    slope = [cells[f"slope byte {i}"] for i in range(4)]
    # Soundness: a top byte of 2^7 would spell some slopes twice.
    pairs = [cells.lots_bytes[:2], [cells.lots_bytes[2], slope[3] * 2], slope[:2], slope[2:]]
    for pair in pairs:
        air.send(TWO_BYTES, pair, when=live)
    for limb in cells.slack[:3]:
        air.send(SIXTEEN_BITS, [limb], when=live)
    air.send(FOURTEEN_BITS, [cells.slack[3]], when=live)
    for name in ("carry 1", "carry 2"):
        air.send(FOURTEEN_BITS, [cells[name] + CARRY_OFFSET], when=live)
    for name in HIGH_PARTS:
        air.send(SIXTEEN_BITS, [cells[name]], when=start + end)
    air.send(FOURTEEN_BITS, [cells["inverse"]], when=start)
