"""Proving the batches that a node keeps: read, applied once more, followed, proved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter

from circuits.machine import ProvedBatch, batch_key, fill_batch, prove_witness
from circuits.shapes import DEFAULT_PRESET, shape_for
from circuits.witness import Followed, follow_batch
from prover.field.threads import default_threads
from prover.hash.poseidon import POSEIDON16_20
from prover.progress import Progress, Stages, silent
from prover.stark.security import report_of
from rollup.batch import BatchOutcome, apply_batch
from rollup.node.archive import Archive, ArchivedBatch
from rollup.node.proofs import ProofReport
from rollup.node.storage import StorageError
from rollup.node.verified import verified_for
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree


@dataclass(frozen=True, slots=True)
class ProvedArchived:
    """A proof with what it took."""

    proved: ProvedBatch
    report: ProofReport
    seconds_by_stage: dict[str, float]


@cache
def empty_tree() -> StateTree:
    """The tree of nothing."""
    return StateTree.without_leaves(KernelHasher(POSEIDON16_20))


def follow_archived(path: Path, number: int) -> Followed:
    """Read a batch and follow it through the books."""
    with Archive(path) as archive:
        archived = archive.batch(number)
    return _followed(archived)


def _followed(archived: ArchivedBatch) -> Followed:
    number, stored = archived.stored.number, archived.stored
    tree = archived.tree(empty_tree())
    # Every signature was verified when it came in; were one false all the same, the proof would not be found.
    outcome = apply_batch(archived.before, archived.batch, verified_for(archived.before, archived.batch))
    if not isinstance(outcome, BatchOutcome):
        raise StorageError(
            f"batch {number} breaks a rule at {outcome.part} {outcome.position}: {outcome.rejection}"
        )
    if outcome.published != stored.published:
        raise StorageError(f"batch {number} does not publish again what it published")
    return follow_batch(archived.before, archived.batch, tree, outcome)


def prove_archived(
    path: Path,
    number: int,
    *,
    preset: str = DEFAULT_PRESET,
    threads: int | None = None,
    progress: Progress = silent,
    stages: Stages | None = None,
) -> ProvedArchived:
    """Prove one batch of a node's folder."""
    workers = threads or default_threads()
    stages = stages or Stages(progress)
    began = perf_counter()
    with stages.stage("read and follow the batch"):
        followed = follow_archived(path, number)
        shape = shape_for(followed.needed)
    keyed = perf_counter()
    with stages.stage("make the key"):
        key = batch_key(shape.name, preset).verification
    keyed = perf_counter() - keyed
    with stages.stage("lay out"):
        witness = fill_batch(followed, shape, threads=workers)
    proved = prove_witness(witness, shape, preset=preset, threads=workers, stages=stages)
    report = ProofReport(
        number,
        perf_counter() - began - keyed,
        len(proved.content),
        report_of(key).minimum,
        shape.name,
        preset,
    )
    return ProvedArchived(proved, report, stages.seconds)
