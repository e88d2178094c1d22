"""The Poseidon table computes the sponge of `prover.hash.poseidon`, for calls of every length in one table."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits import poseidon
from circuits.buses import COMPRESS, DIGEST_PLACE, SPONGE
from circuits.compressions import COUNT, NodeCalls
from circuits.poseidon import SpongeCalls
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


def test_no_call_breaks_off() -> None:
    """Blocks without a digest that somebody asks for."""
    trace, _ = poseidon.fill(_calls(), 5)
    last = sum(group.rows for group in _calls()) - 1
    trace[_control("is live"), last] = 0
    assert "no call breaks off" in _broken(trace)


def test_a_call_at_the_end_of_the_table_ends_there() -> None:
    """The row below the last one is the first, which begins a call: so the digest is taken on the last row."""
    full, _ = poseidon.fill(_calls()[:2], 3)
    long, _ = poseidon.fill(_calls()[-1:], 3)
    # The last two rows of the table become the first two of a call of three.
    cut = full.copy()
    cut[:, 6:] = long[:, :2]
    cut[_control("call"), 6:] = full[_control("call"), 6]
    assert _broken(cut) == set()
    found = inspect([TABLE], {poseidon.NAME: cut}, is_montgomery=True)
    digests = [one.message[6:] for one in found.messages if one.message[2] == DIGEST_PLACE % PRIME]
    outputs = decode(long[poseidon.PERMUTATION_COLUMNS - 16 : poseidon.PERMUTATION_COLUMNS - 8, 1])
    assert tuple(outputs.tolist()) in digests


def test_a_call_does_not_go_on_below_a_row_that_is_not_live() -> None:
    """Else its capacity would be whatever the dead row's permutation leaves."""
    trace, _ = poseidon.fill(_calls(), 5)
    last = sum(group.rows for group in _calls()) - 1
    trace[_control("is first"), last + 2] = 0
    trace[_control("is live"), last + 2] = ONE
    assert "a call begins below a dead row" in _broken(trace)


@pytest.mark.parametrize("element", range(8))
def test_a_call_begins_with_its_own_capacity(element: int) -> None:
    trace, _ = poseidon.fill(_calls(), 5)
    trace[8 + element, 0] = encode([77])[0]
    name = f"a call begins with its kind, length, suite and label in capacity element {element}"
    assert name in _broken(trace)


def _answers(trace: NDArray[np.uint32]) -> set[tuple[int, ...]]:
    """What the rows say about nodes."""
    trace = trace.copy()
    trace[-1] = ONE
    found = inspect([TABLE], {poseidon.NAME: trace}, is_montgomery=True)
    return {message.message for message in found.messages if message.bus == COMPRESS.name}


def test_nodes_are_the_references_compressions_and_break_no_rule() -> None:
    for calls, log_height in (([], 3), (_calls(), 5)):
        trace, _ = poseidon.fill(calls, log_height, _nodes())
        assert _broken(trace) == set()
        assert _node_messages() <= _answers(trace)
        assert TABLE.main_names[-1] == COUNT


def test_equal_nodes_take_one_row() -> None:
    trace, _ = poseidon.fill([], 3, [*_nodes(), *_nodes()])
    assert (trace == poseidon.fill([], 3, _nodes())[0]).all()
    for number, level in enumerate((5, 6)):
        # The same sides at another level are another node.
        other = NodeCalls(np.array([level]), _nodes()[0].inputs[:, :1])
        assert (poseidon.fill([], 3, [other])[0][:, 0] != trace[:, 0]).any(), number


def test_a_node_is_said_at_its_own_level_and_with_its_input_added_back() -> None:
    trace, _ = poseidon.fill([], 3, _nodes())
    trace[_control("owner"), 0] = encode([12])[0]
    level, *values = next(one for one in _answers(trace) if one[0] == 12)
    assert level == 12
    assert tuple(values[16:]) == compress(SIDES[0][0], SIDES[0][1], 33, poseidon.PARAMETERS)
    # Who asks for level 12 asks for other sides: what the level adds is taken off the last of them.
    assert values[15] == SIDES[0][1][7] + 33 - 12


def test_nodes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="5 permutations do not fit a table of 2 rows"):
        poseidon.fill([], 1, _nodes())


def test_an_empty_table_breaks_no_rule() -> None:
    assert _broken(poseidon.fill([], 0)[0]) == set()


def test_the_digests_are_the_references() -> None:
    _, digests = poseidon.fill(_calls(), 5)
    for (kind, length, count), found in zip(GROUPS, digests, strict=True):
        expected = [
            list(sponge(poseidon.PARAMETERS, kind, one, _label(length))) for one in _elements(length, count)
        ]
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
                received.remove((*heading, block, int(kind), length, _label(length), *values))
            place = DIGEST_PLACE % PRIME
            received.remove(
                (*heading, place, int(kind), length, _label(length), *decode(digest).T.tolist()[number])
            )
            call += 1
    assert received == set()


def test_calls_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="20 permutations do not fit a table of 16 rows"):
        poseidon.fill(_calls(), 4)
