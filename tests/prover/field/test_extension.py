"""The extension fields against an independent library."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_ecc.fields import FQP

from prover.field.extension import QUINTIC, SEPTIC, Element, ExtensionField
from prover.field.koalabear import PRIME

FIELDS = pytest.mark.parametrize("field", [QUINTIC, SEPTIC], ids=["quintic", "septic"])
COORDINATES = st.one_of(st.sampled_from([0, 1, PRIME - 1]), st.integers(0, PRIME - 1))


def independent_class(field: ExtensionField) -> Any:
    """The field in py_ecc's generic class, whose modulus is X^degree plus its coefficients."""

    class Field(FQP):  # type: ignore[misc]  # py_ecc's class is untyped
        field_modulus = PRIME
        degree = field.degree

        def __init__(self, coefficients: Sequence[Any]) -> None:
            super().__init__(coefficients, tuple(-coefficient % PRIME for coefficient in field.reduction))

    return Field


INDEPENDENT = {field: independent_class(field) for field in (QUINTIC, SEPTIC)}


def coordinates(value: Any) -> Element:
    return tuple(coordinate.n for coordinate in value.coeffs)


def random_element(field: ExtensionField, seed: int) -> Element:
    source = random.Random(seed)
    return tuple(source.randrange(PRIME) for _ in range(field.degree))


@FIELDS
@given(values=st.tuples(*[COORDINATES] * 14))
def test_the_operations_agree_with_py_ecc(field: ExtensionField, values: Element) -> None:
    left, right = values[: field.degree], values[7 : 7 + field.degree]
    a, b = INDEPENDENT[field](left), INDEPENDENT[field](right)
    assert field.add(left, right) == coordinates(a + b)
    assert field.subtract(left, right) == coordinates(a - b)
    assert field.negate(left) == coordinates(-a)
    assert field.multiply(left, right) == coordinates(a * b)
    assert field.scale(left, right[0]) == coordinates(a * right[0])
    if any(right):
        assert field.inverse(right) == coordinates(b.inv())
    assert field.power(left, right[0] % 1000) == coordinates(a ** (right[0] % 1000))


@FIELDS
def test_the_modulus_is_irreducible(field: ExtensionField) -> None:
    assert field.is_irreducible()


@pytest.mark.parametrize(
    "reduction",
    [
        (1, 0, 0, 0, 0),  # X^5 - 1 has the root 1
        (0, 0, 0, 0, 0),  # X^5
        (0, PRIME - 1, 0, 0, 0),  # X (X^4 + 1), which splits
    ],
)
def test_a_reducible_modulus_is_told_apart(reduction: tuple[int, ...]) -> None:
    assert not ExtensionField(5, reduction).is_irreducible()


def test_a_product_of_a_quadratic_and_a_cubic_is_told_apart() -> None:
    # (X^2 - 3)(X^3 - X - 1) = X^5 - 4 X^3 - X^2 + 3 X + 3
    reduction = (PRIME - 3, PRIME - 3, 1, 4, 0)
    assert not ExtensionField(5, reduction).is_irreducible()


@FIELDS
def test_frobenius_is_the_power_of_the_prime_and_has_the_degree_as_its_order(field: ExtensionField) -> None:
    value = random_element(field, 1)
    assert field.frobenius(value) == field.power(value, PRIME)
    assert field.frobenius(value, 3) == field.frobenius(field.frobenius(field.frobenius(value)))
    assert field.frobenius(value, field.degree) == value
    assert field.frobenius(field.from_base(12345)) == field.from_base(12345)
    assert field.frobenius(field.generator) != field.generator


@FIELDS
def test_the_norm_is_a_base_element_and_multiplicative(field: ExtensionField) -> None:
    a, b = random_element(field, 2), random_element(field, 3)
    assert field.norm(field.multiply(a, b)) == field.norm(a) * field.norm(b) % PRIME
    exponent = (PRIME**field.degree - 1) // (PRIME - 1)
    assert field.power(a, exponent) == field.from_base(field.norm(a))


@FIELDS
def test_a_negative_power_inverts(field: ExtensionField) -> None:
    value = random_element(field, 4)
    assert field.multiply(field.power(value, -5), field.power(value, 5)) == field.one


@FIELDS
def test_zero_has_no_inverse(field: ExtensionField) -> None:
    with pytest.raises(ZeroDivisionError, match=r"^zero has no inverse$"):
        field.inverse(field.zero)


@FIELDS
def test_an_element_is_made_of_any_integers_but_of_the_right_number(field: ExtensionField) -> None:
    assert field.element([-1] * field.degree) == (PRIME - 1,) * field.degree
    with pytest.raises(ValueError, match=rf"^an element has {field.degree} coordinates, not 2$"):
        field.element([1, 2])


@pytest.mark.parametrize("reduction", [(1, 0), (PRIME, 0, 0, 0, 0), (-1, 0, 0, 0, 0)])
def test_a_reduction_that_is_not_canonical_is_refused(reduction: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^the reduction is 5 canonical coefficients, not"):
        ExtensionField(5, reduction)


def test_the_moduli_are_those_of_the_protocol() -> None:
    x = QUINTIC.generator
    assert QUINTIC.add(QUINTIC.power(x, 5), QUINTIC.power(x, 2)) == QUINTIC.one
    z = SEPTIC.generator
    assert SEPTIC.power(z, 7) == SEPTIC.add(SEPTIC.scale(z, 3), SEPTIC.from_base(5))
