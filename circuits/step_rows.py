"""Rows of groups, and of what accounts do with margin: steps, walks, credits, settlements; from a journey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits import (
    credits as paid_in,
)
from circuits import (
    group_readings,
    groups,
    holders,
    series,
    series_lists,
    settlements,
    walk_rows,
    walk_trace,
    walks,
)
from circuits.hash_ledger import HashLedger
from circuits.journey import Journey
from circuits.leaf_rows import TouchedLeaves
from circuits.touched_groups import TouchedGroups
from prover.field.koalabear import Montgomery
from rollup.instruments import Group, SeriesId, strike_of
from rollup.state import group_index
from rollup.units import GroupId, Time

Numbers = NDArray[np.int64]


def _numbers(values: Sequence[int]) -> Numbers:
    return np.array(values, np.int64)


def touched_groups(journey: Journey) -> TouchedGroups:
    """Every group that a step reads or writes, by number."""
    touched = sorted(journey.groups.items())
    return TouchedGroups(
        _numbers([number for number, _ in touched]),
        [book.first for _, book in touched],
        [book.group for _, book in touched],
        _numbers([book.time for _, book in touched]),
    )


def terms_of(journey: Journey, touched: TouchedGroups, now: Time) -> walk_rows.Terms:
    """What series and groups are worth: at the end of the batch, and when forced withdrawals read them."""
    listed = [group for group in touched.after if group is not None]
    ids: list[SeriesId] = sorted(one for group in listed for one in group.series)
    tick_values = {group.group: group.tick_value for group in listed}
    stamps = [(0, group) for group in listed]
    stamps += [(reading.stamp, reading.group) for reading in journey.readings]
    stamps.sort(key=lambda entry: entry[0] << 16 | entry[1].group)
    return walk_rows.Terms(
        series=_numbers(ids),
        ranks=np.arange(1, len(ids) + 1),
        values=_numbers([strike_of(one) * tick_values[GroupId(one >> 25)] for one in ids]),
        groups=_numbers([stamp << 16 | group.group for stamp, group in stamps]),
        are_open=_numbers([int(now < group.expiry) for _, group in stamps]),
        are_fixed=_numbers([int(group.settlement_price is not None) for _, group in stamps]),
        end_values=_numbers([_end_value(group) for _, group in stamps]),
    )


def _end_value(group: Group) -> int:
    """Where a walk over the group ends: at its price, or at its cap."""
    end = group.cap if group.settlement_price is None else group.settlement_price
    return end * group.tick_value


def holder_rows(journey: Journey, terms: walk_rows.Terms) -> holders.Rows:
    """Every account step with its positions."""
    steps = journey.steps
    held = [(place, *position) for place, step in enumerate(steps) for position in step.before.positions]
    held_step, held_series, held_lots = np.array(held, np.int64).reshape(len(held), 3).T
    return holders.Rows(
        clock=_numbers([step.clock for step in steps]),
        account=_numbers([step.account for step in steps]),
        identity=_numbers([step.identity for step in steps]),
        nonce=_numbers([step.before.nonce for step in steps]),
        uses_nonce=_numbers([step.uses_nonce for step in steps]),
        floor=_numbers([step.before.order_floor for step in steps]),
        change=np.array([step.change for step in steps], np.int64).reshape(len(steps), 4).T,
        edit_group=_numbers([step.edit.group for step in steps]),
        edit_option=_numbers([step.edit.option for step in steps]),
        edit_lots=_numbers([step.edit.lots for step in steps]),
        mode=_numbers([step.mode for step in steps]),
        old_time=_numbers([step.old_time for step in steps]),
        cash=_numbers([step.before.cash for step in steps]),
        version=_numbers([step.old_version for step in steps]),
        held_step=held_step,
        held_series=held_series,
        held_lots=held_lots,
        terms=terms,
    )


def counts(journey: Journey, touched: TouchedGroups, steps: holders.Rows) -> dict[str, int]:
    """How many rows each of the tables needs."""
    return {
        holders.NAME: len(journey.steps),
        walks.NAME: steps.walks.height,
        paid_in.NAME: len(journey.credits),
        settlements.NAME: len(journey.pools),
        group_readings.NAME: len(journey.readings),
        groups.NAME: len(touched.numbers),
        series.NAME: series.rows_of(touched),
        series_lists.NAME: series_lists.rows_of(touched),
    }


def fill_steps(journey: Journey, steps: holders.Rows, log_heights: dict[str, int]) -> dict[str, Montgomery]:
    """The traces of steps, walks, credits and settlements."""
    credited, pools = journey.credits, journey.pools
    credit_rows = paid_in.Rows(
        clock=_numbers([one.clock for one in credited]),
        account=_numbers([one.before.account for one in credited]),
        amount=np.array([one.amount for one in credited], np.int64).reshape(len(credited), 4).T,
        identity=_numbers([one.identity for one in credited]),
        nonce=_numbers([one.before.nonce for one in credited]),
        floor=_numbers([one.before.order_floor for one in credited]),
        cash=_numbers([one.before.cash for one in credited]),
        version=_numbers([one.version for one in credited]),
        count=_numbers([len(one.before.positions) for one in credited]),
        old_time=_numbers([one.old_time for one in credited]),
    )
    settlement_rows = settlements.Rows(
        clock=_numbers([one.clock for one in pools]),
        group=_numbers([one.settlement.group_before.group for one in pools]),
        payoff=_numbers([one.settlement.payoff for one in pools]),
        price=_numbers([one.settlement.group_before.settlement_price or 0 for one in pools]),
        series=_numbers([len(one.settlement.group_before.series) for one in pools]),
        pool=_numbers([one.settlement.group_before.pool for one in pools]),
        old_time=_numbers([one.old_time for one in pools]),
    )
    return {
        holders.NAME: holders.fill(steps, log_heights[holders.NAME]),
        walks.NAME: walk_trace.fill(steps.walks, log_heights[walks.NAME]),
        paid_in.NAME: paid_in.fill(credit_rows, log_heights[paid_in.NAME]),
        settlements.NAME: settlements.fill(settlement_rows, log_heights[settlements.NAME]),
    }


def fill_groups(
    journey: Journey, touched: TouchedGroups, now: Time, ledger: HashLedger, log_heights: dict[str, int]
) -> tuple[dict[str, Montgomery], TouchedLeaves]:
    """The traces of groups, their lists and their readings, and the touched leaves."""
    list_trace, hashes = series_lists.fill(touched, ledger, log_heights[series_lists.NAME])
    trace, old, new = groups.fill(touched, hashes, now, ledger, log_heights[groups.NAME])
    reading_rows = group_readings.Rows(
        _numbers([reading.clock for reading in journey.readings]),
        _numbers([reading.old_time for reading in journey.readings]),
        [reading.group for reading in journey.readings],
    )
    traces = {
        series_lists.NAME: list_trace,
        series.NAME: series.fill(touched, log_heights[series.NAME]),
        groups.NAME: trace,
        group_readings.NAME: group_readings.fill(reading_rows, now, log_heights[group_readings.NAME]),
    }
    places = _numbers([group_index(GroupId(number)) for number in touched.numbers.tolist()])
    return traces, (places, old, new)
