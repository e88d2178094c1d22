"""The comb's kernels: number for number the reference comb, exceptional cases included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.curve import septic
from prover.curve.comb import (
    CHALLENGE_PARTS,
    DOUBLINGS,
    KEY_ENTRIES,
    STEPS,
    CombBatch,
    ExceptionalAddition,
    KeyTable,
    KeyTables,
    changed_part,
    fixed_points,
    gray,
    key_table,
    run_comb,
)
from prover.curve.comb_kernels import generator_multiples, run_combs
from prover.curve.key_table_kernels import key_tables
from prover.curve.septic import GENERATOR, ORDER, GroupElement, Point
from prover.field.koalabear import PRIME, decode, encode

Claim = tuple[Point, int, tuple[int, ...]]
"""A key, a response, and the four elements of a challenge."""

TOP: tuple[int, ...] = (0, 0, 0, 1 << 30)
"""The challenge whose first step adds U[8] = C - 2^93 key, and every other U[0] = C."""


def affine(element: GroupElement) -> Point:
    assert element is not None
    return element


def multiple(scalar: int) -> Point:
    return affine(septic.multiply_generator(scalar))


def number(challenge: Sequence[int]) -> int:
    return sum(element << 31 * index for index, element in enumerate(challenge))


def limbs(numbers: Sequence[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    return np.array([[one >> 16 * index & 0xFFFF for one in numbers] for index in range(14)], np.uint32)


def tables_of(keys: Sequence[Point], *, has_witness: bool = True, threads: int = 1) -> KeyTables:
    columns = encode(np.array([septic.encode(key) for key in keys], np.uint32).T)
    return key_tables(columns, has_witness=has_witness, threads=threads)


def run(claims: Sequence[Claim], *, has_witness: bool = True, threads: int = 1) -> CombBatch:
    keys = list(dict.fromkeys(key for key, _, _ in claims))
    which = np.array([keys.index(key) for key, _, _ in claims])
    challenges = np.array([challenge for _, _, challenge in claims], np.uint32).T
    responses = limbs([response for _, response, _ in claims])
    tables = tables_of(keys, has_witness=False, threads=threads)
    return run_combs(tables, which, responses, challenges, has_witness=has_witness, threads=threads)


def assert_tables_agree(keys: Sequence[Point], tables: KeyTables) -> None:
    rows, doublings, additions = decode(tables.rows), decode(tables.doublings), decode(tables.additions)
    for place, key in enumerate(keys):
        table = key_table(key)
        assert tables.is_exceptional[place] == isinstance(table, ExceptionalAddition)
        if isinstance(table, ExceptionalAddition):
            continue
        assert [tuple(row) for row in rows[place].tolist()] == [
            (*septic.encode(entry), 0, 0) for entry in table.entries
        ]
        assert [tuple(column) for column in doublings[:, :, place].T.tolist()] == [
            *(septic.encode(doubling.point) + doubling.slope for doubling in table.doublings),
            septic.encode(table.last_multiple) + (0,) * 7,
        ]
        assert [tuple(column) for column in additions[:, :, place].T.tolist()] == [
            *(septic.encode(one.entry) + one.slope + one.apart for one in table.additions),
            septic.encode(table.additions[-1].result) + (0,) * 9,
        ]


def assert_agrees(claims: Sequence[Claim], batch: CombBatch) -> None:
    results, steps = decode(batch.results), decode(batch.steps)
    for place, (key, response, challenge) in enumerate(claims):
        comb = run_comb(key, response, number(challenge))
        assert batch.is_exceptional[place] == isinstance(comb, ExceptionalAddition)
        if isinstance(comb, ExceptionalAddition):
            continue
        assert tuple(results[:, place].tolist()) == septic.encode(comb.result)
        assert [tuple(column) for column in steps[:, :, place].T.tolist()] == [
            step.accumulator.x
            + step.generator_entry.x
            + septic.encode(step.key_entry)
            + step.slope
            + step.second_slope
            + step.third_slope
            + step.apart
            + step.third_apart
            for step in comb.steps
        ]


scalars = st.integers(1, ORDER - 1)
keys_drawn = scalars.map(multiple)
responses = st.integers(0, ORDER - 1) | st.sampled_from([0, 1, (1 << 31) - 1, 1 << 31, ORDER - 1])
elements = st.integers(0, PRIME - 1) | st.sampled_from([0, 1, PRIME - 1])
claims_drawn = st.tuples(keys_drawn, responses, st.tuples(*[elements] * 4))


@settings(max_examples=3)  # The reference takes a tenth of a second a key.
@given(st.lists(keys_drawn, min_size=1, max_size=18))
def test_the_kernel_makes_the_reference_s_tables(keys: list[Point]) -> None:
    assert_tables_agree(keys, tables_of(keys))


@settings(max_examples=5)  # As above: lists of up to eighteen.
@given(st.lists(claims_drawn, min_size=1, max_size=18))
def test_the_kernel_computes_the_reference_s_numbers(claims: list[Claim]) -> None:
    assert_agrees(claims, run(claims))


def divided(element: GroupElement, divisor: int) -> Point:
    return affine(septic.multiply(element, pow(divisor, -1, ORDER)))


def exceptional_keys() -> list[Point]:
    """For each addition of a key's table the two keys that make its summands equal and opposite."""
    made = []
    for addition in range(KEY_ENTRIES - 1):
        held = sum((gray(addition) >> part & 1) << STEPS * part for part in range(CHALLENGE_PARTS))
        changed = 1 << STEPS * changed_part(addition)[0]
        made += [divided(fixed_points().key_offset, held + sign * changed) for sign in (1, -1)]
    return made


def exceptional_claims() -> list[Claim]:
    """One claim for each way in which an addition can be exceptional."""
    fixed = fixed_points()
    doubled = septic.add(septic.double(fixed.start), fixed.table[0])
    # With response 0 the first step's result is doubled + C - 2^93 key, and the second step adds B to it.
    offset = fixed.generator_offset
    wanted = [offset, septic.negate_point(offset), septic.negate(divided(offset, 2))]
    keys = [
        divided(septic.add(septic.add(doubled, fixed.key_offset), septic.negate(point)), 1 << DOUBLINGS)
        for point in wanted
    ]
    keys += [
        divided(septic.add(fixed.key_offset, septic.negate(point)), 1 << DOUBLINGS)
        for point in (doubled, septic.negate(doubled))
    ]
    return [
        *((key, 5, (1, 2, 3, 4)) for key in exceptional_keys()),
        *((key, 0, TOP) for key in keys),
        (multiple(7), 7 * 99, (99, 0, 0, 0)),
        (GENERATOR, 0, (0, 0, 0, 0)),
    ]


def test_every_kind_of_exceptional_addition_is_flagged() -> None:
    claims = exceptional_claims()
    assert tables_of(exceptional_keys()).is_exceptional.all()
    assert run(claims).is_exceptional.tolist() == [True] * len(claims)


def test_an_exceptional_lane_does_not_disturb_its_neighbours() -> None:
    """Neither in its own vector, nor in the one that shares its inversions."""
    good: Claim = (multiple(99), ORDER // 7, (5, 6, 7, 8))
    claims = [claim for exceptional in exceptional_claims() for claim in (good, exceptional)]
    batch = run(claims)
    assert batch.is_exceptional.tolist() == [False, True] * (len(claims) // 2)
    assert_agrees(claims, batch)
    keys = [key for exceptional in exceptional_keys() for key in (multiple(7), exceptional)]
    tables = tables_of(keys)
    assert isinstance(key_table(keys[0]), KeyTable)
    assert_tables_agree(keys, tables)


def test_where_the_first_coefficients_agree_the_second_is_the_witness() -> None:
    """The key makes U[8] agree with N of the first step in the first coefficient of x alone."""
    fixed = fixed_points()
    doubled = affine(septic.add(septic.double(fixed.start), fixed.table[0]))
    neighbour = None
    for shift in range(1, 20):
        x0, x1, x2, x3, x4, x5, x6 = doubled.x
        neighbour = neighbour or septic.lift_x((x0, (x1 + shift) % PRIME, x2, x3, x4, x5, x6))
    key = divided(septic.add(fixed.key_offset, septic.negate(neighbour)), 1 << DOUBLINGS)
    good: Claim = (multiple(99), ORDER // 7, (5, 6, 7, 8))
    claims: list[Claim] = [good] * 20 + [(key, 0, TOP)] + [good] * 20
    batch = run(claims)
    assert decode(batch.steps)[51, 0, 20] == 0, "w0 is zero"
    assert_agrees(claims, batch)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 150])
def test_any_number_of_combs_runs_on_any_number_of_threads(count: int) -> None:
    claims: list[Claim] = [
        (multiple(index % 20 + 1), index * 12345 + 1, (index, 1, 2, 3)) for index in range(count)
    ]
    alone, together = run(claims), run(claims, threads=2)
    some = [*range(min(17, count)), count - 1]
    picked = CombBatch(alone.is_exceptional[some], alone.results[:, some], alone.steps[..., some])
    assert_agrees([claims[place] for place in some], picked)
    for one in fields(CombBatch):
        assert np.array_equal(getattr(alone, one.name), getattr(together, one.name))


@pytest.mark.parametrize("count", [1, 17, 140])
def test_any_number_of_tables_is_made_on_any_number_of_threads(count: int) -> None:
    keys = [multiple(index + 1) for index in range(count)]
    alone, together = tables_of(keys), tables_of(keys, threads=2)
    assert not alone.is_exceptional.any()
    for one in fields(KeyTables):
        assert np.array_equal(getattr(alone, one.name), getattr(together, one.name))
    assert_tables_agree(keys[:3], tables_of(keys[:3]))


def test_without_a_witness_the_result_is_the_same_and_the_steps_are_empty() -> None:
    claims: list[Claim] = [(GENERATOR, 12345, (1, 2, 3, 4))] * 3
    short, full = run(claims, has_witness=False), run(claims)
    assert np.array_equal(short.results, full.results)
    assert short.steps.size == 0
    tables = tables_of([GENERATOR], has_witness=False)
    assert np.array_equal(tables.rows, tables_of([GENERATOR]).rows)
    assert (tables.doublings.size, tables.additions.size) == (0, 0)


@settings(max_examples=5)  # As above: lists of up to forty.
@given(st.lists(responses.filter(lambda response: response != 0), min_size=1, max_size=40))
def test_the_generator_is_multiplied_by_its_table_alone(numbers: list[int]) -> None:
    batch = generator_multiples(limbs(numbers))
    assert not batch.is_exceptional.any()
    columns = decode(batch.results).T.tolist()
    assert [tuple(column) for column in columns] == [septic.encode(multiple(one)) for one in numbers]


def test_a_multiple_of_zero_has_no_coordinates() -> None:
    assert generator_multiples(limbs([5, 0, 7])).is_exceptional.tolist() == [False, True, False]


def test_no_combs_at_all_are_no_mistake() -> None:
    nothing = np.zeros((14, 0), np.uint32)
    tables = key_tables(nothing, has_witness=True)
    batch = run_combs(tables, np.zeros(0, np.int64), nothing, nothing[:4], has_witness=True)
    assert batch.results.shape == (14, 0)
    assert generator_multiples(nothing).results.shape == (14, 0)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_number_that_names_no_table_is_refused_before_the_kernel_reads_it(wrong: int) -> None:
    tables = tables_of([GENERATOR])
    ones = np.ones((14, 1), np.uint32)
    with pytest.raises(IndexError, match="a table that is not there"):
        run_combs(tables, np.array([wrong]), ones, ones[:4], has_witness=False)
