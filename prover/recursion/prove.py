"""Prove that a proof verifies: the key of one inner shape, and the proof over the fixed tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prover.errors import ProofRefused, Reason
from prover.field.threads import default_threads
from prover.parameters import StarkParameters
from prover.progress import Stages
from prover.recursion.execution import EVERYTHING_HOLDS, CompiledProgram, execute
from prover.recursion.layout import Layout, lay_out
from prover.recursion.record import flatten_proof, record_verifier
from prover.recursion.tables import recursion_circuit
from prover.recursion.terminal import terminal_circuit
from prover.recursion.terminal_layout import TerminalLayout, lay_out_terminal
from prover.stark.encoding import NumberProof
from prover.stark.key import VerificationKey
from prover.stark.prover import Proved, prove
from prover.stark.proving_key import ProvingKey, make_proving_key


@dataclass(frozen=True, slots=True, eq=False)
class RecursionKey:
    """Everything that is fixed when proofs of one shape are to be verified by a circuit."""

    inner: VerificationKey
    compiled: CompiledProgram
    layout: Layout | TerminalLayout
    proving: ProvingKey

    @property
    def verification(self) -> VerificationKey:
        """What a verifier of the outer proof trusts: its preprocessed root is the program."""
        return self.proving.verification


def make_recursion_key(
    inner: VerificationKey,
    parameters: StarkParameters,
    *,
    least_log_heights: Sequence[int] = (0, 0, 0),
    is_terminal: bool = False,
    threads: int | None = None,
) -> RecursionKey:
    """Record the verifier of an inner key, lay it out and commit to it."""
    program = record_verifier(inner)
    layout: Layout | TerminalLayout
    if is_terminal:
        layout, circuit = lay_out_terminal(program), terminal_circuit(inner.circuit.public_names)
    else:
        layout = lay_out(program, least_log_heights)
        circuit = recursion_circuit(inner.circuit.public_names)
    proving = make_proving_key(
        circuit, layout.log_heights, parameters, layout.preprocessed(), threads=threads
    )
    return RecursionKey(inner, CompiledProgram.compile(program), layout, proving)


def prove_recursion(
    key: RecursionKey,
    statement: Sequence[int],
    inner: NumberProof,
    *,
    threads: int | None = None,
    stages: Stages | None = None,
) -> Proved:
    """Prove that the inner proof verifies for the statement, which is the outer proof's statement too.

    Refuses an inner proof that does not verify: the tables have no valid trace for it.
    """
    stages = stages or Stages()
    workers = threads or default_threads()
    with stages.stage("run the verifier"):
        elements, roots, siblings = flatten_proof(inner)
        run = execute(key.compiled, statement, elements, roots, siblings)
    if run.failed != EVERYTHING_HOLDS:
        raise ProofRefused(
            Reason.CONSTRAINTS_DO_NOT_HOLD, f"the inner proof fails at instruction {run.failed} of its verifier"
        )
    with stages.stage("fill the trace"):
        traces = key.layout.fill(run, threads=workers)
    return prove(key.proving, traces, statement, threads=workers, stages=stages)
