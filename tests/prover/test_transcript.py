"""Transcripts: everything absorbed counts, in order and under its label; challenges are even; work is checked."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind, SuiteId
from prover.hash.keccak import keccak256
from prover.hash.poseidon import POSEIDON16_20, sponge
from prover.transcript import (
    Action,
    AnyTranscript,
    IntegerTranscriptArithmetic,
    KeccakTranscript,
    Label,
    PoseidonTranscript,
    TranscriptLog,
    TranscriptStep,
    bits_of,
    integer_transcript,
    number_of,
)

EVERY_SUITE = pytest.mark.parametrize("suite", list(SuiteId), ids=lambda suite: suite.name.lower())

Script = Callable[[AnyTranscript], object]


def challenge_after(suite: SuiteId, *steps: Script) -> tuple[int, ...]:
    transcript = integer_transcript(suite)
    for step in steps:
        step(transcript)
    return transcript.challenge_extension(Label.CONSTRAINT)


def absorbs(label: Label, elements: list[int]) -> Script:
    return lambda transcript: transcript.absorb_elements(label, elements)


SCRIPTS: dict[str, list[Script]] = {
    "nothing": [],
    "an empty message": [absorbs(Label.MAIN, [])],
    "[1]": [absorbs(Label.MAIN, [1])],
    "[1, 0]": [absorbs(Label.MAIN, [1, 0])],
    "[0, 1]": [absorbs(Label.MAIN, [0, 1])],
    "[1] under another label": [absorbs(Label.QUOTIENT, [1])],
    "[1], [2]": [absorbs(Label.MAIN, [1]), absorbs(Label.MAIN, [2])],
    "[2], [1]": [absorbs(Label.MAIN, [2]), absorbs(Label.MAIN, [1])],
    "[1, 2] merged": [absorbs(Label.MAIN, [1, 2])],
    "[1], [2] with labels swapped": [absorbs(Label.QUOTIENT, [1]), absorbs(Label.MAIN, [2])],
    "[1], [2] with both labels": [absorbs(Label.MAIN, [1]), absorbs(Label.QUOTIENT, [2])],
    "[1] twice": [absorbs(Label.MAIN, [1]), absorbs(Label.MAIN, [1])],
    "[1], []": [absorbs(Label.MAIN, [1]), absorbs(Label.MAIN, [])],
    "the largest element": [absorbs(Label.MAIN, [PRIME - 1])],
    "one extension element": [lambda transcript: transcript.absorb_extension(Label.MAIN, [(1, 0, 0, 0, 0)])],
    "two extension elements": [lambda t: t.absorb_extension(Label.MAIN, [(1, 0, 0, 0, 0), (0, 0, 0, 0, 0)])],
    "a nonce": [lambda transcript: transcript.absorb_nonce(Label.GRIND_QUERY, 1, 0)],
    "another nonce": [lambda transcript: transcript.absorb_nonce(Label.GRIND_QUERY, 2, 0)],
}


@EVERY_SUITE
def test_scripts_that_differ_anywhere_draw_different_challenges(suite: SuiteId) -> None:
    challenges = {name: challenge_after(suite, *script) for name, script in SCRIPTS.items()}
    assert len(set(challenges.values())) == len(SCRIPTS)
    assert challenges == {name: challenge_after(suite, *script) for name, script in SCRIPTS.items()}


def test_suites_draw_different_challenges() -> None:
    assert len({challenge_after(suite, absorbs(Label.MAIN, [1])) for suite in SuiteId}) == len(SuiteId)


@EVERY_SUITE
def test_the_label_of_a_challenge_counts(suite: SuiteId) -> None:
    transcript = integer_transcript(suite)
    drawn = {transcript.copy().challenge_extension(label) for label in Label}
    assert len(drawn) == len(Label)


@EVERY_SUITE
def test_challenges_after_one_state_differ_and_start_anew_after_an_absorb(suite: SuiteId) -> None:
    transcript = integer_transcript(suite)
    drawn = [transcript.challenge_extension(Label.FOLDING) for _ in range(4)]
    assert len(set(drawn)) == 4
    assert all(0 <= coordinate < PRIME for challenge in drawn for coordinate in challenge)
    transcript.absorb_elements(Label.MAIN, [1])
    fresh = integer_transcript(suite)
    fresh.absorb_elements(Label.MAIN, [1])
    assert transcript.challenge_element(Label.FOLDING) == fresh.challenge_element(Label.FOLDING)


@EVERY_SUITE
def test_a_copy_goes_its_own_way(suite: SuiteId) -> None:
    transcript = integer_transcript(suite, TranscriptLog())
    transcript.challenge_element(Label.FOLDING)
    other = transcript.copy()
    assert other.challenge_element(Label.FOLDING) == transcript.challenge_element(Label.FOLDING)
    other.absorb_elements(Label.MAIN, [5])
    assert other.state != transcript.state
    assert transcript.log is not None and other.log is not None
    assert len(other.log.steps) == len(transcript.log.steps) + 1


def test_a_poseidon_transcript_is_the_layout_of_the_documentation() -> None:
    transcript = integer_transcript(SuiteId.POSEIDON16_20)
    transcript.absorb_elements(Label.HEIGHTS, [5, 6])
    state = sponge(POSEIDON16_20, HashKind.TRANSCRIPT_ABSORB, [0] * 8 + [5, 6], Label.HEIGHTS)
    assert transcript.state == state
    blocks = [sponge(POSEIDON16_20, HashKind.TRANSCRIPT_SQUEEZE, [*state, c], Label.QUERY) for c in range(3)]
    assert transcript.challenge_extension(Label.QUERY) == blocks[0][:5]
    expected = [bits_of(element, 6) for element in (*blocks[1], *blocks[2])][:10]
    assert transcript.challenge_indices(Label.QUERY, 10, 6) == expected


def test_a_keccak_transcript_is_the_layout_of_the_documentation() -> None:
    transcript = integer_transcript(SuiteId.KECCAK256)
    transcript.absorb_elements(Label.HEIGHTS, [5, 6])
    state = keccak256(bytes.fromhex("0703000300000028") + bytes(32) + bytes.fromhex("0000000500000006"))
    assert transcript.state == state
    prefix = bytes.fromhex("0810000300000028")
    blocks = [int.from_bytes(keccak256(prefix + state + c.to_bytes(8, "big")), "big") for c in range(7)]
    assert transcript.challenge_extension(Label.QUERY) == tuple(block % PRIME for block in blocks[:5])
    assert transcript.challenge_indices(Label.QUERY, 2, 30) == [bits_of(block, 30) for block in blocks[5:]]


@EVERY_SUITE
def test_a_compiled_permutation_changes_nothing(suite: SuiteId) -> None:
    plain, compiled = integer_transcript(suite), integer_transcript(suite, compiled=True)
    for transcript in (plain, compiled):
        transcript.absorb_elements(Label.MAIN, list(range(20)))
    assert plain.state == compiled.state


@EVERY_SUITE
@pytest.mark.parametrize("bad", [-1, PRIME])
def test_an_element_that_is_not_canonical_is_refused(suite: SuiteId, bad: int) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        integer_transcript(suite).absorb_elements(Label.MAIN, [1, bad])


@EVERY_SUITE
@pytest.mark.parametrize("coordinates", [4, 6])
def test_an_extension_element_has_five_coordinates(suite: SuiteId, coordinates: int) -> None:
    with pytest.raises(ValueError, match=f"has 5 coordinates, not {coordinates}"):
        integer_transcript(suite).absorb_extension(Label.MAIN, [(0,) * coordinates])


def test_a_poseidon_digest_has_eight_elements() -> None:
    transcript = PoseidonTranscript(IntegerTranscriptArithmetic(POSEIDON16_20))
    with pytest.raises(ValueError, match="8 elements, not 7"):
        transcript.absorb_digest(Label.MAIN, (0,) * 7)
    transcript.absorb_digest(Label.MAIN, (1,) * 8)
    other = PoseidonTranscript(IntegerTranscriptArithmetic(POSEIDON16_20))
    other.absorb_elements(Label.MAIN, [1] * 8)
    assert transcript.state == other.state


def test_keccak_digests_of_both_sizes_are_bound_with_their_length() -> None:
    states = set()
    for digest in (bytes(26), bytes(32)):
        transcript = KeccakTranscript()
        transcript.absorb_digest(Label.MAIN, digest)
        states.add(transcript.state)
    assert len(states) == 2


@EVERY_SUITE
def test_indices_cover_their_range_evenly(suite: SuiteId) -> None:
    transcript = integer_transcript(suite, compiled=True)
    drawn = [number_of(bits) for bits in transcript.challenge_indices(Label.QUERY, 4000, 4)]
    counts = Counter(drawn)
    assert set(counts) == set(range(16))
    # 250 each on average with a deviation of 15: six deviations never happen, and the draw is fixed.
    assert all(160 < count < 340 for count in counts.values())
    ones = [sum(number >> place & 1 for number in drawn) for place in range(4)]
    assert all(1800 < count < 2200 for count in ones)


def test_no_more_bits_are_taken_from_an_element_than_are_uniform() -> None:
    with pytest.raises(ValueError, match="24 uniform bits, not 25"):
        integer_transcript(SuiteId.POSEIDON16_20).challenge_indices(Label.QUERY, 1, 25)


def test_the_one_biased_element_is_refused() -> None:
    arithmetic = IntegerTranscriptArithmetic(POSEIDON16_20)
    assert arithmetic.low_bits(PRIME - 2, 3) == (1, 1, 1)
    with pytest.raises(ProofRefused) as refusal:
        arithmetic.low_bits(PRIME - 1, 3)
    assert refusal.value.reason is Reason.BIASED_INDEX_SAMPLE


def test_without_the_biased_element_low_bits_are_exactly_even() -> None:
    assert (PRIME - 1) % (1 << 24) == 0


@EVERY_SUITE
@pytest.mark.parametrize("bits", [0, 1, 7, 12])
def test_grinding_finds_the_smallest_nonce_that_the_verifier_accepts(suite: SuiteId, bits: int) -> None:
    transcript = integer_transcript(suite)
    transcript.absorb_elements(Label.MAIN, [bits])
    nonce = transcript.grind(Label.GRIND_QUERY, bits, threads=2)
    tried = integer_transcript(suite, compiled=True)
    tried.absorb_elements(Label.MAIN, [bits])
    for candidate in range(max(0, nonce - 40), nonce):
        assert any(tried.copy().absorb_nonce(Label.GRIND_QUERY, candidate, bits))
    accepted = tried.copy().absorb_nonce(Label.GRIND_QUERY, nonce, bits)
    assert accepted == (0,) * bits
    following = transcript.grind(Label.GRIND_QUERY, bits, threads=1, start=nonce + 1)
    assert following > nonce
    assert not any(tried.copy().absorb_nonce(Label.GRIND_QUERY, following, bits))


@EVERY_SUITE
def test_a_nonce_for_fewer_bits_or_another_round_or_state_is_refused(suite: SuiteId) -> None:
    transcript = integer_transcript(suite)
    nonce = transcript.grind(Label.GRIND_QUERY, 10, threads=1)
    short = next(
        candidate
        for candidate in range(200)
        if not any(transcript.copy().absorb_nonce(Label.GRIND_QUERY, candidate, 2))
        and any(transcript.copy().absorb_nonce(Label.GRIND_QUERY, candidate, 10))
    )
    assert any(transcript.copy().absorb_nonce(Label.GRIND_QUERY, short, 10))
    assert any(transcript.copy().absorb_nonce(Label.GRIND_FOLDING, nonce, 10))
    elsewhere = transcript.copy()
    elsewhere.absorb_elements(Label.MAIN, [1])
    assert any(elsewhere.absorb_nonce(Label.GRIND_QUERY, nonce, 10))


def test_logs_of_prover_and_verifier_can_be_compared_line_by_line() -> None:
    logs = []
    for suite in SuiteId:
        log = TranscriptLog()
        transcript = integer_transcript(suite, log)
        transcript.absorb_elements(Label.HEIGHTS, [4, 5])
        transcript.challenge_element(Label.CONSTRAINT)
        logs.append(log)
    assert logs[0].steps == [
        TranscriptStep(Action.ABSORB, Label.HEIGHTS, 2),
        TranscriptStep(Action.SQUEEZE, Label.CONSTRAINT, 1),
    ]
    assert str(logs[1]) == "absorb HEIGHTS 2\nsqueeze CONSTRAINT 1"


def test_numbers_and_bits_undo_each_other() -> None:
    assert number_of(bits_of(0b1011, 4)) == 0b1011
    assert bits_of(0b1011, 2) == (1, 1)


class Name:
    """An element that is only a name: no transcript may look at its value."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> bool:
        raise AssertionError("a transcript branched on a value")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a transcript compared a value")

    __hash__ = None  # type: ignore[assignment]  # names are never looked up


class RecordingArithmetic:
    """Elements without values: what a circuit that verifies hands in."""

    suite = SuiteId.POSEIDON16_20

    def __init__(self) -> None:
        self.operations: list[str] = []

    def constant(self, value: int) -> Name:
        return Name(str(int(value)))

    def add(self, left: Name, right: Name) -> Name:
        return Name(f"({left.name} + {right.name})")

    def permute(self, state: Sequence[Name]) -> tuple[Name, ...]:
        self.operations.append(" ".join(element.name for element in state))
        return tuple(Name(f"p{len(self.operations)}.{place}") for place in range(16))

    def low_bits(self, element: Name, count: int) -> tuple[Name, ...]:
        return tuple(Name(f"{element.name}[{place}]") for place in range(count))


def test_a_transcript_of_names_makes_the_calls_that_numbers_make() -> None:
    arithmetic = RecordingArithmetic()
    transcript: PoseidonTranscript[Name] = PoseidonTranscript(arithmetic)
    transcript.absorb_elements(Label.STATEMENT, [Name("a"), Name("b")])
    bits = transcript.absorb_nonce(Label.GRIND_QUERY, Name("n"), 2)
    indices = transcript.challenge_indices(Label.QUERY, 9, 3)
    assert [bit.name for bit in bits] == ["p4.0[0]", "p4.0[1]"]
    assert [bit.name for bit in indices[8]] == ["p8.0[0]", "p8.0[1]", "p8.0[2]"]
    # Kind, length, suite, label stand in the capacity of the first block; the second block holds a and b.
    assert arithmetic.operations[0] == " ".join(["0"] * 8 + ["7", "10", "1", "2"] + ["0"] * 4)
    assert arithmetic.operations[1].startswith("a b 0 0 0 0 0 0 p1.8 p1.9")
    states = [operation.split()[:8] for operation in arithmetic.operations[::2]]
    assert all(first != second for first, second in pairwise(states[:3]))
