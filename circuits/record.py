"""What the tables of published transactions share: their turn in the batch, and their words in its data.

cursor     (clock, offset, claims)   -->   the record   -->   (clock + 16, offset + own words, claims + own claims)
words      tag and fields, bit by bit as `rollup.fields.pack` lays them, at offset, offset + 1, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from circuits.buses import DATA_WORDS, RECORD_CURSOR, STEP_CLOCKS
from circuits.gadgets.pieces import Pieces
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, lift
from rollup.fields import TAG_BITS, Field, layout_of
from rollup.transactions import TAGS
from rollup.units import WORD_BITS

CURSOR: Final = ("clock", "offset", "claims")
"""The columns that say where and when a record stands."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A record's turn."""

    clock: Expression
    """Its steps lie at this clock and the fifteen after it."""
    offset: Expression
    """Its first word in the data."""
    claims: Expression
    """How many claims the batch has made before it."""


def constrain_record(
    air: AirBuilder,
    is_live: Expression,
    published: type,
    fields: Mapping[str, Pieces],
    own_claims: int = 0,
) -> Cursor:
    """Take the batch's cursor, publish the record's words and pass the cursor on.

    Assumes: the pieces of fields are bounded by their bits, unless one is all of a word; then the data bound it.
    Guarantees: the data hold at this record's turn the words of its tag and fields.
    Soundness: whoever rebuilds the state from the data repeats what the words say; were they not the ones that the
    table acts on, its state would be another.
    """
    clock, offset, claims = air.columns(*CURSOR)
    words = words_of(published, fields)
    air.receive(RECORD_CURSOR, [clock, offset, claims], when=is_live)
    air.send(RECORD_CURSOR, [clock + STEP_CLOCKS, offset + len(words), claims + own_claims], when=is_live)
    for i, word in enumerate(words):
        air.send(DATA_WORDS, [offset + i, word], when=is_live)
    return Cursor(clock, offset, claims)


def words_of(published: type, fields: Mapping[str, Pieces]) -> list[Expression]:
    """The record's words in the packed layout, highest first: sums of pieces at their places."""
    layout = layout_of(published)
    words = [lift(0)] * (layout.packed_bits // WORD_BITS)
    words[0] = words[0] + (TAGS[published] << WORD_BITS - TAG_BITS)
    for field, shift in zip(layout.fields, layout.packed_shifts, strict=True):
        number = field_of(published, fields, field)
        for piece in number.pieces:
            from_end, place = divmod(shift + piece.start, WORD_BITS)
            if place + piece.bits > WORD_BITS:
                raise ValueError(f"{published.__name__}.{field.path}: a piece lies in two words")
            index = len(words) - 1 - from_end
            words[index] = words[index] + piece.value * (1 << place)
    return words


def field_of(kind: type, fields: Mapping[str, Pieces], field: Field) -> Pieces:
    """The pieces of one declared field, whose width must be the declared one."""
    number = fields[field.path]
    if number.bits != field.bits:
        raise ValueError(f"{kind.__name__}.{field.path} has {field.bits} bits, not {number.bits}")
    return number
