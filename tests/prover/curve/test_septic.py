"""The septic group: known multiples, the laws of a group, and points that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.curve import packed, septic
from prover.curve.formulas import Element
from prover.curve.septic import GENERATOR, IDENTITY, ORDER, GroupElement, Point, PointRefusal
from prover.field.koalabear import PRIME

scalars = st.integers(0, ORDER - 1) | st.sampled_from([0, 1, 2, ORDER - 2, ORDER - 1])
group_elements = scalars.map(septic.multiply_generator)


def affine(element: GroupElement) -> Point:
    assert element is not None
    return element


def test_order_and_generator_are_those_of_the_vectors(curve_vectors: dict[str, Any]) -> None:
    assert int(curve_vectors["order"]) == ORDER
    assert ORDER.bit_length() == septic.ORDER_BITS
    generator = curve_vectors["generator"]
    assert Point(tuple(generator["x"]), tuple(generator["y"])) == GENERATOR


def test_the_generator_is_the_first_that_its_rule_finds() -> None:
    candidates = (septic.lift_x((k, 1, 0, 0, 0, 0, 0)) for k in range(1, 10))
    assert next(point for point in candidates if point is not None) == GENERATOR


def test_multiples_are_those_of_the_vectors(curve_vectors: dict[str, Any]) -> None:
    for multiple in curve_vectors["multiples"]:
        expected = Point(tuple(multiple["x"]), tuple(multiple["y"]))
        assert septic.multiply(GENERATOR, int(multiple["k"])) == expected
        assert septic.multiply_generator(int(multiple["k"])) == expected
        assert septic.decode(multiple["x"] + multiple["y"]) == expected


def test_the_order_annihilates_and_one_less_negates() -> None:
    point = septic.multiply(GENERATOR, 0xC0FFEE)
    assert septic.multiply(GENERATOR, ORDER) is IDENTITY
    assert septic.multiply(point, ORDER - 1) == septic.negate(point)
    assert septic.multiply_generator(ORDER) is IDENTITY


def test_plain_addition_reaches_the_identity_after_the_order(oracle: Any) -> None:
    """The reductions modulo the order are left out: the oracle counts every bit of the order itself."""
    assert oracle.multiply(GENERATOR, ORDER) is IDENTITY


@given(scalars, scalars)
def test_sums_agree_with_py_ecc(oracle: Any, left: int, right: int) -> None:
    first, second = septic.multiply_generator(left), septic.multiply_generator(right)
    assert septic.add(first, second) == oracle.add(first, second)
    assert septic.double(first) == oracle.add(first, first)


@given(scalars)
def test_multiples_of_any_point_agree_with_py_ecc(oracle: Any, scalar: int) -> None:
    point = septic.point_from_label(b"some point")
    assert septic.multiply(point, scalar % 1000) == oracle.multiply(point, scalar % 1000)
    assert septic.multiply(GENERATOR, scalar) == septic.multiply_generator(scalar)


@given(group_elements, group_elements, group_elements)
def test_addition_is_associative_and_commutative(
    first: GroupElement, second: GroupElement, third: GroupElement
) -> None:
    assert septic.add(first, second) == septic.add(second, first)
    assert septic.add(septic.add(first, second), third) == septic.add(first, septic.add(second, third))


@given(group_elements)
def test_identity_and_inverse_are_what_they_are_called(element: GroupElement) -> None:
    assert septic.add(element, IDENTITY) == element
    assert septic.add(element, septic.negate(element)) is IDENTITY
    assert septic.add(element, element) == septic.double(element)


@given(scalars, scalars)
def test_multiplication_distributes(left: int, right: int) -> None:
    point = septic.multiply_generator(left)
    assert septic.multiply(point, right) == septic.multiply_generator(left * right)
    assert septic.multiply(point, -right) == septic.negate(septic.multiply(point, right))


@pytest.mark.parametrize("scalar", [*range(70), *(2**k + d for k in (100, 216) for d in (-1, 0, 1))])
def test_every_small_multiple_and_those_around_a_power_of_two(oracle: Any, scalar: int) -> None:
    assert septic.multiply(GENERATOR, scalar) == oracle.multiply(GENERATOR, scalar)


@given(group_elements.filter(lambda element: element is not None))
def test_decoding_undoes_encoding(element: Point) -> None:
    assert septic.decode(septic.encode(element)) == element


@given(st.integers(0, 13), st.integers(1, PRIME - 1))
def test_a_point_with_one_coordinate_changed_is_off_the_curve(position: int, change: int) -> None:
    elements = list(septic.encode(GENERATOR))
    elements[position] = (elements[position] + change) % PRIME
    assert septic.decode(elements) is PointRefusal.NOT_ON_CURVE


@given(st.integers(0, 13), st.sampled_from([PRIME, -PRIME, 1 << 31]))
def test_coordinates_that_are_not_canonical_are_refused(position: int, shift: int) -> None:
    elements = list(septic.encode(GENERATOR))
    elements[position] += shift
    assert septic.decode(elements) is PointRefusal.NOT_CANONICAL


@pytest.mark.parametrize("length", [0, 7, 13, 15, 28])
def test_a_point_has_fourteen_numbers(length: int) -> None:
    assert septic.decode((septic.encode(GENERATOR) * 2)[:length]) is PointRefusal.WRONG_LENGTH


def test_zeros_are_not_a_point() -> None:
    """The identity has no encoding."""
    assert septic.decode([0] * 14) is PointRefusal.NOT_ON_CURVE


def test_a_point_of_the_twist_is_refused() -> None:
    """On d y^2 = x^3 + 45 x + 41 z^3, d not a square: every x without a point here has one there."""
    x = next((k, 0, 0, 0, 0, 0, 0) for k in range(10) if septic.lift_x((k, 0, 0, 0, 0, 0, 0)) is None)
    abscissa = packed.pack(x)
    right = packed.multiply(packed.multiply(abscissa, abscissa) + 45, abscissa) + packed.CUBIC_PACKED
    y = packed.square_root(packed.scale(right, pow(3, -1, PRIME)))
    assert y is not None
    assert septic.decode(x + packed.unpack(y)) is PointRefusal.NOT_ON_CURVE


@given(st.tuples(*[st.integers(0, PRIME - 1)] * 7), st.tuples(*[st.integers(0, PRIME - 1)] * 7))
def test_a_point_of_another_curve_is_refused(x: Element, y: Element) -> None:
    """Any pair lies on y^2 = x^3 + 45 x + b for some b, where the order may have small factors."""
    assert septic.decode(x + y) is PointRefusal.NOT_ON_CURVE


def test_a_point_from_a_label_is_on_the_curve_and_depends_on_the_label() -> None:
    first, second = septic.point_from_label(b"first"), septic.point_from_label(b"second")
    assert first != second
    assert septic.decode(septic.encode(first)) == first
    assert first == septic.point_from_label(b"first")
