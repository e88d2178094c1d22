"""The columns of a walk's rows: their names, and what is made of them.

A column that has nothing to say on a kind of row is used for something else there, as the constants below say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prover.air.expression import Expression, lift

WALK_CONSTANTS: Final = (
    *("clock", "account", "old version", "settles", "stamp"),
    *("edit group", "edit option", "edit lots"),
)
GROUP_CONSTANTS: Final = ("group", "is open group", "is priced group", "end value low", "end value high")

COLUMNS: Final = (
    *("is start", "is position", "is end", "is last"),
    *("steps", "takes side", "is settled", "takes edit"),
    *WALK_CONSTANTS,
    *GROUP_CONSTANTS,
    *("edits", "old place", "new place"),
    *("option", "is put", "rank", "was", "is", "old lots", "lots"),
    *("is negative", "is above", "psi", "inverse", "rest", "tight"),
    *(f"lots byte {i}" for i in range(3)),
    *(f"value byte {i}" for i in range(4)),
    *(f"slope byte {i}" for i in range(4)),
    *(f"slack limb {i}" for i in range(4)),
    *("carry 1", "carry 2"),
    *(f"sum {i}" for i in range(4)),
    "sum",
    *(f"total {i}" for i in range(4)),
)

REQUIREMENT_COLUMNS: Final = ("lots byte 0", "lots byte 1", "old lots", "option", "inverse")
"""Where a start row has the requirement: two bytes, two limbs and the top limb of 14 bits."""

HIGH_PARTS: Final = ("old lots", "option")
"""Where an end row has sum 1 and sum 3 without their lowest bytes, with an offset."""

LOW_BYTES: Final = ("lots byte 0", "lots byte 1")
"""Where an end row has the lowest bytes of sum 1 and sum 3."""

HIGH_OFFSET: Final = 1 << 15
SLOPE_OFFSET: Final = 1 << 30
PAYOFF_OFFSET_TOP: Final = 1 << 13
"""The top limb of 2^61, which a settlement's payoff has added."""

PAYOFF_OFFSET: Final = PAYOFF_OFFSET_TOP << 48


class Cells:
    """The columns by name, and what is made of them, on a row and on the one below."""

    def __init__(self, columns: dict[str, Expression]) -> None:
        self._columns = columns
        self.value = [self[f"value byte {i}"] for i in range(4)]
        self.slack = [self[f"slack limb {i}"] for i in range(4)]
        self.lots_bytes = [self[f"lots byte {i}"] for i in range(3)]
        slope = [self[f"slope byte {i}"] for i in range(4)]
        self.slope_element = weighed(slope, 8) - SLOPE_OFFSET
        self.slope_bytes = [*slope[:3], slope[3] - (SLOPE_OFFSET >> 24)]
        self.live = self["is start"] + self["is position"] + self["is end"]
        low, high, *rest = (self[name] for name in REQUIREMENT_COLUMNS)
        self.requirement = [low + high * 256, *rest]
        self.sign = 1 - self["is negative"] * 2

    def __getitem__(self, name: str) -> Expression:
        return self._columns[name]

    @property
    def below(self) -> Cells:
        """The next row."""
        return Cells({name: column.next for name, column in self._columns.items()})

    @property
    def slack_element(self) -> Expression:
        """The slack modulo the prime."""
        return weighed(self.slack, 16)

    @property
    def slack_sum(self) -> Expression:
        """Zero exactly where the slack is: its limbs are small and not negative."""
        return total_of(self.slack)


def weighed(parts: Sequence[Expression], bits: int) -> Expression:
    """Digits as one element, lowest first."""
    total = lift(0)
    for part in reversed(parts):
        total = total * (1 << bits) + part
    return total


def total_of(parts: Sequence[Expression]) -> Expression:
    """Their sum."""
    total = lift(0)
    for part in parts:
        total = total + part
    return total


def product_digits(left: Sequence[Expression], right: Sequence[Expression]) -> list[Expression]:
    """The product of numbers in bytes at the weights 2^0, 2^8, 2^16 and 2^24; what is above is left out."""
    return [
        total_of([left[i] * right[k - i] for i in range(len(left)) if 0 <= k - i < len(right)])
        for k in range(4)
    ]


def low_terms(digits: Sequence[Expression]) -> list[Expression]:
    """Digits at weights of bytes as terms at the weights 1 and 2^16."""
    return [digits[0] + digits[1] * 256, digits[2] + digits[3] * 256]
