"""What the node and the process that writes its checkpoints say to one another, each time one request and one answer.

    length (4), kind (1), body

    node ──► process    begin    the node has read what it needs: the checkpoint may be read again
                        batch    a closed batch in bytes
                        urgent batch    the same, where others wait behind it
                        stage    number (4), how far it has come
                        end      nothing follows
    process ──► node    done     the root of what is written down, where there is a new one; 8 elements (4 each)
                        failed   one line for a person; the process ends

Soundness: nobody else holds an end of this pair of sockets, so what is read is what the other half of the node wrote.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

from rollup.state_tree import Digest

HEAD: Final = Struct(">IB")
_ROOT: Final = Struct(">8I")
_NUMBER: Final = Struct(">I")


class Said(IntEnum):
    """What a message is."""

    BEGIN = 1
    BATCH = 2
    URGENT_BATCH = 3
    STAGE = 4
    END = 5
    DONE = 6
    FAILED = 7


def message(kind: Said, body: bytes = b"") -> bytes:
    """Spell a message."""
    return HEAD.pack(len(body), kind) + body


def spell_root(root: Digest) -> bytes:
    """Spell a root."""
    return _ROOT.pack(*root)


def spelled_root(body: bytes) -> Digest:
    """Read it again."""
    return _ROOT.unpack(body)


def spell_stage(number: int, stage: str) -> bytes:
    """Spell how far a batch has come."""
    return _NUMBER.pack(number) + stage.encode()


def spelled_stage(body: bytes) -> tuple[int, str]:
    """Read it again."""
    (number,) = _NUMBER.unpack_from(body)
    return number, body[_NUMBER.size :].decode()
