"""The low-degree test cannot be led astray (lines 9 to 13, 15 and 16)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from prover.air.table import Extension
from prover.domain import Domain, interpolate_on_subgroup
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode, power
from prover.fri.prover import domain_points
from prover.ntt import low_degree_extension
from prover.parameters import StarkParameters
from prover.stark.encoding import NumberProof
from prover.stark.evaluation import PointWeights
from prover.stark.number_arithmetic import NumberArithmetic
from prover.stark.numbers import Number, Quintic, canonical
from prover.stark.proof import OpenedMatrix
from prover.stark.proving_key import ProvingKey
from prover.stark.shape import EXTENSION_DEGREE
from prover.stark.verifier import Verification
from prover.stark.verify import lift_proof
from prover.transcript import KeccakTranscript, Label
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Forging,
    Openings,
    assert_refused_by_one_check,
    honest_proof,
    proving_key,
    recommit,
    verdict,
    weak_parameters,
    weak_verdict,
)

FALSE_TRACE = specimen.counter_trace(3, step=5)


@pytest.fixture(scope="module")
def key() -> ProvingKey:
    return proving_key(specimen.counter_circuit(), (3,))


class LyingOpenings(Forging):
    """Claims for the quotient what the constraints of a false trace ask for."""

    def alter_openings(self, openings: Openings) -> Openings:
        return self.claim_what_the_constraints_ask_for(openings)


def test_a_claimed_value_that_a_column_does_not_have_is_refused(key: ProvingKey) -> None:
    """The quotient that a false trace needs is a fraction, not a polynomial: the combination has no low degree."""
    forged = LyingOpenings(key, FALSE_TRACE).run().messages
    assert_refused_by_one_check(key.verification, [], forged, Reason.FINAL_POLYNOMIAL_MISMATCH)


class OtherWord(LyingOpenings):
    """Starts or goes on with a word that is zero everywhere, under a tree that is honest about it."""

    from_fold = 0

    def alter_word(self, number: int, word: Montgomery) -> Montgomery:
        return np.zeros_like(word) if number >= self.from_fold else word


def test_a_first_word_that_is_not_the_combination_of_the_columns_is_refused(key: ProvingKey) -> None:
    forged = OtherWord(key, FALSE_TRACE).run().messages
    assert_refused_by_one_check(key.verification, [], forged, Reason.FOLD_INCONSISTENT)


def test_one_bad_fold_under_honest_trees_is_refused(key: ProvingKey) -> None:
    class BadSecondFold(OtherWord):
        from_fold = 1

    assert len(key.verification.shape.folds) == 2
    forged = BadSecondFold(key, FALSE_TRACE).run().messages
    assert_refused_by_one_check(key.verification, [], forged, Reason.FOLD_INCONSISTENT)


def test_a_table_left_out_where_its_height_enters_is_refused() -> None:
    """The shorter table's false claim never reaches the final polynomial of this prover."""
    lookup = proving_key(specimen.lookup_circuit(), (4, 3), specimen.lookup_preprocessed())

    class LeavesTheShorterOut(Forging):
        def _deep_words(self, openings: Openings, batching: Extension) -> dict[int, Montgomery]:
            words = super()._deep_words(openings, batching)
            return {height: word if height == 4 else np.zeros_like(word) for height, word in words.items()}

    traces = specimen.lookup_traces([1] * 16)
    reason = Reason.FOLD_INCONSISTENT
    forged = LeavesTheShorterOut(lookup, traces).run().messages
    assert_refused_by_one_check(lookup.verification, [], forged, reason)


class RaisedColumn(Forging):
    """Commits to counter + x^extra (x^height - 1): the trace on every row, but a polynomial of higher degree."""

    extra = 0

    def receive_the_trace(self) -> None:
        super().receive_the_trace()
        # Back before the absorbed root: the forger commits to something else.
        self.roots.pop()
        commitment = self.honest = self.commitments["main"]
        (matrix,) = commitment.extended
        points = decode(domain_points(3, self.parameters.log_blowup, GENERATOR)).astype(np.uint64)
        added = [power(int(x), self.extra) * (power(int(x), 8) - 1) for x in points]
        raised = (decode(matrix).astype(object) + np.array(added, dtype=object).reshape(matrix.shape)) % PRIME
        self.commitments["main"] = recommit(self, commitment, [encode(raised.astype(np.int64))])
        self.transcript = self.before
        self._absorb_root(Label.MAIN, self.commitments["main"].tree.root)

    def absorb_the_statement(self) -> None:
        super().absorb_the_statement()
        self.before = self.transcript.copy()

    def alter_openings(self, openings: Openings) -> Openings:
        # The prover opens what it knows on one coset, where the raised column is a polynomial of lower degree.
        raised_commitment, self.commitments["main"] = self.commitments["main"], self.honest
        phase = self.honest.phase
        main = self._open_matrix(phase, 0, phase.matrices[0], PointWeights(self.point, 1))
        self.commitments["main"] = raised_commitment
        quotient = openings[1]

        def raised(value: Extension, place: Quintic) -> Extension:
            vanishing = place
            for _ in range(3):
                vanishing = vanishing * vanishing
            return canonical(Quintic(value) + power_of(place, self.extra) * (vanishing - 1))

        here = Quintic(self.point)
        there = here * Domain(3, 0).generator
        columns = OpenedMatrix((raised(main.current[0], here),), (raised(main.next[0], there),))
        return self.claim_what_the_constraints_ask_for(((columns,), quotient))


def power_of(value: Quintic, exponent: int) -> Quintic:
    total = Quintic([1, 0, 0, 0, 0])
    for _ in range(exponent):
        total = total * value
    return total


def test_a_column_of_too_high_degree_is_refused(key: ProvingKey) -> None:
    class Raised(RaisedColumn):
        extra = 2

    forged = Raised(key, specimen.counter_trace(3)).run().messages
    assert_refused_by_one_check(key.verification, [], forged, Reason.FINAL_POLYNOMIAL_MISMATCH)


class HighQuotient(LyingOpenings):
    """Commits to the true fraction at every point of the extended domain: the quotient of a false trace."""

    def receive_the_quotient(self) -> None:
        before = self.transcript.copy()
        super().receive_the_quotient()
        self.roots.pop()
        commitment = self.commitments["quotient"]
        log_blowup = self.parameters.log_blowup
        fractions = np.empty_like(commitment.extended[0])
        for coset in range(1 << log_blowup):
            shift = Domain(3, log_blowup).coset_shift(coset)
            scale = pow(power(shift, 8) - 1, -1, PRIME)
            out = np.empty((EXTENSION_DEGREE, 8), dtype=np.uint32)
            sources = self._coset_sources(0, coset, shift)
            self.key.tapes[0].run(sources, self._constants(0, self.combiner, scale), out, threads=1)
            fractions[:EXTENSION_DEGREE, coset] = out
        self.commitments["quotient"] = recommit(self, commitment, [fractions])
        self.transcript = before
        self.transcript.absorb_nonce(Label.GRIND_CONSTRAINT, self.nonces[-1], 0)
        self._absorb_root(Label.QUOTIENT, self.commitments["quotient"].tree.root)


def test_a_quotient_of_too_high_degree_is_refused(key: ProvingKey) -> None:
    assert key.verification.shape.log_quotient_pieces(0) == 0
    forged = HighQuotient(key, FALSE_TRACE).run().messages
    assert_refused_by_one_check(key.verification, [], forged, Reason.FINAL_POLYNOMIAL_MISMATCH)


class LongFinalPolynomial(LyingOpenings):
    """Sends as many coefficients as the last word has values: every word is a polynomial of that degree."""

    def alter_final(self, final: tuple[Extension, ...], word: Montgomery) -> tuple[Extension, ...]:
        _, blowup, height = word.shape
        # Natural order: the value at w^(j + blowup i) is in coset j, row i.
        values = decode(word).transpose(0, 2, 1).reshape(EXTENSION_DEGREE, -1)
        assert values.shape[1] == blowup * height
        return tuple(zip(*(interpolate_on_subgroup(plane.tolist()) for plane in values), strict=True))


def test_a_final_polynomial_that_is_too_long_is_refused(key: ProvingKey) -> None:
    forged = LongFinalPolynomial(key, FALSE_TRACE).run().messages
    assert len(forged.final_polynomial) == 8
    assert_refused_by_one_check(key.verification, [], forged, Reason.SHAPE)


class FewerQueries(LyingOpenings):
    """Sends a polynomial that agrees with the combination on one coset, and answers one query that looks there."""

    def alter_word(self, number: int, word: Montgomery) -> Montgomery:
        if number:
            return word
        on_one_coset = np.ascontiguousarray(word[:, 0, :])
        return low_degree_extension(on_one_coset, self.parameters.log_blowup, threads=1, shift=1)

    def accept_positions(self, positions: Sequence[int]) -> bool:
        return positions[0] % (1 << self.parameters.log_blowup) == 0


class NoQuery(KeccakTranscript):
    """A verifier's transcript that asks no question."""

    def challenge_indices(self, label: Label, count: int, bits: int) -> list[tuple[int, ...]]:
        return []


class OneQuery(KeccakTranscript):
    """A verifier's transcript that asks one question, however many the key wants."""

    def challenge_indices(self, label: Label, count: int, bits: int) -> list[tuple[int, ...]]:
        return super().challenge_indices(label, 1, bits)


def test_fewer_queries_than_the_key_asks_for_are_refused(key: ProvingKey) -> None:
    messages = FewerQueries(key, FALSE_TRACE).run().messages
    assert verdict(key.verification, [], messages) is Reason.FOLD_INCONSISTENT
    forged = replace(messages, queries=messages.queries[:1])
    assert verdict(key.verification, [], forged) is Reason.SHAPE
    # A verifier that takes the number of queries from the proof is fooled.
    shape = Reason.SHAPE
    assert weak_verdict(key.verification, [], forged, ignoring=[shape], make_transcript=OneQuery) is None


def test_no_query_at_all_is_refused(key: ProvingKey) -> None:
    messages = honest_proof(key, FALSE_TRACE)
    assert verdict(key.verification, [], replace(messages, queries=())) is Reason.SHAPE
    encoding = bytearray(weak_parameters().to_bytes())
    encoding[33:35] = bytes(2)
    with pytest.raises(ProofRefused) as refusal:
        StarkParameters.from_bytes(bytes(encoding))
    assert refusal.value.reason is Reason.MALFORMED_PARAMETERS
    # A verifier that asks nothing believes a false trace.
    lies = replace(LyingOpenings(key, FALSE_TRACE).run().messages, queries=())
    assert verdict(key.verification, [], lies) is Reason.SHAPE
    assert weak_verdict(key.verification, [], lies, ignoring=[Reason.SHAPE], make_transcript=NoQuery) is None


@pytest.mark.parametrize(
    ("log_fold_arity", "log_final_length"),
    [(2, 1), (3, 0), (1, 2), (1, 0)],
    ids=["one_fold_by_four", "one_fold_by_eight", "one_fold_less", "one_fold_more"],
)
def test_folds_of_another_arity_or_number_are_refused(
    key: ProvingKey, log_fold_arity: int, log_final_length: int
) -> None:
    """The shape alone decides, so nothing in a proof can say how it is folded."""
    other = weak_parameters(log_fold_arity=log_fold_arity, log_final_length=log_final_length)
    elsewhere = proving_key(specimen.counter_circuit(), (3,), (), other)
    messages = honest_proof(elsewhere, specimen.counter_trace(3))
    assert verdict(elsewhere.verification, [], messages) is None
    assert verdict(key.verification, [], messages) is Reason.SHAPE


def without_first_opening(proof: NumberProof) -> NumberProof:
    (main, *others), *phases = proof.openings
    return replace(proof, openings=((OpenedMatrix((), main.next), *others), *phases))


def without_first_matrix(proof: NumberProof) -> NumberProof:
    (_, *others), *phases = proof.openings
    return replace(proof, openings=(tuple(others), *phases))


def without_next_row(proof: NumberProof) -> NumberProof:
    (main, *others), *phases = proof.openings
    return replace(proof, openings=((OpenedMatrix(main.current, ()), *others), *phases))


@pytest.mark.parametrize("shorten", [without_first_opening, without_first_matrix, without_next_row])
def test_a_matrix_that_is_opened_at_no_point_is_refused(
    key: ProvingKey, shorten: Callable[[NumberProof], NumberProof]
) -> None:
    honest = honest_proof(key, specimen.counter_trace(3))
    assert verdict(key.verification, [], shorten(honest)) is Reason.SHAPE


def test_every_column_enters_the_low_degree_test_at_the_point() -> None:
    everything = proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed())
    proof = honest_proof(everything, specimen.fill(), specimen.STATEMENT)
    public = [Number(value) for value in specimen.STATEMENT]
    key = everything.verification
    run = Verification(
        NumberArithmetic(key.parameters), key, key.preprocessed_root, public, lift_proof(proof)
    )
    run.run()
    combined = [entry for deep in run._deep_inputs().values() for entry in deep.current]
    every_column = {
        (phase_number, number, column)
        for phase_number, phase in enumerate(key.shape.phases)
        for number, matrix in enumerate(phase.matrices)
        for column in range(matrix.columns)
    }
    assert {(phase, matrix, column) for phase, matrix, column, _ in combined} == every_column
    assert len({canonical(power) for *_, power in combined}) == len(every_column)


ROW = 3


class PointOnARow(KeccakTranscript):
    """A transcript whose out-of-domain point is a row of the table."""

    def challenge_extension(self, label: Label) -> tuple[int, ...]:
        drawn = super().challenge_extension(label)
        return (power(Domain(3, 0).generator, ROW), 0, 0, 0, 0) if label is Label.OUT_OF_DOMAIN else drawn


class RightOnOneRow(Forging):
    """Keeps the rules on the row that will be looked at, and sends nothing for a quotient."""

    def _quotient_pieces(self, table: int, combiner: Extension) -> list[Montgomery]:
        return [np.zeros_like(piece) for piece in super()._quotient_pieces(table, combiner)]

    def open_out_of_the_domain(self) -> Openings:
        self._grind(Label.GRIND_OUT_OF_DOMAIN, 0)
        self.point = self.draw(Label.OUT_OF_DOMAIN)
        quotient, weights = self.shape.phases[1], PointWeights(self.point, 1)
        here, there = ((int(value), 0, 0, 0, 0) for value in decode(self.traces[0])[0, ROW : ROW + 2])
        openings = (
            (OpenedMatrix((here,), (there,)),),
            (self._open_matrix(quotient, 0, quotient.matrices[0], weights),),
        )
        opened = [
            value for phase in openings for matrix in phase for value in (*matrix.current, *matrix.next)
        ]
        self.transcript.absorb_extension(Label.OPENINGS, opened)
        return openings


def test_an_evaluation_point_on_a_row_is_refused(key: ProvingKey) -> None:
    """There the constraints are multiplied by zero, so any quotient would do for a trace that is right on that row."""
    trace = encode(np.array([[9, 9, 9, 5, 6, 9, 9, 9]]))
    forged = RightOnOneRow(key, [trace], (), PointOnARow).run().messages
    reason = Reason.OUT_OF_DOMAIN_POINT_IN_DOMAIN
    assert weak_verdict(key.verification, [], forged, make_transcript=PointOnARow) is reason
    assert weak_verdict(key.verification, [], forged, make_transcript=PointOnARow, ignoring=[reason]) is None
