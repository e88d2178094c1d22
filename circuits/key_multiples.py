"""The multiples of the keys that sign: 64 rows a key, the table of sixteen points that its signatures add.

    row 0..15     D = 2^i key       2 D            i = 2 r: two doublings a row, the last row of a segment one,
    row 16..31    D = 2^(31 + i)    2 D            so that 2^31 key, 2^62 key and 2^93 key are the
    row 32..47    D = 2^(62 + i)    2 D            second points of rows 15, 31 and 47
    row 48..63    U[b]              2^(31 k) key   b in Gray order, U[0] = C: the entry below is U[b] -+ the multiple

A key is laid out once, however many signatures it made; one that made none need not be laid out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import KEY_ENTRIES, KEYS, OWN_MULTIPLE
from circuits.septic import SepticColumns, next_row, residuals, septic_columns, septic_of
from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.curve import comb, formulas
from prover.curve.comb import CHALLENGE_PARTS, STEPS, KeyTables, changed_part, fixed_points, gray
from prover.curve.formulas import DEGREE
from prover.field.koalabear import Montgomery, encode

NAME: Final = "key multiples"

LOG_BLOCK: Final = 6
BLOCK: Final = 1 << LOG_BLOCK
"""Rows a key."""

SEGMENT: Final = (STEPS + 1) // 2
"""Rows of 31 doublings, two a row."""

ENTRIES_START: Final = SEGMENT * (CHALLENGE_PARTS - 1)
"""The first row of the entries."""

END: Final = BLOCK - 1

NO_MULTIPLE: Final = CHALLENGE_PARTS
NO_ENTRY: Final = comb.KEY_ENTRIES
"""Under these numbers other rows provide what nobody asks for."""

POINTS: Final = 6 * DEGREE
COUNTS: Final = ("count of the multiple", "count of the entry")
COLUMNS: Final = 1 + POINTS + len(COUNTS)


def _part(row: int) -> int:
    """Which multiple makes the entry below: 2^(31 k) key."""
    return changed_part(row - ENTRIES_START)[0]


def _sign(row: int) -> int:
    """Whether the multiple is added to the entry or taken off it."""
    if not ENTRIES_START <= row < END:
        return 0
    return -1 if changed_part(row - ENTRIES_START)[1] else 1


def constrain(air: AirBuilder) -> None:
    """State that every block holds the table of one key, and provide its entries.

    Assumes: the key table binds a number to a key on the curve.
    Guarantees: whoever finds a point under a key's number and an entry b of four bits finds
    C - sum of b_k 2^(31 k) key; none of the additions that made it was exceptional.
    """
    number = air.column("number")
    x, y, slope = (septic_columns(air, name) for name in ("x", "y", "slope"))
    other_x, other_y, other_slope = (
        septic_columns(air, name) for name in ("second x", "second y", "second slope")
    )

    def rows(name: str, holds: Callable[[int], bool]) -> Expression:
        return air.periodic(name, [int(holds(row)) for row in range(BLOCK)])

    def ends_segment(row: int) -> bool:
        return row < ENTRIES_START and row % SEGMENT == SEGMENT - 1

    is_start = rows("is the key", lambda row: row == 0)
    is_inside = rows("is not the last row", lambda row: row != END)
    is_doubling = rows("doubles", lambda row: row < ENTRIES_START)
    is_double = rows("doubles twice", lambda row: row < ENTRIES_START and not ends_segment(row))
    is_handed = rows("hands its second point on", lambda row: ends_segment(row) and row + 1 < ENTRIES_START)
    is_before = rows("has the first entry below", lambda row: row + 1 == ENTRIES_START)
    is_adding = rows("makes the entry below", lambda row: ENTRIES_START <= row < END)

    air.assert_zero("a block has one key", is_inside * (number.next - number))
    _constrain_doublings(
        air, is_doubling, is_double, is_handed, (x, y, slope), (other_x, other_y, other_slope)
    )
    _constrain_entries(air, is_before, is_adding, (x, y, slope), (other_x, other_y, other_slope))

    multiple = air.periodic(
        "multiple", [row // SEGMENT + 1 if ends_segment(row) else NO_MULTIPLE for row in range(BLOCK)]
    )
    asked = air.periodic(
        "multiple asked for",
        [_part(row) if ENTRIES_START <= row < END else 0 for row in range(BLOCK)],
    )
    entry = air.periodic(
        "entry", [gray(row - ENTRIES_START) if row >= ENTRIES_START else NO_ENTRY for row in range(BLOCK)]
    )
    multiples, entries = air.columns(*COUNTS)
    # Soundness: without it the multiples under a number could be those of another key.
    air.send(KEYS, [number, OWN_MULTIPLE, *x, *y], when=is_start)
    air.send(KEYS, [number, asked, *other_x, *other_y], when=is_adding)
    air.provide(KEYS, [number, multiple, *other_x, *other_y], multiples)
    air.provide(KEY_ENTRIES, [number, entry, *x, *y], entries)


Tangent = tuple[SepticColumns, SepticColumns, SepticColumns]
"""A point, x and y, and a slope through it."""


def _constrain_doublings(
    air: AirBuilder,
    is_doubling: Expression,
    is_double: Expression,
    is_handed: Expression,
    first: Tangent,
    second: Tangent,
) -> None:
    """Rows 0 to 47: each point is twice the one before it."""
    (x, y, slope), (other_x, other_y, other_slope) = first, second
    following_x, following_y = next_row(x), next_row(y)
    residuals(air, "the slope is the tangent's", formulas.tangent_residual(slope, x, y), is_doubling)
    residuals(
        air,
        "the second x is that of twice the point",
        formulas.subtract(other_x, formulas.double_x(slope, x)),
        is_doubling,
    )
    residuals(
        air,
        "the second y is that of twice the point",
        formulas.subtract(other_y, formulas.sum_y(slope, x, y, other_x)),
        is_doubling,
    )
    residuals(
        air,
        "the second slope is the tangent's",
        formulas.tangent_residual(other_slope, other_x, other_y),
        is_double,
    )
    residuals(
        air,
        "the next x is that of four times the point",
        formulas.subtract(following_x, formulas.double_x(other_slope, other_x)),
        is_double,
    )
    residuals(
        air,
        "the next y is that of four times the point",
        formulas.subtract(following_y, formulas.sum_y(other_slope, other_x, other_y, following_x)),
        is_double,
    )
    residuals(
        air, "a segment goes on with the x it ended with", formulas.subtract(following_x, other_x), is_handed
    )
    residuals(
        air, "a segment goes on with the y it ended with", formulas.subtract(following_y, other_y), is_handed
    )


def _constrain_entries(
    air: AirBuilder, is_before: Expression, is_adding: Expression, first: Tangent, second: Tangent
) -> None:
    """Rows 48 to 63: each entry is the one before it and a multiple, added or taken off."""
    (x, y, slope), (other_x, other_y, (apart_0, apart_1, *_)) = first, second
    following_x, following_y = next_row(x), next_row(y)
    sign = air.periodic("sign of the multiple", [_sign(row) for row in range(BLOCK)])
    offset = fixed_points().key_offset
    for i in range(DEGREE):
        air.assert_zero(
            f"the entries start at their x, coefficient {i}", is_before * (following_x[i] - offset.x[i])
        )
        air.assert_zero(
            f"the entries start at their y, coefficient {i}", is_before * (following_y[i] - offset.y[i])
        )
    # Soundness: without it a multiple that is the entry leaves the slope free, and the key's table with it.
    air.assert_zero(
        "entry and multiple stand apart",
        is_adding * formulas.apart_residual((apart_0, apart_1), x, other_x),
    )
    signed_y = septic_of([sign * coefficient for coefficient in other_y])
    residuals(
        air,
        "the slope is the chord's through entry and multiple",
        formulas.chord_residual(slope, x, y, other_x, signed_y),
        is_adding,
    )
    residuals(
        air,
        "the next entry's x is the sum's",
        formulas.subtract(following_x, formulas.sum_x(slope, x, other_x)),
        is_adding,
    )
    residuals(
        air,
        "the next entry's y is the sum's",
        formulas.subtract(following_y, formulas.sum_y(slope, x, y, following_x)),
        is_adding,
    )


def fill(tables: KeyTables, numbers: NDArray[np.int64], log_height: int) -> Montgomery:
    """The trace of the tables of the keys of these numbers, the counts left zero; spare blocks repeat the first."""
    blocks, count = (1 << log_height) // BLOCK, len(numbers)
    if not 0 < count <= blocks:
        raise ValueError(f"the multiples of {count} keys do not fit a table of {blocks}")
    trace = np.zeros((COLUMNS, blocks, BLOCK), np.uint32)
    first, second = trace[1 : 1 + 3 * DEGREE, :count], trace[1 + 3 * DEGREE : 1 + POINTS, :count]
    # (21, keys, doublings): a point and its tangent's slope.
    points = tables.doublings.transpose(0, 2, 1)
    for segment in range(CHALLENGE_PARTS - 1):
        rows = slice(segment * SEGMENT, (segment + 1) * SEGMENT)
        start = segment * STEPS
        first[:, :, rows] = points[:, :, start : start + STEPS : 2]
        second[:, :, rows] = points[:, :, start + 1 : start + STEPS + 1 : 2]
        second[2 * DEGREE :, :, rows.stop - 1] = 0
    additions = tables.additions.transpose(0, 2, 1)
    first[:, :, ENTRIES_START:] = additions[: 3 * DEGREE]
    apart = slice(2 * DEGREE, 2 * DEGREE + 2)
    second[apart, :, ENTRIES_START:] = additions[3 * DEGREE :]
    for row in range(ENTRIES_START, END):
        second[: 2 * DEGREE, :, row] = points[: 2 * DEGREE, :, STEPS * _part(row)]
    trace[0, :count] = encode(numbers)[:, None]
    trace[:, count:] = trace[:, :1]
    return trace.reshape(COLUMNS, blocks * BLOCK)
