"""Dishonest provers and weakened verifiers: what the adversarial tests are made of.

A forgery is made by a prover that keeps to the protocol but for one step.
It is judged twice: by the verifier, which names its reason, and by a verifier without that one check, which is fooled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from prover.air.table import Extension
from prover.domain import Domain
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode
from prover.fri.prover import FoldedWord, domain_points, fold_word, interpolate_final, mix_word
from prover.merkle import MixedTree
from prover.parameters import Grinding, StarkParameters, SuiteName
from prover.progress import Stages, silent
from prover.stark.circuit import Circuit
from prover.stark.encoding import NumberProof
from prover.stark.key import Digest, VerificationKey
from prover.stark.number_arithmetic import NumberArithmetic, NumberChallenger
from prover.stark.numbers import Number, Quintic, canonical, invert
from prover.stark.proof import OpenedMatrix, Proof
from prover.stark.prover import Proved, Proving
from prover.stark.proving_key import AnyCommitment, Commitment, ProvingKey, make_proving_key
from prover.stark.shape import EXTENSION_DEGREE
from prover.stark.verifier import Challenges, Verification
from prover.stark.verify import check_shape, lift_proof, verify_messages
from prover.transcript import KeccakTranscript, Label, TranscriptLog

Openings = tuple[tuple[OpenedMatrix[Extension], ...], ...]


def weak_parameters(
    *, queries: int = 8, log_fold_arity: int = 1, log_final_length: int = 1, grinding: Grinding | None = None
) -> StarkParameters:
    """Insecure parameters without grinding, so that each forgery is refused for its own reason."""
    work = grinding or Grinding()
    return StarkParameters(
        "test-forgery", 2, queries, log_fold_arity, log_final_length, work, SuiteName.KECCAK, 32, True, 0
    )


class DeafTranscript(KeccakTranscript):
    """A transcript that does not hear the messages under some labels."""

    def __init__(self, log: TranscriptLog | None = None, deaf_to: Collection[Label] = ()) -> None:
        super().__init__(log)
        self.deaf_to = frozenset(deaf_to)

    def copy(self) -> DeafTranscript:
        other = DeafTranscript(None, self.deaf_to)
        other.state, other.squeezed_blocks = self.state, self.squeezed_blocks
        return other

    def absorb_bytes(self, label: Label, message: bytes) -> None:
        if label not in self.deaf_to:
            super().absorb_bytes(label, message)


MakeTranscript = Callable[[], KeccakTranscript]


class WeakChallenger(NumberChallenger):
    """A verifier's transcript that forgives missing work."""

    def __init__(self, transcript: KeccakTranscript, ignoring: frozenset[Reason]) -> None:
        super().__init__(transcript)
        self.ignoring = ignoring

    def check_grinding(self, label: int, nonce: Number, bits: int, reason: Reason) -> None:
        try:
            super().check_grinding(label, nonce, bits, reason)
        except ProofRefused as refusal:
            if refusal.reason not in self.ignoring:
                raise


class WeakArithmetic(NumberArithmetic):
    """A verifier's arithmetic that ignores some reasons to refuse, and hears some labels not."""

    def __init__(
        self, parameters: StarkParameters, ignoring: Collection[Reason], make_transcript: MakeTranscript
    ) -> None:
        super().__init__(parameters)
        self.ignoring = frozenset(ignoring)
        self.make_transcript = make_transcript

    def require_equal(self, left: Quintic, right: Quintic, reason: Reason, detail: str) -> None:
        if reason not in self.ignoring:
            super().require_equal(left, right, reason, detail)

    def require_same_digest(self, left: Any, right: Any, reason: Reason, detail: str) -> None:
        if reason not in self.ignoring:
            super().require_same_digest(left, right, reason, detail)

    def inverse(self, value: Quintic, reason: Reason) -> Quintic:
        try:
            return super().inverse(value, reason)
        except ProofRefused:
            if reason not in self.ignoring:
                raise
            return Quintic([0] * EXTENSION_DEGREE)

    def gather(self, queries: Sequence[Any], positions: Sequence[Any]) -> list[tuple[Any, list[Number]]]:
        """All queries side by side, if there are any."""
        return super().gather(queries, positions) if queries else []

    def challenger(self, parameters: StarkParameters) -> NumberChallenger:
        return WeakChallenger(self.make_transcript(), self.ignoring)


def verdict(key: VerificationKey, statement: Sequence[int], proof: NumberProof) -> Reason | None:
    """The reason of the verifier itself, None for a yes."""
    try:
        verify_messages(key, statement, proof, accept_insecure=True)
    except ProofRefused as refusal:
        return refusal.reason
    return None


def weak_verdict(
    key: VerificationKey,
    statement: Sequence[int],
    proof: NumberProof,
    *,
    ignoring: Collection[Reason] = (),
    make_transcript: MakeTranscript = KeccakTranscript,
) -> Reason | None:
    """The reason of a verifier from which a check was taken away."""
    arithmetic = WeakArithmetic(key.parameters, ignoring, make_transcript)
    public = [Number(value) for value in statement]
    try:
        if Reason.SHAPE not in ignoring:
            check_shape(key, proof)
        Verification(arithmetic, key, key.preprocessed_root, public, lift_proof(proof)).run()
    except ProofRefused as refusal:
        return refusal.reason
    return None


def assert_refused_by_one_check(
    key: VerificationKey, statement: Sequence[int], proof: NumberProof, reason: Reason
) -> None:
    """The verifier refuses for this reason, and a verifier without this one check is fooled."""
    assert verdict(key, statement, proof) is reason
    assert weak_verdict(key, statement, proof, ignoring=[reason]) is None


def assert_only_absorbing_refuses(
    key: VerificationKey,
    statement: Sequence[int],
    proof: NumberProof,
    reason: Reason,
    labels: Collection[Label],
) -> None:
    """The verifier refuses for this reason, and one whose transcript is deaf to the labels is fooled."""
    assert verdict(key, statement, proof) is reason
    assert weak_verdict(key, statement, proof, make_transcript=deaf(*labels)) is None


def deaf(*labels: Label) -> MakeTranscript:
    """Fresh transcripts that do not hear these labels."""
    return lambda: DeafTranscript(deaf_to=labels)


class _GapMeter(NumberArithmetic):
    """Keeps both sides of the last equality instead of judging it."""

    sides: tuple[Quintic, Quintic]

    def require_equal(self, left: Quintic, right: Quintic, reason: Reason, detail: str) -> None:
        self.sides = (left, right)


class Forging(Proving):
    """A prover with a hook at each step, so that a forger overrides one of them.

    Unlike the honest prover it combines what it has committed to, not the trace: the two may differ.
    """

    def __init__(
        self,
        key: ProvingKey,
        traces: Sequence[Montgomery],
        statement: Sequence[int] = (),
        make_transcript: MakeTranscript = KeccakTranscript,
    ) -> None:
        super().__init__(key, traces, statement, 1, Stages(silent))
        self.transcript = make_transcript()
        self.combiner: Extension = (0, 0, 0, 0, 0)

    def _forget_the_traces(self) -> None:
        """A forger may need them again."""

    def _quotient_pieces(self, table: int, combiner: Extension) -> list[Montgomery]:
        self.combiner = combiner
        return super()._quotient_pieces(table, combiner)

    def alter_openings(self, openings: Openings) -> Openings:
        """What to claim instead of the true values."""
        return openings

    def alter_word(self, number: int, word: Montgomery) -> Montgomery:
        """What to commit to instead of the word before fold `number`."""
        return word

    def alter_final(self, final: tuple[Extension, ...], word: Montgomery) -> tuple[Extension, ...]:
        """What to send instead of the final polynomial."""
        return final

    def fold_root(self, word: FoldedWord) -> Digest:
        """What to send instead of the root of a word."""
        return word.tree.root

    def accept_positions(self, positions: Sequence[int]) -> bool:
        """Whether these positions miss what is wrong; otherwise another nonce is tried."""
        return True

    def run(self) -> Proved:
        self.absorb_the_statement()
        self.receive_the_trace()
        self.receive_the_challenge_rounds()
        self.receive_the_quotient()
        openings = self.open_out_of_the_domain()
        words, final = self.receive_the_folds(openings)
        queries = self.answer_the_queries(words)
        roots = tuple(map(self.fold_root, words))
        return Proved(
            Proof(
                tuple(self.roots), tuple(self.bus_sums), openings, roots, final, tuple(self.nonces), queries
            ),
            self.positions,
        )

    def open_out_of_the_domain(self) -> Openings:
        before = self.transcript.copy()
        openings = super().open_out_of_the_domain()
        altered = self.alter_openings(openings)
        # The honest step has absorbed the true values: go back and absorb the claimed ones.
        self.transcript = before
        self.transcript.absorb_nonce(Label.GRIND_OUT_OF_DOMAIN, self.nonces[-1], 0)
        self.transcript.challenge_extension(Label.OUT_OF_DOMAIN)
        opened = [value for phase in altered for matrix in phase for value in (*matrix.current, *matrix.next)]
        self.transcript.absorb_extension(Label.OPENINGS, opened)
        return altered

    def receive_the_folds(self, openings: Openings) -> tuple[list[FoldedWord], tuple[Extension, ...]]:
        self._grind(Label.GRIND_BATCHING, self.parameters.grinding.batching)
        batching = self.draw(Label.BATCHING)
        inputs = self._deep_words(openings, batching)
        words: list[FoldedWord] = []
        word = inputs[self.shape.log_max_height]
        for number, step in enumerate(self.shape.folds):
            committed = FoldedWord.commit(self.suite, self.alter_word(number, word), step, 1)
            words.append(committed)
            self.transcript.absorb_digest(Label.FOLD_ROOT, self.fold_root(committed))  # type: ignore[arg-type]  # one suite
            self._grind(Label.GRIND_FOLDING, self.parameters.grinding.folding)
            challenge = self.draw(Label.FOLDING)
            word = fold_word(committed, challenge, 1)
            if step.is_mixed:
                word = mix_word(word, inputs[step.log_height - step.log_arity], challenge, step.log_arity, 1)
        final = self.alter_final(interpolate_final(word), word)
        self.transcript.absorb_extension(Label.FINAL_POLYNOMIAL, final)
        return words, final

    def _grind_for_positions(self) -> list[int]:
        before, nonces = self.transcript, list(self.nonces)
        bits, nonce = self.parameters.grinding.query, 0
        log_size = self.shape.log_max_height + self.parameters.log_blowup
        while True:
            nonce = before.grind(Label.GRIND_QUERY, bits, threads=1, start=nonce)
            self.transcript = before.copy()
            self.transcript.absorb_nonce(Label.GRIND_QUERY, nonce, bits)
            drawn = self.transcript.challenge_indices(Label.QUERY, self.parameters.queries, log_size)
            positions = [sum(bit << place for place, bit in enumerate(position)) for position in drawn]
            if self.accept_positions(positions):
                self.nonces = [*nonces, nonce]
                return positions
            nonce += 1

    def _deep_words(self, openings: Openings, batching: Extension) -> dict[int, Montgomery]:
        """For each height the combination of what was committed, point by point."""
        words = {}
        weight, log_blowup = Quintic((1, 0, 0, 0, 0)), self.parameters.log_blowup
        for log_height in self.shape.input_heights:
            size = 1 << (log_height + log_blowup)
            points = Number(decode(domain_points(log_height, log_blowup, GENERATOR)).astype(np.uint64))
            place = Quintic(self.point)
            next_place = place * Domain(log_height, log_blowup).generator
            word = Quintic([np.zeros(size, dtype=np.uint64) for _ in range(EXTENSION_DEGREE)])
            divisors = [invert(p - points, Reason.OUT_OF_DOMAIN_POINT_IN_DOMAIN) for p in (place, next_place)]
            for phase, opened_phase in zip(self.shape.phases, openings, strict=True):
                extended = self.commitments[phase.name].extended
                for matrix, opened, committed in zip(phase.matrices, opened_phase, extended, strict=True):
                    if matrix.log_height != log_height:
                        continue
                    chosen = ((range(matrix.columns), opened.current), (matrix.next_columns, opened.next))
                    for divisor, (indices, values) in zip(divisors, chosen, strict=True):
                        for column, value in zip(indices, values, strict=True):
                            cells = Number(decode(committed[column].reshape(size)).astype(np.uint64))
                            word = word + weight * (Quintic(value) - cells) * divisor
                            weight = weight * Quintic(batching)
            planes = encode(np.stack([np.asarray(c, dtype=np.uint64) for c in word.coordinates]))
            words[log_height] = planes.reshape(EXTENSION_DEGREE, 1 << log_blowup, 1 << log_height)
        return words

    def draw(self, label: Label) -> Extension:
        """One challenge."""
        return canonical(Quintic(self.transcript.challenge_extension(label)))

    def peek(self, *steps: tuple[Label, int, Label, int]) -> list[Extension]:
        """The challenges that will come, for a forger whose next messages nobody hears.

        Each step: the label and bits of the work to do first, then the label and number of challenges to draw.
        """
        ahead = self.transcript.copy()
        drawn: list[Extension] = []
        for work_label, bits, label, count in steps:
            ahead.absorb_nonce(work_label, ahead.grind(work_label, bits, threads=1), bits)
            drawn += [canonical(Quintic(ahead.challenge_extension(label))) for _ in range(count)]
        return drawn

    def sides_at_the_point(self, openings: Openings, table: int) -> tuple[Quintic, Quintic]:
        """Both sides of a table's equation out of the domain: what the quotient should be, and what is claimed."""
        meter = _GapMeter(self.parameters)
        messages: NumberProof = Proof(
            tuple(self.roots), tuple(self.bus_sums), openings, (), (), tuple(self.nonces), ()
        )
        public = [Number(value) for value in self.statement]
        verification = Verification(meter, self.key.verification, None, public, lift_proof(messages))
        verification.challenges = Challenges(
            [[Quintic(value) for value in drawn] for drawn in self.challenges],
            Quintic(self.combiner),
            Quintic(self.point),
        )
        verification._check_table(table)
        return meter.sides

    def claim_what_the_constraints_ask_for(self, openings: Openings, table: int = 0) -> Openings:
        """Change the claimed value of the table's first quotient column so that its equation holds."""
        wanted, claimed = self.sides_at_the_point(openings, table)
        domain = Domain(self.shape.log_heights[table], self.parameters.log_blowup)
        weights = domain.piece_weights(Quintic(self.point), self.shape.log_quotient_pieces(table))
        gap = (wanted - claimed) * invert(weights[0], Reason.SHAPE)
        return add_to_opening(openings, -1, table, 0, gap)


def add_to_opening(openings: Openings, phase: int, matrix: int, column: int, difference: Quintic) -> Openings:
    """The openings with one claimed value changed."""
    phases = [list(opened) for opened in openings]
    values = list(phases[phase][matrix].current)
    values[column] = canonical(Quintic(values[column]) + difference)
    phases[phase][matrix] = OpenedMatrix(tuple(values), phases[phase][matrix].next)
    return tuple(tuple(opened) for opened in phases)


def proving_key(
    circuit: Circuit,
    log_heights: Sequence[int],
    preprocessed: Sequence[Montgomery | None] = (),
    parameters: StarkParameters | None = None,
) -> ProvingKey:
    """A key under insecure parameters."""
    return make_proving_key(circuit, log_heights, parameters or weak_parameters(), preprocessed, threads=1)


def honest_proof(
    key: ProvingKey,
    traces: Sequence[Montgomery],
    statement: Sequence[int] = (),
    make_transcript: MakeTranscript = KeccakTranscript,
) -> NumberProof:
    """What a prover makes that keeps to every step, of a trace that may be false."""
    return Forging(key, traces, statement, make_transcript).run().messages


def with_cell(trace: Montgomery, column: int, row: int, value: int) -> Montgomery:
    """A copy of a trace with one cell changed."""
    changed = trace.copy()
    changed[column, row] = encode([value % PRIME])[0]
    return changed


def recommit(run: Proving, commitment: AnyCommitment, extended: Sequence[Montgomery]) -> Commitment:
    """The commitment to other values of the same shape."""
    matrices = tuple(np.ascontiguousarray(matrix) for matrix in extended)
    return Commitment(commitment.phase, matrices, MixedTree.commit(run.suite, matrices, 1))
