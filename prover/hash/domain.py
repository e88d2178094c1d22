"""Domain separation: the numbers that say what a hash is for.

Every call is listed in docs/hashing.md; a new use gets a new number there first.
"""

from enum import IntEnum


class SuiteId(IntEnum):
    """Which hash made a digest; part of every preimage, so a root of one suite is never a root of another."""

    POSEIDON16_20 = 1
    POSEIDON16_36 = 2
    KECCAK256 = 3


class HashKind(IntEnum):
    """What a hash call is for."""

    ROW = 1
    """A leaf of a commitment tree."""
    EMPTY_SUBTREE = 2
    """A place of the state tree without a leaf; larger empty subtrees are nodes over it."""
    SPONGE = 3
    """Plain hashing."""
    ORDER = 4
    """The fields of an order."""
    SIGNATURE_CHALLENGE = 5
    """Commitment, key and message of a signature."""
    BATCH_DATA = 6
    """What a batch publishes."""
    TRANSCRIPT_ABSORB = 7
    """A message that enters a transcript."""
    TRANSCRIPT_SQUEEZE = 8
    """A challenge that leaves a transcript."""
    GRINDING = 9
    """Reserved: nonces are absorbed like any message."""
    STATE_LEAF = 10
    """A leaf of the state tree."""
    ACCOUNT_POSITIONS = 11
    """The positions of one account."""
    KEY = 12
    """A verification key."""
    NODE = 13
    """An inner node of a Keccak tree; Poseidon nodes are compressions and carry only their level."""
