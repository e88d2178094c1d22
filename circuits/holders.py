"""The holders: one row an account's step, in which its cash and its positions change and its margin is met.

    step (clock, account, identity, nonce, floor, change, edit, mode)  ---> row <--- account before
    walk at the clock      the edit, or the settlement of what is fixed          row ---> account after
    walk at clock + 1      forced only: margin of what is left

Modes: margin (the edit, then all groups must be covered), settle group (one group is paid out, nothing else asked),
forced (every fixed group is paid out, then the cash left is exactly the requirement).
Twin of `rollup.admission.met_margin`, `with_nonce_used` and of every transaction's effects on its account.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import (
    ACCOUNT_STEPS,
    ACCOUNTS,
    FORCED_MODE,
    SETTLE_GROUP_MODE,
    WALKS,
)
from circuits.gadgets.carries import Carries
from circuits.gadgets.later import Later
from circuits.gadgets.limbs import LIMB_BITS, Limbs
from circuits.gadgets.zero import assert_not_zero, inverses
from circuits.named_columns import carry_columns, later_columns, lay_out, limb_columns, numbered
from circuits.walk_rows import OPTION_BITS, Terms, Walked
from circuits.walk_rows import Rows as WalkRows
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import Montgomery

NAME: Final = "holders"

LARGEST_LIMB: Final = (1 << LIMB_BITS) - 1

STEP: Final = (
    *("clock", "account", "identity", "nonce 0", "nonce 1", "uses nonce", "floor 0", "floor 1"),
    *(f"change {i}" for i in range(4)),
    *("edit group", "edit option", "edit lots", "settles group", "is forced"),
)
WALKED: Final = (
    *("is walked", "is walked again", "edits", "stamp", "middle count", "new count", "new version"),
    *(f"total {i}" for i in range(4)),
    *(f"second total {i}" for i in range(4)),
)


def constrain(air: AirBuilder) -> None:
    """State what a step does to its account.

    Assumes: whoever sends a step has limbs of the change below 2^20 in size, lots below 2^24, `uses nonce` zero or one
    and one of the three modes; forced steps and settlements name no lots.
    Guarantees: what the wire of `ACCOUNT_STEPS` says.
    """
    is_live = air.column("is live")
    step = dict(zip(STEP, air.columns(*STEP), strict=True))
    walked = dict(zip(WALKED, air.columns(*WALKED), strict=True))
    cash = air.columns(*(f"cash {i}" for i in range(4)))
    version, count = air.columns("version", "count")
    mode = step["settles group"] + step["is forced"] * FORCED_MODE
    sent = [step[name] for name in STEP[:-2]]
    air.receive(ACCOUNT_STEPS, [*sent, mode], when=is_live)

    later = Later.constrain(air, "account", step["clock"], is_live)
    # Soundness: at a place without an account all is zero, and an edit would make positions that nobody owns.
    assert_not_zero(air, "the account exists", step["identity"], is_live)
    nonce = _constrain_nonce(air, step)
    after = _constrain_cash(air, is_live, step, walked, cash)
    _constrain_walks(air, is_live, step, walked, version, count)
    identity, floor = step["identity"], [step["floor 0"], step["floor 1"]]
    account, clock = step["account"], step["clock"]
    old_nonce = [step["nonce 0"], step["nonce 1"]]
    air.receive(
        ACCOUNTS,
        [account, later.old_time, identity, *old_nonce, *floor, *cash, version, count],
        when=is_live,
    )
    air.send(
        ACCOUNTS,
        [account, clock, identity, *nonce, *floor, *after, walked["new version"], walked["new count"]],
        when=is_live,
    )


def _constrain_nonce(air: AirBuilder, step: dict[str, Expression]) -> list[Expression]:
    """The nonce afterwards; both limbs before are limbs, as the account was written so."""
    low, high, uses = step["nonce 0"], step["nonce 1"], step["uses nonce"]
    carry, inverse = air.columns("nonce carry", "nonce inverse")
    air.assert_zero("only a nonce that is used carries", carry * (1 - uses))
    air.assert_zero("a nonce carries at the end of its low limb", carry * (low - LARGEST_LIMB))
    air.assert_zero(
        "a nonce carries at the end of its low limb and nowhere else",
        uses * ((low - LARGEST_LIMB) * inverse + carry - 1),
    )
    # Soundness: a nonce that began again from zero would let all that was ever signed be replayed.
    air.assert_zero("the last nonce is never used", carry * ((high - LARGEST_LIMB) * inverse - 1))
    return [low + uses - carry * (1 << LIMB_BITS), high + carry]


def _constrain_cash(
    air: AirBuilder,
    is_live: Expression,
    step: dict[str, Expression],
    walked: dict[str, Expression],
    cash: tuple[Expression, ...],
) -> list[Expression]:
    """The cash afterwards, which is not negative and covers what is locked."""
    settles = step["settles group"] + step["is forced"]
    totals = [walked[f"total {i}"] for i in range(4)]
    seconds = [walked[f"second total {i}"] for i in range(4)]
    for i in range(4):
        air.assert_zero(f"no walk, no total {i}", (1 - walked["is walked"]) * totals[i])
        air.assert_zero(f"no second walk, no total {i}", (1 - walked["is walked again"]) * seconds[i])
    after = Limbs.constrain(air, "cash after", 4, is_live).columns
    free = Limbs.constrain(air, "free", 4, is_live).columns
    Carries.constrain(
        air,
        "cash changes by the change and by what is paid out",
        [cash[i] + step[f"change {i}"] + settles * totals[i] - after[i] for i in range(4)],
        is_live,
    )
    Carries.constrain(
        air,
        "cash is what is locked and what is free",
        [after[i] - (1 - settles) * totals[i] - seconds[i] - free[i] for i in range(4)],
        is_live,
    )
    # Soundness: a sequencer could keep back what is free.
    air.assert_zero(
        "a forced step leaves nothing free", step["is forced"] * (free[0] + free[1] + free[2] + free[3])
    )
    return list(after)


def _constrain_walks(
    air: AirBuilder,
    is_live: Expression,
    step: dict[str, Expression],
    walked: dict[str, Expression],
    version: Expression,
    count: Expression,
) -> None:
    """Which lists are walked, and what list the account has afterwards.

    Soundness: what stays unwalked must have nothing to walk.
    The other way round needs no rule: there is no walk without a position.
    """
    is_walked, again, edits = walked["is walked"], walked["is walked again"], walked["edits"]
    middle, new_count, stamp = walked["middle count"], walked["new count"], walked["stamp"]
    clock, lots = step["clock"], step["edit lots"]
    settles_group, is_forced = step["settles group"], step["is forced"]
    for name in ("settles group", "is forced"):
        air.assert_boolean(f"the flag '{name}' is zero or one", step[name])
    air.assert_boolean("an edit is made or not", edits)
    air.assert_zero("only a live row walks", is_walked * (1 - is_live))
    air.assert_zero("only a forced step walks again", again * (1 - is_forced))
    # Soundness: a dead row that walked again would take a list of an account's and put it under another version.
    air.assert_zero("a dead row forces nothing", is_forced * (1 - is_live))
    air.assert_zero("an account with positions is walked", (is_live - is_walked) * count)
    air.assert_zero("what is edited is walked", (is_live - is_walked) * edits)
    air.assert_zero("lots without an edit are none", (1 - edits) * lots)
    air.assert_zero("a settlement edits its group", settles_group * (1 - edits))
    air.assert_zero("a forced step edits nothing", is_forced * edits)
    air.assert_zero("what a forced settlement leaves is walked again", (is_forced - again) * middle)
    air.assert_zero("a list that is not walked keeps its count", (is_live - is_walked) * (middle - count))
    air.assert_zero(
        "a list that is not walked again keeps its count", (is_live - again) * (new_count - middle)
    )
    air.assert_equal(
        "a list's version is the clock of its last walk",
        walked["new version"],
        version + is_walked * (clock - version) + again,
    )
    air.assert_equal("a forced step reads groups at its clock", stamp, is_forced * clock)
    account = step["account"]
    edit: list[Operand] = [step["edit group"], step["edit option"], lots, edits]
    totals = [walked[f"total {i}"] for i in range(4)]
    seconds = [walked[f"second total {i}"] for i in range(4)]
    air.send(
        WALKS,
        [clock, account, version, count, middle, *edit, settles_group + is_forced, stamp, *totals],
        when=is_walked,
    )
    air.send(
        WALKS,
        [clock + 1, account, clock, middle, new_count, 0, 0, 0, 0, 0, stamp, *seconds],
        when=again,
    )


@dataclass(frozen=True)
class Rows:
    """One entry a step, and one a position held before, step by step."""

    clock: NDArray[np.int64]
    account: NDArray[np.int64]
    identity: NDArray[np.int64]
    nonce: NDArray[np.int64]
    uses_nonce: NDArray[np.int64]
    floor: NDArray[np.int64]
    change: NDArray[np.int64]
    """Limbs as the step's sender has them: (4, n)."""
    edit_group: NDArray[np.int64]
    edit_option: NDArray[np.int64]
    edit_lots: NDArray[np.int64]
    mode: NDArray[np.int64]
    old_time: NDArray[np.int64]
    cash: NDArray[np.int64]
    version: NDArray[np.int64]
    held_step: NDArray[np.int64]
    """Whose position."""
    held_series: NDArray[np.int64]
    held_lots: NDArray[np.int64]
    terms: Terms

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """Positions held before."""
        counted: NDArray[np.int64] = np.bincount(self.held_step, minlength=len(self.clock)).astype(np.int64)
        return counted

    @cached_property
    def is_walked(self) -> NDArray[np.int64]:
        """Whether there is something to walk."""
        something = (self.count > 0) | (self.edit_lots != 0) | (self.mode == SETTLE_GROUP_MODE)
        walked: NDArray[np.int64] = something.astype(np.int64)
        return walked

    @cached_property
    def middle(self) -> NDArray[np.int64]:
        """Which positions a forced settlement leaves, by place in the held ones."""
        is_forced = self.mode[self.held_step] == FORCED_MODE
        stamp = self.clock[self.held_step]
        group = self.held_series >> OPTION_BITS
        # A group without terms is fixed nowhere; the walk over it breaks at the bus of terms.
        places = np.searchsorted(self.terms.groups, stamp << 16 | group)
        are_fixed = np.append(self.terms.are_fixed, 0)[places]
        return np.flatnonzero(is_forced & (are_fixed == 0))

    @cached_property
    def is_walked_again(self) -> NDArray[np.int64]:
        """Whether a forced settlement leaves anything."""
        again = np.zeros(len(self.clock), np.int64)
        again[self.held_step[self.middle]] = 1
        return again

    @cached_property
    def walks(self) -> Walked:
        """All walks, step by step."""
        first = np.cumsum(self.is_walked + self.is_walked_again) - self.is_walked - self.is_walked_again
        steps = np.repeat(np.arange(len(self.clock)), self.is_walked + self.is_walked_again)
        is_second = np.zeros(len(steps), np.int64)
        is_second[first[self.is_walked_again == 1] + 1] = 1
        is_first = 1 - is_second
        stamp = np.where(self.mode == FORCED_MODE, self.clock, 0)
        edit = self.edit_group << OPTION_BITS | self.edit_option
        walk = np.concatenate([first[self.held_step], first[self.held_step[self.middle]] + 1])
        series = np.concatenate([self.held_series, self.held_series[self.middle]])
        lots = np.concatenate([self.held_lots, self.held_lots[self.middle]])
        order = np.argsort(walk, kind="stable")
        return Walked.of(
            WalkRows(
                self.clock[steps] + is_second,
                self.account[steps],
                np.where(is_second == 1, self.clock[steps], self.version[steps]),
                is_first * (self.mode[steps] != 0),
                stamp[steps],
                is_first * edit[steps],
                is_first * self.edit_lots[steps],
                walk[order],
                series[order],
                lots[order],
                self.terms,
            )
        )

    @cached_property
    def numbers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The step's first and second walk; one behind the last where there is none."""
        walks = self.is_walked + self.is_walked_again
        first, none = np.cumsum(walks) - walks, walks.sum()
        return (
            np.where(self.is_walked == 1, first, none),
            np.where(self.is_walked_again == 1, first + 1, none),
        )


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace; the walks that it names are laid out from `rows.walks`."""
    walks = rows.walks
    first, second = rows.numbers
    totals = np.append(walks.total, np.zeros((4, 1), np.int64), axis=1)
    counts = np.append(walks.new_count, 0)
    total, second_total = totals[:, first], totals[:, second]
    is_walked, again = rows.is_walked, rows.is_walked_again
    middle = np.where(is_walked == 1, counts[first], rows.count)
    new_count = np.where(again == 1, counts[second], middle)
    settles = (rows.mode != 0).astype(np.int64)
    is_forced = (rows.mode == FORCED_MODE).astype(np.int64)
    cash = np.stack(list(limb_columns("", rows.cash, 4).values()))
    received = cash + rows.change + settles * total
    after = np.stack(list(limb_columns("", _number(received), 4).values()))
    locked = (1 - settles) * total + second_total
    free = np.stack(list(limb_columns("", _number(after - locked), 4).values()))
    low, high = rows.nonce & LARGEST_LIMB, rows.nonce >> LIMB_BITS
    carry = rows.uses_nonce * (low == LARGEST_LIMB)
    return lay_out(
        constrain,
        {
            "is live": np.ones(len(rows.clock), np.int64),
            "clock": rows.clock,
            "account": rows.account,
            "identity": rows.identity,
            "nonce 0": low,
            "nonce 1": high,
            "uses nonce": rows.uses_nonce,
            "floor 0": rows.floor & LARGEST_LIMB,
            "floor 1": rows.floor >> LIMB_BITS,
            **numbered("change", rows.change),
            "edit group": rows.edit_group,
            "edit option": rows.edit_option,
            "edit lots": rows.edit_lots,
            "settles group": (rows.mode == SETTLE_GROUP_MODE).astype(np.int64),
            "is forced": is_forced,
            "is walked": is_walked,
            "is walked again": again,
            "edits": ((rows.edit_lots != 0) | (rows.mode == SETTLE_GROUP_MODE)).astype(np.int64),
            "stamp": is_forced * rows.clock,
            "middle count": middle,
            "new count": new_count,
            "new version": rows.version + is_walked * (rows.clock - rows.version) + again,
            **numbered("total", total),
            **numbered("second total", second_total),
            **numbered("cash", cash),
            "version": rows.version,
            "count": rows.count,
            **later_columns("account", rows.old_time, rows.clock),
            "the account exists: inverse": inverses(rows.identity),
            "nonce carry": carry,
            "nonce inverse": rows.uses_nonce * inverses(np.where(carry == 1, high, low) - LARGEST_LIMB),
            **numbered("cash after limb", after),
            **numbered("free limb", free),
            **carry_columns("cash changes by the change and by what is paid out", received - after),
            **carry_columns("cash is what is locked and what is free", after - locked - free),
        },
        log_height,
    )


def _number(limbs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Limbs that need not be normalised as one number, modulo 2^64."""
    total: NDArray[np.int64] = limbs[0] + (limbs[1] << 16) + (limbs[2] << 32) + (limbs[3] << 48)
    return total
