"""The kernels over words against their plain twins."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, decode, encode, power
from prover.fri import kernels, reference
from prover.stark.numbers import Extension, Quintic, canonical

LENGTHS = [1, 2, 8, 16, 48, 1024, 4096 + 16]
"""Below a vector, one vector, a tail after whole tiles and after a whole inversion chunk."""


def words(seed: int, *shape: int) -> NDArray[np.uint32]:
    values = np.random.default_rng(seed).integers(0, PRIME, size=shape)
    # The largest element is where a lazy sum would overflow first.
    values.reshape(-1)[:: max(1, values.size // 3)] = PRIME - 1
    return encode(values)


def element(seed: int) -> Extension:
    return canonical(Quintic(list(np.random.default_rng(seed).integers(0, PRIME, size=5))))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("count", [1, 2, 3, 37])
def test_combined_columns_are_the_weighted_sum(length: int, count: int) -> None:
    columns = list(words(length + count, count, length))
    weights = [element(number) for number in range(count - 1)] + [canonical(Quintic([PRIME - 1] * 5))]
    expected = reference.combine_columns(columns, weights, length)
    for threads in (1, 2):
        assert np.array_equal(kernels.combine_columns(columns, weights, length, threads), expected)


def test_columns_that_are_not_contiguous_are_refused() -> None:
    matrix = words(1, 64, 2)
    with pytest.raises(ValueError, match="a column is not a contiguous array of 32-bit words"):
        kernels.combine_columns([matrix[:, 0]], [element(1)], 64, 1)


@pytest.mark.parametrize("length", LENGTHS)
def test_pairs_fold_like_the_formula(length: int) -> None:
    upper, lower, points = words(1, 5, length), words(2, 5, length), words(3, length)
    out = np.empty_like(upper)
    kernels.fold_pairs(upper, lower, points, element(4), out, 2)
    assert np.array_equal(out, reference.fold_pairs(upper, lower, points, element(4)))


@pytest.mark.parametrize("length", LENGTHS)
def test_a_scaled_word_is_added_in_place(length: int) -> None:
    word, addend = words(1, 5, length), words(2, 5, length)
    expected = reference.add_scaled(word, addend, element(3))
    kernels.add_scaled(word, addend, element(3), 2)
    assert np.array_equal(word, expected)


@pytest.mark.parametrize("length", LENGTHS)
def test_quotients_of_differences_are_added_in_place(length: int) -> None:
    word, combined, points = words(1, 5, length), words(2, 5, length), words(3, length)
    quotients = reference.quotient_of_differences(combined, element(4), points, element(5))
    expected = reference.add_scaled(word, quotients, (1, 0, 0, 0, 0))
    kernels.add_quotient_of_differences(word, combined, element(4), points, element(5), 2)
    assert np.array_equal(word, expected)


def test_the_norm_is_the_adjugate_times_the_difference() -> None:
    point = element(6)
    norm, adjugate = kernels.norm_and_adjugate(point)
    for x in (0, 1, 5, PRIME - 1):
        total = Quintic((0,) * 5)
        for coefficient in reversed(adjugate):
            total = total * x + Quintic(coefficient)
        product = canonical(total * (Quintic(point) - x))
        assert product == (sum(c * power(x, i) for i, c in enumerate(norm)) % PRIME, 0, 0, 0, 0)


def test_a_shared_sequence_is_computed_once_and_cannot_be_changed() -> None:
    sequence = kernels.shared_sequence(7, 3, 6)
    assert decode(sequence).tolist() == [7, 21, 63, 189, 567, 1701]
    assert kernels.shared_sequence(7, 3, 6) is sequence
    with pytest.raises(ValueError, match="read-only"):
        sequence[0] = 0
