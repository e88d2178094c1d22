"""The key table provides every key whole, under one number."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from circuits import keys
from circuits.buses import KEYS
from prover.curve.septic import GENERATOR, Point, multiply_generator
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import Montgomery, encode
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(keys.NAME, keys.constrain)

POINTS = [point for number in (5, 6, 7) if (point := multiply_generator(number)) is not None]


def _trace(points: list[Point], log_height: int) -> Montgomery:
    columns = np.array([encode_point(point) for point in points], np.int64).reshape(-1, 14).T
    return keys.fill(encode(columns), log_height)


def test_a_key_is_provided_whole_under_its_number() -> None:
    trace = _trace(POINTS, 4)
    trace[keys.COLUMNS - 1, :: keys.BLOCK] = encode([3])[0]
    found = ends.inspected([TABLE], {keys.NAME: trace})
    assert found.constraints == ()
    provided = ends.loose_ends(found, KEYS)
    # The block that is left over holds the last key again, under a number that nobody asks for.
    expected = enumerate([*POINTS, POINTS[-1]])
    assert provided == Counter(
        {ends.centred((number, *encode_point(point))): -3 for number, point in expected}
    )


def test_a_table_without_keys_holds_one_that_nobody_asks_for() -> None:
    trace = _trace([], 3)
    assert (trace[1:15, 0] == encode(np.array(encode_point(GENERATOR)))).all()
    assert ends.inspected([TABLE], {keys.NAME: trace}).is_clean


def test_two_keys_have_no_common_number() -> None:
    trace = _trace(POINTS, 4)
    trace[0, keys.BLOCK :] = encode(np.repeat(np.arange(3), keys.BLOCK))
    assert ends.broken(ends.inspected([TABLE], {keys.NAME: trace})) == {"every key has the next number"}


def test_a_block_holds_one_key() -> None:
    """The rows below the first of another key: each lends the number a sum of its own."""
    trace = _trace(POINTS, 4)
    number = trace[0].copy()
    trace[:, 1 : keys.BLOCK] = trace[:, keys.BLOCK + 1 : 2 * keys.BLOCK]
    trace[0] = number
    assert ends.broken(ends.inspected([TABLE], {keys.NAME: trace})) == {"the rows of a block hold one key"}


def test_keys_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 keys do not fit a table of 2 keys"):
        _trace(POINTS, 3)
