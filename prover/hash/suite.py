"""The hash of commitment trees, in two halves: plain numbers for the verifier, arrays for the prover.

Digest arrays are planes: (8, n) Montgomery words for Poseidon, (4, n) little-endian 64-bit words for Keccak.
The digest of index j + blowup * i (coset j, row i) stands at position j * height + i.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import decode
from prover.field.threads import run_slices
from prover.hash.domain import HashKind, SuiteId
from prover.hash.keccak import DIGEST_BYTES, keccak256
from prover.hash.keccak_layout import element_bytes, keccak_prefix
from prover.hash.poseidon import (
    DIGEST_LENGTH,
    POSEIDON_SUITES,
    PoseidonParameters,
    check_elements,
    check_state,
    compress,
    sponge,
)
from prover.hash.poseidon_lanes import compress_lanes, hash_lanes

Planes = NDArray[Any]

SHORT_NODE_BYTES = 26
"""Nodes cut to 208 bits: 104 bits against collisions, and a fifth less calldata."""

FEW_NODES = 1024
"""Up to here one core is done before a second one would have woken up."""

Digest = TypeVar("Digest")


class HashSuite(ABC, Generic[Digest]):
    """Leaves and nodes of commitment trees."""

    suite: SuiteId

    @abstractmethod
    def hash_elements(self, kind: HashKind, elements: Sequence[int], level: int = 0) -> Digest:
        """The digest of canonical elements."""

    @abstractmethod
    def compress(self, left: Digest, right: Digest, level: int) -> Digest:
        """The node over two digests in the layer of 2^level nodes."""

    def hash_many(self, kind: HashKind, rows: Sequence[Sequence[int]]) -> list[Digest]:
        """The digests of rows of one length; a suite may do them side by side."""
        return [self.hash_elements(kind, row) for row in rows]

    def compress_many(self, pairs: Sequence[tuple[Digest, Digest]], level: int) -> list[Digest]:
        """The nodes over pairs of digests of one layer."""
        return [self.compress(left, right, level) for left, right in pairs]

    @abstractmethod
    def hash_rows(self, matrices: Sequence[NDArray[np.uint32]], threads: int) -> Planes:
        """The leaf of every row of (columns, n) matrices side by side."""

    @abstractmethod
    def digests_at(self, planes: Planes, positions: NDArray[np.intp]) -> list[Digest]:
        """Some digests of an array."""

    def digest_at(self, planes: Planes, position: int) -> Digest:
        """One digest of an array."""
        return self.digests_at(planes, np.array([position]))[0]

    @property
    @abstractmethod
    def lanes(self) -> int:
        """Digests that a kernel makes at once."""

    @abstractmethod
    def _compress_pairs(
        self,
        left: Planes,
        right: Planes,
        right_start: int,
        half: int,
        level: int,
        out: Planes,
        start: int,
        stop: int,
    ) -> None:
        """Nodes start to stop, a multiple of `lanes`, on the calling thread.

        The children of node n are digests n + n // half * half of `left`, and of `right` from `right_start` on.
        """

    def compress_layer(self, planes: Planes, blowup: int, height: int, level: int, threads: int) -> Planes:
        """The layer of parents: index n and n + half of all become index n.

        In memory these are the two halves of each coset, or of all cosets once a coset is a single point.
        """
        groups = blowup if height > 1 else 1
        total = planes.shape[1]
        half = total // (2 * groups)
        if half % self.lanes == 0:
            planes = np.ascontiguousarray(planes)
            return self._compress_all(planes, planes, half, half, total // 2, level, threads)
        split = planes.reshape(len(planes), groups, 2, half)
        left, right = (split[:, :, side, :].reshape(len(planes), total // 2) for side in (0, 1))
        return self._compress_side_by_side(left, right, level, threads)

    def inject(self, planes: Planes, row_planes: Planes, level: int, threads: int) -> Planes:
        """Nodes over the nodes of a layer and the row digests of a matrix as tall as the layer is wide."""
        return self._compress_side_by_side(planes, row_planes, level, threads)

    def _compress_side_by_side(self, left: Planes, right: Planes, level: int, threads: int) -> Planes:
        count = left.shape[1]
        missing = -count % self.lanes
        if missing:
            left, right = _widened(left, missing), _widened(right, missing)
        left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
        padded = count + missing
        return self._compress_all(left, right, 0, padded, padded, level, threads)[:, :count]

    def _compress_all(
        self, left: Planes, right: Planes, right_start: int, half: int, count: int, level: int, threads: int
    ) -> Planes:
        out = np.empty((len(left), count), dtype=left.dtype)

        def work(start: int, stop: int) -> None:
            self._compress_pairs(left, right, right_start, half, level, out, start, stop)

        run_slices(threads if count > FEW_NODES else 1, count, work, multiple=self.lanes)
        return out


def _widened(planes: Planes, missing: int) -> Planes:
    wide = np.zeros((len(planes), planes.shape[1] + missing), dtype=planes.dtype)
    wide[:, : planes.shape[1]] = planes
    return wide


class KeccakSuite(HashSuite[bytes]):
    """Keccak-256, cheap for a contract."""

    suite = SuiteId.KECCAK256

    def __init__(self, node_bytes: int = DIGEST_BYTES) -> None:
        if node_bytes not in (SHORT_NODE_BYTES, DIGEST_BYTES):
            raise ValueError(f"nodes have {SHORT_NODE_BYTES} or {DIGEST_BYTES} bytes, not {node_bytes}")
        self.node_bytes = node_bytes

    def hash_elements(self, kind: HashKind, elements: Sequence[int], level: int = 0) -> bytes:
        """The digest of canonical elements, cut to the size of nodes."""
        prefix = keccak_prefix(kind, level, len(elements))
        return keccak256(prefix + element_bytes(elements))[: self.node_bytes]

    def compress(self, left: bytes, right: bytes, level: int) -> bytes:
        """The node over two nodes.

        Soundness: digests of other lengths would let bytes move from one child to the other.
        """
        if len(left) != self.node_bytes or len(right) != self.node_bytes:
            raise ValueError(f"a digest has {self.node_bytes} bytes")
        prefix = keccak_prefix(HashKind.NODE, level, 2 * self.node_bytes)
        return keccak256(prefix + left + right)[: self.node_bytes]

    def hash_rows(self, matrices: Sequence[NDArray[np.uint32]], threads: int) -> Planes:
        """The leaf of every row of (columns, n) matrices side by side."""
        from prover.hash import keccak_kernels

        return keccak_kernels.hash_rows(matrices, HashKind.ROW, 0, self.node_bytes, threads)

    def digests_at(self, planes: Planes, positions: NDArray[np.intp]) -> list[bytes]:
        """The bytes of some digests."""
        content = np.ascontiguousarray(planes[:, positions].T).astype("<u8").tobytes()
        return [content[start : start + self.node_bytes] for start in range(0, len(content), DIGEST_BYTES)]

    @property
    def lanes(self) -> int:
        """Digests that a kernel makes at once."""
        from prover.hash.keccak_kernels import ROWS

        return ROWS

    def _compress_pairs(
        self,
        left: Planes,
        right: Planes,
        right_start: int,
        half: int,
        level: int,
        out: Planes,
        start: int,
        stop: int,
    ) -> None:
        from prover.hash import keccak_kernels

        keccak_kernels.compress_pairs(
            left, right, right_start, half, level, self.node_bytes, out, start, stop
        )


def _digests(lanes: NDArray[np.unsignedinteger[Any]]) -> list[tuple[int, ...]]:
    return [tuple(digest) for digest in lanes.T.tolist()]


class PoseidonSuite(HashSuite[tuple[int, ...]]):
    """Poseidon, cheap for a circuit."""

    def __init__(self, parameters: PoseidonParameters) -> None:
        self.parameters = parameters
        self.suite = parameters.suite

    def hash_elements(self, kind: HashKind, elements: Sequence[int], level: int = 0) -> tuple[int, ...]:
        """The digest of canonical elements."""
        return sponge(self.parameters, kind, elements, level)

    def compress(self, left: tuple[int, ...], right: tuple[int, ...], level: int) -> tuple[int, ...]:
        """The node over two digests."""
        return compress(left, right, level, self.parameters)

    def hash_many(self, kind: HashKind, rows: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        """The digests of rows of one length, in numpy lanes."""
        for row in rows:
            check_elements(row)
        if not rows:
            return []
        return _digests(hash_lanes(self.parameters, kind, np.array(rows, dtype=np.uint64).T))

    def compress_many(
        self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], level: int
    ) -> list[tuple[int, ...]]:
        """The nodes over pairs of digests of one layer, in numpy lanes."""
        for left, right in pairs:
            check_state((*left, *right))
        if not pairs:
            return []
        lanes = np.array(pairs, dtype=np.uint64).transpose(1, 2, 0)
        return _digests(compress_lanes(self.parameters, lanes[0], lanes[1], level))

    def hash_rows(self, matrices: Sequence[NDArray[np.uint32]], threads: int) -> Planes:
        """The leaf of every row of (columns, n) matrices side by side."""
        from prover.hash import poseidon_kernels

        return poseidon_kernels.hash_rows(matrices, self.parameters, HashKind.ROW, 0, threads)

    def digests_at(self, planes: Planes, positions: NDArray[np.intp]) -> list[tuple[int, ...]]:
        """The elements of some digests."""
        return _digests(decode(np.ascontiguousarray(planes[:DIGEST_LENGTH, positions])))

    @property
    def lanes(self) -> int:
        """Digests that a kernel makes at once."""
        from prover.hash.poseidon_vector_kernels import BLOCK

        return BLOCK

    def _compress_pairs(
        self,
        left: Planes,
        right: Planes,
        right_start: int,
        half: int,
        level: int,
        out: Planes,
        start: int,
        stop: int,
    ) -> None:
        from prover.hash import poseidon_kernels

        poseidon_kernels.compress_pairs(
            left, right, right_start, half, level, self.parameters, out, start, stop
        )


AnySuite = KeccakSuite | PoseidonSuite
AnyDigest = bytes | tuple[int, ...]
"""Bytes under Keccak, eight canonical elements under Poseidon."""


def hash_suite(suite: SuiteId, node_bytes: int = DIGEST_BYTES) -> AnySuite:
    """The suite of an id; the size of nodes is Keccak's alone."""
    if suite is SuiteId.KECCAK256:
        return KeccakSuite(node_bytes)
    if node_bytes != DIGEST_BYTES:
        raise ValueError("Poseidon digests are never cut")
    return PoseidonSuite(POSEIDON_SUITES[suite])
