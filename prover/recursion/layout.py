"""Lay a program out in the wide tables: which wire each place of each row is, and how often it is exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.air.poseidon import column_count
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.threads import run_slices
from prover.hash.poseidon_parameters import POSEIDON16_20
from prover.recursion.blocks import BlockPlan, Blocks, HashSources, WireCounts
from prover.recursion.execution import Execution
from prover.recursion.program import VECTOR, Multiplication, Program
from prover.recursion.tables import LANE_PLAN, LANES, OPERANDS, PERMUTATION_PLAN, multiplication_plan
from prover.stark.shape import EXTENSION_DEGREE

LEAST_LOG_HEIGHT = 5
"""Tables are no lower than the length at which folding stops, so that no word enters after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The plan of every table, as whole columns, padding included."""

    log_height: int
    """Of all tables: with one height there is one fold less for each that would enter later."""
    plans: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Columns in the order of the tables' plans: (columns, height), counts with their sign."""
    hashes: HashSources

    @property
    def lanes(self) -> int:
        """Multiplications of one row."""
        return len(self.plans[0]) // len(LANE_PLAN)

    @property
    def log_heights(self) -> tuple[int, int]:
        """In the order of the tables."""
        return (self.log_height,) * 2

    def preprocessed(self) -> list[Montgomery]:
        """The plans as field elements."""
        return [encode(plan % PRIME) for plan in self.plans]

    def fill(self, run: Execution, *, threads: int) -> list[Montgomery]:
        """The main columns of the tables."""
        from prover.hash.poseidon_kernels import trace_rows

        plan = multiplication_plan(self.lanes)
        places = [
            plan.index(f"{name} number of lane {lane}") for lane in range(self.lanes) for name in OPERANDS
        ]
        height = 1 << self.log_height
        multiplications = np.empty((len(places), EXTENSION_DEGREE, height), dtype=np.uint32)

        def gather(start: int, stop: int) -> None:
            for number, place in enumerate(places):
                wires = self.plans[0][place, start:stop]
                multiplications[number, :, start:stop] = encode(run.scalars[wires].T)

        run_slices(threads, height, gather)
        columns = column_count(POSEIDON16_20)
        permutations = np.zeros((columns + VECTOR + 1, height), dtype=np.uint32)
        inputs = encode(self.hashes.inputs(run, height))
        trace_rows(inputs, permutations[:columns], POSEIDON16_20, threads=threads)
        bits = run.scalars[self.plans[1][PERMUTATION_PLAN.index("bit number")], 0]
        first = self.hashes.first_vectors(run, height)
        permutations[columns:] = encode(np.concatenate([first, bits[None]]))
        return [multiplications.reshape(-1, height), permutations]


def lay_out(program: Program, least_log_height: int = 0, lanes: int = LANES) -> Layout:
    """Number the rows, count the reads, and check that every wire is written once."""
    multiplications = [i for i in program.instructions if isinstance(i, Multiplication)]
    blocks = Blocks.of(program)
    rows = max(-(-len(multiplications) // lanes), len(blocks.rows))
    log_height = max(LEAST_LOG_HEIGHT, least_log_height, (rows - 1).bit_length())
    height = 1 << log_height
    packings = sum(block.permutation is None for block in blocks.rows)
    # Padding reads the wire of zero, because some places are read on every row.
    zero_reads = 2 * (lanes * height - len(multiplications)) + height - len(blocks.rows) + packings
    counts = WireCounts(program, blocks, zero_reads)
    padding = (program.zero,) * len(OPERANDS) + (0,) * (len(LANE_PLAN) - len(OPERANDS))
    filled = [_multiplication(row, counts) for row in multiplications]
    filled += [padding] * (lanes * height - len(filled))
    hashes = np.zeros((height, len(PERMUTATION_PLAN)), dtype=np.int64)
    hashes[:, PERMUTATION_PLAN.index("bit number")] = program.zero
    for number, block in enumerate(blocks.rows):
        hashes[number] = _hash_row(block.plan(counts, program.zero))
    hashes[0, PERMUTATION_PLAN.index("is the first row")] = 1
    counts.check_complete()
    wide = np.array(filled, dtype=np.int64).reshape(height, lanes * len(LANE_PLAN))
    return Layout(log_height, (np.ascontiguousarray(wide.T), np.ascontiguousarray(hashes.T)), blocks.sources)


def _multiplication(row: Multiplication, counts: WireCounts) -> tuple[int, ...]:
    return row.left, row.right, row.addend, row.result, *counts.multiplication(row), row.constant


def _hash_row(plan: BlockPlan) -> tuple[int, ...]:
    """In the order of the plan's columns."""
    vectors = (plan.first, plan.second, plan.digest, plan.rest)
    numbers, counts = zip(*vectors, *plan.elements, strict=True)
    return *numbers, *counts, plan.bit, plan.tag, int(plan.feeds_forward), 0
