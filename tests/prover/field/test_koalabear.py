"""The base field against an independent library."""

from __future__ import annotations

import galois
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.field import koalabear as field
from prover.field.koalabear import GENERATOR, MONTGOMERY_RADIX, PRIME, TWO_ADICITY, decode, encode

GALOIS = galois.GF(PRIME, primitive_element=GENERATOR, verify=False)
ELEMENTS = st.one_of(st.sampled_from([0, 1, 2, PRIME - 2, PRIME - 1]), st.integers(0, PRIME - 1))


def test_the_prime_is_prime_and_has_the_two_adicity_it_claims() -> None:
    assert galois.is_prime(PRIME)
    assert (PRIME - 1) % 2**TWO_ADICITY == 0
    assert (PRIME - 1) >> TWO_ADICITY == 127


def test_the_generator_generates_and_no_smaller_element_does() -> None:
    assert field.power(GENERATOR, (PRIME - 1) // 2) != 1
    assert field.power(GENERATOR, (PRIME - 1) // 127) != 1
    assert field.power(2, (PRIME - 1) // 2) == 1


def test_cubing_is_a_permutation() -> None:
    assert (PRIME - 1) % 3 != 0


@given(ELEMENTS, ELEMENTS)
def test_the_operations_agree_with_galois(left: int, right: int) -> None:
    a, b = GALOIS(left), GALOIS(right)
    assert field.add(left, right) == int(a + b)
    assert field.subtract(left, right) == int(a - b)
    assert field.multiply(left, right) == int(a * b)
    assert field.negate(left) == int(-a)
    if right:
        assert field.inverse(right) == int(GALOIS(1) / b)


@given(ELEMENTS.filter(bool), st.integers(-(2**40), 2**40))
def test_a_negative_power_is_the_inverse_of_the_positive_one(base: int, exponent: int) -> None:
    assert field.multiply(field.power(base, exponent), field.power(base, -exponent)) == 1


def test_zero_has_no_inverse_and_no_negative_power() -> None:
    for multiple in (0, PRIME, -PRIME):
        with pytest.raises(ZeroDivisionError, match=r"^zero has no inverse$"):
            field.inverse(multiple)
    with pytest.raises(ZeroDivisionError, match=r"^zero has no inverse$"):
        field.power(0, -1)


def test_each_root_of_unity_has_its_order_and_squares_to_the_next() -> None:
    assert field.root_of_unity(0) == 1
    for log_order in range(1, TWO_ADICITY + 1):
        root = field.root_of_unity(log_order)
        assert field.power(root, 2 ** (log_order - 1)) == PRIME - 1
        assert field.multiply(root, root) == field.root_of_unity(log_order - 1)


@pytest.mark.parametrize("log_order", [-1, TWO_ADICITY + 1])
def test_there_is_no_root_of_unity_of_an_order_the_field_lacks(log_order: int) -> None:
    with pytest.raises(ValueError, match=rf"^the field has no root of unity of order 2\^{log_order}$"):
        field.root_of_unity(log_order)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_encoding_reduces_and_decoding_restores(values: list[int]) -> None:
    encoded = encode(np.array(values, dtype=np.int64))
    assert encoded.dtype == np.uint32
    assert encoded.tolist() == [value * MONTGOMERY_RADIX % PRIME for value in values]
    assert decode(encoded).tolist() == [value % PRIME for value in values]


def test_encoding_takes_every_kind_of_integer_array_and_keeps_its_shape() -> None:
    for dtype in (np.uint8, np.int8, np.uint32, np.int32, np.uint64, np.int64):
        array = np.array([[0, 1, 2], [3, 4, 127]], dtype=dtype)
        assert decode(encode(array)).tolist() == array.tolist()
    assert decode(encode(np.array([2**64 - 1], dtype=np.uint64))).tolist() == [(2**64 - 1) % PRIME]
    assert decode(encode([2**200, -1])).tolist() == [2**200 % PRIME, PRIME - 1]
    assert decode(encode(np.array([], dtype=np.int64))).tolist() == []
    assert encode([]).shape == (0,)


def test_encoding_refuses_what_is_no_integer() -> None:
    with pytest.raises(TypeError, match=r"^field elements are integers, not float64$"):
        encode([0.5])
