"""Merkle trees over matrices of several heights: one root for all columns of a phase.

The tallest matrices are hashed into the leaves; a shorter one is mixed into the layer that has as many nodes as it has
points. Children of node n are n and n + half: the points x and -x of a domain, which a fold pairs too.

    matrix A, 8 points   a0 a1 a2 a3 a4 a5 a6 a7
                         b0 b1 b2 b3               b0 = H(H(a0, a4), row 0 of B)      matrix B, 4 points
                         c0 c1                     c0 = H(b0, b2)
                         root
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import Montgomery, decode
from prover.hash.domain import HashKind
from prover.hash.suite import AnyDigest, AnySuite, HashSuite, Planes


class MalformedOpeningError(ValueError):
    """An opening or a list of shared nodes that does not fit the tree's shape."""


@dataclass(frozen=True, slots=True)
class TreeShape:
    """The matrices of a tree in the order of their commitment, all of one blowup."""

    log_blowup: int
    matrices: tuple[tuple[int, int], ...]
    """Columns and logarithmic height, before the blowup, of each matrix."""

    def __post_init__(self) -> None:
        """Refuse trees that bind nothing."""
        if not self.matrices or any(columns < 1 for columns, _ in self.matrices):
            raise ValueError("a tree commits to at least one matrix, and every matrix has columns")

    @property
    def log_size(self) -> int:
        """The logarithm of the number of leaves: the length of a path."""
        return self.log_blowup + max(log_height for _, log_height in self.matrices)

    def matrices_at(self, log_size: int) -> tuple[int, ...]:
        """The places, in commit order, of the matrices with 2^log_size points."""
        return tuple(
            place
            for place, (_, log_height) in enumerate(self.matrices)
            if log_height + self.log_blowup == log_size
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """One leaf opened: a canonical row of every matrix in commit order, and the siblings up to the root."""

    rows: tuple[tuple[int, ...], ...]
    path: tuple[AnyDigest, ...]


Index = TypeVar("Index", int, NDArray[np.intp])


def coset_position(index: Index, blowup: int, height: int) -> Index:
    """Where index n = j + blowup * i lies in memory: coset by coset."""
    return index % blowup * height + index // blowup


@dataclass(frozen=True, slots=True)
class Layer:
    """The nodes of one depth, coset by coset."""

    planes: Planes
    blowup: int
    height: int

    def parents(self, suite: AnySuite, level: int, threads: int) -> Layer:
        """The layer of 2^level nodes above."""
        planes = suite.compress_layer(self.planes, self.blowup, self.height, level, threads)
        if self.height > 1:
            return Layer(planes, self.blowup, self.height // 2)
        return Layer(planes, self.blowup // 2, 1)

    def siblings(self, suite: AnySuite, wanted: NDArray[np.intp]) -> Sequence[AnyDigest]:
        """The other child of the nodes above these leaves."""
        size = self.blowup * self.height
        places = coset_position(wanted % size ^ size >> 1, self.blowup, self.height)
        return suite.digests_at(self.planes, places)


class MixedTree:
    """The prover's tree: the matrices to open rows from, and all layers but perhaps the lowest ones."""

    def __init__(
        self, suite: AnySuite, matrices: Sequence[Montgomery], layers: Sequence[Layer], shape: TreeShape
    ) -> None:
        self.suite = suite
        self.matrices = tuple(matrices)
        self.shape = shape
        self._layers = tuple(layers)
        self._skipped = shape.log_size + 1 - len(self._layers)

    @classmethod
    def commit(cls, suite: AnySuite, matrices: Sequence[Montgomery], threads: int) -> MixedTree:
        """Hash (columns, blowup, height) matrices of one blowup, heights powers of two."""
        shape = _shape_of(matrices)
        blowup = matrices[0].shape[1]
        size = 1 << shape.log_size
        layer = Layer(_row_planes(suite, matrices, shape, shape.log_size, threads), blowup, size // blowup)
        skipped = _layers_to_skip(shape)
        layers = [] if skipped else [layer]
        for level in range(shape.log_size - 1, -1, -1):
            layer = layer.parents(suite, level, threads)
            if shape.matrices_at(level):
                rows = _row_planes(suite, matrices, shape, level, threads)
                layer = replace(layer, planes=suite.inject(layer.planes, rows, level, threads))
            if shape.log_size - level >= skipped:
                layers.append(layer)
        return cls(suite, matrices, layers, shape)

    @property
    def root(self) -> AnyDigest:
        """The commitment."""
        return self.suite.digest_at(self._layers[-1].planes, 0)

    def open(self, index: int) -> Opening:
        """Open leaf `index` of the tallest domain; shorter matrices are opened at the index modulo their size."""
        return self.open_many([index])[0]

    def open_many(self, indices: Sequence[int]) -> list[Opening]:
        """Open several leaves; all of a layer, and all of a matrix, are read at once."""
        log_size = self.shape.log_size
        for index in indices:
            if not 0 <= index < 1 << log_size:
                raise IndexError(f"the tree has no leaf {index}")
        wanted = np.array(indices, dtype=np.intp)
        rows = [_rows_of(matrix, wanted) for matrix in self.matrices]
        paths = self._low_siblings(wanted)
        paths += [layer.siblings(self.suite, wanted) for layer in self._layers[:-1]]
        return [
            Opening(tuple(matrix[place] for matrix in rows), tuple(layer[place] for layer in paths))
            for place in range(len(indices))
        ]

    def _low_siblings(self, wanted: NDArray[np.intp]) -> list[Sequence[AnyDigest]]:
        """The siblings in the layers that are not kept: their rows are hashed again."""
        if not self._skipped:
            return []
        blowup, subtree = 1 << self.shape.log_blowup, 1 << (self.shape.log_size - self._skipped)
        # Query by query the leaves that have the same ancestor in the lowest layer that is kept.
        leaves = (wanted % subtree)[:, None] + subtree * np.arange(1 << self._skipped)
        places = coset_position(leaves.ravel(), blowup, (subtree << self._skipped) // blowup)
        rows = [
            self.matrices[place].reshape(len(self.matrices[place]), -1).take(places, axis=1)
            for place in self.shape.matrices_at(self.shape.log_size)
        ]
        return lowest_siblings(self.suite, rows, wanted, self.shape.log_size, self._skipped)


SKIPPED = 2
"""Layers that are not kept, three quarters of all nodes: four leaves a query are read and hashed again."""

LEAST_LOG_SKIPPED = 14
"""A tree of fewer leaves, half a megabyte, keeps all its layers."""


def _layers_to_skip(shape: TreeShape) -> int:
    """Only layers into which no matrix is mixed can be made from the leaves alone."""
    if shape.log_size < LEAST_LOG_SKIPPED:
        return 0
    shorter = [log_height + shape.log_blowup for _, log_height in shape.matrices]
    next_size = max((size for size in shorter if size < shape.log_size), default=0)
    return min(SKIPPED, shape.log_size - next_size)


def lowest_siblings(
    suite: AnySuite,
    rows: Sequence[Montgomery],
    wanted: NDArray[np.intp],
    log_size: int,
    skipped: int,
) -> list[Sequence[AnyDigest]]:
    """The siblings of these leaves in the lowest layers, from the 2^skipped leaves of each one's subtree.

    Leaves of one subtree lie side by side, in the order of their indices.
    """
    width = 1 << skipped
    planes = suite.hash_rows(rows, 1)
    siblings: list[Sequence[AnyDigest]] = []
    for depth in range(skipped):
        size = 1 << log_size - depth
        own = (wanted % size) >> log_size - skipped
        beside = own ^ width >> 1
        siblings.append(suite.digests_at(planes, np.arange(len(wanted)) * width + beside))
        planes = suite.compress_layer(planes, len(wanted), width, log_size - depth - 1, 1)
        width //= 2
    return siblings


def _shape_of(matrices: Sequence[Montgomery]) -> TreeShape:
    shapes = []
    for matrix in matrices:
        columns, blowup, height = matrix.shape
        is_regular = blowup.bit_count() == 1 and height.bit_count() == 1 and blowup == matrices[0].shape[1]
        if not is_regular:
            raise ValueError("matrices need one blowup and heights that are powers of two")
        shapes.append((columns, height.bit_length() - 1))
    return TreeShape(matrices[0].shape[1].bit_length() - 1, tuple(shapes))


def _row_planes(
    suite: AnySuite, matrices: Sequence[Montgomery], shape: TreeShape, log_size: int, threads: int
) -> Planes:
    chosen = [matrices[place] for place in shape.matrices_at(log_size)]
    return suite.hash_rows([matrix.reshape(len(matrix), -1) for matrix in chosen], threads)


def _rows_of(matrix: Montgomery, indices: NDArray[np.intp]) -> list[tuple[int, ...]]:
    _, blowup, height = matrix.shape
    within = indices % (blowup * height)
    rows = decode(np.ascontiguousarray(matrix[:, within % blowup, within // blowup]))
    return [tuple(row) for row in rows.T.tolist()]


def _sibling(index: int, log_size: int) -> int:
    """The other child in a layer of 2^log_size nodes, for any leaf below it."""
    return index % (1 << log_size) ^ 1 << (log_size - 1)


def _check_rows(shape: TreeShape, rows: Sequence[Sequence[int]]) -> None:
    """Refuse rows of other widths.

    Soundness: without it columns could move from one matrix to the next one of the same height.
    """
    if [len(row) for row in rows] != [columns for columns, _ in shape.matrices]:
        raise MalformedOpeningError("the rows do not have the widths of the committed matrices")


def _row_digest(suite: AnySuite, places: Sequence[int], rows: Sequence[Sequence[int]]) -> AnyDigest:
    return suite.hash_elements(HashKind.ROW, [element for place in places for element in rows[place]])


def _injected(
    suite: AnySuite, shape: TreeShape, rows: Sequence[Sequence[int]], level: int
) -> AnyDigest | None:
    """What is mixed into a layer of 2^level nodes."""
    places = shape.matrices_at(level)
    return _row_digest(suite, places, rows) if places else None


def _parent(
    suite: AnySuite, node: AnyDigest, sibling: AnyDigest, index: int, level: int, injected: AnyDigest | None
) -> AnyDigest:
    """The node one layer up, which has 2^level nodes, over `node`, which holds leaf `index`."""
    is_right = index >> level & 1
    left, right = (sibling, node) if is_right else (node, sibling)
    # Both children come from this tree, so they are digests of its suite.
    hashes: HashSuite[Any] = suite
    parent: AnyDigest = hashes.compress(left, right, level)
    return parent if injected is None else hashes.compress(parent, injected, level)


def _leaf(suite: AnySuite, shape: TreeShape, rows: Sequence[Sequence[int]]) -> AnyDigest:
    _check_rows(shape, rows)
    return _row_digest(suite, shape.matrices_at(shape.log_size), rows)


def root_from_opening(
    suite: AnySuite,
    shape: TreeShape,
    index: int,
    rows: Sequence[Sequence[int]],
    path: Sequence[AnyDigest],
) -> AnyDigest:
    """The root that an opening leads to.

    Soundness: the length of the path is fixed by the shape; otherwise an inner node could pass for a leaf.
    """
    if len(path) != shape.log_size:
        raise MalformedOpeningError(f"the path has {len(path)} nodes, not {shape.log_size}")
    if not 0 <= index < 1 << shape.log_size:
        raise MalformedOpeningError(f"the tree has no leaf {index}")
    node = _leaf(suite, shape, rows)
    for level, sibling in zip(range(shape.log_size - 1, -1, -1), path, strict=True):
        node = _parent(suite, node, sibling, index, level, _injected(suite, shape, rows, level))
    return node


def _unknown_siblings(log_size: int, indices: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """For each layer from the leaves up: its logarithmic size, and the siblings that no other opening leads to."""
    for layer_log_size in range(log_size, 0, -1):
        known = {index % (1 << layer_log_size) for index in indices}
        siblings = {_sibling(index, layer_log_size) for index in known}
        yield layer_log_size, sorted(siblings - known)


def shared_node_count(shape: TreeShape, indices: Sequence[int]) -> int:
    """The nodes that `encode_paths` sends for these leaves."""
    return sum(len(siblings) for _, siblings in _unknown_siblings(shape.log_size, indices))


def encode_paths(
    shape: TreeShape, indices: Sequence[int], paths: Sequence[Sequence[AnyDigest]]
) -> list[AnyDigest]:
    """The nodes that the openings of these leaves need together, each once: leaves first, index ascending.

    An encoding only: `expand_paths` gives back the full paths, and nothing else is ever verified.
    """
    nodes: list[AnyDigest] = []
    for layer_log_size, siblings in _unknown_siblings(shape.log_size, indices):
        holders = {
            _sibling(index, layer_log_size): path[shape.log_size - layer_log_size]
            for index, path in zip(indices, paths, strict=True)
        }
        nodes.extend(holders[sibling] for sibling in siblings)
    return nodes


def expand_paths(
    suite: AnySuite,
    shape: TreeShape,
    indices: Sequence[int],
    rows: Sequence[Sequence[Sequence[int]]],
    nodes: Sequence[AnyDigest],
) -> list[tuple[AnyDigest, ...]]:
    """One full path for each opening; the nodes left out are computed from the other openings.

    A leaf that is opened twice must show the same rows twice, or one of the paths will not lead to the root.
    """
    if len(rows) != len(indices):
        raise MalformedOpeningError("there must be one list of rows for each index")
    if any(not 0 <= index < 1 << shape.log_size for index in indices):
        raise MalformedOpeningError("an index lies outside the tree")
    if len(nodes) != shared_node_count(shape, indices):
        raise MalformedOpeningError(
            f"there are {len(nodes)} shared nodes, not {shared_node_count(shape, indices)}"
        )
    for opened in rows:
        _check_rows(shape, opened)
    # Both children of a node come from this tree, so they are digests of its suite.
    hashes: HashSuite[Any] = suite
    paths: list[list[AnyDigest]] = [[] for _ in indices]
    by_leaf = dict(zip(indices, rows, strict=True))
    known = dict(zip(by_leaf, _hash_layer(hashes, shape, by_leaf.values(), shape.log_size), strict=True))
    remaining = iter(nodes)
    for layer_log_size, unknown in _unknown_siblings(shape.log_size, indices):
        known.update((sibling, next(remaining)) for sibling in unknown)
        for index, path in zip(indices, paths, strict=True):
            path.append(known[_sibling(index, layer_log_size)])
        level = layer_log_size - 1
        leaf_of = {index % (1 << level): index for index in by_leaf}
        parents = hashes.compress_many([(known[node], known[node | 1 << level]) for node in leaf_of], level)
        if shape.matrices_at(level):
            injected = _hash_layer(hashes, shape, [by_leaf[leaf] for leaf in leaf_of.values()], level)
            parents = hashes.compress_many(list(zip(parents, injected, strict=True)), level)
        known = dict(zip(leaf_of, parents, strict=True))
    return [tuple(path) for path in paths]


def _hash_layer(
    suite: HashSuite[Any], shape: TreeShape, rows: Iterable[Sequence[Sequence[int]]], log_size: int
) -> list[AnyDigest]:
    """The digests of the rows of the matrices with 2^log_size points."""
    places = shape.matrices_at(log_size)
    joined = [[element for place in places for element in opened[place]] for opened in rows]
    digests: list[AnyDigest] = suite.hash_many(HashKind.ROW, joined)
    return digests
