"""Keccak-256 for the prover: eight hashes at once, each 64-bit lane of a vector one hash.

Matrices are column-major Montgomery words, so sixteen rows of a column are one load; elements are brought to canonical
form and to big-endian bytes in registers. The reference twin is `prover.hash.keccak.keccak256_reference`.
Scratch memory of a kernel: states of 25 words for eight rows; two of them are sixteen rows, the even and the odd ones.

    lane 0 of rows 0, 2, .., 14 | lane 1 ... | lane 24 | lane 0 of rows 1, 3, .., 15 | ...
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from prover.field.compiler import inline_kernel, kernel
from prover.field.koalabear import Montgomery
from prover.field.simd import (
    add64,
    and64,
    as64,
    byte_swap32,
    byte_swap64,
    extract64,
    lane_numbers64,
    load32_at,
    load64_at,
    montgomery_reduce,
    or64,
    shift_left64,
    shift_right64,
    splat64,
    store64_at,
    widen_even,
    widen_odd,
    xor64,
    zero_lanes64,
)
from prover.field.threads import run_slices
from prover.hash.domain import HashKind
from prover.hash.keccak import (
    DIGEST_BYTES,
    LANES,
    MOVED_TO,
    RATE_BYTES,
    ROTATION_OFFSETS,
    ROUND_CONSTANTS,
    keccak_f,
)
from prover.hash.keccak_layout import keccak_prefix

Words = NDArray[np.uint64]

ROWS = 8
"""Hashes of one vector."""

LINE = 16
"""Rows of one load of 32-bit words: two states."""

STATE_WORDS = LANES * ROWS
RATE_LANES = RATE_BYTES // 8
DIGEST_LANES = DIGEST_BYTES // 8

TILE_LINES = 4
"""Lines that walk through the columns together: 256 contiguous bytes a column, so that pages and cache lines are
fetched whole although the columns of a power-of-two height compete for the same cache sets."""

VECTOR_BYTES = 64
STATE_BYTES = VECTOR_BYTES * LANES

FIRST_PADDING = 0x01
LAST_PADDING = 0x80 << 56
"""The last byte of a block, in its last lane."""

CONSTANTS = np.array(ROUND_CONSTANTS, dtype=np.uint64)

INT32, INT64 = ir.IntType(32), ir.IntType(64)
VECTOR = ir.VectorType(INT64, ROWS)


def _spread(builder: Any, scalar: Any) -> Any:
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, ROWS), [0] * ROWS))


def _rotate(builder: Any, value: Any, count: int) -> Any:
    function_type = ir.FunctionType(VECTOR, [VECTOR] * 3)
    rotate = cgutils.get_or_insert_function(builder.module, function_type, "llvm.fshl.v8i64")
    return builder.call(rotate, [value, value, ir.Constant(VECTOR, [count] * ROWS)])


PARITY_ROWS = (0, 2, 4, 1, 3)
PARITY_ORDER = (0, 2, 3, 1, 4)
MIXED_ORDER = (2, 3, 0, 4, 1)
RESULT_ROWS = (1, 3, 4, 0, 2)
MOVED_ORDER = (0, 3, 1, 2, 4)
CHI_ORDER = (1, 2, 0, 3, 4)
"""The order in which a round's words are computed; any order gives the same words.

With this one LLVM keeps all words in 32 registers, where the natural order had to put some aside in memory.
It was found by trying some hundreds of orders: 46.6 ns a permutation instead of 51.2 on Zen 4.
"""


def _round(builder: Any, lanes: list[Any], constant: Any) -> list[Any]:
    """One round, as in `prover.hash.keccak.keccak_f`, but row by row of the result, in the orders above."""
    parity: dict[int, Any] = {}
    for x in PARITY_ORDER:
        parity[x] = lanes[x + 5 * PARITY_ROWS[0]]
        for row in PARITY_ROWS[1:]:
            parity[x] = builder.xor(parity[x], lanes[x + 5 * row])
    mixed = {
        x: builder.xor(parity[(x - 1) % 5], _rotate(builder, parity[(x + 1) % 5], 1)) for x in MIXED_ORDER
    }
    results: dict[int, Any] = {}
    for row in RESULT_ROWS:
        moved: dict[int, Any] = {}
        for x in MOVED_ORDER:
            source = MOVED_TO.index(5 * row + x)
            word = builder.xor(lanes[source], mixed[source % 5])
            moved[x] = _rotate(builder, word, ROTATION_OFFSETS[source])
        for x in CHI_ORDER:
            beyond = builder.and_(builder.not_(moved[(x + 1) % 5]), moved[(x + 2) % 5])
            results[5 * row + x] = builder.xor(moved[x], beyond)
    results[0] = builder.xor(results[0], constant)
    return [results[lane] for lane in range(LANES)]


@intrinsic
def _permute_intrinsic(_typing: Any, states: Any, constants: Any) -> Any:
    """Keccak-f on eight states in place; the 25 lanes stay in registers over all rounds."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        base, numbers = (builder.inttoptr(value, INT64.as_pointer()) for value in values)
        pointers = [
            builder.bitcast(builder.gep(base, [INT64(ROWS * lane)]), VECTOR.as_pointer())
            for lane in range(LANES)
        ]
        initial = [builder.load(pointer) for pointer in pointers]
        for value in initial:
            value.align = 8
        entry = builder.basic_block
        loop = builder.append_basic_block("rounds")
        done = builder.append_basic_block("permuted")
        builder.branch(loop)
        builder.position_at_end(loop)
        number = builder.phi(INT64)
        number.add_incoming(INT64(0), entry)
        lanes = []
        for value in initial:
            lane = builder.phi(VECTOR)
            lane.add_incoming(value, entry)
            lanes.append(lane)
        constant = _spread(builder, builder.load(builder.gep(numbers, [number])))
        results = _round(builder, lanes, constant)
        following = builder.add(number, INT64(1))
        number.add_incoming(following, loop)
        for lane, result in zip(lanes, results, strict=True):
            lane.add_incoming(result, loop)
        is_inside = builder.icmp_unsigned("<", following, INT64(len(ROUND_CONSTANTS)))
        builder.cbranch(is_inside, loop, done)
        builder.position_at_end(done)
        for result, pointer in zip(results, pointers, strict=True):
            builder.store(result, pointer).align = 8
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


def _permute_twin(states: int, _constants: int) -> None:
    """What the intrinsic means, for NUMBA_DISABLE_JIT=1."""
    words = np.ctypeslib.as_array((ctypes.c_uint64 * STATE_WORDS).from_address(states))
    block = words.reshape(LANES, ROWS)
    for row in range(ROWS):
        block[:, row] = keccak_f([int(word) for word in block[:, row]])


permute_states = _permute_twin if config.DISABLE_JIT else _permute_intrinsic
"""Keccak-f on eight states: (address of the states, address of the round constants)."""


@inline_kernel
def _clear(state: int) -> None:
    zero = splat64(np.uint64(0))
    for lane in range(LANES):
        store64_at(state + VECTOR_BYTES * lane, zero)


@inline_kernel
def _mix_in(place: int, value: Any) -> None:
    store64_at(place, xor64(load64_at(place), value))


@inline_kernel
def _load_bytes(address: int) -> Any:
    """Sixteen elements as they are hashed: canonical, bytes reversed."""
    words = load32_at(address)
    return byte_swap32(montgomery_reduce(widen_even(words), widen_odd(words)))


@inline_kernel
def _mix_in_pair(place: int, first: int, second: int) -> None:
    """Two elements of each of sixteen rows, into the same lane of two states."""
    low, high = _load_bytes(first), as64(_load_bytes(second))
    _mix_in(place, or64(widen_even(low), shift_left64(high, np.uint64(32))))
    # The odd rows of the second element are in high words already.
    odd = shift_left64(shift_right64(high, np.uint64(32)), np.uint64(32))
    _mix_in(place + STATE_BYTES, or64(widen_odd(low), odd))


@inline_kernel
def _mix_in_last(place: int, first: int) -> None:
    """The last element, if it has no neighbour, and the first byte of padding."""
    low = _load_bytes(first)
    padding = splat64(np.uint64(FIRST_PADDING << 32))
    _mix_in(place, or64(widen_even(low), padding))
    _mix_in(place + STATE_BYTES, or64(widen_odd(low), padding))


@inline_kernel
def _mix_in_everywhere(place: int, word: Any) -> None:
    _mix_in(place, splat64(word))
    _mix_in(place + STATE_BYTES, splat64(word))


@kernel
def _hash_row_slice(
    addresses: Any, prefix: Any, last_mask: Any, out: Any, constants: int, scratch: int, start: int, stop: int
) -> None:
    """The hash of every row of the columns at `addresses`. Twin: `KeccakSuite.hash_elements`."""
    columns = addresses.shape[0]
    blocks = (1 + columns // 2) // RATE_LANES + 1
    both = 2 * STATE_BYTES
    for tile in range(start, stop, TILE_LINES * LINE):
        lines = min(TILE_LINES, (stop - tile) // LINE)
        for state in range(scratch, scratch + both * lines, STATE_BYTES):
            _clear(state)
            store64_at(state, splat64(prefix))
        for block in range(blocks):
            for line in range(lines):
                states = scratch + both * line
                row_bytes = 4 * (tile + LINE * line)
                for lane in range(1 if block == 0 else 0, RATE_LANES):
                    place = states + VECTOR_BYTES * lane
                    column = 2 * (RATE_LANES * block + lane - 1)
                    if column + 1 < columns:
                        _mix_in_pair(place, addresses[column] + row_bytes, addresses[column + 1] + row_bytes)
                    elif column < columns:
                        _mix_in_last(place, addresses[column] + row_bytes)
                    elif column == columns:
                        _mix_in_everywhere(place, np.uint64(FIRST_PADDING))
                if block == blocks - 1:
                    _mix_in_everywhere(states + VECTOR_BYTES * (RATE_LANES - 1), np.uint64(LAST_PADDING))
                permute_states(states, constants)
                permute_states(states + STATE_BYTES, constants)
        for line in range(lines):
            for lane in range(DIGEST_LANES):
                mask = last_mask if lane == DIGEST_LANES - 1 else ~np.uint64(0)
                even = load64_at(scratch + both * line + VECTOR_BYTES * lane)
                odd = load64_at(scratch + both * line + STATE_BYTES + VECTOR_BYTES * lane)
                for row in range(ROWS):
                    out[lane, tile + LINE * line + 2 * row] = extract64(even, row) & mask
                    out[lane, tile + LINE * line + 2 * row + 1] = extract64(odd, row) & mask


@kernel
def _compress_slice(
    left: int, right: int, stride: int, half: int, prefix: Any, node_bytes: int, out: int, out_stride: int,
    constants: int, scratch: int, start: int, stop: int,
) -> None:  # fmt: skip
    """Nodes start to stop; `compress_pairs` says where children are. Twin: `KeccakSuite.compress`."""
    spare_bits = np.uint64(8 * (DIGEST_BYTES - node_bytes))
    used_bits = np.uint64(64) - spare_bits
    last_mask = splat64(~np.uint64(0) >> spare_bits)
    is_short = node_bytes < DIGEST_BYTES
    padding_byte = 8 + 2 * node_bytes
    padding = np.uint64(FIRST_PADDING) << np.uint64(8 * (padding_byte % 8))
    for node in range(start, stop, ROWS):
        row = 8 * (node + node // half * half)
        _clear(scratch)
        store64_at(scratch, splat64(prefix))
        for lane in range(DIGEST_LANES):
            store64_at(scratch + VECTOR_BYTES * (1 + lane), load64_at(left + stride * lane + row))
        for lane in range(DIGEST_LANES):
            value = load64_at(right + stride * lane + row)
            place = scratch + VECTOR_BYTES * (1 + DIGEST_LANES + lane)
            if is_short:
                # The left digest ends inside its last lane; the right one follows at once.
                _mix_in(place - VECTOR_BYTES, shift_left64(value, used_bits))
                store64_at(place, shift_right64(value, spare_bits))
            else:
                store64_at(place, value)
        _mix_in(scratch + VECTOR_BYTES * (padding_byte // 8), splat64(padding))
        _mix_in(scratch + VECTOR_BYTES * (RATE_LANES - 1), splat64(np.uint64(LAST_PADDING)))
        permute_states(scratch, constants)
        for lane in range(DIGEST_LANES):
            value = load64_at(scratch + VECTOR_BYTES * lane)
            if lane == DIGEST_LANES - 1:
                value = and64(value, last_mask)
            store64_at(out + out_stride * lane + 8 * node, value)


@kernel
def _grind_slice(
    prefix: Any, state: Any, mask: Any, constants: int, scratch: int, start: int, stop: int
) -> int:
    """The smallest nonce in the slice that meets the bits, or -1. Twin: `KeccakTranscript.absorb_nonce`."""
    for nonce in range(start, stop, ROWS):
        _clear(scratch)
        store64_at(scratch, splat64(prefix))
        for lane in range(DIGEST_LANES):
            store64_at(scratch + VECTOR_BYTES * (1 + lane), splat64(state[lane]))
        numbered = add64(splat64(np.uint64(nonce)), lane_numbers64())
        store64_at(scratch + VECTOR_BYTES * (1 + DIGEST_LANES), byte_swap64(numbered))
        store64_at(scratch + VECTOR_BYTES * (2 + DIGEST_LANES), splat64(np.uint64(FIRST_PADDING)))
        store64_at(scratch + VECTOR_BYTES * (RATE_LANES - 1), splat64(np.uint64(LAST_PADDING)))
        permute_states(scratch, constants)
        last = byte_swap64(load64_at(scratch + VECTOR_BYTES * (DIGEST_LANES - 1)))
        hits = zero_lanes64(and64(last, splat64(mask)))
        if hits != np.uint64(0):
            for lane in range(ROWS):
                if (hits >> np.uint64(lane)) & np.uint64(1) == np.uint64(1) and nonce + lane < stop:
                    return nonce + lane
    return -1


@kernel
def _permute_slice(constants: int, scratch: int, count: int) -> None:
    for _ in range(count):
        permute_states(scratch, constants)


def permute_repeatedly(scratch: Words, count: int) -> None:
    """Permute eight states `count` times, in place. Twin: `keccak.keccak_f`."""
    _permute_slice(CONSTANTS.ctypes.data, scratch.ctypes.data, count)


def new_scratch(states: int) -> Words:
    """The memory one thread works in, aligned: a vector across two cache lines costs two loads."""
    words = STATE_WORDS * states
    unaligned = np.zeros(words + ROWS, dtype=np.uint64)
    start = -unaligned.ctypes.data % VECTOR_BYTES // 8
    return unaligned[start : start + words]


def _prefix_word(kind: HashKind, level_or_label: int, length: int) -> np.uint64:
    return np.uint64(int.from_bytes(keccak_prefix(kind, level_or_label, length), "little"))


def _whole_lines(columns: Montgomery) -> Montgomery:
    """The columns with rows of zeros up to a multiple of a line; none are added to tall matrices."""
    missing = -columns.shape[1] % LINE
    if not missing:
        return np.ascontiguousarray(columns)
    whole = np.zeros((len(columns), columns.shape[1] + missing), dtype=np.uint32)
    whole[:, : columns.shape[1]] = columns
    return whole


def hash_rows(
    matrices: Sequence[Montgomery], kind: HashKind, level: int, node_bytes: int, threads: int
) -> Words:
    """The digest of every row of matrices side by side, as planes (4, n)."""
    height = matrices[0].shape[1]
    padded = [_whole_lines(matrix) for matrix in matrices]
    addresses = np.array(
        [
            matrix.ctypes.data + matrix.strides[0] * column
            for matrix in padded
            for column in range(len(matrix))
        ],
        dtype=np.int64,
    )
    prefix = _prefix_word(kind, level, len(addresses))
    last_mask = np.uint64((1 << 64) - 1 >> 8 * (DIGEST_BYTES - node_bytes))
    out = np.empty((DIGEST_LANES, padded[0].shape[1]), dtype=np.uint64)

    def work(start: int, stop: int) -> None:
        scratch = new_scratch(2 * TILE_LINES)
        _hash_row_slice(
            addresses, prefix, last_mask, out, CONSTANTS.ctypes.data, scratch.ctypes.data, start, stop
        )

    run_slices(threads, out.shape[1], work, multiple=LINE)
    return out[:, :height]


def compress_pairs(
    left: Words,
    right: Words,
    right_start: int,
    half: int,
    level: int,
    node_bytes: int,
    out: Words,
    start: int,
    stop: int,
) -> None:
    """Nodes start to stop, whole vectors, on the calling thread.

    The children of node n are digests n + n // half * half of `left`, and of `right` from `right_start` on.
    """
    prefix = _prefix_word(HashKind.NODE, level, 2 * node_bytes)
    scratch = new_scratch(1)
    _compress_slice(
        left.ctypes.data, right.ctypes.data + 8 * right_start, left.strides[0], half, prefix, node_bytes,
        out.ctypes.data, out.strides[0], CONSTANTS.ctypes.data, scratch.ctypes.data, start, stop,
    )  # fmt: skip


def grind_block(state: bytes, label: int, bits: int, start: int, stop: int) -> int | None:
    """The smallest nonce in [start, stop) whose absorption leaves the low bits of the state zero."""
    prefix = _prefix_word(HashKind.TRANSCRIPT_ABSORB, label, DIGEST_BYTES + 8)
    lanes = np.frombuffer(state, dtype="<u8").astype(np.uint64)
    scratch = new_scratch(1)
    mask = np.uint64((1 << bits) - 1)
    found = _grind_slice(prefix, lanes, mask, CONSTANTS.ctypes.data, scratch.ctypes.data, start, stop)
    return None if found < 0 else int(found)
