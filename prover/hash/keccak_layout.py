"""The bytes that Keccak hashes: an eight-byte prefix, then elements of four bytes or digests.

byte 0   1      2     4        8
     kind level suite length   ...
          or label
"""

from collections.abc import Sequence
from struct import pack

from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind, SuiteId


def keccak_prefix(kind: HashKind, level_or_label: int, length: int) -> bytes:
    """What tells this preimage from those of other uses."""
    return (
        kind.to_bytes(1, "big")
        + level_or_label.to_bytes(1, "big")
        + SuiteId.KECCAK256.to_bytes(2, "big")
        + length.to_bytes(4, "big")
    )


def element_bytes(elements: Sequence[int]) -> bytes:
    """Canonical elements as four bytes each, big endian.

    Soundness: v and v + p would be one element with two digests, so an opening could be changed unnoticed.
    """
    if elements and (min(elements) < 0 or max(elements) >= PRIME):
        raise ValueError("a field element must lie in [0, p)")
    return pack(f">{len(elements)}I", *elements)
