"""Walks prove exactly what the rules compute, and nothing else.

The file is long because every cheat stands beside the bench that lays it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits import walks
from circuits.buses import SETTLEMENTS
from circuits.walk_columns import COLUMNS
from circuits.walk_rows import Rows, Walked
from circuits.walk_trace import fill
from prover.air.inspect import Findings
from prover.field.koalabear import PRIME, decode, encode
from rollup.instruments import group_of
from rollup.margin import group_payoff, margin_of
from rollup.positions import with_lots, without_group
from rollup.state import Position
from rollup.units import OptionKind, Ticks
from tests.circuits.binding import unbound_cells
from tests.circuits.loose_ends import inspected, loose_ends
from tests.circuits.walking import (
    CALL,
    GROUPS,
    HELD,
    LARGEST,
    PUT,
    TABLE,
    Positions,
    Walk,
    answers,
    faults,
    group,
    new_lists,
    random_portfolio,
    rows_of,
    series,
    traced,
)


def total_of(message: tuple[int, ...]) -> int:
    return sum(limb << 16 * i for i, limb in enumerate(message[-4:]))


def random_walk(random: Random) -> Walk:
    held = random_portfolio(random, GROUPS, random.randint(1, 16), random.choice((3, 1000, LARGEST)))
    settles = random.random() < 0.3
    fixed = [
        group_of(position.series)
        for position in held
        if GROUPS[group_of(position.series)].settlement_price is not None
    ]
    if settles and fixed:
        is_forced = random.random() < 0.5
        return Walk(
            held, settles=1, is_forced=is_forced, settled_group=0 if is_forced else random.choice(fixed)
        )
    edited = random.choice([one for listed in GROUPS.values() for one in listed.series])
    before = dict(held).get(edited, 0)
    lots = random.choice((-before, random.randint(-1000, 1000)))
    return Walk(held, edited, lots if abs(before + lots) <= LARGEST else -before)


def expected(walk: Walk) -> tuple[Positions, int]:
    """The new list and the total, by the rules."""
    if not walk.settles:
        after = with_lots(walk.positions, walk.series, walk.lots)
        return after, margin_of(after, lambda number: GROUPS[number]).requirement
    after, paid = walk.positions, 0
    for number, listed in GROUPS.items():
        price = listed.settlement_price
        if price is not None and (walk.is_forced or number == walk.settled_group):
            closed = tuple(held for held in after if group_of(held.series) == number)
            after = without_group(after, number)  # type: ignore[arg-type]
            paid += group_payoff(closed, price, listed.tick_value)
    return after, paid


@pytest.mark.parametrize("seed", range(12))
def test_random_portfolios_are_provable_with_exactly_what_the_rules_say(seed: int) -> None:
    random = Random(seed)
    asked = [random_walk(random) for _ in range(10)]
    rows = rows_of(asked, GROUPS)
    walked = Walked.of(rows)
    _, found = traced(walked)
    assert faults(found, rows) == set()
    claimed, lists = answers(found), new_lists(found)
    assert len(claimed) == len(asked)
    for message in claimed:
        clock, account, version, old_count, new_count = message[:5]
        walk = asked[clock - 1000]
        after, total = expected(walk)
        assert total_of(message) == total
        assert (account, version) == (clock - 900, clock - 1000)
        assert (old_count, new_count) == (len(walk.positions), len(after))
        assert lists.get(account, ()) == after
        edits = int(bool(walk.lots) or bool(walk.settled_group))
        stamp = clock if walk.is_forced else 0
        assert message[8:11] == (edits, walk.settles, stamp)
        assert walked.total[:, clock - 1000].tolist() == list(message[-4:])
    paid = sum(total_of(message) for message in loose_ends(found, SETTLEMENTS))
    assert paid == sum(expected(walk)[1] for walk in asked if walk.settles)


@pytest.mark.parametrize(
    ("held", "at_least"),
    [
        ([(1, 80, CALL, -5)], 5 * 320_000_000),
        ([(1, 80, PUT, -5)], 5 * 80_000_000),
        ([(1, 80, CALL, 5)], 0),
        ([(1, 80, CALL, 5), (1, 120, CALL, -5)], 0),
        ([(1, 80, CALL, -5), (1, 120, CALL, 5)], 5 * 40_000_000),
        ([(7, 5, CALL, -LARGEST)], LARGEST * ((1 << 24) - 6) * 256),
        ([(7, (1 << 24) - 2, PUT, -LARGEST)], LARGEST * ((1 << 24) - 2) * 256),
    ],
    ids=[
        "short call",
        "short put",
        "long call",
        "debit spread",
        "credit spread",
        "largest call",
        "largest put",
    ],
)
def test_known_portfolios_need_what_is_known(
    held: list[tuple[int, int, OptionKind, int]], at_least: int
) -> None:
    positions = tuple(sorted(Position(series(*one[:3]), one[3]) for one in held))
    rows = rows_of([Walk(positions)], GROUPS)
    _, found = traced(Walked.of(rows))
    assert faults(found, rows) == set()
    (message,) = answers(found)
    assert total_of(message) == at_least


def test_the_largest_portfolios_fit_every_bound() -> None:
    strikes = tuple((1 << 24) - 40 + i for i in range(16))
    groups = {9: group(9, (1 << 24) - 1, 256, strikes)}
    listed = groups[9].series
    halves = [-1 if i < 16 else 1 for i in range(32)]
    turns = [-1 if i % 2 else 1 for i in range(32)]
    signs = [[1] * 32, [-1] * 32, turns, [-sign for sign in turns], halves, [-sign for sign in halves]]
    portfolios = [
        tuple(Position(one, sign * LARGEST) for one, sign in zip(sorted(listed), some, strict=True))
        for some in signs
    ]
    for price in (None, 0, strikes[7], (1 << 24) - 1):
        named = {9: group(9, (1 << 24) - 1, 256, strikes, price)}
        asked = [Walk(positions) for positions in portfolios]
        if price is not None:
            asked += [Walk(positions, settles=1, settled_group=9) for positions in portfolios]
        rows = rows_of(asked, named)
        _, found = traced(Walked.of(rows))
        assert faults(found, rows) == set()
        for message in answers(found):
            walk = asked[message[0] - 1000]
            if walk.settles:
                assert price is not None
                assert total_of(message) == group_payoff(walk.positions, Ticks(price), 256)
            else:
                assert total_of(message) == margin_of(walk.positions, named.get).requirement


def test_a_table_without_walks_is_provable() -> None:
    rows = rows_of([], GROUPS)
    trace = fill(Walked.of(rows), 2)
    assert not trace.any()
    assert inspected([TABLE], {walks.NAME: trace}).is_clean


def test_more_rows_than_the_table_has_are_refused() -> None:
    rows = rows_of([Walk(HELD)], GROUPS)
    with pytest.raises(ValueError, match="11 rows of walks do not fit a table of 8"):
        fill(Walked.of(rows), 3)


EDITED = Walk(HELD, series(1, 95, PUT), 10)
SETTLED = Walk(HELD, settles=1, settled_group=3)
FORCED = Walk(HELD, settles=1, is_forced=True)


def cheated(walk: Walk, **changes: Any) -> Walked:
    """A walk laid out from other numbers than the rules'; everything that follows from them follows."""
    walked = Walked.of(rows_of([walk], GROUPS))
    for name, value in changes.items():
        old = getattr(walked, name)
        walked.__dict__[name] = value(old.copy()) if callable(value) else value
    return walked


def changed_at(place: int, value: int) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        values[place] = value
        return values

    return change


def added_at(place: int, value: int) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        values[place] += value
        return values

    return change


def refused(walked: Walked, rows: Rows | None = None) -> set[str]:
    _, found = traced(walked)
    return faults(found, walked.rows if rows is None else rows)


def test_the_specimens_are_honest() -> None:
    for walk in (EDITED, SETTLED, FORCED):
        walked = cheated(walk)
        assert refused(walked) == set()
        assert walk.settles or (walked.requirement > 0).all()


@pytest.mark.parametrize("place", [0, 1], ids=["open", "fixed"])
def test_a_requirement_that_is_one_too_small_is_refused(place: int) -> None:
    assert "range" in refused(cheated(EDITED, requirement=added_at(place, -1)))


@pytest.mark.parametrize("place", [0, 1], ids=["open", "fixed"])
def test_a_requirement_that_is_one_too_large_is_refused(place: int) -> None:
    """However the flag of tightness is set."""
    walked = cheated(EDITED, requirement=added_at(place, 1))
    assert refused(walked) == {"a margin is tight"}
    trace = fill(walked, 4)
    names = list(COLUMNS)
    tight, end = names.index("tight"), names.index("is end")
    ends = np.flatnonzero(decode(trace[end]))
    for start in range(ends[place - 1] + 1 if place else 0, ends[place] + 1):
        forged = trace.copy()
        forged[tight, start : ends[place] + 1] = encode([1])[0]
        assert faults(inspected([TABLE], {walks.NAME: forged}), walked.rows)


def test_a_requirement_larger_by_both_moduli_is_refused() -> None:
    assert "range" in refused(cheated(EDITED, requirement=added_at(0, PRIME << 32)))


@pytest.mark.parametrize("walk", [SETTLED, FORCED], ids=["named", "forced"])
def test_a_settlement_that_pays_one_more_is_refused(walk: Walk) -> None:
    def one_more(payoffs: Any) -> Any:
        return payoffs + 1

    walked = cheated(walk, payoff_at_end=one_more)
    wrong = refused(walked)
    assert wrong == {
        "each step and side and end adds up modulo the prime",
        "what stands at weight 1 is carried on",
    }


def reordered(walked: Walked, order: list[int]) -> Walked:
    """The same positions in another order, or not all of them, or some twice."""
    rows = np.array(order)
    parts = (walked.walk, walked.series, walked.was, walked.old_lots, walked.takes_edit)
    return Walked(walked.rows, *(part[rows] for part in parts))


def test_an_unsorted_list_is_refused() -> None:
    walked = Walked.of(rows_of([EDITED], GROUPS))
    assert "range" in refused(reordered(walked, [1, 0, 2, 3, 4, 5, 6]))
    assert "range" in refused(reordered(walked, [4, 5, 6, 0, 1, 2, 3]))


def test_a_new_position_in_the_wrong_place_is_refused() -> None:
    walked = Walked.of(rows_of([Walk(HELD, series(1, 105, PUT), 2)], GROUPS))
    assert refused(walked) == set()
    assert "range" in refused(reordered(walked, [0, 1, 3, 2, 4, 5, 6, 7]))


def test_a_series_held_twice_is_refused() -> None:
    walked = reordered(Walked.of(rows_of([EDITED], GROUPS)), [0, 1, 1, 2, 3, 4, 5, 6])
    walked.was[2], walked.old_lots[2], walked.takes_edit[1] = 0, 0, 0
    assert refused(walked) == {"range"}


def test_a_group_in_two_parts_is_refused() -> None:
    apart = np.array([0, 2, 4])
    walked = cheated(EDITED, first=apart)
    assert "the next group is another one" in refused(walked)


def test_a_position_of_nothing_is_refused() -> None:
    walk = Walk(HELD, series(1, 95, PUT), -3)
    assert refused(cheated(walk)) == set()
    assert refused(cheated(walk, is_kept=changed_at(1, 1))) == {"what is kept is something"}


@pytest.mark.parametrize("walk", [EDITED, SETTLED], ids=["margin", "settlement"])
def test_a_position_that_is_dropped_is_refused(walk: Walk) -> None:
    wrong = refused(cheated(walk, is_kept=changed_at(0, 0)))
    assert wrong & {"what is not kept for margin is nothing", "what is passed is kept"}


def test_a_position_that_is_settled_and_kept_is_refused() -> None:
    assert "what is settled is not kept" in refused(cheated(SETTLED, is_kept=changed_at(5, 1)))


@pytest.mark.parametrize("skipped", range(7))
def test_a_kink_that_is_skipped_is_refused(skipped: int) -> None:
    walked = Walked.of(rows_of([Walk(HELD)], GROUPS))
    assert "positions" in refused(reordered(walked, [i for i in range(7) if i != skipped]))


def test_an_edit_that_is_made_twice_or_elsewhere_is_refused() -> None:
    walked = Walked.of(rows_of([EDITED], GROUPS))
    for places in ([1, 2], [2], [5]):
        forged = reordered(walked, list(range(7)))
        forged.takes_edit[:] = 0
        forged.takes_edit[places] = 1
        wrong = refused(forged)
        assert wrong & {"the edit names the option that takes it", "the edit names the group that takes it"}


def test_an_edit_that_is_left_out_is_told_to_the_holder() -> None:
    walked = Walked.of(rows_of([EDITED], GROUPS))
    walked.takes_edit[:] = 0
    _, found = traced(walked)
    assert faults(found, walked.rows) == set()
    (message,) = answers(found)
    assert message[8] == 0


def with_cells(walked: Walked, row: int, **cells: int) -> Findings:
    trace = fill(walked, max(1, walked.height - 1).bit_length())
    for name, value in cells.items():
        trace[COLUMNS.index(name.replace("_", " ")), row] = encode([value])[0]
    return inspected([TABLE], {walks.NAME: trace})


def test_another_sign_is_refused() -> None:
    walked = Walked.of(rows_of([EDITED], GROUPS))
    wrong = faults(with_cells(walked, 1, is_negative=0), walked.rows)
    assert "lots are a sign and bytes" in wrong


@pytest.mark.parametrize("place", range(7))
def test_a_put_read_as_a_call_is_refused(place: int) -> None:
    walked = cheated(EDITED)
    kinds = walked.is_put.copy()
    kinds[place] = 1 - kinds[place]
    assert "series" in refused(cheated(EDITED, is_put=kinds))


def test_another_strike_value_or_rank_is_refused() -> None:
    assert "series" in refused(cheated(EDITED, value=added_at(2, 1)))
    assert "series" in refused(cheated(EDITED, rank=added_at(6, 1)))


def test_more_positions_than_thirty_two_are_refused() -> None:
    listed = sorted(one for listed in GROUPS.values() for one in listed.series)
    held = tuple(Position(one, 1) for one in listed[:32])
    full = rows_of([Walk(held, listed[31], 1), Walk(held)], GROUPS)
    assert refused(Walked.of(full)) == set()
    over = rows_of([Walk(held, listed[32], 1)], GROUPS)
    assert refused(Walked.of(over)) == {"a new list has at most 32 entries"}


@pytest.mark.parametrize("sign", [1, -1])
def test_lots_of_twenty_five_bits_are_refused(sign: int) -> None:
    one = series(1, 80, CALL)
    at_limit = rows_of([Walk((Position(one, sign * (LARGEST - 1)),), one, sign)], GROUPS)
    assert refused(Walked.of(at_limit)) == set()
    beyond = rows_of([Walk((Position(one, sign * LARGEST),), one, sign)], GROUPS)
    assert refused(Walked.of(beyond)) == {"range"}


def test_a_settlement_of_a_group_without_a_price_is_refused() -> None:
    walked = Walked.of(rows_of([Walk(HELD, settles=1, settled_group=1)], GROUPS))
    assert refused(walked) == {"a priced group has a fixed price"}
    walked.__dict__["is_fixed"] = np.array([1, 1])
    assert "groups" in refused(walked)


def test_a_settlement_of_another_group_is_refused() -> None:
    held = (*HELD, Position(series(4, 80, CALL), 3))
    walked = Walked.of(rows_of([Walk(held, settles=1, settled_group=4)], GROUPS))
    assert refused(walked) == set()
    for settled in ([0, 1, 0], [0, 1, 1]):
        forged = Walked.of(walked.rows)
        forged.__dict__["is_settled"] = np.array(settled)
        assert refused(forged) & {
            "the edit names the group that takes it",
            "a group that is settled unnamed is settled by force",
        }
    unsettled = Walked.of(walked.rows)
    unsettled.__dict__["is_settled"] = np.array([0, 0, 0])
    _, found = traced(unsettled)
    (message,) = answers(found)
    assert message[8] == 0, "the holder asks for one edit"


def test_a_margin_after_a_forced_settlement_refuses_fixed_groups() -> None:
    rows = rows_of([Walk(HELD, is_forced=True)], GROUPS)
    assert refused(Walked.of(rows)) == {"after a forced settlement no group is fixed"}


def test_a_fixed_group_at_another_price_is_refused() -> None:
    assert "groups" in refused(cheated(EDITED, end_value=added_at(1, 1_000_000)))
    assert "groups" in refused(cheated(SETTLED, end_value=added_at(1, -1_000_000)))


def test_a_fixed_group_is_not_walked_and_an_open_one_not_priced() -> None:
    walked_fixed = cheated(EDITED, is_priced=changed_at(1, 0), is_open=changed_at(1, 1))
    assert "an open group has no fixed price" in refused(walked_fixed)
    priced_open = cheated(EDITED, is_priced=changed_at(0, 1), is_open=changed_at(0, 0))
    assert "a priced group has a fixed price" in refused(priced_open)


def test_a_margin_passes_no_group() -> None:
    passed = cheated(EDITED, is_open=changed_at(0, 0), requirement=changed_at(0, 0))
    assert "a walk for margin passes no group" in refused(passed)


def test_an_option_on_the_wrong_side_of_the_price_is_refused() -> None:
    for place in (4, 5, 6):
        sides = cheated(EDITED).is_above.copy()
        sides[place] = 1 - sides[place]
        assert refused(cheated(EDITED, is_above=sides))


def test_another_versions_list_is_refused() -> None:
    rows = rows_of([EDITED], GROUPS)
    older = replace(rows, old_version=rows.old_version + 5)
    assert refused(Walked.of(older), rows) == {"positions"}


def test_a_slope_of_choice_is_refused() -> None:
    """A slope at zero that is too high makes every later payoff too high."""
    walked = cheated(EDITED, slope=lambda slopes: slopes + 1)
    trace = fill(walked, 4)
    names = list(COLUMNS)
    lowest, rest = names.index("slope byte 0"), names.index("rest")
    trace[lowest, 0] = encode(decode(trace[lowest, :1]) + 1)[0]
    for row in range(5):
        trace[rest, row] = encode(decode(trace[rest, row : row + 1]).astype(np.int64) - 1)[0]
    wrong = faults(inspected([TABLE], {walks.NAME: trace}), walked.rows)
    assert wrong & {"an open group's rest ends at zero", "a position takes its lots off the rest"}


def test_every_cell_is_bound_alone() -> None:
    """Changed by one, each cell of the specimens is refused or changes what another table hears."""
    held = (HELD[0], HELD[1], HELD[4])
    asked = [replace(walk, positions=held) for walk in (EDITED, SETTLED)]
    walked = Walked.of(rows_of(asked, GROUPS))
    trace = fill(walked, 4)
    kinds = _kinds(decode(trace[:, : walked.height]))
    free = {(kinds[row], name) for row, name in unbound_cells(TABLE, trace, walked.height)}
    assert free == FREE


def test_a_slope_spelled_with_the_prime_added_is_refused() -> None:
    """As an element it is the same; as a number it would move the payoff by multiples of the prime."""
    walked = Walked.of(rows_of([EDITED], GROUPS))
    trace = fill(walked, 4)
    for row in range(walked.height):
        bytes_ = [decode(trace[COLUMNS.index(f"slope byte {i}"), row : row + 1])[0] for i in range(4)]
        alias = sum(int(byte) << 8 * i for i, byte in enumerate(bytes_)) + PRIME
        cells = {f"slope_byte_{i}": alias >> 8 * i & 0xFF for i in range(4)}
        assert "range" in faults(with_cells(walked, row, **cells), walked.rows)


def _kinds(cells: NDArray[np.uint32]) -> list[str]:
    """Which kind of row in which kind of group each row of a trace is."""
    column = dict(zip(COLUMNS, cells, strict=True))
    rows = ("start", "position", "end")
    groups = ("open", "priced")
    return [
        next((name for name in groups if column[f"is {name} group"][row]), "passed")
        + next(f" {name}" for name in rows if column[f"is {name}"][row])
        for row in range(cells.shape[1])
    ]


_SLACK = tuple(f"slack limb {i}" for i in range(4))
_SLOPE = tuple(f"slope byte {i}" for i in range(4))

IDLE: dict[str, tuple[str, ...]] = {
    "open start": ("lots byte 2",),
    "open position": ("is above",),
    "open end": ("lots byte 2", "is above"),
    "priced start": ("lots", "lots byte 2", *_SLACK, *_SLOPE),
    "priced position": ("inverse", *_SLACK[2:], *_SLOPE),
    "priced end": ("lots", "lots byte 2", "is above"),
    "passed start": ("lots", "lots byte 2", *_SLACK, *_SLOPE),
    "passed position": ("is above", "tight", *_SLACK, *_SLOPE),
    "passed end": ("lots", "lots byte 2", "is above", "tight", *_SLACK),
}
"""Cells that say nothing on rows of a kind, so that it does not matter what they hold."""

FREE = {(kind, name) for kind, names in IDLE.items() for name in names}
