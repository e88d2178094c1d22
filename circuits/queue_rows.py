"""Rows of the queue's tables, from a journey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits import (
    deposits,
    forced_cancellations,
    forced_withdrawals,
    group_listings,
    parameter_changes,
    registrations,
    series_listings,
    settlement_prices,
)
from circuits.journey import Journey, Place
from circuits.queue_item import Places
from prover.field.koalabear import Montgomery
from rollup.codec import QueuedItem


def _places(found: Sequence[tuple[Place, QueuedItem]], now: int) -> Places:
    return Places(
        np.array([place.clock for place, _ in found], np.int64),
        np.array([place.offset for place, _ in found], np.int64),
        np.array([place.claims for place, _ in found], np.int64),
        np.array([queued.time for _, queued in found], np.int64),
        now,
    )


def _numbers(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def counts(journey: Journey) -> dict[str, int]:
    """How many rows each of the tables needs."""
    return {
        deposits.NAME: len(journey.deposits),
        registrations.NAME: len(journey.registrations),
        forced_cancellations.NAME: len(journey.forced_cancellations),
        forced_withdrawals.NAME: len(journey.forced_withdrawals),
        group_listings.NAME: len(journey.group_listings),
        series_listings.NAME: len(journey.series_listings),
        parameter_changes.NAME: len(journey.parameter_changes),
        settlement_prices.NAME: len(journey.settlement_prices),
    }


def fill(journey: Journey, now: int, log_heights: dict[str, int]) -> dict[str, Montgomery]:
    """The traces of the eight tables."""
    return {
        **_fill_accounts_items(journey, now, log_heights),
        **_fill_governor_items(journey, now, log_heights),
    }


def _fill_accounts_items(journey: Journey, now: int, log_heights: dict[str, int]) -> dict[str, Montgomery]:
    """Deposits, registrations, cancellations and withdrawals."""
    of_deposits, of_keys = journey.deposits, journey.registrations
    of_floors, of_exits = journey.forced_cancellations, journey.forced_withdrawals
    deposit_rows = deposits.Rows(
        _places([one[:2] for one in of_deposits], now),
        [queued.item for _, queued, *_ in of_deposits],  # type: ignore[misc]
        [content for _, _, content, _, _ in of_deposits],
        _numbers([identity for _, _, _, identity, _ in of_deposits]),
        [owed.owed for *_, owed in of_deposits],
        _numbers([owed.old_time for *_, owed in of_deposits]),
    )
    key_rows = registrations.Rows(
        _places([one[:2] for one in of_keys], now),
        [queued.item for _, queued, *_ in of_keys],  # type: ignore[misc]
        [content for _, _, content, *_ in of_keys],
        _numbers([is_set for _, _, _, is_set, _, _ in of_keys]),
        _numbers([identity for _, _, _, _, identity, _ in of_keys]),
        _numbers([max(number, 0) for *_, number in of_keys]),
    )
    floor_rows = forced_cancellations.Rows(
        _places([one[:2] for one in of_floors], now),
        [queued.item for _, queued, _ in of_floors],  # type: ignore[misc]
        [content for *_, content in of_floors],
    )
    exit_rows = forced_withdrawals.Rows(
        _places([one[:2] for one in of_exits], now),
        [queued.item for _, queued, *_ in of_exits],  # type: ignore[misc]
        [content for _, _, content, _, _ in of_exits],
        [free for _, _, _, free, _ in of_exits],
        [owed.owed for *_, owed in of_exits],
        _numbers([owed.old_time for *_, owed in of_exits]),
    )
    return {
        deposits.NAME: deposits.fill(deposit_rows, log_heights[deposits.NAME]),
        registrations.NAME: registrations.fill(key_rows, log_heights[registrations.NAME]),
        forced_cancellations.NAME: forced_cancellations.fill(
            floor_rows, log_heights[forced_cancellations.NAME]
        ),
        forced_withdrawals.NAME: forced_withdrawals.fill(exit_rows, log_heights[forced_withdrawals.NAME]),
    }


def _fill_governor_items(journey: Journey, now: int, log_heights: dict[str, int]) -> dict[str, Montgomery]:
    """Groups, series, parameters and prices."""
    of_groups, of_series = journey.group_listings, journey.series_listings
    of_rates, of_prices = journey.parameter_changes, journey.settlement_prices
    group_rows = group_listings.Rows(
        _places([one[:2] for one in of_groups], now),
        [queued.item for _, queued, _ in of_groups],  # type: ignore[misc]
        [content for *_, content in of_groups],
    )
    series_rows = series_listings.Rows(
        _places([one[:2] for one in of_series], now),
        [queued.item for _, queued, *_ in of_series],  # type: ignore[misc]
        [content for _, _, content, _ in of_series],
        _numbers([same for *_, same in of_series]),
    )
    rate_rows = parameter_changes.Rows(
        _places([one[:2] for one in of_rates], now),
        [queued.item for _, queued, *_ in of_rates],  # type: ignore[misc]
        [content for _, _, content, _, _ in of_rates],
        [before for _, _, _, before, _ in of_rates],
        _numbers([time for *_, time in of_rates]),
    )
    price_rows = settlement_prices.Rows(
        _places([one[:2] for one in of_prices], now),
        [queued.item for _, queued, _ in of_prices],  # type: ignore[misc]
        [content for *_, content in of_prices],
    )
    return {
        group_listings.NAME: group_listings.fill(group_rows, log_heights[group_listings.NAME]),
        series_listings.NAME: series_listings.fill(series_rows, log_heights[series_listings.NAME]),
        parameter_changes.NAME: parameter_changes.fill(rate_rows, log_heights[parameter_changes.NAME]),
        settlement_prices.NAME: settlement_prices.fill(price_rows, log_heights[settlement_prices.NAME]),
    }
