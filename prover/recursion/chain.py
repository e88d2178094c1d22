"""The chain from a base proof to a terminal one: as many wide steps as it takes to reach one fixed shape, then the end.

The first step's program is that of the base circuit; its identity is forwarded by every later one.
Verifying a tall step fits a step of STEP_LOG_HEIGHT, so every chain ends in that shape,
and one terminal key serves all base circuits whose statements are equally long and whose chains have as many steps.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prover.parameters import LAYER_TARGET_BITS, PRESETS, Grinding, StarkParameters, SuiteName
from prover.progress import Stages
from prover.recursion.prove import Form, RecursionKey, plan_recursion, prove_recursion
from prover.soundness.report import chained_bits
from prover.stark.encoding import NumberProof, encode_proof
from prover.stark.key import VerificationKey
from prover.stark.prover import Proved
from prover.stark.security import report_of

STEP: Final = StarkParameters(
    name="recursion-100-rate-32",
    log_blowup=5,
    queries=34,
    log_fold_arity=3,
    log_final_length=5,
    grinding=Grinding(16, 16, 16, 20, 16, 20),
    suite=SuiteName.POSEIDON_20,
    node_bytes=32,
    is_insecure=False,
    target_bits=LAYER_TARGET_BITS,
)
"""Parameters of a step that the terminal verifies: few queries, because its table holds some 8,000 permutations."""

TALL_STEP: Final = PRESETS["poseidon-100-rate-8"]
"""Parameters of steps above STEP_LOG_HEIGHT: another step verifies them, so what counts is the cost of committing."""

TERMINAL: Final = PRESETS["terminal"]

STEP_LOG_HEIGHT: Final = 14
"""What verifying a tall step takes, and more than verifying a step of this same height does."""

TERMINAL_LOG_HEIGHT: Final = 17
"""What verifying a step of STEP_LOG_HEIGHT takes."""

MOST_STEPS: Final = 4
"""Far above what any base circuit takes: each step but the last one is a fraction of the one before it."""


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What one proof of a chain cost."""

    name: str
    rows: int
    """The height of the tallest table."""
    columns: int
    """Base field columns of all commitments, the quotient's among them."""
    seconds: float
    proof_bytes: int
    bits: float
    summed_bits: float


@dataclass(frozen=True, slots=True)
class Chain:
    """The keys from the first wide step to the terminal one."""

    base: VerificationKey
    steps: tuple[RecursionKey, ...]

    @property
    def terminal(self) -> VerificationKey:
        """The key whose proofs end the chain."""
        return self.steps[-1].verification


@dataclass(frozen=True, slots=True)
class ChainedProof:
    """A terminal proof with its statement, and what every step cost."""

    statement: tuple[int, ...]
    proved: Proved
    figures: tuple[StepFigures, ...]


def make_chain(base: VerificationKey, *, threads: int | None = None) -> Chain:
    """Wide steps until their shape is the fixed one, then the terminal step."""
    steps: list[RecursionKey] = []
    inner = base
    while True:
        plan = plan_recursion([inner], forwards_keys=bool(steps), least_log_height=STEP_LOG_HEIGHT)
        is_last = plan.layout.log_height == STEP_LOG_HEIGHT
        key = plan.commit(STEP if is_last else TALL_STEP, threads=threads)
        steps.append(key)
        inner = key.verification
        if is_last:
            break
        if len(steps) == MOST_STEPS:
            raise ValueError(
                f"{MOST_STEPS} steps do not bring a proof of {base.circuit.name} to the fixed shape"
            )
    end = plan_recursion(
        [inner], form=Form.TERMINAL, forwards_keys=True, least_log_height=TERMINAL_LOG_HEIGHT
    )
    if end.layout.log_height != TERMINAL_LOG_HEIGHT:
        raise ValueError("the terminal table is too low for the fixed shape")
    return Chain(base, (*steps, end.commit(TERMINAL, threads=threads)))


def prove_chain(
    chain: Chain,
    statement: Sequence[int],
    proof: NumberProof,
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> ChainedProof:
    """Prove every step after the other."""
    figures = []
    current, messages = list(statement), proof
    proved: Proved | None = None
    for number, key in enumerate(chain.steps, start=1):
        start = time.perf_counter()
        current = key.outer_statement([current])
        proved = prove_recursion(key, current, [messages], threads=threads, stages=stages)
        messages = proved.messages
        name = "terminal" if number == len(chain.steps) else f"recursion {number}"
        figures.append(
            figures_of(name, key.verification, current, proved, seconds=time.perf_counter() - start)
        )
    assert proved is not None
    return ChainedProof(tuple(current), proved, tuple(figures))


def figures_of(
    name: str, key: VerificationKey, statement: Sequence[int], proved: Proved, *, seconds: float
) -> StepFigures:
    """Sizes and bits of one proof."""
    security = report_of(key)
    return StepFigures(
        name,
        1 << key.shape.log_max_height,
        sum(matrix.columns for phase in key.shape.phases for matrix in phase.matrices),
        seconds,
        len(encode_proof(key, list(statement), proved.messages, proved.positions)),
        security.minimum,
        security.summed_bits,
    )


def bits_of_chain(figures: Sequence[StepFigures]) -> float:
    """The bits of all proofs together: each has to be sound."""
    return chained_bits(step.summed_bits for step in figures)
