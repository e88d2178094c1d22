"""Poseidon for the prover: sixteen rows at once, each lane of a vector one row.

Matrices are column-major, so sixteen rows of a column are one load and nothing is transposed.
The reference twins are `prover.hash.poseidon` and, for the shape of the partial rounds, `prover.hash.poseidon_unrolled`.
Scratch memory of a kernel: the states of a tile, then the blocks that the partial rounds know.

    state 0 (256 words) | ... | state 3 | u(1) .. u(15) | y(0) .. y(R-1) | one block of padding
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import MONTGOMERY_RADIX, PRIME, Montgomery, decode, encode
from prover.field.simd import (
    add64,
    extract32,
    field_add,
    field_multiply,
    join_low,
    lane_numbers32,
    add32,
    and32,
    load32,
    load32_at,
    load64,
    minimum64,
    montgomery_reduce,
    reduce_once,
    splat32,
    splat64,
    store32,
    store64,
    subtract64,
    widen_even,
    widen_odd,
    zero_lanes32,
)
from prover.field.threads import run_slices
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, RATE
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters
from prover.hash.poseidon_unrolled import unroll
from prover.hash.poseidon_vector_kernels import (
    BLOCK,
    cube_state,
    dot,
    dot_cubed,
    dot_from_block,
    full_round,
    mix_state,
)

Words = NDArray[np.uint64]

PART = 8
"""Rows of one vector of 64-bit lanes."""

VECTOR_BYTES = 64

LINE = 16
"""Rows of one vector of 32-bit lanes: a line's even rows are one part, its odd rows the next."""

STATE_WORDS = WIDTH * BLOCK

TILE_STATES = 2
"""States that walk through the columns together: 256 contiguous bytes a column, so that pages and cache lines are
fetched whole although the columns of a power-of-two height compete for the same cache sets."""

TILE_ROWS = TILE_STATES * BLOCK
KNOWN = TILE_STATES * STATE_WORDS
FIRST_CUBE = KNOWN + (WIDTH - 1) * BLOCK

RADIX_SQUARED = MONTGOMERY_RADIX**2 % PRIME


class RoundNumbers(NamedTuple):
    """All constants of a suite as kernels read them: Montgomery words, with pads where rows are cut in pairs."""

    first: Words
    """Added before the first round."""
    opening: Words
    """Added after each of the first full rounds but the last: the next round's constants."""
    nothing: Words
    """Added where a trace wants the state without the next round's constants."""
    entry_weights: Words
    entry_constants: Words
    cube_weights: Words
    cube_constants: Words
    output_weights: Words
    closing: Words
    """Added after each of the last full rounds; nothing after the last."""


def _words(values: Any) -> Words:
    return encode(np.array(values, dtype=np.uint64)).astype(np.uint64)


def _padded(rows: Sequence[Sequence[int]], length: int) -> list[list[int]]:
    return [[*row, *(0,) * (length - len(row))] for row in rows]


@cache
def round_numbers(parameters: PoseidonParameters) -> RoundNumbers:
    """Fold every constant of the partial rounds, and those of the round after, into the numbers of the unrolled form.

    The u(i) carry what outputs need to have added; the cubes' inputs, which read them too, give it back.
    """
    unrolled = unroll(parameters)
    first, last = parameters.first_partial_round, parameters.first_partial_round + parameters.partial_rounds
    after = parameters.round_constants[last]
    carried = [
        (constant + following) % PRIME
        for constant, following in zip(unrolled.output_constants, after[1:], strict=True)
    ]
    cube_constants = [
        (constant - sum(weight * carry for weight, carry in zip(row, carried, strict=False))) % PRIME
        for constant, row in zip(unrolled.cube_input_constants[1:], unrolled.cube_inputs, strict=True)
    ]
    cube_constants[-1] = (cube_constants[-1] + after[0]) % PRIME
    even = parameters.partial_rounds + parameters.partial_rounds % 2
    return RoundNumbers(
        first=_words(parameters.round_constants[0]),
        opening=_words(parameters.round_constants[1:first]).ravel(),
        nothing=_words([0] * WIDTH),
        entry_weights=_words(unrolled.entry),
        entry_constants=_words([unrolled.cube_input_constants[0], *carried]),
        cube_weights=_words(_padded(unrolled.cube_inputs, WIDTH + even)),
        cube_constants=_words(cube_constants),
        output_weights=_words(_padded(unrolled.output_weights, even)),
        closing=_words([*parameters.round_constants[last + 1 :], [0] * WIDTH]).ravel(),
    )


def new_scratch(numbers: RoundNumbers) -> Words:
    """The memory one thread works in, aligned: a vector across two cache lines costs two loads."""
    words = KNOWN + BLOCK * (WIDTH + numbers.cube_weights.shape[1])
    unaligned = np.zeros(words + PART, dtype=np.uint64)
    start = -unaligned.ctypes.data % VECTOR_BYTES // 8
    return unaligned[start : start + words]


@inline_kernel
def _add_constants(scratch: Any, state: int, constants: Any, first: int) -> None:
    prime = splat64(np.uint64(PRIME))
    for element in range(WIDTH):
        constant = splat64(constants[first + element])
        for part in range(0, BLOCK, PART):
            place = state + BLOCK * element + part
            total = add64(load64(scratch, place), constant)
            store64(scratch, place, minimum64(total, subtract64(total, prime)))


@inline_kernel
def _partial_rounds(scratch: Any, state: int, numbers: Any) -> None:
    """From the cubes of the last opening round to what the first closing round cubes; twin: `partial_rounds`."""
    dot_cubed(scratch, state, numbers.entry_weights, 0, WIDTH // 2, numbers.entry_constants, 0, FIRST_CUBE)
    for element in range(1, WIDTH):
        dot(
            scratch, state, numbers.entry_weights, WIDTH * element, WIDTH // 2,
            numbers.entry_constants, element, KNOWN + BLOCK * (element - 1),
        )  # fmt: skip
    rounds, stride = numbers.cube_weights.shape
    for index in range(rounds - 1):
        dot_cubed(
            scratch, KNOWN, numbers.cube_weights, stride * index, (WIDTH + index + 1) // 2,
            numbers.cube_constants, index, FIRST_CUBE + BLOCK * (index + 1),
        )  # fmt: skip
    dot(
        scratch, KNOWN, numbers.cube_weights, stride * (rounds - 1), (WIDTH + rounds) // 2,
        numbers.cube_constants, rounds - 1, state,
    )  # fmt: skip
    pairs = numbers.output_weights.shape[1] // 2
    for element in range(1, WIDTH):
        dot_from_block(
            scratch, FIRST_CUBE, numbers.output_weights, 2 * pairs * (element - 1), pairs,
            scratch, KNOWN + BLOCK * (element - 1), state + BLOCK * element,
        )  # fmt: skip


@kernel
def _permute_state(scratch: Any, state: int, numbers: Any) -> None:
    """Permute one state in scratch; elements come in below 1.03p and go out so. Twin: `poseidon.permute`."""
    _add_constants(scratch, state, numbers.first, 0)
    for part in range(0, BLOCK, PART):
        for first in range(0, numbers.opening.shape[0], WIDTH):
            full_round(scratch, state + part, numbers.opening, first)
        cube_state(scratch, state + part, numbers.nothing, 0)
    _partial_rounds(scratch, state, numbers)
    for part in range(0, BLOCK, PART):
        for first in range(0, numbers.closing.shape[0], WIDTH):
            full_round(scratch, state + part, numbers.closing, first)


@inline_kernel
def _put(scratch: Any, place: int, rows: Any) -> None:
    store64(scratch, place, widen_even(rows))
    store64(scratch, place + PART, widen_odd(rows))


@inline_kernel
def _put_everywhere(scratch: Any, place: int, value: Any) -> None:
    for line in range(0, BLOCK, LINE):
        _put(scratch, place + line, splat32(value))


@inline_kernel
def _take(scratch: Any, place: int) -> Any:
    return reduce_once(join_low(load64(scratch, place), load64(scratch, place + PART)))


@inline_kernel
def _put_block(scratch: Any, place: int, words: Any, first: int) -> None:
    for line in range(0, BLOCK, LINE):
        _put(scratch, place + line, load32(words, first + line))


@inline_kernel
def _take_block(scratch: Any, place: int, words: Any, first: int) -> None:
    for line in range(0, BLOCK, LINE):
        store32(words, first + line, _take(scratch, place + line))


@kernel
def _permute_columns(states: Any, out: Any, scratch: Any, numbers: Any, start: int, stop: int) -> None:
    """Permute the states of rows start to stop. Twin: `poseidon.permute`."""
    height = states.shape[1]
    for row in range(start, stop, BLOCK):
        for element in range(WIDTH):
            _put_block(scratch, BLOCK * element, states, height * element + row)
        _permute_state(scratch, 0, numbers)
        for element in range(WIDTH):
            _take_block(scratch, BLOCK * element, out, height * element + row)


@kernel
def _hash_row_slice(
    addresses: Any, capacity: Any, out: Any, scratch: Any, numbers: Any, start: int, stop: int
) -> None:
    """The sponge over the columns at `addresses`, rows start to stop. Twin: `poseidon.sponge`."""
    columns = addresses.shape[0]
    height = out.shape[1]
    for tile in range(start, stop, TILE_ROWS):
        states = min(TILE_STATES, (stop - tile) // BLOCK)
        for index in range(states):
            for element in range(WIDTH):
                _put_everywhere(scratch, STATE_WORDS * index + BLOCK * element, capacity[element])
        for first in range(0, max(columns, 1), RATE):
            for index in range(states):
                state = STATE_WORDS * index
                row_bytes = 4 * (tile + BLOCK * index)
                for element in range(RATE):
                    place = state + BLOCK * element
                    if first + element < columns:
                        for line in range(0, BLOCK, LINE):
                            address = addresses[first + element] + row_bytes + 4 * line
                            _put(scratch, place + line, load32_at(address))
                    else:
                        _put_everywhere(scratch, place, np.uint32(0))
                _permute_state(scratch, state, numbers)
        for index in range(states):
            for element in range(DIGEST_LENGTH):
                place = STATE_WORDS * index + BLOCK * element
                _take_block(scratch, place, out, height * element + tile + BLOCK * index)


@kernel
def _compress_slice(
    left: Any, left_start: int, right: Any, right_start: int, level: Any, out: Any, out_start: int,
    count: int, scratch: Any, numbers: Any,
) -> None:  # fmt: skip
    """Nodes over `count` pairs of digests. Twin: `poseidon.compress`."""
    left_height, right_height, out_height = left.shape[1], right.shape[1], out.shape[1]
    tag = splat32(level)
    for row in range(0, count, BLOCK):
        for element in range(DIGEST_LENGTH):
            _put_block(scratch, BLOCK * element, left, left_height * element + left_start + row)
        for element in range(DIGEST_LENGTH, WIDTH):
            source = right_height * (element - DIGEST_LENGTH) + right_start + row
            for line in range(0, BLOCK, LINE):
                value = load32(right, source + line)
                if element == LEVEL_ELEMENT:
                    value = field_add(value, tag)
                _put(scratch, BLOCK * element + line, value)
        _permute_state(scratch, 0, numbers)
        for element in range(DIGEST_LENGTH):
            for line in range(0, BLOCK, LINE):
                before = load32(left, left_height * element + left_start + row + line)
                value = field_add(before, _take(scratch, BLOCK * element + line))
                store32(out, out_height * element + out_start + row + line, value)


@inline_kernel
def _record_state(scratch: Any, state: int, out: Any, column: int, row: int) -> None:
    for element in range(WIDTH):
        _take_block(scratch, state + BLOCK * element, out, out.shape[1] * (column + element) + row)


@inline_kernel
def _full_round_recorded(
    scratch: Any, numbers: Any, constants: Any, first: int, out: Any, column: int, row: int
) -> None:
    for part in range(0, BLOCK, PART):
        full_round(scratch, part, numbers.nothing, 0)
    _record_state(scratch, 0, out, column, row)
    _add_constants(scratch, 0, constants, first)


@kernel
def _trace_slice(inputs: Any, out: Any, scratch: Any, numbers: Any, start: int, stop: int) -> None:
    """The columns of a Poseidon table. Twin: `poseidon.permute`, watched round by round."""
    partial = numbers.cube_weights.shape[0]
    for row in range(start, stop, BLOCK):
        for element in range(WIDTH):
            _put_block(scratch, BLOCK * element, inputs, inputs.shape[1] * element + row)
        _record_state(scratch, 0, out, 0, row)
        column = WIDTH
        _add_constants(scratch, 0, numbers.first, 0)
        for first in range(0, numbers.opening.shape[0], WIDTH):
            _full_round_recorded(scratch, numbers, numbers.opening, first, out, column, row)
            column += WIDTH
        for part in range(0, BLOCK, PART):
            cube_state(scratch, part, numbers.nothing, 0)
        # The partial rounds go on from the cubes; only the trace wants them mixed.
        for word in range(0, STATE_WORDS, PART):
            store64(scratch, STATE_WORDS + word, load64(scratch, word))
        for part in range(0, BLOCK, PART):
            mix_state(scratch, STATE_WORDS + part, numbers.nothing, 0)
        _record_state(scratch, STATE_WORDS, out, column, row)
        column += WIDTH
        _partial_rounds(scratch, 0, numbers)
        for index in range(partial):
            _take_block(scratch, FIRST_CUBE + BLOCK * index, out, out.shape[1] * (column + index) + row)
        column += partial
        for first in range(0, numbers.closing.shape[0], WIDTH):
            _full_round_recorded(scratch, numbers, numbers.closing, first, out, column, row)
            column += WIDTH


@kernel
def _grind_slice(
    state: Any, all_bits: Any, radix_squared: Any, scratch: Any, numbers: Any, start: int, stop: int
) -> int:
    """The smallest nonce in the slice that meets the bits, or -1. Twin: `Transcript.absorb_nonce`."""
    mask, refused = splat32(all_bits), np.uint32(PRIME - 1)
    for nonce in range(start, stop, BLOCK):
        for line in range(0, BLOCK, LINE):
            numbered = add32(splat32(np.uint32(nonce + line)), lane_numbers32())
            _put(scratch, line, field_multiply(splat32(radix_squared), numbered))
        for element in range(1, WIDTH):
            _put_everywhere(scratch, BLOCK * element, state[element])
        _permute_state(scratch, 0, numbers)
        for line in range(0, BLOCK, LINE):
            rows = _take(scratch, line)
            canonical = montgomery_reduce(widen_even(rows), widen_odd(rows))
            hits = zero_lanes32(and32(canonical, mask))
            if hits != np.uint64(0):
                for lane in range(LINE):
                    is_hit = (hits >> np.uint64(lane)) & np.uint64(1) == np.uint64(1)
                    if is_hit and extract32(canonical, lane) != refused and nonce + line + lane < stop:
                        return nonce + line + lane
    return -1


def _whole_blocks(columns: Montgomery) -> Montgomery:
    """The columns with rows of zeros up to a multiple of a block; none are added to tall matrices."""
    missing = -columns.shape[1] % BLOCK
    return np.pad(columns, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(columns)


def permute_states(states: Montgomery, parameters: PoseidonParameters, threads: int = 1) -> Montgomery:
    """Permute every column of a (16, n) array."""
    padded = _whole_blocks(states)
    out = np.empty_like(padded)
    numbers = round_numbers(parameters)

    def work(start: int, stop: int) -> None:
        _permute_columns(padded, out, new_scratch(numbers), numbers, start, stop)

    run_slices(threads, padded.shape[1], work, multiple=BLOCK)
    return out[:, : states.shape[1]]


def permute_one(state: Sequence[int], parameters: PoseidonParameters) -> tuple[int, ...]:
    """The permutation of one canonical state, for the prover's transcript."""
    column = encode(np.array(state, dtype=np.uint64)).reshape(WIDTH, 1)
    return tuple(decode(permute_states(column, parameters)[:, 0]).tolist())


def hash_rows(
    matrices: Sequence[Montgomery],
    parameters: PoseidonParameters,
    kind: HashKind,
    level: int,
    threads: int,
) -> Montgomery:
    """The digest of every row of matrices side by side, as planes (8, n). Twin: `poseidon.sponge`."""
    height = matrices[0].shape[1]
    padded = [_whole_blocks(matrix) for matrix in matrices]
    addresses = np.array(
        [matrix.ctypes.data + matrix.strides[0] * column for matrix in padded for column in range(len(matrix))],
        dtype=np.int64,
    )
    capacity = encode(np.array([0] * RATE + [kind, len(addresses), parameters.suite, level, 0, 0, 0, 0]))
    out = np.empty((DIGEST_LENGTH, padded[0].shape[1]), dtype=np.uint32)
    numbers = round_numbers(parameters)

    def work(start: int, stop: int) -> None:
        _hash_row_slice(addresses, capacity, out, new_scratch(numbers), numbers, start, stop)

    run_slices(threads, out.shape[1], work, multiple=BLOCK)
    return out[:, :height]


def compress_pairs(
    left: Montgomery,
    left_start: int,
    right: Montgomery,
    right_start: int,
    level: int,
    parameters: PoseidonParameters,
    out: Montgomery,
    out_start: int,
    count: int,
) -> None:
    """Nodes over `count` pairs of digests, a multiple of a block, on the calling thread. Twin: `poseidon.compress`."""
    numbers = round_numbers(parameters)
    tag = encode(np.array([level + 1]))[0]
    _compress_slice(
        left, left_start, right, right_start, tag, out, out_start, count, new_scratch(numbers), numbers
    )


def trace_columns(parameters: PoseidonParameters) -> int:
    """Columns that `trace_rows` writes: inputs, states after full rounds, cubes of partial rounds."""
    return WIDTH * (1 + parameters.full_rounds) + parameters.partial_rounds


def trace_rows(
    inputs: Montgomery, out: Montgomery, parameters: PoseidonParameters, threads: int = 1
) -> None:
    """The rows of a Poseidon table, one permutation each.

    Columns: 16 inputs; 16 for the state after each of the first full rounds; for each partial round the cube of
    element 0; 16 for the state after each of the last full rounds, so the last 16 are the permutation's output.
    """
    columns, height = trace_columns(parameters), inputs.shape[1]
    if out.shape != (columns, height) or not out.flags.c_contiguous:
        raise ValueError(f"the trace must be a C-contiguous array of shape {(columns, height)}")
    padded = _whole_blocks(inputs)
    target = out if padded.shape == inputs.shape else np.empty((columns, padded.shape[1]), dtype=np.uint32)
    numbers = round_numbers(parameters)

    def work(start: int, stop: int) -> None:
        _trace_slice(padded, target, new_scratch(numbers), numbers, start, stop)

    run_slices(threads, padded.shape[1], work, multiple=BLOCK)
    if target is not out:
        out[:] = target[:, :height]


def grind_block(
    state: Sequence[int], bits: int, parameters: PoseidonParameters, start: int, stop: int
) -> int | None:
    """The smallest nonce in [start, stop) for which permuting (nonce, state[1:]) gives element 0 the bits."""
    numbers = round_numbers(parameters)
    words = encode(np.array(state, dtype=np.uint64))
    radix_squared = np.uint32(RADIX_SQUARED)
    found = _grind_slice(words, np.uint32((1 << bits) - 1), radix_squared, new_scratch(numbers), numbers, start, stop)
    return None if found < 0 else int(found)
