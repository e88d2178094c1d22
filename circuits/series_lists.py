"""Series lists as they are hashed: eight options a row, the rows of one group's list below each other.

    group   row 0   options 0 to 7       block 0 of the new list, block 0 of the old one
            row 1   options 8 to 15      block 1 of the new list; the old one ended in the middle of it
            row 2   options 16, 17       block 2 of the new list
    group   row 0   (no option)          block 0, all zero

A list only grows: the old one is the beginning of the new one, and both are hashed from the same cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import SERIES_LISTS, SPONGE
from circuits.hash_ledger import HashLedger
from circuits.named_columns import lay_out, numbered
from circuits.touched_groups import TouchedGroups, options_of
from prover.air.builder import AirBuilder
from prover.air.expression import Operand
from prover.field.koalabear import Montgomery, encode
from prover.hash.poseidon import DIGEST_LENGTH, RATE
from rollup.leaf_formats import LeafFormat

NAME: Final = "series lists"

CONTROL: Final = (
    "is live",
    "group",
    "row",
    "goes on",
    "old call",
    "new call",
    "old count",
    "new count",
    "old options above",
    "hashes old",
)

OLD_OWNER, NEW_OWNER = 0, 1
"""Twice the group and this owns a call: the group's row asks for its two digests under these owners.

Soundness: under one owner the old list could be shown as the new one of another set of rows.
"""


def constrain(air: AirBuilder) -> None:
    """Hash every list in full and up to where it ended before the batch, and hand out its entries.

    Assumes: the groups' rows ask for the digest of a group's old list once if the group was listed, and of its new list
    once if it is; no call breaks off.
    Guarantees: each group has one list here; its old digest is over the first entries, its new one over all, and each
    entry is sent once, under its place.
    """
    is_live, group, row, goes_on, *rest = air.columns(*CONTROL)
    old_call, new_call, old_count, new_count, above, hashes_old = rest
    options = air.columns(*(f"option {i}" for i in range(RATE)))
    olds = air.columns(*(f"old option {i}" for i in range(RATE)))
    has_new = air.columns(*(f"has option {i}" for i in range(RATE)))
    has_old = air.columns(*(f"had option {i}" for i in range(RATE)))

    air.assert_boolean("a list goes on or ends", goes_on)
    air.on_last_row.assert_zero("no list leaves the table", goes_on)
    air.assert_zero("a dead row hashes no old list", hashes_old * (1 - is_live))
    for i in range(RATE):
        before, old_before = (has_new[i - 1], has_old[i - 1]) if i else (is_live, hashes_old)
        air.assert_zero(f"an option follows one that is there, option {i}", has_new[i] * (1 - before))
        air.assert_boolean(f"an option was listed before or not, option {i}", has_old[i])
        air.assert_zero(f"an old option follows an old one, option {i}", has_old[i] * (1 - old_before))
        # Soundness: else an option could leave the list.
        air.assert_zero(f"an old option is still listed, option {i}", has_old[i] * (1 - has_new[i]))
        air.assert_zero(f"what is not there is zero, option {i}", options[i] * (1 - has_new[i]))
        air.assert_equal(f"the old list holds the old options, option {i}", olds[i], has_old[i] * options[i])
    air.assert_zero("a list goes on below a full row only", goes_on * (1 - has_new[-1]))
    air.on_transition.assert_zero("a list goes on with an option", goes_on * (1 - has_new[0].next))
    air.assert_zero("old options go on below old ones only", goes_on * has_old[0].next * (1 - has_old[-1]))
    # Soundness: a block without an old option would give the old list a second digest.
    air.assert_zero(
        "an old list goes on with an old option", goes_on * hashes_old.next * (1 - has_old[0].next)
    )
    air.assert_equal("rows of a list are numbered from zero", row.next, goes_on * (row + 1))
    air.assert_equal("old options are counted", above.next, goes_on * sum(has_old, above))
    for name, column in (
        ("group", group),
        ("old call", old_call),
        ("new call", new_call),
        ("old count", old_count),
        ("new count", new_count),
    ):
        air.on_transition.assert_zero(f"a list keeps its {name}", goes_on * (column.next - column))
    is_last = is_live - goes_on
    air.assert_zero("the new count is that of the options", is_last * (new_count - sum(has_new, row * RATE)))
    air.assert_zero("the old count is that of the old options", is_last * (old_count - sum(has_old, above)))

    format_ = LeafFormat.GROUP_SERIES
    new_tags: list[Operand] = [
        new_call,
        group * 2 + NEW_OWNER,
        row,
        int(format_.kind),
        new_count,
        format_.label,
    ]
    old_tags: list[Operand] = [
        old_call,
        group * 2 + OLD_OWNER,
        row,
        int(format_.kind),
        old_count,
        format_.label,
    ]
    air.send(SPONGE, [*new_tags, *options], when=is_live)
    air.send(SPONGE, [*old_tags, *olds], when=hashes_old)
    for i, option in enumerate(options):
        air.send(SERIES_LISTS, [group, row * RATE + i, option], when=has_new[i])


@dataclass(frozen=True, slots=True)
class ListHashes:
    """Calls (groups) and digests (8, groups) of the lists before and after, zero where there is no group."""

    old_calls: NDArray[np.int64]
    old_digests: Montgomery
    new_calls: NDArray[np.int64]
    new_digests: Montgomery


def rows_of(groups: TouchedGroups) -> int:
    """How many rows the lists take."""
    return sum(max(1, -(-len(group.series) // RATE)) for group in groups.after if group is not None)


def fill(groups: TouchedGroups, ledger: HashLedger, log_height: int) -> tuple[Montgomery, ListHashes]:
    """The trace, and the hashes that the groups' own rows need."""
    count, owners = len(groups.numbers), 2 * groups.numbers
    hashes = ListHashes(
        np.zeros(count, np.int64),
        np.zeros((DIGEST_LENGTH, count), np.uint32),
        np.zeros(count, np.int64),
        np.zeros((DIGEST_LENGTH, count), np.uint32),
    )
    control: list[tuple[int, ...]] = []
    cells: list[list[int]] = []
    for i, (number, before, after) in enumerate(
        zip(groups.numbers, groups.before, groups.after, strict=True)
    ):
        old, new = options_of(before), options_of(after)
        if before is not None:
            hashes.old_calls[i], hashes.old_digests[:, i] = _hashed(ledger, owners[i] + OLD_OWNER, old)
        if after is None:
            continue
        hashes.new_calls[i], hashes.new_digests[:, i] = _hashed(ledger, owners[i] + NEW_OWNER, new)
        rows = max(1, -(-len(new) // RATE))
        for row in range(rows):
            start = RATE * row
            hashes_old = before is not None and (row == 0 or len(old) > start)
            tags = (
                hashes.old_calls[i],
                hashes.new_calls[i],
                len(old),
                len(new),
                min(len(old), start),
                hashes_old,
            )
            control.append((1, number, row, row + 1 < rows, *tags))
            cells.append(
                [*_padded(new, start), *_padded(old, start), *_flags(new, start), *_flags(old, start)]
            )
    parts = np.array(cells, np.int64).reshape(-1, 4, RATE).transpose(1, 2, 0)
    columns = dict(zip(CONTROL, np.array(control, np.int64).reshape(-1, len(CONTROL)).T, strict=True))
    for name, part in zip(("option", "old option", "has option", "had option"), parts, strict=True):
        columns |= numbered(name, part)
    return lay_out(constrain, columns, log_height), hashes


def _padded(options: tuple[int, ...], start: int) -> list[int]:
    """The options of one row, zeros behind the last."""
    held = options[start : start + RATE]
    return [*held, *[0] * (RATE - len(held))]


def _flags(options: tuple[int, ...], start: int) -> list[int]:
    """Which options of one row are there."""
    return [int(start + i < len(options)) for i in range(RATE)]


def _hashed(ledger: HashLedger, owner: int, options: tuple[int, ...]) -> tuple[int, Montgomery]:
    """The call and digest of one list."""
    format_ = LeafFormat.GROUP_SERIES
    elements = encode(np.array(options, np.int64)[:, None])
    calls, digests = ledger.sponge(format_.kind, format_.label, np.array([owner], np.uint32), elements)
    return int(calls[0]), digests[:, 0]
