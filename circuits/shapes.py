"""The circuit of a whole batch: its tables and its shapes.

Proving it is `circuits.machine`, verifying it `circuits.verifying`; both read this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

from circuits import (
    accounts,
    batch,
    cancellations,
    claims,
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
    key_multiples,
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
from circuits.united import United, unite
from prover.air.builder import AirBuilder, define_table
from prover.air.table import Table
from prover.field.koalabear import Montgomery
from prover.stark.circuit import Circuit, check_circuit

CIRCUIT_NAME: Final = "clearing-batch"

KINDS: Final[tuple[tuple[str, Callable[[AirBuilder], None]], ...]] = (
    (batch.NAME, batch.constrain),
    (transfers.NAME, transfers.constrain),
    (withdrawals.NAME, withdrawals.constrain),
    (cancellations.NAME, cancellations.constrain),
    (group_settlements.NAME, group_settlements.constrain),
    (deposits.NAME, deposits.constrain),
    (registrations.NAME, registrations.constrain),
    (forced_cancellations.NAME, forced_cancellations.constrain),
    (forced_withdrawals.NAME, forced_withdrawals.constrain),
    (group_listings.NAME, group_listings.constrain),
    (series_listings.NAME, series_listings.constrain),
    (parameter_changes.NAME, parameter_changes.constrain),
    (settlement_prices.NAME, settlement_prices.constrain),
    (claims.NAME, claims.constrain),
    (settlements.NAME, settlements.constrain),
    (group_readings.NAME, group_readings.constrain),
    (groups.NAME, groups.constrain),
    (accounts.NAME, accounts.constrain),
)
"""What is rare, and stands alone on its row: kinds of rows of one table, the batch's own row first."""

MIXED: Final = "mixed"
"""The table of all these kinds."""

ALONE: Final[tuple[tuple[str, Callable[[AirBuilder], None]], ...]] = (
    (signature.NAME, signature.constrain),
    (walks.NAME, walks.constrain),
    (poseidon.NAME, poseidon.constrain),
    (range_check.NAME, range_check.constrain),
    (key_multiples.NAME, key_multiples.constrain),
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
    (identities.NAME, identities.constrain),
    (series.NAME, series.constrain),
    (series_lists.NAME, series_lists.constrain),
)
"""Tables of one kind of rows, the tallest first."""

TABLES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    *((name, (name,)) for name, _ in ALONE),
    (MIXED, tuple(name for name, _ in KINDS)),
)
"""Every table of the circuit with its kinds of rows; the order is part of every key."""

LEAST_BUS_SAVING: Final = Fraction(1, 5)
"""A batch's proof is verified by a step of the recursion, which pays for every column."""

LEAST_LOG_BLOWUP: Final = 2
"""A row's kind multiplies constraints of degree three: at rate 1/2 there is no room for their quotient."""

DEFAULT_PRESET: Final = "keccak-100-rate-4"


class BatchTooLargeError(ValueError):
    """A batch that no shape holds; the sequencer splits it."""


@dataclass(frozen=True, slots=True)
class Heights:
    """How high the table of every kind of rows is laid out."""

    log_heights: Mapping[str, int]


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
        """Whether a batch that needs so many rows of each kind fits."""
        return all(rows <= 1 << self.log_heights[name] for name, rows in rows_by_table(needed).items())

    def laid_out(self, needed: Mapping[str, int]) -> Heights:
        """Where a table is one of several kinds, each kind is laid out no higher than it must be."""
        kinds = {name: (max(needed.get(name, 1), 1) - 1).bit_length() for name, _ in KINDS}
        return Heights({**self.log_heights, **kinds})


def rows_by_table(needed: Mapping[str, int]) -> dict[str, int]:
    """The rows that each table needs, from those of each kind; the batch has one."""
    return {name: sum(needed.get(kind, int(kind == batch.NAME)) for kind in kinds) for name, kinds in TABLES}


def _shape(name: str, heights: Mapping[int, tuple[str, ...]]) -> Shape:
    """A shape by the tables of each height.

    Soundness of size: a table that is lower than a proof's final polynomial would make every proof fold further.
    """
    return Shape(name, {table: log_height for log_height, tables in heights.items() for table in tables})


_TRADING: Final = (fills.NAME, holders.NAME, orders.NAME, slots.NAME)
"""Two rows a trade."""
_LEAVES: Final = (identities.NAME, series.NAME, series_lists.NAME, MIXED)

SHAPES: Final = (
    _shape(
        "small",
        {
            16: (range_check.NAME,),
            13: (signature.NAME, poseidon.NAME, key_multiples.NAME),
            11: (walks.NAME, tree.NAME, published.NAME, position_lists.NAME),
            8: (*_TRADING, trades.NAME, keys.NAME, paid_in.NAME, *_LEAVES),
        },
    ),
    _shape(
        "medium",
        {
            16: (range_check.NAME, key_multiples.NAME),
            15: (signature.NAME, poseidon.NAME),
            14: (walks.NAME,),
            13: (tree.NAME, position_lists.NAME),
            10: (*_TRADING, trades.NAME, keys.NAME, paid_in.NAME, published.NAME, *_LEAVES),
        },
    ),
    _shape(
        "large",
        {
            18: (signature.NAME,),
            17: (walks.NAME, poseidon.NAME),
            16: (range_check.NAME, key_multiples.NAME),
            14: (tree.NAME,),
            13: (*_TRADING, published.NAME, series.NAME),
            12: (trades.NAME, paid_in.NAME, position_lists.NAME),
            11: (identities.NAME, keys.NAME, series_lists.NAME, MIXED),
        },
    ),
)
"""The smallest that holds a batch is taken; few shapes are few keys, and each key is a program of the recursion.

Every distinct height costs the recursion a fold with a tree of its own, so low tables are as high as their neighbours.
"""


@cache
def kinds_of_rows() -> tuple[Table, ...]:
    """Every kind of rows as a table of its own, whichever table of the circuit it stands in."""
    return tuple(define_table(name, constrain, PUBLIC_NAMES) for name, constrain in (*ALONE, *KINDS))


@cache
def mixed() -> United:
    """The table of several kinds."""
    return unite(MIXED, kinds_of_rows()[len(ALONE) :])


@cache
def batch_circuit() -> Circuit:
    """The circuit."""
    tables = (*kinds_of_rows()[: len(ALONE)], mixed().table)
    circuit = Circuit(CIRCUIT_NAME, tables, PUBLIC_NAMES, LEAST_BUS_SAVING)
    check_circuit(circuit)
    return circuit


def tables_of(traces: Mapping[str, Montgomery], shape: Shape) -> list[Montgomery]:
    """The traces of the circuit's tables, in order, from those of each kind of rows."""
    together = {**traces, MIXED: mixed().fill(traces, shape.log_heights[MIXED])}
    return [together[name] for name, _ in TABLES]


def shape_for(needed: Mapping[str, int]) -> Shape:
    """The smallest shape that holds a batch, by the rows that each kind needs."""
    for shape in SHAPES:
        if shape.holds(needed):
            return shape
    largest, rows_of = SHAPES[-1], rows_by_table(needed)
    name, rows = max(rows_of.items(), key=lambda entry: entry[1] / (1 << largest.log_heights[entry[0]]))
    raise BatchTooLargeError(
        f"the batch needs {rows} rows in table {name}; the largest shape has {1 << largest.log_heights[name]}: split it"
    )


@cache
def preprocessed() -> dict[str, Montgomery]:
    """The columns that keys fix, by table."""
    return {range_check.NAME: range_check.preprocessed()}
