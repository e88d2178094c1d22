"""Forged traces of walks, for rules that no small change of an honest row breaks alone.

Registered beside the others (`deletion_lies`), and checked as they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from circuits.walk_columns import SLOPE_OFFSET, WALK_CONSTANTS
from circuits.walks import NAME as WALKS
from prover.field.koalabear import PRIME
from tests.adversarial.deletion_lies import TOTALS, Draft, accepted_without, set_and_repaired
from tests.adversarial.deletions import Ground

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
