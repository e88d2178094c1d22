"""Groups that the batch touches: one row each, the leaf before and after, its terms, the ends of its memory.

    terms    underlying, expiry, cap, tick, lot, tick value        listed once, then the same for ever
    old      is fixed, price, pool, series: count and digest       -> memory at clock 0
    new      is fixed, price, pool, series: count and digest       <- memory as it was last written

The terms are provided to whoever names the group, and with its final price to trades and walks of all records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits.buses import (
    DIGEST_PLACE,
    GROUP_STATICS,
    GROUP_TERMS,
    GROUPS,
    NODES,
    SPONGE,
)
from circuits.gadgets.byte_limbs import Bytes
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import assert_empty, digest_columns, hash_where, limbs_of_numbers, send_hash
from circuits.named_columns import Columns, lay_out, less_columns, numbered
from circuits.series_lists import NEW_OWNER, OLD_OWNER, ListHashes
from circuits.statement import TIME
from circuits.tick_values import TICK_BYTES, VALUE_BYTES, EndValue, byte_columns
from circuits.touched_groups import TouchedGroups, numbers_of
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import Montgomery, decode
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.instruments import Group
from rollup.leaf_formats import POOL_OFFSET, LeafFormat, group_elements
from rollup.state import TREE_DEPTH, group_index
from rollup.units import GroupId

NAME: Final = "groups"

REGION: Final = group_index(GroupId(0)) >> 16
"""The upper 18 bits of a group's place; the group is the lower 16."""

CONTENT: Final = ("is fixed", "price 0", "price 1", "series count", *(f"pool {i}" for i in range(4)))
"""The memory behind `exists`."""

GROUP_ELEMENTS: Final = 28
"""Elements of a group's leaf."""

FINAL_STAMP: Final = 0
"""The stamp of the terms that hold for all records: no step of an item has clock 0."""


@dataclass(frozen=True, slots=True)
class TermColumns:
    """What a group is, in columns: caps and tick values in bytes, because values are products."""

    underlying: Expression
    expiry: tuple[Expression, ...]
    cap: Bytes
    tick: tuple[Expression, ...]
    lot: tuple[Expression, ...]
    tick_value: Bytes

    @classmethod
    def constrain(cls, air: AirBuilder, when: Expression) -> TermColumns:
        """Declare them.

        Guarantees: where `when` is one the bytes of cap and tick value lie in [0, 2^8).
        """
        return cls(
            air.column("underlying"),
            air.columns(*(f"expiry {i}" for i in range(3))),
            Bytes.constrain(air, "cap", TICK_BYTES, when),
            air.columns("tick 0", "tick 1"),
            air.columns("lot 0", "lot 1"),
            Bytes.constrain(air, "tick value", VALUE_BYTES, when),
        )

    @property
    def elements(self) -> list[Expression]:
        """All of them as limbs, in the leaf's order."""
        return [
            self.underlying,
            *self.expiry,
            *self.cap.limbs,
            *self.tick,
            *self.lot,
            *self.tick_value.limbs,
        ]

    def is_open(self, air: AirBuilder, when: Expression) -> Expression:
        """Whether the batch's time is before the expiry, where `when` is one."""
        now = Limbs(tuple(air.public(name) * when for name in TIME))
        return LessThan.constrain(air, "now", now, Limbs(self.expiry), when).is_less

    @staticmethod
    def fill(groups: Sequence[Group | None], now: int) -> Columns:
        """The columns of the terms and of `is_open`; zeros where there is no group."""
        expiries = numbers_of(groups, "expiry")
        times = [0 if group is None else now for group in groups]
        is_open, _ = less_columns("now", times, expiries.tolist(), 3)
        return {
            "underlying": numbers_of(groups, "underlying"),
            **numbered("expiry", limbs_of_numbers(expiries, 3)),
            **byte_columns("cap", numbers_of(groups, "cap"), TICK_BYTES),
            **numbered("tick", limbs_of_numbers(numbers_of(groups, "tick_micro_dollars"), 2)),
            **numbered("lot", limbs_of_numbers(numbers_of(groups, "lot_micro_units"), 2)),
            **byte_columns("tick value", numbers_of(groups, "tick_value"), VALUE_BYTES),
            **is_open,
        }


def constrain(air: AirBuilder) -> None:
    """Open and close the memory of every touched group, and provide its terms.

    Assumes: whoever writes a group's memory checks the limbs that it writes and keeps the others; who lists a group has
    checked its terms and looks them up here; what an old leaf holds was checked when it was written. The lowest limb of
    the place is below 2^16 by the tree. A price is at most the cap.
    Guarantees: the memory begins with what the old root says and ends with what the new one says; a group is touched by
    one row; what is provided are the terms of a group that is listed at the end of the batch.
    """
    is_live, group, existed, exists, time = air.columns("is live", "group", "existed", "exists", "time")
    terms = TermColumns.constrain(air, exists)
    old = air.columns(*(f"old {name}" for name in CONTENT))
    new = air.columns(*(f"new {name}" for name in CONTENT))
    statics_count, terms_count = air.columns("count of statics", "count of terms")

    air.assert_zero("a dead row has no old leaf", existed * (1 - is_live))
    air.assert_zero("a dead row has no new leaf", exists * (1 - is_live))
    # Soundness: terms are the old leaf's and the new one's at once, so a group that went could come back with others.
    air.assert_zero("no group is removed", existed * (1 - exists))
    for name, element in zip(CONTENT, old, strict=True):
        air.assert_zero(f"no old leaf, no old {name}", (1 - existed) * element)
    old_digest = _leaf(air, "old", terms, old, group * 2 + OLD_OWNER, existed, is_live)
    new_digest = _leaf(air, "new", terms, new, group * 2 + NEW_OWNER, exists, is_live)
    air.send(NODES, [TREE_DEPTH, REGION, group, *old_digest, *new_digest], when=is_live)
    air.send(GROUPS, [group, 0, existed, *old], when=is_live)
    air.receive(GROUPS, [group, time, exists, *new], when=is_live)

    is_open = terms.is_open(air, exists)
    is_fixed, price = new[0], new[1:3]
    end_value = EndValue.constrain(air, is_fixed, price, terms.cap, terms.tick_value, exists)
    for name, count in (("statics", statics_count), ("terms", terms_count)):
        # Soundness: a group that nobody listed could have any terms.
        air.assert_zero(f"a group that is not listed has no {name}", count * (1 - exists))
    air.provide(GROUP_STATICS, [group, *terms.elements], statics_count)
    air.provide(GROUP_TERMS, [group, FINAL_STAMP, is_open, is_fixed, *end_value.columns], terms_count)


def _leaf(
    air: AirBuilder,
    which: str,
    terms: TermColumns,
    content: tuple[Expression, ...],
    list_owner: Expression,
    exists: Expression,
    is_live: Expression,
) -> tuple[Expression, ...]:
    """A version: the leaf's hash over its list's digest where there is one, else the empty place."""
    call, list_call = air.columns(f"{which} call", f"{which} list call")
    listed = air.columns(*(f"{which} list digest {i}" for i in range(DIGEST_LENGTH)))
    digest = air.columns(*(f"{which} digest {i}" for i in range(DIGEST_LENGTH)))
    is_fixed, price_low, price_high, count, *pool = content
    format_ = LeafFormat.GROUP_SERIES
    tags: list[Operand] = [list_call, list_owner, DIGEST_PLACE, int(format_.kind), count, format_.label]
    air.send(SPONGE, [*tags, *listed], when=exists)
    elements = [*terms.elements, is_fixed, price_low, price_high, *pool, count, *listed]
    send_hash(air, LeafFormat.GROUP, call, elements, digest, when=exists)
    assert_empty(air, f"no {which} leaf, an empty {which} place", digest, is_live - exists)
    return digest


def fill(
    groups: TouchedGroups, lists: ListHashes, now: int, ledger: HashLedger, log_height: int
) -> tuple[Montgomery, Montgomery, Montgomery]:
    """The trace, and the leaves' digests (8, n) before and after."""
    columns: Columns = {
        "is live": np.ones(len(groups.numbers), np.int64),
        "group": groups.numbers,
        "existed": groups.existed,
        "exists": groups.exists,
        "time": groups.times,
        **TermColumns.fill(groups.after, now),
    }
    leaves = []
    for which, version, exists, calls, listed in (
        ("old", groups.before, groups.existed, lists.old_calls, lists.old_digests),
        ("new", groups.after, groups.exists, lists.new_calls, lists.new_digests),
    ):
        spelled = decode(listed).T.tolist()
        elements = np.array(
            [
                [0] * GROUP_ELEMENTS if group is None else group_elements(group, tuple(digest))
                for group, digest in zip(version, spelled, strict=True)
            ],
            np.int64,
        ).reshape(-1, GROUP_ELEMENTS)
        numbers, digests = hash_where(exists, LeafFormat.GROUP, elements.T, ledger)
        columns |= content_columns(f"{which} ", version)
        columns |= {
            f"{which} call": numbers,
            f"{which} list call": calls,
            **digest_columns(f"{which} list digest", listed),
            **digest_columns(f"{which} digest", digests),
        }
        leaves.append(digests)
    fixed, prices = columns["new is fixed"], numbers_of(groups.after, "settlement_price")
    columns |= EndValue.fill(
        fixed, prices, numbers_of(groups.after, "cap"), numbers_of(groups.after, "tick_value")
    )
    return lay_out(constrain, columns, log_height), leaves[0], leaves[1]


def content_columns(prefix: str, groups: Sequence[Group | None]) -> Columns:
    """What a group's memory holds, as columns; zeros where there is no group."""
    pools = [0 if group is None else group.pool + POOL_OFFSET for group in groups]
    return {
        f"{prefix}is fixed": np.array(
            [group is not None and group.settlement_price is not None for group in groups], np.int64
        ),
        **numbered(f"{prefix}price", limbs_of_numbers(numbers_of(groups, "settlement_price"), 2)),
        f"{prefix}series count": np.array(
            [0 if group is None else len(group.series) for group in groups], np.int64
        ),
        **{
            f"{prefix}pool {i}": np.array([pool >> 16 * i & 0xFFFF for pool in pools], np.int64)
            for i in range(4)
        },
    }
