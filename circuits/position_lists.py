"""Position lists as they are hashed: eight positions a row, the rows of one list below each other.

    list   row 0   positions 0 to 7       blocks 0, 1, 2
           row 1   positions 8 to 15      blocks 3, 4, 5
           row 2   positions 16, 17       block 6              the last row has the digest
    list   row 0   (no position)          block 0, all zero
    ...

A list that is opened sends its entries, one that is closed takes them; walks turn one version into the next.
Eight positions are twenty-four elements, three blocks of the sponge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DIGEST_PLACE, POSITION_LISTS, POSITIONS, SPONGE
from circuits.hash_ledger import HashLedger
from circuits.leaf_hash import NO_OWNER
from prover.air.builder import AirBuilder
from prover.air.expression import Operand, lift
from prover.field.koalabear import Montgomery, encode
from prover.hash.poseidon import DIGEST_LENGTH, RATE
from rollup.leaf_formats import LOTS_OFFSET, LeafFormat

NAME: Final = "position lists"

POSITIONS_A_ROW: Final = 8
ELEMENTS: Final = 3
"""Group, option, lots with the offset that makes them positive."""

BLOCKS_A_ROW: Final = POSITIONS_A_ROW * ELEMENTS // RATE

FIRST_POSITIONS: Final = (None, 2, 5)
"""The position that holds a block's first element: without it the block is not part of the list."""

CONTROL: Final = ("is live", "account", "version", "is closing", "count", "call", "row", "goes on")
COLUMNS: Final = len(CONTROL) + POSITIONS_A_ROW * (ELEMENTS + 2) + DIGEST_LENGTH


def constrain(air: AirBuilder) -> None:
    """Hash every list and exchange its entries with walks.

    Assumes: entries that are taken hold checked numbers: walks check what they write, and what an opened list holds was
    checked when it was written. Counts are what accounts say.
    Guarantees: a list that accounts ask for has exactly `count` entries, at the places 0 to count - 1, and the digest
    is that of these entries; each entry is sent (opened) or taken (closed) once.
    """
    is_live, account, version, is_closing, count, call, row, goes_on = air.columns(*CONTROL)
    positions = [
        air.columns(*(f"position {i} {name}" for name in ("group", "option", "shifted lots")))
        for i in range(POSITIONS_A_ROW)
    ]
    present = air.columns(*(f"has position {i}" for i in range(POSITIONS_A_ROW)))
    taken = air.columns(*(f"takes position {i}" for i in range(POSITIONS_A_ROW)))
    digest = air.columns(*(f"digest {i}" for i in range(DIGEST_LENGTH)))

    air.assert_boolean("a list is closed or opened", is_closing)
    air.assert_boolean("a list goes on or ends", goes_on)
    air.on_last_row.assert_zero("no list leaves the table", goes_on)
    for i, exists in enumerate(present):
        above = present[i - 1] if i else is_live
        air.assert_zero(f"position {i} follows one that is there", exists * (1 - above))
        air.assert_equal(f"position {i} is taken where the list is closed", taken[i], exists * is_closing)
        for name, element in zip(("group", "option", "lots"), positions[i], strict=True):
            # Soundness: elements behind the list's length would be hashed as if they were padding.
            air.assert_zero(
                f"a position that is not there has no {name}, position {i}", element * (1 - exists)
            )
    # Soundness: a list that went on below a row that is not full, or with an empty row, would have a second digest.
    air.assert_zero("a list goes on below a full row only", goes_on * (1 - present[-1]))
    air.on_transition.assert_zero("a list goes on with a position", goes_on * (1 - present[0].next))
    air.assert_equal("rows of a list are numbered from zero", row.next, goes_on * (row + 1))
    for name, column in (
        ("account", account),
        ("version", version),
        ("direction", is_closing),
        ("count", count),
        ("call", call),
    ):
        air.on_transition.assert_zero(f"a list keeps its {name}", goes_on * (column.next - column))
    is_last = is_live - goes_on
    held = sum(present, row * POSITIONS_A_ROW)
    air.assert_zero("the count is that of the positions", is_last * (count - held))

    format_ = LeafFormat.ACCOUNT_POSITIONS
    tags: list[Operand] = [int(format_.kind), count * ELEMENTS, format_.label]
    elements = [element for position in positions for element in position]
    for block, first in enumerate(FIRST_POSITIONS):
        values = elements[block * RATE : (block + 1) * RATE]
        when = is_live if first is None else present[first]
        air.send(SPONGE, [call, NO_OWNER, row * BLOCKS_A_ROW + block, *tags, *values], when=when)
    air.send(SPONGE, [call, NO_OWNER, DIGEST_PLACE, *tags, *digest], when=is_last)
    air.receive(POSITION_LISTS, [account, is_closing, version, count, *digest], when=is_last)
    for i, (group, option, shifted) in enumerate(positions):
        entry = [account, version, row * POSITIONS_A_ROW + i, group, option, shifted - LOTS_OFFSET]
        air.send(POSITIONS, entry, when=present[i] - taken[i])
        air.receive(POSITIONS, entry, when=lift(taken[i]))


@dataclass(frozen=True, slots=True)
class Rows:
    """Lists, one entry each, and the positions of all of them behind each other."""

    accounts: NDArray[np.int64]
    versions: NDArray[np.int64]
    is_closing: NDArray[np.int64]
    counts: NDArray[np.int64]
    groups: NDArray[np.int64]
    """As many as the counts add up to, like options and lots."""
    options: NDArray[np.int64]
    lots: NDArray[np.int64]

    @property
    def rows_of_lists(self) -> NDArray[np.int64]:
        """How many rows each list takes."""
        return np.maximum(1, -(-self.counts // POSITIONS_A_ROW))

    @property
    def rows(self) -> int:
        """How many rows all lists take."""
        return int(self.rows_of_lists.sum())


def fill(rows: Rows, ledger: HashLedger, log_height: int) -> tuple[Montgomery, Montgomery]:
    """The trace, and the digests of the lists, (8, lists)."""
    lists, height = rows.rows_of_lists, 1 << log_height
    if rows.rows > height:
        raise ValueError(f"{rows.rows} rows of positions do not fit a table of {height}")
    elements = np.stack([rows.groups, rows.options, rows.lots + LOTS_OFFSET])
    calls, digests = _hashed(rows, elements, ledger)
    first_rows = np.cumsum(lists) - lists
    places = _places(rows.counts)
    owners = np.repeat(np.arange(len(lists)), rows.counts)
    trace = np.zeros((COLUMNS, height), np.int64)
    control, held = trace[: len(CONTROL)], trace[len(CONTROL) : -DIGEST_LENGTH]
    live = slice(0, rows.rows)
    of_list = np.repeat(np.arange(len(lists)), lists)
    control[0, live] = 1
    for column, values in enumerate(
        (rows.accounts, rows.versions, rows.is_closing, rows.counts, calls), start=1
    ):
        control[column, live] = values[of_list]
    control[6, live] = _places(lists)
    control[7, live] = control[6, live] + 1 < lists[of_list]
    at, slots = first_rows[owners] + places // POSITIONS_A_ROW, places % POSITIONS_A_ROW
    for part in range(ELEMENTS):
        held[ELEMENTS * slots + part, at] = elements[part]
    flags = ELEMENTS * POSITIONS_A_ROW
    held[flags + slots, at] = 1
    held[flags + POSITIONS_A_ROW + slots, at] = rows.is_closing[owners]
    encoded = encode(trace)
    encoded[-DIGEST_LENGTH:, first_rows + lists - 1] = digests
    return encoded, digests


def _places(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... for each of lists of these lengths."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _hashed(
    rows: Rows, elements: NDArray[np.int64], ledger: HashLedger
) -> tuple[NDArray[np.int64], Montgomery]:
    """The calls and digests of all lists, those of one length hashed together."""
    calls = np.zeros(len(rows.counts), np.int64)
    digests = np.zeros((DIGEST_LENGTH, len(rows.counts)), np.uint32)
    starts = np.cumsum(rows.counts) - rows.counts
    format_ = LeafFormat.ACCOUNT_POSITIONS
    for count in np.unique(rows.counts):
        chosen = np.flatnonzero(rows.counts == count)
        places = starts[chosen] + np.arange(count)[:, None]
        spelled = elements[:, places].transpose(1, 0, 2).reshape(ELEMENTS * count, len(chosen))
        owners = np.full(len(chosen), NO_OWNER, np.uint32)
        numbers, found = ledger.sponge(format_.kind, format_.label, owners, encode(spelled))
        calls[chosen], digests[:, chosen] = numbers, found
    return calls, digests
