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
from circuits.journey import Journey
from circuits.journey_entries import Queued
from circuits.queue_item import Places
from prover.field.koalabear import Montgomery


def _places(found: Sequence[Queued], now: int) -> Places:
    return Places(
        np.array([one.place.clock for one in found], np.int64),
        np.array([one.place.offset for one in found], np.int64),
        np.array([one.place.claims for one in found], np.int64),
        np.array([one.time for one in found], np.int64),
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
        _places([one.queued for one in of_deposits], now),
        [one.item for one in of_deposits],
        [one.content for one in of_deposits],
        _numbers([one.identity_after for one in of_deposits]),
        [one.owed.owed for one in of_deposits],
        _numbers([one.owed.old_time for one in of_deposits]),
    )
    key_rows = registrations.Rows(
        _places([one.queued for one in of_keys], now),
        [one.item for one in of_keys],
        [one.content for one in of_keys],
        _numbers([int(one.is_set) for one in of_keys]),
        _numbers([one.identity_after for one in of_keys]),
        _numbers([one.key_number for one in of_keys]),
    )
    floor_rows = forced_cancellations.Rows(
        _places([one.queued for one in of_floors], now),
        [one.item for one in of_floors],
        [one.content for one in of_floors],
    )
    exit_rows = forced_withdrawals.Rows(
        _places([one.queued for one in of_exits], now),
        [one.item for one in of_exits],
        [one.content for one in of_exits],
        [one.free for one in of_exits],
        [one.owed.owed for one in of_exits],
        _numbers([one.owed.old_time for one in of_exits]),
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
        _places([one.queued for one in of_groups], now),
        [one.item for one in of_groups],
        [one.content for one in of_groups],
    )
    series_rows = series_listings.Rows(
        _places([one.queued for one in of_series], now),
        [one.item for one in of_series],
        [one.content for one in of_series],
        _numbers([one.same_place for one in of_series]),
    )
    rate_rows = parameter_changes.Rows(
        _places([one.queued for one in of_rates], now),
        [one.item for one in of_rates],
        [one.content for one in of_rates],
        [one.before for one in of_rates],
        _numbers([one.old_time for one in of_rates]),
    )
    price_rows = settlement_prices.Rows(
        _places([one.queued for one in of_prices], now),
        [one.item for one in of_prices],
        [one.content for one in of_prices],
    )
    return {
        group_listings.NAME: group_listings.fill(group_rows, log_heights[group_listings.NAME]),
        series_listings.NAME: series_listings.fill(series_rows, log_heights[series_listings.NAME]),
        parameter_changes.NAME: parameter_changes.fill(rate_rows, log_heights[parameter_changes.NAME]),
        settlement_prices.NAME: settlement_prices.fill(price_rows, log_heights[settlement_prices.NAME]),
    }
