"""The Poseidon table computes the sponge of `prover.hash.poseidon`, for calls of every length in one table."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits import poseidon
from circuits.buses import COMPRESS, DIGEST_PLACE, SPONGE
from circuits.poseidon import NodeCalls, SpongeCalls
from prover.air.builder import define_table
from prover.air.inspect import inspect
from prover.field.koalabear import PRIME, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import compress, sponge

TABLE = define_table(poseidon.NAME, poseidon.constrain)

GROUPS = [
    (HashKind.SPONGE, 0, 2),
    (HashKind.ORDER, 1, 3),
    (HashKind.SIGNATURE_CHALLENGE, 8, 1),
    (HashKind.STATE_LEAF, 9, 4),
    (HashKind.STATE_LEAF, 24, 2),
]
"""Kind, length and number of calls: an empty input, a partial, a full and a second block."""


def _label(length: int) -> int:
    return 300 + length


def _elements(length: int, count: int) -> list[list[int]]:
    return [[1000 * length + 10 * call + i for i in range(length)] for call in range(count)]


def _calls() -> list[SpongeCalls]:
    return [
        SpongeCalls(
            kind,
            _label(length),
            np.arange(count, dtype=np.uint32) + 70,
            encode(np.array(_elements(length, count), dtype=np.int64).reshape(count, length).T),
        )
        for kind, length, count in GROUPS
    ]


SIDES = [(tuple(range(9 * i, 9 * i + 8)), tuple(range(500 + i, 508 + i)), 33 - i) for i in range(5)]


def _nodes() -> list[NodeCalls]:
    inputs = [[*left, *right[:-1], right[-1] + level + 1] for left, right, level in SIDES]
    levels = np.array([level for _, _, level in SIDES], dtype=np.int64)
    columns = encode(np.array(inputs, dtype=np.int64).T)
    return [NodeCalls(levels[:2], columns[:, :2]), NodeCalls(levels[2:], columns[:, 2:])]


def _node_messages() -> set[tuple[int, ...]]:
    return {
        (level, *left, *right, *compress(left, right, level, poseidon.PARAMETERS))
        for left, right, level in SIDES
    }


def _control(name: str) -> int:
    return poseidon.PERMUTATION_COLUMNS + poseidon.CONTROL.index(name)


def _broken(trace: NDArray[np.uint32]) -> set[str]:
    found = inspect([TABLE], {poseidon.NAME: trace}, is_montgomery=True)
    return {finding.constraint for finding in found.constraints}


ONE = int(encode([1])[0])


def test_a_node_is_not_taken_for_a_block_of_a_call() -> None:
    trace, _ = poseidon.fill(_calls(), _nodes(), 5)
    node = sum(group.rows for group in _calls())
    assert trace[_control("is node"), node] == ONE
    trace[_control("is live"), node] = ONE
    assert "a node is no block of a call" in _broken(trace)


def test_a_node_does_not_go_on_as_a_call_and_no_call_as_a_node() -> None:
    trace, _ = poseidon.fill(_calls(), _nodes(), 5)
    node = sum(group.rows for group in _calls())
    below, inside = trace.copy(), trace.copy()
    # The second node becomes a block whose capacity is whatever stands there.
    below[_control("is node"), node + 1] = 0
    below[_control("is live"), node + 1] = ONE
    # The second block of the last call becomes a node.
    inside[_control("is node"), node - 1] = ONE
    inside[_control("is live"), node - 1] = 0
    inside[_control("is last"), node - 1] = 0
    for forged in (below, inside):
        assert any(name.startswith("a call or a node begins") for name in _broken(forged))


def test_no_call_breaks_off() -> None:
    """Blocks without a digest that somebody asks for."""
    trace, _ = poseidon.fill(_calls(), [], 5)
    last = sum(group.rows for group in _calls()) - 1
    trace[_control("is last"), last] = trace[_control("is live"), last] = 0
    assert _broken(trace) == {"no call breaks off"}
    full, _ = poseidon.fill(_calls()[:2], [], 3)
    long, _ = poseidon.fill(_calls()[-1:], [], 3)
    # The last two rows of the table become the first two of a call of three.
    first = full.copy()
    first[:, 5] = full[:, 7]
    first[:, 6:] = long[:, :2]
    assert "the last call ends in the table" in _broken(first)


def test_a_table_of_nodes_alone_breaks_no_rule() -> None:
    trace, digests = poseidon.fill([], _nodes(), 3)
    assert digests == []
    assert _broken(trace) == set()


def test_an_empty_table_breaks_no_rule() -> None:
    assert _broken(poseidon.fill([], [], 0)[0]) == set()


def test_the_digests_are_the_references() -> None:
    _, digests = poseidon.fill(_calls(), _nodes(), 5)
    for (kind, length, count), found in zip(GROUPS, digests, strict=True):
        expected = [
            list(sponge(poseidon.PARAMETERS, kind, one, _label(length))) for one in _elements(length, count)
        ]
        assert decode(found).T.tolist() == expected


def test_calls_of_many_lengths_break_no_rule_and_say_what_they_absorbed() -> None:
    trace, digests = poseidon.fill(_calls(), _nodes(), 5)
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
                received.remove((*heading, block, int(kind), length, _label(length), *values))
            place = DIGEST_PLACE % PRIME
            received.remove(
                (*heading, place, int(kind), length, _label(length), *decode(digest).T.tolist()[number])
            )
            call += 1
    assert received == set()
    assert {message.message for message in found.messages if message.bus == COMPRESS.name} == _node_messages()


def test_calls_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="20 permutations do not fit a table of 16 rows"):
        poseidon.fill(_calls(), [], 4)
