"""The walk: an account's positions, old and new, group by group, and what its cash must cover.

    kind of row    price             slack                       slope
    start          zero              payoff at zero + R          minus the puts' lots     R: the group's requirement
    position       its strike        payoff at the strike + R    one strike further       old lots, new lots
    position       ...
    end            the cap           payoff at the cap + R
    start          the next group
    ...
    end            and is last: the walk's answer

Twin of `rollup.margin`, `rollup.positions` and `rollup.settlement`.
Laid out by `circuits.walk_rows` (the numbers) and `circuits.walk_trace` (the rows).
A walk either takes margin of every group or settles (`settles`) and evaluates nothing else.  So a group is

    open      a price is not fixed, margin: the walk of the drawing
    priced    its price is fixed: margin at that price, or settlement; the end row stands at the price
    passed    not settled in a walk that settles: its positions go from the old list to the new one

What is computed on the way is stated in `circuits.walk_arithmetic`, the columns are in `circuits.walk_columns`.
"""

from __future__ import annotations

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
from circuits.walk_arithmetic import (
    constrain_equations,
    constrain_slopes_and_sums,
    constrain_tightness,
    constrain_totals,
)
from circuits.walk_columns import (
    COLUMNS,
    GROUP_CONSTANTS,
    HIGH_PARTS,
    PAYOFF_OFFSET_TOP,
    WALK_CONSTANTS,
    Cells,
    weighed,
)
from prover.air.builder import AirBuilder
from rollup.units import MAX_POSITIONS

NAME: Final = "walks"


def constrain(air: AirBuilder) -> None:
    """State what a walk is.

    Assumes: `position lists` opens lists as the rules leave them: sorted, at most 32 entries, lots below 2^24 and none
    of them zero.  `holders` send flags that are zero or one.  Ranks of `series` rise with the strike inside a group.
    Guarantees: what the wire of `WALKS` says.
    """
    cells = Cells(dict(zip(COLUMNS, air.columns(*COLUMNS), strict=True)))
    _constrain_order(air, cells)
    _constrain_constants(air, cells)
    _constrain_kinds(air, cells)
    _constrain_lists(air, cells)
    _constrain_edit(air, cells)
    constrain_slopes_and_sums(air, cells)
    constrain_equations(air, cells)
    constrain_tightness(air, cells)
    constrain_totals(air, cells)
    _exchange(air, cells)
    _look_up(air, cells)


def _constrain_order(air: AirBuilder, cells: Cells) -> None:
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


def _constrain_constants(air: AirBuilder, cells: Cells) -> None:
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


def _constrain_kinds(air: AirBuilder, cells: Cells) -> None:
    """What is done with a group follows from its price and from what the walk is for."""
    end, settles = cells["is end"], cells["settles"]
    is_open, is_priced, is_fixed = cells["is open group"], cells["is priced group"], cells["is negative"]
    for name in ("is open group", "is priced group", "is negative", "is above", "takes edit"):
        air.assert_boolean(f"the flag '{name}' is zero or one", cells[name])
    air.assert_zero("no group is open and priced", is_open * is_priced)
    air.assert_zero("a walk for margin passes no group", end * (1 - settles) * (1 - is_open - is_priced))
    air.assert_zero("a walk that settles takes no margin of open groups", settles * is_open)
    air.assert_zero("a priced group has a fixed price", end * is_priced * (1 - is_fixed))
    # Soundness: the worst of all prices asks for more than the one that came, and an owner who leaves would lose the
    # difference.
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


def _constrain_lists(air: AirBuilder, cells: Cells) -> None:
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
        "lots are a sign and bytes", position * (lots - cells.sign * weighed(cells.lots_bytes, 8))
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


def _constrain_edit(air: AirBuilder, cells: Cells) -> None:
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


def _exchange(air: AirBuilder, cells: Cells) -> None:
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


def _look_up(air: AirBuilder, cells: Cells) -> None:
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
