"""Every bus: what a message says, who sends it and who receives it.  The wiring diagram of the circuits.

A sender adds a message on rows that it marks; a receiver takes it off, at most once a row or as often as it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prover.air.bus import Bus


@dataclass(frozen=True, slots=True)
class Wire:
    """A bus and the tables at its ends; a test compares them with the tables themselves."""

    bus: Bus
    message: tuple[str, ...]
    """What each value is; a name with a number behind it stands for that many values."""
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    meaning: str
    """What a receiver promises about every message that it takes."""


SIXTEEN_BITS: Final = Bus("sixteen bits", identifier=1, arity=1)
CHAIN_POINTS: Final = Bus("chain points", identifier=2, arity=16)
KEY_ENDS: Final = Bus("key ends", identifier=3, arity=5)
SPONGE: Final = Bus("sponge", identifier=4, arity=13)

DIGEST_PLACE: Final = -1
"""The place of a digest among a call's messages; blocks count upward from 0 and never get there."""

WIRES: Final = (
    Wire(
        SIXTEEN_BITS,
        ("value",),
        ("limbs",),
        ("range check",),
        "the value lies in [0, 2^16)",
    ),
    Wire(
        CHAIN_POINTS,
        ("key number", "entry", "x 7", "y 7"),
        ("signatures",),
        ("keys",),
        "entry 0 to 3 is the chain's fixed point of that number minus the key, entry 4 is minus the key",
    ),
    Wire(
        KEY_ENDS,
        ("key number", "y3", "y4", "y5", "y6"),
        ("messages",),
        ("keys",),
        "these are the last four elements of the key, which share a block with the message's first",
    ),
    Wire(
        SPONGE,
        ("call", "owner", "place", "kind", "length", "value 8"),
        ("signatures", "messages"),
        ("poseidon",),
        "the call of that kind and length absorbed the eight values as block `place`, or, at place -1, has them as"
        " digest; each message of a call is taken exactly once",
    ),
)
"""All wires; identifiers are never given twice."""
