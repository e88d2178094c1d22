"""The Grain LFSR that draws Poseidon's round constants: nobody picked them by hand."""

from collections.abc import Iterator
from itertools import islice

STATE_BITS = 80
"""Length of the register, fixed by the Poseidon paper (appendix E)."""

WARM_UP_BITS = 160
"""Outputs thrown away before the first constant: two full turns of the register."""

TAPS = (0, 13, 23, 38, 51, 62)
"""Feedback positions of the 80-bit Grain register (Poseidon paper, appendix E)."""

PRIME_FIELD_TAG = 1
"""First two bits of the seed: 1 for a prime field, 0 for a binary field."""

CUBE_TAG = 0
"""Next four bits of the seed: the S-box x^alpha, as the reference generator numbers it (0 for a positive exponent)."""


def seed_bits(field_bits: int, width: int, full_rounds: int, partial_rounds: int) -> list[int]:
    """The register's first content: every parameter of the permutation, then thirty ones."""
    fields = (
        (PRIME_FIELD_TAG, 2),
        (CUBE_TAG, 4),
        (field_bits, 12),
        (width, 12),
        (full_rounds, 10),
        (partial_rounds, 10),
    )
    bits = [value >> (size - 1 - place) & 1 for value, size in fields for place in range(size)]
    return bits + [1] * (STATE_BITS - len(bits))


def _register_bits(seed: list[int]) -> Iterator[int]:
    register = list(seed)
    while True:
        bit = sum(register[tap] for tap in TAPS) & 1
        register = [*register[1:], bit]
        yield bit


def shrunken_bits(seed: list[int]) -> Iterator[int]:
    """The self-shrinking output: bits come in pairs, the second counts only where the first is one."""
    bits = _register_bits(seed)
    next(islice(bits, WARM_UP_BITS - 1, None))
    while True:
        keeps, bit = next(bits), next(bits)
        if keeps:
            yield bit


def round_constants(
    prime: int, width: int, full_rounds: int, partial_rounds: int
) -> tuple[tuple[int, ...], ...]:
    """One tuple of `width` constants for every round; draws at or above the prime are thrown away."""
    field_bits = prime.bit_length()
    bits = shrunken_bits(seed_bits(field_bits, width, full_rounds, partial_rounds))

    def draw() -> int:
        while True:
            value = 0
            for bit in islice(bits, field_bits):
                value = value << 1 | bit
            if value < prime:
                return value

    return tuple(tuple(draw() for _ in range(width)) for _ in range(full_rounds + partial_rounds))
