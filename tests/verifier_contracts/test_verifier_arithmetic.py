"""The verifier's lanes: sums of products, rows under weights and folds are right, and overflow for no value."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from prover.field.koalabear import PRIME, inverse
from prover.fri.folding import HALF, fold_row, inverse_roots
from prover.stark.numbers import Quintic
from tests.verifier_contracts.exit_bench import Engine, address_of

CALLER = address_of(1)
LANE_BITS = 51
LARGEST = (PRIME - 1,) * 5
Element = tuple[int, ...]


class Evaluator:
    """The arithmetic, called in pyrevm."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.contract = self.engine.deploy("FieldEvaluator", caller=CALLER)

    def call(self, name: str, *arguments: Any) -> Any:
        """The one result of a function, or all of them."""
        return self.engine.send(self.contract, name, *arguments, caller=CALLER)


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    return Evaluator()


def narrow(element: Element) -> int:
    """Five lanes of 51 bits, the constant coordinate highest."""
    value = 0
    for coordinate in element:
        value = value << LANE_BITS | coordinate
    return value


def quintic(element: Element) -> Quintic:
    a, b, c, d, e = element
    return Quintic((a, b, c, d, e))


def coordinates_of(value: Quintic) -> Element:
    return tuple(int(coordinate) for coordinate in value.coordinates)


def elements(count: int, seed: int) -> list[Element]:
    """Random elements, and among them the largest and the smallest."""
    source = random.Random(seed)
    edges = [LARGEST, (0,) * 5, (1, 0, 0, 0, 0), (0, 0, 0, 0, PRIME - 1)]
    drawn = [tuple(source.randrange(PRIME) for _ in range(5)) for _ in range(count)]
    return [source.choice(edges) if source.random() < 0.3 else element for element in drawn]


def sum_of_products(left: Sequence[Element], right: Sequence[Element]) -> Element:
    total = Quintic((0, 0, 0, 0, 0))
    for a, b in zip(left, right, strict=True):
        total = total + quintic(a) * quintic(b)
    return coordinates_of(total)


@pytest.mark.parametrize("count", [1, 2, 5, 16, 600])
def test_the_largest_products_overflow_no_lane(evaluator: Evaluator, count: int) -> None:
    largest = [LARGEST] * count
    found = evaluator.call("sumOfProducts", [narrow(LARGEST)] * count, [narrow(LARGEST)] * count)
    assert found == narrow(sum_of_products(largest, largest))


@pytest.mark.parametrize("seed", range(20))
def test_sums_of_products_are_those_of_the_field(evaluator: Evaluator, seed: int) -> None:
    left, right = elements(seed, 2 * seed), elements(seed, 2 * seed + 1)
    found = evaluator.call("sumOfProducts", [narrow(a) for a in left], [narrow(b) for b in right])
    assert found == narrow(sum_of_products(left, right))


@pytest.mark.parametrize("place", range(5))
def test_a_factor_may_be_a_sum_of_two(evaluator: Evaluator, place: int) -> None:
    twice = tuple(2 * (PRIME - 1) if k >= place else 0 for k in range(5))
    once = tuple(coordinate % PRIME for coordinate in twice)
    expected = narrow(sum_of_products([once], [LARGEST]))
    assert evaluator.call("sumOfProducts", [narrow(twice)], [narrow(LARGEST)]) == expected
    assert evaluator.call("sumOfProducts", [narrow(LARGEST)], [narrow(twice)]) == expected


def weighted(row: Sequence[int], weights: Sequence[Element]) -> Element:
    return tuple(
        sum(value * weight[k] for value, weight in zip(row, weights, strict=True)) % PRIME for k in range(5)
    )


def spelled(row: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in row)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 39, 400])
def test_a_row_of_the_largest_elements_overflows_no_lane(evaluator: Evaluator, count: int) -> None:
    row, weights = [PRIME - 1] * count, [LARGEST] * count
    found = evaluator.call("weightedSum", spelled(row), [narrow(weight) for weight in weights])
    assert tuple(found) == (narrow(weighted(row, weights)), True)


@pytest.mark.parametrize("count", range(1, 26))
def test_every_place_of_a_row_meets_its_own_weight(evaluator: Evaluator, count: int) -> None:
    source = random.Random(count)
    row = [source.choice((0, PRIME - 1, source.randrange(PRIME))) for _ in range(count)]
    weights = elements(count, count)
    found = evaluator.call("weightedSum", spelled(row), [narrow(weight) for weight in weights])
    assert tuple(found) == (narrow(weighted(row, weights)), True)


@pytest.mark.parametrize("place", range(17))
@pytest.mark.parametrize("value", [PRIME, PRIME + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1])
def test_an_element_that_is_not_below_the_prime_is_seen_wherever_it_stands(
    evaluator: Evaluator, place: int, value: int
) -> None:
    row = [PRIME - 1] * 17
    row[place] = value
    _, is_canonical = evaluator.call("weightedSum", spelled(row), [0] * 17)
    assert not is_canonical


@pytest.mark.parametrize("log_arity", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_a_row_folds_to_what_the_formula_says(evaluator: Evaluator, log_arity: int, seed: int) -> None:
    source = random.Random(seed)
    row = [LARGEST] * (1 << log_arity) if seed == 0 else elements(1 << log_arity, seed)
    challenge = LARGEST if seed < 2 else elements(1, seed + 100)[0]
    point = PRIME - 1 if seed < 2 else source.randrange(1, PRIME)
    scale = [inverse_roots(level) for level in range(log_arity, 0, -1)]
    ratio = quintic(challenge) * quintic((inverse(point), 0, 0, 0, 0))
    lifted = [[quintic((root, 0, 0, 0, 0)) for root in roots] for roots in scale]
    expected = fold_row([quintic(v) for v in row], ratio, lifted, quintic((HALF, 0, 0, 0, 0)))
    sent = b"".join(spelled(value) for value in row)
    found = evaluator.call("folded", log_arity, narrow(challenge), inverse(point), sent)
    assert found == narrow(coordinates_of(expected))
