"""Order slots: their leaves are hashed as the rules hash them, and a leaf begins to be only where one is written."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np

from circuits import slots
from circuits.buses import (
    NODES,
    SIXTEEN_BITS,
    SLOTS,
    TWO_BYTES,
)
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import hash_where
from prover.field.koalabear import Montgomery
from rollup.leaf_formats import LeafFormat
from rollup.state import OrderSlot, slot_index
from rollup.units import AccountId, OrderNumber, SlotIndex
from tests.circuits import books
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(slots.NAME, slots.constrain)


@cache
def _slot_witness() -> tuple[Montgomery, tuple[OrderSlot | None, ...], tuple[OrderSlot | None, ...]]:
    """One that fills up, one that is new, one that another order takes, one that is only opened, one never used."""
    places = [(3, 0), (70_000, 255), ((1 << 24) - 1, 7), (256, 1), (257, 1)]
    numbers = [(7, 5, 7, 6), (0, 0, 9, 1), (8, 2, 1 << 31, 70_000), (5, 6, 5, 6), (0, 0, 0, 0)]

    def slot(place: tuple[int, int], number: int, filled: int) -> OrderSlot | None:
        return (
            OrderSlot(AccountId(place[0]), SlotIndex(place[1]), OrderNumber(number), filled)
            if filled
            else None
        )

    table = np.array(numbers).T
    rows = slots.Rows(
        np.array([account for account, _ in places]),
        np.array([slot for _, slot in places]),
        slots.Leaves((table[1] > 0).astype(np.int64), table[0], table[1]),
        slots.Leaves((table[3] > 0).astype(np.int64), table[2], table[3]),
        np.array([33, 34, 49, 0, 0]),
    )
    trace, *_ = slots.fill(rows, HashLedger(), 3)
    old = tuple(slot(place, row[0], row[1]) for place, row in zip(places, numbers, strict=True))
    new = tuple(slot(place, row[2], row[3]) for place, row in zip(places, numbers, strict=True))
    return trace, old, new


def test_slots_open_and_close_their_leaves() -> None:
    trace, old, new = _slot_witness()
    found = ends.inspected([TABLE], {slots.NAME: trace})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    nodes: Counter[tuple[int, ...]] = Counter()
    for place, before, after in zip(
        [(3, 0), (70_000, 255), ((1 << 24) - 1, 7), (256, 1), (257, 1)], old, new, strict=True
    ):
        index = slot_index(AccountId(place[0]), SlotIndex(place[1]))
        digests = ends.centred((*books.leaf_digest(before), *books.leaf_digest(after)))
        nodes[(34, index >> 16, index & 0xFFFF, *digests)] += 1
    assert ends.loose_ends(found, NODES) == nodes
    assert ends.loose_ends(found, SLOTS)[(70_000, 255, 34, 9, 0, 1, 0)] == -1
    assert ends.loose_ends(found, SLOTS)[(70_000, 255, 0, 0, 0, 0, 0)] == 1


def test_a_slot_that_was_never_used_gets_no_leaf() -> None:
    """A leaf of zeros, truly hashed, where the rules have none."""
    trace, *_ = _slot_witness()
    ledger = HashLedger()
    calls, digests = hash_where(
        np.ones(1, np.int64), LeafFormat.ORDER_SLOT, np.zeros((4, 1), np.int64), ledger
    )
    forged = ends.changed(trace, TABLE, 4, new_exists=1, new_call=int(calls[0]) + 100)
    for i in range(8):
        forged[TABLE.main_names.index(f"new digest {i}"), 4] = digests[i, 0]
    found = ends.inspected([TABLE], {slots.NAME: forged})
    assert ends.broken(found) == {"a leaf that begins to be was written by somebody"}
    assert ends.untrue_hashes(found) == set()


def test_a_used_slot_cannot_be_denied() -> None:
    trace, *_ = _slot_witness()
    forged = ends.changed(trace, TABLE, 0, old_exists=0, old_number_0=0, old_filled_0=0)
    assert "no old leaf" in books.broken(TABLE, forged)
    forged = ends.changed(trace, TABLE, 0, new_exists=0, new_number_0=0, new_filled_0=0)
    assert "no slot is removed" in books.broken(TABLE, forged)


def test_one_slot_is_not_shown_under_two_numbers() -> None:
    """Account 3 slot 0 as account 2 slot 256: the same place, so the split is looked up."""
    trace, *_ = _slot_witness()
    forged = ends.changed(trace, TABLE, 0, account_low=2, slot=256)
    found = ends.inspected([TABLE], {slots.NAME: forged})
    assert (256, 2) in books.asked(found, TWO_BYTES)
    # And an account beyond all accounts, whose slots would be in another region.
    forged = ends.changed(trace, TABLE, 0, high=1 << 16)
    assert (1 << 16,) in books.asked(ends.inspected([TABLE], {slots.NAME: forged}), SIXTEEN_BITS)


def test_every_column_is_bound_alone() -> None:
    # The inverse matters where a leaf begins to be.
    assert ends.unbound_columns(TABLE, _slot_witness()[0], at=0) == ["time inverse"]
