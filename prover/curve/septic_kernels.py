"""Arithmetic of GF(p^7) on vectors: sixteen elements side by side, one a lane.

A *slot* is one element of each lane in scratch memory, coefficient after coefficient:

    scratch[112 s + 16 k + lane]      coefficient k of slot s, Montgomery form, below p

The first slots are this file's own: whoever lays out scratch memory begins at `FREE`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from prover.curve import packed
from prover.curve.formulas import DEGREE
from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import Montgomery
from prover.field.koalabear import encode as to_montgomery
from prover.field.simd import (
    add64,
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
    splat32,
    store32,
    zero_lanes32,
)

Number = TypeVar("Number", bound=np.generic)

LANES = 16
SLOT = DEGREE * LANES
"""Words of a slot."""

# Numbers of slots are numpy integers because numba compiles a function once more for each plain integer constant
# that is passed to it.
FREE: Any = np.intp(7)
"""The first slot that this file leaves alone."""

TOGETHER: Any = np.intp(8)
"""Vectors that go in step and share an inversion."""

_SLOTS: Any = np.arange(FREE, dtype=np.intp)
_MATRIX = _SLOTS[0]  # three slots: the matrix of a multiplication
_C1, _C2, _C3, _RUNNING = _SLOTS[3:7]

ONE: Any = np.uint32(to_montgomery([1])[0])
_ZERO: Any = np.uint32(0)


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
def multiply(scratch: Any, out: int, left: int, right: int) -> None:
    """Twin of `formulas.multiply`: any of the three slots may be the same.

    The product by b is a matrix whose entry (k, i) depends, but for row 0, on k - i alone:
    b_(k-i) above zero, b_0 + 3 b_6 at zero, 5 b_(7+k-i) + 3 b_(6+k-i) below; row 0 is b_0, 5 b_6, ..., 5 b_1.
    """
    r = right * SLOT
    first = _MATRIX * SLOT  # row 0, at falling addresses
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
def base_inverse(value: Any) -> Any:
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
    """Twin of `packed.inverse`; `out` differs from `source`."""
    _frobenius(scratch, _C1, source, frobenius[0])
    _frobenius(scratch, _C2, _C1, frobenius[0])
    multiply(scratch, _C2, _C2, _C1)
    _frobenius(scratch, _C3, _C1, frobenius[1])
    multiply(scratch, _C2, _C2, _C3)
    _frobenius(scratch, _C3, _C2, frobenius[2])
    multiply(scratch, _C2, _C2, _C3)
    multiply(scratch, _C1, _C2, source)
    inverse = base_inverse(load32(scratch, _C1 * SLOT))
    for k in range(7):
        store32(scratch, out * SLOT + 16 * k, field_multiply(load32(scratch, _C2 * SLOT + 16 * k), inverse))


@kernel
def invert_many(scratch: Any, out: int, source: int, count: int, stride: int, frobenius: Any) -> None:
    """Invert `count` slots a stride apart with one inversion and three products each (Montgomery).

    A lane in which any of them is zero comes out wrong in all: see `replace_zero`.
    """
    copy(scratch, out, source)
    for i in range(1, count):
        multiply(scratch, out + i * stride, out + (i - 1) * stride, source + i * stride)
    _invert(scratch, _RUNNING, out + (count - 1) * stride, frobenius)
    for i in range(count - 1, 0, -1):
        multiply(scratch, out + i * stride, _RUNNING, out + (i - 1) * stride)
        multiply(scratch, _RUNNING, _RUNNING, source + i * stride)
    copy(scratch, out, _RUNNING)


@inline_kernel
def copy(scratch: Any, out: int, source: int) -> None:
    """Copy a slot."""
    for k in range(7):
        store32(scratch, out * SLOT + 16 * k, load32(scratch, source * SLOT + 16 * k))


@inline_kernel
def add(scratch: Any, out: int, left: int, right: int) -> None:
    """The sum; any of the three slots may be the same."""
    for k in range(7):
        total = field_add(load32(scratch, left * SLOT + 16 * k), load32(scratch, right * SLOT + 16 * k))
        store32(scratch, out * SLOT + 16 * k, total)


@inline_kernel
def subtract(scratch: Any, out: int, left: int, right: int) -> None:
    """The difference; any of the three slots may be the same."""
    for k in range(7):
        difference = field_subtract(
            load32(scratch, left * SLOT + 16 * k), load32(scratch, right * SLOT + 16 * k)
        )
        store32(scratch, out * SLOT + 16 * k, difference)


@inline_kernel
def negate(scratch: Any, out: int, source: int) -> None:
    """The negative; the slots may be the same."""
    for k in range(7):
        store32(scratch, out * SLOT + 16 * k, field_negate(load32(scratch, source * SLOT + 16 * k)))


@inline_kernel
def replace_zero(scratch: Any, slot: int) -> Any:
    """Put one in the place of zero, so that `invert_many` can go on; gives a bit for each such lane."""
    union = load32(scratch, slot * SLOT)
    for k in range(1, 7):
        union = or32(union, load32(scratch, slot * SLOT + 16 * k))
    store32(scratch, slot * SLOT, select32(union, splat32(ONE), load32(scratch, slot * SLOT)))
    return zero_lanes32(union)


@inline_kernel
def lanes_not_apart(scratch: Any, difference: int) -> Any:
    """A bit for each lane whose first two coefficients are zero."""
    return zero_lanes32(or32(load32(scratch, difference * SLOT), load32(scratch, difference * SLOT + 16)))


@kernel
def find_apart(scratch: Any, out: int, difference: int, count: int, stride: int) -> None:
    """Twin of `comb.witness_of_apart`, for slots a stride apart: w0 and w1 in the first two vectors of `out`."""
    one, zero = splat32(ONE), splat32(_ZERO)
    running = one
    for i in range(count):
        first = load32(scratch, (difference + i * stride) * SLOT)
        store32(scratch, (out + i * stride) * SLOT, running)
        running = field_multiply(running, select32(first, one, first))
    inverse = base_inverse(running)
    for i in range(count - 1, -1, -1):
        place = (out + i * stride) * SLOT
        first = load32(scratch, (difference + i * stride) * SLOT)
        w0 = select32(first, zero, field_multiply(inverse, load32(scratch, place)))
        store32(scratch, place, w0)
        store32(scratch, place + 16, zero)
        inverse = field_multiply(inverse, select32(first, one, first))
        if zero_lanes32(first) != 0:
            second = base_inverse(load32(scratch, (difference + i * stride) * SLOT + 16))
            store32(scratch, place + 16, select32(first, second, zero))


@inline_kernel
def copy_out(scratch: Any, slot: int, vectors: int, out: Any, place: int, stride: int) -> None:
    """Write the first vectors of a slot, or of slots that follow each other, to places a stride apart."""
    for k in range(vectors):
        store32(out, place + k * stride, load32(scratch, slot * SLOT + 16 * k))


def whole_vectors(array: NDArray[Number]) -> NDArray[Number]:
    """The rows filled up with zeros to a multiple of sixteen, one behind the other in memory."""
    filled = np.zeros((array.shape[0], -(-array.shape[1] // LANES) * LANES), array.dtype)
    filled[:, : array.shape[1]] = array
    return filled


def spread_flags(flags: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """One truth value a lane, from one number a vector."""
    return (flags[:, None] >> np.arange(LANES, dtype=np.uint64) & np.uint64(1)).astype(np.bool_).reshape(-1)


@cache
def frobenius_matrices() -> Montgomery:
    """The matrices of the Frobenius map applied once, twice and three times, for `invert_many`."""
    matrices = []
    for times in (1, 2, 3):
        columns = [
            packed.unpack(packed.frobenius(1 << packed.SLOT_BITS * power, times)) for power in range(DEGREE)
        ]
        matrices.append([columns[i][k] for k in range(DEGREE) for i in range(DEGREE)])
    return to_montgomery(matrices)


@kernel
def _product_slice(left: Any, right: Any, out: Any, scratch: Any, start: int, stop: int) -> None:
    """The products of the columns start to stop, a multiple of sixteen."""
    count = left.shape[1]
    for place in range(start, stop, LANES):
        for k in range(DEGREE):
            store32(scratch, FREE * SLOT + 16 * k, load32(left, k * count + place))
            store32(scratch, (FREE + 1) * SLOT + 16 * k, load32(right, k * count + place))
        multiply(scratch, FREE, FREE, FREE + 1)
        copy_out(scratch, FREE, DEGREE, out, place, count)


@kernel
def _inverse_slice(source: Any, out: Any, frobenius: Any, scratch: Any, start: int, stop: int) -> None:
    """The inverses of the columns start to stop, a multiple of sixteen."""
    count = source.shape[1]
    for place in range(start, stop, LANES):
        for k in range(DEGREE):
            store32(scratch, FREE * SLOT + 16 * k, load32(source, k * count + place))
        _invert(scratch, FREE + 1, FREE, frobenius)
        copy_out(scratch, FREE + 1, DEGREE, out, place, count)


def products(left: Montgomery, right: Montgomery) -> Montgomery:
    """The products of many pairs of elements, each argument of shape (7, n)."""
    padded_left, padded_right = whole_vectors(left), whole_vectors(right)
    out = np.zeros_like(padded_left)
    scratch = np.zeros(int(FREE + 2) * SLOT, np.uint32)
    _product_slice(padded_left, padded_right, out, scratch, 0, out.shape[1])
    return out[:, : left.shape[1]]


def inverses(elements: Montgomery) -> Montgomery:
    """The inverses of many elements, of shape (7, n); zero for zero."""
    padded = whole_vectors(elements)
    out = np.zeros_like(padded)
    scratch = np.zeros(int(FREE + 2) * SLOT, np.uint32)
    _inverse_slice(padded, out, frobenius_matrices(), scratch, 0, out.shape[1])
    return out[:, : elements.shape[1]]
