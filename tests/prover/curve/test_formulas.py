"""The polynomials of curve and comb: they vanish on honest steps, on nothing else, and have the degrees they name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.air.expression import Cell, CellKind, Expression, read
from prover.curve import formulas, packed, septic
from prover.curve.comb import Comb, CombStep, ExceptionalAddition, run_comb
from prover.curve.formulas import Element
from prover.curve.septic import GENERATOR, ORDER, Point
from prover.field.koalabear import PRIME

ZERO = (0,) * 7


def reduced(element: formulas.Septic[int]) -> tuple[int, ...]:
    return tuple(coefficient % PRIME for coefficient in element)


def divide(numerator: formulas.Septic[int], denominator: formulas.Septic[int]) -> Element:
    divisor = packed.inverse(packed.pack(reduced(denominator)))
    return packed.unpack(packed.multiply(packed.pack(reduced(numerator)), divisor))


@pytest.fixture(scope="module")
def comb() -> Comb:
    key = septic.multiply_generator(0x5EED)
    assert key is not None
    found = run_comb(key, ORDER // 3, (1 << 124) // 5)
    assert not isinstance(found, ExceptionalAddition)
    return found


def step_residuals(step: CombStep, result: Point) -> list[tuple[int, ...]]:
    """Everything that a circuit states of one step."""
    p, t, u = step.accumulator, step.generator_entry, step.key_entry
    n_x = formulas.double_and_add_x(step.slope, step.second_slope, t.x)
    n_y = formulas.sum_y(step.second_slope, p.x, p.y, n_x)
    r_x = formulas.sum_x(step.third_slope, n_x, u.x)
    return [
        reduced((formulas.apart_residual(step.apart, p.x, t.x), 0, 0, 0, 0, 0, 0)),
        reduced(formulas.chord_residual(step.slope, p.x, p.y, t.x, t.y)),
        reduced(formulas.second_chord_residual(step.slope, step.second_slope, p.x, p.y, t.x)),
        reduced((formulas.apart_residual(step.third_apart, n_x, u.x), 0, 0, 0, 0, 0, 0)),
        reduced(formulas.chord_residual(step.third_slope, n_x, n_y, u.x, u.y)),
        reduced(formulas.subtract(result.x, r_x)),
        reduced(formulas.subtract(result.y, formulas.sum_y(step.third_slope, u.x, u.y, result.x))),
    ]


def test_every_relation_holds_on_every_step(comb: Comb) -> None:
    results = [step.accumulator for step in comb.steps[1:]] + [comb.result]
    for step, result in zip(comb.steps, results, strict=True):
        assert step_residuals(step, result) == [ZERO] * 7


def test_every_relation_holds_on_a_key_s_table(comb: Comb) -> None:
    table = comb.key_table
    doubled = [doubling.point for doubling in table.doublings[1:]] + [table.last_multiple]
    for doubling, result in zip(table.doublings, doubled, strict=True):
        point, x = doubling.point, formulas.double_x(doubling.slope, doubling.point.x)
        assert reduced(formulas.tangent_residual(doubling.slope, point.x, point.y)) == ZERO
        assert reduced(x) == result.x
        assert reduced(formulas.sum_y(doubling.slope, point.x, point.y, x)) == result.y
    for addition in table.additions:
        left, right, result = addition.entry, addition.summand, addition.result
        x = formulas.sum_x(addition.slope, left.x, right.x)
        assert formulas.apart_residual(addition.apart, left.x, right.x) % PRIME == 0
        assert reduced(formulas.chord_residual(addition.slope, left.x, left.y, right.x, right.y)) == ZERO
        assert reduced(x) == result.x
        assert reduced(formulas.sum_y(addition.slope, left.x, left.y, x)) == result.y


STEP_NUMBERS = 63
"""All 67 numbers of a step but the witnesses, of which many exist: three points and three slopes."""


@given(st.integers(0, STEP_NUMBERS - 1), st.integers(1, PRIME - 1))
def test_a_step_with_one_number_changed_breaks_a_relation(comb: Comb, position: int, change: int) -> None:
    step, result = comb.steps[20], comb.steps[21].accumulator
    p, t, u = step.accumulator, step.generator_entry, step.key_entry
    slopes = (*step.slope, *step.second_slope, *step.third_slope)
    numbers = [*p.x, *p.y, *t.x, *t.y, *u.x, *u.y, *slopes]
    numbers[position] = (numbers[position] + change) % PRIME
    e = [packed.unpack(packed.pack(numbers[start : start + 7])) for start in range(0, STEP_NUMBERS, 7)]
    changed = replace(
        step,
        accumulator=Point(e[0], e[1]),
        generator_entry=Point(e[2], e[3]),
        key_entry=Point(e[4], e[5]),
        slope=e[6],
        second_slope=e[7],
        third_slope=e[8],
    )
    assert step_residuals(changed, result) != [ZERO] * 7


def test_no_witness_stands_apart_what_agrees_in_two_coefficients() -> None:
    left = GENERATOR.x
    right = (left[0], left[1], left[2] + 1, left[3] + 1, left[4] + 1, left[5] + 1, left[6] + 1)
    for witness in ((0, 0), (1, 0), (5, PRIME - 1)):
        assert formulas.apart_residual(witness, left, right) == -1
    assert formulas.apart_residual((0, 1), left, (left[0], left[1] + 1, *left[2:])) == 0
    assert formulas.apart_residual((1, 0), left, (left[0] + 1, *left[1:])) == 0


def test_an_addition_of_a_point_to_itself_leaves_the_slope_free_and_has_no_witness_to_offer() -> None:
    x, y = GENERATOR.x, GENERATOR.y
    anything = (7, 8, 9, 10, 11, 12, 13)
    assert reduced(formulas.chord_residual(anything, x, y, x, y)) == ZERO
    assert formulas.apart_residual((anything[0], anything[1]), x, x) == -1


def test_where_a_step_would_reach_the_identity_no_second_slope_exists() -> None:
    """With T = -2 P the sum P + T is -P: whatever the second slope, the relation leaves 2 y(P)."""
    addend = septic.negate(septic.double(GENERATOR))
    assert addend is not None
    slope = divide(formulas.subtract(addend.y, GENERATOR.y), formulas.subtract(addend.x, GENERATOR.x))
    for second_slope in (ZERO, slope, (1, 2, 3, 4, 5, 6, 7)):
        residual = formulas.second_chord_residual(slope, second_slope, GENERATOR.x, GENERATOR.y, addend.x)
        assert reduced(residual) == tuple(2 * y % PRIME for y in GENERATOR.y)


def test_the_curve_relation_holds_on_the_curve_and_not_beside_it() -> None:
    beside = packed.unpack(packed.pack(GENERATOR.x) + 1)
    assert reduced(formulas.curve_residual(GENERATOR.x, GENERATOR.y)) == ZERO
    assert reduced(formulas.curve_residual(beside, GENERATOR.y)) != ZERO


def columns(block: int) -> formulas.Septic[Expression]:
    c0, c1, c2, c3, c4, c5, c6 = (read(Cell(CellKind.MAIN, 7 * block + place)) for place in range(7))
    return (c0, c1, c2, c3, c4, c5, c6)


def test_the_formulas_take_expressions_and_stay_within_degree_three() -> None:
    x, y, addend_x, addend_y, slope, second_slope, key_x, key_y, third, following = map(columns, range(10))
    witness = (following[0], following[1])
    n_x = formulas.double_and_add_x(slope, second_slope, addend_x)
    n_y = formulas.sum_y(second_slope, x, y, n_x)
    relations = {
        "curve": formulas.curve_residual(x, y),
        "apart": (formulas.apart_residual(witness, x, addend_x),),
        "chord": formulas.chord_residual(slope, x, y, addend_x, addend_y),
        "second chord": formulas.second_chord_residual(slope, second_slope, x, y, addend_x),
        "third apart": (formulas.apart_residual(witness, n_x, key_x),),
        "third chord": formulas.chord_residual(third, n_x, n_y, key_x, key_y),
        "next x": formulas.subtract(following, formulas.sum_x(third, n_x, key_x)),
        "next y": formulas.subtract(following, formulas.sum_y(third, key_x, key_y, following)),
        "tangent": formulas.tangent_residual(slope, x, y),
        "double x": formulas.double_x(slope, x),
    }
    degrees = {name: max(part.degree for part in relation) for name, relation in relations.items()}
    assert degrees == {
        "curve": 3,
        "apart": 2,
        "chord": 2,
        "second chord": 3,
        "third apart": 3,
        "third chord": 3,
        "next x": 2,
        "next y": 2,
        "tangent": 2,
        "double x": 2,
    }
