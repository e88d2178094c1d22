"""The transcript: every message of a proof goes in under a label, every challenge comes out of all that went in.

Written once over abstract elements: on integers it serves prover and verifier, on wires it becomes part of a circuit.
So no function branches on a value. The byte layouts are in docs/hashing.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Generic, Protocol, Self, TypeVar, cast

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind, SuiteId
from prover.hash.keccak import DIGEST_BYTES, keccak256
from prover.hash.keccak_layout import element_bytes, keccak_prefix
from prover.hash.poseidon import (
    DIGEST_LENGTH,
    POSEIDON_SUITES,
    HashArithmetic,
    IntegerArithmetic,
    sponge_over,
)

EXTENSION_DEGREE = 5
"""Coordinates of a challenge: 155 bits, so that soundness bounds have room."""

UNIFORM_BITS = 24
"""Low bits of an element below p - 1 = 127 * 2^24 that are exactly uniform."""

NONCE_BYTES = 8
"""A Keccak nonce: 26 bits of grinding need more than 26 bits of choice."""

COUNTER_BYTES = 8


class Label(IntEnum):
    """What a message or a challenge is. The numbers are part of every hash: docs/hashing.md lists them."""

    KEY = 1
    STATEMENT = 2
    HEIGHTS = 3
    PREPROCESSED = 4
    MAIN = 5
    CHALLENGE_ROUND = 6
    BUS_SUMS = 7
    CONSTRAINT = 8
    QUOTIENT = 9
    OUT_OF_DOMAIN = 10
    OPENINGS = 11
    BATCHING = 12
    FOLD_ROOT = 13
    FOLDING = 14
    FINAL_POLYNOMIAL = 15
    QUERY = 16
    PARAMETERS = 17
    GRIND_CHALLENGE_ROUND = 32
    GRIND_CONSTRAINT = 33
    GRIND_OUT_OF_DOMAIN = 34
    GRIND_BATCHING = 35
    GRIND_FOLDING = 36
    GRIND_QUERY = 37


class Action(StrEnum):
    """What a step of a transcript does."""

    ABSORB = "absorb"
    SQUEEZE = "squeeze"


@dataclass(frozen=True, slots=True)
class TranscriptStep:
    """One line of a transcript's log."""

    action: Action
    label: Label
    count: int
    """Elements or bytes that went in, or blocks that came out."""


@dataclass(slots=True)
class TranscriptLog:
    """The steps of one transcript, so that prover and verifier can be compared line by line."""

    steps: list[TranscriptStep] = field(default_factory=list)

    def __str__(self) -> str:
        """One step a line."""
        return "\n".join(f"{step.action} {step.label.name} {step.count}" for step in self.steps)


Element = TypeVar("Element")
Digest = TypeVar("Digest")


class Transcript(ABC, Generic[Element, Digest]):
    """A labelled hash chain: the state is a digest of everything absorbed so far, in order.

    Soundness: a message that is not absorbed before a challenge can be chosen after seeing it.
    """

    def __init__(self, state: Digest, log: TranscriptLog | None = None) -> None:
        self.state = state
        self.squeezed_blocks = 0
        self.log = log

    @abstractmethod
    def copy(self) -> Self:
        """An independent transcript that continues from here, with its own copy of the log."""

    @abstractmethod
    def absorb_elements(self, label: Label, elements: Sequence[Element]) -> None:
        """Bind base-field elements, and how many they are."""

    @abstractmethod
    def absorb_digest(self, label: Label, digest: Digest) -> None:
        """Bind a root."""

    @abstractmethod
    def absorb_nonce(self, label: Label, nonce: Element, bits: int) -> tuple[Element, ...]:
        """Bind a nonce; each of the returned bits must be zero, or the work was not done.

        Soundness: the caller must require it of every bit; a bit forgotten halves the work.
        """

    @abstractmethod
    def challenge_element(self, label: Label) -> Element:
        """A challenge from the base field, for uses that need no more."""

    @abstractmethod
    def challenge_extension(self, label: Label) -> tuple[Element, ...]:
        """A challenge from the extension: five coordinates, the constant one first."""

    @abstractmethod
    def challenge_indices(self, label: Label, count: int, bits: int) -> list[tuple[Element, ...]]:
        """Exactly uniform indices below 2^bits, each as its bits, lowest first."""

    @abstractmethod
    def grind(self, label: Label, bits: int, *, threads: int, start: int = 0) -> int:
        """The smallest nonce from `start` on that `absorb_nonce` will accept; absorbs nothing."""

    def absorb_extension(self, label: Label, values: Sequence[Sequence[Element]]) -> None:
        """Bind extension elements, five coordinates each."""
        for value in values:
            # Soundness: two values of four and six coordinates would be absorbed like two of five.
            if len(value) != EXTENSION_DEGREE:
                raise ValueError(f"an extension element has {EXTENSION_DEGREE} coordinates, not {len(value)}")
        self.absorb_elements(label, [coordinate for value in values for coordinate in value])

    def _copied_log(self) -> TranscriptLog | None:
        return None if self.log is None else TranscriptLog(list(self.log.steps))

    def _record(self, action: Action, label: Label, count: int) -> None:
        if self.log is not None:
            self.log.steps.append(TranscriptStep(action, label, count))

    def _next_counter(self, label: Label) -> int:
        self._record(Action.SQUEEZE, label, 1)
        self.squeezed_blocks += 1
        return self.squeezed_blocks - 1

    def _advance(self, label: Label, state: Digest, count: int) -> None:
        self._record(Action.ABSORB, label, count)
        self.state = state
        self.squeezed_blocks = 0


class TranscriptArithmetic(HashArithmetic[Element], Protocol[Element]):
    """What a Poseidon transcript needs of its elements."""

    def low_bits(self, element: Element, count: int) -> tuple[Element, ...]:
        """The lowest bits of the canonical number, lowest first; the element must not be p - 1."""
        ...


@dataclass(frozen=True, slots=True)
class IntegerTranscriptArithmetic(IntegerArithmetic):
    """A Poseidon transcript's elements as canonical integers."""

    def low_bits(self, element: int, count: int) -> tuple[int, ...]:
        """The bits of the number.

        Soundness: with p - 1 let in, the index 0 would be likelier than all others.
        """
        if not 0 <= count <= UNIFORM_BITS:
            raise ValueError(f"an element has {UNIFORM_BITS} uniform bits, not {count}")
        if element == PRIME - 1:
            raise ProofRefused(Reason.BIASED_INDEX_SAMPLE, "an index was drawn from p - 1")
        return bits_of(element, count)


def bits_of(number: int, count: int) -> tuple[int, ...]:
    """The lowest bits of a number, lowest first."""
    return tuple(number >> place & 1 for place in range(count))


def number_of(bits: Sequence[int]) -> int:
    """The number with these bits, lowest first."""
    return sum(bit << place for place, bit in enumerate(bits))


class PoseidonTranscript(Transcript[Element, tuple[Element, ...]]):
    """A transcript that a circuit can follow."""

    def __init__(self, arithmetic: TranscriptArithmetic[Element], log: TranscriptLog | None = None) -> None:
        super().__init__((arithmetic.constant(0),) * DIGEST_LENGTH, log)
        self.arithmetic = arithmetic

    def copy(self) -> Self:
        """An independent transcript that continues from here, with its own copy of the log."""
        other = type(self)(self.arithmetic, self._copied_log())
        other.state, other.squeezed_blocks = self.state, self.squeezed_blocks
        return other

    def absorb_elements(self, label: Label, elements: Sequence[Element]) -> None:
        """One sponge call over the state and the elements; its length is in the capacity."""
        message = (*self.state, *elements)
        state = sponge_over(self.arithmetic, HashKind.TRANSCRIPT_ABSORB, message, label)
        self._advance(label, state, len(elements))

    def absorb_digest(self, label: Label, digest: tuple[Element, ...]) -> None:
        """Eight elements."""
        if len(digest) != DIGEST_LENGTH:
            raise ValueError(f"a digest has {DIGEST_LENGTH} elements, not {len(digest)}")
        self.absorb_elements(label, digest)

    def absorb_nonce(self, label: Label, nonce: Element, bits: int) -> tuple[Element, ...]:
        """One element; the bits are those of element 0 of the new state."""
        self.absorb_elements(label, [nonce])
        return self.arithmetic.low_bits(self.state[0], bits)

    def challenge_element(self, label: Label) -> Element:
        """Element 0 of a fresh block."""
        return self._block(label)[0]

    def challenge_extension(self, label: Label) -> tuple[Element, ...]:
        """Elements 0 to 4 of a fresh block."""
        return self._block(label)[:EXTENSION_DEGREE]

    def challenge_indices(self, label: Label, count: int, bits: int) -> list[tuple[Element, ...]]:
        """Eight indices a block."""
        drawn: list[Element] = []
        while len(drawn) < count:
            drawn.extend(self._block(label))
        return [self.arithmetic.low_bits(element, bits) for element in drawn[:count]]

    def grind(self, label: Label, bits: int, *, threads: int, start: int = 0) -> int:
        """Search on all threads; only for integers."""
        from prover.hash.grinding import grind_poseidon

        # Only a prover grinds, and a prover has numbers.
        state = cast(tuple[int, ...], self.state)
        return grind_poseidon(self.arithmetic.suite, state, label, bits, threads=threads, start=start)

    def _block(self, label: Label) -> tuple[Element, ...]:
        counter = self.arithmetic.constant(self._next_counter(label))
        message = (*self.state, counter)
        return sponge_over(self.arithmetic, HashKind.TRANSCRIPT_SQUEEZE, message, label)


class KeccakTranscript(Transcript[int, bytes]):
    """A transcript that a contract can follow cheaply."""

    def __init__(self, log: TranscriptLog | None = None) -> None:
        super().__init__(bytes(DIGEST_BYTES), log)

    def copy(self) -> Self:
        """An independent transcript that continues from here, with its own copy of the log."""
        other = type(self)(self._copied_log())
        other.state, other.squeezed_blocks = self.state, self.squeezed_blocks
        return other

    def absorb_bytes(self, label: Label, message: bytes) -> None:
        """One hash call over the state and the bytes."""
        preimage = self.state + message
        prefix = keccak_prefix(HashKind.TRANSCRIPT_ABSORB, label, len(preimage))
        self._advance(label, keccak256(prefix + preimage), len(message))

    def absorb_elements(self, label: Label, elements: Sequence[int]) -> None:
        """Four bytes each, big endian."""
        self.absorb_bytes(label, element_bytes(elements))

    def absorb_digest(self, label: Label, digest: bytes) -> None:
        """As many bytes as a tree node has."""
        self.absorb_bytes(label, digest)

    def absorb_nonce(self, label: Label, nonce: int, bits: int) -> tuple[int, ...]:
        """Eight bytes, big endian; the bits are the last ones of the new state."""
        self.absorb_bytes(label, nonce.to_bytes(NONCE_BYTES, "big"))
        return bits_of(int.from_bytes(self.state, "big"), bits)

    def challenge_element(self, label: Label) -> int:
        """A fresh block mod p: its bias is below 2^-224."""
        return int.from_bytes(self._block(label), "big") % PRIME

    def challenge_extension(self, label: Label) -> tuple[int, ...]:
        """Five fresh blocks."""
        return tuple(self.challenge_element(label) for _ in range(EXTENSION_DEGREE))

    def challenge_indices(self, label: Label, count: int, bits: int) -> list[tuple[int, ...]]:
        """A fresh block each."""
        return [bits_of(int.from_bytes(self._block(label), "big"), bits) for _ in range(count)]

    def grind(self, label: Label, bits: int, *, threads: int, start: int = 0) -> int:
        """Search on all threads."""
        from prover.hash.grinding import grind_keccak

        return grind_keccak(self.state, label, bits, threads=threads, start=start)

    def _block(self, label: Label) -> bytes:
        preimage = self.state + self._next_counter(label).to_bytes(COUNTER_BYTES, "big")
        return keccak256(keccak_prefix(HashKind.TRANSCRIPT_SQUEEZE, label, len(preimage)) + preimage)


AnyTranscript = KeccakTranscript | PoseidonTranscript[int]


def integer_transcript(
    suite: SuiteId, log: TranscriptLog | None = None, *, compiled: bool = False
) -> AnyTranscript:
    """A fresh transcript on numbers; `compiled` asks for a kernel's permutation, for the prover."""
    if suite is SuiteId.KECCAK256:
        return KeccakTranscript(log)
    parameters = POSEIDON_SUITES[suite]
    if not compiled:
        return PoseidonTranscript(IntegerTranscriptArithmetic(parameters), log)
    from prover.hash.poseidon_kernels import permute_one

    return PoseidonTranscript(IntegerTranscriptArithmetic(parameters, permute_one), log)
