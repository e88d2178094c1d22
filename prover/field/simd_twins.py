"""What the operations of `simd` mean, in plain numpy: the same names on arrays of 16 or 8 words.

Kernels run on these as plain Python under NUMBA_DISABLE_JIT=1, where coverage and tracebacks see them.
"""

# ruff: noqa: D103 - `simd` says what each name means; here stands nothing but the meaning itself

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import MONTGOMERY_RADIX, PRIME

Lanes32 = NDArray[np.uint32]
Lanes64 = NDArray[np.uint64]

_P = np.uint64(PRIME)
_WORD = np.uint64(32)
_INVERSE_RADIX = np.uint64(pow(MONTGOMERY_RADIX, -1, PRIME))


def load32(array: NDArray[np.uint32], index: int) -> Lanes32:
    return array.reshape(-1)[index : index + 16].copy()


def store32(array: NDArray[np.uint32], index: int, vector: Lanes32) -> None:
    array.reshape(-1)[index : index + 16] = vector


def load64(array: NDArray[np.uint64], index: int) -> Lanes64:
    return array.reshape(-1)[index : index + 8].copy()


def store64(array: NDArray[np.uint64], index: int, vector: Lanes64) -> None:
    array.reshape(-1)[index : index + 8] = vector


def load32_at(address: int) -> Lanes32:
    return np.frombuffer(ctypes.string_at(int(address), 64), dtype=np.uint32).copy()


def store32_at(address: int, vector: Lanes32) -> None:
    ctypes.memmove(int(address), vector.tobytes(), 64)


def load64_at(address: int) -> Lanes64:
    return np.frombuffer(ctypes.string_at(int(address), 64), dtype=np.uint64).copy()


def store64_at(address: int, vector: Lanes64) -> None:
    ctypes.memmove(int(address), vector.tobytes(), 64)


def load_pair_at(address: int) -> Lanes32:
    return np.frombuffer(ctypes.string_at(int(address), 128), dtype=np.uint32).copy()


def store_pair_at(address: int, vector: Lanes32) -> None:
    ctypes.memmove(int(address), vector.tobytes(), 128)


def stream_pair_at(address: int, vector: Lanes32) -> None:
    store_pair_at(address, vector)


def stream_rows16_at(address: int, pitch: int, rows: tuple[Lanes32, ...]) -> None:
    store_rows16_at(address, pitch, rows)


def finish_streams() -> None:
    """Nothing to wait for."""


def prefetch_read_at(address: int) -> None:
    """Change nothing."""


def prefetch_write_at(address: int) -> None:
    """Change nothing."""


def splat_pair(value: int) -> Lanes32:
    return np.full(32, int(value) & 0xFFFFFFFF, dtype=np.uint32)


def load_widened(array: NDArray[np.uint32], index: int) -> Lanes64:
    return array.reshape(-1)[index : index + 8].astype(np.uint64)


def store_narrowed(array: NDArray[np.uint32], index: int, vector: Lanes64) -> None:
    array.reshape(-1)[index : index + 8] = (vector & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def gather64(array: NDArray[np.uint64], indices: Lanes64) -> Lanes64:
    return array.reshape(-1)[indices.astype(np.intp)]


def address_of(array: NDArray[Any], index: int) -> int:
    return int(array.ctypes.data) + int(index) * array.itemsize


def splat32(value: int) -> Lanes32:
    return np.full(16, int(value) & 0xFFFFFFFF, dtype=np.uint32)


def splat64(value: int) -> Lanes64:
    return np.full(8, int(value) & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)


def lane_numbers32() -> Lanes32:
    return np.arange(16, dtype=np.uint32)


def lane_numbers64() -> Lanes64:
    return np.arange(8, dtype=np.uint64)


def extract32(vector: Lanes32, lane: int) -> np.uint32:
    return np.uint32(vector[lane])


def extract64(vector: Lanes64, lane: int) -> np.uint64:
    return np.uint64(vector[lane])


def field_add(left: Lanes32, right: Lanes32) -> Lanes32:
    return ((left.astype(np.uint64) + right) % _P).astype(np.uint32)


def field_subtract(left: Lanes32, right: Lanes32) -> Lanes32:
    return ((left.astype(np.uint64) + (_P - right)) % _P).astype(np.uint32)


def field_difference(left: Lanes32, right: Lanes32) -> Lanes32:
    return left - right + np.uint32(PRIME)


def field_negate(value: Lanes32) -> Lanes32:
    return ((_P - value.astype(np.uint64)) % _P).astype(np.uint32)


def field_multiply(left: Lanes32, right: Lanes32) -> Lanes32:
    product = left.astype(np.uint64) * right % _P
    return (product * _INVERSE_RADIX % _P).astype(np.uint32)


def reduce_once(value: Lanes32) -> Lanes32:
    return np.minimum(value, value - np.uint32(PRIME))


def multiply_fixed(value: Lanes32, factor: Lanes32, quotient: Lanes32) -> Lanes32:
    multiple = value.astype(np.uint64) * quotient >> _WORD
    result = (value * factor) - (multiple.astype(np.uint32) * np.uint32(PRIME))
    return reduce_once(result)


def multiply_by_one(value: Lanes32, factor: Lanes32, quotient: Lanes32) -> Lanes32:
    if (factor != factor[0]).any() or (quotient != quotient[0]).any():
        raise ValueError("a factor with lanes that differ")
    return multiply_fixed(value, factor, quotient)


def widen_even(vector: Lanes32) -> Lanes64:
    return vector[0::2].astype(np.uint64)


def widen_odd(vector: Lanes32) -> Lanes64:
    return vector[1::2].astype(np.uint64)


def multiply_even(left: Lanes32, right: Lanes32) -> Lanes64:
    return widen_even(left) * widen_even(right)


def multiply_odd(left: Lanes32, right: Lanes32) -> Lanes64:
    return widen_odd(left) * widen_odd(right)


def fold64(accumulator: Lanes64) -> Lanes64:
    return np.minimum(accumulator, accumulator - np.uint64(PRIME << 32))


def montgomery_reduce(even: Lanes64, odd: Lanes64) -> Lanes32:
    result = np.empty(16, dtype=np.uint32)
    result[0::2] = even % _P * _INVERSE_RADIX % _P
    result[1::2] = odd % _P * _INVERSE_RADIX % _P
    return result


def join_low(even: Lanes64, odd: Lanes64) -> Lanes32:
    result = np.empty(16, dtype=np.uint32)
    result[0::2], result[1::2] = even.view(np.uint32)[0::2], odd.view(np.uint32)[0::2]
    return result


def join_high(even: Lanes64, odd: Lanes64) -> Lanes32:
    result = np.empty(16, dtype=np.uint32)
    result[0::2], result[1::2] = even >> _WORD, odd >> _WORD
    return result


def add32(left: Lanes32, right: Lanes32) -> Lanes32:
    return left + right


def and32(left: Lanes32, right: Lanes32) -> Lanes32:
    return left & right


def or32(left: Lanes32, right: Lanes32) -> Lanes32:
    return left | right


def xor32(left: Lanes32, right: Lanes32) -> Lanes32:
    return left ^ right


def shift_left32(value: Lanes32, count: int) -> Lanes32:
    return value << np.uint32(count)


def shift_right32(value: Lanes32, count: int) -> Lanes32:
    return value >> np.uint32(count)


def byte_swap32(value: Lanes32) -> Lanes32:
    return value.byteswap()


def zero_lanes32(value: Lanes32) -> int:
    return sum(1 << lane for lane, word in enumerate(value) if word == 0)


def select32(mask: Lanes32, where_zero: Lanes32, elsewhere: Lanes32) -> Lanes32:
    return np.where(mask == 0, where_zero, elsewhere)


def add64(left: Lanes64, right: Lanes64) -> Lanes64:
    return left + right


def subtract64(left: Lanes64, right: Lanes64) -> Lanes64:
    return left - right


def multiply_low_words(left: Lanes64, right: Lanes64) -> Lanes64:
    return (left & np.uint64(0xFFFFFFFF)) * (right & np.uint64(0xFFFFFFFF))


def minimum64(left: Lanes64, right: Lanes64) -> Lanes64:
    return np.minimum(left, right)


def and64(left: Lanes64, right: Lanes64) -> Lanes64:
    return left & right


def or64(left: Lanes64, right: Lanes64) -> Lanes64:
    return left | right


def xor64(left: Lanes64, right: Lanes64) -> Lanes64:
    return left ^ right


def shift_left64(value: Lanes64, count: int) -> Lanes64:
    return value << np.uint64(count)


def shift_right64(value: Lanes64, count: int) -> Lanes64:
    return value >> np.uint64(count)


def rotate_left64(value: Lanes64, count: int) -> Lanes64:
    turn = int(count) % 64
    return value if turn == 0 else (value << np.uint64(turn)) | (value >> np.uint64(64 - turn))


def byte_swap64(value: Lanes64) -> Lanes64:
    return value.byteswap()


def zero_lanes64(value: Lanes64) -> int:
    return sum(1 << lane for lane, word in enumerate(value) if word == 0)


def as64(value: Lanes32) -> Lanes64:
    return value.view(np.uint64).copy()


def as32(value: Lanes64) -> Lanes32:
    return value.view(np.uint32).copy()


def transpose16(rows: tuple[Lanes32, ...]) -> tuple[Lanes32, ...]:
    return tuple(np.ascontiguousarray(column) for column in np.stack(rows).T)


def load_rows16_at(address: int, pitch: int) -> tuple[Lanes32, ...]:
    return tuple(load32_at(address + row * pitch) for row in range(16))


def store_rows16_at(address: int, pitch: int, rows: tuple[Lanes32, ...]) -> None:
    for row, vector in enumerate(rows):
        store32_at(address + row * pitch, vector)
