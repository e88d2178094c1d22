"""Position lists are hashed as the rules hash them, and every entry is exchanged once."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from circuits import position_lists
from circuits.buses import POSITION_LISTS, POSITIONS, SPONGE
from circuits.hash_ledger import HashLedger
from circuits.poseidon import PARAMETERS
from circuits.position_lists import Rows
from prover.field.koalabear import Montgomery, decode
from rollup.instruments import series_id
from rollup.leaf_formats import LeafFormat, positions_elements
from rollup.state import Position
from rollup.state_hash import ReferenceHasher
from rollup.units import GroupId, OptionKind, Ticks
from tests.circuits import loose_ends as ends

TABLE = ends.table_of(position_lists.NAME, position_lists.constrain)

Held = list[tuple[int, int, int]]


def _held(count: int, seed: int) -> Held:
    generator = random.Random(f"positions {count} {seed}")
    return sorted(
        (
            generator.randrange(1 << 16),
            generator.randrange(1 << 25),
            generator.choice([-1, 1]) * generator.randrange(1, 1 << 24),
        )
        for _ in range(count)
    )


def _rows(counts: list[int]) -> tuple[Rows, list[Held]]:
    held = [_held(count, seed) for seed, count in enumerate(counts)]
    flat = np.array([entry for one in held for entry in one], np.int64).reshape(-1, 3)
    numbers = np.arange(len(counts))
    return Rows(numbers + 50, 100 * numbers, numbers % 2, np.array(counts, np.int64), *flat.T), held


def _digest(held: Held) -> tuple[int, ...]:
    positions = tuple(
        Position(series_id(GroupId(group), Ticks(option >> 1), OptionKind(option & 1)), lots)
        for group, option, lots in held
    )
    hasher = ReferenceHasher(PARAMETERS)
    return tuple(
        decode(hasher.hash_lists(LeafFormat.ACCOUNT_POSITIONS, [positions_elements(positions)])[0]).tolist()
    )


@pytest.mark.parametrize("counts", [[], [0], [1, 2, 3, 5, 6, 8, 9], [32, 0, 16, 17, 31, 7]])
def test_lists_are_hashed_and_their_entries_exchanged(counts: list[int]) -> None:
    rows, held = _rows(counts)
    trace, digests = position_lists.fill(rows, HashLedger(), 4)
    found = ends.inspected([TABLE], {position_lists.NAME: trace})
    assert found.constraints == ()
    assert ends.untrue_hashes(found) == set()
    lists: Counter[tuple[int, ...]] = Counter()
    entries: Counter[tuple[int, ...]] = Counter()
    for number, one in enumerate(held):
        assert tuple(decode(digests[:, number]).tolist()) == _digest(one)
        version, is_closing = 100 * number, number % 2
        lists[(number + 50, is_closing, version, len(one), *ends.centred(_digest(one)))] -= 1
        for place, entry in enumerate(one):
            entries[(number + 50, version, place, *entry)] += -1 if is_closing else 1
    assert ends.loose_ends(found, POSITION_LISTS) == lists
    assert ends.loose_ends(found, POSITIONS) == entries


def _honest() -> Montgomery:
    return position_lists.fill(_rows([3, 12, 8])[0], HashLedger(), 3)[0]


def _broken(trace: Montgomery) -> set[str]:
    return ends.broken(ends.inspected([TABLE], {position_lists.NAME: trace}))


def test_an_entry_cannot_be_left_out_of_a_list() -> None:
    """The hash keeps it, the count says one less, and nobody is sent it."""
    forged = ends.changed(_honest(), TABLE, 0, has_position_2=0, count=2)
    assert "a position that is not there has no group" in _broken(forged)
    forged = ends.changed(_honest(), TABLE, 0, has_position_1=0, count=2)
    assert "position 2 follows one that is there" in _broken(forged)
    assert _broken(ends.changed(_honest(), TABLE, 0, count=2)) == {"the count is that of the positions"}


def test_a_list_cannot_go_on_with_nothing_or_below_a_gap() -> None:
    assert "a list goes on below a full row only" in _broken(ends.changed(_honest(), TABLE, 0, goes_on=1))
    # The list of eight goes on into a dead row, so that a fourth block of zeros is hashed.
    forged = ends.changed(_honest(), TABLE, 3, goes_on=1)
    forged = ends.changed(forged, TABLE, 4, is_live=1, row=1)
    assert "a list goes on with a position" in _broken(forged)


def test_two_lists_cannot_be_one() -> None:
    """The second row of a list under another account's name."""
    assert _broken(ends.changed(_honest(), TABLE, 2, account=7)) == {"a list keeps its account"}
    assert _broken(ends.changed(_honest(), TABLE, 2, version=7)) == {"a list keeps its version"}
    assert "a list keeps its direction" in _broken(ends.changed(_honest(), TABLE, 2, is_closing=0))


def test_an_opened_list_takes_nothing() -> None:
    forged = ends.changed(_honest(), TABLE, 0, takes_position_0=1)
    assert _broken(forged) == {"position 0 is taken where the list is closed"}


def test_a_dead_row_has_no_entries() -> None:
    forged = ends.changed(_honest(), TABLE, 5, has_position_0=1, position_0_group=9)
    assert _broken(forged) == {"position 0 follows one that is there"}


def test_no_list_leaves_the_table() -> None:
    trace = position_lists.fill(_rows([8])[0], HashLedger(), 0)[0]
    assert "no list leaves the table" in _broken(ends.changed(trace, TABLE, 0, goes_on=1))


def test_every_column_is_bound_alone() -> None:
    honest = _honest()
    expected = ends.inspected([TABLE], {position_lists.NAME: honest})
    for column in range(position_lists.COLUMNS):
        for row in (1, 2):
            trace = honest.copy()
            trace[column, row] ^= np.uint32(1)
            found = ends.inspected([TABLE], {position_lists.NAME: trace})
            is_seen = any(
                ends.loose_ends(found, bus) != ends.loose_ends(expected, bus)
                for bus in (POSITION_LISTS, POSITIONS, SPONGE)
            )
            # The digest's columns mean something on a list's last row only.
            is_free = TABLE.main_names[column].startswith("digest") and row == 1
            assert found.constraints or is_seen or is_free, TABLE.main_names[column]
