"""The verifier's arithmetic, each call of which is written down by the recorder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prover.errors import Reason
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon import DIGEST_LENGTH, sponge_over
from prover.parameters import StarkParameters, SuiteName
from prover.recursion.program import ProgramError
from prover.recursion.wires import Recorder, Scalar, Sibling, Vector
from prover.stark.arithmetic import Arithmetic, Challenger
from prover.stark.proof import Query
from prover.transcript import Label, PoseidonTranscript


@dataclass(frozen=True, slots=True)
class WireHashes:
    """What the transcript needs of its elements, on wires."""

    recorder: Recorder
    suite: SuiteId

    def constant(self, value: int) -> Scalar:
        """A number known to everybody."""
        return self.recorder.base(value)

    def add(self, left: Scalar, right: Scalar) -> Scalar:
        """The sum."""
        return left + right

    def permute(self, state: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """One permutation."""
        return self.recorder.permute(state)

    def low_bits(self, element: Scalar, count: int) -> tuple[Scalar, ...]:
        """The lowest bits; an element that is p - 1 has none."""
        return tuple(self.recorder.bits(element, count))


class WireChallenger(Challenger[Scalar, Scalar, Vector]):
    """The transcript on wires."""

    def __init__(self, hashes: WireHashes) -> None:
        self.recorder = hashes.recorder
        self.transcript: PoseidonTranscript[Scalar] = PoseidonTranscript(hashes)
        self.coordinates: dict[int, Sequence[Scalar]] = {}

    def absorb_elements(self, label: int, elements: Sequence[Scalar]) -> None:
        """Bind base field elements."""
        self.transcript.absorb_elements(Label(label), elements)

    def absorb_extension(self, label: int, elements: Sequence[Scalar]) -> None:
        """Bind extension elements, which are inputs made of five coordinates."""
        self.transcript.absorb_extension(
            Label(label), [self.coordinates[element.wire] for element in elements]
        )

    def absorb_digest(self, label: int, digest: Vector) -> None:
        """Bind a root."""
        self.transcript.absorb_digest(Label(label), digest.elements())

    def check_grinding(self, label: int, nonce: Scalar, bits: int, reason: Reason) -> None:  # noqa: ARG002 - a circuit has one way to say no
        """Bind the nonce and require the low bits of the state it leads to."""
        for bit in self.transcript.absorb_nonce(Label(label), nonce, bits):
            self.recorder.require_equal(bit, self.recorder.base(0))

    def draw_extension(self, label: int) -> Scalar:
        """A uniform element of the extension."""
        return self.recorder.extension(self.transcript.challenge_extension(Label(label)))

    def draw_positions(self, label: int, count: int, bits: int) -> list[list[Scalar]]:
        """Uniform positions as bits."""
        return [list(position) for position in self.transcript.challenge_indices(Label(label), count, bits)]


class WireArithmetic(Arithmetic[Scalar, Scalar, Vector]):
    """Field, hash and requirements, written down."""

    def __init__(self, recorder: Recorder, parameters: StarkParameters) -> None:
        if parameters.suite is not SuiteName.POSEIDON_20:
            raise ProgramError(f"the tables compute {SuiteName.POSEIDON_20}, not {parameters.suite}")
        self.recorder = recorder
        self.hashes = WireHashes(recorder, SuiteId(parameters.suite.number))
        self.wire_challenger = WireChallenger(self.hashes)

    def base(self, value: int) -> Scalar:
        """A constant of the base field."""
        return self.recorder.base(value)

    def extension(self, coordinates: Sequence[Scalar]) -> Scalar:
        """The extension element with these five coordinates."""
        return self.recorder.extension(coordinates)

    def inverse(self, value: Scalar, reason: Reason) -> Scalar:  # noqa: ARG002 - a circuit has one way to say no
        """The inverse; zero has none."""
        return self.recorder.inverse(value)

    def require_equal(self, left: Scalar, right: Scalar, reason: Reason, detail: str) -> None:  # noqa: ARG002 - as above
        """No witness unless both sides agree."""
        self.recorder.require_equal(left, right)

    def require_same_digest(self, left: Vector, right: Vector, reason: Reason, detail: str) -> None:  # noqa: ARG002 - as above
        """No witness unless both digests agree."""
        self.recorder.require_same_digest(left, right)

    def hash_row(self, elements: Sequence[Scalar]) -> Vector:
        """The leaf of a tree over the rows of one height."""
        digest = sponge_over(self.hashes, HashKind.ROW, elements)
        return Vector(self.recorder, self.recorder.vector_of(digest[:DIGEST_LENGTH]))

    def compress_at(self, bit: Scalar, node: Vector, sibling: Vector | Sibling, level: int) -> Vector:
        """The parent of a node: the node is the right child when the bit is one."""
        other = sibling if isinstance(sibling, Sibling) else sibling.number
        return self.recorder.compress(bit, node.number, other, level)

    def compress(self, left: Vector, right: Vector, level: int) -> Vector:
        """The parent of two nodes."""
        return self.recorder.compress(self.base(0), left.number, right.number, level)

    def challenger(self, parameters: StarkParameters) -> WireChallenger:  # noqa: ARG002 - the suite is the arithmetic's
        """A fresh transcript."""
        return self.wire_challenger

    def gather(
        self,
        queries: Sequence[Query[Scalar, Scalar, Vector]],
        positions: Sequence[Sequence[Scalar]],
    ) -> list[tuple[Query[Scalar, Scalar, Vector], list[Scalar]]]:
        """Each query by itself."""
        return [(query, list(bits)) for query, bits in zip(queries, positions, strict=True)]
