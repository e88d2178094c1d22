"""The prover: the steps of the verifier, by the same names, with the columns in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prover.air.bus_fill import fill_bus_columns
from prover.air.expression import Cell, CellKind
from prover.air.table import Scope
from prover.air.tape import Sources
from prover.errors import ProofRefused
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode, inverse, power, root_of_unity
from prover.field.threads import default_threads, run_each
from prover.fri.prover import (
    FoldedWord,
    WeighedColumns,
    deep_values,
    fold_values,
    interpolate_final,
    mix_word,
)
from prover.hash.domain import SuiteId
from prover.merkle import MixedTree, Opening
from prover.ntt import extend_from_coset, low_degree_extension
from prover.progress import Progress, Stages, silent
from prover.stark.circuit import CircuitError
from prover.stark.encoding import NumberProof
from prover.stark.evaluation import PointWeights, evaluate_at, piece_coefficients, selectors_on_coset
from prover.stark.key import Digest
from prover.stark.numbers import Extension, Quintic, canonical
from prover.stark.proof import OpenedMatrix, Proof, Query, TreeOpening
from prover.stark.proving_key import (
    AnyCommitment,
    Commitment,
    ProvingKey,
    Trace,
    TraceRoom,
    check_matrix,
    commit,
    commit_coefficients,
    is_streamed,
    trace_of,
)
from prover.stark.shape import EXTENSION_DEGREE, MatrixShape, Phase
from prover.stark.trees import suite_of
from prover.transcript import AnyTranscript, KeccakTranscript, Label, integer_transcript, number_of

Openings = tuple[tuple[OpenedMatrix[Extension], ...], ...]


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof's messages, and the positions that its transcript drew."""

    messages: NumberProof
    positions: tuple[int, ...]
    """Known to any verifier; the encoding shares paths by them."""


def prove(
    key: ProvingKey,
    traces: Sequence[Trace],
    statement: Sequence[int] = (),
    *,
    threads: int | None = None,
    progress: Progress = silent,
    stages: Stages | None = None,
) -> Proved:
    """Prove that the traces satisfy the circuit; a trace that does not gives a proof that no verifier accepts.

    A trace in a room of `ProvingKey.trace_room` is gone afterwards; any other stays as it is.
    """
    run = Proving(key, traces, statement, threads or default_threads(), stages or Stages(progress))
    return run.run()


class Proving:
    """One run of the prover."""

    def __init__(
        self,
        key: ProvingKey,
        traces: Sequence[Trace],
        statement: Sequence[int],
        threads: int,
        stages: Stages,
    ) -> None:
        self.key = key
        self.shape = key.verification.shape
        self.parameters = key.verification.parameters
        self.suite = suite_of(self.parameters)
        self.threads = threads
        self.stages = stages
        self.statement = [int(value) for value in statement]
        if len(self.statement) != self.shape.public_count:
            raise CircuitError(
                f"the statement has {len(self.statement)} values, not {self.shape.public_count}"
            )
        if any(not 0 <= value < PRIME for value in self.statement):
            raise CircuitError("a public value is not a canonical field element")
        if len(traces) != len(self.shape.tables):
            raise CircuitError(f"{len(traces)} traces for {len(self.shape.tables)} tables")
        for table, log_height, trace in zip(self.shape.tables, self.shape.log_heights, traces, strict=True):
            check_matrix(table.name, "main", trace_of(trace), len(table.main_names), log_height)
        self.rooms = {table: trace for table, trace in enumerate(traces) if isinstance(trace, TraceRoom)}
        self.traces = tuple(np.ascontiguousarray(trace_of(trace)) for trace in traces)
        self.transcript: AnyTranscript = integer_transcript(
            SuiteId(self.parameters.suite.number), compiled=True
        )
        self.commitments: dict[str, AnyCommitment] = {}
        self.round_traces: list[dict[int, Montgomery]] = []
        self.challenges: list[list[Extension]] = []
        self.bus_sums: list[Extension] = []
        self.nonces: list[int] = []
        self.roots: list[Digest] = []

    def run(self) -> Proved:
        """All steps, in the verifier's order."""
        self.absorb_the_statement()
        self.receive_the_trace()
        self.receive_the_challenge_rounds()
        self.receive_the_quotient()
        openings = self.open_out_of_the_domain()
        words, final_polynomial = self.receive_the_folds(openings)
        queries = self.answer_the_queries(words)
        messages = Proof(
            tuple(self.roots),
            tuple(self.bus_sums),
            openings,
            tuple(word.tree.root for word in words),
            final_polynomial,
            tuple(self.nonces),
            queries,
        )
        return Proved(messages, self.positions)

    def absorb_the_statement(self) -> None:
        """Bind everything that is fixed before the prover speaks."""
        key = self.key.verification
        self.transcript.absorb_elements(Label.KEY, key.digest_limbs)
        self.transcript.absorb_elements(Label.PARAMETERS, self.parameters.elements())
        self.transcript.absorb_elements(Label.HEIGHTS, self.shape.log_heights)
        if self.key.preprocessed_commitment is not None:
            self.commitments["preprocessed"] = self.key.preprocessed_commitment
            self._absorb_digest(Label.PREPROCESSED, self.key.preprocessed_commitment.tree.root)
        self.transcript.absorb_elements(Label.STATEMENT, self.statement)

    def receive_the_trace(self) -> None:
        """Commit to the main columns."""
        with self.stages.stage("commit to the trace"):
            self._commit_phase("main", {**dict(enumerate(self.traces)), **self.rooms}, Label.MAIN)
            self.rooms = {}

    def receive_the_challenge_rounds(self) -> None:
        """Draw each round's challenges, then fill and commit to the columns that depend on them."""
        for round in range(1, self.shape.rounds + 1):
            self._grind(Label.GRIND_CHALLENGE_ROUND, self.parameters.grinding.challenge_round)
            count = self.shape.challenge_count(round)
            drawn = [self._draw(Label.CHALLENGE_ROUND) for _ in range(count)]
            self.challenges.append(drawn)
            with self.stages.stage(f"fill challenge round {round}"):
                filled = self._fill_round(round)
            self.round_traces.append(filled)
            if filled:
                with self.stages.stage(f"commit to challenge round {round}"):
                    self._commit_phase(f"challenge round {round}", filled, Label.CHALLENGE_ROUND)
            if round == self.shape.bus_round:
                self.transcript.absorb_extension(Label.BUS_SUMS, self.bus_sums)
        self._forget_the_traces()

    def _forget_the_traces(self) -> None:
        """From here on everything is read from what was committed: the values on the trace domain are not needed."""
        self.traces, self.round_traces = (), []

    def receive_the_quotient(self) -> None:
        """Combine the constraints of each table and divide by the polynomial that vanishes on its rows."""
        self._grind(Label.GRIND_CONSTRAINT, self.parameters.grinding.constraint)
        combiner = self._draw(Label.CONSTRAINT)
        with self.stages.stage("evaluate the constraints"):
            pieces = [self._quotient_pieces(table, combiner) for table in range(len(self.shape.tables))]
        with self.stages.stage("commit to the quotient"):
            commitment = self._commit_to_pieces(pieces)
            self.commitments["quotient"] = commitment
            self._absorb_root(Label.QUOTIENT, commitment.tree.root)

    def _commit_to_pieces(self, pieces: list[list[Montgomery]]) -> AnyCommitment:
        phase = self.shape.phase("quotient")
        assert phase is not None
        log_blowup = self.parameters.log_blowup
        if is_streamed(phase, log_blowup):
            found = []
            for table, evaluations in enumerate(pieces):
                shifts = [self._piece_shift(table, position) for position in range(len(evaluations))]
                found.append(piece_coefficients(evaluations, shifts, self.threads))
            coefficients = np.concatenate(found)
            return commit_coefficients(self.suite, phase, coefficients, log_blowup, self.threads)
        extended = []
        for table, evaluations in enumerate(pieces):
            log_height, count = self.shape.log_heights[table], len(evaluations)
            matrix = np.empty((EXTENSION_DEGREE * count, 1 << log_blowup, 1 << log_height), np.uint32)
            for position, piece in enumerate(evaluations):
                extend_from_coset(
                    piece,
                    self._piece_shift(table, position),
                    log_blowup,
                    threads=self.threads,
                    out=matrix[EXTENSION_DEGREE * position : EXTENSION_DEGREE * (position + 1)],
                )
            extended.append(matrix)
        return Commitment(phase, tuple(extended), MixedTree.commit(self.suite, extended, self.threads))

    def open_out_of_the_domain(self) -> Openings:
        """Draw a point outside every domain and say what each column is there."""
        self._grind(Label.GRIND_OUT_OF_DOMAIN, self.parameters.grinding.out_of_domain)
        self.point = self._draw(Label.OUT_OF_DOMAIN)
        with self.stages.stage("open at the random point"):
            weights = PointWeights(self.point, self.threads)
            openings = tuple(
                tuple(
                    self._open_matrix(phase, place, matrix, weights)
                    for place, matrix in enumerate(phase.matrices)
                )
                for phase in self.shape.phases
            )
        opened = [
            value for phase in openings for matrix in phase for value in (*matrix.current, *matrix.next)
        ]
        self.transcript.absorb_extension(Label.OPENINGS, opened)
        return openings

    def receive_the_folds(self, openings: Openings) -> tuple[list[FoldedWord], tuple[Extension, ...]]:
        """Batch all columns into one word a height and fold the words into one short polynomial."""
        with self.stages.stage("batch the columns"):
            self._grind(Label.GRIND_BATCHING, self.parameters.grinding.batching)
            inputs = self._deep_values(openings, self._draw(Label.BATCHING))
        words: list[FoldedWord] = []
        with self.stages.stage("fold"):
            values = inputs[self.shape.log_max_height]
            for step in self.shape.folds:
                word = FoldedWord.extend(self.suite, values, self.parameters.log_blowup, step, self.threads)
                words.append(word)
                self._absorb_digest(Label.FOLD_ROOT, word.tree.root)
                self._grind(Label.GRIND_FOLDING, self.parameters.grinding.folding)
                challenge = self._draw(Label.FOLDING)
                values = fold_values(values, step, challenge, self.threads)
                if step.is_mixed:
                    entering = inputs[step.log_height - step.log_arity]
                    values = mix_word(values, entering, challenge, step.log_arity, self.threads)
            final = interpolate_final(values[:, None])
        self.transcript.absorb_extension(Label.FINAL_POLYNOMIAL, final)
        return words, final

    def answer_the_queries(self, words: list[FoldedWord]) -> tuple[Query[int, Extension, Digest], ...]:
        """Draw the positions and open every tree there."""
        with self.stages.stage("grind and open"):
            self.positions = tuple(self._grind_for_positions())
            return self._answers(words)

    def _answers(self, words: list[FoldedWord]) -> tuple[Query[int, Extension, Digest], ...]:
        """Every tree opened at all positions, put together by position."""
        trees = [self.commitments[phase.name].tree for phase in self.shape.phases]
        trees += [word.tree for word in words]
        opened: list[list[Opening]] = [[] for _ in trees]

        def open_tree(place: int) -> None:
            size = 1 << trees[place].shape.log_size
            opened[place] = trees[place].open_many([position % size for position in self.positions])

        run_each(self.threads, range(len(trees)), open_tree)
        phases = len(self.shape.phases)
        openings = zip(*opened, strict=True)
        found = [tuple(TreeOpening(one.rows, one.path) for one in query) for query in openings]
        return tuple(Query(query[:phases], query[phases:]) for query in found)

    def _grind(self, label: Label, bits: int) -> None:
        nonce = self.transcript.grind(label, bits, threads=self.threads)
        self.transcript.absorb_nonce(label, nonce, bits)
        self.nonces.append(nonce)

    def _grind_for_positions(self) -> list[int]:
        """Grind and draw; a nonce after which a position would be biased is passed over."""
        bits = self.parameters.grinding.query
        log_size = self.shape.log_max_height + self.parameters.log_blowup
        start = 0
        while True:
            nonce = self.transcript.grind(Label.GRIND_QUERY, bits, threads=self.threads, start=start)
            attempt = self.transcript.copy()
            attempt.absorb_nonce(Label.GRIND_QUERY, nonce, bits)
            try:
                drawn = attempt.challenge_indices(Label.QUERY, self.parameters.queries, log_size)
            except ProofRefused:
                start = nonce + 1
                continue
            self.nonces.append(nonce)
            self.transcript = attempt
            return [number_of(position) for position in drawn]

    def _absorb_digest(self, label: Label, root: Digest) -> None:
        # A root and the transcript are of one suite; each knows its own kind of digest.
        if isinstance(self.transcript, KeccakTranscript):
            assert isinstance(root, bytes)
            self.transcript.absorb_digest(label, root)
        else:
            assert isinstance(root, tuple)
            self.transcript.absorb_digest(label, root)

    def _absorb_root(self, label: Label, root: Digest) -> None:
        self.roots.append(root)
        self._absorb_digest(label, root)

    def _draw(self, label: Label) -> Extension:
        return canonical(Quintic(self.transcript.challenge_extension(label)))

    def _commit_phase(self, name: str, matrices: Mapping[int, Trace], label: Label) -> None:
        phase = self.shape.phase(name)
        assert phase is not None
        chosen = [matrices[matrix.table] for matrix in phase.matrices]
        commitment = commit(self.suite, phase, chosen, self.parameters.log_blowup, self.threads)
        self.commitments[name] = commitment
        self._absorb_root(label, commitment.tree.root)

    def _trace_sources(self, table: int) -> Sources:
        """The columns of a table on the trace domain itself."""
        rounds = {
            number: filled[table]
            for number, filled in enumerate(self.round_traces, start=1)
            if table in filled
        }
        height = 1 << self.shape.log_heights[table]
        return Sources(
            preprocessed=self.key.preprocessed[table],
            main=self.traces[table],
            challenge=rounds,
            periodic=[encode(column.values) for column in self.shape.tables[table].periodic],
            selectors=np.zeros((3, height), dtype=np.uint32),
        )

    def _fill_round(self, round: int) -> dict[int, Montgomery]:
        filled: dict[int, Montgomery] = {}
        for index, table in enumerate(self.shape.tables):
            if round == self.shape.bus_round:
                if table.interactions:
                    degree = self.key.verification.bus_degrees[index]
                    planes, bus_sum = fill_bus_columns(
                        table,
                        round,
                        degree,
                        self._trace_sources(index),
                        self._constants(index, None),
                        self.threads,
                    )
                    filled[index] = planes
                    self.bus_sums.append(bus_sum)
            elif table.challenge_names(round):
                filled[index] = self._fill_own_columns(index, round)
        return filled

    def _fill_own_columns(self, index: int, round: int) -> Montgomery:
        table = self.shape.tables[index]
        assert table.fill_challenge_columns is not None
        columns = table.fill_challenge_columns(round, decode(self.traces[index]).tolist(), self.challenges)
        planes = [[value[k] for value in column] for column in columns for k in range(EXTENSION_DEGREE)]
        return encode(np.array(planes, dtype=np.int64))

    def _constants(
        self, table: int, combiner: Extension | None, scale: int = 1
    ) -> dict[Cell, int | Extension]:
        """The values of all cells that are the same on every row; the scale multiplies every combiner power."""
        constants: dict[Cell, int | Extension] = {
            Cell(CellKind.PUBLIC, i): value for i, value in enumerate(self.statement)
        }
        for number, drawn in enumerate(self.challenges, start=1):
            constants |= {Cell(CellKind.CHALLENGE, i, 0, number): value for i, value in enumerate(drawn)}
        if table in self.shape.bus_tables and len(self.bus_sums) == len(self.shape.bus_tables):
            bus_sum = Quintic(self.bus_sums[self.shape.bus_tables.index(table)])
            share = bus_sum * inverse(1 << self.shape.log_heights[table])
            constants[Cell(CellKind.BUS_SUM_SHARE, 0)] = canonical(share)
        if combiner is not None:
            power_of_combiner = Quintic((scale, 0, 0, 0, 0))
            for position in range(len(self.shape.tables[table].constraints)):
                constants[Cell(CellKind.COMBINER, position)] = canonical(power_of_combiner)
                power_of_combiner = power_of_combiner * Quintic(combiner)
        return constants

    def _piece_shift(self, table: int, position: int) -> int:
        """Where a piece of the quotient lives: every k-th coset of the extended domain."""
        log_size = self.shape.log_heights[table] + self.shape.log_quotient_pieces(table)
        return GENERATOR * power(root_of_unity(log_size), position) % PRIME

    def _quotient_pieces(self, table: int, combiner: Extension) -> list[Montgomery]:
        log_height = self.shape.log_heights[table]
        log_pieces = self.shape.log_quotient_pieces(table)
        stride = 1 << (self.parameters.log_blowup - log_pieces)
        pieces = []
        for position in range(1 << log_pieces):
            shift = self._piece_shift(table, position)
            # The vanishing polynomial is the same number on the whole coset.
            vanishing = (power(shift, 1 << log_height) - 1) % PRIME
            out = np.empty((EXTENSION_DEGREE, 1 << log_height), dtype=np.uint32)
            self.key.tapes[table].run(
                self._coset_sources(table, position * stride, shift),
                self._constants(table, combiner, inverse(vanishing)),
                out,
                threads=self.threads,
            )
            pieces.append(out)
        return pieces

    def _coset_sources(self, table: int, coset: int, shift: int) -> Sources:
        log_height = self.shape.log_heights[table]
        height = 1 << log_height
        empty = np.empty((0, height), dtype=np.uint32)

        def on_coset(name: str) -> Montgomery:
            commitment = self.commitments.get(name)
            if commitment is not None:
                for place, matrix in enumerate(commitment.phase.matrices):
                    if matrix.table == table:
                        return commitment.on_coset(place, coset, self.threads)
            return empty

        rounds = {number: on_coset(f"challenge round {number}") for number in range(1, self.shape.rounds + 1)}
        # A periodic column is a polynomial in x^(height / period): on the coset it repeats with the same period.
        periodic = []
        for column in self.shape.tables[table].periodic:
            log_period = len(column.values).bit_length() - 1
            repeated = encode(column.values)[None, :]
            source_shift = power(shift, height >> log_period)
            periodic.append(low_degree_extension(repeated, 0, threads=1, shift=source_shift)[0, 0])
        return Sources(
            preprocessed=on_coset("preprocessed"),
            main=on_coset("main"),
            challenge=rounds,
            periodic=periodic,
            selectors=self._selectors(table, shift),
        )

    def _selectors(self, table: int, shift: int) -> Montgomery:
        log_height = self.shape.log_heights[table]
        if all(constraint.scope is Scope.EVERY_ROW for constraint in self.shape.tables[table].constraints):
            # No constraint reads one, so none is computed.
            return np.zeros((3, 1 << log_height), dtype=np.uint32)
        return selectors_on_coset(log_height, shift, self.threads)

    def _open_matrix(
        self, phase: Phase, place: int, matrix: MatrixShape, weights: PointWeights
    ) -> OpenedMatrix[Extension]:
        commitment = self.commitments[phase.name]
        columns, are_coefficients = commitment.columns(place), commitment.are_coefficients

        def opened(chosen: Montgomery | Sequence[Montgomery], *, is_next: bool) -> tuple[Extension, ...]:
            if not len(chosen):
                return ()
            at = weights.of(matrix.log_height, are_coefficients=are_coefficients, is_next=is_next)
            return tuple(evaluate_at(chosen, at, self.threads))

        following = [columns[index] for index in matrix.next_columns]
        return OpenedMatrix(opened(columns, is_next=False), opened(following, is_next=True))

    def _deep_values(self, openings: Openings, batching: Extension) -> dict[int, Montgomery]:
        """For each height, all columns of that height at all their points, in the verifier's order of powers."""
        batched = {}
        weight = Quintic((1, 0, 0, 0, 0))
        for log_height in self.shape.input_heights:
            weighed = (WeighedColumns.none(), WeighedColumns.none())
            for phase, opened_phase in zip(self.shape.phases, openings, strict=True):
                commitment = self.commitments[phase.name]
                for place, (matrix, opened) in enumerate(zip(phase.matrices, opened_phase, strict=True)):
                    if matrix.log_height != log_height:
                        continue
                    columns = commitment.columns(place)
                    chosen = ((range(matrix.columns), opened.current), (matrix.next_columns, opened.next))
                    for point, (indices, values) in zip(weighed, chosen, strict=True):
                        for column, value in zip(indices, values, strict=True):
                            point.add(columns[column], weight, value, commitment.are_coefficients)
                            weight = weight * Quintic(batching)
            batched[log_height] = deep_values(log_height, self.point, weighed, self.threads)
        return batched
