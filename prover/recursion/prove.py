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
from prover.recursion.record import IDENTITY_LENGTH, flatten_proof, identity_of, record_verifier
from prover.recursion.tables import recursion_circuit
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

    inner: VerificationKey
    forwards_key: bool
    compiled: CompiledProgram
    layout: Layout | TerminalLayout
    proving: ProvingKey

    @property
    def verification(self) -> VerificationKey:
        """What a verifier of the outer proof trusts: its preprocessed root is the program."""
        return self.proving.verification

    def outer_statement(self, inner: VerificationKey, statement: Sequence[int]) -> list[int]:
        """The outer proof's public values: the inner ones, after the inner key's identity where it is forwarded."""
        return [*(identity_of(inner) if self.forwards_key else ()), *statement]


def public_names(count: int) -> list[str]:
    """Names by position, so that circuits do not differ by what their statements mean."""
    return [f"value {position}" for position in range(count)]


def make_recursion_key(
    inner: VerificationKey,
    parameters: StarkParameters,
    *,
    form: Form = Form.WIDE,
    forwards_key: bool = False,
    least_log_heights: Sequence[int] = (0, 0, 0),
    threads: int | None = None,
) -> RecursionKey:
    """Record the verifier of an inner key, lay it out and commit to it."""
    program = record_verifier(inner, forwards_key=forwards_key)
    names = public_names(len(program.publics))
    layout: Layout | TerminalLayout
    if form is Form.TERMINAL:
        layout, circuit = lay_out_terminal(program, max(least_log_heights)), terminal_circuit(names)
    else:
        layout, circuit = lay_out(program, least_log_heights), recursion_circuit(names)
    proving = make_proving_key(
        circuit, layout.log_heights, parameters, layout.preprocessed(), threads=threads
    )
    return RecursionKey(inner, forwards_key, CompiledProgram.compile(program), layout, proving)


def run_verifier(key: RecursionKey, outer_statement: Sequence[int], inner: NumberProof) -> Execution:
    """Every wire's value for an inner proof, whether it verifies or not."""
    return execute(key.compiled, outer_statement, *flatten_proof(inner))


def prove_recursion(
    key: RecursionKey,
    outer_statement: Sequence[int],
    inner: NumberProof,
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> Proved:
    """Prove that the inner proof verifies for the statement that ends the outer one.

    Refuses an inner proof that does not verify: the tables have no valid trace for it.
    """
    stages = stages or Stages()
    workers = threads or default_threads()
    with stages.stage("run the verifier"):
        run = run_verifier(key, outer_statement, inner)
    if run.failed != EVERYTHING_HOLDS:
        raise ProofRefused(
            Reason.CONSTRAINTS_DO_NOT_HOLD,
            f"the inner proof does not verify: instruction {run.failed} of {len(key.compiled.code)} fails",
        )
    with stages.stage("fill the trace"):
        traces = key.layout.fill(run, threads=workers)
    return prove(key.proving, traces, outer_statement, threads=workers, stages=stages)


def inner_statement(key: RecursionKey, outer_statement: Sequence[int]) -> tuple[int, ...]:
    """The inner proof's part of an outer statement."""
    return tuple(outer_statement[IDENTITY_LENGTH if key.forwards_key else 0 :])
