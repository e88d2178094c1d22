"""Lay a program out in the wide tables: which wire each place of each row is, and how often it is exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.air.poseidon import column_count
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.poseidon_parameters import POSEIDON16_20
from prover.recursion.blocks import BlockPlan, Blocks, HashSources, WireCounts
from prover.recursion.execution import Execution
from prover.recursion.program import VECTOR, Multiplication, Program
from prover.recursion.tables import LANE_PLAN, LANES, MULTIPLICATION_PLAN, OPERANDS, PERMUTATION_PLAN

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
    def log_heights(self) -> tuple[int, int]:
        """In the order of the tables."""
        return (self.log_height,) * 2

    def preprocessed(self) -> list[Montgomery]:
        """The plans as field elements."""
        return [encode(plan % PRIME) for plan in self.plans]

    def fill(self, run: Execution, *, threads: int) -> list[Montgomery]:
        """The main columns of the tables."""
        from prover.hash.poseidon_kernels import trace_rows

        places = [
            MULTIPLICATION_PLAN.index(f"{name} number of lane {lane}")
            for lane in range(LANES)
            for name in OPERANDS
        ]
        multiplications = np.concatenate([run.scalars[self.plans[0][place]].T for place in places])
        height = 1 << self.log_height
        columns = column_count(POSEIDON16_20)
        permutations = np.zeros((columns + VECTOR + 1, height), dtype=np.uint32)
        inputs = encode(self.hashes.inputs(run, height))
        trace_rows(inputs, permutations[:columns], POSEIDON16_20, threads=threads)
        bits = run.scalars[self.plans[1][PERMUTATION_PLAN.index("bit number")], 0]
        first = self.hashes.first_vectors(run, height)
        permutations[columns:] = encode(np.concatenate([first, bits[None]]))
        return [encode(multiplications), permutations]


def lay_out(program: Program, least_log_height: int = 0) -> Layout:
    """Number the rows, count the reads, and check that every wire is written once."""
    multiplications = [i for i in program.instructions if isinstance(i, Multiplication)]
    blocks = Blocks.of(program)
    rows = max(-(-len(multiplications) // LANES), len(blocks.rows))
    log_height = max(LEAST_LOG_HEIGHT, least_log_height, (rows - 1).bit_length())
    height = 1 << log_height
    packings = sum(block.permutation is None for block in blocks.rows)
    # Padding reads the wire of zero, because some places are read on every row.
    zero_reads = 2 * (LANES * height - len(multiplications)) + height - len(blocks.rows) + packings
    counts = WireCounts(program, blocks, zero_reads)
    padding = (program.zero,) * len(OPERANDS) + (0,) * (len(LANE_PLAN) - len(OPERANDS))
    lanes = [_multiplication(row, counts) for row in multiplications]
    lanes += [padding] * (LANES * height - len(lanes))
    hashes = np.zeros((height, len(PERMUTATION_PLAN)), dtype=np.int64)
    hashes[:, PERMUTATION_PLAN.index("bit number")] = program.zero
    for number, block in enumerate(blocks.rows):
        hashes[number] = _hash_row(block.plan(counts, program.zero))
    hashes[0, PERMUTATION_PLAN.index("is the first row")] = 1
    counts.check_complete()
    wide = np.array(lanes, dtype=np.int64).reshape(height, len(MULTIPLICATION_PLAN))
    return Layout(log_height, (np.ascontiguousarray(wide.T), np.ascontiguousarray(hashes.T)), blocks.sources)


def _multiplication(row: Multiplication, counts: WireCounts) -> tuple[int, ...]:
    return row.left, row.right, row.addend, row.result, *counts.multiplication(row), row.constant


def _hash_row(plan: BlockPlan) -> tuple[int, ...]:
    """In the order of the plan's columns."""
    vectors = (plan.first, plan.second, plan.digest, plan.rest)
    numbers, counts = zip(*vectors, *plan.elements, strict=True)
    return *numbers, *counts, plan.bit, plan.tag, int(plan.feeds_forward), 0
