"""The Poseidon table: one permutation a row; the rows of a sponge call stand one below the other.

    call 0   block 0   capacity = kind, length, suite, label, 0 ...      is first
             block 1   capacity = the row above's output
             block 2                                                     its output is the digest
    call 1   block 0   ...
    ...
    dead, or a node of a tree (`circuits.compressions`): any input

Other tables send the blocks and the digests they claim; this table takes each exactly once.
A row ends its call when the row below begins one; a row that is not live is a call by itself, which takes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DIGEST_PLACE, SPONGE
from circuits.compressions import COUNT, NodeCalls, constrain_nodes, distinct_nodes
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
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
    "is live",
)

CALL_COLUMNS: Final = PERMUTATION_COLUMNS + len(CONTROL)
"""Of sponge calls alone."""
COLUMNS: Final = CALL_COLUMNS + len((COUNT,))


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
    """Every row is one permutation: of a sponge call, of a node, or of nothing that anybody asked for."""
    inputs, outputs, owner = _constrain_calls(air)
    constrain_nodes(air, inputs, outputs, owner)


def constrain_calls(air: AirBuilder) -> None:
    """The table without nodes."""
    _constrain_calls(air)


def _constrain_calls(air: AirBuilder) -> tuple[list[Expression], list[Expression], Expression]:
    """The inputs, the outputs and the column that is free on rows that are not live.

    Assumes: who sends block `place` of a call sends zeros behind the call's length, and as many blocks as it needs.
    Guarantees: the messages of one call are those of the one sponge call with this kind, length, label and blocks;
    whoever sends a block of a call does it beside one who asks for the call's digest.
    """
    inputs = [air.column(f"input {i}") for i in range(WIDTH)]
    outputs = constrain_permutation(air, "permutation", inputs, PARAMETERS)
    call, owner, block, kind, length, label, is_first, is_live = air.columns(*CONTROL)
    capacity: list[Operand] = [kind, length, int(PARAMETERS.suite), label, 0, 0, 0, 0]

    air.assert_boolean("a row is the first of its call or not", is_first)
    # The row below the last one is the first: so the last call ends in the table.
    air.on_first_row.assert_equal("the table begins with a call", is_first, 1)
    # Soundness: blocks of a call that breaks off would be taken, and nobody would have to know their digest.
    air.assert_zero("no call breaks off", (1 - is_live) * (1 - is_first))
    # Soundness: a call that began in the middle would choose its own capacity.
    air.assert_zero("a call begins below a dead row", (1 - is_live) * (1 - is_first.next))
    is_last = is_first.next + is_live - 1
    # A dead row is a first one, so this is one on the first rows of live calls only.
    begins = is_first + is_live - 1
    for i, expected in enumerate(capacity):
        air.assert_zero(
            f"a call begins with its kind, length, suite and label in capacity element {i}",
            begins * (inputs[RATE + i] - expected),
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
    return inputs, outputs, owner


def fill(
    calls: Sequence[SpongeCalls], log_height: int, nodes: Sequence[NodeCalls] = (), *, threads: int = 1
) -> tuple[Montgomery, list[Montgomery]]:
    """The trace, and for each group of calls its digests (8, calls).

    Calls are numbered in the given order; nodes stand below them, each once.
    """
    from prover.hash.poseidon_kernels import trace_rows

    height = 1 << log_height
    used, below = sum(group.rows for group in calls), distinct_nodes(nodes)
    if used + len(below.levels) > height:
        raise ValueError(f"{used + len(below.levels)} permutations do not fit a table of {height} rows")
    trace = np.empty((COLUMNS, height), np.uint32)
    inputs = np.zeros((WIDTH, height), np.uint32)
    control = np.zeros((len(CONTROL), height), np.int64)
    start = 0
    for group in calls:
        rows = slice(start, start + group.rows)
        inputs[:, rows] = _states_of(group, threads)
        _fill_control(control[:, rows], group)
        start += group.rows
    # Below them nodes, and permutations of zeros; each row is a call by itself.
    inputs[:, used : used + len(below.levels)] = below.inputs
    control[CONTROL.index("is first"), used:] = 1
    control[CONTROL.index("owner"), used : used + len(below.levels)] = below.levels
    control[0] = np.cumsum(control[CONTROL.index("is first")]) - 1
    trace_rows(inputs, trace[:PERMUTATION_COLUMNS], PARAMETERS, threads=threads)
    trace[PERMUTATION_COLUMNS:CALL_COLUMNS] = encode(control)
    trace[CALL_COLUMNS:] = 0
    return trace, _digests_of(calls, trace)


def _states_of(group: SpongeCalls, threads: int) -> Montgomery:
    """What each row of a group's calls permutes, (16, rows), call by call."""
    from prover.hash.poseidon_kernels import sponge_states

    count, blocks, length = len(group.owners), group.blocks, len(group.elements)
    padded = np.zeros((blocks * RATE, count), np.uint32)
    padded[:length] = group.elements
    states = sponge_states(
        padded.reshape(blocks, RATE, count), group.kind, length, group.label, PARAMETERS, threads
    )
    return states.transpose(1, 2, 0).reshape(WIDTH, group.rows)


def _fill_control(control: NDArray[np.int64], group: SpongeCalls) -> None:
    """The other columns of a group's rows, all but the calls' numbers."""
    blocks = np.arange(group.blocks)
    by_call = control.reshape(len(CONTROL), len(group.owners), group.blocks)
    by_call[CONTROL.index("owner")] = group.owners[:, None]
    by_call[CONTROL.index("block")] = blocks
    by_call[CONTROL.index("kind")] = group.kind
    by_call[CONTROL.index("length")] = len(group.elements)
    by_call[CONTROL.index("label")] = group.label
    by_call[CONTROL.index("is first")] = blocks == 0
    by_call[CONTROL.index("is live")] = 1


def _digests_of(calls: Sequence[SpongeCalls], trace: Montgomery) -> list[Montgomery]:
    """Each group's digests: what the last row of each call gives."""
    first = PERMUTATION_COLUMNS - WIDTH
    outputs = trace[first : first + DIGEST_LENGTH]
    ends = np.cumsum([0, *(group.rows for group in calls)])
    return [
        np.ascontiguousarray(outputs[:, start + group.blocks - 1 : start + group.rows : group.blocks])
        for start, group in zip(ends.tolist(), calls, strict=False)
    ]
