"""Nodes of the state tree: one permutation a row, over two digests, the input added back.

    left | right, level + 1 added to the last input      output + left is the digest

A table beside the one of sponge calls: a node has no capacity, and neither can be taken for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import COMPRESS
from circuits.poseidon import PARAMETERS, PERMUTATION_COLUMNS
from prover.air.builder import AirBuilder
from prover.air.poseidon import constrain_permutation
from prover.field.koalabear import Montgomery, encode
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, WIDTH

NAME: Final = "compressions"

COLUMNS: Final = PERMUTATION_COLUMNS + 2


@dataclass(frozen=True, slots=True)
class NodeCalls:
    """Nodes of trees over pairs of digests, one permutation each."""

    levels: NDArray[np.int64]
    """The level of each node, 0 for a root."""
    inputs: Montgomery
    """Shape (16, nodes): left digest, right digest, level + 1 added to the last element."""

    @property
    def rows(self) -> int:
        """Permutations of all nodes."""
        return len(self.levels)


def constrain(air: AirBuilder) -> None:
    """State that a live row's digest is the compression of its two sides at its level."""
    inputs = [air.column(f"input {i}") for i in range(WIDTH)]
    outputs = constrain_permutation(air, "permutation", inputs, PARAMETERS)
    level, is_live = air.columns("level", "is live")
    # Soundness: without the input added back anyone could run the permutation backwards and make collisions.
    digest = [before + after for before, after in zip(inputs, outputs[:DIGEST_LENGTH], strict=False)]
    # Soundness: without the level a node could stand where its child does.
    sides = (*inputs[:LEVEL_ELEMENT], inputs[LEVEL_ELEMENT] - level - 1)
    air.receive(COMPRESS, [level, *sides, *digest], when=is_live)


def fill(nodes: Sequence[NodeCalls], log_height: int, *, threads: int = 1) -> Montgomery:
    """The trace; rows that are left over permute zeros."""
    from prover.hash.poseidon_kernels import trace_rows

    height, used = 1 << log_height, sum(group.rows for group in nodes)
    if used > height:
        raise ValueError(f"{used} nodes do not fit a table of {height} rows")
    states = np.zeros((WIDTH, height), np.uint32)
    trace = np.zeros((COLUMNS, height), np.uint32)
    if used:
        states[:, :used] = np.concatenate([group.inputs for group in nodes], axis=1)
        levels = np.concatenate([group.levels for group in nodes])
        trace[PERMUTATION_COLUMNS:, :used] = encode(np.stack([levels, np.ones(used, np.int64)]))
    trace_rows(states, trace[:PERMUTATION_COLUMNS], PARAMETERS, threads=threads)
    return trace
