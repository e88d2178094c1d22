"""Products and inverses of many elements of GF(p^7): those of the packed integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.curve import packed
from prover.curve.septic_kernels import inverses, products
from prover.field.koalabear import PRIME, Montgomery, decode, encode

coefficients = st.integers(0, PRIME - 1) | st.sampled_from([0, 1, PRIME - 1])
elements = st.tuples(*[coefficients] * 7) | st.just((0,) * 7)


def columns(of: list[tuple[int, ...]]) -> Montgomery:
    return encode(np.array(of, np.uint32).reshape(len(of), 7).T)


@settings(max_examples=20)
@given(st.lists(st.tuples(elements, elements), min_size=1, max_size=40))
def test_products_and_inverses_are_those_of_the_packed_integers(
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]],
) -> None:
    left, right = columns([a for a, _ in pairs]), columns([b for _, b in pairs])
    assert [tuple(column) for column in decode(products(left, right)).T.tolist()] == [
        packed.unpack(packed.multiply(packed.pack(a), packed.pack(b))) for a, b in pairs
    ]
    assert [tuple(column) for column in decode(inverses(left)).T.tolist()] == [
        packed.unpack(packed.inverse(packed.pack(a))) for a, _ in pairs
    ]


@pytest.mark.parametrize("count", [0, 16])
def test_none_and_whole_vectors_are_no_case_of_their_own(count: int) -> None:
    ones = columns([(1, 0, 0, 0, 0, 0, 0)] * count)
    assert np.array_equal(products(ones, ones), ones)
    assert np.array_equal(inverses(ones), ones)
