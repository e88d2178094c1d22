"""Prove that a proof verifies: the key of one inner shape, and the proof over the fixed tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from prover.errors import ProofRefused, Reason
from prover.field.threads import default_threads
from prover.parameters import StarkParameters
from prover.progress import Stages
from prover.recursion.execution import EVERYTHING_HOLDS, CompiledProgram, Execution, execute
from prover.recursion.layout import Layout, lay_out
from prover.recursion.program import Program
from prover.recursion.record import flatten_proofs, identity_of, record_verifiers
from prover.recursion.tables import LANES, recursion_circuit
from prover.recursion.terminal import terminal_circuit
from prover.recursion.terminal_layout import TerminalLayout, lay_out_terminal
from prover.stark.encoding import NumberProof
from prover.stark.key import VerificationKey
from prover.stark.prover import Proved, prove
from prover.stark.proving_key import ProvingKey, make_proving_key


class Form(StrEnum):
    """The tables that prove a program."""

    WIDE = "wide"
    """Three tables, a permutation a row: quick to prove, and cheap for another circuit to verify."""
    TERMINAL = "terminal"
    """One narrow table: for a verifier who pays for every column."""


@dataclass(frozen=True, slots=True, eq=False)
class RecursionKey:
    """Everything that is fixed when proofs of one shape are to be verified by a circuit."""

    inner: tuple[VerificationKey, ...]
    """The key of each proof that is verified, in order."""
    forwards_keys: bool
    compiled: CompiledProgram
    layout: Layout | TerminalLayout
    proving: ProvingKey

    @property
    def verification(self) -> VerificationKey:
        """What a verifier of the outer proof trusts: its preprocessed root is the program."""
        return self.proving.verification

    def outer_statement(
        self, statements: Sequence[Sequence[int]], keys: Sequence[VerificationKey] | None = None
    ) -> list[int]:
        """The outer proof's public values: each inner statement, after its key's identity where that is forwarded.

        Keys other than those that the program was recorded with may be forwarded, if their shapes are the same.
        """
        outer: list[int] = []
        for key, statement in zip(keys or self.inner, statements, strict=True):
            outer += [*(identity_of(key) if self.forwards_keys else ()), *statement]
        return outer + [0] * self.compiled.public_zeros


def public_names(count: int) -> list[str]:
    """Names by position, so that circuits do not differ by what their statements mean."""
    return [f"value {position}" for position in range(count)]


@dataclass(frozen=True, slots=True, eq=False)
class RecursionPlan:
    """A program laid out, before anything is committed: its height is known, and parameters can be chosen by it."""

    inner: tuple[VerificationKey, ...]
    forwards_keys: bool
    program: Program
    layout: Layout | TerminalLayout

    def commit(self, parameters: StarkParameters, *, threads: int | None = None) -> RecursionKey:
        """Pin the program under parameters of its own proofs."""
        names = public_names(self.program.public_count)
        if isinstance(self.layout, TerminalLayout):
            circuit = terminal_circuit(names)
        else:
            circuit = recursion_circuit(names, self.layout.lanes)
        proving = make_proving_key(
            circuit, self.layout.log_heights, parameters, self.layout.preprocessed(), threads=threads
        )
        compiled = CompiledProgram.compile(self.program)
        return RecursionKey(self.inner, self.forwards_keys, compiled, self.layout, proving)


def plan_recursion(
    inner: Sequence[VerificationKey],
    *,
    form: Form = Form.WIDE,
    forwards_keys: bool = False,
    slots: int | None = None,
    least_log_height: int = 0,
    lanes: int = LANES,
) -> RecursionPlan:
    """Record the verifiers of the inner keys and lay them out; lanes are those of the wide form."""
    program = record_verifiers(inner, forwards_keys=forwards_keys, slots=slots)
    layout: Layout | TerminalLayout
    if form is Form.TERMINAL:
        layout = lay_out_terminal(program, least_log_height)
    else:
        layout = lay_out(program, least_log_height, lanes)
    return RecursionPlan(tuple(inner), forwards_keys, program, layout)


def make_recursion_key(
    inner: Sequence[VerificationKey],
    parameters: StarkParameters,
    *,
    form: Form = Form.WIDE,
    forwards_keys: bool = False,
    slots: int | None = None,
    threads: int | None = None,
) -> RecursionKey:
    """Record the verifiers of the inner keys, lay them out and commit to them."""
    plan = plan_recursion(inner, form=form, forwards_keys=forwards_keys, slots=slots)
    return plan.commit(parameters, threads=threads)


def run_verifiers(
    key: RecursionKey, outer_statement: Sequence[int], proofs: Sequence[NumberProof]
) -> Execution:
    """Every wire's value for inner proofs, whether they verify or not."""
    return execute(key.compiled, outer_statement, *flatten_proofs(proofs))


def prove_recursion(
    key: RecursionKey,
    outer_statement: Sequence[int],
    proofs: Sequence[NumberProof],
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> Proved:
    """Prove that each inner proof verifies for its part of the outer statement.

    Refuses an inner proof that does not verify: the tables have no valid trace for it.
    """
    stages = stages or Stages()
    workers = threads or default_threads()
    with stages.stage("run the verifier"):
        run = run_verifiers(key, outer_statement, proofs)
    if run.failed != EVERYTHING_HOLDS:
        raise ProofRefused(
            Reason.CONSTRAINTS_DO_NOT_HOLD,
            f"an inner proof does not verify: instruction {run.failed} of {len(key.compiled.code)} fails",
        )
    with stages.stage("fill the trace"):
        traces = key.layout.fill(run, threads=workers)
    return prove(key.proving, traces, outer_statement, threads=workers, stages=stages)
