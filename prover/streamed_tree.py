"""A tree over columns of one height whose extension is never held: each coset is made, hashed and forgotten.

At rate 1/64 the extension of a narrow table is gigabytes that are written once and read once.
What is kept are the coefficients and the layers from SKIPPED on.
Where the tree is opened, its rows and the lowest nodes beside them are computed again, at a few points.

    kept      coefficients (columns, height), layers of size / 2^SKIPPED nodes and fewer
    again     2^SKIPPED leaves a query: all points whose 2^SKIPPED-th power is the same

The slow reference is `prover.merkle.MixedTree`: same root, same openings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode, power, root_of_unity
from prover.field.threads import run_slices
from prover.hash.suite import AnyDigest, AnySuite, Planes
from prover.merkle import Layer, Opening, TreeShape, lowest_siblings
from prover.ntt import aligned_empty, bit_reversal, coset_shifts, coset_transform, reversed_powers

SKIPPED = 3
"""Layers that are not kept, an eighth of all nodes above them: eight leaves a query cost hardly more than one."""

LEAST_LOG_HEIGHT = 8
"""Below this the transforms are other ones, and there is nothing to save."""

FEWEST_NODES = 1024
"""Layers of so many nodes a coset are put together; the layers above are made of all cosets at once."""

PLANES = 5
"""Points at which columns are evaluated together: the kernel's weights are planes of an extension."""


class StreamedTree:
    """The prover's tree: coefficients to compute rows from, and the upper layers."""

    def __init__(
        self, suite: AnySuite, coefficients: Montgomery, layers: Sequence[Layer], shape: TreeShape
    ) -> None:
        self.suite = suite
        self.coefficients = coefficients
        self.shape = shape
        self.layers = tuple(layers)

    @classmethod
    def commit(
        cls,
        suite: AnySuite,
        coefficients: Montgomery,
        widths: Sequence[int],
        log_blowup: int,
        threads: int,
    ) -> StreamedTree:
        """Hash the matrices of these widths, side by side (columns, height), in bit-reversed coefficients."""
        columns, height = coefficients.shape
        log_height = height.bit_length() - 1
        if sum(widths) != columns or log_height < LEAST_LOG_HEIGHT:
            raise ValueError(f"{columns} columns of {height} rows are not {widths} tall ones")
        shape = TreeShape(log_blowup, tuple((width, log_height) for width in widths))
        shifts = coset_shifts(log_height, log_blowup)
        # Each thread makes layers of its cosets until they are short; then all cosets go on together.
        depths = max(SKIPPED, log_height - FEWEST_NODES.bit_length() + 1)
        found: list[list[Planes]] = [[] for _ in shifts]

        def work(start: int, stop: int) -> None:
            buffer = aligned_empty((columns, height))
            for coset in range(start, stop):
                coset_transform(coefficients, shifts[coset], out=buffer)
                found[coset] = _coset_layers(suite, buffer, shape.log_size, depths)[SKIPPED:]

        run_slices(threads, len(shifts), work, multiple=1)
        layers = []
        for parts in zip(*found, strict=True):
            planes = np.concatenate(parts, axis=1)
            layers.append(Layer(planes, len(shifts), parts[0].shape[1]))
        for level in range(shape.log_size - depths - 1, -1, -1):
            layers.append(layers[-1].parents(suite, level, threads))
        return cls(suite, coefficients, layers, shape)

    @property
    def root(self) -> AnyDigest:
        """The commitment."""
        return self.suite.digest_at(self.layers[-1].planes, 0)

    def open_many(self, indices: Sequence[int]) -> list[Opening]:
        """Open several leaves: rows and lowest siblings are computed, the others are read."""
        for index in indices:
            if not 0 <= index < 1 << self.shape.log_size:
                raise IndexError(f"the tree has no leaf {index}")
        wanted = np.array(indices, dtype=np.intp)
        leaves = self._leaves(wanted % (1 << self.shape.log_size - SKIPPED))
        opened = decode(leaves[:, np.arange(len(wanted)), wanted >> self.shape.log_size - SKIPPED]).T.tolist()
        rows = leaves.reshape(len(leaves), -1)
        paths = lowest_siblings(self.suite, [rows], wanted, self.shape.log_size, SKIPPED)
        paths += [layer.siblings(self.suite, wanted) for layer in self.layers[:-1]]
        bounds = np.cumsum([0, *(width for width, _ in self.shape.matrices)]).tolist()
        return [
            Opening(
                tuple(tuple(row[a:b]) for a, b in pairwise(bounds)),
                tuple(layer[place] for layer in paths),
            )
            for place, row in enumerate(opened)
        ]

    def _leaves(self, first: NDArray[np.intp]) -> Montgomery:
        """All rows whose points have the same 2^SKIPPED-th power as these leaves': (columns, leaves, 2^SKIPPED).

        The coefficients of one residue of the exponent stand together, as their order is bit-reversed.
        """
        from prover.field.kernels import evaluate_columns

        columns, height = self.coefficients.shape
        log_height = height.bit_length() - 1
        parts = 1 << SKIPPED
        root = root_of_unity(self.shape.log_size)
        points = [GENERATOR * power(root, int(index)) % PRIME for index in first]
        split = self.coefficients.reshape(columns * parts, height // parts)
        sums = np.empty((columns, parts, len(points)), dtype=np.uint64)
        for start in range(0, len(points), PLANES):
            some = points[start : start + PLANES]
            weights = np.zeros((PLANES, height // parts), dtype=np.uint64)
            for place, point in enumerate(some):
                weights[place] = reversed_powers(power(point, parts), log_height - SKIPPED)
            found = decode(evaluate_columns(split, encode(weights)))
            sums[:, :, start : start + len(some)] = found.reshape(columns, parts, PLANES)[:, :, : len(some)]
        turn = power(root, 1 << self.shape.log_size - SKIPPED)
        residues = bit_reversal(SKIPPED).tolist()
        leaves = np.zeros((columns, len(points), parts), dtype=np.uint64)
        for leaf in range(parts):
            for block, residue in enumerate(residues):
                factors = [power(point * power(turn, leaf) % PRIME, residue) for point in points]
                leaves[:, :, leaf] += sums[:, block] * np.array(factors, dtype=np.uint64) % np.uint64(PRIME)
        return encode(leaves % np.uint64(PRIME))


def _coset_layers(suite: AnySuite, columns: Montgomery, log_size: int, depths: int) -> list[Planes]:
    """The leaves of one coset and the layers above them: nodes of a coset have their parents in the same one."""
    layers = [suite.hash_rows([columns], 1)]
    for depth in range(depths):
        below = layers[-1]
        layers.append(suite.compress_layer(below, 1, below.shape[1], log_size - depth - 1, 1))
    return layers
