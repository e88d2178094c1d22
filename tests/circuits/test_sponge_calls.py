"""The Poseidon table computes the sponge of `prover.hash.poseidon`, for calls of every length in one table."""

from __future__ import annotations

import numpy as np
import pytest

from circuits import poseidon
from circuits.buses import DIGEST_PLACE, SPONGE
from circuits.poseidon import SpongeCalls
from prover.air.builder import define_table
from prover.air.inspect import inspect
from prover.field.koalabear import PRIME, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import sponge

TABLE = define_table(poseidon.NAME, poseidon.constrain)

GROUPS = [
    (HashKind.SPONGE, 0, 2),
    (HashKind.ORDER, 1, 3),
    (HashKind.SIGNATURE_CHALLENGE, 8, 1),
    (HashKind.STATE_LEAF, 9, 4),
    (HashKind.STATE_LEAF, 24, 2),
]
"""Kind, length and number of calls: an empty input, a partial, a full and a second block."""


def _elements(length: int, count: int) -> list[list[int]]:
    return [[1000 * length + 10 * call + i for i in range(length)] for call in range(count)]


def _calls() -> list[SpongeCalls]:
    return [
        SpongeCalls(
            kind,
            np.arange(count, dtype=np.uint32) + 70,
            encode(np.array(_elements(length, count), dtype=np.int64).reshape(count, length).T),
        )
        for kind, length, count in GROUPS
    ]


def test_the_digests_are_the_references() -> None:
    _, digests = poseidon.fill(_calls(), 5)
    for (kind, length, count), found in zip(GROUPS, digests, strict=True):
        expected = [list(sponge(poseidon.PARAMETERS, kind, one)) for one in _elements(length, count)]
        assert decode(found).T.tolist() == expected


def test_calls_of_many_lengths_break_no_rule_and_say_what_they_absorbed() -> None:
    trace, digests = poseidon.fill(_calls(), 5)
    found = inspect([TABLE], {poseidon.NAME: trace}, is_montgomery=True)
    assert found.constraints == ()
    received = {message.message for message in found.messages if message.bus == SPONGE.name}
    call = 0
    for (kind, length, count), digest in zip(GROUPS, digests, strict=True):
        for number, elements in enumerate(_elements(length, count)):
            heading = (call, 70 + number)
            padded = [*elements, *[0] * (-len(elements) % 8)] or [0] * 8
            for block in range(len(padded) // 8):
                values = padded[8 * block : 8 * block + 8]
                received.remove((*heading, block, int(kind), length, *values))
            place = DIGEST_PLACE % PRIME
            received.remove((*heading, place, int(kind), length, *decode(digest).T.tolist()[number]))
            call += 1
    assert received == set()


def test_calls_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="20 permutations do not fit a table of 16 rows"):
        poseidon.fill(_calls(), 4)
