"""The key table: one row a trading key, under its number; and the generator's table, which every signature shares.

    row i    number i   key   counts   |  entry i modulo 128 of the generator's table, and its count

A key stands here because an account has it; what its signatures need more is in `key_multiples`, for keys that sign.
So a key that cannot sign, its multiples being exceptional, still has its row, and the accounts of others their batch.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from circuits.buses import GENERATOR_POINTS, KEY_ENDS, KEY_STARTS, KEYS, OWN_MULTIPLE
from circuits.septic import residuals, septic_columns, septic_periodic
from prover.air.builder import AirBuilder
from prover.curve import formulas
from prover.curve.comb import GENERATOR_ENTRIES, fixed_points
from prover.curve.septic import GENERATOR, POINT_ELEMENTS
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import Montgomery, encode

NAME: Final = "keys"

LEAST_LOG_HEIGHT: Final = 7
"""The generator's table has that many rows."""

START_ELEMENTS: Final = 10
"""Of a key, x first: those that share sponge blocks with R; the message's owner sends the others."""

COUNTS: Final = (
    "count of the key",
    "count of its start",
    "count of its end",
    "count of the generator's point",
)

COLUMNS: Final = 1 + POINT_ELEMENTS + len(COUNTS)


def constrain(air: AirBuilder) -> None:
    """State that every key is a point of the curve and has a number of its own; provide it, whole and in parts.

    Assumes nothing: the witness chooses the keys; whoever knows the right one asks for it by its elements.
    Guarantees: a number stands for one key, which is on the curve; the generator's points are the comb's constants.
    """
    number = air.column("number")
    key_x, key_y = septic_columns(air, "key x"), septic_columns(air, "key y")
    key, start, end, point = air.columns(*COUNTS)
    # Soundness: off the curve lie points of small order, by whose multiples anybody can sign.
    residuals(air, "the key is on the curve", formulas.curve_residual(key_x, key_y))
    # Soundness: two keys under one number could lend each other their multiples.
    air.on_first_row.assert_zero("keys are numbered from zero", number)
    air.on_transition.assert_equal("every key has the next number", number.next, number + 1)

    elements = [*key_x, *key_y]
    air.provide(KEYS, [number, OWN_MULTIPLE, *elements], key)
    air.provide(KEY_STARTS, [number, *elements[:START_ELEMENTS]], start)
    air.provide(KEY_ENDS, [number, *elements[START_ELEMENTS:]], end)
    # Soundness: constants; were they the witness's, any point would be a multiple of the generator.
    entries = fixed_points().table
    x = septic_periodic(air, "generator's point x", [entry.x for entry in entries])
    y = septic_periodic(air, "generator's point y", [entry.y for entry in entries])
    air.provide(GENERATOR_POINTS, [*x, *y], point)


def fill(keys: Montgomery, log_height: int) -> Montgomery:
    """The trace of keys (14, n), the counts left zero; rows that are left over hold the generator."""
    height, count = 1 << log_height, keys.shape[1]
    if count > height:
        raise ValueError(f"{count} keys do not fit a table of {height} keys")
    if height < GENERATOR_ENTRIES:
        raise ValueError(f"the generator's {GENERATOR_ENTRIES} points do not fit a table of {height} rows")
    trace = np.zeros((COLUMNS, height), np.uint32)
    trace[0] = encode(np.arange(height))
    trace[1 : 1 + POINT_ELEMENTS] = encode(np.array(encode_point(GENERATOR)))[:, None]
    trace[1 : 1 + POINT_ELEMENTS, :count] = keys
    return trace
