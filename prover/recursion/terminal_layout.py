"""Lay a program out in the terminal table's plan, and fill the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.threads import run_slices
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.blocks import Blocks, HashSources, WireCounts
from prover.recursion.execution import Execution
from prover.recursion.narrow_poseidon import CUBES, OUTPUT_ROW, ROWS, narrow_rows
from prover.recursion.program import VECTOR, Multiplication, Program, ProgramError
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
    """The plan of the terminal table, and the hash rows behind its blocks."""

    log_height: int
    plan: NDArray[np.int64]
    hashes: HashSources

    @property
    def log_heights(self) -> tuple[int]:
        """Of the one table."""
        return (self.log_height,)

    def preprocessed(self) -> list[Montgomery]:
        """The plan as field elements."""
        return [encode(self.plan % PRIME)]

    def fill(self, run: Execution, *, threads: int) -> list[Montgomery]:
        """The main columns."""
        height = self.plan.shape[1]
        inputs = self.hashes.inputs(run, height // ROWS)
        held = inputs[:VECTOR]
        out = np.zeros((COLUMNS, height), dtype=np.int64)

        def permute(start: int, stop: int) -> None:
            rows = narrow_rows(inputs[:, start:stop], POSEIDON16_20)
            out[: WIDTH + CUBES, ROWS * start : ROWS * stop] = rows

        run_slices(threads, inputs.shape[1], permute)
        used = self.hashes.count * ROWS
        out[WIDTH, :used:ROWS] = run.scalars[self.plan[ELEMENT, :used:ROWS], 0]
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
    blocks = Blocks.of(program)
    most = max(len(blocks.rows), -(-len(multiplications) // MULTIPLICATIONS))
    log_height = max(least_log_height, (ROWS * most - 1).bit_length())
    height = 1 << log_height
    packings = sum(block.permutation is None for block in blocks.rows)
    # Padding reads the wire of zero.
    counts = WireCounts(program, blocks, 2 * (height // 2 - len(multiplications)) + packings)
    plan = np.zeros((len(TERMINAL_PLAN), height), dtype=np.int64)
    plan[TOP, 0] = 1
    plan[[V, W]] = program.zero
    for even, row in zip(_places(multiplications, height), multiplications, strict=True):
        left_count, result_count = counts.multiplication(row)
        plan[[V, V_COUNT, W, TAG_OR_CONSTANT], even] = row.left, left_count, row.right, row.constant
        plan[[V, V_COUNT, W], even + 1] = row.result, result_count, row.addend
    for number, block in enumerate(blocks.rows):
        found = block.plan(counts, program.zero)
        top = ROWS * number
        bottom = top + OUTPUT_ROW
        plan[[HEAD, HEAD_COUNT], top] = found.first
        plan[[TAIL, TAIL_COUNT], top] = found.second
        plan[[ELEMENT, ELEMENT_COUNT], top] = found.bit, -1
        for place, element in enumerate(found.elements):
            # Element e of the first vector is at place 0 of row e, element 0 of row 8.
            plan[[ELEMENT, ELEMENT_COUNT], top + (place or VECTOR)] = element
        # Beside a tag stands a multiplication whose constant is zero.
        plan[TAG_OR_CONSTANT, top] = found.tag
        plan[[HEAD, HEAD_COUNT], bottom] = found.digest
        plan[[TAIL, TAIL_COUNT], bottom] = found.rest
        plan[FORWARD, bottom] = int(found.feeds_forward)
    counts.check_complete()
    return TerminalLayout(log_height, plan, blocks.sources)


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
