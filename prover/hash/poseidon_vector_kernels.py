"""The inner steps of the Poseidon kernels, as vector instructions.

A *block* is one element of 32 rows in scratch memory: 32 words of 64 bits, four vectors of eight lanes.
A *state* is sixteen blocks, element after element. Words hold Montgomery form; bounds are said where they exceed p.

    block 0 (element 0): vector 0 | vector 1 | vector 2 | vector 3     block 1 (element 1): ...     block 15

Two ideas carry the speed.
The circulant matrix has small entries, so it multiplies words as they are and a row of products stays below 2^41: one
reduction serves the row. It is split over x^16 - 1 = (x^8 - 1)(x^8 + 1) into two matrices of half the size.
Dot products with large weights add 64-bit products and take p * 2^32 away when the sum could overflow, so they too are
reduced once.
All memory is passed by address: numba would count references to arrays, which costs more than a step.
Under NUMBA_DISABLE_JIT=1 the numpy twins of the same names say what each step means.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from prover.field.koalabear import MONTGOMERY_RADIX, PRIME
from prover.hash.poseidon_constants import MDS_FIRST_ROW
from prover.hash.poseidon_parameters import WIDTH

Words = NDArray[np.uint64]

BLOCK = 32
"""Rows of a block: four vectors, so that the chain of dependent steps of one vector hides behind the others'."""

LANES = 8
PARTS = range(0, BLOCK, LANES)
HALF = WIDTH // 2
LOW_WORD = MONTGOMERY_RADIX - 1
NEGATIVE_INVERSE = -pow(PRIME, -1, MONTGOMERY_RADIX) % MONTGOMERY_RADIX
"""-1/p modulo 2^32: t + (t * this mod 2^32) * p ends in 32 zero bits."""

INT32, INT64 = ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(INT64, LANES)


def _constant(value: int) -> Any:
    return ir.Constant(VECTOR, [value % 2**64] * LANES)


def _low(builder: Any, value: Any) -> Any:
    """The low words: with both factors so, the product is one instruction."""
    return builder.and_(value, _constant(LOW_WORD))


def _product(builder: Any, left: Any, right: Any) -> Any:
    return builder.mul(_low(builder, left), _low(builder, right))


def _minimum(builder: Any, left: Any, right: Any) -> Any:
    return builder.select(builder.icmp_unsigned("<", left, right), left, right)


def _reduce_once(builder: Any, value: Any) -> Any:
    """From below 2p to below p: below p the difference wraps to a huge word."""
    return _minimum(builder, value, builder.sub(value, _constant(PRIME)))


def _montgomery(builder: Any, value: Any) -> Any:
    """The value over 2^32, modulo p: below p + value / 2^32."""
    factor = _product(builder, value, _constant(NEGATIVE_INVERSE))
    total = builder.add(value, _product(builder, factor, _constant(PRIME)))
    return builder.lshr(total, _constant(32))


def _cube(builder: Any, value: Any) -> Any:
    """The cube, below p, of a value below 1.03p.

    The square is below 1.53p and the unreduced cube below 1.79p < 2^32, so nothing is reduced in between.
    """
    square = _montgomery(builder, _product(builder, value, value))
    return _reduce_once(builder, _montgomery(builder, _product(builder, square, value)))


def _remainder(builder: Any, value: Any) -> Any:
    """A value below 2^41 modulo p, below 1.03p.

    1/p is 2^-31 (1 + 2^-7 + 2^-14 + ...), so the quotient below falls short by less than 1.03.
    """
    quotient = builder.lshr(builder.add(value, builder.lshr(value, _constant(7))), _constant(31))
    return builder.sub(value, _product(builder, quotient, _constant(PRIME)))


def _signed_product(builder: Any, value: Any, factor: int) -> Any:
    """A product of a word with sign: spelled so that LLVM finds the instruction for it."""
    word = builder.ashr(builder.shl(value, _constant(32)), _constant(32))
    return builder.mul(word, _constant(factor))


def _mix(builder: Any, state: list[Any], constants: list[Any]) -> list[Any]:
    """The circulant matrix times elements below p, plus constants below p: results below 1.03p."""
    sums = [builder.add(state[column], state[column + HALF]) for column in range(HALF)]
    differences = [builder.sub(state[column], state[column + HALF]) for column in range(HALF)]
    results: list[Any] = [None] * WIDTH
    for row in range(HALF):
        of_sums, of_differences = _constant(0), _constant(0)
        for column in range(HALF):
            near, far = MDS_FIRST_ROW[(column - row) % HALF], MDS_FIRST_ROW[(column - row) % HALF + HALF]
            sign = 1 if column >= row else -1
            of_sums = builder.add(of_sums, _product(builder, sums[column], _constant(near + far)))
            signed = _signed_product(builder, differences[column], sign * (near - far))
            of_differences = builder.add(of_differences, signed)
        for index, doubled in (
            (row, builder.add(of_sums, of_differences)),
            (row + HALF, builder.sub(of_sums, of_differences)),
        ):
            total = builder.add(builder.lshr(doubled, _constant(1)), constants[index])
            results[index] = _remainder(builder, total)
    return results


def _words_at(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, INT64.as_pointer())


def _vector_at(builder: Any, base: Any, offset: int) -> Any:
    return builder.bitcast(builder.gep(base, [INT64(offset)]), VECTOR.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    value = builder.load(pointer)
    value.align = 8
    return value


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, pointer).align = 8


def _spread(builder: Any, scalar: Any) -> Any:
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))


def _spread_word(builder: Any, pointer: Any) -> Any:
    """A 32-bit word in every lane, high words arbitrary: one load, which LLVM would make two instructions of 64 bits."""
    word = builder.load(builder.bitcast(pointer, INT32.as_pointer()))
    words = ir.VectorType(INT32, 2 * LANES)
    undefined = ir.Constant(words, ir.Undefined)
    first = builder.insert_element(undefined, word, INT32(0))
    spread = builder.shuffle_vector(first, undefined, ir.Constant(words, [0] * 2 * LANES))
    return builder.bitcast(spread, VECTOR)


def _state_step(cubes: bool, mixes: bool) -> Any:
    """An intrinsic on eight rows of a state, in place: cube every element, or mix them, or both in registers."""

    @intrinsic
    def step(_typing: Any, state: Any, constants: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            base, numbers = (_words_at(builder, value) for value in values)
            pointers = [_vector_at(builder, base, BLOCK * element) for element in range(WIDTH)]
            elements = [_load(builder, pointer) for pointer in pointers]
            if cubes:
                elements = [_cube(builder, element) for element in elements]
            if mixes:
                spread = [
                    _spread(builder, builder.load(builder.gep(numbers, [INT64(element)])))
                    for element in range(WIDTH)
                ]
                elements = _mix(builder, elements, spread)
            for element, pointer in zip(elements, pointers, strict=True):
                _store(builder, element, pointer)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp), generate

    return step


def _add_products(builder: Any, totals: list[Any], lefts: list[Any], weight: Any) -> list[Any]:
    return [
        builder.add(total, _product(builder, left, weight)) for total, left in zip(totals, lefts, strict=True)
    ]


def _dot_step(starts_from_block: bool, cubes: bool) -> Any:
    """An intrinsic: the sum of blocks times weights, from a constant or a block on, possibly cubed, to a block."""

    @intrinsic
    def step(_typing: Any, blocks: Any, weights: Any, pairs: Any, start: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            known, factors, begin, target = (_words_at(builder, values[place]) for place in (0, 1, 3, 4))
            if starts_from_block:
                initial = [_load(builder, _vector_at(builder, begin, half)) for half in PARTS]
            else:
                initial = [_spread(builder, builder.load(begin))] * len(PARTS)
            # In the high word: the reduction divides by 2^32.
            initial = [builder.shl(value, _constant(32)) for value in initial]
            entry = builder.basic_block
            loop = builder.append_basic_block("products")
            done = builder.append_basic_block("reduced")
            builder.branch(loop)
            builder.position_at_end(loop)
            pair = builder.phi(INT64)
            pair.add_incoming(INT64(0), entry)
            sums = []
            for value in initial:
                total = builder.phi(VECTOR)
                total.add_incoming(value, entry)
                sums.append(total)
            totals: list[Any] = list(sums)
            for place in (0, 1):
                number = builder.add(builder.shl(pair, INT64(1)), INT64(place))
                lefts = [
                    _load(
                        builder,
                        _vector_at(builder, builder.gep(known, [builder.mul(number, INT64(BLOCK))]), half),
                    )
                    for half in PARTS
                ]
                factor = _spread_word(builder, builder.gep(factors, [number]))
                totals = _add_products(builder, totals, lefts, factor)
            # A sum below p 2^32 and two products below p^2 stay below 2^64 and below 2 p 2^32.
            totals = [
                _minimum(builder, total, builder.sub(total, _constant(PRIME * MONTGOMERY_RADIX)))
                for total in totals
            ]
            following = builder.add(pair, INT64(1))
            pair.add_incoming(following, loop)
            for total, value in zip(sums, totals, strict=True):
                total.add_incoming(value, loop)
            builder.cbranch(builder.icmp_unsigned("<", following, values[2]), loop, done)
            builder.position_at_end(done)
            for half, total in zip(PARTS, totals, strict=True):
                result = _reduce_once(builder, _montgomery(builder, total))
                if cubes:
                    result = _cube(builder, result)
                _store(builder, result, _vector_at(builder, target, half))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return step


_RADIX_INVERSE = pow(MONTGOMERY_RADIX, -1, PRIME)
_MATRIX = np.array(
    [[MDS_FIRST_ROW[(column - row) % WIDTH] for column in range(WIDTH)] for row in range(WIDTH)],
    dtype=np.uint64,
)


def _multiply_twin(left: Words, right: Words) -> Words:
    prime = np.uint64(PRIME)
    product: Words = left % prime * (right % prime) % prime * np.uint64(_RADIX_INVERSE) % prime
    return product


def _cube_twin(value: Words) -> Words:
    return _multiply_twin(_multiply_twin(value, value), value)


def _view(address: int, words: int) -> Words:
    return np.ctypeslib.as_array((ctypes.c_uint64 * words).from_address(address))


def _state_twin(cubes: bool, mixes: bool) -> Any:
    def step(state: int, constants: int) -> None:
        elements = [_view(state + 8 * BLOCK * element, LANES) for element in range(WIDTH)]
        values = np.stack(elements)
        if cubes:
            values = _cube_twin(values)
        if mixes:
            values = (_MATRIX @ values + _view(constants, WIDTH)[:, None]) % np.uint64(PRIME)
        for element, value in zip(elements, values, strict=True):
            element[:] = value

    return step


def _dot_twin(starts_from_block: bool, cubes: bool) -> Any:
    def step(blocks: int, weights: int, pairs: int, start: int, out: int) -> None:
        known = _view(blocks, BLOCK * 2 * pairs).reshape(-1, BLOCK)
        initial = _view(start, BLOCK if starts_from_block else 1)
        products = _multiply_twin(known, _view(weights, 2 * pairs)[:, None])
        total = (products.sum(axis=0) + initial) % np.uint64(PRIME)
        _view(out, BLOCK)[:] = _cube_twin(total) if cubes else total

    return step


_make_state_step = _state_twin if config.DISABLE_JIT else _state_step
_make_dot_step = _dot_twin if config.DISABLE_JIT else _dot_step

full_round = _make_state_step(True, True)
"""Cube and mix eight rows of a state: (address of the state, address of the constants)."""

cube_state = _make_state_step(True, False)
"""Cube every element of eight rows of a state; the constants are not read."""

mix_state = _make_state_step(False, True)
"""Mix eight rows of a state whose elements are below p."""

dot = _make_dot_step(False, False)
"""A constant plus blocks times weights; addresses but for the third: (blocks, weights, pairs, constant, result)."""

dot_cubed = _make_dot_step(False, True)
"""The cube of a constant plus blocks times weights."""

dot_from_block = _make_dot_step(True, False)
"""A block plus blocks times weights."""
