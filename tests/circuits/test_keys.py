"""The key table provides every key whole and in parts, under one number."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from circuits import key_multiples, keys
from circuits.buses import GENERATOR_POINTS, KEY_ENDS, KEY_ENTRIES, KEY_STARTS, KEYS
from prover.curve.comb import KeyTable, fixed_points, key_table
from prover.curve.key_table_kernels import key_tables
from prover.curve.septic import GENERATOR, Point, multiply_generator
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import Montgomery, encode
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(keys.NAME, keys.constrain)
MULTIPLES = ends.table_of(key_multiples.NAME, key_multiples.constrain)

POINTS = [point for number in (5, 6, 7) if (point := multiply_generator(number)) is not None]


def _columns(points: list[Point]) -> Montgomery:
    return encode(np.array([encode_point(point) for point in points], np.int64).reshape(-1, 14).T)


def _trace(points: list[Point], log_height: int = keys.LEAST_LOG_HEIGHT) -> Montgomery:
    return keys.fill(_columns(points), log_height)


def _count(trace: Montgomery, name: str, rows: int) -> None:
    """Say that the first rows are asked for thrice."""
    trace[TABLE.main_names.index(name), :rows] = encode([3])[0]


def test_a_key_is_provided_whole_and_in_parts_under_its_number() -> None:
    for name, bus, part in (
        ("count of the key", KEYS, lambda point: (0, *point)),
        ("count of its start", KEY_STARTS, lambda point: point[:10]),
        ("count of its end", KEY_ENDS, lambda point: point[10:]),
    ):
        trace = _trace(POINTS)
        _count(trace, name, 3)
        found = ends.inspected([TABLE], {keys.NAME: trace})
        assert found.constraints == ()
        assert ends.loose_ends(found, bus) == Counter(
            {ends.centred((number, *part(encode_point(point)))): -3 for number, point in enumerate(POINTS)}
        )


def test_the_generators_points_are_the_combs_constants() -> None:
    trace = _trace([], 8)
    _count(trace, "count of the generator's point", 256)
    provided = ends.loose_ends(ends.inspected([TABLE], {keys.NAME: trace}), GENERATOR_POINTS)
    # The table repeats them.
    assert provided == Counter({ends.centred(encode_point(point)): -6 for point in fixed_points().table})


def test_a_table_without_keys_holds_the_generator() -> None:
    trace = _trace([])
    assert (trace[1:15] == encode(np.array(encode_point(GENERATOR)))[:, None]).all()
    assert ends.inspected([TABLE], {keys.NAME: trace}).is_clean


def test_two_keys_have_no_common_number() -> None:
    trace = _trace(POINTS)
    trace[0, 1:] = encode(np.arange(trace.shape[1] - 1))
    assert ends.broken(ends.inspected([TABLE], {keys.NAME: trace})) == {"every key has the next number"}


def test_keys_are_numbered_from_zero() -> None:
    trace = _trace(POINTS)
    trace[0] = encode(np.arange(1, trace.shape[1] + 1))
    assert ends.broken(ends.inspected([TABLE], {keys.NAME: trace})) == {"keys are numbered from zero"}


def test_keys_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="129 keys do not fit a table of 128 keys"):
        _trace(POINTS * 43)
    with pytest.raises(ValueError, match="128 points do not fit a table of 64 rows"):
        _trace(POINTS, 6)


def _multiples(points: list[Point], numbers: list[int], log_height: int) -> Montgomery:
    tables = key_tables(_columns(points), has_witness=True)
    return key_multiples.fill(tables, np.array(numbers), log_height)


def test_the_multiples_of_a_key_are_those_of_the_reference() -> None:
    trace = _multiples(POINTS, [4, 8, 9], 8)
    place = MULTIPLES.main_names.index("count of the entry")
    trace[place] = encode([1])[0]
    found = ends.inspected([MULTIPLES], {key_multiples.NAME: trace})
    assert found.constraints == ()
    expected: Counter[tuple[int, ...]] = Counter()
    # The spare block holds the first key again.
    for number, point in zip([4, 8, 9, 4], [*POINTS, POINTS[0]], strict=True):
        table = key_table(point)
        assert isinstance(table, KeyTable)
        for index, entry in enumerate(table.entries):
            expected[ends.centred((number, index, *encode_point(entry)))] -= 1
    provided = ends.loose_ends(found, KEY_ENTRIES)
    assert {message: count for message, count in provided.items() if message[1] < 16} == expected


def test_every_block_asks_for_its_key_and_makes_the_multiples_that_it_asks_for() -> None:
    trace = _multiples(POINTS[:1], [4], 6)
    found = ends.inspected([MULTIPLES], {key_multiples.NAME: trace})
    asked = ends.loose_ends(found, KEYS)
    powers = [POINTS[0]]
    for _ in range(3):
        point: Point = powers[-1]
        table = key_table(point)
        assert isinstance(table, KeyTable)
        powers.append(table.doublings[31].point)
    expected = Counter({ends.centred((4, k, *encode_point(power))): 8 >> k for k, power in enumerate(powers)})
    expected[ends.centred((4, 0, *encode_point(POINTS[0])))] += 1
    assert asked == expected


def test_multiples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="the multiples of 3 keys do not fit a table of 2"):
        _multiples(POINTS, [0, 1, 2], 7)
