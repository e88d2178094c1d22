"""What the tape's kernel and the programs it runs agree on: instructions, and where a block's values lie.

    MULTIPLY            to, left, right
    EXTENSION_MULTIPLY  5 to, 5 left, 5 right
    ADD, SUBTRACT       to, left, right
    CUBE                to, constant's weight, of
    SIGNED_SUM          to, constant's weight, count of plus, count of minus, operands
    WEIGHTED_SUM        to, first weight, pairs of terms, continued sum or -1, operands
    WEIGHTED_SUMS       5 to, first weight, pairs of terms, 5 continued sums or -1, operands
    STORE               output plane, of
    END

Operands are offsets into the scratch of a thread, where every slot holds the values of one block of rows.
The first slots are the columns that are read; one row below is one word further.
A weighted sum's weights are its constant, then one for each term; five sums take theirs side by side.

The file's name lets it count as a kernel source: its numbers end up inside compiled code that is kept on disk.
"""

from __future__ import annotations

from enum import IntEnum

EXTENSION_DEGREE = 5
"""Coordinates of a value of the challenge extension."""

BLOCK_ROWS = 256
"""Rows that one instruction works on: more would outgrow the second-level cache, fewer would pay more for dispatch."""

SLOT_WORDS = BLOCK_ROWS + 16
"""Words between two slots: room for the row below the block, and an odd number of cache lines.

Slots a power of two apart would all compete for the same few lines of the cache."""

WORD_BYTES = 4
"""A field element is one 32-bit word."""

PLANES = range(EXTENSION_DEGREE)
"""The coordinates of an extension value, each a plane of its own."""

TABLE_ENTRIES = 9
"""Base values that products with a row-constant extension element are made of, see `MULTIPLICATION`."""

MULTIPLICATION = (
    (0, 4, 3, 2, 5),
    (1, 0, 4, 3, 2),
    (2, 5, 6, 7, 8),
    (3, 2, 5, 6, 7),
    (4, 3, 2, 5, 6),
)
"""Coordinate k of w * X^i is entry [k][i] of w0 .. w4, w1 - w4, w0 - w3, w4 - w2, w3 - w1 + w4, as X^5 = 1 - X^2."""


class Opcode(IntEnum):
    """What an instruction does."""

    END = 0
    MULTIPLY = 1
    EXTENSION_MULTIPLY = 2
    ADD = 3
    SUBTRACT = 4
    CUBE = 5
    SIGNED_SUM = 6
    WEIGHTED_SUM = 7
    WEIGHTED_SUMS = 8
    STORE = 9


class ScalarOperation(IntEnum):
    """How a row-constant scalar is computed from scalars before it."""

    CONSTANT = 0
    LEAF = 1
    ADD = 2
    SUBTRACT = 3
    MULTIPLY = 4
