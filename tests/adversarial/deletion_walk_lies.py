"""Forged traces of walks, for rules that no small change of an honest row breaks alone.

Registered beside the others (`deletion_lies`), and checked as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from circuits.walk_columns import SLOPE_OFFSET, WALK_CONSTANTS
from circuits.walk_rows import Walked
from circuits.walk_trace import fill
from circuits.walks import NAME as WALKS
from prover.field.koalabear import PRIME, decode
from rollup.state import Position
from tests.adversarial.deletion_lies import TOTALS, Draft, accepted_without, set_and_repaired
from tests.adversarial.deletions import Ground
from tests.circuits.walking import Walk, group, rows_of

LIMB: Final = 1 << 16
SLOPE, VALUE, SLACK = "slope byte", "value byte", "slack limb"
COUNTED: Final = (("old place", "was"), ("new place", "is"), ("edits", "takes edit"))
TERMS_ONCE: Final = "the send number 3 on bus group terms happens once or not at all"


def _number(draft: Draft, name: str, row: int, bits: int) -> int:
    return sum(int(draft.column(f"{name} {i}")[row]) << bits * i for i in range(4))


def _write(draft: Draft, name: str, row: int, bits: int, value: int) -> None:
    for i in range(4):
        draft.column(f"{name} {i}")[row] = value >> bits * i & (1 << bits) - 1


@accepted_without(
    WALKS,
    "the rest begins as minus the slope at zero",
    "an open group that pays more at every price but zero",
)
def _steeper_from_zero(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    starts = draft.column("is start") * draft.column("is open group") * draft.column("tight")
    for start in np.flatnonzero(starts).tolist():
        end = start + int(np.flatnonzero(draft.column("is end")[start:])[0])
        for row in range(start, end):
            _write(draft, SLOPE, row, 8, _number(draft, SLOPE, row, 8) + 1)
        for row in range(start + 1, end + 1):
            _write(draft, SLACK, row, 16, _number(draft, SLACK, row, 16) + _number(draft, VALUE, row, 8))
        for row in range(start, end):
            for name, weight in (("carry 1", "1"), ("carry 2", "2^16")):
                # What is carried is missing, 2^16 times.
                gap = draft.residual(f"what stands at weight {weight} is carried on", row)
                draft.column(name)[row] = (draft.column(name)[row] + gap * pow(LIMB, -1, PRIME)) % PRIME
        return draft.ground
    return None


@accepted_without(
    WALKS, "a side makes nothing tight", "a margin that is too high, at a strike that is the price"
)
def _tight_at_a_side(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    slack = sum(draft.column(f"{SLACK} {i}") for i in range(4))
    for row in np.flatnonzero(
        draft.column("takes side") * (draft.column("settles") == 0) * (slack == 0)
    ).tolist():
        start = int(np.flatnonzero(draft.column("is start")[: row + 1])[-1])
        end, last = (row + int(np.flatnonzero(draft.column(name)[row:])[0]) for name in ("is end", "is last"))
        draft.column("is negative")[start] = draft.column("is above")[start] = 0
        draft.column("tight")[start:row] = 0
        draft.column("tight")[row : end + 1] = 1
        draft.column("lots byte 0")[start] += 1
        for name in ("sum 0", "sum"):
            draft.column(name)[start : end + 1] -= 1
        draft.column(f"{SLACK} 0")[end] += 1
        draft.column(TOTALS[0])[start : last + 1] += 1
        return draft.ground
    return None


@accepted_without(
    WALKS, TERMS_ONCE, "a walk that nobody asked for, with a group's terms asked minus one time"
)
def _ended_by_less_than_nothing(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    ends, height = np.flatnonzero(draft.column("is last")), draft.trace.shape[1]
    # The table ends one row below a walk for margin.
    if (
        not ends.size
        or draft.trace[:, -1].any()
        or draft.column("settles")[ends[-1]]
        or draft.column("stamp")[ends[-1]]
    ):
        return None
    draft.trace[:] = np.roll(draft.trace, height - 2 - int(ends[-1]), axis=1)
    end, row = height - 2, height - 1
    draft.column("is last")[end] = 0
    draft.column("inverse")[end] = 1
    values = {name: int(draft.column(name)[end]) for name in (*WALK_CONSTANTS, "rank")}
    values |= {name: int(draft.column(name)[end] + draft.column(step)[end]) for name, step in COUNTED}
    values |= {"group": int(draft.column("group")[end]) + 1}
    # One start and minus one end, of an open group: nobody looks at the limbs of what is live zero times.
    values |= {"is start": 1, "is end": -1, "is open group": 1, "steps": 1, "is above": 1, "tight": 1}
    values |= {f"{SLOPE} 3": SLOPE_OFFSET >> 24, "inverse": 0}
    free = ("lots byte", "old lots", "option", SLACK, "carry", "sum", *TOTALS)
    return set_and_repaired(draft.ground, TERMS_ONCE, row, values, free)


@accepted_without(
    WALKS, "no position takes the edit of a settlement", "a settlement that edits a position on its way"
)
def _edited_while_settling(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    takes = draft.column("is position") * draft.column("settles") * (draft.column("edit lots") == 0)
    for row in np.flatnonzero(takes * (draft.column("group") == draft.column("edit group"))).tolist():
        last = row + int(np.flatnonzero(draft.column("is last")[row:])[0])
        before = np.flatnonzero(draft.column("is last")[:row])
        first = int(before[-1]) + 1 if before.size else int(np.flatnonzero(draft.column("is start"))[0])
        draft.column("takes edit")[row] = 1
        draft.column("edit option")[first : last + 1] = draft.column("option")[row]
        draft.column("edits")[row + 1 : last + 1] += 1
        return draft.ground
    return None


AT_NOTHING: Final = (
    *((255 << 24, 255 << 16), (1 << 24, 128 << 16), (1 << 16, 2 << 16)),
    *((255 << 16, -130), (1 << 16, -130)),
    *((0, -255 << 16), (0, -130 << 16), (0, 255), (0, 5)),
)
"""Strikes' values and lots of puts, bought and sold alike.

At a price of zero their payoffs leave in the sums what a requirement of nothing would, of limbs that add up to zero and
a top limb that is in its range.
"""
TOP_LIMB: Final = 254
STARTED_ONCE: Final = "the send number 19 on bus fourteen bits happens once or not at all"


@accepted_without(
    WALKS, STARTED_ONCE, "a settlement that nobody asked for, with a limb looked up minus one time"
)
def _started_less_than_never(ground: Ground) -> Ground | None:
    listed = group(6, 1, 1, range(1, len(AT_NOTHING) + 1), price=0)
    puts = [one for one in listed.series if one & 1]
    held = tuple(Position(one, lots) for one, (_, lots) in zip(puts, AT_NOTHING, strict=True))
    rows = rows_of([Walk(held, settles=1, settled_group=6)], {6: listed})
    values = rows.terms.values.copy()
    values[np.searchsorted(rows.terms.series, puts)] = [value for value, _ in AT_NOTHING]
    walked = Walked.of(replace(rows, terms=replace(rows.terms, values=values)))
    trace = decode(fill(walked, (walked.height - 1).bit_length())).astype(np.int64)
    # The walk's last row is the table's: it ends, and starts minus one time.
    draft = Draft(replace(ground, trace=np.roll(trace, trace.shape[1] - walked.height, axis=1)))
    end = trace.shape[1] - 1
    for row in range(end - len(AT_NOTHING), end):
        # Strikes of nothing are above a price of nothing, too.
        draft.column("is above")[row] = 1
        draft.column("psi")[row] = 1 if 0 < draft.column("lots")[row] < PRIME // 2 else -1
        draft.column("rest")[row] = (draft.column("rest")[row - 1] - draft.column("lots")[row]) % PRIME
    draft.column("rest")[end] = draft.column("rest")[end - 1]
    _write(draft, SLOPE, end, 8, SLOPE_OFFSET)
    stands = {"is start": -1, "is last": 0, "inverse": TOP_LIMB}
    free = ("lots byte", "old lots", "option", "carry", *TOTALS)
    return set_and_repaired(draft.ground, STARTED_ONCE, end, stands, free)
