"""The messages of signatures: one row a message, all its elements beside each other.

    block 3 of the call     key y3 .. y6, message 0 .. 3
    block 4                 message 4 .. 11
    ...                     the last one filled with zeros

A table of orders or of transfers does the same with columns of its own; this one holds elements without a meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import KEY_ENDS, SPONGE
from circuits.signature import NO_LABEL
from prover.air.builder import AirBuilder
from prover.air.expression import Operand
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import RATE
from rollup.schnorr import SignatureSuite

NAME: Final = "messages"

FIRST_BLOCK: Final = 3
"""R and the key's first ten elements fill the blocks before, which the signature table sends."""

KEY_END_ELEMENTS: Final = 2 * POINT_ELEMENTS - FIRST_BLOCK * RATE
"""What is left of the key for this table's first block."""

HEAD: Final = ("is live", "call", "key number", *(f"key y{i}" for i in range(7 - KEY_END_ELEMENTS, 7)))


def constrain_messages(message_length: int) -> Callable[[AirBuilder], None]:
    """The constraints of messages of one length."""

    def constrain(air: AirBuilder) -> None:
        """Send the message's blocks into the sponge call of its signature.

        Guarantees: a live row's message was signed, in the way that the signature table states, by the key of that
        number: a call's blocks balance only if the signature table sends the three before them.
        """
        is_live, call, key_number, *key_end = air.columns(*HEAD)
        message = [air.column(f"message {i}") for i in range(message_length)]
        # Soundness: the suite says how the challenge was hashed; a signature of one suite is none of another.
        air.assert_zero(
            "the message begins with its suite",
            is_live * (message[0] - int(SignatureSuite.SEPTIC_POSEIDON16_20)),
        )
        air.send(KEY_ENDS, [key_number, *key_end], when=is_live)
        elements = [*key_end, *message]
        length = 2 * POINT_ELEMENTS + message_length
        for start in range(0, len(elements), RATE):
            block = elements[start : start + RATE]
            kind = int(HashKind.SIGNATURE_CHALLENGE)
            tags: list[Operand] = [call, key_number, FIRST_BLOCK + start // RATE, kind, length, NO_LABEL]
            air.send(SPONGE, [*tags, *block, *[0] * (RATE - len(block))], when=is_live)

    return constrain


def fill(
    calls: NDArray[np.uint32],
    key_numbers: NDArray[np.uint32],
    keys: Montgomery,
    messages: Montgomery,
    log_height: int,
) -> Montgomery:
    """The trace of messages (length, n) under keys (14, n); rows that are left over are dead."""
    count = messages.shape[1]
    trace = np.zeros((len(HEAD) + len(messages), 1 << log_height), np.uint32)
    trace[0, :count] = encode([1])[0]
    trace[1:3, :count] = encode(np.stack([calls, key_numbers]))
    trace[3 : len(HEAD), :count] = keys[POINT_ELEMENTS - KEY_END_ELEMENTS :]
    trace[len(HEAD) :, :count] = messages
    return trace
