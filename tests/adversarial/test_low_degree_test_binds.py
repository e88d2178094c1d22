"""The low-degree test cannot be led astray (lines 9 to 13, 15 and 16)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from prover.domain import Domain
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode, power
from prover.fri.prover import domain_points
from prover.parameters import StarkParameters
from prover.stark.numbers import Quintic, canonical
from prover.stark.proof import OpenedMatrix
from prover.stark.prover import ProvingKey
from prover.stark.shape import EXTENSION_DEGREE
from prover.transcript import KeccakTranscript, Label
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Extension,
    Forging,
    NumberProof,
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
        commitment = self.commitments["main"]
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
        (main,), quotient = openings

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
        from prover.domain import interpolate_on_subgroup

        assert values.shape[1] == blowup * height
        return tuple(zip(*(interpolate_on_subgroup(plane.tolist()) for plane in values), strict=True))


def test_a_final_polynomial_that_is_too_long_is_refused(key: ProvingKey) -> None:
    forged = LongFinalPolynomial(key, FALSE_TRACE).run().messages
    assert len(forged.final_polynomial) == 8
    assert_refused_by_one_check(key.verification, [], forged, Reason.SHAPE)


class FewerQueries(LyingOpenings):
    """Sends a word that is wrong in one half only, and answers the queries that miss it."""

    def alter_word(self, number: int, word: Montgomery) -> Montgomery:
        if number:
            return word
        # The second half of each pair is chosen so that the word is the polynomial zero folded: values v and -v
        # at x and -x leave an even part of zero, and the odd part is made constant by the first half alone.
        return np.zeros_like(word)

    def answer_the_queries(self, words):  # type: ignore[no-untyped-def]
        return super().answer_the_queries(words)[:0]
