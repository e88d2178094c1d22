"""Combs over any points: what a prover lays out who takes others than the tables have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prover.curve import packed
from prover.curve.comb import STEPS, CombBatch, fixed_points, witness_of_apart
from prover.curve.formulas import Element
from prover.curve.septic import Point
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import encode


def _slope(left: Point, right: Point) -> Element:
    """Of the chord through two points."""
    rise = packed.subtract(packed.pack(right.y), packed.pack(left.y))
    run = packed.subtract(packed.pack(right.x), packed.pack(left.x))
    return packed.unpack(packed.canonical(packed.multiply(rise, packed.inverse(run))))


def _sum(slope: Element, left: Point, right: Point) -> Point:
    """Where the slope leads, whether or not it is the chord's."""
    along = packed.pack(slope)
    x = packed.canonical(
        packed.subtract(packed.multiply(along, along), packed.pack(left.x) + packed.pack(right.x))
    )
    y = packed.subtract(packed.multiply(along, packed.subtract(packed.pack(left.x), x)), packed.pack(left.y))
    return Point(packed.unpack(x), packed.unpack(packed.canonical(y)))


def comb_over(
    generator_points: Sequence[Point],
    key_points: Sequence[Point],
    free_slopes: Mapping[int, Element] | None = None,
    free_third_slopes: Mapping[int, Element] | None = None,
) -> CombBatch:
    """The comb that adds these points, 31 of each; where points agree the slope is chosen."""
    accumulator = fixed_points().start
    columns = []
    for step in range(STEPS):
        right, key = generator_points[step], key_points[step]
        apart = witness_of_apart(accumulator.x, right.x) or (0, 0)
        slope = (free_slopes or {}).get(step) or _slope(accumulator, right)
        middle = _sum(slope, accumulator, right)
        # The y of M enters by the slope: it is where the line leads, also if the slope was chosen.
        second = _second_slope(slope, accumulator, middle)
        doubled = _sum(second, accumulator, middle)
        third_apart = witness_of_apart(doubled.x, key.x) or (0, 0)
        third = (free_third_slopes or {}).get(step) or _slope(doubled, key)
        columns.append(
            [*accumulator.x, *right.x, *key.x, *key.y, *slope, *second, *third, *apart, *third_apart]
        )
        accumulator = _sum(third, key, doubled)
    steps = encode(np.array(columns, np.int64).T)[:, :, None]
    results = encode(np.array(encode_point(accumulator)))[:, None]
    return CombBatch(np.zeros(1, np.bool_), results, steps)


def _second_slope(slope: Element, accumulator: Point, middle: Point) -> Element:
    """Minus slope and 2 y over x(M) - x(P)."""
    run = packed.subtract(packed.pack(middle.x), packed.pack(accumulator.x))
    ratio = packed.multiply(2 * packed.pack(accumulator.y), packed.inverse(run))
    return packed.unpack(packed.canonical(packed.subtract(0, packed.pack(slope) + ratio)))
