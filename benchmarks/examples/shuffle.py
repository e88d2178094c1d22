"""A shuffle: one column holds the values of another in some order, by columns that depend on challenges.

Round 1: a running product of (r - left) / (r - right), which comes back to one when the columns agree as multisets.
Round 2: a running sum of that product, weighed by a challenge drawn after the product was committed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prover.air.builder import AirBuilder
from prover.air.table import Extension
from prover.field.extension import QUINTIC
from prover.field.koalabear import Montgomery, encode
from prover.stark.circuit import Circuit, define_circuit

NAME = "shuffle"


def constrain(air: AirBuilder) -> None:
    """The left column is the right one in another order."""
    left, right = air.columns("left", "right")
    shift = air.challenge(1)
    product = air.challenge_column("running product", 1)
    weight = air.challenge(2)
    total = air.challenge_column("running total", 2)
    air.on_first_row.assert_equal("the product starts at one", product, 1)
    # The last row steps to the first one, so the product has come back to one.
    air.assert_equal(
        "the product takes one factor a row", product.next * (shift - right), product * (shift - left)
    )
    air.on_first_row.assert_zero("the total starts at zero", total)
    air.on_transition.assert_equal(
        "the total adds the weighted product", total.next, total + weight * product
    )
    air.fill_challenge_columns_with(fill_round)


def circuit() -> Circuit:
    """The circuit of one table."""
    return define_circuit(NAME, [("shuffle", constrain)])


def fill(log_height: int, seed: int) -> list[Montgomery]:
    """A random column and a random order of it."""
    generator = np.random.default_rng(seed)
    left = generator.integers(0, 1 << 20, size=1 << log_height)
    return [encode(np.stack([left, generator.permutation(left)]))]


def fill_round(
    round: int, main: Sequence[Sequence[int]], challenges: Sequence[Sequence[Extension]]
) -> list[list[Extension]]:
    """The running product; in round 2 its weighted running total."""
    shift = challenges[0][0]
    products = [QUINTIC.one]
    for left, right in zip(*main, strict=True):
        above = QUINTIC.subtract(shift, QUINTIC.from_base(left))
        below = QUINTIC.subtract(shift, QUINTIC.from_base(right))
        products.append(QUINTIC.multiply(products[-1], QUINTIC.multiply(above, QUINTIC.inverse(below))))
    if round == 1:
        return [products[:-1]]  # type: ignore[list-item]  # five coordinates by construction
    totals = [QUINTIC.zero]
    for product in products[:-2]:
        totals.append(QUINTIC.add(totals[-1], QUINTIC.multiply(challenges[1][0], product)))
    return [totals]  # type: ignore[list-item]  # five coordinates by construction
