"""Proving a whole batch.

batch ──rules──► events ──journey──► rows ──fill──► traces ──counts──► proof

What is proved is `circuits.shapes`; who only verifies needs `circuits.verifying` and no compiled kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from circuits.shapes import (
    DEFAULT_PRESET,
    SHAPES,
    TABLES,
    BatchTooLargeError,
    Shape,
    batch_circuit,
    kinds_of_rows,
    preprocessed,
    shape_for,
    tables_of,
)
from circuits.statement import BatchStatement
from circuits.verifying import verification_key, verify_batch
from circuits.witness import BatchWitness, Followed, follow_batch, lay_out
from prover.field.threads import default_threads
from prover.memory import collector_paused
from prover.parameters import PRESETS
from prover.progress import Progress, Stages, silent
from prover.stark.encoding import encode_proof
from prover.stark.prover import prove
from prover.stark.proving_key import ProvingKey, make_proving_key
from rollup.batch import Batch, BatchOutcome
from rollup.state import State
from rollup.state_tree import StateTree

__all__ = [
    "DEFAULT_PRESET",
    "SHAPES",
    "TABLES",
    "BatchTooLargeError",
    "ProvedBatch",
    "Shape",
    "batch_circuit",
    "batch_key",
    "fill_batch",
    "follow_batch",
    "prove_batch",
    "prove_witness",
    "shape_for",
    "verification_key",
    "verify_batch",
]
"""With what `shapes` and `verifying` offer, so that who proves needs one name."""


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


@dataclass(frozen=True, slots=True)
class ProvedBatch:
    """A batch's proof and what it says."""

    statement: BatchStatement
    content: bytes
    shape: Shape


def fill_batch(followed: Followed, shape: Shape, *, threads: int | None = None) -> BatchWitness:
    """The traces of a batch that was followed, by kind of rows."""
    heights = shape.laid_out(followed.needed)
    return lay_out(followed, heights, kinds_of_rows(), preprocessed(), threads=threads or default_threads())


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
    with collector_paused():
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
    traces = tables_of(witness.traces, shape)
    proved = prove(key, traces, statement, threads=threads, stages=stages)
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    return ProvedBatch(witness.statement, content, shape)
