"""The interpreter of programs: each instruction works on one block of rows, sixteen rows a vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from prover.air.lowering import ScalarOperation
from prover.air.program import BLOCK_ROWS, SLOT_WORDS, Opcode
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
    splat32,
    splat64,
    store32_at,
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
def _store_rows(source: int, target: int, rows: int) -> None:
    for position in range(0, rows, _LANES):
        store32_at(target + 4 * position, load32_at(source + 4 * position))


@kernel
def _extension_multiply(pc: int, base: int, size: int) -> None:
    """Multiply in the challenge extension: X^5 = 1 - X^2, as the multiplication table of `program`."""
    for shift in range(base, base + size, _VECTOR):
        a0 = load32_at(shift + word_at(pc + 24))
        a1 = load32_at(shift + word_at(pc + 28))
        a2 = load32_at(shift + word_at(pc + 32))
        a3 = load32_at(shift + word_at(pc + 36))
        a4 = load32_at(shift + word_at(pc + 40))
        b0 = load32_at(shift + word_at(pc + 44))
        b1 = load32_at(shift + word_at(pc + 48))
        b2 = load32_at(shift + word_at(pc + 52))
        b3 = load32_at(shift + word_at(pc + 56))
        b4 = load32_at(shift + word_at(pc + 60))
        b5 = field_subtract(b1, b4)
        b6 = field_subtract(b0, b3)
        b7 = field_subtract(b4, b2)
        b8 = field_subtract(b3, b5)
        store32_at(shift + word_at(pc + 4), _dot(a0, a1, a2, a3, a4, b0, b4, b3, b2, b5))
        store32_at(shift + word_at(pc + 8), _dot(a0, a1, a2, a3, a4, b1, b0, b4, b3, b2))
        store32_at(shift + word_at(pc + 12), _dot(a0, a1, a2, a3, a4, b2, b5, b6, b7, b8))
        store32_at(shift + word_at(pc + 16), _dot(a0, a1, a2, a3, a4, b3, b2, b5, b6, b7))
        store32_at(shift + word_at(pc + 20), _dot(a0, a1, a2, a3, a4, b4, b3, b2, b5, b6))


@kernel
def _dot(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, b0: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    """Add five products before one reduction."""
    even = fold64(add64(multiply_even(a0, b0), multiply_even(a1, b1)))
    even = fold64(add64(add64(even, multiply_even(a2, b2)), multiply_even(a3, b3)))
    even = fold64(add64(even, multiply_even(a4, b4)))
    odd = fold64(add64(multiply_odd(a0, b0), multiply_odd(a1, b1)))
    odd = fold64(add64(add64(odd, multiply_odd(a2, b2)), multiply_odd(a3, b3)))
    odd = fold64(add64(odd, multiply_odd(a4, b4)))
    return montgomery_reduce(even, odd)


@kernel
def _signed_sum(pc: int, weights: int, base: int, size: int) -> None:
    constant = splat32(weights[word_at(pc + 8)])
    middle = pc + 5 + word_at(pc + 12)
    end = middle + word_at(pc + 16)
    for shift in range(base, base + size, _VECTOR):
        total = constant
        for term in range(pc + 5, middle):
            total = field_add(total, load32_at(shift + word_at(term)))
        for term in range(middle, end):
            total = field_subtract(total, load32_at(shift + word_at(term)))
        store32_at(shift + word_at(pc + 4), total)


@kernel
def _weighted_sum(pc: int, weights: int, base: int, size: int) -> None:
    """One sum, four vectors side by side: each weight is fetched once for 64 rows."""
    weight = word_at(pc + 8)
    high = splat64(_HIGH_WORD)
    first = pc + 5
    end = first + 2 * word_at(pc + 12)
    continued = word_at(pc + 16)
    start = splat64(np.uint64(weights[weight]) << np.uint64(32))
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
            before = load32_at(shift + 4 * continued)
            even0 = fold64(add64(start, shift_left64(as64(before), _WORD_BITS)))
            odd0 = fold64(add64(start, and64(as64(before), high)))
            before = load32_at(shift + 4 * continued + _VECTOR)
            even1 = fold64(add64(start, shift_left64(as64(before), _WORD_BITS)))
            odd1 = fold64(add64(start, and64(as64(before), high)))
            before = load32_at(shift + 4 * continued + 2 * _VECTOR)
            even2 = fold64(add64(start, shift_left64(as64(before), _WORD_BITS)))
            odd2 = fold64(add64(start, and64(as64(before), high)))
            before = load32_at(shift + 4 * continued + 3 * _VECTOR)
            even3 = fold64(add64(start, shift_left64(as64(before), _WORD_BITS)))
            odd3 = fold64(add64(start, and64(as64(before), high)))
        at = weight + 1
        for term in range(first, end, 2):
            w = as64(splat32(weights[at]))
            z = as64(splat32(weights[at + 1]))
            at += 2
            x_place = shift + word_at(term)
            y_place = shift + word_at(term + 4)
            x = load32_at(x_place)
            y = load32_at(y_place)
            even0 = fold64(add64(add64(even0, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd0 = fold64(add64(add64(odd0, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z)))
            x = load32_at(x_place + _VECTOR)
            y = load32_at(y_place + _VECTOR)
            even1 = fold64(add64(add64(even1, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd1 = fold64(add64(add64(odd1, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z)))
            x = load32_at(x_place + 2 * _VECTOR)
            y = load32_at(y_place + 2 * _VECTOR)
            even2 = fold64(add64(add64(even2, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd2 = fold64(add64(add64(odd2, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z)))
            x = load32_at(x_place + 3 * _VECTOR)
            y = load32_at(y_place + 3 * _VECTOR)
            even3 = fold64(add64(add64(even3, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd3 = fold64(add64(add64(odd3, multiply_low_words(widen_odd(x), w)), multiply_low_words(widen_odd(y), z)))
        place = shift + word_at(pc + 4)
        store32_at(place, montgomery_reduce(even0, odd0))
        store32_at(place + _VECTOR, montgomery_reduce(even1, odd1))
        store32_at(place + 2 * _VECTOR, montgomery_reduce(even2, odd2))
        store32_at(place + 3 * _VECTOR, montgomery_reduce(even3, odd3))


@kernel
def _weighted_sums(pc: int, weights: int, base: int, size: int) -> None:
    """Five sums over the same operands, two vectors side by side."""
    weight = word_at(pc + 24)
    high = splat64(_HIGH_WORD)
    first = pc + 13
    end = first + 2 * word_at(pc + 28)
    start0 = splat64(np.uint64(weights[weight]) << np.uint64(32))
    start1 = splat64(np.uint64(weights[weight + 1]) << np.uint64(32))
    start2 = splat64(np.uint64(weights[weight + 2]) << np.uint64(32))
    start3 = splat64(np.uint64(weights[weight + 3]) << np.uint64(32))
    start4 = splat64(np.uint64(weights[weight + 4]) << np.uint64(32))
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
        if word_at(pc + 32) >= 0:
            before = load32_at(shift + word_at(pc + 32))
            even0 = fold64(add64(even0, shift_left64(as64(before), _WORD_BITS)))
            odd0 = fold64(add64(odd0, and64(as64(before), high)))
            before = load32_at(shift + word_at(pc + 36))
            even1 = fold64(add64(even1, shift_left64(as64(before), _WORD_BITS)))
            odd1 = fold64(add64(odd1, and64(as64(before), high)))
            before = load32_at(shift + word_at(pc + 40))
            even2 = fold64(add64(even2, shift_left64(as64(before), _WORD_BITS)))
            odd2 = fold64(add64(odd2, and64(as64(before), high)))
            before = load32_at(shift + word_at(pc + 44))
            even3 = fold64(add64(even3, shift_left64(as64(before), _WORD_BITS)))
            odd3 = fold64(add64(odd3, and64(as64(before), high)))
            before = load32_at(shift + word_at(pc + 48))
            even4 = fold64(add64(even4, shift_left64(as64(before), _WORD_BITS)))
            odd4 = fold64(add64(odd4, and64(as64(before), high)))
        at = weight + 5
        for term in range(first, end, 2):
            x = load32_at(shift + word_at(term))
            y = load32_at(shift + word_at(term + 4))
            u = widen_odd(x)
            v = widen_odd(y)
            w = as64(splat32(weights[at]))
            z = as64(splat32(weights[at + 5]))
            even0 = fold64(add64(add64(even0, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd0 = fold64(add64(add64(odd0, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(splat32(weights[at + 1]))
            z = as64(splat32(weights[at + 6]))
            even1 = fold64(add64(add64(even1, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd1 = fold64(add64(add64(odd1, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(splat32(weights[at + 2]))
            z = as64(splat32(weights[at + 7]))
            even2 = fold64(add64(add64(even2, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd2 = fold64(add64(add64(odd2, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(splat32(weights[at + 3]))
            z = as64(splat32(weights[at + 8]))
            even3 = fold64(add64(add64(even3, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd3 = fold64(add64(add64(odd3, multiply_low_words(u, w)), multiply_low_words(v, z)))
            w = as64(splat32(weights[at + 4]))
            z = as64(splat32(weights[at + 9]))
            even4 = fold64(add64(add64(even4, multiply_low_words(as64(x), w)), multiply_low_words(as64(y), z)))
            odd4 = fold64(add64(add64(odd4, multiply_low_words(u, w)), multiply_low_words(v, z)))
            at += 10
        store32_at(shift + word_at(pc + 4), montgomery_reduce(even0, odd0))
        store32_at(shift + word_at(pc + 8), montgomery_reduce(even1, odd1))
        store32_at(shift + word_at(pc + 12), montgomery_reduce(even2, odd2))
        store32_at(shift + word_at(pc + 16), montgomery_reduce(even3, odd3))
        store32_at(shift + word_at(pc + 20), montgomery_reduce(even4, odd4))


@kernel
def run_blocks(
    code: Any,
    weights: int,
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
    rows = min(BLOCK_ROWS, height)
    # Weighted sums work on 64 rows at once; rows past the end are computed and never stored.
    size = 4 * ((rows + 63) & ~63)
    for block in range(first_block, last_block):
        row = block * BLOCK_ROWS
        _copy_columns(columns, row, rows, base)
        pc = 0
        while True:
            opcode = word_at(pc)
            if opcode == _WEIGHTED_SUMS:
                _weighted_sums(pc, weights, base, size)
                pc += 13 + 2 * word_at(pc + 28)
            elif opcode == _WEIGHTED_SUM:
                _weighted_sum(pc, weights, base, size)
                pc += 5 + 2 * word_at(pc + 12)
            elif opcode == _MULTIPLY:
                to, left, right = base + word_at(pc + 4), base + word_at(pc + 8), base + word_at(pc + 12)
                for shift in range(0, size, _VECTOR):
                    store32_at(to + shift, field_multiply(load32_at(left + shift), load32_at(right + shift)))
                pc += 4
            elif opcode == _CUBE:
                to, left = base + word_at(pc + 4), base + word_at(pc + 12)
                constant = splat32(weights[word_at(pc + 8)])
                for shift in range(0, size, _VECTOR):
                    x = field_add(constant, load32_at(left + shift))
                    store32_at(to + shift, field_multiply(field_multiply(x, x), x))
                pc += 4
            elif opcode == _ADD:
                to, left, right = base + word_at(pc + 4), base + word_at(pc + 8), base + word_at(pc + 12)
                for shift in range(0, size, _VECTOR):
                    store32_at(to + shift, field_add(load32_at(left + shift), load32_at(right + shift)))
                pc += 4
            elif opcode == _SUBTRACT:
                to, left, right = base + word_at(pc + 4), base + word_at(pc + 8), base + word_at(pc + 12)
                for shift in range(0, size, _VECTOR):
                    store32_at(to + shift, field_subtract(load32_at(left + shift), load32_at(right + shift)))
                pc += 4
            elif opcode == _SIGNED_SUM:
                _signed_sum(pc, weights, base, size)
                pc += 5 + word_at(pc + 12) + word_at(pc + 16)
            elif opcode == _EXTENSION_MULTIPLY:
                _extension_multiply(pc, base, size)
                pc += 16
            elif opcode == _STORE:
                _store_rows(base + word_at(pc + 8), out + 4 * (word_at(pc + 4) * out_stride + row), rows)
                pc += 3
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
                    if power < 5:  # noqa: PLR2004
                        values[position, power] += product
                    else:
                        # X^5 = 1 - X^2, and X^8 = X^3 - X^5 = X^3 - 1 + X^2.
                        values[position, power - 5] += product
                        if power < 8:  # noqa: PLR2004
                            values[position, power - 3] -= product
                        else:
                            values[position, 0] -= product
                            values[position, 2] += product
            for plane in range(5):
                values[position, plane] %= PRIME
