"""A step leaves an account exactly as the rules do, with its margin met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pytest

from circuits import holders, walks
from circuits.buses import (
    ACCOUNTS,
    FORCED_MODE,
    FOURTEEN_BITS,
    MARGIN_MODE,
    SETTLE_GROUP_MODE,
    SETTLEMENTS,
    SIXTEEN_BITS,
    WALKS,
)
from circuits.holders import Rows
from circuits.walk_rows import OPTION_BITS
from circuits.walk_trace import fill
from prover.air.inspect import Findings
from prover.field.koalabear import Montgomery
from rollup.instruments import Group, SeriesId, group_of
from rollup.margin import margin_of
from rollup.positions import with_lots
from rollup.settlement import settled
from rollup.state import Account
from tests.circuits.binding import unbound_cells
from tests.circuits.loose_ends import broken, changed, inspected, loose_ends, table_of
from tests.circuits.walking import (
    GROUPS,
    HELD,
    LARGEST,
    NO_SERIES,
    Positions,
    group_alone,
    random_portfolio,
    terms_of,
)
from tests.circuits.walking import TABLE as WALK_TABLE
from tests.rollup.workbench import make

TABLE = table_of(holders.NAME, holders.constrain)

ACCOUNT, IDENTITY, FLOOR, VERSION = 100, 5000, 70_001, 7


@dataclass(frozen=True)
class Step:
    """What one transaction asks of one account."""

    positions: Positions
    cash: int
    change: int = 0
    series: SeriesId = NO_SERIES
    lots: int = 0
    mode: int = MARGIN_MODE
    nonce: int = 9
    uses_nonce: int = 0
    identity: int = IDENTITY


def limbs_of_change(change: int) -> list[int]:
    sign = -1 if change < 0 else 1
    return [sign * (abs(change) >> 16 * i & 0xFFFF) for i in range(4)]


def rows_of(steps: list[Step]) -> Rows:
    """Step i is account 100 + i's at clock 1000 + 16 i."""

    def column(read: Callable[[Step], int]) -> Any:
        return np.array([read(step) for step in steps], np.int64)

    numbers = np.arange(len(steps))
    clocks = 1000 + 16 * numbers
    stamps = [clock for clock, step in zip(clocks.tolist(), steps, strict=True) if step.mode == FORCED_MODE]
    held = [(i, *position) for i, step in enumerate(steps) for position in step.positions]
    return Rows(
        clocks,
        ACCOUNT + numbers,
        column(lambda step: step.identity),
        column(lambda step: step.nonce),
        column(lambda step: step.uses_nonce),
        np.full(len(steps), FLOOR),
        np.array([limbs_of_change(step.change) for step in steps], np.int64).T.reshape(4, len(steps)),
        column(lambda step: step.series >> OPTION_BITS),
        column(lambda step: step.series & (1 << OPTION_BITS) - 1),
        column(lambda step: step.lots),
        column(lambda step: step.mode),
        clocks - 17,
        column(lambda step: step.cash),
        np.full(len(steps), VERSION),
        np.array([one[0] for one in held], np.int64),
        np.array([one[1] for one in held], np.int64),
        np.array([one[2] for one in held], np.int64),
        terms_of(GROUPS, stamps),
    )


def traced(rows: Rows) -> dict[str, Montgomery]:
    walked = rows.walks
    return {
        holders.NAME: holders.fill(rows, max(0, len(rows.clock) - 1).bit_length()),
        walks.NAME: fill(walked, max(1, walked.height - 1).bit_length()),
    }


def inspected_steps(rows: Rows, **cells: int) -> Findings:
    """With some cells of the first holder changed."""
    traces = traced(rows)
    traces[holders.NAME] = changed(traces[holders.NAME], TABLE, 0, **cells)
    return inspected([TABLE, WALK_TABLE], traces)


def faults(found: Findings) -> set[str]:
    wrong = broken(found)
    for bus, limit in ((SIXTEEN_BITS, 1 << 16), (FOURTEEN_BITS, 1 << 14)):
        if any(not 0 <= value < limit for (value,) in loose_ends(found, bus)):
            wrong.add("range")
    if loose_ends(found, WALKS):
        wrong.add("walks")
    return wrong


def refused(step: Step, **cells: int) -> set[str]:
    return faults(inspected_steps(rows_of([step]), **cells))


def needed(positions: Positions) -> int:
    return margin_of(positions, lambda number: GROUPS[number]).requirement


def by_the_rules(step: Step) -> tuple[int, Positions, int]:
    """Cash and positions afterwards, and what was paid out by groups."""
    account: Account = make(Account, 1, 0, None, 0, 0, step.cash + (1 << 61), step.positions)
    paid = 0
    for number in sorted({group_of(held.series) for held in step.positions}):
        is_named = step.mode == SETTLE_GROUP_MODE and number == step.series >> OPTION_BITS
        if is_named or (step.mode == FORCED_MODE and GROUPS[number].settlement_price is not None):
            account, settlement = settled(account, GROUPS[number])
            paid += settlement.payoff
    positions = with_lots(account.positions, step.series, step.lots) if step.lots else account.positions
    return step.cash + step.change + paid, positions, paid


def random_step(random: Random) -> Step:
    held = random_portfolio(random, GROUPS, random.randint(0, 12), random.choice((3, 1000, LARGEST)))
    fixed = [number for number, listed in GROUPS.items() if listed.settlement_price is not None]
    held_fixed = [number for number in fixed if any(group_of(one.series) == number for one in held)]
    mode = random.choice((MARGIN_MODE, MARGIN_MODE, SETTLE_GROUP_MODE, FORCED_MODE))
    nonce = random.choice((0, 65_534, 65_535, (1 << 32) - 2, 77))
    spare = random.choice((0, 0, 1, 65_536, 10**12))
    if mode == SETTLE_GROUP_MODE and held_fixed:
        named = SeriesId(random.choice(held_fixed) << OPTION_BITS)
        return Step(held, needed(held) + spare, series=named, mode=mode, nonce=nonce)
    if mode == FORCED_MODE:
        step = Step(held, needed(held) + spare, mode=mode, nonce=nonce)
        cash, left, _ = by_the_rules(step)
        return replace(step, change=needed(left) - cash)
    series = random.choice([one for listed in GROUPS.values() for one in listed.series])
    before = dict(held).get(series, 0)
    lots = random.choice((0, -before, random.randint(-1000, 1000)))
    lots = lots if abs(before + lots) <= LARGEST else 0
    change = random.randint(-(10**12), 10**12)
    after = with_lots(held, series, lots) if lots else held
    cash = max(0, needed(after) + spare - change)
    uses = random.randrange(2)
    return Step(held, cash, change, series if lots else NO_SERIES, lots, mode, nonce, uses)


@pytest.mark.parametrize("seed", range(6))
def test_random_steps_are_provable_and_leave_what_the_rules_leave(seed: int) -> None:
    random = Random(100 + seed)
    steps = [random_step(random) for _ in range(8)]
    rows = rows_of(steps)
    found = inspected_steps(rows)
    assert faults(found) == set()
    written = {message[0]: message[1:] for message, count in loose_ends(found, ACCOUNTS).items() if count > 0}
    paid: dict[int, int] = {}
    for clock, _, *payoff in loose_ends(found, SETTLEMENTS):
        paid[clock] = paid.get(clock, 0) + sum(limb << 16 * i for i, limb in enumerate(payoff))
    for i, step in enumerate(steps):
        cash, positions, paid_out = by_the_rules(step)
        clock = 1000 + 16 * i
        time, identity, *rest = written[ACCOUNT + i]
        nonce = rest[0] | rest[1] << 16
        assert (time, identity, nonce) == (clock, IDENTITY, step.nonce + step.uses_nonce)
        assert (rest[2] | rest[3] << 16) == FLOOR
        assert sum(limb << 16 * k for k, limb in enumerate(rest[4:8])) == cash
        assert rest[9] == len(positions)
        is_walked = bool(step.positions or step.lots)
        is_second = step.mode == FORCED_MODE and bool(positions)
        assert rest[8] == (clock + is_second if is_walked else VERSION)
        assert paid.get(clock, 0) == paid_out


def test_no_steps_are_provable() -> None:
    rows = rows_of([])
    assert inspected_steps(rows).is_clean
    assert not holders.fill(rows, 3).any()


NEEDED = needed(HELD)

FREE, AFTER = "cash is what is locked and what is free", "cash changes by the change and by what is paid out"


def is_negative(step: Step, equation: str, limb: str) -> bool:
    """Whether the step's equation only holds with a top limb below zero, which the range check refuses."""
    top = {limb: -1}
    return refused(step) >= {f"{equation}: weight 3 is carried on"} and "range" in refused(step, **top)


def test_a_margin_that_is_short_by_one_is_refused() -> None:
    exact = Step(HELD, NEEDED + 1000, -1000)
    assert refused(exact) == set()
    assert is_negative(replace(exact, change=-1001), FREE, "free_limb_3")


def test_cash_below_zero_is_refused() -> None:
    assert refused(Step((), 1000, -1000)) == set()
    assert is_negative(Step((), 1000, -1001), AFTER, "cash_after_limb_3")


def test_a_settlement_that_cash_cannot_pay_is_refused() -> None:
    step = Step(HELD, NEEDED, series=group_alone(3), mode=SETTLE_GROUP_MODE)
    _, _, paid = by_the_rules(step)
    assert paid < 0
    assert refused(replace(step, cash=-paid)) == set()
    assert is_negative(replace(step, cash=-paid - 1), AFTER, "cash_after_limb_3")


def test_a_forced_step_pays_neither_more_nor_less_than_what_is_free() -> None:
    step = Step(HELD, NEEDED + 10**9, mode=FORCED_MODE)
    cash, left, _ = by_the_rules(step)
    exact = replace(step, change=needed(left) - cash)
    assert refused(exact) == set()
    assert refused(replace(exact, change=exact.change + 1)) == {"a forced step leaves nothing free"}
    assert is_negative(replace(exact, change=exact.change - 1), FREE, "free_limb_3")


def test_no_account_is_refused() -> None:
    assert refused(Step((), 5, identity=0)) == {"the account exists"}


def test_the_last_nonce_is_refused() -> None:
    last = (1 << 32) - 1
    assert refused(Step((), 5, nonce=last)) == set()
    assert "the last nonce is never used" in refused(Step((), 5, nonce=last, uses_nonce=1))


@pytest.mark.parametrize(("nonce", "carry"), [(65_535, 0), (65_534, 1), (9, 1)])
def test_a_nonce_that_carries_wrongly_is_refused(nonce: int, carry: int) -> None:
    assert refused(Step((), 5, nonce=nonce, uses_nonce=1), nonce_carry=carry)


def test_positions_that_are_not_walked_are_refused() -> None:
    step = Step(HELD, NEEDED)
    wrong = refused(step, is_walked=0, new_version=VERSION, total_0=0, total_1=0, total_2=0, total_3=0)
    assert {"an account with positions is walked", "walks"} <= wrong


def test_an_edit_that_is_left_out_is_refused() -> None:
    step = Step(HELD, NEEDED + 10**12, series=HELD[0].series, lots=2)
    assert "lots without an edit are none" in refused(step, edits=0)
    alone = replace(step, positions=())
    assert "what is edited is walked" in refused(alone, is_walked=0)


def test_a_walk_without_anything_to_walk_is_answered_by_nobody() -> None:
    assert "walks" in refused(Step((), 5), is_walked=1, new_version=1000)


def test_a_settlement_without_positions_is_refused() -> None:
    """Whoever asks to settle names a group in which something is held."""
    assert "walks" in refused(Step((), 5, series=group_alone(3), mode=SETTLE_GROUP_MODE))
    assert "walks" in refused(Step(HELD, NEEDED, series=group_alone(4), mode=SETTLE_GROUP_MODE))
    step = Step(HELD, NEEDED, series=group_alone(4), mode=SETTLE_GROUP_MODE)
    assert "a settlement edits its group" in refused(step, edits=0)


def test_what_a_forced_settlement_leaves_is_walked_again() -> None:
    step = Step(HELD, NEEDED, mode=FORCED_MODE)
    cash, left, _ = by_the_rules(step)
    exact = replace(step, change=needed(left) - cash)
    assert refused(exact) == set()
    cells = {f"second_total_{i}": 0 for i in range(4)}
    wrong = refused(replace(exact, change=-cash), is_walked_again=0, new_version=1000, **cells)
    assert {"what a forced settlement leaves is walked again", "walks"} <= wrong


def test_a_smaller_total_than_the_walks_is_refused() -> None:
    rows = rows_of([Step(HELD, NEEDED)])
    low = int(rows.walks.total[0, 0])
    assert "walks" in faults(inspected_steps(rows, total_0=low - 1))


def test_every_cell_is_bound_alone() -> None:
    """Changed by one, each cell is refused or changes what another table hears."""
    forced = Step(HELD, NEEDED, mode=FORCED_MODE)
    steps = [
        Step(HELD, 2 * NEEDED, series=HELD[0].series, lots=-1, uses_nonce=1, nonce=65_535),
        replace(forced, change=needed(by_the_rules(forced)[1]) - by_the_rules(forced)[0]),
        Step((), 70, -7, uses_nonce=1),
    ]
    rows = rows_of(steps)
    trace = traced(rows)[holders.NAME]
    assert faults(inspected_steps(rows)) == set()
    free = unbound_cells(TABLE, trace, len(steps))
    assert free == {(1, "nonce inverse")}, "a nonce that is not used needs no inverse"


def test_the_groups_of_the_specimens_are_fixed_and_open() -> None:
    listed: dict[int, Group] = {group_of(one.series): GROUPS[group_of(one.series)] for one in HELD}
    assert {one.settlement_price is None for one in listed.values()} == {True, False}
