"""The circuit of a whole batch: its tables, its shapes, its keys; proving and verifying.

batch ──rules──► events ──journey──► rows ──fill──► traces ──counts──► proof
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from circuits import (
    accounts,
    batch,
    cancellations,
    claims,
    credits,
    data,
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
from circuits.statement import PUBLIC_NAMES, BatchStatement
from circuits.witness import BatchWitness, Followed, follow_batch, lay_out
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery
from prover.field.threads import default_threads
from prover.parameters import PRESETS
from prover.progress import Progress, Stages, silent
from prover.soundness.report import SoundnessReport
from prover.stark.circuit import Circuit, define_circuit
from prover.stark.encoding import Reader, encode_proof, read_heading
from prover.stark.key import VerificationKey
from prover.stark.prover import prove
from prover.stark.proving_key import ProvingKey, make_proving_key
from prover.stark.verify import verify
from rollup.batch import Batch, BatchOutcome
from rollup.state import State
from rollup.state_tree import StateTree

CIRCUIT_NAME: Final = "clearing-batch"

TABLES: Final[tuple[tuple[str, Callable[[AirBuilder], None]], ...]] = (
    (signature.NAME, signature.constrain),
    (walks.NAME, walks.constrain),
    (poseidon.NAME, poseidon.constrain),
    (range_check.NAME, range_check.constrain),
    (tree.NAME, tree.constrain),
    (fills.NAME, fills.constrain),
    (holders.NAME, holders.constrain),
    (orders.NAME, orders.constrain),
    (data.NAME, data.constrain),
    (slots.NAME, slots.constrain),
    (trades.NAME, trades.constrain),
    (keys.NAME, keys.constrain),
    (credits.NAME, credits.constrain),
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
        poseidon.NAME: max(log_trades + 6, 12),
        range_check.NAME: range_check.LOG_HEIGHT,
        tree.NAME: max(log_trades + 2, log_accounts + 3),
        fills.NAME: log_orders,
        holders.NAME: log_orders,
        orders.NAME: log_orders,
        data.NAME: max(log_trades + 1, log_items + 4),
        slots.NAME: log_orders,
        trades.NAME: log_trades,
        keys.NAME: keys.LOG_BLOCK + log_accounts,
        credits.NAME: log_trades,
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


@lru_cache(maxsize=4)
def batch_key(shape_name: str, preset: str = DEFAULT_PRESET) -> ProvingKey:
    """The proving key of a shape under a preset; a few are kept."""
    (shape,) = (shape for shape in SHAPES if shape.name == shape_name)
    columns = preprocessed()
    return make_proving_key(
        batch_circuit(),
        shape.heights,
        PRESETS[preset],
        [columns.get(name) for name, _ in TABLES],
        threads=None,
    )


@cache
def preprocessed() -> dict[str, Montgomery]:
    """The columns that keys fix, by table."""
    return {range_check.NAME: range_check.preprocessed()}


@dataclass(frozen=True, slots=True)
class ProvedBatch:
    """A batch's proof and what it says."""

    statement: BatchStatement
    content: bytes
    shape: Shape


def fill_batch(followed: Followed, shape: Shape, *, threads: int | None = None) -> BatchWitness:
    """The traces of a batch that was followed."""
    return lay_out(
        followed, shape, batch_circuit().tables, preprocessed(), threads=threads or default_threads()
    )


def prove_batch(
    before: State,
    proposed: Batch,
    tree_before: StateTree,
    outcome: BatchOutcome,
    *,
    preset: str = DEFAULT_PRESET,
    threads: int | None = None,
    progress: Progress = silent,
    stages: Stages | None = None,
) -> ProvedBatch:
    """Prove a batch that the rules accepted."""
    workers = threads or default_threads()
    timed = stages or Stages(progress)
    with timed.stage("follow"):
        followed = follow_batch(before, proposed, tree_before, outcome)
        shape = shape_for(followed.needed)
    with timed.stage("lay out"):
        witness = fill_batch(followed, shape, threads=workers)
    return prove_witness(witness, shape, preset=preset, threads=workers, stages=timed)


def prove_witness(
    witness: BatchWitness, shape: Shape, *, preset: str, threads: int, stages: Stages
) -> ProvedBatch:
    """Prove traces that are laid out."""
    key = batch_key(shape.name, preset)
    statement = witness.statement.elements
    traces = [witness.traces[name] for name, _ in TABLES]
    proved = prove(key, traces, statement, threads=threads, stages=stages)
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    return ProvedBatch(witness.statement, content, shape)


def verification_key(content: bytes) -> VerificationKey:
    """The key of the shape and preset that a proof names; verifying compares its digest."""
    heading = read_heading(Reader(content))
    for shape in SHAPES:
        if shape.heights == heading.log_heights:
            return batch_key(shape.name, heading.parameters.name).verification
    raise BatchTooLargeError("the proof is of no shape that batches have")


def verify_batch(statement: BatchStatement, content: bytes, *, required_bits: int = 100) -> SoundnessReport:
    """Check a batch's proof against what it should say; raises ProofRefused to say no."""
    return verify(
        verification_key(content), statement.elements, content, required_bits=required_bits
    ).security
