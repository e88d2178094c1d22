"""The interpreter of programs: each instruction works on one block of rows, sixteen rows a vector.

Program, weights and scratch are read at raw addresses: indices into arrays would cost more than the arithmetic.
All distances are in bytes.
The kernels' reference twin is the Python reader, `prover.air.reader.evaluate`.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from prover.air.tape_kernel_format import BLOCK_ROWS, SLOT_WORDS, Opcode, ScalarOperation
from prover.field import simd_twins
from prover.field.compiler import kernel
from prover.field.koalabear import PRIME
from prover.field.simd import (
    add64,
    address_of,
    and64,
    as64,
    field_add,
    field_multiply,
    field_subtract,
    fold64,
    load32_at,
    montgomery_reduce,
    multiply_even,
    multiply_low_words,
    multiply_odd,
    shift_left64,
    splat64,
    store32_at,
    u32x16,
    widen_odd,
)

_MULTIPLY = int(Opcode.MULTIPLY)
_EXTENSION_MULTIPLY = int(Opcode.EXTENSION_MULTIPLY)
_ADD = int(Opcode.ADD)
_SUBTRACT = int(Opcode.SUBTRACT)
_CUBE = int(Opcode.CUBE)
_SIGNED_SUM = int(Opcode.SIGNED_SUM)
_WEIGHTED_SUM = int(Opcode.WEIGHTED_SUM)
_WEIGHTED_SUMS = int(Opcode.WEIGHTED_SUMS)
_STORE = int(Opcode.STORE)

_SCALAR_CONSTANT = int(ScalarOperation.CONSTANT)
_SCALAR_LEAF = int(ScalarOperation.LEAF)
_SCALAR_ADD = int(ScalarOperation.ADD)
_SCALAR_SUBTRACT = int(ScalarOperation.SUBTRACT)

_WORD_BITS = np.uint32(32)
_HIGH_WORD = np.uint64(0xFFFFFFFF00000000)
_LANES = 16
_VECTOR = 64
"""Bytes of a vector."""
_GROUP_ROWS = 64
"""Rows that a weighted sum works on at once: four vectors."""


def _word_at_twin(address: int) -> int:
    return int.from_bytes(ctypes.string_at(int(address), 4), "little", signed=True)


def _splat_word_at_twin(address: int) -> Any:
    return simd_twins.splat32(_word_at_twin(address) % 2**32)


def _load_word(builder: Any, address: Any) -> Any:
    word = builder.load(builder.inttoptr(address, ir.IntType(32).as_pointer()))
    word.align = 4
    return word


@intrinsic
def _compiled_word_at(_typing: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.sext(_load_word(builder, values[0]), ir.IntType(64))

    return types.intp(types.intp), generate


@intrinsic
def _compiled_splat_word_at(_typing: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        lanes = ir.VectorType(ir.IntType(32), _LANES)
        undefined = ir.Constant(lanes, ir.Undefined)
        first = builder.insert_element(undefined, _load_word(builder, values[0]), ir.IntType(32)(0))
        return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * _LANES))

    return u32x16(types.intp), generate


_word_at = _word_at_twin if config.DISABLE_JIT else _compiled_word_at
"""The signed 32-bit word at an address."""
_splat_word_at = _splat_word_at_twin if config.DISABLE_JIT else _compiled_splat_word_at
"""The 32-bit word at an address, in all lanes."""


@kernel
def _copy_columns(columns: Any, row: int, rows: int, base: int) -> None:
    """Copy a block's rows of every column, and the row below them, into the scratch.

    Columns of an extended matrix lie a power of two apart: read where they are, they would evict each other.
    All at once, so that many fetches from memory are under way; between the instructions they took longer.
    """
    for column in range(columns.shape[0]):
        source = columns[column, 0]
        last = columns[column, 1] - 1
        place = base + column * (4 * SLOT_WORDS)
        for position in range(0, rows + 1, _LANES):
            store32_at(place + 4 * position, load32_at(source + 4 * ((row + position) & last)))


@kernel
def _extension_multiply(pc: int, base: int, size: int) -> None:
    """Multiply in the challenge extension: X^5 = 1 - X^2, as the multiplication table of `tape_kernel_format`."""
    for shift in range(base, base + size, _VECTOR):
        a0 = load32_at(shift + _word_at(pc + 24))
        a1 = load32_at(shift + _word_at(pc + 28))
        a2 = load32_at(shift + _word_at(pc + 32))
        a3 = load32_at(shift + _word_at(pc + 36))
        a4 = load32_at(shift + _word_at(pc + 40))
        b0 = load32_at(shift + _word_at(pc + 44))
        b1 = load32_at(shift + _word_at(pc + 48))
        b2 = load32_at(shift + _word_at(pc + 52))
        b3 = load32_at(shift + _word_at(pc + 56))
        b4 = load32_at(shift + _word_at(pc + 60))
        b5 = field_subtract(b1, b4)
        b6 = field_subtract(b0, b3)
        b7 = field_subtract(b4, b2)
        b8 = field_subtract(b3, b5)
        store32_at(shift + _word_at(pc + 4), _dot(a0, a1, a2, a3, a4, b0, b4, b3, b2, b5))
        store32_at(shift + _word_at(pc + 8), _dot(a0, a1, a2, a3, a4, b1, b0, b4, b3, b2))
        store32_at(shift + _word_at(pc + 12), _dot(a0, a1, a2, a3, a4, b2, b5, b6, b7, b8))
        store32_at(shift + _word_at(pc + 16), _dot(a0, a1, a2, a3, a4, b3, b2, b5, b6, b7))
        store32_at(shift + _word_at(pc + 20), _dot(a0, a1, a2, a3, a4, b4, b3, b2, b5, b6))


@kernel
def _dot(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, b0: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    """Add five products before one reduction."""
    # Two products alone stay below 2 p^2 < p 2^32.
    even = add64(multiply_even(a0, b0), multiply_even(a1, b1))
    even = fold64(add64(add64(even, multiply_even(a2, b2)), multiply_even(a3, b3)))
    even = fold64(add64(even, multiply_even(a4, b4)))
    odd = add64(multiply_odd(a0, b0), multiply_odd(a1, b1))
    odd = fold64(add64(add64(odd, multiply_odd(a2, b2)), multiply_odd(a3, b3)))
    odd = fold64(add64(odd, multiply_odd(a4, b4)))
    return montgomery_reduce(even, odd)


@kernel
def _signed_sum(pc: int, weights: int, base: int, size: int) -> None:
    constant = _splat_word_at(weights + _word_at(pc + 8))
    middle = pc + 20 + 4 * _word_at(pc + 12)
    end = middle + 4 * _word_at(pc + 16)
    for shift in range(base, base + size, _VECTOR):
        total = constant
        for term in range(pc + 20, middle, 4):
            total = field_add(total, load32_at(shift + _word_at(term)))
        for term in range(middle, end, 4):
            total = field_subtract(total, load32_at(shift + _word_at(term)))
        store32_at(shift + _word_at(pc + 4), total)


@kernel
def _weighted_sum(pc: int, weights: int, base: int, size: int) -> None:
    """Compute one sum, four vectors side by side: each weight is fetched once for 64 rows."""
    weight = weights + _word_at(pc + 8)
    first = pc + 20
    end = first + 8 * _word_at(pc + 12)
    continued = _word_at(pc + 16)
    high = splat64(_HIGH_WORD)
    start = shift_left64(as64(_splat_word_at(weight)), _WORD_BITS)
    for shift in range(base, base + size, 4 * _VECTOR):
        even0 = start
        odd0 = start
        even1 = start
        odd1 = start
        even2 = start
        odd2 = start
        even3 = start
        odd3 = start
        if continued >= 0:
            before = as64(load32_at(shift + continued))
            even0 = fold64(add64(start, shift_left64(before, _WORD_BITS)))
            odd0 = fold64(add64(start, and64(before, high)))
            before = as64(load32_at(shift + continued + 64))
            even1 = fold64(add64(start, shift_left64(before, _WORD_BITS)))
            odd1 = fold64(add64(start, and64(before, high)))
            before = as64(load32_at(shift + continued + 128))
            even2 = fold64(add64(start, shift_left64(before, _WORD_BITS)))
            odd2 = fold64(add64(start, and64(before, high)))
            before = as64(load32_at(shift + continued + 192))
            even3 = fold64(add64(start, shift_left64(before, _WORD_BITS)))
            odd3 = fold64(add64(start, and64(before, high)))
        at = weight + 4
        for term in range(first, end, 8):
            w = as64(_splat_word_at(at))
            z = as64(_splat_word_at(at + 4))
            at += 8
            x_place = shift + _word_at(term)
            y_place = shift + _word_at(term + 4)
            x = load32_at(x_place)
            y = load32_at(y_place)
            even0 = fold64(
                add64(add64(even0, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z))
            )
            odd0 = fold64(
                add64(add64(odd0, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z))
            )
            x = load32_at(x_place + 64)
            y = load32_at(y_place + 64)
            even1 = fold64(
                add64(add64(even1, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z))
            )
            odd1 = fold64(
                add64(add64(odd1, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z))
            )
            x = load32_at(x_place + 128)
            y = load32_at(y_place + 128)
            even2 = fold64(
                add64(add64(even2, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z))
            )
            odd2 = fold64(
                add64(add64(odd2, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z))
            )
            x = load32_at(x_place + 192)
            y = load32_at(y_place + 192)
            even3 = fold64(
                add64(add64(even3, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z))
            )
            odd3 = fold64(
                add64(add64(odd3, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z))
            )
        place = shift + _word_at(pc + 4)
        store32_at(place, montgomery_reduce(even0, odd0))
        store32_at(place + 64, montgomery_reduce(even1, odd1))
        store32_at(place + 128, montgomery_reduce(even2, odd2))
        store32_at(place + 192, montgomery_reduce(even3, odd3))


@kernel
def _weighted_sums(pc: int, weights: int, base: int, size: int) -> None:
    """Compute five sums over the same operands: each operand is fetched and split once."""
    weight = weights + _word_at(pc + 24)
    first = pc + 52
    end = first + 8 * _word_at(pc + 28)
    high = splat64(_HIGH_WORD)
    start0 = shift_left64(as64(_splat_word_at(weight)), _WORD_BITS)
    start1 = shift_left64(as64(_splat_word_at(weight + 4)), _WORD_BITS)
    start2 = shift_left64(as64(_splat_word_at(weight + 8)), _WORD_BITS)
    start3 = shift_left64(as64(_splat_word_at(weight + 12)), _WORD_BITS)
    start4 = shift_left64(as64(_splat_word_at(weight + 16)), _WORD_BITS)
    for shift in range(base, base + size, _VECTOR):
        even0 = start0
        odd0 = start0
        even1 = start1
        odd1 = start1
        even2 = start2
        odd2 = start2
        even3 = start3
        odd3 = start3
        even4 = start4
        odd4 = start4
        if _word_at(pc + 32) >= 0:
            before = as64(load32_at(shift + _word_at(pc + 32)))
            even0 = fold64(add64(even0, shift_left64(before, _WORD_BITS)))
            odd0 = fold64(add64(odd0, and64(before, high)))
            before = as64(load32_at(shift + _word_at(pc + 36)))
            even1 = fold64(add64(even1, shift_left64(before, _WORD_BITS)))
            odd1 = fold64(add64(odd1, and64(before, high)))
            before = as64(load32_at(shift + _word_at(pc + 40)))
            even2 = fold64(add64(even2, shift_left64(before, _WORD_BITS)))
            odd2 = fold64(add64(odd2, and64(before, high)))
            before = as64(load32_at(shift + _word_at(pc + 44)))
            even3 = fold64(add64(even3, shift_left64(before, _WORD_BITS)))
            odd3 = fold64(add64(odd3, and64(before, high)))
            before = as64(load32_at(shift + _word_at(pc + 48)))
            even4 = fold64(add64(even4, shift_left64(before, _WORD_BITS)))
            odd4 = fold64(add64(odd4, and64(before, high)))
        at = weight + 20
        for term in range(first, end, 8):
            x = as64(load32_at(shift + _word_at(term)))
            y = as64(load32_at(shift + _word_at(term + 4)))
            u = widen_odd(load32_at(shift + _word_at(term)))
            v = widen_odd(load32_at(shift + _word_at(term + 4)))
            w = as64(_splat_word_at(at))
            z = as64(_splat_word_at(at + 20))
            even0 = fold64(add64(add64(even0, multiply_low_words(x, w)), multiply_low_words(y, z)))
            odd0 = fold64(add64(add64(odd0, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(_splat_word_at(at + 4))
            z = as64(_splat_word_at(at + 24))
            even1 = fold64(add64(add64(even1, multiply_low_words(x, w)), multiply_low_words(y, z)))
            odd1 = fold64(add64(add64(odd1, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(_splat_word_at(at + 8))
            z = as64(_splat_word_at(at + 28))
            even2 = fold64(add64(add64(even2, multiply_low_words(x, w)), multiply_low_words(y, z)))
            odd2 = fold64(add64(add64(odd2, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(_splat_word_at(at + 12))
            z = as64(_splat_word_at(at + 32))
            even3 = fold64(add64(add64(even3, multiply_low_words(x, w)), multiply_low_words(y, z)))
            odd3 = fold64(add64(add64(odd3, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(_splat_word_at(at + 16))
            z = as64(_splat_word_at(at + 36))
            even4 = fold64(add64(add64(even4, multiply_low_words(x, w)), multiply_low_words(y, z)))
            odd4 = fold64(add64(add64(odd4, multiply_low_words(u, w)), multiply_low_words(v, z)))
            at += 40
        store32_at(shift + _word_at(pc + 4), montgomery_reduce(even0, odd0))
        store32_at(shift + _word_at(pc + 8), montgomery_reduce(even1, odd1))
        store32_at(shift + _word_at(pc + 12), montgomery_reduce(even2, odd2))
        store32_at(shift + _word_at(pc + 16), montgomery_reduce(even3, odd3))
        store32_at(shift + _word_at(pc + 20), montgomery_reduce(even4, odd4))


@kernel
def run_blocks(
    code: Any,
    weight_array: Any,
    columns: Any,
    out: int,
    out_stride: int,
    height: int,
    first_block: int,
    last_block: int,
    scratch: Any,
) -> None:
    """Run a program on blocks of rows; reference twin: `prover.air.reader.evaluate`."""
    base = address_of(scratch, 0)
    weights = address_of(weight_array, 0)
    start = address_of(code, 0)
    rows = min(BLOCK_ROWS, height)
    # Rows past the end are computed and never stored.
    size = 4 * (rows + _GROUP_ROWS - 1) // (4 * _GROUP_ROWS) * (4 * _GROUP_ROWS)
    for block in range(first_block, last_block):
        row = block * BLOCK_ROWS
        _copy_columns(columns, row, rows, base)
        pc = start
        while True:
            opcode = _word_at(pc)
            if opcode == _WEIGHTED_SUMS:
                _weighted_sums(pc, weights, base, size)
                pc += 52 + 8 * _word_at(pc + 28)
            elif opcode == _WEIGHTED_SUM:
                _weighted_sum(pc, weights, base, size)
                pc += 20 + 8 * _word_at(pc + 12)
            elif opcode == _MULTIPLY:
                to, left, right = base + _word_at(pc + 4), base + _word_at(pc + 8), base + _word_at(pc + 12)
                for shift in range(0, size, _VECTOR):
                    store32_at(to + shift, field_multiply(load32_at(left + shift), load32_at(right + shift)))
                pc += 16
            elif opcode == _CUBE:
                to, left = base + _word_at(pc + 4), base + _word_at(pc + 12)
                constant = _splat_word_at(weights + _word_at(pc + 8))
                for shift in range(0, size, _VECTOR):
                    x = field_add(constant, load32_at(left + shift))
                    store32_at(to + shift, field_multiply(field_multiply(x, x), x))
                pc += 16
            elif opcode == _ADD:
                to, left, right = base + _word_at(pc + 4), base + _word_at(pc + 8), base + _word_at(pc + 12)
                for shift in range(0, size, _VECTOR):
                    store32_at(to + shift, field_add(load32_at(left + shift), load32_at(right + shift)))
                pc += 16
            elif opcode == _SUBTRACT:
                to, left, right = base + _word_at(pc + 4), base + _word_at(pc + 8), base + _word_at(pc + 12)
                for shift in range(0, size, _VECTOR):
                    store32_at(to + shift, field_subtract(load32_at(left + shift), load32_at(right + shift)))
                pc += 16
            elif opcode == _SIGNED_SUM:
                _signed_sum(pc, weights, base, size)
                pc += 20 + 4 * (_word_at(pc + 12) + _word_at(pc + 16))
            elif opcode == _EXTENSION_MULTIPLY:
                _extension_multiply(pc, base, size)
                pc += 64
            elif opcode == _STORE:
                to, left = out + 4 * (_word_at(pc + 4) * out_stride + row), base + _word_at(pc + 8)
                for position in range(0, 4 * rows, _VECTOR):
                    store32_at(to + position, load32_at(left + position))
                pc += 12
            else:
                break


@kernel
def evaluate_scalars(program: Any, leaves: Any, values: Any) -> None:
    """Compute row-constant scalars in canonical form; reference twin: `prover.air.reader.evaluate`."""
    for position in range(program.shape[0]):
        operation, left, right = program[position, 0], program[position, 1], program[position, 2]
        if operation == _SCALAR_CONSTANT:
            values[position, 0] = left
        elif operation == _SCALAR_LEAF:
            for plane in range(5):
                values[position, plane] = leaves[left, plane]
        elif operation == _SCALAR_ADD:
            for plane in range(5):
                values[position, plane] = (values[left, plane] + values[right, plane]) % PRIME
        elif operation == _SCALAR_SUBTRACT:
            for plane in range(5):
                values[position, plane] = (values[left, plane] - values[right, plane]) % PRIME
        else:
            for first in range(5):
                for second in range(5):
                    product = values[left, first] * values[right, second] % PRIME
                    power = first + second
                    if power < 5:
                        values[position, power] += product
                    else:
                        # X^5 = 1 - X^2, and X^8 = X^3 - X^5 = X^3 - 1 + X^2.
                        values[position, power - 5] += product
                        if power < 8:
                            values[position, power - 3] -= product
                        else:
                            values[position, 0] -= product
                            values[position, 2] += product
            for plane in range(5):
                values[position, plane] %= PRIME
