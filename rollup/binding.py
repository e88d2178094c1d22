"""Binding a batch's proof to the bytes on L1, without hashing Keccak in a circuit.

    R    Poseidon digest of the data's words, their number in the sponge's tag      the circuit computes it
    h    a running Keccak of the same bytes, piece by piece                         the contract computes it
    z    a point drawn from both, and from where and which batch this is            fixed when the batch begins
    y    the data, read as a polynomial behind a leading one, at z                  both compute it

Two different data strings of one length agree at z with a chance below length / (2 p^5).
Whoever changes the data after z is known changes h; whoever proves other data than R changes y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.field.extension import QUINTIC
from prover.field.koalabear import PRIME, decode
from prover.hash.domain import HashKind
from prover.hash.keccak import keccak256
from rollup.codec import DATA_VERSION
from rollup.state import Deployment
from rollup.state_hash import StateHasher
from rollup.units import BatchNumber

POINT_DOMAIN: bytes = keccak256(b"options clearing rollup: point of a batch's data")
"""A full word, so that everything hashed with it is whole EVM words."""

EXTENSION_DEGREE: int = 5

HORNER_WORDS: int = 8
"""Words a row of `running_values`, as many as a block of the sponge: the circuit lays the data out in such rows."""

ExtensionElement = tuple[int, ...]
"""Five coordinates, the constant one first."""


PIECE_BYTES: int = 4096
"""What the running hash takes at once: a contract cannot carry an unfinished Keccak to its next transaction."""


def data_hash(published: bytes) -> bytes:
    """Hash the data piece by piece, each with the hash of those before: what the contract has computed at the end."""
    running = bytes(32)
    for start in range(0, len(published), PIECE_BYTES):
        running = keccak256(running + published[start : start + PIECE_BYTES])
    return running


@dataclass(frozen=True, slots=True)
class DataBinding:
    """The four values for one batch's data."""

    digest: tuple[int, ...]
    keccak: bytes
    point: ExtensionElement
    value: ExtensionElement


def words_of(published: bytes) -> list[int]:
    """Read data as 16-bit words, high byte first."""
    words: list[int] = np.frombuffer(published, dtype=">u2").tolist()
    return words


def data_digest(published: bytes, hasher: StateHasher) -> tuple[int, ...]:
    """Hash the data's words with Poseidon."""
    (digest,) = decode(hasher.sponge_rows(HashKind.BATCH_DATA, 0, [tuple(words_of(published))])).tolist()
    return tuple(digest)


def packed(elements: tuple[int, ...]) -> int:
    """Put field elements into one 256-bit word, 32 bits each, the first one lowest."""
    return sum(element << 32 * place for place, element in enumerate(elements))


def point_of(
    deployment: Deployment, number: BatchNumber, length: int, digest: tuple[int, ...], keccak: bytes
) -> ExtensionElement:
    """Draw the point.

    Each coordinate is 256 bits of Keccak modulo p, so its bias is below 2^-224.
    Soundness: R and h must both be fixed before the point is; else the data could be chosen to fit it.
    """
    fields = (deployment.chain, deployment.contract, number, DATA_VERSION, length, packed(digest))
    seed = keccak256(POINT_DOMAIN + b"".join(field.to_bytes(32, "big") for field in fields) + keccak)
    return tuple(
        int.from_bytes(keccak256(seed + place.to_bytes(32, "big")), "big") % PRIME
        for place in range(EXTENSION_DEGREE)
    )


def evaluate(published: bytes, point: ExtensionElement) -> ExtensionElement:
    """Evaluate the data at a point by Horner's rule, from a leading one.

    Soundness: the leading one makes data of different lengths different polynomials even where they begin with zeros.
    """
    words = [1, *words_of(published)]
    padded = np.array([0] * (-len(words) % HORNER_WORDS) + words, dtype=np.uint64)
    last = running_values(padded.reshape(-1, HORNER_WORDS), point)[:, -1]
    return tuple(last.tolist())


def running_values(rows: NDArray[np.uint64], point: ExtensionElement) -> NDArray[np.uint64]:
    """Horner's rule over rows of eight words: its value after every row, as five coordinates, (5, rows).

    All rows at once: a row takes in the one before it, then the two, the four, the eight before it, and so on.
    """
    powers = [QUINTIC.one]
    for _ in range(HORNER_WORDS):
        powers.append(QUINTIC.multiply(powers[-1], point))
    weights = np.array(powers[HORNER_WORDS - 1 :: -1], dtype=np.uint64)
    values = (rows[:, :, None] * weights % PRIME).sum(axis=1) % PRIME
    step, distance = powers[HORNER_WORDS], 1
    while distance < len(values):
        carried = _multiply(values[:-distance], step)
        values[distance:] = (values[distance:] + carried) % PRIME
        step, distance = QUINTIC.multiply(step, step), 2 * distance
    return np.ascontiguousarray(values.T)


def _multiply(values: NDArray[np.uint64], factor: ExtensionElement) -> NDArray[np.uint64]:
    """Every row of coordinates times one element."""
    images = np.zeros((EXTENSION_DEGREE, EXTENSION_DEGREE), dtype=np.uint64)
    for place in range(EXTENSION_DEGREE):
        unit = tuple(int(place == other) for other in range(EXTENSION_DEGREE))
        images[place] = QUINTIC.multiply(unit, factor)
    # Each product is reduced before the sum: five of them would pass 64 bits.
    total = np.zeros_like(values)
    for place in range(EXTENSION_DEGREE):
        total += values[:, place, None] * images[place] % PRIME
    return total % PRIME


def bind(published: bytes, deployment: Deployment, number: BatchNumber, hasher: StateHasher) -> DataBinding:
    """Compute all four values."""
    digest, keccak = data_digest(published, hasher), data_hash(published)
    point = point_of(deployment, number, len(published), digest, keccak)
    return DataBinding(digest, keccak, point, evaluate(published, point))
