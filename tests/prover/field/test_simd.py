"""The vector operations against their numpy twins."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prover.field import simd, simd_twins
from prover.field.compiler import kernel
from prover.field.koalabear import PRIME
from prover.ntt import aligned_empty

EDGES32 = [0, 1, 2, PRIME - 1, PRIME, PRIME + 1, 2 * PRIME - 1, 2**31, 2**32 - 1]
EDGES64 = [0, 1, 2**32 - 1, 2**32, PRIME << 32, (PRIME << 32) - 1, 2**63, 2**64 - 1]


def words32(seed: int, below: int = 2**32) -> Any:
    source = np.random.default_rng(seed)
    words = source.integers(0, below, 16, dtype=np.uint64).astype(np.uint32)
    edges = [edge for edge in EDGES32 if edge < below]
    words[: len(edges)] = source.permutation(np.array(edges, dtype=np.uint32))
    return words


def words64(seed: int, below: int = 2**64 - 1) -> Any:
    source = np.random.default_rng(seed)
    words = source.integers(0, below, 8, dtype=np.uint64)
    edges = [edge for edge in EDGES64 if edge < below]
    words[:4] = source.permutation(np.array(edges, dtype=np.uint64))[:4]
    return words


def run32(operation: Any, *vectors: Any) -> Any:
    """Call a lane-wise operation from a kernel, on 32-bit lanes."""

    @kernel
    def one(a: Any, out: Any) -> None:
        simd.store32(out, 0, operation(simd.load32(a, 0)))

    @kernel
    def two(a: Any, b: Any, out: Any) -> None:
        simd.store32(out, 0, operation(simd.load32(a, 0), simd.load32(b, 0)))

    @kernel
    def three(a: Any, b: Any, c: Any, out: Any) -> None:
        simd.store32(out, 0, operation(simd.load32(a, 0), simd.load32(b, 0), simd.load32(c, 0)))

    out = np.zeros(16, dtype=np.uint32)
    call: Any = (one, two, three)[len(vectors) - 1]
    call(*vectors, out)
    return out


def run64(operation: Any, *vectors: Any) -> Any:
    """Call a lane-wise operation from a kernel, on 64-bit lanes."""

    @kernel
    def one(a: Any, out: Any) -> None:
        simd.store64(out, 0, operation(simd.load64(a, 0)))

    @kernel
    def two(a: Any, b: Any, out: Any) -> None:
        simd.store64(out, 0, operation(simd.load64(a, 0), simd.load64(b, 0)))

    out = np.zeros(8, dtype=np.uint64)
    call: Any = (one, two)[len(vectors) - 1]
    call(*vectors, out)
    return out


@pytest.mark.parametrize(
    "name", ["field_add", "field_subtract", "field_multiply", "field_difference", "field_negate"]
)
def test_field_operations_are_those_of_the_twins(name: str) -> None:
    count = 1 if name == "field_negate" else 2
    for seed in range(3):
        vectors = [words32(10 * seed + k, PRIME) for k in range(count)]
        expected = getattr(simd_twins, name)(*vectors)
        assert run32(getattr(simd, name), *vectors).tolist() == expected.tolist()


def test_a_field_product_takes_one_operand_that_is_not_reduced() -> None:
    wide, narrow = words32(1), words32(2, PRIME)
    expected = [int(a) * int(b) * pow(2**32, -1, PRIME) % PRIME for a, b in zip(wide, narrow, strict=True)]
    assert run32(simd.field_multiply, wide, narrow).tolist() == expected
    assert run32(simd.field_multiply, narrow, wide).tolist() == expected


def test_a_product_by_a_known_factor_is_exact_for_every_word() -> None:
    value, factor = words32(3), words32(4, PRIME)
    quotient = ((factor.astype(np.uint64) << np.uint64(32)) // np.uint64(PRIME)).astype(np.uint32)
    expected = [int(a) * int(b) % PRIME for a, b in zip(value, factor, strict=True)]
    assert run32(simd.multiply_fixed, value, factor, quotient).tolist() == expected


def test_a_product_with_one_factor_in_all_lanes_is_exact() -> None:
    value = words32(3)
    for factor in (0, 1, 12345, PRIME - 1):
        factors = np.full_like(value, factor)
        quotients = np.full_like(value, (factor << 32) // PRIME)
        expected = [int(a) * factor % PRIME for a in value]
        assert run32(simd.multiply_by_one, value, factors, quotients).tolist() == expected
        assert simd_twins.multiply_by_one(value, factors, quotients).tolist() == expected


def test_streamed_vectors_arrive() -> None:
    @kernel
    def stream(a: Any, out: Any) -> None:
        simd.stream_pair_at(simd.address_of(out, 512), simd.load_pair_at(simd.address_of(a, 7)))
        simd.stream_rows16_at(simd.address_of(out, 0), 128, simd.load_rows16_at(simd.address_of(a, 0), 64))
        simd.finish_streams()

    a, out = np.arange(256, dtype=np.uint32), aligned_empty((544,))
    out[:] = 0
    stream(a, out)
    assert out[:512].reshape(16, 32)[:, :16].tolist() == a.reshape(16, 16).tolist()
    assert not out[:512].reshape(16, 32)[:, 16:].any()
    assert out[512:].tolist() == a[7:39].tolist()


def test_a_word_below_twice_the_prime_is_reduced() -> None:
    value = words32(5, 2 * PRIME)
    assert run32(simd.reduce_once, value).tolist() == (value % np.uint32(PRIME)).tolist()


@pytest.mark.parametrize(
    "name",
    ["add32", "and32", "or32", "xor32", "byte_swap32", "select32"],
)
def test_operations_on_words_of_32_bits_are_those_of_the_twins(name: str) -> None:
    count = {"byte_swap32": 1, "select32": 3}.get(name, 2)
    vectors = [words32(k + 20) for k in range(count)]
    if name == "select32":
        vectors[0][::3] = 0
    expected = getattr(simd_twins, name)(*vectors)
    assert run32(getattr(simd, name), *vectors).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "name",
    [
        *("add64", "subtract64", "minimum64", "and64", "or64", "xor64"),
        *("multiply_low_words", "byte_swap64", "fold64"),
    ],
)
def test_operations_on_words_of_64_bits_are_those_of_the_twins(name: str) -> None:
    count = 1 if name in {"byte_swap64", "fold64"} else 2
    vectors = [words64(k + 30) for k in range(count)]
    expected = getattr(simd_twins, name)(*vectors)
    assert run64(getattr(simd, name), *vectors).tolist() == expected.tolist()


def test_lazy_sums_reduce_to_the_sum_of_products() -> None:
    rows = [(words32(40 + k, PRIME), words32(60 + k, PRIME)) for k in range(6)]

    @kernel
    def dot(left: Any, right: Any, out: Any) -> None:
        even = odd = simd.splat64(0)
        for i in range(0, left.size, 32):
            a, b = simd.load32(left, i), simd.load32(right, i)
            c, d = simd.load32(left, i + 16), simd.load32(right, i + 16)
            even = simd.add64(even, simd.add64(simd.multiply_even(a, b), simd.multiply_even(c, d)))
            odd = simd.add64(odd, simd.add64(simd.multiply_odd(a, b), simd.multiply_odd(c, d)))
            even, odd = simd.fold64(even), simd.fold64(odd)
        simd.store32(out, 0, simd.montgomery_reduce(even, odd))

    left, right = (np.concatenate([row[side] for row in rows]) for side in (0, 1))
    out = np.zeros(16, dtype=np.uint32)
    dot(left, right, out)
    sums = [sum(int(a[k]) * int(b[k]) for a, b in rows) for k in range(16)]
    assert out.tolist() == [total * pow(2**32, -1, PRIME) % PRIME for total in sums]


def test_words_widen_join_and_change_their_type() -> None:
    @kernel
    def shapes(a: Any, out: Any, wide: Any) -> None:
        vector = simd.load32(a, 0)
        even, odd = simd.widen_even(vector), simd.widen_odd(vector)
        simd.store64(wide, 0, even)
        simd.store64(wide, 8, odd)
        simd.store32(out, 0, simd.join_low(even, odd))
        high_even, high_odd = simd.shift_left64(even, 32), simd.shift_left64(odd, 32)
        simd.store32(out, 16, simd.join_high(high_even, high_odd))
        simd.store32(out, 32, simd.as32(simd.as64(vector)))
        simd.store64(wide, 16, simd.as64(vector))

    a = words32(70)
    out, wide = np.zeros(48, dtype=np.uint32), np.zeros(24, dtype=np.uint64)
    shapes(a, out, wide)
    assert out.reshape(3, 16).tolist() == [a.tolist()] * 3
    assert wide[:8].tolist() == a[0::2].tolist()
    assert wide[8:16].tolist() == a[1::2].tolist()
    assert wide[16:].tolist() == a.view(np.uint64).tolist()


def test_shifts_rotations_and_lane_numbers() -> None:
    @kernel
    def move(a: Any, b: Any, out: Any, wide: Any) -> None:
        vector, words = simd.load32(a, 0), simd.load64(b, 0)
        simd.store32(out, 0, simd.shift_left32(vector, 5))
        simd.store32(out, 16, simd.shift_right32(vector, 7))
        simd.store32(out, 32, simd.lane_numbers32())
        simd.store64(wide, 0, simd.shift_left64(words, 13))
        simd.store64(wide, 8, simd.shift_right64(words, 41))
        simd.store64(wide, 16, simd.rotate_left64(words, 27))
        simd.store64(wide, 24, simd.rotate_left64(words, 0))
        simd.store64(wide, 32, simd.lane_numbers64())
        simd.store64(wide, 40, simd.splat64(2**64 - 1))

    a, b = words32(80), words64(81)
    out, wide = np.zeros(48, dtype=np.uint32), np.zeros(48, dtype=np.uint64)
    move(a, b, out, wide)
    narrow = [int(x) for x in a]
    words = [int(x) for x in b]
    assert out[:16].tolist() == [x << 5 & 0xFFFFFFFF for x in narrow]
    assert out[16:32].tolist() == [x >> 7 for x in narrow]
    assert out[32:].tolist() == list(range(16))
    mask = 2**64 - 1
    assert wide[:8].tolist() == [x << 13 & mask for x in words]
    assert wide[8:16].tolist() == [x >> 41 for x in words]
    assert wide[16:24].tolist() == [(x << 27 | x >> 37) & mask for x in words]
    assert wide[24:32].tolist() == words
    assert wide[32:40].tolist() == list(range(8))
    assert wide[40:].tolist() == [mask] * 8


def test_memory_is_read_and_written_where_it_is_said() -> None:
    @kernel
    def copy(a: Any, b: Any, indices: Any, out: Any, wide: Any) -> Any:
        simd.store32_at(simd.address_of(out, 1), simd.load32_at(simd.address_of(a, 3)))
        simd.store64_at(simd.address_of(wide, 1), simd.load64_at(simd.address_of(b, 2)))
        simd.prefetch_read_at(simd.address_of(a, 0))
        simd.prefetch_write_at(simd.address_of(out, 0))
        simd.store_narrowed(out, 20, simd.load_widened(a, 5))
        simd.store64(wide, 10, simd.gather64(b, simd.load64(indices, 0)))
        simd.store_pair_at(
            simd.address_of(out, 30),
            simd.add32(simd.load_pair_at(simd.address_of(a, 0)), simd.splat_pair(1)),
        )
        vector = simd.load32(a, 0)
        zeros32 = simd.zero_lanes32(simd.xor32(vector, simd.splat32(a[3])))
        words = simd.load64(b, 0)
        zeros64 = simd.zero_lanes64(simd.xor64(words, simd.splat64(b[6])))
        return zeros32, zeros64, simd.extract32(vector, 9), simd.extract64(words, 5)

    a, b = np.arange(100, 164, dtype=np.uint32), np.arange(2**40, 2**40 + 32, dtype=np.uint64)
    indices = np.array([31, 0, 7, 7, 1, 2, 3, 4], dtype=np.uint64)
    out, wide = np.zeros(80, dtype=np.uint32), np.zeros(20, dtype=np.uint64)
    found = copy(a, b, indices, out, wide)
    assert [int(value) for value in found] == [1 << 3, 1 << 6, 109, 2**40 + 5]
    assert out[1:17].tolist() == a[3:19].tolist()
    assert out[20:28].tolist() == a[5:13].tolist()
    assert out[30:62].tolist() == (a[:32] + 1).tolist()
    assert wide[1:9].tolist() == b[2:10].tolist()
    assert wide[10:18].tolist() == b[indices.astype(np.intp)].tolist()
    assert out[[0, 17, 19, 28, 29, 62]].tolist() == [0] * 6


def test_a_square_of_vectors_is_transposed() -> None:
    @kernel
    def transpose(a: Any, out: Any) -> None:
        rows = simd.load_rows16_at(simd.address_of(a, 0), 64)
        simd.store_rows16_at(simd.address_of(out, 0), 128, simd.transpose16(rows))

    a = np.arange(256, dtype=np.uint32)
    out = np.zeros((16, 32), dtype=np.uint32)
    transpose(a, out)
    assert out[:, :16].tolist() == a.reshape(16, 16).T.tolist()
    assert not out[:, 16:].any()


def test_every_operation_has_a_twin_and_every_twin_an_operation() -> None:
    twins = {name for name in vars(simd_twins) if callable(getattr(simd_twins, name)) and name[0].islower()}
    twins -= {"annotations"}
    assert twins <= set(vars(simd))


CHECK = """
import numpy as np
from prover.field import kernels
from prover.field.extension import QUINTIC
from prover.field.koalabear import PRIME, decode, encode
from prover.ntt import inverse_transform, low_degree_extension, naive_coefficients, naive_evaluations, bit_reversal

source = np.random.default_rng(1)
a, b = (encode(source.integers(0, PRIME, 40)) for _ in range(2))
assert decode(kernels.multiply(a, b)).tolist() == [
    int(x) * int(y) % PRIME for x, y in zip(decode(a), decode(b), strict=True)
]
column = encode(source.integers(0, PRIME, (1, 256)))
coefficients = naive_coefficients(decode(column)[0].tolist())
assert decode(inverse_transform(column))[0, bit_reversal(8)].tolist() == coefficients
extended = low_degree_extension(column, 0)
assert decode(extended)[0, 0].tolist() == naive_evaluations(coefficients, 3, 8)
print("agrees")
"""
"""A product and a transform against plain integers, for processes that compile otherwise."""


def run_elsewhere(checkout: Path, tmp_path: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK],
        cwd=checkout,
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_processor_with_narrower_registers_computes_the_same(checkout: Path, tmp_path: Path) -> None:
    cpu = "x86-64-v3" if platform.machine() in {"x86_64", "AMD64"} else "generic"
    assert run_elsewhere(checkout, tmp_path, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="") == "agrees\n"


def test_kernels_run_as_plain_python_without_the_compiler(checkout: Path, tmp_path: Path) -> None:
    assert run_elsewhere(checkout, tmp_path, NUMBA_DISABLE_JIT="1") == "agrees\n"
