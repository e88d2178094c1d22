"""Every hash of a batch, in the order in which tables ask for it; the Poseidon table is laid out from it.

Whoever owns a hash gets its digest and the number of its call at once, so tables can be filled one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from circuits.compressions import NodeCalls
from circuits.poseidon import PARAMETERS, SpongeCalls
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH


@dataclass
class HashLedger:
    """Calls are numbered from zero in the order of asking, as the Poseidon table numbers them."""

    threads: int = 1
    calls: list[SpongeCalls] = field(default_factory=list)
    nodes: list[NodeCalls] = field(default_factory=list)
    next_call: int = 0

    def sponge(
        self, kind: HashKind, label: int, owners: NDArray[np.uint32], elements: Montgomery
    ) -> tuple[NDArray[np.uint32], Montgomery]:
        """Hash lists of one length, (length, n): their call numbers and their digests, (8, n)."""
        from prover.hash.poseidon import sponge
        from prover.hash.poseidon_kernels import hash_rows

        count = elements.shape[1]
        group = SpongeCalls(kind, label, owners.astype(np.uint32), np.ascontiguousarray(elements))
        numbers = np.arange(self.next_call, self.next_call + count, dtype=np.uint32)
        self.calls.append(group)
        self.next_call += count
        if not count:
            return numbers, np.zeros((DIGEST_LENGTH, 0), np.uint32)
        if not len(elements):
            # A sponge over nothing has no columns to tell how many rows there are, and one answer.
            empty = encode(np.array(sponge(PARAMETERS, kind, (), label), dtype=np.int64))
            return numbers, np.ascontiguousarray(np.repeat(empty[:, None], count, axis=1))
        return numbers, hash_rows([group.elements], PARAMETERS, kind, label, self.threads)

    def compress(self, left: Montgomery, right: Montgomery, levels: NDArray[np.int64]) -> Montgomery:
        """Hash pairs of digests, (8, n) each, into nodes of the given levels."""
        from prover.hash.poseidon_kernels import permute_states

        inputs = np.ascontiguousarray(np.concatenate([left, right]))
        inputs[-1] = _sum(inputs[-1], encode(levels + 1))
        self.nodes.append(NodeCalls(levels, inputs))
        if not inputs.shape[1]:
            return np.zeros((DIGEST_LENGTH, 0), np.uint32)
        outputs = permute_states(inputs, PARAMETERS, self.threads)
        return np.ascontiguousarray(_sum(outputs[:DIGEST_LENGTH], inputs[:DIGEST_LENGTH]))


def _sum(left: Montgomery, right: Montgomery) -> Montgomery:
    """Add field elements; both are below p, so their sum fits 32 bits."""
    total = left + right
    reduced: Montgomery = np.minimum(total, total - np.uint32(PRIME))
    return reduced
