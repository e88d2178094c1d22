"""The LLVM instructions behind the operations of `simd`: functions that take a builder and emit.

A product of 32-bit lanes needs 64 bits, so lanes are multiplied in two halves: the even ones and the odd ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from prover.field.koalabear import MONTGOMERY_RADIX, PRIME

MINUS_INVERSE_PRIME = -pow(PRIME, -1, MONTGOMERY_RADIX) % MONTGOMERY_RADIX
"""-1/p modulo 2^32: t + q p has a low word of zero when q = -t / p mod 2^32."""

INT32, INT64 = ir.IntType(32), ir.IntType(64)
LANES32 = ir.VectorType(INT32, 16)
LANES64 = ir.VectorType(INT64, 8)

Emit = Callable[..., Any]
"""Takes an LLVM builder and operands and gives the value that the emitted instructions compute."""


def constant(llvm_type: Any, value: int) -> Any:
    """The same value in every lane."""
    return ir.Constant(llvm_type, [value] * llvm_type.count)


def call(builder: Any, name: str, result: Any, *operands: Any) -> Any:
    """Call one of LLVM's own functions, such as a rotation."""
    function_type = ir.FunctionType(result, [operand.type for operand in operands])
    return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), operands)


def spread(builder: Any, scalar: Any, llvm_type: Any) -> Any:
    """A scalar in every lane."""
    undefined = ir.Constant(llvm_type, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, constant(ir.VectorType(INT32, llvm_type.count), 0))


def shuffle(builder: Any, left: Any, right: Any, order: list[int]) -> Any:
    """Pick lanes of two vectors; the right one's are numbered after the left one's."""
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(INT32, len(order)), order))


# --- memory -----------------------------------------------------------------------------------------------------------


def load(builder: Any, pointer: Any, llvm_type: Any, alignment: int) -> Any:
    """Read a vector from a pointer with the alignment, in bytes, that is promised for it."""
    value = builder.load(builder.bitcast(pointer, llvm_type.as_pointer()))
    value.align = alignment
    return value


def store(builder: Any, pointer: Any, value: Any, alignment: int) -> None:
    """Write a vector to a pointer with the alignment, in bytes, that is promised for it."""
    instruction = builder.store(value, builder.bitcast(pointer, value.type.as_pointer()))
    instruction.align = alignment


# --- field arithmetic -------------------------------------------------------------------------------------------------


def minimum(builder: Any, left: Any, right: Any) -> Any:
    """The smaller of both, unsigned."""
    return builder.select(builder.icmp_unsigned("<", left, right), left, right)


def field_add(builder: Any, left: Any, right: Any) -> Any:
    """The sum, below p."""
    # Below p the difference wraps to a huge word, so that the smaller of both is the reduced sum.
    total = builder.add(left, right)
    return minimum(builder, total, builder.sub(total, constant(total.type, PRIME)))


def field_subtract(builder: Any, left: Any, right: Any) -> Any:
    """The difference, below p."""
    difference = builder.sub(left, right)
    return minimum(builder, difference, builder.add(difference, constant(difference.type, PRIME)))


def field_difference(builder: Any, left: Any, right: Any) -> Any:
    """The difference plus p, below 2p."""
    return builder.add(builder.sub(left, right), constant(left.type, PRIME))


def field_negate(builder: Any, value: Any) -> Any:
    """The negative, below p."""
    # p - 0 = p is no element: of 0 - 0 and p - 0 the smaller one is right, for all others p - x is.
    negative = builder.sub(constant(value.type, 0), value)
    return minimum(builder, negative, builder.add(negative, constant(value.type, PRIME)))


def reduce_once(builder: Any, value: Any) -> Any:
    """From below 2p to below p."""
    return minimum(builder, value, builder.sub(value, constant(value.type, PRIME)))


def as_lanes64(builder: Any, vector: Any) -> Any:
    """The same bits in lanes of 64."""
    bits = vector.type.count * vector.type.element.width
    return builder.bitcast(vector, ir.VectorType(INT64, bits // 64))


def as_lanes32(builder: Any, vector: Any) -> Any:
    """The same bits in lanes of 32."""
    bits = vector.type.count * vector.type.element.width
    return builder.bitcast(vector, ir.VectorType(INT32, bits // 32))


def even_lanes(builder: Any, vector: Any) -> Any:
    """The even lanes, each in a lane of 64 bits."""
    wide = as_lanes64(builder, vector)
    return builder.and_(wide, constant(wide.type, 0xFFFFFFFF))


def odd_lanes(builder: Any, vector: Any) -> Any:
    """The odd lanes, each in a lane of 64 bits."""
    wide = as_lanes64(builder, vector)
    return builder.lshr(wide, constant(wide.type, 32))


def multiply_even(builder: Any, left: Any, right: Any) -> Any:
    """Products of the even lanes."""
    return builder.mul(even_lanes(builder, left), even_lanes(builder, right))


def multiply_odd(builder: Any, left: Any, right: Any) -> Any:
    """Products of the odd lanes."""
    return builder.mul(odd_lanes(builder, left), odd_lanes(builder, right))


def join_high(builder: Any, even: Any, odd: Any) -> Any:
    """The high words of both, in the order of the lanes."""
    lanes = 2 * even.type.count
    order = [lane + 1 if lane % 2 == 0 else lanes + lane for lane in range(lanes)]
    return shuffle(builder, as_lanes32(builder, even), as_lanes32(builder, odd), order)


def join_low(builder: Any, even: Any, odd: Any) -> Any:
    """The low words of both, in the order of the lanes."""
    lanes = 2 * even.type.count
    order = [lane if lane % 2 == 0 else lanes + lane - 1 for lane in range(lanes)]
    return shuffle(builder, as_lanes32(builder, even), as_lanes32(builder, odd), order)


def clear_low_word(builder: Any, product: Any) -> Any:
    """Add the multiple of p that makes the low word zero; below p 2^32 it stays below 2p 2^32."""
    # Multiplied as 32-bit lanes: LLVM would turn a 64-bit product by the same constant into a slow one of full width.
    words = as_lanes32(builder, product)
    factor = builder.mul(words, constant(words.type, MINUS_INVERSE_PRIME))
    return builder.add(product, builder.mul(even_lanes(builder, factor), constant(product.type, PRIME)))


def montgomery_reduce(builder: Any, even: Any, odd: Any) -> Any:
    """Sums below p 2^32 of even and odd lanes, divided by 2^32."""
    high = join_high(builder, clear_low_word(builder, even), clear_low_word(builder, odd))
    return reduce_once(builder, high)


def field_multiply(builder: Any, left: Any, right: Any) -> Any:
    """The Montgomery product."""
    return montgomery_reduce(builder, multiply_even(builder, left, right), multiply_odd(builder, left, right))


def multiply_fixed(builder: Any, value: Any, factor: Any, quotient: Any) -> Any:
    """The product with a factor whose quotient by p is known."""
    # Shoup: with quotient = floor(factor 2^32 / p), value * factor - floor(value quotient / 2^32) p lies in [0, 2p),
    # so its low word is all of it: no second product of double width.
    multiple = join_high(
        builder, multiply_even(builder, value, quotient), multiply_odd(builder, value, quotient)
    )
    result = builder.sub(builder.mul(value, factor), builder.mul(multiple, constant(value.type, PRIME)))
    return reduce_once(builder, result)


def multiply_by_one(builder: Any, value: Any, factor: Any, quotient: Any) -> Any:
    """The same where factor and quotient have one value in all lanes."""
    # A quotient's odd lanes then need no shift to their even places, as they hold what lies there.
    odd = builder.mul(odd_lanes(builder, value), even_lanes(builder, quotient))
    multiple = join_high(builder, multiply_even(builder, value, quotient), odd)
    result = builder.sub(builder.mul(value, factor), builder.mul(multiple, constant(value.type, PRIME)))
    return reduce_once(builder, result)


def fold64(builder: Any, accumulator: Any) -> Any:
    """Subtract p 2^32 unless that goes below zero."""
    return minimum(builder, accumulator, builder.sub(accumulator, constant(LANES64, PRIME << 32)))


# --- the rest ---------------------------------------------------------------------------------------------------------


def shift(direction: str, llvm_type: Any) -> Emit:
    """Shift all lanes by one count."""

    def emit(builder: Any, value: Any, count: Any) -> Any:
        return getattr(builder, direction)(value, spread(builder, count, llvm_type))

    return emit


def rotate_left64(builder: Any, value: Any, count: Any) -> Any:
    """Rotate all lanes by one count."""
    return call(builder, "llvm.fshl.v8i64", LANES64, value, value, spread(builder, count, LANES64))


def byte_swap32(builder: Any, value: Any) -> Any:
    """Bytes of each lane in reverse."""
    return call(builder, "llvm.bswap.v16i32", LANES32, value)


def byte_swap64(builder: Any, value: Any) -> Any:
    """Bytes of each lane in reverse."""
    return call(builder, "llvm.bswap.v8i64", LANES64, value)


def lanes_that_are_zero(builder: Any, value: Any) -> Any:
    """One bit a lane, lane 0 lowest."""
    flags = builder.icmp_unsigned("==", value, constant(value.type, 0))
    return builder.zext(builder.bitcast(flags, ir.IntType(value.type.count)), INT64)


def select(builder: Any, mask: Any, where_zero: Any, elsewhere: Any) -> Any:
    """One of two values a lane, by whether the mask is zero there."""
    is_zero = builder.icmp_unsigned("==", mask, constant(mask.type, 0))
    return builder.select(is_zero, where_zero, elsewhere)


def extract(builder: Any, value: Any, lane: Any) -> Any:
    """One lane."""
    return builder.extract_element(value, lane)


TRANSPOSE_STEPS: list[tuple[int, list[int], list[int]]] = []
"""Distance between the two rows, and the lanes that each of the two new rows takes from both.

Step d exchanges bit d of a lane's number with bit d of its row's number: after four, lane and row have changed places.
"""
for _bit in (0, 1, 2, 3):
    _width = 1 << _bit
    TRANSPOSE_STEPS.append(
        (
            _width,
            [lane if not lane & _width else 16 + lane - _width for lane in range(16)],
            [lane + _width if not lane & _width else 16 + lane for lane in range(16)],
        )
    )


def bitcast(llvm_type: Any) -> Emit:
    """The same bits as another type."""
    return lambda builder, value: builder.bitcast(value, llvm_type)


def count(llvm_type: Any) -> Emit:
    """Lane numbers."""
    return lambda _builder: ir.Constant(llvm_type, list(range(llvm_type.count)))


def method(name: str) -> Emit:
    """An instruction that the builder has by this name."""
    return lambda builder, left, right: getattr(builder, name)(left, right)
