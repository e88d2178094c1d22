"""One proof has one encoding, and bad bytes get a refusal and nothing else (lines 5, 8, 17 and 18)."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.examples.catalogue import EXAMPLES
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.parameters import PARAMETERS_BYTES, PRESETS
from prover.stark import encoding
from prover.stark.encoding import MAXIMUM_PROOF_BYTES, Reader, decode_proof, encode_proof, read_heading
from prover.stark.key import VerificationKey
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.stark.verify import verify, verify_messages
from tests.adversarial import specimen
from tests.adversarial.forgery import proving_key, weak_parameters


class Sample:
    """A proof as bytes with all that a verifier is given beside it."""

    def __init__(self, name: str, log_size: int, preset: str = "test-keccak") -> None:
        example = EXAMPLES[name]
        heights, content = example.log_heights(log_size), example.preprocessed()
        key = make_proving_key(example.circuit(), heights, PRESETS[preset], content, threads=1)
        filled = example.fill(log_size, 1, 1)
        proved = prove(key, filled.traces, filled.statement, threads=1)
        self.key, self.statement = key.verification, filled.statement
        self.content = encode_proof(self.key, self.statement, proved.messages, proved.positions)
        self.sizes = decode_proof(self.key, self.content).sizes

    def verdict(self, content: bytes) -> Reason | None:
        try:
            verify(self.key, self.statement, content, accept_insecure=True)
        except ProofRefused as refusal:
            return refusal.reason
        return None

    def start_of(self, section: str) -> int:
        names = list(self.sizes)
        return sum(self.sizes[name] for name in names[: names.index(section)])


@pytest.fixture(scope="module")
def smallest() -> Sample:
    """The example with the smallest proof."""
    return Sample("shuffle", 1)


@pytest.fixture(scope="module")
def sample() -> Sample:
    """An example with a statement, two heights and a bus."""
    return Sample("two-heights", 2)


def flip_every_byte(sample: Sample) -> None:
    assert sample.verdict(sample.content) is None
    for place in range(len(sample.content)):
        content = bytearray(sample.content)
        content[place] ^= 1 << place % 8
        assert sample.verdict(bytes(content)) is not None, f"byte {place}"


def test_every_byte_of_the_smallest_proof_flipped_once_is_refused(smallest: Sample) -> None:
    flip_every_byte(smallest)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "log_size", "preset"),
    [
        ("shuffle", 4, "test-keccak"),
        ("two-heights", 3, "test-keccak"),
        ("shuffle", 0, "test-poseidon"),
        ("shuffle", 0, "test-poseidon-36"),
    ],
)
def test_every_byte_of_a_proof_flipped_once_is_refused(name: str, log_size: int, preset: str) -> None:
    flip_every_byte(Sample(name, log_size, preset))


def test_every_truncation_is_refused(sample: Sample) -> None:
    reasons = {sample.verdict(sample.content[:length]) for length in range(len(sample.content))}
    assert reasons == {Reason.TRUNCATED}


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 4, b"OCRP", bytes(1000)])
def test_trailing_bytes_are_refused(sample: Sample, tail: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample.verdict(sample.content + tail) is Reason.TRAILING_BYTES
    monkeypatch.setattr(Reader, "finish", lambda _reader: None)
    assert sample.verdict(sample.content + tail) is None


def test_two_proofs_one_after_the_other_are_not_one(sample: Sample) -> None:
    assert sample.verdict(sample.content * 2) is Reason.TRAILING_BYTES


def test_longer_input_than_any_proof_is_refused_unread(sample: Sample) -> None:
    huge = sample.content + bytes(MAXIMUM_PROOF_BYTES)
    assert sample.verdict(huge) is Reason.OVERSIZE


def test_every_field_element_plus_the_prime_is_refused(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed: list[bytes] = []
    sections = [
        name
        for name in sample.sizes
        if name in {"statement", "bus sums", "openings", "final polynomial"} or name.startswith("rows of")
    ]
    assert len(sections) == 4 + len(sample.key.shape.trees)
    for section in sections:
        start = sample.start_of(section)
        # The statement begins with how many values it has.
        first = start + 4 if section == "statement" else start
        for place in range(first, start + sample.sizes[section], 4):
            content = bytearray(sample.content)
            value = int.from_bytes(content[place : place + 4], "big") + PRIME
            content[place : place + 4] = value.to_bytes(4, "big")
            changed.append(bytes(content))
    assert {sample.verdict(content) for content in changed} == {Reason.NON_CANONICAL_ELEMENT}

    def reducing(reader: Reader, count: int) -> tuple[int, ...]:
        chunk = reader.read(4 * count)
        return tuple(int.from_bytes(chunk[i : i + 4], "big") % PRIME for i in range(0, len(chunk), 4))

    monkeypatch.setattr(Reader, "elements", reducing)
    assert {sample.verdict(content) for content in changed[::23]} == {None}


def test_digests_and_nonces_of_poseidon_are_canonical_too() -> None:
    sample = Sample("shuffle", 4, "test-poseidon")
    for section in ("roots", "nonces", "paths of main"):
        content, place = bytearray(sample.content), sample.start_of(section)
        value = int.from_bytes(content[place : place + 4], "big") + PRIME
        content[place : place + 4] = value.to_bytes(4, "big")
        assert sample.verdict(bytes(content)) is Reason.NON_CANONICAL_ELEMENT


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, b"X", Reason.WRONG_VERSION),
        (4, b"\0\2", Reason.WRONG_VERSION),
        (6, b"\1", Reason.HIDING_NOT_SUPPORTED),
        (7, b"\0", None),
        (8, b" ", Reason.SHAPE),
        (8, b"\xff", Reason.SHAPE),
        (8, b"T", Reason.WRONG_KEY),
        (19, b"\xaa\xbb", Reason.WRONG_KEY),
    ],
    ids=["magic", "version", "hiding", "no_name", "name_space", "name_binary", "name_other", "digest"],
)
def test_a_heading_of_another_proof_is_refused(
    sample: Sample, offset: int, value: bytes, reason: Reason | None
) -> None:
    content = bytearray(sample.content)
    content[offset : offset + len(value)] = value
    found = sample.verdict(bytes(content))
    assert found is reason if reason is not None else found is not None


def heading_offsets(key: VerificationKey) -> dict[str, int]:
    name = len(key.circuit.name)
    parameters = 8 + name + 32
    heights = parameters + PARAMETERS_BYTES
    return {"parameters": parameters, "heights": heights, "statement": heights + 2 + len(key.log_heights)}


@pytest.mark.parametrize(
    ("section", "shift", "value", "reason"),
    [
        ("parameters", 0, b"X", Reason.MALFORMED_PARAMETERS),
        ("parameters", 32, b"\0", Reason.MALFORMED_PARAMETERS),
        ("parameters", 33, b"\0\0", Reason.MALFORMED_PARAMETERS),
        ("parameters", 33, b"\0\1", Reason.MALFORMED_PARAMETERS),
        ("parameters", 0, b"best", Reason.WRONG_PARAMETERS),
        ("heights", 0, b"\xff\xff", Reason.TRUNCATED),
        ("heights", 2, b"\xff", Reason.HEIGHT_OUT_OF_RANGE),
        ("heights", 2, b"\0", Reason.HEIGHT_OUT_OF_RANGE),
        ("heights", 2, b"\3\2", Reason.HEIGHT_OUT_OF_RANGE),
        ("statement", 0, b"\xff\xff\xff\xff", Reason.OVERSIZE),
        ("statement", 0, b"\0\0\x0f\xff", Reason.TRUNCATED),
        ("statement", 0, b"\0\0\0\0", Reason.WRONG_STATEMENT_LENGTH),
        ("statement", 0, b"\0\0\0\2", Reason.WRONG_STATEMENT_LENGTH),
        ("statement", 4, b"\0\0\0\0", Reason.WRONG_STATEMENT),
    ],
)
def test_a_heading_that_lies_about_sizes_is_refused(
    sample: Sample, section: str, shift: int, value: bytes, reason: Reason
) -> None:
    content = bytearray(sample.content)
    offset = heading_offsets(sample.key)[section] + shift
    content[offset : offset + len(value)] = value
    if shift == 33 and value == b"\0\1":
        # A preset's name above other numbers.
        assert b"test-keccak" in content
    assert sample.verdict(bytes(content)) is reason


def test_what_a_heading_says_is_checked_against_the_key(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages are read by the key's sizes, so without this check a heading could say anything."""
    content = bytearray(sample.content)
    content[8 + len(sample.key.circuit.name)] ^= 1
    assert sample.verdict(bytes(content)) is Reason.WRONG_KEY
    monkeypatch.setattr(encoding, "_check_heading", lambda _key, _heading: None)
    assert sample.verdict(bytes(content)) is None


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xff" * 100,
        b"OCRP\0\1\0\xff" + b"a" * 300,
        b"OCRP\0\1\0\1a"
        + bytes(32)
        + PRESETS["test-keccak"].to_bytes()
        + b"\xff\xff"
        + bytes(65535)
        + b"\xff" * 4,
        b"OCRP\0\1\0\1a" + bytes(32) + PRESETS["test-keccak"].to_bytes() + b"\0\0" + b"\x7f\xff\xff\xff",
    ],
)
def test_hostile_sizes_claim_no_memory(hostile: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(ProofRefused):
        read_heading(Reader(hostile))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_positions_that_the_transcript_does_not_draw_are_refused() -> None:
    """With one query nothing is shared, so the same nodes make the same path for whatever position is named."""
    key = proving_key(specimen.counter_circuit(), (3,), (), weak_parameters(queries=1))
    proved = prove(key, specimen.counter_trace(3), threads=1)
    for position in range(32):
        content = encode_proof(key.verification, [], proved.messages, [position])
        decoded = decode_proof(key.verification, content)
        assert decoded.proof == proved.messages
        verify_messages(key.verification, [], decoded.proof, accept_insecure=True)
        if position != proved.positions[0]:
            with pytest.raises(ProofRefused) as refusal:
                verify(key.verification, [], content, accept_insecure=True)
            assert refusal.value.reason is Reason.WRONG_POSITIONS


def test_a_position_outside_the_domain_is_refused(sample: Sample) -> None:
    content, place = bytearray(sample.content), sample.start_of("positions")
    content[place] = 0x80
    assert sample.verdict(bytes(content)) is Reason.SHAPE


def test_the_statement_asked_about_is_the_statement_proved(sample: Sample) -> None:
    for statement in (
        [],
        [*sample.statement, 0],
        [sample.statement[0] ^ 1],
        [sample.statement[0] + PRIME],
        [-1],
    ):
        with pytest.raises(ProofRefused) as refusal:
            verify(sample.key, statement, sample.content, accept_insecure=True)
        assert refusal.value.reason is Reason.WRONG_STATEMENT


def test_messages_with_another_representative_of_a_value_are_refused(sample: Sample) -> None:
    proof = decode_proof(sample.key, sample.content).proof
    first, *others = proof.final_polynomial
    forged = replace(proof, final_polynomial=((first[0] + PRIME, *first[1:]), *others))
    nonces = replace(proof, nonces=(1 << 64, *proof.nonces[1:]))
    for messages in (forged, nonces, replace(proof, nonces=(-1, *proof.nonces[1:]))):
        with pytest.raises(ProofRefused) as refusal:
            verify_messages(sample.key, sample.statement, messages, accept_insecure=True)
        assert refusal.value.reason is Reason.NON_CANONICAL_ELEMENT
    for value, reason in ((PRIME, Reason.NON_CANONICAL_STATEMENT), (-1, Reason.NON_CANONICAL_STATEMENT)):
        with pytest.raises(ProofRefused) as refusal:
            verify_messages(sample.key, [value], proof, accept_insecure=True)
        assert refusal.value.reason is reason


@given(content=st.binary(max_size=400))
def test_random_bytes_are_refused(smallest: Sample, content: bytes) -> None:
    assert smallest.verdict(content) is not None


@given(tail=st.binary(max_size=1600), kept=st.integers(min_value=0, max_value=300))
def test_a_true_beginning_with_a_random_end_is_refused(smallest: Sample, tail: bytes, kept: int) -> None:
    assert smallest.verdict(smallest.content[:kept] + tail) is not None


@given(data=st.data())
def test_bytes_moved_inside_a_proof_are_refused(smallest: Sample, data: st.DataObject) -> None:
    end = len(smallest.content)
    start, other = (data.draw(st.integers(min_value=0, max_value=end - 1)) for _ in range(2))
    length = data.draw(st.integers(min_value=1, max_value=64))
    content = bytearray(smallest.content)
    content[start : start + length] = smallest.content[other : other + length]
    if bytes(content) != smallest.content:
        assert smallest.verdict(bytes(content)) is not None
