"""Nodes of the state tree: permutations over two digests, the input added back, on rows of the Poseidon table.

    left | right, level + 1 added to the last input      output + left is the digest

A row says what its permutation makes of its inputs, whichever they are, and as often as it is asked.
So equal nodes take one row: a new subtree hides the same empty one at every level, and every path hashes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import COMPRESS
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.field.koalabear import Montgomery
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, WIDTH

COUNT: Final = "count of nodes"


@dataclass(frozen=True, slots=True)
class NodeCalls:
    """Nodes of trees over pairs of digests, one permutation each."""

    levels: NDArray[np.int64]
    """The level of each node, 0 for a root."""
    inputs: Montgomery
    """Shape (16, nodes): left digest, right digest, level + 1 added to the last element."""


def constrain_nodes(
    air: AirBuilder, inputs: Sequence[Expression], outputs: Sequence[Expression], level: Expression
) -> None:
    """Answer with the row's permutation as the compression of its two sides at its level.

    Assumes: the outputs are the permutation of the inputs.
    """
    count = air.column(COUNT)
    # Soundness: without the input added back anyone could run the permutation backwards and make collisions.
    digest = [before + after for before, after in zip(inputs, outputs[:DIGEST_LENGTH], strict=False)]
    # Soundness: without the level a node could stand where its child does.
    sides = (*inputs[:LEVEL_ELEMENT], inputs[LEVEL_ELEMENT] - level - 1)
    air.provide(COMPRESS, [level, *sides, *digest], count)


def distinct_nodes(nodes: Sequence[NodeCalls]) -> NodeCalls:
    """Every node once."""
    levels = np.concatenate([np.zeros(0, np.int64), *(group.levels for group in nodes)])
    inputs = np.concatenate([np.zeros((WIDTH, 0), np.uint32), *(group.inputs for group in nodes)], axis=1)
    spelled = np.ascontiguousarray(np.concatenate([levels[None].astype(np.uint32), inputs]).T)
    _, places = np.unique(spelled.view(np.dtype((np.void, spelled.shape[1] * 4))), return_index=True)
    places.sort()
    return NodeCalls(levels[places], np.ascontiguousarray(inputs[:, places]))
