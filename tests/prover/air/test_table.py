"""Tables: selectors, the combined constraint, and what degrees promise."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import pytest

from prover.air.builder import AirBuilder, define_table
from prover.air.expression import Cell, CellKind, Selector, read
from prover.air.reader import evaluate
from prover.air.table import Constraint, Scope, Table
from prover.field.koalabear import PRIME, inverse, power, root_of_unity

A = read(Cell(CellKind.MAIN, 0))


def test_a_constraint_is_multiplied_by_the_selector_of_its_scope() -> None:
    selectors = {
        Scope.FIRST_ROW: Selector.FIRST_ROW,
        Scope.LAST_ROW: Selector.LAST_ROW,
        Scope.TRANSITION: Selector.TRANSITION,
    }
    assert Constraint("c", Scope.EVERY_ROW, A).selected is A
    for scope, selector in selectors.items():
        assert Constraint("c", scope, A).selected is read(Cell(CellKind.SELECTOR, selector)) * A


def test_the_degree_counts_selectors_and_is_at_least_two() -> None:
    assert define_table("t", lambda air: air.assert_zero("a", air.column("a"))).degree == 2
    assert define_table("t", lambda air: air.on_transition.assert_zero("a", air.column("a"))).degree == 2

    def cubic(air: AirBuilder) -> None:
        a = air.column("a")
        air.on_first_row.assert_zero("a squared", a * a)

    assert define_table("t", cubic).degree == 3


def test_the_combination_weighs_each_constraint_with_its_own_power() -> None:
    def constrain(air: AirBuilder) -> None:
        a, b = air.columns("a", "b")
        air.assert_zero("a", a)
        air.on_last_row.assert_zero("b", b)

    table = define_table("t", constrain)
    first, second = (read(Cell(CellKind.COMBINER, index)) for index in range(2))
    expected = first * A + second * (read(Cell(CellKind.SELECTOR, 1)) * read(Cell(CellKind.MAIN, 1)))
    assert table.combination is expected


def test_columns_read_at_the_next_row_are_listed_ascending() -> None:
    def constrain(air: AirBuilder) -> None:
        a, b, c = air.columns("a", "b", "c")
        fixed = air.preprocessed("f")
        sums = air.challenge_column("s", 2)
        air.assert_zero("c then a", c.next * a.next + b)
        air.assert_zero("a again", a.next + fixed)
        air.assert_zero("sums", sums.next * air.challenge(2))

    table = define_table("t", constrain)
    assert table.next_row_columns(CellKind.MAIN) == (0, 2)
    assert table.next_row_columns(CellKind.PREPROCESSED) == ()
    assert table.next_row_columns(CellKind.CHALLENGE_COLUMN, 2) == (0,)
    assert table.next_row_columns(CellKind.CHALLENGE_COLUMN, 1) == ()


def test_every_column_has_a_name_for_messages() -> None:
    def constrain(air: AirBuilder) -> None:
        air.column("a")
        air.preprocessed("f")
        air.periodic("p", [1])
        air.challenge_column("s", 2)

    assert define_table("t", constrain).cell_names() == {
        Cell(CellKind.PREPROCESSED, 0): "f",
        Cell(CellKind.MAIN, 0): "a",
        Cell(CellKind.PERIODIC, 0): "p",
        Cell(CellKind.CHALLENGE_COLUMN, 0, 0, 2): "s",
    }


# Degrees, by interpolation over a small domain: coefficients lowest first.

Polynomial = list[int]


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    product = [0] * (len(left) + len(right) - 1)
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            product[i + j] = (product[i + j] + x * y) % PRIME
    return product


def interpolate(points: list[int], values: list[int]) -> Polynomial:
    total = [0] * len(points)
    for i, value in enumerate(values):
        basis, scale = [1], value
        for j, point in enumerate(points):
            if j != i:
                basis = multiply(basis, [-point % PRIME, 1])
                scale = scale * inverse(points[i] - point) % PRIME
        total = [(old + scale * new) % PRIME for old, new in zip(total, basis, strict=True)]
    return total


def at(polynomial: Polynomial, x: int) -> int:
    return reduce(lambda total, coefficient: (total * x + coefficient) % PRIME, reversed(polynomial), 0)


class Element(int):
    """An integer that stays below the prime."""

    def __add__(self, other: int) -> Element:
        return Element(int.__add__(self, other) % PRIME)

    def __sub__(self, other: int) -> Element:
        return Element(int.__sub__(self, other) % PRIME)

    def __mul__(self, other: int) -> Element:
        return Element(int.__mul__(self, other) % PRIME)


def powers_of_two(air: AirBuilder) -> None:
    value, square = air.columns("value", "square")
    air.assert_equal("square is value squared", square, value * value)
    air.assert_zero("degree four", (square * square - square * value * value) * 5)
    air.on_first_row.assert_equal("value starts at one", value, 1)
    air.on_last_row.assert_equal("value ends at 128", value, 128)
    air.on_transition.assert_equal("value doubles", value.next, value + value)


def quotient_of(constraint: Constraint, trace: list[list[int]], log_height: int) -> tuple[Polynomial, bool]:
    """The constraint as a polynomial over a large domain, divided by x^height - 1, and whether that leaves nothing."""
    height, generator = 1 << log_height, root_of_unity(log_height)
    domain = [power(generator, row) for row in range(height)]
    columns = [interpolate(domain, column) for column in trace]
    wide = root_of_unity(log_height + 3)
    points = [3 * power(wide, position) % PRIME for position in range(8 * height)]
    values: list[int] = []
    for x in points:
        vanishing = (power(x, height) - 1) % PRIME

        def read_cell(cell: Cell, x: int = x, vanishing: int = vanishing) -> Element:
            if cell.kind is CellKind.MAIN:
                return Element(at(columns[cell.index], x * power(generator, cell.row_offset) % PRIME))
            assert cell.kind is CellKind.SELECTOR
            last = inverse(generator)
            return Element(
                {
                    Selector.FIRST_ROW: vanishing * inverse(x - 1),
                    Selector.LAST_ROW: vanishing * inverse(x - last),
                    Selector.TRANSITION: x - last,
                }[Selector(cell.index)]
                % PRIME
            )

        values.append(evaluate([constraint.selected], read_cell, Element)[0])
    numerator = interpolate(points, values)
    quotient = list(numerator)
    # x^n = (x^n - 1) + 1: dividing by x^height - 1 folds the top coefficients down.
    result = [0] * len(numerator)
    for position in range(len(quotient) - 1, height - 1, -1):
        result[position - height] = quotient[position]
        quotient[position - height] = (quotient[position - height] + quotient[position]) % PRIME
        quotient[position] = 0
    return result, not any(quotient)


def degree_of(polynomial: Polynomial) -> int:
    return max((position for position, coefficient in enumerate(polynomial) if coefficient), default=-1)


LOG_HEIGHT = 3
TRACE = [[1 << row for row in range(8)], [1 << (2 * row) for row in range(8)]]


@pytest.mark.parametrize("number", range(5))
def test_the_quotient_of_a_true_constraint_fits_degree_minus_one_pieces(number: int) -> None:
    table: Table = define_table("powers", powers_of_two)
    constraint = table.constraints[number]
    quotient, is_divisible = quotient_of(constraint, TRACE, LOG_HEIGHT)
    assert is_divisible
    height = 1 << LOG_HEIGHT
    # A quotient of degree below (d - 1) * height is cut into that many pieces.
    assert degree_of(quotient) < (max(2, constraint.selected.degree) - 1) * height
    assert degree_of(quotient) <= Fraction(constraint.selected.degree * (height - 1) + 1 - height)


@pytest.mark.parametrize("number", [0, 2, 3, 4])
def test_a_broken_constraint_has_no_quotient(number: int) -> None:
    constraint = define_table("powers", powers_of_two).constraints[number]
    wrong = [list(column) for column in TRACE]
    wrong[0] = [value + 1 for value in wrong[0]]
    assert not quotient_of(constraint, wrong, LOG_HEIGHT)[1]
