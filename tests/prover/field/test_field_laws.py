"""One suite of laws for every implementation of a field: references on integers and kernels on arrays alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest

from prover.field import kernels, koalabear
from prover.field.extension import QUINTIC, SEPTIC, ExtensionField
from prover.field.koalabear import PRIME, decode, encode

Values = list[tuple[int, ...]]
"""Elements as tuples of canonical coordinates, the same for all implementations."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """An implementation, lifted to lists of elements."""

    degree: int
    add: Callable[[Values, Values], Values]
    subtract: Callable[[Values, Values], Values]
    multiply: Callable[[Values, Values], Values]
    inverse: Callable[[Values], Values]


def each(function: Callable[..., Any]) -> Callable[..., Values]:
    return lambda *lists: [function(*elements) for elements in zip(*lists, strict=True)]


def each_base(function: Callable[..., int]) -> Callable[..., Values]:
    return lambda *lists: [(function(*(e[0] for e in elements)),) for elements in zip(*lists, strict=True)]


def reference(field: ExtensionField) -> Arithmetic:
    return Arithmetic(
        field.degree, each(field.add), each(field.subtract), each(field.multiply), each(field.inverse)
    )


def planes(values: Values) -> Any:
    return encode(np.array(values, dtype=np.int64).T)


def on_planes(function: Callable[..., Any]) -> Callable[..., Values]:
    return lambda *lists: [
        tuple(int(c) for c in row) for row in decode(function(*(planes(values) for values in lists))).T
    ]


ARITHMETICS = {
    "base reference": Arithmetic(
        1,
        each_base(koalabear.add),
        each_base(koalabear.subtract),
        each_base(koalabear.multiply),
        each_base(koalabear.inverse),
    ),
    "base kernels": Arithmetic(
        1,
        on_planes(kernels.add),
        on_planes(kernels.subtract),
        on_planes(kernels.multiply),
        on_planes(kernels.base_batch_inverse),
    ),
    "quintic reference": reference(QUINTIC),
    "quintic kernels": Arithmetic(
        5,
        on_planes(kernels.add),
        on_planes(kernels.subtract),
        on_planes(kernels.extension_multiply),
        on_planes(kernels.extension_batch_inverse),
    ),
    "septic reference": reference(SEPTIC),
}

EDGES = (0, 1, PRIME - 1)


def elements(degree: int, seed: int) -> Values:
    """Every element with edge coordinates, up to 81 of them, and random ones."""
    source = random.Random(seed)
    edges = list(product(EDGES, repeat=degree))
    chosen = edges if len(edges) <= 81 else source.sample(edges, 81)
    drawn = [tuple(source.randrange(PRIME) for _ in range(degree)) for _ in range(40)]
    values = [*chosen, *drawn, (0,) * degree, (1,) + (0,) * (degree - 1)]
    source.shuffle(values)
    return values


@pytest.fixture(params=ARITHMETICS, ids=[name.replace(" ", "-") for name in ARITHMETICS])
def arithmetic(request: pytest.FixtureRequest) -> Arithmetic:
    return ARITHMETICS[request.param]


def three(arithmetic: Arithmetic) -> tuple[Values, Values, Values]:
    a, b, c = (elements(arithmetic.degree, seed) for seed in (1, 2, 3))
    return a, b, c


def zeros(arithmetic: Arithmetic, like: Values) -> Values:
    return [(0,) * arithmetic.degree] * len(like)


def ones(arithmetic: Arithmetic, like: Values) -> Values:
    return [(1,) + (0,) * (arithmetic.degree - 1)] * len(like)


def test_addition_and_multiplication_are_commutative(arithmetic: Arithmetic) -> None:
    a, b, _ = three(arithmetic)
    assert arithmetic.add(a, b) == arithmetic.add(b, a)
    assert arithmetic.multiply(a, b) == arithmetic.multiply(b, a)


def test_addition_and_multiplication_are_associative(arithmetic: Arithmetic) -> None:
    a, b, c = three(arithmetic)
    assert arithmetic.add(arithmetic.add(a, b), c) == arithmetic.add(a, arithmetic.add(b, c))
    left = arithmetic.multiply(arithmetic.multiply(a, b), c)
    assert left == arithmetic.multiply(a, arithmetic.multiply(b, c))


def test_multiplication_distributes_over_addition_and_subtraction(arithmetic: Arithmetic) -> None:
    a, b, c = three(arithmetic)
    ab, ac = arithmetic.multiply(a, b), arithmetic.multiply(a, c)
    assert arithmetic.multiply(a, arithmetic.add(b, c)) == arithmetic.add(ab, ac)
    assert arithmetic.multiply(a, arithmetic.subtract(b, c)) == arithmetic.subtract(ab, ac)


def test_zero_and_one_are_neutral(arithmetic: Arithmetic) -> None:
    a, _, _ = three(arithmetic)
    zero, one = zeros(arithmetic, a), ones(arithmetic, a)
    assert arithmetic.add(a, zero) == a
    assert arithmetic.subtract(a, zero) == a
    assert arithmetic.multiply(a, one) == a
    assert arithmetic.multiply(a, zero) == zero


def test_subtraction_undoes_addition(arithmetic: Arithmetic) -> None:
    a, b, _ = three(arithmetic)
    assert arithmetic.subtract(arithmetic.add(a, b), b) == a
    assert arithmetic.subtract(a, a) == zeros(arithmetic, a)


def test_an_element_times_its_inverse_is_one(arithmetic: Arithmetic) -> None:
    a = [value for value in elements(arithmetic.degree, 4) if any(value)]
    assert arithmetic.multiply(a, arithmetic.inverse(a)) == ones(arithmetic, a)


def test_an_inverse_of_a_product_is_the_product_of_the_inverses(arithmetic: Arithmetic) -> None:
    a, b, _ = three(arithmetic)
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if any(x) and any(y)]
    left, right = [x for x, _ in pairs], [y for _, y in pairs]
    product_inverse = arithmetic.inverse(arithmetic.multiply(left, right))
    assert product_inverse == arithmetic.multiply(arithmetic.inverse(left), arithmetic.inverse(right))


def test_zero_has_no_inverse(arithmetic: Arithmetic) -> None:
    values = [*ones(arithmetic, [()]), *zeros(arithmetic, [()])]
    with pytest.raises(ZeroDivisionError, match=r"^zero has no inverse$"):
        arithmetic.inverse(values)


def test_results_are_canonical(arithmetic: Arithmetic) -> None:
    a, b, _ = three(arithmetic)
    results = [
        *arithmetic.add(a, b),
        *arithmetic.subtract(a, b),
        *arithmetic.multiply(a, b),
        *arithmetic.inverse([value for value in a if any(value)]),
    ]
    assert all(0 <= coordinate < PRIME for value in results for coordinate in value)
