"""The state tree: one row a node above a touched leaf, with its digests before and after the batch.

    level 33   | child 34 left, right | old, new        low part of the place: 15 bits
    ...
    level 18   |                      | old, new        low part: empty
    level 17   |                      | old, new        high part: 17 bits
    ...
    level 0    |                      | the old root, the new root
    dead rows, as it were at level 0

A node takes its touched children from the bus and gives itself to its parent, in both versions at once: the old and the
new path share their siblings and their places, because they are the same row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import COMPRESS, NODES
from circuits.hash_ledger import HashLedger
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, encode
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.state import TREE_DEPTH
from rollup.state_tree import StateTree
from rollup.units import WORD_BITS

NAME: Final = "tree"

LAST_LEVEL: Final = TREE_DEPTH - 1
"""The level right above the leaves."""

LAST_HIGH_LEVEL: Final = TREE_DEPTH - WORD_BITS - 1
"""From this level up the low part of a place is empty, and a child's place is shifted in the high part."""

CONTROL: Final = (
    "level",
    "high",
    "low",
    "shifts low",
    "left child's high",
    "is live",
    "touches left",
    "touches right",
)
SIDES: Final = ("left old", "left new", "right old", "right new", "old", "new")
COLUMNS: Final = len(CONTROL) + len(SIDES) * DIGEST_LENGTH


def constrain(air: AirBuilder) -> None:
    """State that every live row is a node over its two children, before and after.

    Assumes: the batch takes one node at level 0, of place 0, and nobody else does; leaves are sent at level 34.
    Guarantees: every leaf that is sent is in the tree of both roots, at its place, which no other leaf has; its high
    part lies in [0, 2^18) and its low part in [0, 2^16); all else is the same in both trees.
    """
    level, high, low, shifts_low, left_high, is_live, touches_left, touches_right = air.columns(*CONTROL)
    left_old, left_new, right_old, right_new, old, new = (
        air.columns(*(f"{side} {i}" for i in range(DIGEST_LENGTH))) for side in SIDES
    )

    # Soundness: a row that did not know its level would shift the part of the place that suits it, and one leaf could
    # be shown at two places.
    air.on_first_row.assert_equal("the table begins right above the leaves", level, LAST_LEVEL)
    air.on_transition.assert_boolean("levels fall one by one", level - level.next)
    air.on_last_row.assert_zero("the table ends at the root", level)
    stops = shifts_low - shifts_low.next
    air.on_first_row.assert_equal("the low part is shifted first", shifts_low, 1)
    air.on_transition.assert_boolean("once the low part is empty it is not shifted again", stops)
    air.on_transition.assert_zero("the last low level is 18", stops * (level - LAST_HIGH_LEVEL - 1))
    air.on_transition.assert_zero("the first high level is 17", stops * (level.next - LAST_HIGH_LEVEL))
    air.on_last_row.assert_zero("in the end the high part is shifted", shifts_low)
    air.assert_zero("the low part is empty where it is not shifted", low * (1 - shifts_low))
    air.assert_equal(
        "a left child's high part is shifted where the low one is not", left_high, high * (2 - shifts_low)
    )

    for i in range(DIGEST_LENGTH):
        for name, touches, before, after in (
            ("left", touches_left, left_old[i], left_new[i]),
            ("right", touches_right, right_old[i], right_new[i]),
        ):
            # Soundness: else a sibling could change without a leaf that says so.
            air.assert_zero(
                f"a {name} child that nothing touches stays as it is, element {i}",
                (1 - touches) * (before - after),
            )
    for name, touches in (("left", touches_left), ("right", touches_right)):
        # Soundness: what a dead row took would never reach the root.
        air.assert_zero(f"a dead row takes no {name} child", touches * (1 - is_live))

    child = [level + 1, left_high, low * 2]
    sibling = [level + 1, left_high + 1 - shifts_low, low * 2 + shifts_low]
    air.receive(NODES, [*child, *left_old, *left_new], when=touches_left)
    air.receive(NODES, [*sibling, *right_old, *right_new], when=touches_right)
    air.send(NODES, [level, high, low, *old, *new], when=is_live)
    air.send(COMPRESS, [level, *left_old, *right_old, *old], when=is_live)
    air.send(COMPRESS, [level, *left_new, *right_new, *new], when=is_live)


@dataclass(frozen=True, slots=True)
class Rows:
    """The nodes above the touched leaves, from the lowest level to the root."""

    levels: NDArray[np.int64]
    places: NDArray[np.int64]
    """The index of the node within its level."""
    touched: NDArray[np.bool_]
    """(2, n): whether the left and the right child were touched."""
    digests: Montgomery
    """(6, 8, n), as `SIDES` names them."""


Siblings = Callable[[int, NDArray[np.int64]], Montgomery]
"""The digests (8, n) of untouched nodes of a level, by their index within it."""


def siblings_in(tree: StateTree) -> Siblings:
    """The untouched nodes are the old tree's."""

    def read(level: int, places: NDArray[np.int64]) -> Montgomery:
        stored = tree.nodes.get_many((places + (1 << level)).tolist())
        joined = b"".join([tree.empty[level] if digest is None else digest for digest in stored])
        return np.frombuffer(joined, dtype=np.uint32).reshape(-1, DIGEST_LENGTH).T

    return read


def lay_out(
    indices: NDArray[np.int64], old: Montgomery, new: Montgomery, siblings: Siblings, ledger: HashLedger
) -> Rows:
    """Hash up from leaves at strictly rising indices, with digests (8, n) before and after."""
    versions = np.stack([old, new])
    layers: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], Montgomery]] = []
    for level in range(LAST_LEVEL, -1, -1):
        parents, rows = np.unique(indices >> 1, return_inverse=True)
        count = len(parents)
        children = np.zeros((2, 2, DIGEST_LENGTH, count), np.uint32)
        touched = np.zeros((2, count), np.bool_)
        for side in (0, 1):
            is_side = indices & 1 == side
            children[side][..., rows[is_side]] = versions[..., is_side]
            touched[side, rows[is_side]] = True
            missing = np.flatnonzero(~touched[side])
            if missing.size:
                children[side][..., missing] = siblings(level + 1, 2 * parents[missing] + side)
        levels = np.full(count, level, np.int64)
        versions = np.stack([ledger.compress(children[0, v], children[1, v], levels) for v in (0, 1)])
        layers.append((levels, parents, touched, np.concatenate([*children, versions])))
        indices = parents
    levels, places, touches, digests = (np.concatenate(parts, axis=-1) for parts in zip(*layers, strict=True))
    return Rows(levels, places, touches, digests)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace; the table has room for a path at least, or its levels do not reach the root."""
    count, height = len(rows.levels), 1 << log_height
    if not 0 < count <= height:
        raise ValueError(f"{count} nodes do not fit a table of {height}")
    trace = np.zeros((COLUMNS, height), np.uint32)
    shifts_low = rows.levels > LAST_HIGH_LEVEL
    # At a low level the high part is complete and the low part begun; at a high level there is no low part.
    low_bits = np.where(shifts_low, rows.levels - LAST_HIGH_LEVEL - 1, 0)
    high = rows.places >> low_bits
    low = rows.places & ((1 << low_bits) - 1)
    left_high = np.where(shifts_low, high, 2 * high)
    ones = np.ones(count, np.int64)
    trace[: len(CONTROL), :count] = encode(
        np.stack([rows.levels, high, low, shifts_low, left_high, ones, *rows.touched])
    )
    trace[len(CONTROL) :, :count] = rows.digests.reshape(-1, count)
    return trace
