"""The proving key: a verification key with the preprocessed columns behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prover.air.reader import evaluate
from prover.air.rows import TraceReader, constant_rows
from prover.air.table import Table
from prover.air.tape import Tape
from prover.field.koalabear import PRIME, Montgomery, decode
from prover.field.threads import default_threads
from prover.hash.suite import AnySuite
from prover.merkle import MixedTree
from prover.ntt import (
    aligned_empty,
    coset_shifts,
    coset_transform,
    extend_in_place,
    inverse_transform,
    low_degree_extension,
)
from prover.parameters import StarkParameters
from prover.stark.circuit import Circuit, CircuitError
from prover.stark.key import VerificationKey, make_verification_key
from prover.stark.shape import Phase
from prover.stark.trees import suite_of
from prover.streamed_tree import LEAST_LOG_HEIGHT, StreamedTree


@dataclass(frozen=True, slots=True)
class Commitment:
    """The matrices of one phase, extended and hashed into a tree."""

    phase: Phase
    extended: tuple[Montgomery, ...]
    """Each matrix on every coset: (columns, blowup, height)."""
    tree: MixedTree

    are_coefficients = False

    def columns(self, place: int) -> Montgomery:
        """One matrix on the first coset."""
        return self.extended[place][:, 0, :]

    def on_coset(self, place: int, coset: int, threads: int) -> Montgomery:  # noqa: ARG002 - as the other's
        """One matrix on one coset."""
        return self.extended[place][:, coset, :]


@dataclass(frozen=True, slots=True)
class StreamedCommitment:
    """The matrices of one phase as coefficients; their extension was hashed coset by coset and never held."""

    phase: Phase
    tree: StreamedTree

    are_coefficients = True

    def columns(self, place: int) -> Montgomery:
        """The coefficients of one matrix."""
        start = sum(matrix.columns for matrix in self.phase.matrices[:place])
        return self.tree.coefficients[start : start + self.phase.matrices[place].columns]

    @property
    def extended(self) -> tuple[Montgomery, ...]:
        """Each matrix on every coset, made anew: the slow way."""
        blowup = 1 << self.tree.shape.log_blowup
        places = range(len(self.phase.matrices))
        return tuple(
            np.stack([self.on_coset(place, coset, 1) for coset in range(blowup)], axis=1) for place in places
        )

    def on_coset(self, place: int, coset: int, threads: int) -> Montgomery:
        """One matrix on one coset, made anew."""
        shift = coset_shifts(self.phase.matrices[place].log_height, self.tree.shape.log_blowup)[coset]
        return coset_transform(self.columns(place), shift, threads=threads)


AnyCommitment = Commitment | StreamedCommitment


@dataclass(frozen=True, slots=True)
class ProvingKey:
    """A verification key with the preprocessed columns behind it and the compiled constraints."""

    verification: VerificationKey
    preprocessed: tuple[Montgomery, ...]
    """For each table its preprocessed matrix, without columns where it has none."""
    preprocessed_commitment: AnyCommitment | None
    tapes: tuple[Tape, ...]
    """For each table the combination of its constraints."""

    def trace_room(self, table: int) -> TraceRoom:
        """Memory to fill a table's trace into, so that its extension needs no memory beside it."""
        shape = self.verification.shape
        constrained, log_height = shape.tables[table], shape.log_heights[table]
        phase = shape.phase("main")
        assert phase is not None
        # Columns that depend on challenges are filled from the trace, after the extension is committed to.
        is_read_again = any(constrained.challenge_names(round) for round in range(1, shape.rounds + 1))
        log_blowup = shape.parameters.log_blowup
        if is_read_again or constrained.interactions or is_streamed(phase, log_blowup):
            log_blowup = 0
        columns = len(constrained.main_names)
        words = aligned_empty((columns << (log_height + log_blowup),))
        return TraceRoom(words, columns, log_height, log_blowup)


@dataclass(frozen=True, slots=True, eq=False)
class TraceRoom:
    """Memory that holds a trace at its end until it holds the trace's extension: one proof uses it up."""

    words: Montgomery
    columns: int
    log_height: int
    log_blowup: int
    """Zero where the trace has to stay, and its extension takes other memory."""

    @property
    def trace(self) -> Montgomery:
        """Where the trace is filled in: (columns, height)."""
        size = self.columns << self.log_height
        return self.words[self.words.size - size :].reshape(self.columns, 1 << self.log_height)


Trace = Montgomery | TraceRoom


def trace_of(trace: Trace) -> Montgomery:
    """The trace itself: (columns, height)."""
    return trace.trace if isinstance(trace, TraceRoom) else trace


def make_proving_key(
    circuit: Circuit,
    log_heights: Sequence[int],
    parameters: StarkParameters,
    preprocessed: Sequence[Montgomery | None] = (),
    *,
    threads: int | None = None,
) -> ProvingKey:
    """Commit to the preprocessed columns, pin the shape and compile the constraints."""
    workers = threads or default_threads()
    given = list(preprocessed) or [None] * len(circuit.tables)
    matrices = []
    for table, log_height, matrix in zip(circuit.tables, log_heights, given, strict=True):
        columns = np.empty((0, 1 << log_height), dtype=np.uint32) if matrix is None else matrix
        check_matrix(table.name, "preprocessed", columns, len(table.preprocessed_names), log_height)
        check_pinned_counts(table, columns)
        matrices.append(columns)
    draft = VerificationKey(circuit, tuple(log_heights), parameters, None)
    phase = draft.shape.phase("preprocessed")
    commitment = None
    if phase is not None:
        suite = suite_of(parameters)
        chosen = [matrices[matrix.table] for matrix in phase.matrices]
        commitment = commit(suite, phase, chosen, parameters.log_blowup, workers)
    root = None if commitment is None else commitment.tree.root
    key = make_verification_key(circuit, log_heights, parameters, root)
    tapes = tuple(Tape.compile([table.combination]) for table in key.shape.tables)
    return ProvingKey(key, tuple(matrices), commitment, tapes)


def check_matrix(table: str, kind: str, matrix: Montgomery, columns: int, log_height: int) -> None:
    """Refuse a matrix of another type, width or height than the table has."""
    if matrix.dtype != np.uint32 or matrix.shape != (columns, 1 << log_height):
        raise CircuitError(
            f"table {table}: the {kind} matrix is {matrix.dtype} {matrix.shape}, "
            f"not uint32 ({columns}, {1 << log_height})"
        )


def check_pinned_counts(table: Table, preprocessed: Montgomery) -> None:
    """Refuse preprocessed counts whose absolute values add up to more than their interaction promises.

    Soundness: the verifier adds up the promises to see that no message can be sent p times.
    """
    pinned = [interaction for interaction in table.interactions if interaction.is_pinned]
    if not pinned:
        return
    fixed = decode(preprocessed).astype(np.uint64)
    reader = TraceReader(table, fixed.shape[1], fixed[:0], fixed, {}, {})
    counts = evaluate([interaction.count for interaction in pinned], reader.read, constant_rows)
    for interaction, count in zip(pinned, counts, strict=True):
        signed = count.planes[0].astype(np.int64)
        total = int(np.minimum(signed, PRIME - signed).sum())
        if total > interaction.pinned_total:
            raise CircuitError(
                f"table {table.name}: {total} messages are exchanged on bus {interaction.bus.name}, "
                f"more than the {interaction.pinned_total} that are promised"
            )


LEAST_STREAMED_LOG_BLOWUP = 3
"""At higher rates, with their many queries, opening a tree that holds no rows costs more than holding them."""

LEAST_STREAMED_LOG_SIZE = 18
"""Below this an extension fits the caches."""


def is_streamed(phase: Phase, log_blowup: int) -> bool:
    """Whether a phase is committed to without holding its extension: one height, many cosets."""
    heights = {matrix.log_height for matrix in phase.matrices}
    return (
        len(heights) == 1
        and phase.log_height >= LEAST_LOG_HEIGHT
        and log_blowup >= LEAST_STREAMED_LOG_BLOWUP
        and phase.log_height + log_blowup >= LEAST_STREAMED_LOG_SIZE
    )


def commit(
    suite: AnySuite, phase: Phase, traces: Sequence[Trace], log_blowup: int, threads: int
) -> AnyCommitment:
    """Extend matrices to all cosets, in their own room where they have one, and hash them into one tree."""
    matrices = [trace_of(trace) for trace in traces]
    if is_streamed(phase, log_blowup):
        coefficients = aligned_empty((sum(map(len, matrices)), 1 << phase.log_height))
        start = 0
        for matrix in matrices:
            inverse_transform(matrix, threads=threads, out=coefficients[start : start + len(matrix)])
            start += len(matrix)
        return commit_coefficients(suite, phase, coefficients, log_blowup, threads)
    extended = tuple(
        extend_in_place(trace.words, trace.columns, log_blowup, threads=threads)
        if isinstance(trace, TraceRoom) and trace.log_blowup
        else low_degree_extension(matrix, log_blowup, threads=threads)
        for trace, matrix in zip(traces, matrices, strict=True)
    )
    return Commitment(phase, extended, MixedTree.commit(suite, extended, threads))


def commit_coefficients(
    suite: AnySuite, phase: Phase, coefficients: Montgomery, log_blowup: int, threads: int
) -> StreamedCommitment:
    """Commit to the matrices of a phase that is streamed, side by side, by their coefficients."""
    widths = [matrix.columns for matrix in phase.matrices]
    return StreamedCommitment(phase, StreamedTree.commit(suite, coefficients, widths, log_blowup, threads))
