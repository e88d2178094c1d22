"""The polynomials of curve and chain: they vanish on honest steps, on nothing else, and have the degrees they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.air.expression import Cell, CellKind, Expression, read
from prover.curve import formulas, packed, septic
from prover.curve.chain import Chain, ChainStep, ExceptionalAddition, run_chain
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
def chain() -> Chain:
    key = septic.multiply_generator(0x5EED)
    assert key is not None
    found = run_chain(key, ORDER // 3, (1 << 124) // 5)
    assert not isinstance(found, ExceptionalAddition)
    return found


def step_residuals(step: ChainStep, result: Point) -> list[tuple[int, ...]]:
    """Everything that a circuit states of one step."""
    p, t = step.accumulator, step.addend
    return [
        reduced(formulas.inverse_residual(step.inverse, p.x, t.x)),
        reduced(formulas.chord_residual(step.slope, p.x, p.y, t.x, t.y)),
        reduced(formulas.second_chord_residual(step.slope, step.second_slope, p.x, p.y, t.x)),
        reduced(formulas.subtract(result.x, formulas.double_and_add_x(step.slope, step.second_slope, t.x))),
        reduced(formulas.subtract(result.y, formulas.sum_y(step.second_slope, p.x, p.y, result.x))),
    ]


def test_every_relation_holds_on_every_step(chain: Chain) -> None:
    results = [step.accumulator for step in chain.steps[1:]] + [chain.result]
    for step, result in zip(chain.steps, results, strict=True):
        assert step_residuals(step, result) == [ZERO] * 5


def test_every_relation_holds_on_the_additions_to_the_table(chain: Chain) -> None:
    for addition in chain.additions:
        left, right, result = addition.fixed, addition.minus_key, addition.result
        x = formulas.sum_x(addition.slope, left.x, right.x)
        assert reduced(formulas.inverse_residual(addition.inverse, left.x, right.x)) == ZERO
        assert reduced(formulas.chord_residual(addition.slope, left.x, left.y, right.x, right.y)) == ZERO
        assert reduced(x) == result.x
        assert reduced(formulas.sum_y(addition.slope, left.x, left.y, x)) == result.y


@given(st.integers(0, 48), st.integers(1, PRIME - 1))
def test_a_step_with_one_number_changed_breaks_a_relation(chain: Chain, position: int, change: int) -> None:
    """Accumulator, addend, inverse and both slopes: all 49 numbers of a step are bound."""
    step, result = chain.steps[100], chain.steps[101].accumulator
    numbers = [
        *step.accumulator.x,
        *step.accumulator.y,
        *step.addend.x,
        *step.addend.y,
        *step.inverse,
        *step.slope,
        *step.second_slope,
    ]
    numbers[position] = (numbers[position] + change) % PRIME
    parts = [packed.unpack(packed.pack(numbers[start : start + 7])) for start in range(0, 49, 7)]
    bits = (step.low_bit, step.high_bit, step.challenge_bit)
    changed = ChainStep(
        *bits, Point(parts[0], parts[1]), Point(parts[2], parts[3]), parts[4], parts[5], parts[6]
    )
    assert step_residuals(changed, result) != [ZERO] * 5


def test_an_addition_of_a_point_to_itself_leaves_the_slope_free_and_has_no_inverse_to_offer() -> None:
    x, y = GENERATOR.x, GENERATOR.y
    anything = (7, 8, 9, 10, 11, 12, 13)
    assert reduced(formulas.chord_residual(anything, x, y, x, y)) == ZERO
    assert reduced(formulas.inverse_residual(anything, x, x)) == (PRIME - 1, 0, 0, 0, 0, 0, 0)


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
    x, y, addend_x, addend_y, inverse, slope, second_slope, following = map(columns, range(8))
    relations = {
        "curve": formulas.curve_residual(x, y),
        "inverse": formulas.inverse_residual(inverse, x, addend_x),
        "chord": formulas.chord_residual(slope, x, y, addend_x, addend_y),
        "second chord": formulas.second_chord_residual(slope, second_slope, x, y, addend_x),
        "next x": formulas.subtract(following, formulas.double_and_add_x(slope, second_slope, addend_x)),
        "next y": formulas.subtract(following, formulas.sum_y(second_slope, x, y, following)),
    }
    degrees = {name: max(part.degree for part in relation) for name, relation in relations.items()}
    assert degrees == {"curve": 3, "inverse": 2, "chord": 2, "second chord": 3, "next x": 2, "next y": 2}
