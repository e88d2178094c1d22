"""The verifier's arithmetic on numbers: this is what verifies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind, SuiteId
from prover.hash.keccak import keccak256
from prover.hash.keccak_layout import keccak_prefix
from prover.hash.poseidon import POSEIDON_SUITES
from prover.hash.poseidon_lanes import compress_lanes, hash_lanes
from prover.parameters import StarkParameters
from prover.stark.arithmetic import Arithmetic, Challenger
from prover.stark.numbers import Lanes, Number, Quintic, invert, stack
from prover.stark.proof import Query, TreeOpening
from prover.transcript import AnyTranscript, Label, integer_transcript

LaneDigest = bytes | tuple[int, ...] | list[bytes] | NDArray[np.uint64]
"""One digest for all lanes, or one for each: bytes a lane under Keccak, a column of eight under Poseidon."""


class NumberChallenger(Challenger[Number, Quintic, LaneDigest]):
    """The transcript on numbers."""

    def __init__(self, transcript: AnyTranscript) -> None:
        self.transcript = transcript

    def absorb_elements(self, label: int, elements: Sequence[Number]) -> None:
        """Bind base field elements."""
        self.transcript.absorb_elements(Label(label), [int(element.value) for element in elements])

    def absorb_extension(self, label: int, elements: Sequence[Quintic]) -> None:
        """Bind extension elements."""
        values = [tuple(int(c) for c in element.coordinates) for element in elements]
        self.transcript.absorb_extension(Label(label), values)

    def absorb_digest(self, label: int, digest: LaneDigest) -> None:
        """Bind a root."""
        self.transcript.absorb_digest(Label(label), digest)  # type: ignore[arg-type]  # both sides of one suite

    def check_grinding(self, label: int, nonce: Number, bits: int, reason: Reason) -> None:
        """Bind the nonce and require the low bits of the state it leads to."""
        if any(self.transcript.absorb_nonce(Label(label), int(nonce.value), bits)):
            raise ProofRefused(reason, f"the nonce does not have the {bits} bits of work")

    def draw_extension(self, label: int) -> Quintic:
        """A uniform element of the extension."""
        return Quintic(self.transcript.challenge_extension(Label(label)))

    def draw_positions(self, label: int, count: int, bits: int) -> list[list[Number]]:
        """Uniform positions as bits."""
        drawn = self.transcript.challenge_indices(Label(label), count, bits)
        return [[Number(bit) for bit in position] for position in drawn]


class NumberArithmetic(Arithmetic[Number, Quintic, LaneDigest]):
    """Field elements as integers, or as arrays with a lane for each query."""

    def __init__(self, parameters: StarkParameters) -> None:
        self.suite = SuiteId(parameters.suite.number)
        self.node_bytes = parameters.node_bytes
        self.is_keccak = self.suite is SuiteId.KECCAK256
        self._parents: dict[bytes, bytes] = {}
        """Nodes that were hashed in this run: near the root all queries share them."""

    def base(self, value: int) -> Number:
        """A constant."""
        return Number(value % PRIME)

    def extension(self, coordinates: Sequence[Number]) -> Quintic:
        """Five coordinates as one element."""
        return Quintic([coordinate.value for coordinate in coordinates])

    def inverse(self, value: Quintic, reason: Reason) -> Quintic:
        """The inverse; zero is refused."""
        return invert(value, reason)

    def require_equal(self, left: Quintic, right: Quintic, reason: Reason, detail: str) -> None:
        """Refuse unless all coordinates agree in every lane."""
        for a, b in zip(left.coordinates, right.coordinates, strict=True):
            if not np.all(np.equal(a, b)):
                raise ProofRefused(reason, detail)

    def require_same_digest(self, left: LaneDigest, right: LaneDigest, reason: Reason, detail: str) -> None:
        """Refuse unless the digests of every lane are the one on the right."""
        if self.is_keccak:
            assert isinstance(left, list)
            same = all(digest == right for digest in left)
        else:
            assert isinstance(left, np.ndarray)
            same = bool(np.all(left == np.array(right, dtype=np.uint64)[:, None]))
        if not same:
            raise ProofRefused(reason, detail)

    def hash_row(self, elements: Sequence[Number]) -> LaneDigest:
        """The leaf digest of every lane."""
        values = np.stack([np.asarray(element.value, dtype=np.uint64) for element in elements])
        if not self.is_keccak:
            return hash_lanes(POSEIDON_SUITES[self.suite], HashKind.ROW, values)
        prefix = keccak_prefix(HashKind.ROW, 0, len(elements))
        rows = values.T.astype(">u4")
        return [keccak256(prefix + row.tobytes())[: self.node_bytes] for row in rows]

    def compress(self, left: LaneDigest, right: LaneDigest, level: int) -> LaneDigest:
        """The parent of two nodes, in every lane."""
        if not self.is_keccak:
            assert isinstance(left, np.ndarray) and isinstance(right, np.ndarray)
            return compress_lanes(POSEIDON_SUITES[self.suite], left, right, level)
        assert isinstance(left, list) and isinstance(right, list)
        prefix = keccak_prefix(HashKind.NODE, level, 2 * self.node_bytes)
        return [self._parent(prefix + a + b) for a, b in zip(left, right, strict=True)]

    def _parent(self, content: bytes) -> bytes:
        found = self._parents.get(content)
        if found is None:
            found = self._parents[content] = keccak256(content)[: self.node_bytes]
        return found

    def weighted_sum(self, weights: Sequence[Quintic], values: Sequence[Number]) -> Quintic:
        """All columns of all queries in two products of matrices, exact in 64 bits."""
        factors = np.array([weight.coordinates for weight in weights], dtype=np.uint64).T
        lanes = np.stack([np.asarray(value.value, dtype=np.uint64) for value in values])
        total = np.zeros((len(factors), *lanes.shape[1:]), dtype=np.uint64)
        for start in range(0, len(weights), _SUMMED):
            some, of = factors[:, start : start + _SUMMED], lanes[start : start + _SUMMED]
            # Halves of 16 bits: a product is below 2^47, so 2^16 of them fit a word.
            low, high = (some & np.uint64(0xFFFF)) @ of, (some >> np.uint64(16)) @ of
            total = (total + low + (high % PRIME << np.uint64(16))) % PRIME
        return Quintic(list(total))

    def compress_at(self, bit: Number, node: LaneDigest, sibling: LaneDigest, level: int) -> LaneDigest:
        """The parent of a node that is the right child where the bit is one."""
        bits = np.asarray(bit.value)
        if not self.is_keccak:
            return self.compress(np.where(bits, sibling, node), np.where(bits, node, sibling), level)
        assert isinstance(node, list) and isinstance(sibling, list)
        pairs = [(s, n) if b else (n, s) for b, n, s in zip(bits, node, sibling, strict=True)]
        return self.compress([left for left, _ in pairs], [right for _, right in pairs], level)

    def challenger(self, parameters: StarkParameters) -> NumberChallenger:
        """A fresh transcript."""
        return NumberChallenger(integer_transcript(SuiteId(parameters.suite.number)))

    def gather(
        self,
        queries: Sequence[Query[Number, Quintic, LaneDigest]],
        positions: Sequence[Sequence[Number]],
    ) -> list[tuple[Query[Number, Quintic, LaneDigest], list[Number]]]:
        """All queries as one, with a lane for each."""
        bits = [stack([_scalar(bit) for bit in column]) for column in zip(*positions, strict=True)]
        phases = tuple(
            self._stack_openings([query.phases[i] for query in queries])
            for i in range(len(queries[0].phases))
        )
        folds = tuple(
            self._stack_openings([query.folds[i] for query in queries]) for i in range(len(queries[0].folds))
        )
        return [(Query(phases, folds), bits)]

    def _stack_openings(
        self, openings: Sequence[TreeOpening[Number, LaneDigest]]
    ) -> TreeOpening[Number, LaneDigest]:
        rows = []
        for matrix in range(len(openings[0].rows)):
            lanes = np.array([opening.rows[matrix] for opening in openings], dtype=np.uint64)
            rows.append(tuple(Number(column) for column in np.ascontiguousarray(lanes.T)))
        path: list[LaneDigest] = []
        for depth in range(len(openings[0].path)):
            siblings = [opening.path[depth] for opening in openings]
            path.append(siblings if self.is_keccak else np.array(siblings, dtype=np.uint64).T)  # type: ignore[arg-type]
        return TreeOpening(tuple(rows), tuple(path))


_SUMMED = 1 << 16
"""Products that are summed between two reductions."""


def _scalar(number: Number) -> int:
    value: Lanes = number.value
    assert isinstance(value, int)
    return value
