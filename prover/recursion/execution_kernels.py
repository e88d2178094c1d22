"""The compiled loop over a program's instructions.

It computes with canonical numbers, since nothing here is done in bulk.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from prover.field.compiler import kernel
from prover.field.koalabear import PRIME
from prover.recursion.program import NOTHING, Solve

_P = np.int64(PRIME)

MULTIPLY, PERMUTE, PACK, UNPACK = range(4)

# numba reads plain integers where it would not read members of an enumeration.
_RESULT = int(Solve.RESULT)
_BY_DIFFERENCE = int(Solve.LEFT_BY_DIFFERENCE)
_BY_QUOTIENT = int(Solve.LEFT_BY_QUOTIENT)
_AS_BIT = int(Solve.LEFT_AS_BIT)

SCRATCH_WORDS = 128
"""Room for a product, the five conjugates of an inversion and a permutation's state."""

# Any: numba compiles the functions below for the arrays they are called with.


@kernel
def _multiply(left: Any, left_at: int, right: Any, right_at: int, out: Any, out_at: int) -> None:
    """out = left * right, of five words each; out may be an operand."""
    p0 = p1 = p2 = p3 = p4 = p5 = p6 = p7 = p8 = np.int64(0)
    a0, a1, a2, a3, a4 = (
        left[left_at],
        left[left_at + 1],
        left[left_at + 2],
        left[left_at + 3],
        left[left_at + 4],
    )
    b0, b1, b2, b3, b4 = (
        right[right_at],
        right[right_at + 1],
        right[right_at + 2],
        right[right_at + 3],
        right[right_at + 4],
    )
    p0 = a0 * b0 % _P
    p1 = (a0 * b1 % _P + a1 * b0) % _P
    p2 = (a0 * b2 % _P + a1 * b1 % _P + a2 * b0) % _P
    p3 = (a0 * b3 % _P + a1 * b2 % _P + a2 * b1 % _P + a3 * b0) % _P
    p4 = (a0 * b4 % _P + a1 * b3 % _P + a2 * b2 % _P + a3 * b1 % _P + a4 * b0) % _P
    p5 = (a1 * b4 % _P + a2 * b3 % _P + a3 * b2 % _P + a4 * b1) % _P
    p6 = (a2 * b4 % _P + a3 * b3 % _P + a4 * b2) % _P
    p7 = (a3 * b4 % _P + a4 * b3) % _P
    p8 = a4 * b4 % _P
    out[out_at] = (p0 + p5 + _P - p8) % _P
    out[out_at + 1] = (p1 + p6) % _P
    out[out_at + 2] = (p2 + p7 + p8 + _P - p5) % _P
    out[out_at + 3] = (p3 + p8 + _P - p6) % _P
    out[out_at + 4] = (p4 + _P - p7) % _P


@kernel
def _raise_to_the_prime(scratch: Any, source: int, out: int, frobenius: Any) -> None:
    for k in range(5):
        total = np.int64(0)
        for i in range(5):
            total += scratch[source + i] * frobenius[i, k] % _P
        scratch[out + k] = total % _P


@kernel
def _invert(scratch: Any, frobenius: Any) -> None:
    """Words 0 to 4 become their inverse, zero stays zero: the other conjugates' product over the norm."""
    _raise_to_the_prime(scratch, 0, 5, frobenius)
    for k in range(5):
        scratch[10 + k] = scratch[5 + k]
    for _ in range(3):
        _raise_to_the_prime(scratch, 5, 15, frobenius)
        for k in range(5):
            scratch[5 + k] = scratch[15 + k]
        _multiply(scratch, 10, scratch, 5, scratch, 10)
    _multiply(scratch, 0, scratch, 10, scratch, 15)
    norm = scratch[15]
    result, square, exponent = np.int64(1), norm, _P - 2
    while exponent:
        if exponent & 1:
            result = result * square % _P
        square = square * square % _P
        exponent >>= 1
    for k in range(5):
        scratch[k] = scratch[10 + k] * result % _P


@kernel
def _permute(scratch: Any, state: int, constants: Any, matrix: Any) -> None:
    """Sixteen words from `state` on are permuted; the sixteen after them are overwritten."""
    rounds = constants.shape[0]
    for number in range(rounds):
        for i in range(16):
            scratch[state + i] = (scratch[state + i] + constants[number, i]) % _P
        cubed = 16 if number < 4 or number >= rounds - 4 else 1
        for i in range(cubed):
            value = scratch[state + i]
            scratch[state + i] = value * value % _P * value % _P
        for i in range(16):
            total = np.int64(0)
            for j in range(16):
                total += matrix[i, j] * scratch[state + j]
            scratch[state + 16 + i] = total % _P
        for i in range(16):
            scratch[state + i] = scratch[state + 16 + i]


@kernel
def _run_multiplication(words: Any, scalars: Any, scratch: Any, frobenius: Any) -> bool:
    """One row: find the wire that is not given; whether all four fit."""
    solve, left, right, addend = words[1], words[2], words[3], words[4]
    constant, result = words[5], words[6]
    if solve == _AS_BIT:
        scalars[left, 0] = scalars[words[7], 0] >> words[8] & 1
        return True
    if _BY_DIFFERENCE <= solve <= _BY_QUOTIENT:
        for k in range(5):
            scratch[20 + k] = (scalars[result, k] + _P - scalars[addend, k]) % _P
        scratch[20] = (scratch[20] + _P - constant) % _P
        if solve == _BY_QUOTIENT:
            for k in range(5):
                scratch[k] = scalars[right, k]
            _invert(scratch, frobenius)
            _multiply(scratch, 20, scratch, 0, scratch, 20)
        for k in range(5):
            scalars[left, k] = scratch[20 + k]
        if solve == _BY_DIFFERENCE:
            return True
    for k in range(5):
        scratch[k] = scalars[left, k]
        scratch[5 + k] = scalars[right, k]
    _multiply(scratch, 0, scratch, 5, scratch, 0)
    holds = True
    for k in range(5):
        value = (scratch[k] + scalars[addend, k] + (constant if k == 0 else 0)) % _P
        if solve == _RESULT:
            scalars[result, k] = value
        elif scalars[result, k] != value:
            holds = False
    return holds


@kernel
def _run_permutation(
    words: Any,
    scalars: Any,
    vectors: Any,
    siblings: Any,
    permuted: Any,
    scratch: Any,
    constants: Any,
    matrix: Any,
) -> bool:
    """One row: the digest and the rest, and whether a required digest is the one given."""
    first, second, tag, flags, digest, rest, sibling = (
        words[1],
        words[2],
        words[4],
        words[5],
        words[6],
        words[7],
        words[8],
    )
    is_exchanged = scalars[words[3], 0] == 1
    for k in range(8):
        one = vectors[first, k]
        two = siblings[sibling, k] if second == NOTHING else vectors[second, k]
        scratch[32 + k] = two if is_exchanged else one
        scratch[40 + k] = one if is_exchanged else two
    scratch[47] = (scratch[47] + tag) % _P
    row = words[9]
    for k in range(16):
        permuted[row, k] = scratch[32 + k]
    _permute(scratch, 32, constants, matrix)
    holds = True
    for k in range(8):
        value = scratch[32 + k]
        if flags & 1:
            value = (value + permuted[row, k]) % _P
        if flags & 2:
            holds = holds and vectors[digest, k] == value
        else:
            vectors[digest, k] = value
        if rest != NOTHING:
            vectors[rest, k] = scratch[40 + k]
    return holds


@kernel
def run_code(
    code: Any,
    scalars: Any,
    vectors: Any,
    siblings: Any,
    permuted: Any,
    constants: Any,
    matrix: Any,
    frobenius: Any,
    scratch: Any,
) -> int:
    """All instructions in order; the first whose requirement does not hold, or -1."""
    failed = -1
    for number in range(code.shape[0]):
        words = code[number]
        opcode = words[0]
        holds = True
        if opcode == MULTIPLY:
            holds = _run_multiplication(words, scalars, scratch, frobenius)
        elif opcode == PERMUTE:
            holds = _run_permutation(words, scalars, vectors, siblings, permuted, scratch, constants, matrix)
        elif opcode == PACK:
            for k in range(8):
                vectors[words[1], k] = scalars[words[2 + k], 0]
        else:
            for k in range(8):
                scalars[words[2 + k], 0] = vectors[words[1], k]
        if not holds and failed < 0:
            failed = number
    return failed
