"""No forged table of a key is laid out, and no forged key: what is refused, and by which rule."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from circuits import comb_runs, key_multiples, keys
from circuits.key_multiples import ENTRIES_START, SEGMENT
from prover.air.inspect import inspect
from prover.curve.comb import ExceptionalAddition, fixed_points, key_table
from prover.curve.formulas import DEGREE
from prover.curve.key_table_kernels import key_tables
from prover.curve.septic import GENERATOR, Point, multiply_generator
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from prover.field.koalabear import add as add_elements
from tests.circuits import signed as specimen

ONE = int(encode([1])[0])
OFFSET = fixed_points().key_offset


def affine(point: Point | None) -> Point:
    assert point is not None
    return point


@cache
def _honest() -> dict[str, Montgomery]:
    return specimen.witness(specimen.signed(3, 2), 2).by_table


def _honest_traces() -> dict[str, Montgomery]:
    return {name: trace.copy() for name, trace in _honest().items()}


def _reasons(traces: dict[str, Montgomery]) -> set[str]:
    """What is wrong when all look-ups are counted as they are asked."""
    return specimen.broken(specimen.recounted(traces))


def _multiples(*points: Point) -> Montgomery:
    columns = encode(np.array([encode_point(point) for point in points]).T)
    log_height = key_multiples.LOG_BLOCK + (len(points) - 1).bit_length()
    return key_multiples.fill(
        key_tables(np.ascontiguousarray(columns), has_witness=True), np.arange(len(points)), log_height
    )


def _broken_in(name: str, trace: Montgomery) -> set[str]:
    """The constraints that a trace of one table alone breaks."""
    table = next(table for table in specimen.circuit().tables if table.name == name)
    found = specimen.broken(inspect([table], {name: trace}, is_montgomery=True))
    return {one for one in found if not one.startswith("bus ")}


def _broken_multiples(trace: Montgomery) -> set[str]:
    return _broken_in(key_multiples.NAME, trace)


KEY, OTHER = (affine(multiply_generator(number)) for number in (31337, 271828))


def test_the_multiples_of_another_key_are_refused() -> None:
    """A block of another key under the number of the one that is to sign."""
    traces = _honest_traces()
    multiples = traces[key_multiples.NAME].reshape(key_multiples.COLUMNS, -1, key_multiples.BLOCK)
    assert decode(multiples[0, :3, 0]).tolist() == [0, 1, 2]
    multiples[1:, 1] = multiples[1:, 2]
    assert {"bus keys", "bus key entries"} == _reasons(traces)


def test_a_number_cannot_have_a_second_table() -> None:
    """A spare block of another key under the same number: it would lend its points."""
    traces = _honest_traces()
    multiples = traces[key_multiples.NAME].reshape(key_multiples.COLUMNS, -1, key_multiples.BLOCK)
    multiples[:, 3] = multiples[:, 2]
    multiples[0, 3] = ONE
    assert _reasons(traces) == {"bus keys"}


@pytest.mark.parametrize("segment", range(3))
def test_a_chain_of_doublings_cannot_be_cut(segment: int) -> None:
    """From one row on, the doublings of another key."""
    for row, names in (
        (
            segment * SEGMENT + 5,
            {"the next x is that of four times the point", "the next y is that of four times the point"},
        ),
        (
            segment * SEGMENT,
            {"a segment goes on with the x it ended with", "a segment goes on with the y it ended with"}
            if segment
            else set(),
        ),
    ):
        trace, other = _multiples(KEY), _multiples(OTHER)
        trace[1:, row:ENTRIES_START] = other[1:, row:ENTRIES_START]
        assert _broken_multiples(trace) == names


def test_a_multiple_is_the_second_point_of_its_row() -> None:
    trace, other = _multiples(KEY), _multiples(OTHER)
    row = 2 * SEGMENT - 1
    second = slice(1 + 3 * DEGREE, 1 + 5 * DEGREE)
    trace[second, row] = other[second, row]
    assert _broken_multiples(trace) == {
        "the second x is that of twice the point",
        "the second y is that of twice the point",
        "a segment goes on with the x it ended with",
        "a segment goes on with the y it ended with",
    }


def test_the_entries_start_at_the_offset() -> None:
    trace = _multiples(KEY)
    trace[1:, ENTRIES_START : key_multiples.END] = trace[1:, ENTRIES_START + 1 :].copy()
    found = _broken_multiples(trace)
    assert {"the entries start at their x", "the entries start at their y"} <= found


def test_an_entry_cannot_be_swapped() -> None:
    trace = _multiples(KEY)
    point = slice(1, 1 + 2 * DEGREE)
    rows = [ENTRIES_START + 4, ENTRIES_START + 9]
    trace[point, rows] = trace[point, rows[::-1]]
    assert {"the next entry's x is the sum's", "the next entry's y is the sum's"} <= _broken_multiples(trace)


def test_an_entry_is_made_of_its_keys_multiple() -> None:
    """Every sum is right, but the multiples are another key's: only the look-up refuses them."""
    traces = _honest_traces()
    multiples = traces[key_multiples.NAME].reshape(key_multiples.COLUMNS, -1, key_multiples.BLOCK)
    multiples[1:, 1, ENTRIES_START:] = multiples[1:, 2, ENTRIES_START:]
    assert _reasons(traces) == {"bus keys", "bus key entries"}


def test_a_keys_number_cannot_change_on_the_way() -> None:
    traces = _honest_traces()
    multiples = traces[key_multiples.NAME].reshape(key_multiples.COLUMNS, -1, key_multiples.BLOCK)
    multiples[1:, 1, ENTRIES_START:] = multiples[1:, 2, ENTRIES_START:]
    multiples[0, 2, ENTRIES_START:] = multiples[0, 1, 0]
    multiples[0, 1, ENTRIES_START:] = multiples[0, 3, 0]
    assert "a block has one key" in _reasons(traces)


def test_an_exceptional_table_cannot_be_laid_out() -> None:
    """The key is C: its first entry is C - C."""
    assert isinstance(key_table(OFFSET), ExceptionalAddition)
    assert key_tables(encode(np.array(encode_point(OFFSET)))[:, None], has_witness=True).is_exceptional[0]
    assert "entry and multiple stand apart" in _broken_multiples(_multiples(OFFSET))


def test_who_only_owns_an_exceptional_key_stops_nobody() -> None:
    """The key has its row, no multiples are laid out, and all else is as it was."""
    traces = _honest_traces()
    column = encode(np.array(encode_point(OFFSET)))
    traces[keys.NAME][1:15, 3] = column
    assert _reasons(traces) == set()
    assert comb_runs.signing_keys(np.array([2, 2, 1])).tolist() == [0, 1, 2]


def test_a_key_off_the_curve_is_refused() -> None:
    off = Point(GENERATOR.x, (*GENERATOR.y[:6], (GENERATOR.y[6] + 1) % PRIME))
    for point, names in ((GENERATOR, set()), (off, {"the key is on the curve"})):
        column = encode(np.array(encode_point(point)))[:, None]
        assert _broken_in(keys.NAME, keys.fill(column, keys.LEAST_LOG_HEIGHT)) == names


@pytest.mark.parametrize("row", [0, 7, SEGMENT, ENTRIES_START - 2, ENTRIES_START, ENTRIES_START + 3])
def test_every_column_of_the_multiples_is_bound_alone(row: int) -> None:
    """Copies of one table, each with another cell changed; entries do not use all cells."""
    copies = np.tile(_multiples(KEY), 64)
    for column in range(key_multiples.COLUMNS - 2):
        place = column * key_multiples.BLOCK + row
        copies[column, place] = add_elements(int(copies[column, place]), ONE)
    table = next(table for table in specimen.circuit().tables if table.name == key_multiples.NAME)
    found = inspect([table], {key_multiples.NAME: copies}, is_montgomery=True)
    caught = {(finding.row + late) // key_multiples.BLOCK for finding in found.constraints for late in (0, 1)}
    # On the rows of entries the second slope's cells hold the two weights only.
    unused = {1 + 5 * DEGREE + i for i in range(2, DEGREE)} if row >= ENTRIES_START else set()
    assert set(range(key_multiples.COLUMNS - 2)) - caught <= unused


def test_every_constraint_of_the_multiples_refuses_some_change() -> None:
    honest = np.tile(_multiples(KEY), 64)
    table = next(table for table in specimen.circuit().tables if table.name == key_multiples.NAME)
    silent = {constraint.name for constraint in table.constraints if "happens once" not in constraint.name}
    for row in (0, 5, SEGMENT - 1, SEGMENT, ENTRIES_START - 1, ENTRIES_START, ENTRIES_START + 5):
        trace = honest.copy()
        for column in range(key_multiples.COLUMNS):
            place = column * key_multiples.BLOCK + row
            trace[column, place] = add_elements(int(trace[column, place]), ONE)
        found = inspect([table], {table.name: trace}, is_montgomery=True)
        silent -= {finding.constraint for finding in found.constraints}
    assert silent == set()
