"""The verification comb for many signatures at once: sixteen a vector, one a lane.

A step needs three inverses, of x_T - x_P, x_P - x_M and x_U - x_N; all come out of one:

    run = x_T - x_P,  rise = y_T - y_P,  fall = run^2 (2 x_P + x_T) - rise^2 = run^2 (x_P - x_M)
    d = run fall,  r = rise fall,  h = 2 y_P run^3:      slope = r / d,  second slope = (h - r) / d
    x_N = x_T + second^2 - slope^2 = x_T + h (h - 2 r) / d^2
    e = (x_U - x_T) d^2 - h (h - 2 r) = (x_U - x_N) d^2
    one = 1 / (d e):      1 / d = e one,  1 / (x_U - x_N) = d^3 one

Up to eight vectors go in step and share the inversion, three products each (Montgomery).
A lane that has met an exceptional addition goes on with whatever comes out, and its flag says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from prover.curve import septic
from prover.curve.comb import (
    CHALLENGE_PARTS,
    RESPONSE_PARTS,
    STEPS,
    CombBatch,
    KeyTables,
    fixed_points,
)
from prover.curve.septic import ORDER, POINT_ELEMENTS, encode
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
    replace_zero,
    spread_flags,
    subtract,
    whole_vectors,
)
from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import Montgomery
from prover.field.koalabear import encode as to_montgomery
from prover.field.simd import (
    address_of,
    and32,
    load32,
    or32,
    shift_left32,
    shift_right32,
    splat32,
    store32,
    store_rows16_at,
    transpose16,
)
from prover.field.threads import run_slices

STEP_COLUMNS: Final = 53
"""Of a step: as `comb.CombBatch` lists them."""

RESPONSE_LIMB_BITS: Final = 16

# Slots that all vectors share, then those of each; numpy integers as in `septic_kernels`.
RESULT, RISE, FALL, TWIST = np.arange(FREE, FREE + 4, dtype=np.intp)
VECTORS: Any = FREE + np.intp(4)
_OWN: Any = np.arange(24, dtype=np.intp)
P_X, P_Y = _OWN[:2]
T_X, T_Y = _OWN[2:4]  # a gathered row runs over into the slot behind
U_X, U_Y = _OWN[5:7]  # here too
SLOPE, SECOND, THIRD, APART, THIRD_APART = _OWN[8:13]
RUN, D, D_SQUARED, E, R, W, PRODUCT, ONE, N_X, N_Y = _OWN[13:23]
VECTOR_SLOTS = _OWN[23]


@inline_kernel
def _indices(limbs: Any, limb_bits: int, parts: int, bit: int, place: int, count: int) -> Any:
    """One bit of each part of the numbers whose limbs are given, the lowest part's lowest."""
    one, index = splat32(np.uint32(1)), splat32(np.uint32(0))
    for part in range(parts):
        position = STEPS * part + bit
        limb = load32(limbs, position // limb_bits * count + place)
        chosen = and32(shift_right32(limb, np.uint32(position % limb_bits)), one)
        index = or32(index, shift_left32(chosen, np.uint32(part)))
    return index


@inline_kernel
def _gather(scratch: Any, slot: int, table: Any, rows: Any) -> None:
    """Copy to a slot and the next, in each lane, the point in the row of the table that the lane names."""
    found = (
        load32(table, LANES * np.intp(rows[0])),
        load32(table, LANES * np.intp(rows[1])),
        load32(table, LANES * np.intp(rows[2])),
        load32(table, LANES * np.intp(rows[3])),
        load32(table, LANES * np.intp(rows[4])),
        load32(table, LANES * np.intp(rows[5])),
        load32(table, LANES * np.intp(rows[6])),
        load32(table, LANES * np.intp(rows[7])),
        load32(table, LANES * np.intp(rows[8])),
        load32(table, LANES * np.intp(rows[9])),
        load32(table, LANES * np.intp(rows[10])),
        load32(table, LANES * np.intp(rows[11])),
        load32(table, LANES * np.intp(rows[12])),
        load32(table, LANES * np.intp(rows[13])),
        load32(table, LANES * np.intp(rows[14])),
        load32(table, LANES * np.intp(rows[15])),
    )
    store_rows16_at(address_of(scratch, slot * SLOT), 4 * LANES, transpose16(found))


@kernel
def _prepare(scratch: Any, at: int, has_key: bool) -> Any:
    """Everything up to d e (or d without a key), by the names of this file's first lines; gives the exceptional lanes."""
    subtract(scratch, at + RUN, at + T_X, at + P_X)
    subtract(scratch, RISE, at + T_Y, at + P_Y)
    multiply(scratch, TWIST, at + RUN, at + RUN)
    add(scratch, FALL, at + P_X, at + P_X)
    add(scratch, FALL, FALL, at + T_X)
    multiply(scratch, FALL, FALL, TWIST)
    multiply(scratch, RESULT, RISE, RISE)
    subtract(scratch, FALL, FALL, RESULT)
    multiply(scratch, at + D, at + RUN, FALL)
    multiply(scratch, at + R, RISE, FALL)
    multiply(scratch, TWIST, TWIST, at + RUN)
    multiply(scratch, TWIST, TWIST, at + P_Y)
    add(scratch, TWIST, TWIST, TWIST)
    subtract(scratch, at + W, TWIST, at + R)
    if has_key:
        multiply(scratch, at + D_SQUARED, at + D, at + D)
        subtract(scratch, at + E, at + W, at + R)
        multiply(scratch, at + E, at + E, TWIST)
        subtract(scratch, RESULT, at + U_X, at + T_X)
        multiply(scratch, RESULT, RESULT, at + D_SQUARED)
        subtract(scratch, at + E, RESULT, at + E)
        multiply(scratch, at + PRODUCT, at + D, at + E)
    else:
        copy(scratch, at + PRODUCT, at + D)
    # d is zero where M = -P, and e where N and U have the same x.
    return lanes_not_apart(scratch, at + RUN) | replace_zero(scratch, at + PRODUCT)


@kernel
def _double_and_add(scratch: Any, at: int, inverse: int) -> None:
    """Both slopes and N = 2 P + T, given the slot of 1 / d."""
    multiply(scratch, at + SLOPE, at + R, inverse)
    multiply(scratch, at + SECOND, at + W, inverse)
    add(scratch, at + N_X, at + SECOND, at + SLOPE)
    subtract(scratch, at + N_Y, at + SECOND, at + SLOPE)
    multiply(scratch, at + N_X, at + N_X, at + N_Y)
    add(scratch, at + N_X, at + N_X, at + T_X)
    subtract(scratch, at + N_Y, at + P_X, at + N_X)
    multiply(scratch, at + N_Y, at + N_Y, at + SECOND)
    subtract(scratch, at + N_Y, at + N_Y, at + P_Y)


@kernel
def _third_slope(scratch: Any, at: int) -> Any:
    """x_U - x_N and the slope of N and U; gives the lanes where they do not stand apart."""
    subtract(scratch, at + RUN, at + U_X, at + N_X)
    multiply(scratch, RESULT, at + D_SQUARED, at + D)
    multiply(scratch, RESULT, RESULT, at + ONE)
    subtract(scratch, at + THIRD, at + U_Y, at + N_Y)
    multiply(scratch, at + THIRD, at + THIRD, RESULT)
    return lanes_not_apart(scratch, at + RUN)


@kernel
def _move(scratch: Any, at: int) -> None:
    """Replace P by N + U."""
    multiply(scratch, RESULT, at + THIRD, at + THIRD)
    subtract(scratch, RESULT, RESULT, at + N_X)
    subtract(scratch, at + P_X, RESULT, at + U_X)
    subtract(scratch, RESULT, at + U_X, at + P_X)
    multiply(scratch, RESULT, RESULT, at + THIRD)
    subtract(scratch, at + P_Y, RESULT, at + U_Y)


@kernel
def _copy_step_out(scratch: Any, at: int, steps: Any, first: int, stride: int) -> None:
    """Write the columns of a step."""
    copy_out(scratch, at + P_X, 7, steps, first, stride)
    copy_out(scratch, at + T_X, 7, steps, first + 7 * stride, stride)
    copy_out(scratch, at + U_X, 14, steps, first + 14 * stride, stride)
    copy_out(scratch, at + SLOPE, 21, steps, first + 28 * stride, stride)
    copy_out(scratch, at + APART, 2, steps, first + 49 * stride, stride)
    copy_out(scratch, at + THIRD_APART, 2, steps, first + 51 * stride, stride)


@kernel
def _run_slice(
    start_point: Any,
    generator_table: Any,
    key_table: Any,
    responses: Any,
    challenges: Any,
    which_key: Any,
    frobenius: Any,
    scratch: Any,
    rows: Any,
    flags: Any,
    results: Any,
    steps: Any,
    has_key: bool,
    has_witness: bool,
    start: int,
    stop: int,
) -> None:
    """Twin of `comb.run_comb` for the signatures start to stop, a multiple of sixteen; N is the result without a key."""
    count = results.shape[1]
    for first in range(start, stop, LANES * TOGETHER):
        vectors = min(TOGETHER, (stop - first) // LANES)
        for vector in range(vectors):
            at = VECTORS + vector * VECTOR_SLOTS
            for k in range(POINT_ELEMENTS):
                store32(scratch, (at + P_X) * SLOT + 16 * k, splat32(start_point[k]))
        for step in range(STEPS):
            bit = STEPS - 1 - step
            for vector in range(vectors):
                at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
                index = _indices(responses, RESPONSE_LIMB_BITS, RESPONSE_PARTS, bit, place, count)
                store32(rows, 0, index)
                _gather(scratch, at + T_X, generator_table, rows)
                if has_key:
                    index = _indices(challenges, STEPS, CHALLENGE_PARTS, bit, place, count)
                    key = shift_left32(load32(which_key, place), np.uint32(CHALLENGE_PARTS))
                    store32(rows, 0, or32(index, key))
                    _gather(scratch, at + U_X, key_table, rows)
                flags[place // LANES] |= _prepare(scratch, at, has_key)
            if has_witness:
                find_apart(scratch, VECTORS + APART, VECTORS + RUN, vectors, VECTOR_SLOTS)
            invert_many(scratch, VECTORS + ONE, VECTORS + PRODUCT, vectors, VECTOR_SLOTS, frobenius)
            for vector in range(vectors):
                at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
                if has_key:
                    multiply(scratch, RESULT, at + E, at + ONE)
                    _double_and_add(scratch, at, RESULT)
                    flags[place // LANES] |= _third_slope(scratch, at)
                else:
                    _double_and_add(scratch, at, at + ONE)
                    copy(scratch, at + P_X, at + N_X)
                    copy(scratch, at + P_Y, at + N_Y)
            if has_witness:
                find_apart(scratch, VECTORS + THIRD_APART, VECTORS + RUN, vectors, VECTOR_SLOTS)
            if has_key:
                for vector in range(vectors):
                    at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
                    if has_witness:
                        _copy_step_out(scratch, at, steps, step * count + place, STEPS * count)
                    _move(scratch, at)
        for vector in range(vectors):
            at, place = VECTORS + vector * VECTOR_SLOTS, first + vector * LANES
            copy_out(scratch, at + P_X, 14, results, place, count)


def run_combs(
    tables: KeyTables,
    which_key: NDArray[np.int64],
    responses: NDArray[np.uint32],
    challenges: NDArray[np.uint32],
    *,
    has_witness: bool,
    threads: int = 1,
) -> CombBatch:
    """Run many combs, each with one of the tables.

    Takes responses of shape (14, n) as 16-bit limbs, lowest first, below 2^217,
    and challenges of shape (4, n) as canonical elements.
    """
    # The kernel reads without looking: a number that names no table would be an address of something else.
    if which_key.size and not 0 <= which_key.min() <= which_key.max() < len(tables.rows):
        raise IndexError("a signature names a table that is not there")
    key_words = np.ascontiguousarray(tables.rows).reshape(-1)
    keys = whole_vectors(which_key.astype(np.uint32)[None])[0]
    batch = _run(responses, whole_vectors(challenges), keys, key_words, has_witness, threads)
    is_exceptional = batch.is_exceptional | tables.is_exceptional[which_key]
    return CombBatch(is_exceptional, batch.results, batch.steps)


def generator_multiples(responses: NDArray[np.uint32], *, threads: int = 1) -> CombBatch:
    """Multiply the generator by many numbers, of shape (14, n) as those of `run_combs`, by its table alone.

    The same steps without U, from -(1 - 2^-31) B.
    """
    nothing = np.zeros((0, 0), np.uint32)
    return _run(responses, nothing, nothing[0:0].reshape(-1), nothing.reshape(-1), False, threads)


def _run(
    responses: NDArray[np.uint32],
    challenges: NDArray[np.uint32],
    which_key: NDArray[np.uint32],
    key_words: NDArray[np.uint32],
    has_witness: bool,
    threads: int,
) -> CombBatch:
    """Fill up to whole vectors and run them; no words of a key's table leave the key out."""
    length, padded_responses = responses.shape[1], whole_vectors(responses)
    count, has_key = padded_responses.shape[1], key_words.size > 0
    flags, results = np.zeros(count // LANES, np.uint64), np.empty((POINT_ELEMENTS, count), np.uint32)
    steps = np.empty((STEP_COLUMNS, STEPS, count if has_witness else 0), np.uint32)
    generator_words, start_with_key, start_alone, frobenius = _constants()

    def work(start: int, stop: int) -> None:
        scratch = np.empty(int(VECTORS + TOGETHER * VECTOR_SLOTS) * SLOT, np.uint32)
        _run_slice(
            start_with_key if has_key else start_alone,
            generator_words,
            key_words,
            padded_responses,
            challenges,
            which_key,
            frobenius,
            scratch,
            np.empty(LANES, np.uint32),
            flags,
            results,
            steps,
            has_key,
            has_witness,
            start,
            stop,
        )

    run_slices(threads, count, work, multiple=LANES)
    return CombBatch(spread_flags(flags)[:length], results[:, :length], steps[..., :length])


@cache
def _constants() -> tuple[Montgomery, Montgomery, Montgomery, Montgomery]:
    """The generator's table in rows of sixteen words, both first accumulators, and what an inversion needs."""
    fixed = fixed_points()
    rows = np.zeros((len(fixed.table), LANES), np.uint32)
    rows[:, :POINT_ELEMENTS] = to_montgomery([encode(entry) for entry in fixed.table])
    alone = septic.multiply(fixed.generator_offset, pow(1 << STEPS, -1, ORDER) - 1)
    if alone is None:
        raise ArithmeticError("the first accumulator is the identity")
    starts = to_montgomery([encode(fixed.start), encode(alone)])
    return rows.reshape(-1), starts[0], starts[1], frobenius_matrices()
