"""What a node's provers make of its batches and keep: base proofs, first steps, terminal proofs.

Whatever is on the shelf and still usable is not made again.
A proof of another version of the circuits is not usable: its key is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from circuits.aggregation import (
    BASE_PRESET,
    FirstStep,
    first_step,
    first_verification_key,
    terminal_proof,
)
from circuits.archived import prove_archived
from circuits.machine import ProvedBatch
from circuits.statement import BatchStatement
from circuits.terminal_statement import pinned_chain
from circuits.verifying import key_of_shape, shape_of_heights
from prover.errors import ProofRefused
from prover.progress import Stages
from prover.recursion.chain import StepFigures
from prover.soundness.report import chained_bits
from prover.stark.encoding import Reader, decode_proof, read_heading
from prover.stark.security import report_of
from rollup.node.proofs import MadeStep, ProofShelf, StepReport, TerminalReport


class UnusableStepsError(Exception):
    """First steps on the shelf that these circuits did not make."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__(f"the first steps of batches {list(numbers)} cannot be used")
        self.numbers = list(numbers)


def prove_to_first_step(
    folder: Path, number: int, *, threads: int | None = None, stages: Stages | None = None
) -> StepReport:
    """Bring a batch of a node's folder to its first step, and keep that."""
    stages = stages or Stages()
    shelf = ProofShelf(folder)
    proved = kept_base(shelf, number)
    if proved is None:
        made = prove_archived(folder, number, preset=BASE_PRESET, threads=threads, stages=stages)
        shelf.keep(made.proved.content, made.report)
        proved = made.proved
    step, figures = first_step(proved, threads=threads, stages=stages)
    report = StepReport(number, figures.seconds, figures.proof_bytes, figures.bits)
    shelf.keep_step(step.to_bytes(), report)
    return report


def join_steps(
    folder: Path, first: int, last: int, *, threads: int | None = None, stages: Stages | None = None
) -> TerminalReport:
    """Make one terminal proof of consecutive batches out of the first steps on the shelf, and keep it."""
    shelf = ProofShelf(folder)
    steps = [kept_step(shelf, number) for number in range(first, last + 1)]
    unusable = [number for number, step in enumerate(steps, first) if step is None]
    if unusable:
        raise UnusableStepsError(unusable)
    usable = [step for step in steps if step is not None]
    began = perf_counter()
    made = terminal_proof(usable, threads=threads, stages=stages)
    report = TerminalReport(
        first,
        last,
        perf_counter() - began,
        len(made.proof),
        bits_of(usable, made.figures),
        made.keys,
        made.last,
        tuple(
            MadeStep(one.name, one.seconds, one.proof_bytes, one.rows, one.columns, one.bits)
            for one in made.figures
        ),
    )
    shelf.keep_terminal(made.proof, report)
    return report


def bits_of(steps: Sequence[FirstStep], later: Sequence[StepFigures]) -> float:
    """The bits of all proofs together: each base proof, each first step and what joins them has to be sound."""
    keys = [
        key
        for step in steps
        for key in (key_of_shape(step.shape, BASE_PRESET), first_verification_key(step.shape))
    ]
    return chained_bits(
        [*(report_of(key).summed_bits for key in keys), *(figures.summed_bits for figures in later)]
    )


def kept_base(shelf: ProofShelf, number: int) -> ProvedBatch | None:
    """The base proof on the shelf, if the first step can verify it."""
    try:
        content = shelf.path(number).read_bytes()
        heading = read_heading(Reader(content))
        shape = shape_of_heights(heading.log_heights)
        if shape is None or heading.parameters.name != BASE_PRESET:
            return None
        decode_proof(key_of_shape(shape.name, BASE_PRESET), content)
        statement = BatchStatement.from_elements(heading.statement)
    except (FileNotFoundError, ProofRefused, ValueError):
        return None
    return ProvedBatch(statement, content, shape)


def kept_step(shelf: ProofShelf, number: int) -> FirstStep | None:
    """The first step on the shelf, if the join can verify it."""
    try:
        step = FirstStep.from_bytes(shelf.step_path(number).read_bytes())
    except (FileNotFoundError, ProofRefused):
        return None
    if step.shape not in pinned_chain().base or step.statement.number != number:
        return None
    # Not among what is caught: keys that are not the pinned ones are nothing that another first step would mend.
    key = first_verification_key(step.shape)
    try:
        decode_proof(key, step.content)
    except ProofRefused:
        return None
    return step
