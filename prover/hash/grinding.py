"""Proof of work for a transcript: the smallest nonce that its next state rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prover.field.koalabear import PRIME
from prover.field.threads import run_slices
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon import DIGEST_LENGTH, POSEIDON_SUITES, RATE, WIDTH
from prover.hash.poseidon_unrolled import permute_unrolled

WAVE_PER_THREAD = 1 << 14
"""Nonces that a thread tries between two looks at the others: about a millisecond."""

POSEIDON_NONCES = PRIME
"""One element is the nonce."""

MOST_POSEIDON_BITS = 24
"""The low bits of an element that are uniform."""

MOST_KECCAK_BITS = 40
"""Above this nobody would wait for the answer."""

KECCAK_NONCES = 1 << 62
"""Far more than anybody can try; the loop counts in signed words."""


class GrindingError(RuntimeError):
    """No nonce does: the transcript has to be changed."""


def search_in_waves(find: Callable[[int, int], int | None], *, start: int, stop: int, threads: int) -> int:
    """The smallest nonce that `find` accepts, whatever the number of threads."""
    while start < stop:
        end = min(stop, start + WAVE_PER_THREAD * threads)
        found: list[int] = []

        def work(first: int, last: int, origin: int = start, hits: list[int] = found) -> None:
            nonce = find(origin + first, origin + last)
            if nonce is not None:
                hits.append(nonce)

        run_slices(threads, end - start, work)
        if found:
            return min(found)
        start = end
    raise GrindingError("no nonce meets the bits")


def grind_keccak(state: bytes, label: int, bits: int, *, threads: int, start: int = 0) -> int:
    """The smallest nonce from `start` on for a Keccak transcript."""
    from prover.hash import keccak_kernels

    if not 0 <= bits <= MOST_KECCAK_BITS:
        raise ValueError(f"grinding takes 0 to {MOST_KECCAK_BITS} bits, not {bits}")

    def find(first: int, last: int) -> int | None:
        return keccak_kernels.grind_block(state, label, bits, first, last)

    return search_in_waves(find, start=start, stop=KECCAK_NONCES, threads=threads)


def grind_poseidon(
    suite: SuiteId, state: Sequence[int], label: int, bits: int, *, threads: int, start: int = 0
) -> int:
    """The smallest nonce from `start` on for a Poseidon transcript.

    The state fills the sponge's first block, so that permutation is done once; each nonce costs the second one.
    """
    from prover.hash import poseidon_kernels

    if not 0 <= bits <= MOST_POSEIDON_BITS:
        raise ValueError(f"grinding takes 0 to {MOST_POSEIDON_BITS} bits, not {bits}")
    parameters = POSEIDON_SUITES[suite]
    tags = (HashKind.TRANSCRIPT_ABSORB, DIGEST_LENGTH + 1, suite, label)
    after_state = permute_unrolled((*state, *tags, *(0,) * (WIDTH - RATE - len(tags))), parameters)
    before_nonce = (*(0,) * RATE, *after_state[RATE:])

    def find(first: int, last: int) -> int | None:
        return poseidon_kernels.grind_block(before_nonce, bits, parameters, first, last)

    return search_in_waves(find, start=start, stop=POSEIDON_NONCES, threads=threads)
