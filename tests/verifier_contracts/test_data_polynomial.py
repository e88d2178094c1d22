"""The contract's evaluation of the data is the one that the rules define, for any bytes at any point."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollup.binding import evaluate, packed
from tests.verifier_contracts.vault_bench import House

PRIME = 0x7F000001
EDGES = (1, 2, 13, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 2048)
"""Numbers of pieces around the sizes of a word, of a table and of a block."""

coordinates = st.integers(0, PRIME - 1) | st.sampled_from((0, 1, PRIME - 1))


@pytest.fixture(scope="module")
def evaluator() -> Any:
    return House().deploy("PolynomialEvaluator")


def contract_value(evaluator: Any, point: tuple[int, ...], data: bytes, value: int = 1) -> int:
    return int(evaluator.functions.advance(value, packed(point), data).call({"gas": 16_000_000}))


@pytest.mark.parametrize("pieces", EDGES)
def test_every_length_around_a_block_is_right(evaluator: Any, pieces: int) -> None:
    random_source = random.Random(pieces)
    point = tuple(random_source.randrange(PRIME) for _ in range(5))
    data = random_source.randbytes(2 * pieces)
    assert contract_value(evaluator, point, data) == packed(evaluate(data, point))


@pytest.mark.parametrize("pieces", [16, 256, 2048])
def test_the_largest_pieces_at_the_largest_point_overflow_no_lane(evaluator: Any, pieces: int) -> None:
    data, point = b"\xff" * (2 * pieces), (PRIME - 1,) * 5
    assert contract_value(evaluator, point, data, packed(point)) == packed(continued(data, point, point))


@given(point=st.tuples(*[coordinates] * 5), data=st.binary(min_size=2, max_size=80))
def test_any_data_at_any_point(evaluator: Any, point: tuple[int, ...], data: bytes) -> None:
    data = data[: len(data) // 2 * 2]
    assert contract_value(evaluator, point, data) == packed(evaluate(data, point))


def test_a_chunk_goes_on_where_the_last_one_stopped(evaluator: Any) -> None:
    random_source = random.Random(5)
    point = tuple(random_source.randrange(PRIME) for _ in range(5))
    data = random_source.randbytes(3000)
    value = 1
    for start, end in ((0, 1024), (1024, 1026), (1026, 3000)):
        value = contract_value(evaluator, point, data[start:end], value)
    assert value == packed(evaluate(data, point))


def continued(data: bytes, point: tuple[int, ...], value: tuple[int, ...]) -> tuple[int, ...]:
    """Horner's rule from any value, spelled out over the integers."""
    for start in range(0, len(data), 2):
        product = [0] * 9
        for left, a in enumerate(value):
            for right, b in enumerate(point):
                product[left + right] += a * b
        for power in (8, 7, 6, 5):
            # X^5 = 1 - X^2.
            product[power - 5] += product[power]
            product[power - 3] -= product[power]
        product[0] += int.from_bytes(data[start : start + 2], "big")
        value = tuple(coordinate % PRIME for coordinate in product[:5])
    return value
