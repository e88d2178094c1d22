"""The batch's data: eight words a row, hashed to R and evaluated at z, each word taken from whoever published it.

row k    words 8 k .. 8 k + 7      block k of the data's sponge call
         value                     the data so far, read behind a leading one, at z
last     words that are missing count as zeros, so its value is y times z as often as words are missing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DATA_WORDS, DIGEST_PLACE, SPONGE
from circuits.hash_ledger import HashLedger
from circuits.statement import DATA_DIGEST, POINT, VALUE
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand, lift
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import RATE
from rollup.binding import EXTENSION_DEGREE, ExtensionElement, running_values

NAME: Final = "data"

WORDS: Final = tuple(f"word {i}" for i in range(RATE))
HAS_WORD: Final = tuple(f"has word {i}" for i in range(RATE))
RUNNING: Final = tuple(f"value {i}" for i in range(EXTENSION_DEGREE))
HEAD: Final = ("is last", "place", "call")
COLUMNS: Final = len(WORDS) + len(HAS_WORD) + len(RUNNING) + len(HEAD)

_HALF: Final = (PRIME + 1) // 2
"""One over two: the statement counts bytes, this table words."""

Quintic = list[Expression]


def _product(left: Sequence[Operand], right: Sequence[Operand]) -> Quintic:
    """Multiply in the extension, X^5 = 1 - X^2, over any expressions."""
    wide: Quintic = [lift(0)] * (2 * EXTENSION_DEGREE - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            wide[i + j] = wide[i + j] + lift(a) * b
    for power in range(2 * EXTENSION_DEGREE - 2, EXTENSION_DEGREE - 1, -1):
        wide[power - 5] = wide[power - 5] + wide[power]
        wide[power - 3] = wide[power - 3] - wide[power]
    return wide[:EXTENSION_DEGREE]


def constrain(air: AirBuilder) -> None:
    """State that the words that other tables publish are the data with digest R and value y at z.

    Guarantees: the words on the bus, one for each place below the length, are the data of the statement.
    Soundness: R is hashed from the very words that are evaluated; the length is in the hash call and in the last row,
    so no word is missing and none follows.
    """
    words, has_word = air.columns(*WORDS), air.columns(*HAS_WORD)
    running = air.columns(*RUNNING)
    is_last, place, call = air.columns(*HEAD)
    length = air.public("data length") * _HALF
    is_live = has_word[0]
    for i, flag in enumerate(has_word):
        air.assert_boolean(f"word {i} is there or not", flag)
        air.assert_zero(f"a missing word {i} counts as zero", (1 - flag) * words[i])
    for i in range(1, RATE):
        air.assert_zero(f"word {i} follows a word", has_word[i] * (1 - has_word[i - 1]))

    air.assert_boolean("a row is the last one with words or not", is_last)
    air.on_first_row.assert_equal("the data begin on the first row", is_live, 1)
    air.on_first_row.assert_zero("the first block is block zero", place)
    air.on_transition.assert_zero(
        "below words that are not the last come words", is_live.next - is_live + is_last
    )
    air.on_last_row.assert_equal("the last row with words is marked", is_last, is_live)
    air.on_transition.assert_zero("only the last row lacks words", is_live.next * (1 - has_word[-1]))
    air.on_transition.assert_zero("blocks are numbered", is_live.next * (place.next - place - 1))
    air.on_transition.assert_zero("all blocks are of one hash call", is_live.next * (call.next - call))
    count = sum(has_word, lift(0))
    air.assert_zero("the words are as many as the length says", is_last * (place * RATE + count - length))

    point = [air.public(name) for name in POINT]
    powers: list[Quintic] = [[lift(1), *[lift(0)] * (EXTENSION_DEGREE - 1)]]
    for _ in range(RATE):
        powers.append(_product(powers[-1], point))
    for c in range(EXTENSION_DEGREE):
        here = sum((word * powers[RATE - 1 - i][c] for i, word in enumerate(words)), lift(0))
        # Soundness: the leading one makes data of different lengths different polynomials.
        air.on_first_row.assert_equal(
            f"the value begins with a one, coordinate {c}", running[c], powers[RATE][c] + here
        )
        carried = _product(running, powers[RATE])[c]
        below = sum((word.next * powers[RATE - 1 - i][c] for i, word in enumerate(words)), lift(0))
        air.on_transition.assert_zero(
            f"the value takes in the next words, coordinate {c}",
            is_live.next * (running[c].next - carried - below),
        )
        missing = lift(0)
        value = [air.public(name) for name in VALUE]
        for i in range(RATE):
            is_end = has_word[i] - (has_word[i + 1] if i + 1 < RATE else 0)
            missing = missing + is_end * _product(value, powers[RATE - 1 - i])[c]
        air.assert_zero(
            f"the last value is the statement's, coordinate {c}", is_last * (running[c] - missing)
        )

    tags: list[Operand] = [call, 0, place, int(HashKind.BATCH_DATA), length, 0]
    air.send(SPONGE, [*tags, *words], when=is_live)
    tags[2] = DIGEST_PLACE
    air.send(SPONGE, [*tags, *(air.public(name) for name in DATA_DIGEST)], when=is_last)
    for i, word in enumerate(words):
        air.receive(DATA_WORDS, [place * RATE + i, word], when=has_word[i])


@dataclass(frozen=True, slots=True)
class Rows:
    """The data's words, canonical."""

    words: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Rows that hold words."""
        return -(-len(self.words) // RATE)


def fill(rows: Rows, point: ExtensionElement, ledger: HashLedger, log_height: int) -> Montgomery:
    """The trace."""
    trace = np.zeros((COLUMNS, 1 << log_height), np.int64)
    count = rows.count
    padded = np.zeros(count * RATE, np.int64)
    padded[: len(rows.words)] = rows.words
    is_there = np.arange(count * RATE) < len(rows.words)
    trace[:RATE, :count] = padded.reshape(count, RATE).T
    trace[RATE : 2 * RATE, :count] = is_there.reshape(count, RATE).T
    running = running_values(_behind_a_one(padded), point)
    trace[2 * RATE : 2 * RATE + EXTENSION_DEGREE, :count] = running[:, 1:]
    calls, _ = ledger.sponge(HashKind.BATCH_DATA, 0, np.zeros(1, np.uint32), encode(rows.words[:, None]))
    trace[-3, count - 1] = 1
    trace[-2, :count] = np.arange(count)
    trace[-1, :count] = int(calls[0])
    return encode(trace)


def _behind_a_one(padded: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Rows of words, with the leading one at the end of a row of its own."""
    rows = np.zeros((len(padded) // RATE + 1, RATE), np.uint64)
    rows[0, -1] = 1
    rows[1:] = padded.reshape(-1, RATE)
    return rows
