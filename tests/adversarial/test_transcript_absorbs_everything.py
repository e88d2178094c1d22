"""Every message enters the transcript, as what it is, where it is sent (lines 1, 2, 6, 7 and 8).

A message that only the transcript binds is shown by a replay that a deaf transcript lets pass.
Redundant by design: heights, parameters and preprocessed root are absorbed by themselves and in the key's digest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.hash.domain import SuiteId
from prover.hash.poseidon import POSEIDON16_20, sponge
from prover.parameters import Grinding
from prover.stark.encoding import NumberProof
from prover.stark.proving_key import ProvingKey
from prover.transcript import (
    IntegerTranscriptArithmetic,
    KeccakTranscript,
    Label,
    PoseidonTranscript,
    integer_transcript,
)
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Forging,
    assert_only_absorbing_refuses,
    deaf,
    honest_proof,
    proving_key,
    verdict,
    weak_parameters,
    weak_verdict,
)

SUITES = list(SuiteId)
MESSAGES = (
    Label.KEY,
    Label.PARAMETERS,
    Label.HEIGHTS,
    Label.PREPROCESSED,
    Label.STATEMENT,
    Label.MAIN,
    Label.CHALLENGE_ROUND,
    Label.BUS_SUMS,
    Label.QUOTIENT,
    Label.OPENINGS,
    Label.FOLD_ROOT,
    Label.FINAL_POLYNOMIAL,
)
NONCES = tuple(label for label in Label if label.name.startswith("GRIND_"))


@pytest.fixture(scope="module")
def key() -> ProvingKey:
    return proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed())


def specimen_proof(key: ProvingKey, make_transcript: Callable[[], KeccakTranscript]) -> NumberProof:
    return honest_proof(key, specimen.fill(), specimen.STATEMENT, make_transcript)


def altering(heard: Label, change: Callable[[bytes], bytes]) -> type[KeccakTranscript]:
    """A transcript that hears something else under one label."""

    class Altering(KeccakTranscript):
        def absorb_bytes(self, label: Label, message: bytes) -> None:
            super().absorb_bytes(label, change(message) if label is heard else message)

    return Altering


def test_the_honest_specimen_is_accepted(key: ProvingKey) -> None:
    assert verdict(key.verification, specimen.STATEMENT, specimen_proof(key, KeccakTranscript)) is None


LAST_MESSAGES = {
    Label.OPENINGS,
    Label.FOLD_ROOT,
    Label.FINAL_POLYNOMIAL,
    Label.GRIND_BATCHING,
    Label.GRIND_FOLDING,
    Label.GRIND_QUERY,
}
"""After these no constraint is checked any more: the queries look elsewhere, so the first tree refuses."""


def expected_refusal(label: Label) -> Reason:
    """What stops holding when the challenges after this message change."""
    return Reason.PREPROCESSED_ROW_NOT_IN_TREE if label in LAST_MESSAGES else Reason.CONSTRAINTS_DO_NOT_HOLD


@pytest.mark.parametrize("label", [*MESSAGES, *NONCES], ids=lambda label: label.name)
def test_a_message_dropped_alone_is_refused(key: ProvingKey, label: Label) -> None:
    forged = specimen_proof(key, deaf(label))
    assert verdict(key.verification, specimen.STATEMENT, forged) is expected_refusal(label)
    assert weak_verdict(key.verification, specimen.STATEMENT, forged, make_transcript=deaf(label)) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda message: message + bytes(4), id="with_a_zero_appended"),
        pytest.param(lambda message: message[:-1] + bytes([message[-1] ^ 1]), id="with_one_bit_changed"),
        pytest.param(lambda message: message[:-4], id="without_its_last_element"),
        pytest.param(lambda message: message[::-1], id="reversed"),
    ],
)
@pytest.mark.parametrize("label", MESSAGES, ids=lambda label: label.name)
def test_a_message_altered_alone_is_refused(
    key: ProvingKey, label: Label, change: Callable[[bytes], bytes]
) -> None:
    altered = altering(label, change)
    forged = specimen_proof(key, altered)
    assert verdict(key.verification, specimen.STATEMENT, forged) is expected_refusal(label)
    assert weak_verdict(key.verification, specimen.STATEMENT, forged, make_transcript=altered) is None


def transcript_of(suite: SuiteId, messages: Sequence[tuple[Label, Sequence[int]]]) -> object:
    transcript = integer_transcript(suite)
    for label, elements in messages:
        transcript.absorb_elements(label, elements)
    return transcript.state


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_messages_that_are_merged_split_padded_or_reordered_are_other_messages(suite: SuiteId) -> None:
    key, statement = Label.KEY, Label.STATEMENT
    tellings = [
        [(key, [1, 2]), (statement, [3])],
        [(key, [1]), (statement, [2, 3])],
        [(key, [1, 2, 3])],
        [(key, [1, 2, 3]), (statement, [])],
        [(key, []), (key, [1, 2, 3])],
        [(statement, [3]), (key, [1, 2])],
        [(key, [1, 2]), (statement, [3, 0])],
        [(key, [1, 2]), (key, [3])],
        [(key, [1, 2, 0]), (statement, [3])],
    ]
    states = [transcript_of(suite, telling) for telling in tellings]
    assert len(set(states)) == len(tellings)


def test_without_the_length_a_padded_message_is_the_same_message() -> None:
    class Lengthless(PoseidonTranscript[int]):
        def absorb_elements(self, label: Label, elements: Sequence[int]) -> None:
            message = (*self.state, *elements)
            padded = (*message, *[0] * (-len(message) % 8))
            self._advance(label, sponge(POSEIDON16_20, 7, padded, label), len(elements))  # type: ignore[arg-type]

    states = []
    for elements in ([9], [9, 0]):
        transcript = Lengthless(IntegerTranscriptArithmetic(POSEIDON16_20))
        transcript.absorb_elements(Label.STATEMENT, elements)
        states.append(transcript.state)
    assert states[0] == states[1]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_an_extension_value_of_another_length_is_not_absorbed(suite: SuiteId) -> None:
    with pytest.raises(ValueError, match="5 coordinates"):
        integer_transcript(suite).absorb_extension(Label.OPENINGS, [(1, 2, 3, 4), (5, 6, 7, 8, 9, 10)])


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_value_and_the_same_value_plus_the_prime_are_not_both_absorbed(suite: SuiteId) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, p\)"):
        integer_transcript(suite).absorb_elements(Label.STATEMENT, [PRIME])


WORK = Grinding(3, 3, 3, 3, 3, 3)
MISSING_WORK = {
    Label.GRIND_CHALLENGE_ROUND: Reason.GRINDING_MISSING_CHALLENGE_ROUND,
    Label.GRIND_CONSTRAINT: Reason.GRINDING_MISSING_CONSTRAINT,
    Label.GRIND_OUT_OF_DOMAIN: Reason.GRINDING_MISSING_OUT_OF_DOMAIN,
    Label.GRIND_BATCHING: Reason.GRINDING_MISSING_BATCHING,
    Label.GRIND_FOLDING: Reason.GRINDING_MISSING_FOLDING,
    Label.GRIND_QUERY: Reason.GRINDING_MISSING_QUERY,
}


def lazy_about(lazy: Label, bits: int) -> type[KeccakTranscript]:
    """A prover's transcript that does too little work once: it takes a nonce that has only so many bits."""

    class Lazy(KeccakTranscript):
        def grind(self, label: Label, bits_wanted: int, *, threads: int, start: int = 0) -> int:
            if label is not lazy:
                return super().grind(label, bits_wanted, threads=threads, start=start)
            nonce = start
            while True:
                attempt = KeccakTranscript()
                attempt.state = self.state
                done = attempt.absorb_nonce(label, nonce, bits_wanted)
                if any(done) and not any(done[:bits]):
                    return nonce
                nonce += 1

    return Lazy


@pytest.mark.parametrize("bits", [0, 2], ids=["missing", "one_bit_short"])
@pytest.mark.parametrize("label", NONCES, ids=lambda label: label.name)
def test_work_that_is_missing_or_one_bit_short_is_refused(label: Label, bits: int) -> None:
    heights = specimen.LOG_HEIGHTS
    parameters = weak_parameters(grinding=WORK)
    key = proving_key(specimen.circuit(), heights, specimen.preprocessed(), parameters)
    forged = specimen_proof(key, lazy_about(label, bits))
    reason = MISSING_WORK[label]
    assert verdict(key.verification, specimen.STATEMENT, forged) is reason
    assert weak_verdict(key.verification, specimen.STATEMENT, forged, ignoring=[reason]) is None


class WorkAfterTheQueries(Forging):
    """Draws the positions first and does the work afterwards."""

    def _grind_for_positions(self) -> list[int]:
        log_size = self.shape.log_max_height + self.parameters.log_blowup
        drawn = self.transcript.challenge_indices(Label.QUERY, self.parameters.queries, log_size)
        self._grind(Label.GRIND_QUERY, self.parameters.grinding.query)
        return [sum(bit << place for place, bit in enumerate(position)) for position in drawn]


def test_work_done_after_the_queries_does_not_count() -> None:
    parameters = weak_parameters(grinding=WORK)
    key = proving_key(specimen.counter_circuit(), (3,), (), parameters)
    forged = WorkAfterTheQueries(key, specimen.counter_trace(3)).run().messages
    reason = Reason.MAIN_ROW_NOT_IN_TREE
    assert verdict(key.verification, [], forged) is reason
    # A verifier that draws the positions first, as the forger does, is fooled.
    assert weak_verdict(key.verification, [], forged, make_transcript=LateNonce) is None


class LateNonce(KeccakTranscript):
    """A verifier's transcript that draws the positions from before the last nonce."""

    before_work: bytes = b""

    def absorb_bytes(self, label: Label, message: bytes) -> None:
        if label is Label.GRIND_QUERY:
            self.before_work = self.state
        super().absorb_bytes(label, message)

    def challenge_indices(self, label: Label, count: int, bits: int) -> list[tuple[int, ...]]:
        self.state = self.before_work
        return super().challenge_indices(label, count, bits)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_challenge_has_five_coordinates_that_differ(suite: SuiteId) -> None:
    transcript = integer_transcript(suite)
    drawn = [transcript.challenge_extension(Label.BATCHING) for _ in range(20)]
    assert all(len(challenge) == 5 and 0 not in challenge[1:] for challenge in drawn)
    assert len({coordinate for challenge in drawn for coordinate in challenge}) == 100


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_same_challenge_is_not_drawn_under_two_labels_or_twice(suite: SuiteId) -> None:
    transcript, other = integer_transcript(suite), integer_transcript(suite)
    first, second = (transcript.challenge_extension(Label.BATCHING) for _ in range(2))
    assert len({first, second, other.challenge_extension(Label.FOLDING)}) == 3


def test_an_index_drawn_from_the_largest_element_is_refused() -> None:
    """Its low bits are all zero, so the index 0 would be likelier than any other."""

    def largest(state: Sequence[int], _parameters: object) -> tuple[int, ...]:
        return (PRIME - 1,) * len(state)

    transcript = PoseidonTranscript(IntegerTranscriptArithmetic(POSEIDON16_20, largest))
    with pytest.raises(ProofRefused) as refusal:
        transcript.challenge_indices(Label.QUERY, 1, 10)
    assert refusal.value.reason is Reason.BIASED_INDEX_SAMPLE

    class Trusting(IntegerTranscriptArithmetic):
        def low_bits(self, element: int, count: int) -> tuple[int, ...]:
            return tuple(element >> place & 1 for place in range(count))

    trusting = PoseidonTranscript(Trusting(POSEIDON16_20, largest))
    assert trusting.challenge_indices(Label.QUERY, 1, 10) == [(0,) * 10]


def test_a_proof_is_not_replayed_under_another_circuit(key: ProvingKey) -> None:
    other = proving_key(specimen.circuit("another"), specimen.LOG_HEIGHTS, specimen.preprocessed())
    replayed = specimen_proof(key, KeccakTranscript)
    assert verdict(other.verification, specimen.STATEMENT, replayed) is Reason.CONSTRAINTS_DO_NOT_HOLD
    forged = specimen_proof(key, deaf(Label.KEY))
    reason = Reason.CONSTRAINTS_DO_NOT_HOLD
    assert_only_absorbing_refuses(other.verification, specimen.STATEMENT, forged, reason, [Label.KEY])


def test_a_proof_is_not_replayed_for_another_chain(key: ProvingKey) -> None:
    """No constraint reads the chain's number, so nothing but the transcript binds it."""
    other = [*specimen.STATEMENT[:2], 8]
    reason = Reason.CONSTRAINTS_DO_NOT_HOLD
    assert verdict(key.verification, other, specimen_proof(key, KeccakTranscript)) is reason
    forged = specimen_proof(key, deaf(Label.STATEMENT))
    assert_only_absorbing_refuses(key.verification, other, forged, reason, [Label.STATEMENT])


def test_a_proof_is_not_replayed_under_other_parameters(key: ProvingKey) -> None:
    """The parameters are bound twice: by themselves and in the key's digest."""
    stronger = replace(weak_parameters(), grinding=replace(Grinding(), constraint=1))
    other = proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed(), stronger)
    labels = [Label.KEY, Label.PARAMETERS]
    forged = specimen_proof(key, deaf(*labels))
    work = Reason.GRINDING_MISSING_CONSTRAINT
    make = deaf(*labels)
    accepted = weak_verdict(
        other.verification, specimen.STATEMENT, forged, ignoring=[work], make_transcript=make
    )
    assert accepted is None
    for heard in labels:
        deaf_to_other = deaf(*(label for label in labels if label is not heard))
        refused = weak_verdict(
            other.verification, specimen.STATEMENT, forged, ignoring=[work], make_transcript=deaf_to_other
        )
        assert refused is Reason.CONSTRAINTS_DO_NOT_HOLD
