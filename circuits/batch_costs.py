"""What a batch costs to prove: cells by table, and by the type of transaction that uses the rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from circuits import (
    cancellations,
    claims,
    deposits,
    fills,
    forced_cancellations,
    forced_withdrawals,
    group_listings,
    group_readings,
    group_settlements,
    holders,
    orders,
    parameter_changes,
    poseidon,
    range_check,
    registrations,
    series_listings,
    settlement_prices,
    settlements,
    signature,
    step_rows,
    trades,
    transfers,
    walks,
    withdrawals,
)
from circuits import (
    credits as paid_in,
)
from circuits.described import cells_by_table
from circuits.shapes import DEFAULT_PRESET, TABLES, rows_by_table, shape_for
from circuits.witness import Followed
from prover.parameters import PRESETS
from rollup.transactions import (
    CancelOrders,
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    ListGroup,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettleGroup,
    SettlementPrice,
    Trade,
    Transfer,
    Withdrawal,
)

OWN_TABLES: Final[dict[type, str]] = {
    Deposit: deposits.NAME,
    RegisterKey: registrations.NAME,
    ForcedCancelOrders: forced_cancellations.NAME,
    ForcedWithdrawal: forced_withdrawals.NAME,
    ListGroup: group_listings.NAME,
    ListSeries: series_listings.NAME,
    SetParameters: parameter_changes.NAME,
    SettlementPrice: settlement_prices.NAME,
    Trade: trades.NAME,
    Transfer: transfers.NAME,
    Withdrawal: withdrawals.NAME,
    CancelOrders: cancellations.NAME,
    SettleGroup: group_settlements.NAME,
}
"""The kind of rows of which each transaction of a type has one."""

CHALLENGE_ELEMENTS: Final = 28
"""Commitment and key, which every signature's challenge begins with."""

CLOCKS: Final = 16
"""Clocks of one item or record."""


@dataclass(frozen=True, slots=True)
class TableCost:
    """One table of a batch."""

    name: str
    live: int
    """Rows that the batch uses."""
    log_height: int
    columns: int
    cells: int
    share: float


@dataclass(frozen=True, slots=True)
class TypeCost:
    """One type of transaction."""

    name: str
    count: int
    rows: dict[str, int]
    """By kind: its own, its signatures with their challenges, its accounts' steps and walks, fills and credits."""
    cells: int


@dataclass(frozen=True, slots=True)
class BatchCosts:
    """All of a batch."""

    shape: str
    cells: int
    tables: tuple[TableCost, ...]
    types: tuple[TypeCost, ...]

    def to_json(self) -> dict[str, Any]:
        """The costs for programs."""
        return asdict(self)


def costs_of(followed: Followed, preset: str = DEFAULT_PRESET) -> BatchCosts:
    """Count what a batch uses in the smallest shape that holds it."""
    shape = shape_for(followed.needed)
    cells = cells_by_table(shape, PRESETS[preset])
    total = sum(cells.values())
    live = rows_by_table({range_check.NAME: 1 << range_check.LOG_HEIGHT, **followed.needed})
    tables = tuple(
        TableCost(
            name,
            live[name],
            shape.log_heights[name],
            cells[name] >> shape.log_heights[name],
            cells[name],
            cells[name] / total,
        )
        for name, _ in TABLES
    )
    by_table = {table.name: table.columns for table in tables}
    widths = {kind: by_table[name] for name, kinds in TABLES for kind in kinds}
    kinds = _kinds(followed)
    rows = _rows_by_kind(followed, kinds)
    counts = Counter(kinds)
    types = tuple(
        TypeCost(
            kind.__name__,
            counts[kind],
            dict(rows[kind]),
            sum(widths[name] * used for name, used in rows[kind].items()),
        )
        for kind in OWN_TABLES
        if counts[kind]
    )
    return BatchCosts(shape.name, total, tables, types)


def _kinds(followed: Followed) -> list[type]:
    """The type of every queue item and record, in the order of their clocks."""
    items = [type(queued.item) for queued in followed.proposed.items]
    return items + [type(one) for one in followed.proposed.transactions]


def _rows_by_kind(followed: Followed, kinds: list[type]) -> dict[type, Counter[str]]:
    """The rows that each type uses in the tables where a row belongs to one transaction."""
    journey = followed.journey
    rows: dict[type, Counter[str]] = {kind: Counter() for kind in OWN_TABLES}

    def kind_at(clock: int) -> type:
        return kinds[clock // CLOCKS - 1]

    for kind in kinds:
        rows[kind][OWN_TABLES[kind]] += 1
    touched = step_rows.touched_groups(journey)
    terms = step_rows.terms_of(journey, touched, followed.proposed.time)
    for kind in OWN_TABLES:
        steps = [step for step in journey.steps if kind_at(step.clock) is kind]
        if steps:
            laid = step_rows.holder_rows(replace(journey, steps=steps), terms)
            rows[kind][holders.NAME] += len(steps)
            rows[kind][walks.NAME] += laid.walks.height
    for credit in journey.credits:
        rows[kind_at(credit.clock)][paid_in.NAME] += 1
    for pool in journey.pools:
        rows[kind_at(pool.clock)][settlements.NAME] += 1
    for reading in journey.readings:
        rows[kind_at(reading.clock)][group_readings.NAME] += 1
    rows[Trade][fills.NAME] += len(journey.fills)
    rows[Trade][orders.NAME] += len(journey.orders)
    signers = {
        Trade: [one.signature for one in journey.orders.values()],
        Transfer: [one.signed.signature for one in journey.transfers],
        Withdrawal: [one.signed.signature for one in journey.withdrawals],
        CancelOrders: [one.signed.signature for one in journey.cancellations],
    }
    for kind, numbers in signers.items():
        if numbers:
            rows[kind][signature.NAME] += len(numbers) * signature.BLOCK
            rows[kind][poseidon.NAME] += sum(
                -(-(CHALLENGE_ELEMENTS + len(journey.signed[number].message)) // 8) for number in numbers
            )
    rows[Withdrawal][claims.NAME] += len(journey.withdrawals)
    return rows
