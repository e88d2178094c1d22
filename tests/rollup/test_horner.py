"""The data's polynomial, all rows at once, is Horner's rule word by word."""

from __future__ import annotations

from random import Random

import pytest

from prover.field.extension import QUINTIC
from prover.field.koalabear import PRIME
from rollup.binding import evaluate, words_of


@pytest.mark.parametrize("length", [0, 2, 14, 16, 18, 30, 32, 34, 1000])
def test_the_value_is_horners_behind_a_leading_one(length: int) -> None:
    random = Random(length)
    published = random.randbytes(length)
    point = tuple(random.randrange(PRIME) for _ in range(5))
    value = QUINTIC.one
    for word in words_of(published):
        value = QUINTIC.add(QUINTIC.multiply(value, point), QUINTIC.from_base(word))
    assert evaluate(published, point) == value
