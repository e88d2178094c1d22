"""The base field: integers modulo p = 2^31 - 2^24 + 1, called KoalaBear."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIME = 2**31 - 2**24 + 1
"""Fits 31 bits, so a sum of two elements fits a 32-bit word; p - 1 = 127 * 2^24 allows domains of up to 2^24 points,
and 3 does not divide p - 1, so that cubing is a permutation (the S-box of the hash)."""

GENERATOR = 3
"""The smallest generator of the multiplicative group."""

TWO_ADICITY = 24
"""The largest k such that 2^k divides p - 1."""

MONTGOMERY_RADIX = 2**32
"""Kernels hold x as x * 2^32 mod p: a product is then reduced by multiplications alone, without a division."""

Montgomery = NDArray[np.uint32]
"""An array of elements in Montgomery form, each below p."""

_RADIX_MOD_PRIME = MONTGOMERY_RADIX % PRIME
_INVERSE_RADIX = pow(MONTGOMERY_RADIX, -1, PRIME)


def add(left: int, right: int) -> int:
    """Add two elements."""
    return (left + right) % PRIME


def subtract(left: int, right: int) -> int:
    """Subtract one element from another."""
    return (left - right) % PRIME


def multiply(left: int, right: int) -> int:
    """Multiply two elements."""
    return left * right % PRIME


def negate(value: int) -> int:
    """Give the element that adds up with `value` to zero."""
    return -value % PRIME


def power(base: int, exponent: int) -> int:
    """Raise an element to an integer power; a negative one needs a base other than zero."""
    if exponent < 0:
        return pow(inverse(base), -exponent, PRIME)
    return pow(base, exponent, PRIME)


def inverse(value: int) -> int:
    """Invert an element other than zero; zero raises ZeroDivisionError."""
    if value % PRIME == 0:
        raise ZeroDivisionError("zero has no inverse")
    return pow(value, -1, PRIME)


@cache
def root_of_unity(log_order: int) -> int:
    """Give the element of order 2^log_order; the square of one root is the root of half the order."""
    if not 0 <= log_order <= TWO_ADICITY:
        raise ValueError(f"the field has no root of unity of order 2^{log_order}")
    return pow(GENERATOR, (PRIME - 1) >> log_order, PRIME)


def encode(values: NDArray[Any] | Sequence[Any]) -> Montgomery:
    """Reduce integers of any size and sign modulo p and give their Montgomery form."""
    array = np.asarray(values)
    if array.dtype == object:  # beyond 64 bits: reduce as Python integers first
        array = np.array([int(value) % PRIME for value in array.flat], dtype=np.uint64).reshape(array.shape)
    if array.size == 0:
        return np.zeros(array.shape, dtype=np.uint32)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"field elements are integers, not {array.dtype}")
    if np.issubdtype(array.dtype, np.signedinteger):
        canonical = (array.astype(np.int64) % np.int64(PRIME)).astype(np.uint64)
    else:
        canonical = array.astype(np.uint64) % np.uint64(PRIME)
    return (canonical * np.uint64(_RADIX_MOD_PRIME) % np.uint64(PRIME)).astype(np.uint32)


def decode(values: Montgomery) -> NDArray[np.uint32]:
    """Give the canonical integers, below p, of an array in Montgomery form."""
    return (values.astype(np.uint64) * np.uint64(_INVERSE_RADIX) % np.uint64(PRIME)).astype(np.uint32)
