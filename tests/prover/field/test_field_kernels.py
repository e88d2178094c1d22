"""The field kernels against the plain reference."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from numpy.typing import NDArray

from prover.field import kernels, koalabear
from prover.field.extension import QUINTIC, Element
from prover.field.koalabear import PRIME, Montgomery, decode, encode, power

LENGTHS = pytest.mark.parametrize("length", [1, 7, 15, 16, 17, 33, 1024, 1040, 9000])
THREADS = pytest.mark.parametrize("threads", [1, 2])


def random_elements(*shape: int, seed: int = 1) -> Montgomery:
    source = np.random.default_rng(seed)
    values = source.integers(0, PRIME, shape)
    values.reshape(-1)[:3] = [PRIME - 1, 1, PRIME - 1][: values.size]
    return encode(values)


def element(planes: Montgomery, position: int) -> Element:
    return tuple(int(coordinate) for coordinate in decode(planes[:, position]))


def some(length: int) -> set[int]:
    return {0, length // 3, length // 2, length - 1}


@LENGTHS
@THREADS
def test_elementwise_kernels_agree_with_the_reference(length: int, threads: int) -> None:
    a, b = random_elements(2, length), random_elements(2, length, seed=2)
    left, right = decode(a).reshape(-1).tolist(), decode(b).reshape(-1).tolist()
    for kernel, reference in (
        (kernels.add, koalabear.add),
        (kernels.subtract, koalabear.subtract),
        (kernels.multiply, koalabear.multiply),
    ):
        result = kernel(a, b, threads=threads)
        assert result.shape == a.shape
        assert decode(result).reshape(-1).tolist() == [
            reference(x, y) for x, y in zip(left, right, strict=True)
        ]
    scaled = decode(kernels.scale(a, 12345, threads=threads)).reshape(-1).tolist()
    assert scaled == [x * 12345 % PRIME for x in left]


@LENGTHS
@THREADS
def test_the_batch_inverse_agrees_with_the_reference(length: int, threads: int) -> None:
    a = random_elements(length)
    inverses = decode(kernels.base_batch_inverse(a, threads=threads))
    for position in some(length):
        assert int(inverses[position]) == koalabear.inverse(int(decode(a)[position]))
    assert set(decode(kernels.multiply(a, kernels.base_batch_inverse(a))).tolist()) == {1}


def test_one_zero_among_many_elements_is_refused() -> None:
    a = random_elements(2000)
    a[1777] = 0
    with pytest.raises(ZeroDivisionError, match=r"^zero has no inverse$"):
        kernels.base_batch_inverse(a)
    planes = random_elements(5, 2000)
    planes[:, 3] = 0
    with pytest.raises(ZeroDivisionError, match=r"^zero has no inverse$"):
        kernels.extension_batch_inverse(planes)


@LENGTHS
@THREADS
def test_extension_kernels_agree_with_the_reference(length: int, threads: int) -> None:
    a, b = random_elements(5, length), random_elements(5, length, seed=2)
    factors = random_elements(length, seed=3)
    constant = QUINTIC.element([3, 1, 4, 1, -5])
    product = kernels.extension_multiply(a, b, threads=threads)
    inverse = kernels.extension_batch_inverse(a, threads=threads)
    scaled = kernels.extension_scale(a, constant, threads=threads)
    lifted = kernels.extension_multiply_base(a, factors, threads=threads)
    powers = kernels.extension_powers(constant, length, threads=threads)
    for k in some(length):
        x, y = element(a, k), element(b, k)
        assert element(product, k) == QUINTIC.multiply(x, y)
        assert element(inverse, k) == QUINTIC.inverse(x)
        assert element(scaled, k) == QUINTIC.multiply(x, constant)
        assert element(lifted, k) == QUINTIC.scale(x, int(decode(factors)[k]))
        assert element(powers, k) == QUINTIC.power(constant, k)


@pytest.mark.parametrize("coordinate", [0, PRIME - 1])
def test_sums_of_products_of_extreme_coordinates_do_not_overflow(coordinate: int) -> None:
    # p - 1 is the largest canonical value; in Montgomery form the largest word is another element.
    for word in (coordinate, int(decode(np.array([PRIME - 1], dtype=np.uint32))[0])):
        value: Element = (word,) * 5
        planes = encode(np.full((5, 16), word))
        assert element(kernels.extension_multiply(planes, planes), 7) == QUINTIC.multiply(value, value)
        assert element(kernels.extension_scale(planes, value), 7) == QUINTIC.multiply(value, value)
        sums = kernels.evaluate_columns(encode(np.full((2, 4096), word)), encode(np.full((5, 4096), word)))
        assert decode(sums).tolist() == [[word * word * 4096 % PRIME] * 5] * 2


@LENGTHS
def test_prefix_sums_agree_with_the_reference(length: int) -> None:
    a = random_elements(5, length)
    expected = [list(accumulate(row, koalabear.add)) for row in decode(a).tolist()]
    assert decode(kernels.prefix_sums(a)).tolist() == expected
    assert decode(kernels.prefix_sums(a[2])).tolist() == expected[2]


@LENGTHS
def test_a_geometric_sequence_multiplies_by_its_ratio(length: int) -> None:
    sequence = decode(kernels.geometric_sequence(5, 7, length)).tolist()
    assert sequence == [5 * power(7, k) % PRIME for k in range(length)]


def exact_sums(matrix: NDArray[np.uint32], weights: NDArray[np.uint32]) -> list[list[int]]:
    columns, planes = decode(matrix).astype(object), decode(weights).astype(object)
    return [[int(column @ plane) % PRIME for plane in planes] for column in columns]


@LENGTHS
@THREADS
def test_weighted_sums_of_columns_agree_with_exact_integers(length: int, threads: int) -> None:
    matrix, weights = random_elements(3, length), random_elements(5, length, seed=2)
    sums = kernels.evaluate_columns(matrix, weights, threads=threads)
    assert decode(sums).tolist() == exact_sums(matrix, weights)


def test_a_matrix_without_columns_has_no_sums() -> None:
    empty = np.empty((0, 64), dtype=np.uint32)
    assert kernels.evaluate_columns(empty, random_elements(5, 64)).shape == (0, 5)


def test_empty_arrays_are_fine() -> None:
    empty = np.empty(0, dtype=np.uint32)
    assert kernels.add(empty, empty).shape == (0,)
    assert kernels.base_batch_inverse(empty).shape == (0,)


def test_shapes_and_types_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^shapes differ: \(3,\) and \(4,\)$"):
        kernels.add(random_elements(3), random_elements(4))
    with pytest.raises(TypeError, match=r"^field elements in Montgomery form are uint32, not int64$"):
        kernels.scale(np.zeros(3, dtype=np.int64), 2)
    with pytest.raises(ValueError, match=r"^extension elements are \(5, length\) arrays, not"):
        kernels.extension_multiply(random_elements(4, 8), random_elements(4, 8))
    with pytest.raises(ValueError, match=r"^8 elements need as many factors, not \(7,\)$"):
        kernels.extension_multiply_base(random_elements(5, 8), random_elements(7))
    with pytest.raises(ValueError, match=r"does not have a weight for each of its rows: 8$"):
        kernels.evaluate_columns(random_elements(2, 16), random_elements(5, 8))
