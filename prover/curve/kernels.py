"""The verification chain for many signatures at once: sixteen a vector, one a lane.

A *slot* is a field element of sixteen signatures in scratch memory, coefficient after coefficient:

    scratch[112 s + 16 k + lane]      coefficient k of slot s, Montgomery form, below p

A step needs two inverses, of x_T - x_P and of x_M - x_P; both come out of one (Ciet, Joye, Lauter and Montgomery):

    run = x_T - x_P,  rise = y_T - y_P,  fall = run^2 (2 x_P + x_T) - rise^2 = run^2 (x_P - x_M)
    one = 1 / (run fall):   1 / run = fall one,   2 y_P / (x_P - x_M) = 2 y_P run^3 one

The step is exceptional exactly when run * fall is zero.
A lane that has met an exceptional addition goes on with zero as the inverse of zero, and its flag says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prover.curve import packed
from prover.curve.chain import HIGH_BITS, STEPS, ChainBatch, fixed_points
from prover.curve.formulas import DEGREE
from prover.curve.septic import POINT_ELEMENTS, encode
from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import Montgomery
from prover.field.koalabear import encode as to_montgomery
from prover.field.simd import (
    add64,
    and32,
    field_add,
    field_multiply,
    field_negate,
    field_subtract,
    fold64,
    load32,
    montgomery_reduce,
    multiply_even,
    multiply_odd,
    or32,
    select32,
    shift_right32,
    splat32,
    store32,
    zero_lanes32,
)
from prover.field.threads import run_slices

LANES = 16
SLOT = DEGREE * LANES
"""Words of a slot."""

STEP_COLUMNS = 49
"""Of a step: accumulator x, y; addend x, y; inverse; slope; second slope."""

ADDITION_COLUMNS = 28
"""Of a table addition: inverse, slope, x, y."""

# Slots of the scratch memory.
# They are numpy integers because numba compiles a function once more for each plain integer constant passed to it.
SCRATCH_SLOTS = 35
_SLOTS: Any = np.arange(SCRATCH_SLOTS, dtype=np.intp)
TABLE = _SLOTS[0]  # sixteen slots: x and y of eight points
P_X, P_Y, T_X, T_Y = _SLOTS[16:20]
RUN, RISE, FALL, SQUARE, ONE, INVERSE, SLOPE, SECOND, RESULT = _SLOTS[20:29]
C1, C2, C3 = _SLOTS[29:32]
MATRIX = _SLOTS[32]  # three slots: the matrix of a multiplication


@inline_kernel
def _dot(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, a6: Any, scratch: Any, base: int) -> Any:
    """The sum of seven products with vectors at falling addresses, reduced once."""
    w0, w1, w2, w3 = (
        load32(scratch, base),
        load32(scratch, base - 16),
        load32(scratch, base - 32),
        load32(scratch, base - 48),
    )
    w4, w5, w6 = load32(scratch, base - 64), load32(scratch, base - 80), load32(scratch, base - 96)
    even = add64(
        add64(multiply_even(a0, w0), multiply_even(a1, w1)),
        add64(multiply_even(a2, w2), multiply_even(a3, w3)),
    )
    odd = add64(
        add64(multiply_odd(a0, w0), multiply_odd(a1, w1)), add64(multiply_odd(a2, w2), multiply_odd(a3, w3))
    )
    even = add64(fold64(even), add64(multiply_even(a4, w4), multiply_even(a5, w5)))
    odd = add64(fold64(odd), add64(multiply_odd(a4, w4), multiply_odd(a5, w5)))
    even = fold64(add64(fold64(even), multiply_even(a6, w6)))
    odd = fold64(add64(fold64(odd), multiply_odd(a6, w6)))
    return montgomery_reduce(even, odd)


@kernel
def _multiply(scratch: Any, out: int, left: int, right: int) -> None:
    """Twin of `formulas.multiply`: any of the three slots may be the same.

    The product by b is a matrix whose entry (k, i) depends, but for row 0, on k - i alone:
    b_(k-i) above zero, b_0 + 3 b_6 at zero, 5 b_(7+k-i) + 3 b_(6+k-i) below; row 0 is b_0, 5 b_6, ..., 5 b_1.
    """
    r = right * SLOT
    first = MATRIX * SLOT  # row 0, at falling addresses
    other = first + 7 * LANES  # entry t = k - i at other + 16 (t + 5)
    store32(scratch, first + 96, load32(scratch, r))
    previous = load32(scratch, r)
    for j in range(1, 7):
        b = load32(scratch, r + 16 * j)
        twice = field_add(b, b)
        five = field_add(field_add(twice, twice), b)
        store32(scratch, first + 16 * (j - 1), five)
        if j >= 2:
            triple = field_add(field_add(previous, previous), previous)
            store32(scratch, other + 16 * (j - 2), field_add(five, triple))
        store32(scratch, other + 16 * (j + 5), b)
        previous = b
    store32(
        scratch, other + 80, field_add(load32(scratch, r), field_add(field_add(previous, previous), previous))
    )
    l = left * SLOT
    a0, a1, a2, a3 = (
        load32(scratch, l),
        load32(scratch, l + 16),
        load32(scratch, l + 32),
        load32(scratch, l + 48),
    )
    a4, a5, a6 = load32(scratch, l + 64), load32(scratch, l + 80), load32(scratch, l + 96)
    o = out * SLOT
    store32(scratch, o, _dot(a0, a1, a2, a3, a4, a5, a6, scratch, first + 96))
    for k in range(1, 7):
        store32(scratch, o + 16 * k, _dot(a0, a1, a2, a3, a4, a5, a6, scratch, other + 16 * (k + 5)))


@kernel
def _frobenius(scratch: Any, out: int, source: int, columns: Any) -> None:
    """Twin of `packed.frobenius`; `columns` is the map's 7 x 7 matrix, row k after row k - 1.  The slots differ."""
    for k in range(7):
        total = field_multiply(load32(scratch, source * SLOT + 16), splat32(columns[7 * k + 1]))
        for i in range(2, 7):
            term = field_multiply(load32(scratch, source * SLOT + 16 * i), splat32(columns[7 * k + i]))
            total = field_add(total, term)
        if k == 0:
            total = field_add(total, load32(scratch, source * SLOT))
        store32(scratch, out * SLOT + 16 * k, total)


@inline_kernel
def _squarings(value: Any, count: int) -> Any:
    for _ in range(count):
        value = field_multiply(value, value)
    return value


@inline_kernel
def _base_inverse(value: Any) -> Any:
    """The power p - 2 = 1111110 followed by 24 ones, in binary; zero for zero."""
    two = field_multiply(_squarings(value, 1), value)
    three = field_multiply(_squarings(two, 1), value)
    six = field_multiply(_squarings(three, 3), three)
    result = _squarings(six, 1)
    for _ in range(4):
        result = field_multiply(_squarings(result, 6), six)
    return result


@kernel
def _invert(scratch: Any, out: int, source: int, frobenius: Any) -> None:
    """Twin of `packed.inverse`; `out` differs from `source`, and C1, C2, C3 are overwritten."""
    _frobenius(scratch, C1, source, frobenius[0])
    _frobenius(scratch, C2, C1, frobenius[0])
    _multiply(scratch, C2, C2, C1)
    _frobenius(scratch, C3, C1, frobenius[1])
    _multiply(scratch, C2, C2, C3)
    _frobenius(scratch, C3, C2, frobenius[2])
    _multiply(scratch, C2, C2, C3)
    _multiply(scratch, C1, C2, source)
    inverse = _base_inverse(load32(scratch, C1 * SLOT))
    for k in range(7):
        store32(scratch, out * SLOT + 16 * k, field_multiply(load32(scratch, C2 * SLOT + 16 * k), inverse))


@inline_kernel
def _add(scratch: Any, out: int, left: int, right: int) -> None:
    for k in range(7):
        total = field_add(load32(scratch, left * SLOT + 16 * k), load32(scratch, right * SLOT + 16 * k))
        store32(scratch, out * SLOT + 16 * k, total)


@inline_kernel
def _subtract(scratch: Any, out: int, left: int, right: int) -> None:
    for k in range(7):
        difference = field_subtract(
            load32(scratch, left * SLOT + 16 * k), load32(scratch, right * SLOT + 16 * k)
        )
        store32(scratch, out * SLOT + 16 * k, difference)


@inline_kernel
def _zero_lanes(scratch: Any, slot: int) -> Any:
    """A bit for each lane whose element is zero."""
    union = load32(scratch, slot * SLOT)
    for k in range(1, 7):
        union = or32(union, load32(scratch, slot * SLOT + 16 * k))
    return zero_lanes32(union)


@inline_kernel
def _copy_out(scratch: Any, slot: int, out: Any, place: int, stride: int) -> None:
    """Write a slot's seven coefficients to seven places of an array, a stride apart."""
    for k in range(7):
        store32(out, place + k * stride, load32(scratch, slot * SLOT + 16 * k))


@kernel
def _table_addition(scratch: Any, entry: int, frobenius: Any) -> Any:
    """Twin of `chain._add_to_table`: entry + 4 becomes entry + (T_X, T_Y); gives the exceptional lanes."""
    x, y = TABLE + 2 * entry, TABLE + 2 * entry + 1
    _subtract(scratch, RUN, T_X, x)
    _subtract(scratch, RISE, T_Y, y)
    _invert(scratch, INVERSE, RUN, frobenius)
    _multiply(scratch, SLOPE, RISE, INVERSE)
    _multiply(scratch, RESULT, SLOPE, SLOPE)
    _subtract(scratch, RESULT, RESULT, x)
    _subtract(scratch, x + 8, RESULT, T_X)
    _subtract(scratch, RESULT, x, x + 8)
    _multiply(scratch, RESULT, RESULT, SLOPE)
    _subtract(scratch, y + 8, RESULT, y)
    return _zero_lanes(scratch, RUN)


@kernel
def _step(scratch: Any, frobenius: Any) -> Any:
    """Twin of `chain._double_and_add`, up to the slopes; gives the exceptional lanes."""
    _subtract(scratch, RUN, T_X, P_X)
    _subtract(scratch, RISE, T_Y, P_Y)
    _multiply(scratch, SQUARE, RUN, RUN)
    _add(scratch, FALL, P_X, P_X)
    _add(scratch, FALL, FALL, T_X)
    _multiply(scratch, FALL, FALL, SQUARE)
    _multiply(scratch, RESULT, RISE, RISE)
    _subtract(scratch, FALL, FALL, RESULT)
    _multiply(scratch, RESULT, RUN, FALL)
    exceptional = _zero_lanes(scratch, RESULT)
    _invert(scratch, ONE, RESULT, frobenius)
    _multiply(scratch, INVERSE, FALL, ONE)
    _multiply(scratch, SLOPE, RISE, INVERSE)
    _multiply(scratch, SECOND, SQUARE, RUN)
    _multiply(scratch, SECOND, SECOND, ONE)
    _multiply(scratch, SECOND, SECOND, P_Y)
    _add(scratch, SECOND, SECOND, SECOND)
    _subtract(scratch, SECOND, SECOND, SLOPE)
    return exceptional


@kernel
def _move(scratch: Any) -> None:
    """Replace P by 2 P + T, given the slopes."""
    _multiply(scratch, RESULT, SECOND, SECOND)
    _multiply(scratch, RISE, SLOPE, SLOPE)
    _subtract(scratch, RESULT, RESULT, RISE)
    _add(scratch, RESULT, RESULT, T_X)
    _subtract(scratch, RISE, P_X, RESULT)
    _multiply(scratch, RISE, RISE, SECOND)
    _subtract(scratch, P_Y, RISE, P_Y)
    for k in range(7):
        store32(scratch, P_X * SLOT + 16 * k, load32(scratch, RESULT * SLOT + 16 * k))


@kernel
def _choose(scratch: Any, indices: Any, place: int) -> None:
    """Copy to T, in each lane, the table's entry of its index."""
    index = load32(indices, place)
    one = splat32(np.uint32(1))
    low, high = and32(index, one), and32(shift_right32(index, np.uint32(1)), one)
    challenge = shift_right32(index, np.uint32(2))
    for k in range(14):
        offset = (TABLE + k // 7) * SLOT + 16 * (k % 7)
        e0, e1 = load32(scratch, offset), load32(scratch, offset + 2 * SLOT)
        e2, e3 = load32(scratch, offset + 4 * SLOT), load32(scratch, offset + 6 * SLOT)
        e4, e5 = load32(scratch, offset + 8 * SLOT), load32(scratch, offset + 10 * SLOT)
        e6, e7 = load32(scratch, offset + 12 * SLOT), load32(scratch, offset + 14 * SLOT)
        fixed = select32(high, select32(low, e0, e1), select32(low, e2, e3))
        variable = select32(high, select32(low, e4, e5), select32(low, e6, e7))
        store32(scratch, T_X * SLOT + 16 * k, select32(challenge, fixed, variable))


@kernel
def _run_slice(
    keys: Any,
    indices: Any,
    constants: Any,
    frobenius: Any,
    scratch: Any,
    exceptional: Any,
    results: Any,
    additions: Any,
    steps: Any,
    has_witness: bool,
    start: int,
    stop: int,
) -> None:
    """Twin of `chain.run_chain` for the signatures start to stop, a multiple of sixteen."""
    count = keys.shape[1]
    for place in range(start, stop, LANES):
        for entry in range(4):
            for k in range(14):
                store32(scratch, (TABLE + 2 * entry) * SLOT + 16 * k, splat32(constants[14 * entry + k]))
        for k in range(14):
            store32(scratch, P_X * SLOT + 16 * k, splat32(constants[56 + k]))
        for k in range(7):
            store32(scratch, T_X * SLOT + 16 * k, load32(keys, k * count + place))
            store32(scratch, T_Y * SLOT + 16 * k, field_negate(load32(keys, (7 + k) * count + place)))
        flags = np.uint64(0)
        for entry in range(4):
            flags |= _table_addition(scratch, entry, frobenius)
            if has_witness:
                first = ADDITION_COLUMNS * entry * count + place
                _copy_out(scratch, INVERSE, additions, first, count)
                _copy_out(scratch, SLOPE, additions, first + 7 * count, count)
                _copy_out(scratch, TABLE + 8 + 2 * entry, additions, first + 14 * count, count)
                _copy_out(scratch, TABLE + 9 + 2 * entry, additions, first + 21 * count, count)
        for step in range(STEPS):
            _choose(scratch, indices, step * count + place)
            flags |= _step(scratch, frobenius)
            if has_witness:
                first, stride = step * count + place, STEPS * count
                _copy_out(scratch, P_X, steps, first, stride)
                _copy_out(scratch, P_Y, steps, first + 7 * stride, stride)
                _copy_out(scratch, T_X, steps, first + 14 * stride, stride)
                _copy_out(scratch, T_Y, steps, first + 21 * stride, stride)
                _copy_out(scratch, INVERSE, steps, first + 28 * stride, stride)
                _copy_out(scratch, SLOPE, steps, first + 35 * stride, stride)
                _copy_out(scratch, SECOND, steps, first + 42 * stride, stride)
            _move(scratch)
        _copy_out(scratch, P_X, results, place, count)
        _copy_out(scratch, P_Y, results, 7 * count + place, count)
        for lane in range(LANES):
            exceptional[place + lane] = (flags >> np.uint64(lane)) & np.uint64(1)


def run_chains(
    keys: Montgomery,
    responses: NDArray[np.uint32],
    challenges: NDArray[np.uint32],
    *,
    has_witness: bool,
    threads: int = 1,
) -> ChainBatch:
    """Run many chains.

    Takes keys of shape (14, n) on the curve, responses of shape (14, n) as 16-bit limbs, lowest first, below 2^217,
    and challenges of shape (4, n) as canonical elements.
    """
    length = keys.shape[1]
    count = -(-length // LANES) * LANES
    padded_keys = np.zeros((POINT_ELEMENTS, count), np.uint32)
    padded_keys[:, :length] = keys
    indices = np.zeros((STEPS, count), np.uint32)
    indices[:, :length] = table_indices(responses, challenges)
    exceptional, results = np.zeros(count, np.uint8), np.zeros((POINT_ELEMENTS, count), np.uint32)
    additions = np.zeros((4, ADDITION_COLUMNS, count if has_witness else 0), np.uint32)
    steps = np.zeros((STEP_COLUMNS, STEPS, count if has_witness else 0), np.uint32)
    constants, frobenius = _constants()

    def work(start: int, stop: int) -> None:
        scratch = np.zeros(SCRATCH_SLOTS * SLOT, np.uint32)
        _run_slice(
            padded_keys,
            indices,
            constants,
            frobenius,
            scratch,
            exceptional,
            results,
            additions,
            steps,
            has_witness,
            start,
            stop,
        )

    run_slices(threads, count, work, multiple=LANES)
    is_exceptional = exceptional[:length].astype(np.bool_)
    return ChainBatch(is_exceptional, results[:, :length], additions[..., :length], steps[..., :length])


def table_indices(responses: NDArray[np.uint32], challenges: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Which entry of the table each step adds, shape (124, n): low bit + 2 high bit + 4 challenge bit."""
    positions = np.arange(STEPS - 1, -1, -1)
    indices = _bits(responses, 16, positions) | _bits(challenges, 31, positions) << np.uint32(2)
    has_high = positions < HIGH_BITS
    indices[has_high] |= _bits(responses, 16, STEPS + positions[has_high]) << np.uint32(1)
    return indices


def _bits(limbs: NDArray[np.uint32], limb_bits: int, positions: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Single bits of numbers given in limbs, a row each; a loop over them would hold the interpreter for a millisecond."""
    shifts = (positions % limb_bits).astype(np.uint32)[:, None]
    return (limbs[positions // limb_bits] >> shifts) & np.uint32(1)


@cache
def _constants() -> tuple[Montgomery, Montgomery]:
    """Table and start in Montgomery form, and the matrices of the Frobenius map applied once, twice, three times."""
    fixed = fixed_points()
    points = [element for point in (*fixed.table, fixed.start) for element in encode(point)]
    matrices = []
    for times in (1, 2, 3):
        columns = [
            packed.unpack(packed.frobenius(1 << packed.SLOT_BITS * power, times)) for power in range(DEGREE)
        ]
        matrices.append([columns[i][k] for k in range(DEGREE) for i in range(DEGREE)])
    return to_montgomery(points), to_montgomery(matrices)
