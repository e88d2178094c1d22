"""The key table: four rows a trading key, one for each of the four additions to the chain's fixed points.

    row j of a block     fixed point j (periodic)   key   inverse   slope   fixed point j - key

A key is laid out once, however many signatures it made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits.buses import CHAIN_POINTS, KEY_ENDS, KEYS
from circuits.septic import SepticColumns, residuals, septic_columns, septic_periodic
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.curve import formulas
from prover.curve.chain import fixed_points
from prover.curve.formulas import DEGREE
from prover.curve.septic import GENERATOR, POINT_ELEMENTS
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import Montgomery, encode

NAME: Final = "keys"

LOG_BLOCK: Final = 2
BLOCK: Final = 1 << LOG_BLOCK
"""Rows a key: the challenge bit doubles the four fixed points, and each needs one addition."""

NEGATIVE_KEY_ENTRY: Final = BLOCK
"""Under this entry the key's own negative is provided."""

POINT_COUNTS: Final = ("count of the sum", "count of the negative key", "count of the key's end")
"""How often signatures and messages ask for each, row by row."""

POINT_COLUMNS: Final = 1 + 2 * POINT_ELEMENTS + 2 * DEGREE + len(POINT_COUNTS)

COLUMNS: Final = POINT_COLUMNS + 1
"""And how often an identity asks for the whole key."""


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """What a row says of its key."""

    number: Expression
    x: SepticColumns
    y: SepticColumns


def constrain(air: AirBuilder) -> None:
    """State what a circuit of signatures needs of its keys, and provide each key to the identity that owns it.

    Guarantees: what `constrain_points` does; whoever finds a key under its number knows all of it.
    """
    key = constrain_points(air)
    air.provide(KEYS, [key.number, *key.x, *key.y], air.column("count of the key"))


def constrain_points(air: AirBuilder) -> KeyColumns:
    """State that every key is a point of the curve, and provide what it adds to the chain's table.

    Assumes nothing: the witness chooses the keys; whoever knows the right one asks for it by its end or its elements.
    Guarantees: a number stands for one key; it is on the curve and no fixed point or its negative.
    """
    number = air.column("number")
    key_x, key_y = septic_columns(air, "key x"), septic_columns(air, "key y")
    inverse, slope = septic_columns(air, "inverse"), septic_columns(air, "slope")
    total_x, total_y = septic_columns(air, "sum x"), septic_columns(air, "sum y")
    fixed = fixed_points().table
    fixed_x = septic_periodic(air, "fixed x", [point.x for point in fixed])
    fixed_y = septic_periodic(air, "fixed y", [point.y for point in fixed])
    entry = air.periodic("entry", range(BLOCK))
    is_inside = air.periodic("is inside", [1, 1, 1, 0])
    minus_y = (-key_y[0], -key_y[1], -key_y[2], -key_y[3], -key_y[4], -key_y[5], -key_y[6])

    residuals(air, "the key is on the curve", formulas.curve_residual(key_x, key_y))
    # Soundness: without the inverse a key that is a fixed point leaves the slope free, and its table with it.
    residuals(
        air,
        "the key is no fixed point and no negative of one",
        formulas.inverse_residual(inverse, fixed_x, key_x),
    )
    residuals(
        air,
        "the slope is the chord's through fixed point and negative key",
        formulas.chord_residual(slope, fixed_x, fixed_y, key_x, minus_y),
    )
    residuals(
        air,
        "the sum's x is the addition's",
        formulas.subtract(total_x, formulas.sum_x(slope, fixed_x, key_x)),
    )
    residuals(
        air,
        "the sum's y is the addition's",
        formulas.subtract(total_y, formulas.sum_y(slope, fixed_x, fixed_y, total_x)),
    )
    for i, column in enumerate((*key_x, *key_y)):
        air.assert_zero(f"the rows of a block hold one key, element {i}", is_inside * (column.next - column))
    # Soundness: two keys under one number could lend each other their points.
    air.on_first_row.assert_zero("keys are numbered from zero", number)
    air.on_transition.assert_equal("every key has the next number", number.next, number + 1 - is_inside)

    sums, negatives, ends = air.columns(*POINT_COUNTS)
    air.provide(CHAIN_POINTS, [number, entry, *total_x, *total_y], sums)
    air.provide(CHAIN_POINTS, [number, NEGATIVE_KEY_ENTRY, *key_x, *minus_y], negatives)
    air.provide(KEY_ENDS, [number, *key_y[3:]], ends)
    return KeyColumns(number, key_x, key_y)


def fill(keys: Montgomery, log_height: int) -> Montgomery:
    """The trace of keys (14, n), the counts left zero.

    Blocks that are left over hold the last key again, or the generator where there is none; nobody asks for them.
    """
    from prover.curve.kernels import run_chains

    blocks, count = (1 << log_height) // BLOCK, keys.shape[1]
    if count > blocks:
        raise ValueError(f"{count} keys do not fit a table of {blocks} keys")
    if not count:
        keys, count = encode(np.array(encode_point(GENERATOR)))[:, None], 1
    used = np.minimum(np.arange(blocks), count - 1)
    one = np.zeros((POINT_ELEMENTS, count), np.uint32)
    one[0] = 1
    chains = run_chains(keys, one, np.zeros((4, count), np.uint32), has_witness=True)
    trace = np.zeros((COLUMNS, blocks, BLOCK), np.uint32)
    trace[0] = encode(np.arange(blocks))[:, None]
    trace[1:15] = keys[:, used][:, :, None]
    trace[15:43] = chains.additions[:, :, used].transpose(1, 2, 0)
    return trace.reshape(COLUMNS, blocks * BLOCK)
