"""The numpy ring against py_ecc's generic extension field."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_ecc.fields.field_elements import FQP

from prover.air.builder import define_table
from prover.air.expression import Cell, CellKind
from prover.air.rows import Rows, TraceReader, constant_rows
from prover.field.koalabear import PRIME


class Oracle(FQP):  # type: ignore[misc]  # py_ecc's classes are untyped
    """GF(p)[X] / (X^5 + X^2 - 1)."""

    field_modulus = PRIME
    degree = 5
    modulus_coeffs = (-1, 0, 1, 0, 0)
    mc_tuples = [(0, -1), (2, 1)]  # noqa: RUF012 - py_ecc reads this class attribute

    def __init__(self, coefficients: object) -> None:
        super().__init__(coefficients, self.modulus_coeffs)


element = st.integers(0, PRIME - 1) | st.sampled_from([0, 1, PRIME - 1])
extension = st.tuples(element, element, element, element, element)


def coordinates(value: object) -> list[int]:
    return [int(coefficient) % PRIME for coefficient in value.coeffs]  # type: ignore[attr-defined]


@given(extension, extension)
def test_sums_differences_and_products_agree_with_an_independent_extension_field(
    left: tuple[int, int, int, int, int], right: tuple[int, int, int, int, int]
) -> None:
    first, second = constant_rows(left), constant_rows(right)
    assert (first + second).planes[:, 0].tolist() == coordinates(Oracle(left) + Oracle(right))
    assert (first - second).planes[:, 0].tolist() == coordinates(Oracle(left) - Oracle(right))
    assert (first * second).planes[:, 0].tolist() == coordinates(Oracle(left) * Oracle(right))


@given(extension)
def test_an_inverse_times_its_value_is_one_and_zero_stays_zero(value: tuple[int, int, int, int, int]) -> None:
    product = constant_rows(value) * constant_rows(value).inverse()
    assert product.planes[:, 0].tolist() == [1 if any(value) else 0, 0, 0, 0, 0]


def test_base_values_have_inverses_too() -> None:
    assert (constant_rows(7).inverse() * constant_rows(7)).planes[:, 0].tolist() == [1, 0, 0, 0, 0]


def test_a_base_value_is_the_constant_coordinate_of_an_extension_value() -> None:
    total = constant_rows(7) + constant_rows((1, 2, 3, 4, 5))
    assert total.planes[:, 0].tolist() == [8, 2, 3, 4, 5]
    assert (constant_rows(7) * constant_rows((1, 2, 3, 4, 5))).planes[:, 0].tolist() == [7, 14, 21, 28, 35]
    assert constant_rows(7).wide(2).tolist() == [[7, 7], [0, 0], [0, 0], [0, 0], [0, 0]]


def test_cells_are_read_cyclically_one_row_below() -> None:
    table = define_table(
        "t", lambda air: air.assert_zero("a is zero", air.column("a") * air.periodic("b", [1, 2]))
    )
    main = np.array([[10, 11, 12, 13]], dtype=np.uint64)
    planes = np.arange(20, dtype=np.uint64).reshape(5, 4)
    reader = TraceReader(table, 4, main, main[:0], {Cell(CellKind.PUBLIC, 0): 5}, {1: planes})
    assert reader.read(Cell(CellKind.MAIN, 0, 1)).planes.tolist() == [[11, 12, 13, 10]]
    assert reader.read(Cell(CellKind.PERIODIC, 0)).planes.tolist() == [[1, 2, 1, 2]]
    assert reader.value(Cell(CellKind.PUBLIC, 0), 3) == 5
    assert reader.value(Cell(CellKind.CHALLENGE_COLUMN, 0, 1, 1), 3) == (0, 4, 8, 12, 16)


def test_rows_compare_by_identity_only() -> None:
    # A comparison by value would have to say what it means for whole columns.
    assert constant_rows(1) != constant_rows(1)
    with pytest.raises(AttributeError):
        Rows(np.zeros((1, 1), dtype=np.uint64)).planes = np.zeros((1, 1), dtype=np.uint64)  # type: ignore[misc]
