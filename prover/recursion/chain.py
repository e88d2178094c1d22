"""The chain from base proofs to a terminal one.

    base proof ── first step ──┐
    base proof ── first step ──┼── join (── shrink) ── terminal
    ...                        ┘

A first step's program is that of its base circuit; all first steps have one shape.
A join verifies 1, 2, 4 or 8 of them under keys that it forwards, so it knows none of them.
Where that takes more than STEP_LOG_HEIGHT, one more step shrinks it, which knows the join's key by heart.
So every chain ends in one shape, and one terminal key serves all base circuits whose statements are equally long:

    terminal statement = identity of the last wide step | for each slot: identity of the first step, base statement

Slots behind the last proof are zero.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prover.parameters import LAYER_TARGET_BITS, PRESETS, Grinding, StarkParameters, SuiteName
from prover.progress import Stages
from prover.recursion.prove import Form, RecursionKey, plan_recursion, prove_recursion, public_names
from prover.recursion.tables import LANES, recursion_circuit
from prover.soundness.report import chained_bits
from prover.stark.encoding import NumberProof, encode_proof
from prover.stark.key import Digest, VerificationKey
from prover.stark.prover import Proved
from prover.stark.security import report_of

STEP: Final = StarkParameters(
    name="recursion-100-rate-16",
    log_blowup=4,
    queries=42,
    log_fold_arity=3,
    log_final_length=5,
    grinding=Grinding(16, 16, 16, 20, 16, 20),
    suite=SuiteName.POSEIDON_20,
    node_bytes=32,
    is_insecure=False,
    target_bits=LAYER_TARGET_BITS,
)
"""Parameters of a step that the terminal verifies: as many queries as the terminal's 8,192 permutations allow.

Each halving of the rate saves nine of them, and costs as much hashing again."""

TALL_STEP: Final = PRESETS["poseidon-100-rate-8"]
"""Parameters of steps above STEP_LOG_HEIGHT: another step verifies them, so what counts is the cost of committing."""

TERMINAL: Final = PRESETS["terminal"]

FIRST_LOG_HEIGHT: Final = 15
"""Of every first step: what verifying a clearing batch takes."""

STEP_LOG_HEIGHT: Final = 14
"""What verifying a tall step takes, and more than verifying a step of this same height does."""

FIRST_LANES: Final = LANES
"""Multiplications of a row that verifying a clearing batch takes."""

JOIN_LANES: Final = 5
"""Multiplications of a row that verifying wide steps takes: fewer columns to hash, here and in the terminal."""

TERMINAL_LOG_HEIGHT: Final = 17
"""What verifying a step of STEP_LOG_HEIGHT takes."""

SLOTS: Final = 8
"""Statements of a terminal proof."""

JOIN_SIZES: Final = (1, 2, 4, 8)
"""How many first steps a join may verify: each size is a program of its own."""


def first_step_key(publics: int, root: Digest) -> VerificationKey:
    """The key of a first step: programs of one number of public values differ in nothing but the root."""
    circuit = recursion_circuit(public_names(publics), FIRST_LANES)
    return VerificationKey(circuit, (FIRST_LOG_HEIGHT,) * 2, TALL_STEP, root)


def last_step_key(publics: int, root: Digest) -> VerificationKey:
    """The key of a step that the terminal verifies, whatever it joins."""
    circuit = recursion_circuit(public_names(publics), JOIN_LANES)
    return VerificationKey(circuit, (STEP_LOG_HEIGHT,) * 2, STEP, root)


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
class Join:
    """The steps that put first steps together: the join itself and, where it is tall, the one that shrinks it."""

    size: int
    steps: tuple[RecursionKey, ...]

    @property
    def last(self) -> RecursionKey:
        """The step of the fixed shape, which the terminal verifies."""
        return self.steps[-1]


@dataclass(frozen=True, slots=True)
class Chain:
    """Every key from a base circuit to the terminal."""

    first: RecursionKey
    join: Join
    end: RecursionKey

    @property
    def steps(self) -> tuple[RecursionKey, ...]:
        """In the order in which they are proved."""
        return self.first, *self.join.steps, self.end

    @property
    def terminal(self) -> VerificationKey:
        """The key whose proofs end the chain."""
        return self.end.verification


@dataclass(frozen=True, slots=True)
class InnerProof:
    """What a step needs of a proof that it verifies."""

    key: VerificationKey
    statement: tuple[int, ...]
    messages: NumberProof


@dataclass(frozen=True, slots=True)
class StepProof:
    """A proof of one step, its statement, and what it cost."""

    key: VerificationKey
    statement: tuple[int, ...]
    proved: Proved
    figures: StepFigures

    @property
    def inner(self) -> InnerProof:
        """As the next step reads it."""
        return InnerProof(self.key, self.statement, self.proved.messages)


@dataclass(frozen=True, slots=True)
class ChainedProof:
    """A terminal proof with its statement, and what every step cost."""

    statement: tuple[int, ...]
    proved: Proved
    figures: tuple[StepFigures, ...]


def make_first(base: VerificationKey, *, threads: int | None = None) -> RecursionKey:
    """The step that verifies a base proof."""
    plan = plan_recursion([base], least_log_height=FIRST_LOG_HEIGHT, lanes=FIRST_LANES)
    if plan.layout.log_height != FIRST_LOG_HEIGHT:
        rows = f"2^{plan.layout.log_height} rows, a first step has 2^{FIRST_LOG_HEIGHT}"
        raise ValueError(f"verifying {base.circuit.name} takes {rows}")
    return plan.commit(TALL_STEP, threads=threads)


def make_join(first: VerificationKey, size: int, *, slots: int = SLOTS, threads: int | None = None) -> Join:
    """The steps that put so many first steps together; any first step's key will do, since all have one shape."""
    plan = plan_recursion(
        [first] * size, forwards_keys=True, slots=slots, least_log_height=STEP_LOG_HEIGHT, lanes=JOIN_LANES
    )
    if plan.layout.log_height == STEP_LOG_HEIGHT:
        return Join(size, (plan.commit(STEP, threads=threads),))
    joined = plan.commit(TALL_STEP, threads=threads)
    # Soundness: the join's key is a constant of this program, so its identity stands for both.
    plan = plan_recursion([joined.verification], least_log_height=STEP_LOG_HEIGHT, lanes=JOIN_LANES)
    if plan.layout.log_height != STEP_LOG_HEIGHT:
        raise ValueError(f"one step does not bring a join of {size} proofs to the fixed shape")
    return Join(size, (joined, plan.commit(STEP, threads=threads)))


def make_terminal(last: VerificationKey, *, threads: int | None = None) -> RecursionKey:
    """The end of every chain; any last step's key will do, since all have one shape."""
    plan = plan_recursion(
        [last], form=Form.TERMINAL, forwards_keys=True, least_log_height=TERMINAL_LOG_HEIGHT
    )
    if plan.layout.log_height != TERMINAL_LOG_HEIGHT:
        raise ValueError("the terminal table is too low for the fixed shape")
    return plan.commit(TERMINAL, threads=threads)


def make_chain(base: VerificationKey, *, slots: int = SLOTS, threads: int | None = None) -> Chain:
    """All steps for one base proof at a time."""
    first = make_first(base, threads=threads)
    join = make_join(first.verification, 1, slots=slots, threads=threads)
    return Chain(first, join, make_terminal(join.last.verification, threads=threads))


def prove_first(
    key: RecursionKey,
    statement: Sequence[int],
    proof: NumberProof,
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> StepProof:
    """Prove that a base proof verifies."""
    return _prove("first step", key, [statement], [proof], None, threads, stages)


def prove_join(
    join: Join,
    firsts: Sequence[InnerProof],
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> tuple[StepProof, ...]:
    """Prove that first steps verify, each under its own key; a proof for each step of the join."""
    if len(firsts) != join.size:
        raise ValueError(f"a join of {join.size} proofs was given {len(firsts)}")
    statements, keys = [first.statement for first in firsts], [first.key for first in firsts]
    messages = [first.messages for first in firsts]
    proofs = [_prove(f"join of {join.size}", join.steps[0], statements, messages, keys, threads, stages)]
    for key in join.steps[1:]:
        inner = proofs[-1]
        proofs.append(
            _prove("shrink", key, [inner.statement], [inner.proved.messages], None, threads, stages)
        )
    return tuple(proofs)


def prove_terminal(
    key: RecursionKey, last: StepProof, *, threads: int | None = None, stages: Stages | None = None
) -> StepProof:
    """Prove that the last wide step verifies, for a contract."""
    return _prove("terminal", key, [last.statement], [last.proved.messages], [last.key], threads, stages)


def prove_chain(
    chain: Chain,
    statement: Sequence[int],
    proof: NumberProof,
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> ChainedProof:
    """Prove every step after the other, for one base proof."""
    first = prove_first(chain.first, statement, proof, threads=threads, stages=stages)
    joined = prove_join(chain.join, [first.inner], threads=threads, stages=stages)
    end = prove_terminal(chain.end, joined[-1], threads=threads, stages=stages)
    return ChainedProof(end.statement, end.proved, tuple(step.figures for step in (first, *joined, end)))


def _prove(
    name: str,
    key: RecursionKey,
    statements: Sequence[Sequence[int]],
    proofs: Sequence[NumberProof],
    inner_keys: Sequence[VerificationKey] | None,
    threads: int | None,
    stages: Stages | None,
) -> StepProof:
    start = time.perf_counter()
    statement = key.outer_statement(statements, inner_keys)
    proved = prove_recursion(key, statement, proofs, threads=threads, stages=stages)
    seconds = time.perf_counter() - start
    figures = figures_of(name, key.verification, statement, proved, seconds=seconds)
    return StepProof(key.verification, tuple(statement), proved, figures)


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
