"""Proof of work for a transcript: the smallest nonce that its next state rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from prover.field.koalabear import PRIME
from prover.field.threads import run_slices
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon import DIGEST_LENGTH, POSEIDON_SUITES, RATE, WIDTH
from prover.hash.poseidon_unrolled import permute_unrolled

LEAST_CHUNK = 1 << 12
MOST_CHUNK = 1 << 17
"""Nonces that a thread tries between two looks at the others: a quarter of a millisecond at first, then ever longer.

Starting on a chunk takes some microseconds, and the largest nonces take thousands of chunks."""

CHUNKS_BEFORE_DOUBLING = 16

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


def smallest_nonce(find: Callable[[int, int], int | None], *, start: int, stop: int, threads: int) -> int:
    """The smallest nonce that `find` accepts, whatever the number of threads.

    Each thread takes the next chunk as soon as it is done with its own: nobody waits for anybody.
    A thread ends when the next chunk lies behind a nonce that is found; chunks before it are then all tried.
    """
    lock = Lock()
    size, taken, following, best = LEAST_CHUNK, 0, start, stop

    def next_chunk() -> tuple[int, int] | None:
        nonlocal size, taken, following
        with lock:
            if following >= best:
                return None
            first, following = following, min(following + size, stop)
            taken += 1
            if taken % CHUNKS_BEFORE_DOUBLING == 0:
                size = min(2 * size, MOST_CHUNK)
            return first, following

    def work(_first: int, _last: int) -> None:
        nonlocal best
        while (chunk := next_chunk()) is not None:
            nonce = find(*chunk)
            if nonce is not None:
                with lock:
                    best = min(best, nonce)
                return

    run_slices(threads, threads, work, multiple=1)
    if best >= stop:
        raise GrindingError("no nonce meets the bits")
    return best


def grind_keccak(state: bytes, label: int, bits: int, *, threads: int, start: int = 0) -> int:
    """The smallest nonce from `start` on for a Keccak transcript."""
    from prover.hash import keccak_kernels

    if not 0 <= bits <= MOST_KECCAK_BITS:
        raise ValueError(f"grinding takes 0 to {MOST_KECCAK_BITS} bits, not {bits}")

    def find(first: int, last: int) -> int | None:
        return keccak_kernels.grind_block(state, label, bits, first, last)

    return smallest_nonce(find, start=start, stop=KECCAK_NONCES, threads=threads)


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

    return smallest_nonce(find, start=start, stop=POSEIDON_NONCES, threads=threads)
