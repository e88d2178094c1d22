"""The packed field: the same as the formulas over the integers and as py_ecc, and no slot spills at the bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.curve import formulas, packed
from prover.curve.formulas import Element
from prover.field.koalabear import PRIME

coefficients = st.sampled_from([0, 1, 2, PRIME - 2, PRIME - 1]) | st.integers(0, PRIME - 1)
elements = st.tuples(*[coefficients] * 7)
nonzero = elements.filter(any)


def reduced(element: formulas.Septic[int]) -> tuple[int, ...]:
    return tuple(coefficient % PRIME for coefficient in element)


@given(elements)
def test_unpacking_undoes_packing(element: Element) -> None:
    assert packed.unpack(packed.pack(element)) == element


@given(elements, elements)
def test_products_agree_with_the_formula_and_with_py_ecc(oracle: Any, left: Element, right: Element) -> None:
    product = packed.unpack(packed.multiply(packed.pack(left), packed.pack(right)))
    assert product == reduced(formulas.multiply(left, right))
    assert product == oracle.element(oracle.field(left) * oracle.field(right))


@given(elements)
def test_the_square_formula_is_the_product_formula(element: Element) -> None:
    assert reduced(formulas.square(element)) == reduced(formulas.multiply(element, element))


@given(elements, elements)
def test_differences_agree_with_the_formula(left: Element, right: Element) -> None:
    difference = packed.unpack(packed.subtract(packed.pack(left), packed.pack(right)))
    assert difference == reduced(formulas.subtract(left, right))


@pytest.mark.parametrize(("left_multiple", "right_multiple"), [(48, 36), (64, 64), (1, 4096)])
def test_no_slot_spills_into_the_next_at_the_bound(left_multiple: int, right_multiple: int) -> None:
    """The greatest loose factors: every slot a multiple of p less one, their product up to 2^74."""
    left = (left_multiple * (PRIME - 1),) * 7
    right = (right_multiple * (PRIME - 1),) * 7
    product = packed.unpack(packed.multiply(packed.pack(left), packed.pack(right)))
    assert product == reduced(formulas.multiply(left, right))


@given(elements)
def test_a_loose_subtraction_of_sixteen_times_p_does_not_borrow(element: Element) -> None:
    subtrahend = (16 * PRIME,) * 7
    assert packed.unpack(packed.subtract(packed.pack(element), packed.pack(subtrahend))) == element


@given(nonzero)
def test_inverses_agree_with_py_ecc(oracle: Any, element: Element) -> None:
    inverse = packed.inverse(packed.pack(element))
    assert packed.multiply(inverse, packed.pack(element)) == 1
    assert packed.unpack(inverse) == oracle.element(oracle.field(element).inv())


def test_the_inverse_of_zero_is_zero() -> None:
    assert packed.inverse(0) == 0


@given(elements)
def test_the_frobenius_map_is_the_power_p(element: Element) -> None:
    image = packed.pack(element)
    for times in range(1, 7):
        image = packed.power(image, PRIME)
        assert packed.frobenius(packed.pack(element), times) == image


@given(elements, elements)
def test_the_norm_is_multiplicative_and_the_power_of_the_definition(left: Element, right: Element) -> None:
    first, second = packed.pack(left), packed.pack(right)
    assert packed.norm(packed.multiply(first, second)) == packed.norm(first) * packed.norm(second) % PRIME
    assert packed.power(first, (PRIME**7 - 1) // (PRIME - 1)) == packed.norm(first)


@given(nonzero)
def test_the_root_of_a_square_is_the_root_whose_leading_coefficient_is_small(element: Element) -> None:
    square = packed.multiply(packed.pack(element), packed.pack(element))
    root = packed.square_root(square)
    assert root is not None
    assert packed.multiply(root, root) == square
    assert next(filter(None, packed.unpack(root))) <= (PRIME - 1) // 2


@given(nonzero)
def test_what_is_not_a_square_has_no_root(element: Element) -> None:
    square = packed.multiply(packed.pack(element), packed.pack(element))
    assert packed.square_root(packed.scale(square, 3)) is None


def test_zero_is_its_own_root() -> None:
    assert packed.square_root(0) == 0
