"""The tables of many keys at once for the verification comb: sixteen keys a vector, one a lane.

Made apart from the combs, because keys repeat: 93 doublings and 15 additions, one after the other, each with an inverse.
Up to eight vectors go in step and share the inversions.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from prover.curve.comb import (
    DOUBLINGS,
    KEY_ENTRIES,
    STEPS,
    KeyTables,
    changed_part,
    fixed_points,
    gray,
)
from prover.curve.formulas import LINEAR
from prover.curve.septic import POINT_ELEMENTS, encode
from prover.curve.septic_kernels import (
    FREE,
    LANES,
    SLOT,
    TOGETHER,
    add,
    copy,
    copy_out,
    find_apart,
    frobenius_matrices,
    invert_many,
    lanes_not_apart,
    multiply,
    negate,
    replace_zero,
    spread_flags,
    subtract,
    whole_vectors,
)
from prover.field.compiler import kernel
from prover.field.koalabear import Montgomery
from prover.field.koalabear import encode as to_montgomery
from prover.field.simd import field_add, load32, splat32, store32
from prover.field.threads import run_slices

MULTIPLES: Final = DOUBLINGS + 1

DOUBLING_COLUMNS: Final = 21
"""Of a multiple: x, y, the tangent's slope."""

ADDITION_COLUMNS: Final = 23
"""Of an entry: x, y; slope, w0 and w1 of the sum that makes the next."""

# Slots that all vectors share, then those of each; numpy integers as in `septic_kernels`.
SLOPE, RESULT, VECTORS = FREE, FREE + np.intp(1), FREE + np.intp(2)
_OWN: Any = np.arange(18, dtype=np.intp)
X, Y, NUMERATOR, RUN, INVERSE, APART = _OWN[:6]
POWERS = _OWN[6]  # eight: x and y of 2^(31 k) key
ENTRY_X, ENTRY_Y = _OWN[14:16]
VECTOR_SLOTS = _OWN[16]

_CHANGES: Any = np.array([changed_part(number) for number in range(KEY_ENTRIES - 1)], np.int64)
_GRAY: Any = np.array([gray(place) for place in range(KEY_ENTRIES)], np.int64)


@kernel
def _tangent(scratch: Any, at: int, linear: Any) -> None:
    """The numerator 3 x^2 + 45 of the tangent's slope, and the denominator 2 y."""
    multiply(scratch, at + NUMERATOR, at + X, at + X)
    add(scratch, RESULT, at + NUMERATOR, at + NUMERATOR)
    add(scratch, at + NUMERATOR, at + NUMERATOR, RESULT)
    constant = field_add(load32(scratch, (at + NUMERATOR) * SLOT), splat32(linear))
    store32(scratch, (at + NUMERATOR) * SLOT, constant)
    add(scratch, at + RUN, at + Y, at + Y)
    # Zero only in the lanes that hold no key.
    replace_zero(scratch, at + RUN)


@kernel
def _follow_slope(scratch: Any, x: int, y: int, other_x: int) -> None:
    """Replace x, y by the sum with a point of that x (their own x: by twice the point), whose slope is in SLOPE."""
    multiply(scratch, RESULT, SLOPE, SLOPE)
    subtract(scratch, RESULT, RESULT, x)
    subtract(scratch, RESULT, RESULT, other_x)
    subtract(scratch, x, x, RESULT)
    multiply(scratch, x, x, SLOPE)
    subtract(scratch, y, x, y)
    copy(scratch, x, RESULT)


@kernel
def _double(scratch: Any, at: int) -> None:
    """Replace X, Y by twice the point, given 1 / 2 y; its slope stays in SLOPE."""
    multiply(scratch, SLOPE, at + NUMERATOR, at + INVERSE)
    _follow_slope(scratch, at + X, at + Y, at + X)


@kernel
def _add_power(scratch: Any, at: int, power: int, is_taken: Any) -> None:
    """Replace the entry by its sum with a power, or its difference, given the inverse of the run."""
    if is_taken:
        add(scratch, RESULT, at + power + 1, at + ENTRY_Y)
        negate(scratch, RESULT, RESULT)
    else:
        subtract(scratch, RESULT, at + power + 1, at + ENTRY_Y)
    multiply(scratch, SLOPE, RESULT, at + INVERSE)
    _follow_slope(scratch, at + ENTRY_X, at + ENTRY_Y, at + power)


@kernel
def _double_together(
    scratch: Any,
    linear: Any,
    frobenius: Any,
    doublings: Any,
    has_witness: bool,
    first: int,
    vectors: int,
    count: int,
) -> None:
    """Double the keys 93 times and keep the multiples that the tables are made of."""
    stride = MULTIPLES * count
    for number in range(MULTIPLES):
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, number * count + first + vector * LANES
            if number % STEPS == 0:
                power = at + POWERS + 2 * (number // STEPS)
                copy(scratch, power, at + X)
                copy(scratch, power + 1, at + Y)
            if has_witness:
                copy_out(scratch, at + X, 14, doublings, place, stride)
            _tangent(scratch, at, linear)
        if number == DOUBLINGS:
            return
        invert_many(scratch, VECTORS + INVERSE, VECTORS + RUN, vectors, VECTOR_SLOTS, frobenius)
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, number * count + first + vector * LANES
            _double(scratch, at)
            if has_witness:
                copy_out(scratch, SLOPE, 7, doublings, place + 14 * stride, stride)


@kernel
def _add_together(
    scratch: Any,
    frobenius: Any,
    flags: Any,
    entries: Any,
    additions: Any,
    has_witness: bool,
    first: int,
    vectors: int,
    count: int,
) -> None:
    """Make the entries in Gray's order and note the exceptional lanes."""
    stride = KEY_ENTRIES * count
    for number in range(KEY_ENTRIES):
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
            copy_out(scratch, at + ENTRY_X, 14, entries, _GRAY[number] * count + place, stride)
            if has_witness:
                copy_out(scratch, at + ENTRY_X, 14, additions, number * count + place, stride)
        if number == KEY_ENTRIES - 1:
            return
        power = POWERS + 2 * _CHANGES[number, 0]
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
            subtract(scratch, at + RUN, at + power, at + ENTRY_X)
            flags[place // LANES] |= lanes_not_apart(scratch, at + RUN)
        if has_witness:
            find_apart(scratch, VECTORS + APART, VECTORS + RUN, vectors, VECTOR_SLOTS)
        for vector in range(vectors):
            replace_zero(scratch, VECTORS + vector * VECTOR_SLOTS + RUN)
        invert_many(scratch, VECTORS + INVERSE, VECTORS + RUN, vectors, VECTOR_SLOTS, frobenius)
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, number * count + first + vector * LANES
            _add_power(scratch, at, power, _CHANGES[number, 1])
            if has_witness:
                copy_out(scratch, SLOPE, 7, additions, place + 14 * stride, stride)
                copy_out(scratch, at + APART, 2, additions, place + 21 * stride, stride)


@kernel
def _make_slice(
    keys: Any,
    constants: Any,
    frobenius: Any,
    scratch: Any,
    flags: Any,
    entries: Any,
    doublings: Any,
    additions: Any,
    has_witness: bool,
    start: int,
    stop: int,
) -> None:
    """Twin of `comb.key_table` for the keys start to stop, a multiple of sixteen."""
    count = keys.shape[1]
    for first in range(start, stop, LANES * TOGETHER):
        vectors = min(TOGETHER, (stop - first) // LANES)
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
            for k in range(POINT_ELEMENTS):
                store32(scratch, (at + X) * SLOT + 16 * k, load32(keys, k * count + place))
                store32(scratch, (at + ENTRY_X) * SLOT + 16 * k, splat32(constants[k]))
        _double_together(
            scratch, constants[POINT_ELEMENTS], frobenius, doublings, has_witness, first, vectors, count
        )
        _add_together(scratch, frobenius, flags, entries, additions, has_witness, first, vectors, count)


def key_tables(keys: Montgomery, *, has_witness: bool, threads: int = 1) -> KeyTables:
    """Make the tables of keys of shape (14, m), all on the curve."""
    padded_keys = whole_vectors(keys)
    length, count = keys.shape[1], padded_keys.shape[1]
    flags = np.zeros(count // LANES, np.uint64)
    entries = np.zeros((POINT_ELEMENTS, KEY_ENTRIES, count), np.uint32)
    witnesses = count if has_witness else 0
    doublings = np.zeros((DOUBLING_COLUMNS, MULTIPLES, witnesses), np.uint32)
    additions = np.zeros((ADDITION_COLUMNS, KEY_ENTRIES, witnesses), np.uint32)
    constants = to_montgomery([*encode(fixed_points().key_offset), LINEAR])

    def work(start: int, stop: int) -> None:
        scratch = np.zeros(int(VECTORS + TOGETHER * VECTOR_SLOTS) * SLOT, np.uint32)
        _make_slice(
            padded_keys,
            constants,
            frobenius_matrices(),
            scratch,
            flags,
            entries,
            doublings,
            additions,
            has_witness,
            start,
            stop,
        )

    run_slices(threads, count, work, multiple=LANES)
    rows = np.zeros((length, KEY_ENTRIES, LANES), np.uint32)
    rows[..., :POINT_ELEMENTS] = entries[..., :length].transpose(2, 1, 0)
    return KeyTables(
        spread_flags(flags)[:length],
        rows,
        doublings[..., :length],
        additions[..., :length],
    )
