"""A number cut into pieces, so that limbs, packed words and the number itself are sums of whole pieces.

    account, 24 bits      16 low | 8 high      signed: two limbs         published: the cut may lie elsewhere
                          8 low | 16 high

What a table signs and what it publishes are cut at different places; a table chooses the pieces that fit both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from circuits.gadgets.byte_limbs import BYTE_BITS, Bytes
from circuits.gadgets.limbs import LIMB_BITS
from prover.air.expression import Expression, lift


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bits of a number."""

    value: Expression
    start: int
    """The weight of the piece's lowest bit, as a power of two."""
    bits: int

    @property
    def end(self) -> int:
        """The weight just above the piece."""
        return self.start + self.bits


@dataclass(frozen=True, slots=True)
class Pieces:
    """A number's pieces, lowest first, without a gap.

    Assumes: the table that made the pieces bounds each by its bits.
    """

    pieces: tuple[Piece, ...]

    @classmethod
    def cut(cls, *parts: tuple[Expression, int]) -> Pieces:
        """Join values with their bits, lowest first."""
        pieces, start = [], 0
        for value, bits in parts:
            pieces.append(Piece(value, start, bits))
            start += bits
        return cls(tuple(pieces))

    @classmethod
    def of_limbs(cls, limbs: Sequence[Expression], bits: int) -> Pieces:
        """Limbs of 16 bits, lowest first; the last one takes what is left of the number's bits."""
        return cls.cut(
            *((limb, min(LIMB_BITS, bits - LIMB_BITS * i)) for i, limb in enumerate(limbs)),
        )

    @classmethod
    def of_bytes(cls, number: Bytes) -> Pieces:
        """Bytes, lowest first."""
        return cls.cut(*((byte, BYTE_BITS) for byte in number.columns))

    @property
    def bits(self) -> int:
        """The number's width."""
        return self.pieces[-1].end

    @property
    def element(self) -> Expression:
        """The number as one field element; only numbers of at most 30 bits are told apart by it."""
        return self.between(0, self.bits)

    @property
    def limbs(self) -> tuple[Expression, ...]:
        """The number in limbs of 16 bits, lowest first."""
        return tuple(self.between(start, start + LIMB_BITS) for start in range(0, self.bits, LIMB_BITS))

    def between(self, start: int, end: int) -> Expression:
        """The bits from one weight up to another, as a number.

        Soundness: a piece that one of the two weights cuts has no bits to give; it is an error of the table's author.
        """
        total = lift(0)
        for piece in self.pieces:
            if piece.start >= end or piece.end <= start:
                continue
            if piece.start < start or piece.end > end:
                raise ValueError(f"bits {start} to {end} cut the piece from {piece.start} to {piece.end}")
            total = total + piece.value * (1 << piece.start - start)
        return total
