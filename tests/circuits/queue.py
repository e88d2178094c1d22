"""Queue items of every type, in every way that they can have an effect or none, laid out in their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmarks.clearing_workload import Market, plain
from circuits import (
    deposits,
    forced_cancellations,
    forced_withdrawals,
    group_listings,
    parameter_changes,
    queue_rows,
    registrations,
    series_listings,
    settlement_prices,
)
from circuits.journey import Journey
from circuits.journey_steps import follow
from circuits.statement import PUBLIC_NAMES
from prover.air.table import Table
from prover.curve.comb import fixed_points
from prover.field.koalabear import PRIME, Montgomery
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.codec import QueuedItem
from rollup.outcome import QueueItem
from rollup.schnorr import SepticSchnorr
from rollup.state import State
from rollup.transactions import (
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    ListGroup,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettlementPrice,
)
from rollup.units import MICRO, BatchNumber, Time, limbs_of
from tests.circuits.loose_ends import table_of

MODULES = (
    deposits,
    registrations,
    forced_cancellations,
    forced_withdrawals,
    group_listings,
    series_listings,
    parameter_changes,
    settlement_prices,
)
TABLES: dict[str, Table] = {
    module.NAME: table_of(module.NAME, module.constrain, PUBLIC_NAMES) for module in MODULES
}

MARKET = Market(accounts=3)
OWN = MARKET.owner
KEY = MARKET.secrets[2].trading_key
SILENT = fixed_points().key_offset
"""A key that cannot sign: its first multiple meets the offset of its table."""
WIDE = (1 << 32) - 1


def _deposits() -> list[QueueItem]:
    return [
        plain(Deposit, 2, OWN(2), OWN(2), 5),
        plain(Deposit, 2, OWN(3), OWN(9), 5),
        plain(Deposit, 0, OWN(3), OWN(9), 5),
        plain(Deposit, 1 << 24, OWN(3), OWN(9), 7),
        plain(Deposit, 77, OWN(77), OWN(9), 0),
        plain(Deposit, 78, OWN(78), OWN(9), (1 << 64) - 1),
        plain(Deposit, 80, OWN(80), OWN(9), 1 << 62),
        plain(Deposit, 2, OWN(2), OWN(2), 0xFFFF_FFFF_FFFF),
    ]


def _registrations() -> list[QueueItem]:
    def register(account: int, owner: int, floor: int, suite: int, x: Any, y: Any) -> QueueItem:
        return plain(RegisterKey, account, owner, floor, suite, x, y)

    def off(element: int) -> tuple[int, ...]:
        return (element, *KEY.x[1:])

    return [
        register(2, OWN(2), 9, KEY.suite, KEY.x, KEY.y),
        register(2, OWN(2), 3, KEY.suite, KEY.x, KEY.y),
        register(2, OWN(3), 3, KEY.suite, KEY.x, KEY.y),
        register(1 << 25, OWN(3), 3, KEY.suite, KEY.x, KEY.y),
        register(99, OWN(3), 3, KEY.suite, KEY.x, KEY.y),
        register(2, OWN(2), 3, 7, KEY.x, KEY.y),
        register(2, OWN(2), 3, 2, KEY.x, KEY.y),
        register(2, OWN(2), 3, KEY.suite, KEY.y, KEY.x),
        *(
            register(2, OWN(2), 3, KEY.suite, off(first), KEY.y)
            for first in (PRIME, PRIME - 1, PRIME + 5, WIDE)
        ),
        register(2, OWN(2), 3, KEY.suite, SILENT.x, SILENT.y),
    ]


def _exits() -> list[QueueItem]:
    return [
        plain(ForcedCancelOrders, 2, OWN(2), 4),
        plain(ForcedCancelOrders, 2, OWN(2), 1 << 20),
        plain(ForcedCancelOrders, 2, OWN(4), 1 << 21),
        plain(ForcedCancelOrders, 55, OWN(4), 1 << 20),
        plain(ForcedCancelOrders, WIDE, OWN(4), 1 << 20),
        plain(ForcedWithdrawal, 2, OWN(2)),
        plain(ForcedWithdrawal, 2, OWN(2)),
        plain(ForcedWithdrawal, 3, OWN(2)),
        plain(ForcedWithdrawal, 200, OWN(3)),
        plain(ForcedWithdrawal, 1 << 31, OWN(3)),
    ]


def _listings() -> list[QueueItem]:
    soon = MARKET.time + 1000
    groups = [
        (1, soon, 400, MICRO, MICRO),
        (10, MARKET.time, 400, MICRO, MICRO),
        (11, soon, 0, MICRO, MICRO),
        (12, soon, 1 << 24, 1, MICRO),
        (13, soon, 400, 1, MICRO - 1),
        (14, soon, 400, 0, MICRO),
        (15, soon, 1 << 23, 513 * MICRO, MICRO),
        (16, soon, 1 << 23, 511 * MICRO, MICRO),
        (17, soon, 1 << 23, WIDE, WIDE),
        (18, soon, 7, 3, MICRO),
    ]
    series = [(1, 80, 0), (1, 0, 0), (1, 400, 0), (1, 399, 1), (1, 90, 2), (1, 1 << 31, 1), (60, 1, 1)]
    parameters = [(5, 6, 2), (5, 6, 0), (5, 6, 500), (5, 6, 1 << 30)]
    return [
        *(plain(ListGroup, group, 1, *terms) for group, *terms in groups),
        *(plain(ListSeries, *one) for one in series),
        *(plain(SetParameters, *one) for one in parameters),
        plain(SettlementPrice, 1, 100),
        plain(SettlementPrice, 61, 100),
    ]


def _later_items() -> list[QueueItem]:
    """Two days on, when the first group has expired."""
    return [
        plain(SettlementPrice, 1, 100),
        plain(SettlementPrice, 1, 90),
        plain(SettlementPrice, 2, 1 << 40),
        plain(SettlementPrice, 18, 1 << 63),
        plain(ListSeries, 1, 90, 1),
        plain(ForcedWithdrawal, 4, OWN(4)),
    ]


@dataclass(frozen=True)
class Served:
    """A batch of queue items, its journey and its tables."""

    before: State
    batch: Batch
    outcome: BatchOutcome
    journey: Journey
    traces: dict[str, Montgomery]

    @property
    def publics(self) -> list[int]:
        """The statement as far as queue items read it: the time."""
        time = {f"time {i}": limb for i, limb in enumerate(limbs_of(self.batch.time, 48))}
        return [time.get(name, 0) for name in PUBLIC_NAMES]


def served(before: State, number: int, time: int, items: Sequence[QueueItem]) -> Served:
    """Serve items in a batch of their own, some of them queued seconds before it."""
    queued = tuple(plain(QueuedItem, time - place % 3, item) for place, item in enumerate(items))
    batch = Batch(plain(BatchNumber, number), plain(Time, time), before.system.queue_position, queued, ())
    outcome = apply_batch(before, batch, SepticSchnorr())
    assert isinstance(outcome, BatchOutcome)
    journey = follow(before, batch, outcome)
    heights = {name: rows.bit_length() for name, rows in queue_rows.counts(journey).items()}
    return Served(before, batch, outcome, journey, queue_rows.fill(journey, time, heights))


@cache
def both() -> tuple[Served, Served]:
    """A batch that sets a market up, with everything that can go wrong, and one two days later."""
    items = [queued.item for queued in MARKET.queue_items()]
    all_items = [*items, *_deposits(), *_registrations(), *_exits(), *_listings()]
    first = served(MARKET.genesis, 1, MARKET.time, all_items)
    return first, served(first.outcome.state, 2, MARKET.time + 2 * 86_400, _later_items())
