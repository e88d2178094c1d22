"""The circuit of a whole batch: its tables and its shapes.

Proving it is `circuits.machine`, verifying it `circuits.verifying`; both read this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from circuits import (
    accounts,
    batch,
    cancellations,
    claims,
    compressions,
    deposits,
    fills,
    forced_cancellations,
    forced_withdrawals,
    group_listings,
    group_readings,
    group_settlements,
    groups,
    holders,
    identities,
    keys,
    orders,
    parameter_changes,
    poseidon,
    position_lists,
    published,
    range_check,
    registrations,
    series,
    series_listings,
    series_lists,
    settlement_prices,
    settlements,
    signature,
    slots,
    trades,
    transfers,
    tree,
    walks,
    withdrawals,
)
from circuits import (
    credits as paid_in,
)
from circuits.statement import PUBLIC_NAMES
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from prover.stark.circuit import Circuit, define_circuit

CIRCUIT_NAME: Final = "clearing-batch"

TABLES: Final[tuple[tuple[str, Callable[[AirBuilder], None]], ...]] = (
    (signature.NAME, signature.constrain),
    (walks.NAME, walks.constrain),
    (poseidon.NAME, poseidon.constrain),
    (compressions.NAME, compressions.constrain),
    (range_check.NAME, range_check.constrain),
    (tree.NAME, tree.constrain),
    (fills.NAME, fills.constrain),
    (holders.NAME, holders.constrain),
    (orders.NAME, orders.constrain),
    (published.NAME, published.constrain),
    (slots.NAME, slots.constrain),
    (trades.NAME, trades.constrain),
    (keys.NAME, keys.constrain),
    (paid_in.NAME, paid_in.constrain),
    (position_lists.NAME, position_lists.constrain),
    (accounts.NAME, accounts.constrain),
    (identities.NAME, identities.constrain),
    (groups.NAME, groups.constrain),
    (group_readings.NAME, group_readings.constrain),
    (series.NAME, series.constrain),
    (series_lists.NAME, series_lists.constrain),
    (transfers.NAME, transfers.constrain),
    (withdrawals.NAME, withdrawals.constrain),
    (cancellations.NAME, cancellations.constrain),
    (group_settlements.NAME, group_settlements.constrain),
    (settlements.NAME, settlements.constrain),
    (deposits.NAME, deposits.constrain),
    (registrations.NAME, registrations.constrain),
    (forced_cancellations.NAME, forced_cancellations.constrain),
    (forced_withdrawals.NAME, forced_withdrawals.constrain),
    (group_listings.NAME, group_listings.constrain),
    (series_listings.NAME, series_listings.constrain),
    (parameter_changes.NAME, parameter_changes.constrain),
    (settlement_prices.NAME, settlement_prices.constrain),
    (claims.NAME, claims.constrain),
    (batch.NAME, batch.constrain),
)
"""Every table, the tallest first; the order is part of every key."""

DEFAULT_PRESET: Final = "keccak-100-rate-4"


class BatchTooLargeError(ValueError):
    """A batch that no shape holds; the sequencer splits it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How high every table is: a key belongs to one shape."""

    name: str
    log_heights: Mapping[str, int]

    @property
    def heights(self) -> tuple[int, ...]:
        """The heights in the order of `TABLES`."""
        return tuple(self.log_heights[name] for name, _ in TABLES)

    def holds(self, needed: Mapping[str, int]) -> bool:
        """Whether a batch that needs so many rows fits."""
        return all(rows <= 1 << self.log_heights[name] for name, rows in needed.items())


def _shape(name: str, log_trades: int, log_accounts: int, log_items: int) -> Shape:
    """A shape for so many trades, accounts, and queue items and other records of each type."""
    log_orders = log_trades + 1
    others = log_items + 2
    heights = {
        signature.NAME: signature.LOG_BLOCK + log_orders,
        walks.NAME: log_trades + 5,
        poseidon.NAME: max(log_trades, log_accounts, 7) + 5,
        compressions.NAME: max(log_trades + 3, log_accounts + 4, 12),
        range_check.NAME: range_check.LOG_HEIGHT,
        tree.NAME: max(log_trades + 2, log_accounts + 3, 11),
        fills.NAME: log_orders,
        holders.NAME: log_orders,
        orders.NAME: log_orders,
        published.NAME: max(log_trades + 1, log_items + 4),
        slots.NAME: log_orders,
        trades.NAME: log_trades,
        keys.NAME: keys.LOG_BLOCK + log_accounts,
        paid_in.NAME: log_trades,
        position_lists.NAME: log_accounts + 2,
        accounts.NAME: log_accounts,
        identities.NAME: log_accounts,
        series.NAME: 8,
        series_lists.NAME: 6,
        groups.NAME: 5,
        group_readings.NAME: others,
        settlements.NAME: others,
        claims.NAME: others,
        batch.NAME: batch.LOG_HEIGHT,
    }
    return Shape(name, {table: heights.get(table, log_items) for table, _ in TABLES})


SHAPES: Final = (
    _shape("small", 6, 7, 5),
    _shape("medium", 9, 10, 7),
    _shape("large", 12, 10, 7),
)
"""The smallest that holds a batch is taken; few shapes are few keys, and each key is a program of the recursion."""


@cache
def batch_circuit() -> Circuit:
    """The circuit."""
    return define_circuit(CIRCUIT_NAME, TABLES, PUBLIC_NAMES)


def shape_for(needed: Mapping[str, int]) -> Shape:
    """The smallest shape that holds a batch, by the rows that each table needs."""
    for shape in SHAPES:
        if shape.holds(needed):
            return shape
    largest = SHAPES[-1]
    name, rows = max(needed.items(), key=lambda entry: entry[1] / (1 << largest.log_heights[entry[0]]))
    raise BatchTooLargeError(
        f"the batch needs {rows} rows in table {name}; the largest shape has {1 << largest.log_heights[name]}: split it"
    )


@cache
def preprocessed() -> dict[str, Montgomery]:
    """The columns that keys fix, by table."""
    return {range_check.NAME: range_check.preprocessed()}
