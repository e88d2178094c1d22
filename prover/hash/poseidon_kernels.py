"""Poseidon for the prover: 32 rows at once, each lane of a vector one row.

Matrices are column-major, so sixteen rows of a column are one load and nothing is transposed.
The reference twins are `prover.hash.poseidon` and, for the shape of the partial rounds, `prover.hash.poseidon_unrolled`.
Scratch memory of a kernel: the states of a tile, then the blocks that the partial rounds know.

    state 0 | state 1 | u(1) .. u(15) | y(0) .. y(R-1) | one block of padding
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import MONTGOMERY_RADIX, PRIME, Montgomery, decode, encode
from prover.field.simd import (
    add32,
    add64,
    and32,
    extract32,
    extract64,
    field_add,
    field_multiply,
    join_low,
    lane_numbers32,
    load32_at,
    load64_at,
    minimum64,
    montgomery_reduce,
    reduce_once,
    splat32,
    splat64,
    store32_at,
    store64_at,
    subtract64,
    widen_even,
    widen_odd,
    zero_lanes32,
)
from prover.field.threads import run_slices
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, RATE
from prover.hash.poseidon_numbers import RoundNumbers, round_numbers
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters
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


def new_scratch(numbers: RoundNumbers) -> Words:
    """The memory one thread works in, aligned: a vector across two cache lines costs two loads."""
    words = KNOWN + BLOCK * (WIDTH + numbers.cube_stride)
    unaligned = np.zeros(words + PART, dtype=np.uint64)
    start = -unaligned.ctypes.data % VECTOR_BYTES // 8
    return unaligned[start : start + words]


@inline_kernel
def _add_constants(state: int, constants: int) -> None:
    prime = splat64(np.uint64(PRIME))
    for element in range(WIDTH):
        constant = splat64(extract64(load64_at(constants + 8 * element), 0))
        for part in range(0, BLOCK, PART):
            place = state + 8 * (BLOCK * element + part)
            total = add64(load64_at(place), constant)
            store64_at(place, minimum64(total, subtract64(total, prime)))


@inline_kernel
def _partial_rounds(scratch: int, state: int, numbers: Any) -> None:
    """From the cubes of the last opening round to what the first closing round cubes; twin: `partial_rounds`."""
    known, cubes = scratch + 8 * KNOWN, scratch + 8 * FIRST_CUBE
    dot_cubed(state, numbers.entry_weights, WIDTH // 2, numbers.entry_constants, cubes)
    for element in range(1, WIDTH):
        weights, constant = numbers.entry_weights + 8 * WIDTH * element, numbers.entry_constants + 8 * element
        dot(state, weights, WIDTH // 2, constant, known + 8 * BLOCK * (element - 1))
    last = numbers.partial_rounds - 1
    for index in range(last):
        weights, constant = (
            numbers.cube_weights + 8 * numbers.cube_stride * index,
            numbers.cube_constants + 8 * index,
        )
        dot_cubed(known, weights, (WIDTH + index + 1) // 2, constant, cubes + 8 * BLOCK * (index + 1))
    weights, constant = (
        numbers.cube_weights + 8 * numbers.cube_stride * last,
        numbers.cube_constants + 8 * last,
    )
    dot(known, weights, (WIDTH + last + 1) // 2, constant, state)
    for element in range(1, WIDTH):
        weights = numbers.output_weights + 16 * numbers.output_pairs * (element - 1)
        start = known + 8 * BLOCK * (element - 1)
        dot_from_block(cubes, weights, numbers.output_pairs, start, state + 8 * BLOCK * element)


@inline_kernel
def _full_rounds(state: int, constants: int, count: int) -> None:
    for part in range(0, BLOCK, PART):
        for index in range(count):
            full_round(state + 8 * part, constants + 8 * WIDTH * index)


@kernel
def _permute_state(scratch: int, state: int, numbers: Any) -> None:
    """Permute one state in scratch; elements come in below 1.03p and go out so. Twin: `poseidon.permute`."""
    _add_constants(state, numbers.first)
    _full_rounds(state, numbers.opening, numbers.openings)
    for part in range(0, BLOCK, PART):
        cube_state(state + 8 * part, numbers.nothing)
    _partial_rounds(scratch, state, numbers)
    _full_rounds(state, numbers.closing, numbers.closings)


@inline_kernel
def _put(place: int, rows: Any) -> None:
    """Write a line of rows as two parts."""
    store64_at(place, widen_even(rows))
    store64_at(place + 8 * PART, widen_odd(rows))


@inline_kernel
def _put_everywhere(place: int, value: Any) -> None:
    for line in range(0, BLOCK, LINE):
        _put(place + 8 * line, splat32(value))


@inline_kernel
def _take(place: int) -> Any:
    """A line of rows, below p."""
    return reduce_once(join_low(load64_at(place), load64_at(place + 8 * PART)))


@inline_kernel
def _put_block(place: int, words: int) -> None:
    for line in range(0, BLOCK, LINE):
        _put(place + 8 * line, load32_at(words + 4 * line))


@inline_kernel
def _take_block(place: int, words: int) -> None:
    for line in range(0, BLOCK, LINE):
        store32_at(words + 4 * line, _take(place + 8 * line))


@inline_kernel
def _put_state(state: int, words: int, stride: int) -> None:
    for element in range(WIDTH):
        _put_block(state + 8 * BLOCK * element, words + stride * element)


@inline_kernel
def _take_state(state: int, words: int, stride: int) -> None:
    for element in range(WIDTH):
        _take_block(state + 8 * BLOCK * element, words + stride * element)


@kernel
def _permute_columns(
    states: int, out: int, stride: int, scratch: int, numbers: Any, start: int, stop: int
) -> None:
    """Permute the states of rows start to stop; `stride` is a column in bytes. Twin: `poseidon.permute`."""
    for row in range(start, stop, BLOCK):
        _put_state(scratch, states + 4 * row, stride)
        _permute_state(scratch, scratch, numbers)
        _take_state(scratch, out + 4 * row, stride)


@kernel
def _hash_row_slice(
    addresses: Any, capacity: Any, out: int, stride: int, scratch: int, numbers: Any, start: int, stop: int
) -> None:
    """The sponge over the columns at `addresses`, rows start to stop. Twin: `poseidon.sponge`."""
    columns = addresses.shape[0]
    for tile in range(start, stop, TILE_ROWS):
        states = min(TILE_STATES, (stop - tile) // BLOCK)
        for index in range(states):
            for element in range(WIDTH):
                place = scratch + 8 * (STATE_WORDS * index + BLOCK * element)
                _put_everywhere(place, capacity[element])
        for first in range(0, max(columns, 1), RATE):
            for index in range(states):
                state = scratch + 8 * STATE_WORDS * index
                row_bytes = 4 * (tile + BLOCK * index)
                for element in range(RATE):
                    place = state + 8 * BLOCK * element
                    if first + element < columns:
                        _put_block(place, addresses[first + element] + row_bytes)
                    else:
                        _put_everywhere(place, np.uint32(0))
                _permute_state(scratch, state, numbers)
        for index in range(states):
            state = scratch + 8 * STATE_WORDS * index
            row_bytes = 4 * (tile + BLOCK * index)
            for element in range(DIGEST_LENGTH):
                _take_block(state + 8 * BLOCK * element, out + stride * element + row_bytes)


@kernel
def _sponge_states_slice(
    elements: int, blocks: int, capacity: Any, out: int, stride: int, scratch: int, numbers: Any,
    start: int, stop: int,
) -> None:  # fmt: skip
    """What each permutation of sponges begins with, sponges start to stop. Twin: `poseidon.sponge`, watched."""
    for row in range(start, stop, BLOCK):
        for element in range(WIDTH):
            _put_everywhere(scratch + 8 * BLOCK * element, capacity[element])
        for block in range(blocks):
            for element in range(RATE):
                place = elements + stride * (RATE * block + element) + 4 * row
                _put_block(scratch + 8 * BLOCK * element, place)
            _take_state(scratch, out + stride * WIDTH * block + 4 * row, stride)
            _permute_state(scratch, scratch, numbers)


@kernel
def _compress_slice(
    left: int, right: int, stride: int, half: int, level: Any, out: int, out_stride: int,
    scratch: int, numbers: Any, start: int, stop: int,
) -> None:  # fmt: skip
    """Nodes start to stop; `compress_pairs` says where children are. Twin: `poseidon.compress`."""
    tag = splat32(level)
    for node in range(start, stop, BLOCK):
        row = 4 * (node + node // half * half)
        for element in range(DIGEST_LENGTH):
            _put_block(scratch + 8 * BLOCK * element, left + stride * element + row)
            place = scratch + 8 * BLOCK * (DIGEST_LENGTH + element)
            for line in range(0, BLOCK, LINE):
                value = load32_at(right + stride * element + row + 4 * line)
                if element == LEVEL_ELEMENT - DIGEST_LENGTH:
                    value = field_add(value, tag)
                _put(place + 8 * line, value)
        _permute_state(scratch, scratch, numbers)
        for element in range(DIGEST_LENGTH):
            for line in range(0, BLOCK, LINE):
                before = load32_at(left + stride * element + row + 4 * line)
                value = field_add(before, _take(scratch + 8 * (BLOCK * element + line)))
                store32_at(out + out_stride * element + 4 * (node + line), value)


@inline_kernel
def _full_rounds_recorded(
    state: int, numbers: Any, constants: int, count: int, out: int, stride: int
) -> None:
    for index in range(count):
        for part in range(0, BLOCK, PART):
            full_round(state + 8 * part, numbers.nothing)
        _take_state(state, out + stride * WIDTH * index, stride)
        _add_constants(state, constants + 8 * WIDTH * index)


@kernel
def _trace_slice(
    inputs: int, out: int, stride: int, scratch: int, numbers: Any, start: int, stop: int
) -> None:
    """The columns of a Poseidon table. Twin: `poseidon.permute`, watched round by round."""
    mixed = scratch + 8 * STATE_WORDS
    for row in range(start, stop, BLOCK):
        column = out + 4 * row
        _put_state(scratch, inputs + 4 * row, stride)
        _take_state(scratch, column, stride)
        column += stride * WIDTH
        _add_constants(scratch, numbers.first)
        _full_rounds_recorded(scratch, numbers, numbers.opening, numbers.openings, column, stride)
        column += stride * WIDTH * numbers.openings
        for part in range(0, BLOCK, PART):
            cube_state(scratch + 8 * part, numbers.nothing)
        # The partial rounds go on from the cubes; only the trace wants them mixed.
        for word in range(0, 8 * STATE_WORDS, VECTOR_BYTES):
            store64_at(mixed + word, load64_at(scratch + word))
        for part in range(0, BLOCK, PART):
            mix_state(mixed + 8 * part, numbers.nothing)
        _take_state(mixed, column, stride)
        column += stride * WIDTH
        _partial_rounds(scratch, scratch, numbers)
        for index in range(numbers.partial_rounds):
            _take_block(scratch + 8 * (FIRST_CUBE + BLOCK * index), column + stride * index)
        column += stride * numbers.partial_rounds
        _full_rounds_recorded(scratch, numbers, numbers.closing, numbers.closings, column, stride)


@kernel
def _grind_slice(
    state: Any, all_bits: Any, radix_squared: Any, scratch: int, numbers: Any, start: int, stop: int
) -> int:
    """The smallest nonce in the slice that meets the bits, or -1. Twin: `PoseidonTranscript.absorb_nonce`."""
    mask, refused = splat32(all_bits), np.uint32(PRIME - 1)
    for nonce in range(start, stop, BLOCK):
        for line in range(0, BLOCK, LINE):
            numbered = add32(splat32(np.uint32(nonce + line)), lane_numbers32())
            _put(scratch + 8 * line, field_multiply(splat32(radix_squared), numbered))
        for element in range(1, WIDTH):
            _put_everywhere(scratch + 8 * BLOCK * element, state[element])
        _permute_state(scratch, scratch, numbers)
        for line in range(0, BLOCK, LINE):
            rows = _take(scratch + 8 * line)
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
    if not missing:
        return np.ascontiguousarray(columns)
    whole = np.zeros((len(columns), columns.shape[1] + missing), dtype=np.uint32)
    whole[:, : columns.shape[1]] = columns
    return whole


def permute_states(states: Montgomery, parameters: PoseidonParameters, threads: int = 1) -> Montgomery:
    """Permute every column of a (16, n) array."""
    padded = _whole_blocks(states)
    out = np.empty_like(padded)
    numbers = round_numbers(parameters)

    def work(start: int, stop: int) -> None:
        scratch = new_scratch(numbers)
        _permute_columns(
            padded.ctypes.data, out.ctypes.data, out.strides[0], scratch.ctypes.data, numbers, start, stop
        )

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
    # An array is asked for its address once: that takes a microsecond, and a message has seventy columns.
    starts = [(matrix.ctypes.data, matrix.strides[0], len(matrix)) for matrix in padded]
    addresses = np.array(
        [start + stride * column for start, stride, width in starts for column in range(width)],
        dtype=np.int64,
    )
    capacity = _capacity(kind, len(addresses), level, parameters)
    out = np.empty((DIGEST_LENGTH, padded[0].shape[1]), dtype=np.uint32)
    numbers = round_numbers(parameters)

    def work(start: int, stop: int) -> None:
        scratch = new_scratch(numbers)
        _hash_row_slice(
            addresses, capacity, out.ctypes.data, out.strides[0], scratch.ctypes.data, numbers, start, stop
        )

    run_slices(threads, out.shape[1], work, multiple=BLOCK)
    return out[:, :height]


def sponge_states(
    blocks: Montgomery, kind: HashKind, length: int, level: int, parameters: PoseidonParameters, threads: int
) -> Montgomery:
    """What each permutation of n sponges begins with, (blocks, 16, n), for elements (blocks, 8, n) with their zeros."""
    count, _, sponges = blocks.shape
    padded = _whole_blocks(blocks.reshape(count * RATE, sponges))
    capacity = _capacity(kind, length, level, parameters)
    out = np.empty((count, WIDTH, padded.shape[1]), dtype=np.uint32)
    numbers = round_numbers(parameters)

    def work(start: int, stop: int) -> None:
        scratch = new_scratch(numbers)
        _sponge_states_slice(
            padded.ctypes.data, count, capacity, out.ctypes.data, out.strides[1],
            scratch.ctypes.data, numbers, start, stop,
        )  # fmt: skip

    run_slices(threads, padded.shape[1], work, multiple=BLOCK)
    return out[:, :, :sponges]


def _capacity(kind: HashKind, length: int, level: int, parameters: PoseidonParameters) -> Montgomery:
    """The state that a sponge over so many elements starts from."""
    return encode(np.array([0] * RATE + [kind, length, parameters.suite, level, 0, 0, 0, 0]))


def compress_pairs(
    left: Montgomery,
    right: Montgomery,
    right_start: int,
    half: int,
    level: int,
    parameters: PoseidonParameters,
    out: Montgomery,
    start: int,
    stop: int,
) -> None:
    """Nodes start to stop, whole blocks, on the calling thread. Twin: `poseidon.compress`.

    The children of node n are digests n + n // half * half of `left`, and of `right` from `right_start` on.
    """
    numbers = round_numbers(parameters)
    tag = np.uint32((level + 1) * MONTGOMERY_RADIX % PRIME)
    scratch = new_scratch(numbers)
    _compress_slice(
        left.ctypes.data, right.ctypes.data + 4 * right_start, left.strides[0], half, tag,
        out.ctypes.data, out.strides[0], scratch.ctypes.data, numbers, start, stop,
    )  # fmt: skip


def trace_columns(parameters: PoseidonParameters) -> int:
    """Columns that `trace_rows` writes: inputs, states after full rounds, cubes of partial rounds."""
    return WIDTH * (1 + parameters.full_rounds) + parameters.partial_rounds


def trace_rows(inputs: Montgomery, out: Montgomery, parameters: PoseidonParameters, threads: int = 1) -> None:
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
        scratch = new_scratch(numbers)
        _trace_slice(
            padded.ctypes.data,
            target.ctypes.data,
            target.strides[0],
            scratch.ctypes.data,
            numbers,
            start,
            stop,
        )

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
    scratch = new_scratch(numbers)
    mask = np.uint32((1 << bits) - 1)
    found = _grind_slice(words, mask, radix_squared, scratch.ctypes.data, numbers, start, stop)
    return None if found < 0 else int(found)
