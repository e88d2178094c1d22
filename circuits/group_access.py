"""A group as a queue item finds it: whether it is listed, at which price it is fixed, its terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuits.buses import GROUP_STATICS, GROUPS
from circuits.gadgets.later import Later
from circuits.named_columns import Columns, later_columns, numbered
from circuits.queue_item import words_of_limbs
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from rollup.instruments import Group
from rollup.leaf_formats import POOL_OFFSET

STATICS = (
    "underlying",
    *(f"expiry {i}" for i in range(3)),
    *(f"cap {i}" for i in range(2)),
    *(f"tick {i}" for i in range(2)),
    *(f"lot {i}" for i in range(2)),
    *(f"tick value {i}" for i in range(2)),
)
"""The terms that never change."""


@dataclass(frozen=True, slots=True)
class GroupAccess:
    """Columns of one access."""

    group: Expression
    clock: Operand
    is_live: Expression
    exists: Expression
    is_fixed: Expression
    price: tuple[Expression, ...]
    series: Expression
    pool: tuple[Expression, ...]

    @classmethod
    def constrain(
        cls, air: AirBuilder, clock: Operand, group: Expression, is_live: Expression
    ) -> GroupAccess:
        """Read the group; the table writes it by `write`.

        Guarantees: on live rows what is read is the group's content just before the clock; `exists` is a bit.
        """
        later = Later.constrain(air, "group", clock, is_live)
        exists, is_fixed = air.columns("exists", "is fixed")
        price, series = air.columns("price 0", "price 1"), air.column("series count")
        pool = air.columns(*(f"pool {i}" for i in range(4)))
        air.receive(GROUPS, [group, later.old_time, exists, is_fixed, *price, series, *pool], when=is_live)
        air.assert_boolean("a group is listed or not", exists)
        return cls(group, clock, is_live, exists, is_fixed, price, series, pool)

    def write(
        self,
        air: AirBuilder,
        exists: Operand,
        is_fixed: Operand,
        price: Sequence[Operand],
        series: Operand,
        pool: Sequence[Operand],
    ) -> None:
        """Leave this in place of what was read."""
        content = [exists, is_fixed, *price, series, *pool]
        air.send(GROUPS, [self.group, self.clock, *content], when=self.is_live)


class GroupContent(NamedTuple):
    """A group before an access, as the events give it."""

    old_time: int
    group: Group | None


def fill_group_access(
    contents: Sequence[GroupContent], clocks: NDArray[np.int64]
) -> tuple[Columns, NDArray[np.int64]]:
    """The columns of `GroupAccess`, and whether each exists."""
    times = np.array([content.old_time for content in contents], np.int64)
    groups = [content.group for content in contents]
    exists = np.array([group is not None for group in groups], np.int64)
    prices = [(group.settlement_price or 0) if group else 0 for group in groups]
    columns = {
        **later_columns("group", times, clocks),
        "exists": exists,
        "is fixed": np.array(
            [group is not None and group.settlement_price is not None for group in groups], np.int64
        ),
        **numbered("price", words_of_limbs(2, prices)),
        "series count": np.array([len(group.series) if group else 0 for group in groups], np.int64),
        **numbered("pool", words_of_limbs(4, [group.pool + POOL_OFFSET if group else 0 for group in groups])),
    }
    return columns, exists


def ask_statics(air: AirBuilder, group: Expression, when: Expression) -> dict[str, Expression]:
    """The terms of a listed group, by name, zero where none is asked for."""
    terms = {name: air.column(name) for name in STATICS}
    air.send(GROUP_STATICS, [group, *terms.values()], when=when)
    return terms


def statics_columns(groups: Sequence[Group | None]) -> Columns:
    """The columns of `ask_statics`."""
    columns: Columns = {
        "underlying": np.array([group.underlying if group else 0 for group in groups], np.int64)
    }
    for name, count, numbers in (
        ("expiry", 3, [group.expiry if group else 0 for group in groups]),
        ("cap", 2, [group.cap if group else 0 for group in groups]),
        ("tick", 2, [group.tick_micro_dollars if group else 0 for group in groups]),
        ("lot", 2, [group.lot_micro_units if group else 0 for group in groups]),
        ("tick value", 2, [group.tick_value if group else 0 for group in groups]),
    ):
        columns |= numbered(name, words_of_limbs(count, numbers))
    return columns
