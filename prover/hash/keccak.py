"""Keccak-256 as Ethereum uses it: the definition in plain Python, and the quick C equal from pycryptodome.

The state is 25 lanes of 64 bits; lane (x, y) has index x + 5 * y.
The input fills lanes 0 to 16 of each block, little endian; the padding is 0x01 ... 0x80.
"""

from Crypto.Hash import keccak as _keccak

RATE_BYTES = 136
"""Bytes of a block: 1600 bits less twice the 256 bits of the digest."""

LANES = 25
ROUNDS = 24
DIGEST_BYTES = 32

WORD_MASK = (1 << 64) - 1

FIRST_PADDING_BYTE = 0x01
"""Keccak's own padding, from before the standard: SHA3-256 uses 0x06 and has other digests."""

LAST_PADDING_BYTE = 0x80


def _round_constants() -> tuple[int, ...]:
    """Bits of a shift register, placed at positions 2^k - 1 of each constant (FIPS 202, algorithm 5)."""
    register = 1
    constants = []
    for _ in range(ROUNDS):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register <<= 1
            if register & 0x100:
                register ^= 0x171
        constants.append(constant)
    return tuple(constants)


def _rotation_offsets() -> tuple[int, ...]:
    """Triangular numbers along the walk (x, y) -> (y, 2x + 3y) (FIPS 202, algorithm 2)."""
    offsets = [0] * LANES
    x, y = 1, 0
    for step in range(LANES - 1):
        offsets[x + 5 * y] = (step + 1) * (step + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(offsets)


ROUND_CONSTANTS = _round_constants()
"""Added to lane 0, one a round."""

ROTATION_OFFSETS = _rotation_offsets()
"""Left rotation of each lane, by lane index."""

MOVED_TO = tuple(y + 5 * ((2 * x + 3 * y) % 5) for y in range(5) for x in range(5))
"""Lane that each lane moves to after its rotation, by lane index."""


def _rotate(word: int, count: int) -> int:
    return (word << count | word >> (64 - count)) & WORD_MASK


def keccak_f(lanes: list[int]) -> list[int]:
    """The permutation of 25 lanes."""
    for constant in ROUND_CONSTANTS:
        parity = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mixed = [parity[x - 1] ^ _rotate(parity[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * LANES
        for index in range(LANES):
            moved[MOVED_TO[index]] = _rotate(lanes[index] ^ mixed[index % 5], ROTATION_OFFSETS[index])
        lanes = [
            moved[row + x] ^ (~moved[row + (x + 1) % 5] & moved[row + (x + 2) % 5])
            for row in range(0, LANES, 5)
            for x in range(5)
        ]
        lanes[0] ^= constant
    return lanes


def keccak256_reference(message: bytes) -> bytes:
    """The digest by the definition."""
    padded = bytearray(message)
    padded.append(FIRST_PADDING_BYTE)
    padded.extend(bytes(-len(padded) % RATE_BYTES))
    padded[-1] |= LAST_PADDING_BYTE
    lanes = [0] * LANES
    for start in range(0, len(padded), RATE_BYTES):
        for lane in range(RATE_BYTES // 8):
            lanes[lane] ^= int.from_bytes(padded[start + 8 * lane : start + 8 * lane + 8], "little")
        lanes = keccak_f(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[: DIGEST_BYTES // 8])


def keccak256(message: bytes) -> bytes:
    """The digest, seventy times quicker than the definition."""
    return _keccak.new(digest_bits=256, data=message).digest()
