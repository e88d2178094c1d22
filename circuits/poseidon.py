"""The Poseidon table: one permutation a row; the rows of a sponge call stand one below the other.

    call 0   block 0   capacity = kind, length, suite, label, 0 ...      is first
             block 1   capacity = the row above's output
             block 2                                                     is last: its output is the digest
    call 1   block 0   ...

Other tables send the blocks and the digests they claim; this table takes each exactly once.
Nodes of trees have a table of their own (`circuits.compressions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DIGEST_PLACE, SPONGE
from prover.air.builder import AirBuilder
from prover.air.expression import Operand
from prover.air.poseidon import column_count, constrain_permutation
from prover.field.koalabear import Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, POSEIDON16_20, RATE, WIDTH

NAME: Final = "poseidon"

PARAMETERS: Final = POSEIDON16_20
"""The suite of state and signatures; another suite is another table beside this one."""

PERMUTATION_COLUMNS: Final = column_count(PARAMETERS)

CONTROL: Final = (
    "call",
    "owner",
    "block",
    "kind",
    "length",
    "label",
    "is first",
    "is last",
    "is live",
)

COLUMNS: Final = PERMUTATION_COLUMNS + len(CONTROL)


@dataclass(frozen=True, slots=True)
class SpongeCalls:
    """Calls of one kind, label and length, filled side by side."""

    kind: HashKind
    label: int
    owners: NDArray[np.uint32]
    """One number a call, whatever those who send its blocks agree on."""
    elements: Montgomery
    """Shape (length, calls)."""

    @property
    def blocks(self) -> int:
        """Permutations of one call."""
        return max(1, -(-len(self.elements) // RATE))

    @property
    def rows(self) -> int:
        """Permutations of all calls."""
        return self.blocks * len(self.owners)


def constrain(air: AirBuilder) -> None:
    """Every row is one permutation of a call, or dead.

    Assumes: who sends block `place` of a call sends zeros behind the call's length, and as many blocks as it needs.
    Guarantees: the messages of one call are those of the one sponge call with this kind, length, label and blocks;
    whoever sends a block of a call does it beside one who asks for the call's digest.
    """
    inputs = [air.column(f"input {i}") for i in range(WIDTH)]
    outputs = constrain_permutation(air, "permutation", inputs, PARAMETERS)
    call, owner, block, kind, length, label, is_first, is_last, is_live = air.columns(*CONTROL)
    capacity: list[Operand] = [kind, length, int(PARAMETERS.suite), label, 0, 0, 0, 0]

    air.assert_boolean("a row is the first of its call or not", is_first)
    air.on_first_row.assert_equal("the table begins with a call", is_first, 1)
    # Soundness: a call that began in the middle would choose its own capacity.
    air.on_transition.assert_equal(
        "a call begins below a last block and below a dead row, and nowhere else",
        is_first.next,
        is_last + 1 - is_live,
    )
    air.assert_zero("a dead row is no last block", (1 - is_live) * is_last)
    # Soundness: blocks of a call that breaks off would be taken, and nobody would have to know their digest.
    air.assert_zero("no call breaks off", (1 - is_live) * (1 - is_first))
    air.on_last_row.assert_equal("the last call ends in the table", is_last, is_live)
    for i, expected in enumerate(capacity):
        air.assert_zero(
            f"a call begins with its kind, length, suite and label in capacity element {i}",
            is_first * (inputs[RATE + i] - expected),
        )
    is_continued = 1 - is_first.next
    for i in range(RATE, WIDTH):
        air.on_transition.assert_zero(
            f"a call keeps element {i} of its state", is_continued * (inputs[i].next - outputs[i])
        )

    # Soundness: two calls under one number could exchange their blocks.
    air.on_first_row.assert_zero("calls are numbered from zero", call)
    air.on_transition.assert_equal("every call has the next number", call.next, call + is_first.next)
    air.assert_zero("the first block is block zero", is_first * block)
    air.on_transition.assert_zero("blocks are numbered", is_continued * (block.next - block - 1))
    for name, column in (("owner", owner), ("kind", kind), ("length", length), ("label", label)):
        air.on_transition.assert_zero(f"a call keeps its {name}", is_continued * (column.next - column))

    tags = (kind, length, label)
    air.receive(SPONGE, [call, owner, block, *tags, *inputs[:RATE]], when=is_live)
    air.receive(SPONGE, [call, owner, DIGEST_PLACE, *tags, *outputs[:RATE]], when=is_last)


def fill(
    calls: Sequence[SpongeCalls], log_height: int, *, threads: int = 1
) -> tuple[Montgomery, list[Montgomery]]:
    """The trace, and for each group of calls its digests (8, calls).

    Calls are numbered in the given order.
    """
    height = 1 << log_height
    used = sum(group.rows for group in calls)
    if used > height:
        raise ValueError(f"{used} permutations do not fit a table of {height} rows")
    trace = np.zeros((COLUMNS, height), np.uint32)
    control = np.zeros((len(CONTROL), height), np.int64)
    digests: list[Montgomery] = []
    start = 0
    for group in calls:
        rows = slice(start, start + group.rows)
        digests.append(_fill_calls(trace[:, rows], control[:, rows], group, threads))
        start += group.rows
    _fill_dead_rows(trace, control, used)
    control[0] = np.cumsum(control[CONTROL.index("is first")]) - 1
    trace[PERMUTATION_COLUMNS:] = encode(control)
    return trace, digests


def _fill_calls(
    trace: Montgomery, control: NDArray[np.int64], group: SpongeCalls, threads: int
) -> Montgomery:
    """The rows of one group, all but the calls' numbers; gives the digests."""
    from prover.hash.poseidon_kernels import trace_rows

    count, blocks, length = len(group.owners), group.blocks, len(group.elements)
    padded = np.zeros((blocks * RATE, count), np.uint32)
    padded[:length] = group.elements
    states = np.zeros((WIDTH, count), np.uint32)
    tags = [int(group.kind), length, int(PARAMETERS.suite), group.label]
    states[RATE : RATE + len(tags)] = encode(tags)[:, None]
    part = np.zeros((PERMUTATION_COLUMNS, count), np.uint32)
    for block in range(blocks):
        states[:RATE] = padded[block * RATE : (block + 1) * RATE]
        if count:
            trace_rows(np.ascontiguousarray(states), part, PARAMETERS, threads=threads)
        trace[:PERMUTATION_COLUMNS, block::blocks] = part
        rest = (block, tags[0], length, group.label, block == 0, block == blocks - 1, 1)
        control[1, block::blocks] = group.owners
        control[2:, block::blocks] = np.array(rest)[:, None]
        states = part[-WIDTH:].copy()
    return states[:DIGEST_LENGTH]


def _fill_dead_rows(trace: Montgomery, control: NDArray[np.int64], used: int) -> None:
    """Calls of kind and length zero, which nobody asks for."""
    from prover.hash.poseidon_kernels import trace_rows

    state = np.zeros((WIDTH, 1), np.uint32)
    state[RATE + 2] = encode([int(PARAMETERS.suite)])
    row = np.zeros((PERMUTATION_COLUMNS, 1), np.uint32)
    trace_rows(state, row, PARAMETERS)
    trace[:PERMUTATION_COLUMNS, used:] = row
    control[CONTROL.index("is first"), used:] = 1
