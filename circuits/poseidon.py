"""The Poseidon table: one permutation a row; the rows of a sponge call stand one below the other.

    call 0   block 0   capacity = kind, length, suite, label, 0 ...      is first
             block 1   capacity = the row above's output
             block 2                                                     is last: its output is the digest
    call 1   block 0   ...
    node     left | right, level + 1 added to the last input             is node: output + left is the digest
    node     ...

Other tables send the blocks and the digests they claim; this table takes each exactly once.
A node is a row of its own kind: no call runs through it, and no capacity is taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import COMPRESS, DIGEST_PLACE, SPONGE
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.air.poseidon import column_count, constrain_permutation
from prover.field.koalabear import Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, POSEIDON16_20, RATE, WIDTH

NAME: Final = "poseidon"

PARAMETERS: Final = POSEIDON16_20
"""The suite of state and signatures; another suite is another table beside this one."""

PERMUTATION_COLUMNS: Final = column_count(PARAMETERS)

CONTROL: Final = (
    "call",
    "owner",
    "block or level",
    "kind",
    "length",
    "label",
    "is first",
    "is last",
    "is live",
    "is node",
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


@dataclass(frozen=True, slots=True)
class NodeCalls:
    """Nodes of trees over pairs of digests, one permutation each."""

    levels: NDArray[np.int64]
    """The level of each node, 0 for a root."""
    inputs: Montgomery
    """Shape (16, nodes): left digest, right digest, level + 1 added to the last element."""

    @property
    def rows(self) -> int:
        """Permutations of all nodes."""
        return len(self.levels)


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """What a row says of a node, if it is one."""

    is_node: Expression
    level: Expression
    sides: tuple[Expression, ...]
    digest: tuple[Expression, ...]


def constrain(air: AirBuilder) -> None:
    """Every row is one permutation of a call, a node, or dead.

    Guarantees: what `constrain_rows` does; the digest of a node is the compression of its two sides at its level.
    """
    node = constrain_rows(air)
    air.receive(COMPRESS, [node.level, *node.sides, *node.digest], when=node.is_node)


def constrain_without_nodes(air: AirBuilder) -> None:
    """The same for a circuit that has no tree."""
    air.assert_zero("there is no tree whose node this were", constrain_rows(air).is_node)


def constrain_rows(air: AirBuilder) -> NodeColumns:
    """State the permutations and take the messages of calls; the caller takes those of nodes.

    Assumes: who sends block `place` of a call sends zeros behind the call's length, and as many blocks as it needs.
    Guarantees: the messages of one call are those of the one sponge call with this kind, length, label and blocks;
    whoever sends a block of a call does it beside one who asks for the call's digest.
    """
    inputs = [air.column(f"input {i}") for i in range(WIDTH)]
    outputs = constrain_permutation(air, "permutation", inputs, PARAMETERS)
    call, owner, block, kind, length, label, is_first, is_last, is_live, is_node = air.columns(*CONTROL)
    capacity: list[Operand] = [kind, length, int(PARAMETERS.suite), label, 0, 0, 0, 0]

    air.assert_boolean("a row is the first of its call or not", is_first)
    air.on_first_row.assert_equal("the table begins with a call or a node", is_first + is_node, 1)
    # Soundness: a call that began in the middle would choose its own capacity.
    # A node ends like a dead row: below it a call begins, or another node.
    air.on_transition.assert_equal(
        "a call or a node begins below a last block, below a dead row and below a node, and nowhere else",
        is_first.next + is_node.next,
        is_last + 1 - is_live,
    )
    air.assert_zero("a dead row is no last block", (1 - is_live) * is_last)
    # Soundness: blocks of a call that breaks off would be taken, and nobody would have to know their digest.
    air.assert_zero("no call breaks off", (1 - is_live) * (1 - is_first - is_node))
    air.on_last_row.assert_equal("the last call ends in the table", is_last, is_live)
    # Soundness: a node's inputs are all chosen; taken as a block, they would be a capacity of choice.
    air.assert_zero("a node is no block of a call", is_node * is_live)
    for i, expected in enumerate(capacity):
        air.assert_zero(
            f"a call begins with its kind, length, suite and label in capacity element {i}",
            is_first * (inputs[RATE + i] - expected),
        )
    is_continued = 1 - is_first.next - is_node.next
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
    # Soundness: without the input added back anyone could run the permutation backwards and make collisions.
    digest = [before + after for before, after in zip(inputs, outputs[:DIGEST_LENGTH], strict=False)]
    sides = (*inputs[:LEVEL_ELEMENT], inputs[LEVEL_ELEMENT] - block - 1)
    return NodeColumns(is_node, block, sides, tuple(digest))


def fill(
    calls: Sequence[SpongeCalls], nodes: Sequence[NodeCalls], log_height: int, *, threads: int = 1
) -> tuple[Montgomery, list[Montgomery]]:
    """The trace, and for each group of calls its digests (8, calls).

    Calls are numbered in the given order; the nodes stand below them.
    """
    height = 1 << log_height
    used = sum(group.rows for group in calls) + sum(group.rows for group in nodes)
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
    for layer in nodes:
        rows = slice(start, start + layer.rows)
        _fill_nodes(trace[:, rows], control[:, rows], layer, threads)
        start += layer.rows
    _fill_dead_rows(trace, control, used)
    is_first = control[CONTROL.index("is first")]
    control[0] = np.cumsum(is_first) - is_first[0]
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
        rest = (block, tags[0], length, group.label, block == 0, block == blocks - 1, 1, 0)
        control[1, block::blocks] = group.owners
        control[2:, block::blocks] = np.array(rest)[:, None]
        states = part[-WIDTH:].copy()
    return states[:DIGEST_LENGTH]


def _fill_nodes(trace: Montgomery, control: NDArray[np.int64], nodes: NodeCalls, threads: int) -> None:
    """The rows of one group of nodes."""
    from prover.hash.poseidon_kernels import trace_rows

    if not nodes.rows:
        return
    part = np.zeros((PERMUTATION_COLUMNS, nodes.rows), np.uint32)
    trace_rows(np.ascontiguousarray(nodes.inputs), part, PARAMETERS, threads=threads)
    trace[:PERMUTATION_COLUMNS] = part
    control[CONTROL.index("block or level")] = nodes.levels
    control[CONTROL.index("is node")] = 1


def _fill_dead_rows(trace: Montgomery, control: NDArray[np.int64], used: int) -> None:
    """Calls of kind and length zero, which nobody asks for."""
    from prover.hash.poseidon_kernels import trace_rows

    state = np.zeros((WIDTH, 1), np.uint32)
    state[RATE + 2] = encode([int(PARAMETERS.suite)])
    row = np.zeros((PERMUTATION_COLUMNS, 1), np.uint32)
    trace_rows(state, row, PARAMETERS)
    trace[:PERMUTATION_COLUMNS, used:] = row
    control[CONTROL.index("is first"), used:] = 1
