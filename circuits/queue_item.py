"""What the tables of queue items share: their place in queue, time and data, and conditions that all must hold.

words     tag | time, high word first (3) | body
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DATA_WORDS, ITEM_CURSOR, SIXTEEN_BITS, STEP_CLOCKS
from circuits.gadgets.carries import Carries
from circuits.gadgets.limbs import Limbs
from circuits.named_columns import Columns, limb_columns, numbered
from circuits.statement import TIME
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

HEAD_WORDS: Final = 4
"""Tag and time."""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """Where an item stands."""

    is_live: Expression
    clock: Expression
    claims: Expression
    """Claims made before it."""


def constrain_item(air: AirBuilder, tag: int, body: Sequence[Operand], makes_claim: Operand = 0) -> QueueItem:
    """State that a live row is the next item of its place in the queue and stands so in the data.

    Assumes: `makes_claim` is zero or one.
    Guarantees: `clock` is the item's first; the item is not from the batch's future.
    Soundness: without the time a batch that lags could serve a settlement price before the expiry, where it is nothing.
    """
    is_live, clock, offset, claims = air.columns("is live", "clock", "offset", "claims before")
    time = [air.column(f"queued at {i}") for i in range(3)]
    body = list(body)
    air.receive(ITEM_CURSOR, [clock, offset, claims], when=is_live)
    end = offset + HEAD_WORDS + len(body)
    air.send(ITEM_CURSOR, [clock + STEP_CLOCKS, end, claims + makes_claim], when=is_live)
    for i, word in enumerate([tag, *reversed(time), *body]):
        air.send(DATA_WORDS, [offset + i, word], when=is_live)
    age = Limbs.constrain(air, "age", 3, is_live)
    Carries.constrain(
        air,
        "an item is not younger than the batch",
        [
            air.public(now) * is_live - then - gap
            for now, then, gap in zip(TIME, time, age.columns, strict=True)
        ],
        is_live,
    )
    return QueueItem(is_live, clock, claims)


@dataclass(frozen=True, slots=True)
class Places:
    """Where items stand, one entry a live row."""

    clocks: NDArray[np.int64]
    offsets: NDArray[np.int64]
    claims: NDArray[np.int64]
    times: NDArray[np.int64]
    """When each was queued."""
    now: int
    """The batch's time."""

    def columns(self) -> Columns:
        """What `constrain_item` declared."""
        ages = self.now - self.times
        limbs = [(self.now >> 16 * i & 0xFFFF) - (self.times >> 16 * i & 0xFFFF) for i in range(3)]
        terms = np.stack([limb - (ages >> 16 * i & 0xFFFF) for i, limb in enumerate(limbs)])
        carries = Carries.fill(terms)
        return {
            "is live": np.ones_like(self.clocks),
            "clock": self.clocks,
            "offset": self.offsets,
            "claims before": self.claims,
            **numbered("queued at", np.stack([self.times >> 16 * i & 0xFFFF for i in range(3)])),
            **limb_columns("age", ages, 3),
            **{f"an item is not younger than the batch carry {i + 1}": row for i, row in enumerate(carries)},
        }


def constrain_all(air: AirBuilder, name: str, conditions: Sequence[Expression]) -> Expression:
    """The conjunction of bits: a column for each step."""
    both = conditions[0]
    for i, condition in enumerate(conditions[1:], start=1):
        column = air.column(f"{name} up to {i}")
        air.assert_equal(f"{name}: the first {i + 1} conditions hold together", column, both * condition)
        both = column
    return both


def fill_all(name: str, conditions: Sequence[NDArray[np.int64]]) -> tuple[Columns, NDArray[np.int64]]:
    """The columns, and the conjunction itself."""
    both, columns = conditions[0], {}
    for i, condition in enumerate(conditions[1:], start=1):
        both = both * condition
        columns[f"{name} up to {i}"] = both
    return columns, both


def constrain_byte_sized(air: AirBuilder, name: str, word: Expression, when: Operand) -> Expression:
    """Whether a 16-bit word is below 2^8, said in both directions: one column and one look-up."""
    fits = air.column(f"{name} fits")
    air.assert_boolean(f"{name}: it fits or not", fits)
    # A word below 2^16 times 2^8 is below 2^16 only if the word is below 2^8; beyond, less 2^8 it is not negative.
    air.send(SIXTEEN_BITS, [fits * word * 256 + (1 - fits) * (word - 256)], when=when)
    return fits


def fill_byte_sized(name: str, words: NDArray[np.int64]) -> tuple[Columns, NDArray[np.int64]]:
    """The column, and the answer itself."""
    fits = (words < 256).astype(np.int64)
    return {f"{name} fits": fits}, fits


def high_first(limbs: Sequence[Expression]) -> list[Expression]:
    """Limbs as the data spells them."""
    return list(reversed(limbs))


def words_of_limbs(count: int, numbers: Sequence[int]) -> NDArray[np.int64]:
    """Numbers of any size as limbs, lowest first: (count, n)."""
    return np.array(
        [[number >> 16 * i & 0xFFFF for number in numbers] for i in range(count)], np.int64
    ).reshape(count, len(numbers))
