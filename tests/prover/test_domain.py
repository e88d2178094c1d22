"""Domains: vanishing polynomials, weights of quotient pieces, periodic columns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from prover.domain import Domain, interpolate_on_subgroup, raise_to_two_power
from prover.field.extension import QUINTIC, Element
from prover.field.koalabear import GENERATOR, PRIME, inverse, power, root_of_unity
from prover.ntt import naive_coefficients

LOG_HEIGHTS = pytest.mark.parametrize("log_height", [0, 1, 2, 5])


@dataclass(frozen=True, slots=True)
class Point:
    """An element of the quintic extension, with the operators that a domain asks of a ring."""

    value: Element

    def __add__(self, other: Point | int) -> Point:
        return Point(QUINTIC.add(self.value, lift(other).value))

    def __sub__(self, other: Point | int) -> Point:
        return Point(QUINTIC.subtract(self.value, lift(other).value))

    def __mul__(self, other: Point | int) -> Point:
        return Point(QUINTIC.multiply(self.value, lift(other).value))


def lift(value: Point | int) -> Point:
    return value if isinstance(value, Point) else Point(QUINTIC.from_base(value))


def random_point(seed: int) -> Point:
    source = random.Random(seed)
    return Point(tuple(source.randrange(PRIME) for _ in range(5)))


def evaluate(coefficients: Sequence[int], point: Point) -> Point:
    total = lift(0)
    for coefficient in reversed(coefficients):
        total = total * point + coefficient
    return total


def rows(log_height: int, shift: int = 1) -> list[int]:
    return [shift * power(root_of_unity(log_height), row) % PRIME for row in range(1 << log_height)]


@LOG_HEIGHTS
def test_the_rows_are_the_powers_of_the_generator(log_height: int) -> None:
    domain = Domain(log_height, 2)
    points = rows(log_height)
    assert domain.generator == points[1 % len(points)]
    assert domain.last_row == points[-1]
    assert domain.inverse_height * len(points) % PRIME == 1


@LOG_HEIGHTS
def test_the_vanishing_polynomial_is_zero_on_the_rows_and_nowhere_else(log_height: int) -> None:
    domain = Domain(log_height, 0)
    assert all(domain.vanishing_at(lift(point)) == lift(0) for point in rows(log_height))
    z = random_point(1)
    product = lift(1)
    for point in rows(log_height):
        product = product * (z - point)
    assert domain.vanishing_at(z) == product
    assert product != lift(0)


@LOG_HEIGHTS
def test_the_cosets_are_apart_from_each_other_and_from_the_rows(log_height: int) -> None:
    domain = Domain(log_height, 3)
    assert domain.coset_shift(0) == GENERATOR
    root = root_of_unity(log_height + 3)
    points = set(rows(log_height))
    for coset in range(8):
        shift = domain.coset_shift(coset)
        assert shift == GENERATOR * power(root, coset) % PRIME
        points.update(rows(log_height, shift))
    assert len(points) == 9 << log_height


@LOG_HEIGHTS
@pytest.mark.parametrize("log_pieces", [0, 1, 2])
def test_each_piece_weight_is_one_on_its_coset_and_zero_on_the_others(
    log_height: int, log_pieces: int
) -> None:
    domain = Domain(log_height, 3)
    root = root_of_unity(log_height + log_pieces)
    for coset in range(1 << log_pieces):
        for point in rows(log_height, GENERATOR * power(root, coset) % PRIME):
            expected = [lift(int(piece == coset)) for piece in range(1 << log_pieces)]
            assert domain.piece_weights(lift(point), log_pieces) == expected


@LOG_HEIGHTS
@pytest.mark.parametrize("log_pieces", [0, 1, 2])
def test_the_pieces_put_a_polynomial_of_their_joint_degree_together(log_height: int, log_pieces: int) -> None:
    height, pieces = 1 << log_height, 1 << log_pieces
    source = random.Random(3)
    whole = [source.randrange(PRIME) for _ in range(height * pieces)]
    root = root_of_unity(log_height + log_pieces)
    z = random_point(2)
    total = lift(0)
    for coset, weight in enumerate(Domain(log_height, 3).piece_weights(z, log_pieces)):
        # A piece is the polynomial of degree below the height that agrees with the whole one on the coset.
        shift = GENERATOR * power(root, coset) % PRIME
        values = [evaluate(whole, lift(point)).value[0] for point in rows(log_height, shift)]
        scaled = naive_coefficients(values)
        piece = [c * power(shift, -k) % PRIME for k, c in enumerate(scaled)]
        total = total + weight * evaluate(piece, z)
    assert total == evaluate(whole, z)


@pytest.mark.parametrize("log_period", [0, 1, 3])
def test_a_periodic_column_repeats_its_values(log_period: int) -> None:
    log_height = 5
    source = random.Random(4)
    values = [source.randrange(PRIME) for _ in range(1 << log_period)]
    domain = Domain(log_height, 0)
    for row, point in enumerate(rows(log_height)):
        assert domain.periodic_at(lift(point), values, lift) == lift(values[row % len(values)])
    repeated = naive_coefficients(values * (1 << (log_height - log_period)))
    z = random_point(5)
    assert domain.periodic_at(z, values, lift) == evaluate(repeated, z)


@LOG_HEIGHTS
def test_interpolation_is_that_of_the_definition(log_height: int) -> None:
    source = random.Random(6)
    values = [source.randrange(PRIME) for _ in range(1 << log_height)]
    assert interpolate_on_subgroup(values) == naive_coefficients(values)


def test_a_point_is_squared_so_many_times() -> None:
    z = random_point(7)
    assert raise_to_two_power(z, 0) == z
    assert raise_to_two_power(z, 3) == Point(QUINTIC.power(z.value, 8))
    assert raise_to_two_power(lift(inverse(2)), 1) == lift(inverse(4))
