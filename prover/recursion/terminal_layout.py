"""Lay a program out in the terminal table's plan, and fill the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.execution import Execution
from prover.recursion.layout import WireCounts
from prover.recursion.narrow_poseidon import CUBES, OUTPUT_ROW, ROWS, narrow_rows
from prover.recursion.program import (
    NOTHING,
    VECTOR,
    Multiplication,
    Packing,
    Permutation,
    Program,
    ProgramError,
)
from prover.recursion.terminal import COLUMNS, TERMINAL_PLAN

MULTIPLICATIONS = ROWS // 2
"""Multiplications beside each permutation."""

(
    HEAD,
    HEAD_COUNT,
    TAIL,
    TAIL_COUNT,
    ELEMENT,
    ELEMENT_COUNT,
    FORWARD,
    V,
    V_COUNT,
    W,
    TAG_OR_CONSTANT,
    TOP,
) = range(len(TERMINAL_PLAN))


@dataclass(frozen=True, slots=True, eq=False)
class TerminalLayout:
    """The plan of the terminal table, and where each block's input comes from."""

    log_heights: tuple[int]
    plan: NDArray[np.int64]
    permuted: NDArray[np.int64]
    """For each block the permutation whose input it takes, or NOTHING for a block that only packs."""
    first: NDArray[np.int64]
    """For each block its first vector."""

    def preprocessed(self) -> list[Montgomery]:
        """The plan as field elements."""
        return [encode(self.plan % PRIME)]

    def fill(self, run: Execution, *, threads: int) -> list[Montgomery]:  # noqa: ARG002 - as the other layout's
        """The main columns."""
        count = len(self.first)
        height = self.plan.shape[1]
        inputs = np.zeros((WIDTH, height // ROWS), dtype=np.int64)
        inputs[:VECTOR, :count] = run.vectors[self.first].T
        is_permuted = self.permuted != NOTHING
        inputs[:, np.flatnonzero(is_permuted)] = run.permuted[self.permuted[is_permuted]].T
        held = inputs[:VECTOR]
        out = np.zeros((COLUMNS, height), dtype=np.int64)
        out[: WIDTH + CUBES] = narrow_rows(inputs, POSEIDON16_20)
        bits = run.scalars[self.plan[ELEMENT, : count * ROWS : ROWS], 0]
        out[WIDTH, : count * ROWS : ROWS] = np.where(is_permuted, bits, 0)
        for i in range(VECTOR):
            for row in range(ROWS):
                out[WIDTH + CUBES + i, row::ROWS] = held[(i + row) % VECTOR]
        start = WIDTH + CUBES + VECTOR
        out[start : start + 5] = run.scalars[self.plan[V]].T
        out[start + 5 :] = run.scalars[self.plan[W]].T
        return [encode(out)]


def lay_out_terminal(program: Program, least_log_height: int = 0) -> TerminalLayout:
    """Number the blocks and rows, and check that every wire is written once."""
    multiplications = [i for i in program.instructions if isinstance(i, Multiplication)]
    hashes = [i for i in program.instructions if isinstance(i, Permutation | Packing)]
    absorbed = _absorbed_packings(hashes)
    blocks = [i for i in hashes if not (isinstance(i, Packing) and i.vector in absorbed)]
    most = max(len(blocks), -(-len(multiplications) // MULTIPLICATIONS))
    log_height = max(least_log_height, (ROWS * most - 1).bit_length())
    height = 1 << log_height
    pairs = height // 2
    counts = WireCounts(program, absorbed=set(absorbed))
    # Padding reads the wire of zero, and so does a block that only packs: its halves are not exchanged.
    counts.scalar_reads[program.zero] += 2 * (pairs - len(multiplications))
    counts.scalar_reads[program.zero] += sum(isinstance(block, Packing) for block in blocks)
    plan = np.zeros((len(TERMINAL_PLAN), height), dtype=np.int64)
    plan[TOP, 0] = 1
    plan[[V, W]] = program.zero
    for even, row in zip(_places(multiplications, height), multiplications, strict=True):
        left_count, result_count = counts.multiplication(row)
        plan[[V, V_COUNT, W, TAG_OR_CONSTANT], even] = row.left, left_count, row.right, row.constant
        plan[[V, V_COUNT, W], even + 1] = row.result, result_count, row.addend
    permuted, first = [], []
    permutations = 0
    for number, block in enumerate(blocks):
        top = ROWS * number
        bottom = top + OUTPUT_ROW
        first.append(block.first if isinstance(block, Permutation) else block.vector)
        if isinstance(block, Packing):
            permuted.append(NOTHING)
            _put_elements(plan, top, block, counts)
            plan[[HEAD, HEAD_COUNT], top] = block.vector, counts.packed_vector(block)
            plan[[ELEMENT, ELEMENT_COUNT], top] = program.zero, -1
            continue
        permuted.append(permutations)
        permutations += 1
        first_count, second_count, digest_count, rest_count = counts.permutation(block)
        packing = absorbed.get(block.first)
        if packing is None:
            plan[[HEAD, HEAD_COUNT], top] = block.first, first_count
        else:
            _put_elements(plan, top, packing, counts)
        plan[[TAIL, TAIL_COUNT], top] = max(block.second, 0), second_count
        plan[[ELEMENT, ELEMENT_COUNT], top] = block.bit, -1
        plan[TAG_OR_CONSTANT, top] = block.tag
        plan[[HEAD, HEAD_COUNT], bottom] = block.digest, digest_count
        plan[[TAIL, TAIL_COUNT], bottom] = max(block.rest, 0), rest_count
        plan[FORWARD, bottom] = int(block.feeds_forward)
    counts.check_complete()
    return TerminalLayout(
        (log_height,), plan, np.array(permuted, dtype=np.int64), np.array(first, dtype=np.int64)
    )


def _places(multiplications: Sequence[Multiplication], height: int) -> Iterator[int]:
    """The even row of each: a block's first row has no room for a constant."""
    tops = iter(range(0, height, ROWS))
    others = (row for row in range(0, height, 2) if row % ROWS)
    for row in multiplications:
        place = None if row.constant else next(tops, None)
        if place is None:
            place = next(others, None)
        if place is None:
            raise ProgramError("too many multiplications have a constant")
        yield place


def _absorbed_packings(hashes: Sequence[Permutation | Packing]) -> dict[int, Packing]:
    """Vectors that are packed for one permutation only: its block takes their elements itself."""
    readers: dict[int, int] = {}
    only_first: set[int] = set()
    for instruction in hashes:
        if isinstance(instruction, Permutation):
            only_first.add(instruction.first)
            for vector in (instruction.first, instruction.second):
                readers[vector] = readers.get(vector, 0) + 1
            if instruction.is_requirement:
                readers[instruction.digest] = 2
        elif not instruction.writes_vector:
            readers[instruction.vector] = 2
    return {
        packing.vector: packing
        for packing in hashes
        if isinstance(packing, Packing)
        and packing.writes_vector
        and packing.vector in only_first
        and readers[packing.vector] == 1
    }


def _put_elements(plan: NDArray[np.int64], top: int, packing: Packing, counts: WireCounts) -> None:
    """Element e of the first vector is at place 0 of row e, element 0 of row 8."""
    for place, (wire, count) in enumerate(zip(packing.elements, counts.elements(packing), strict=True)):
        plan[[ELEMENT, ELEMENT_COUNT], top + (place or VECTOR)] = wire, count
