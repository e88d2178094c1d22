"""Lay a program out in the tables' preprocessed columns: which wire each place of each row is, and its count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.air.poseidon import column_count
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.execution import Execution
from prover.recursion.program import (
    NOTHING,
    VECTOR,
    Instruction,
    Multiplication,
    Packing,
    Permutation,
    Program,
    ProgramError,
    Solve,
)
from prover.recursion.simplify import scalar_written, scalars_read
from prover.recursion.tables import (
    LANE_PLAN,
    LANES,
    MULTIPLICATION_PLAN,
    OPERANDS,
    PACKING_PLAN,
    PERMUTATION_PLAN,
)

LEAST_LOG_HEIGHT = 5
"""Tables are no lower than the length at which folding stops, so that no word enters after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The plan of every table, as whole columns, padding included."""

    log_height: int
    """Of all tables: with one height there is one fold less for each that would enter later."""
    plans: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Columns in the order of the tables' plans: (columns, height), counts with their sign."""
    packings: int
    """Rows of the third table that are no padding."""

    @property
    def log_heights(self) -> tuple[int, int, int]:
        """In the order of the tables."""
        return (self.log_height,) * 3

    def preprocessed(self) -> list[Montgomery]:
        """The plans as field elements."""
        return [encode(plan % PRIME) for plan in self.plans]

    def fill(self, run: Execution, *, threads: int) -> list[Montgomery]:
        """The main columns of the three tables."""
        from prover.hash.poseidon_kernels import trace_rows

        places = [
            MULTIPLICATION_PLAN.index(f"{name} number of lane {lane}")
            for lane in range(LANES)
            for name in OPERANDS
        ]
        multiplications = np.concatenate([run.scalars[self.plans[0][place]].T for place in places])

        plan, count = self.plans[1], len(run.permuted)
        inputs = np.zeros((WIDTH, plan.shape[1]), dtype=np.int64)
        inputs[:, :count] = run.permuted.T
        columns = column_count(POSEIDON16_20)
        permutations = np.zeros((columns + VECTOR + 1, plan.shape[1]), dtype=np.uint32)
        trace_rows(encode(inputs), permutations[:columns], POSEIDON16_20, threads=threads)
        first = np.zeros((VECTOR, plan.shape[1]), dtype=np.int64)
        first[:, :count] = run.vectors[plan[PERMUTATION_PLAN.index("first number"), :count]].T
        bits = run.scalars[plan[PERMUTATION_PLAN.index("bit number")], 0]
        permutations[columns:] = encode(np.concatenate([first, bits[None]]))

        plan = self.plans[2]
        start = PACKING_PLAN.index("element 0 number")
        packings = np.stack([run.scalars[plan[start + place], 0] for place in range(VECTOR)])
        packings[:, self.packings :] = 0
        return [encode(multiplications), permutations, encode(packings)]


def lay_out(program: Program, least_log_height: int = 0) -> Layout:
    """Number the rows, count the reads, and check that every wire is written once."""
    multiplications: list[Multiplication] = []
    permutations: list[Permutation] = []
    packings: list[Packing] = []
    for instruction in program.instructions:
        match instruction:
            case Multiplication():
                multiplications.append(instruction)
            case Permutation():
                permutations.append(instruction)
            case Packing():
                packings.append(instruction)
    rows = max(-(-len(multiplications) // LANES), len(permutations), len(packings))
    log_height = max(LEAST_LOG_HEIGHT, least_log_height, (rows - 1).bit_length())
    height = 1 << log_height
    counts = WireCounts(program)
    # Padding reads the wire of zero, because some places are read on every row.
    counts.scalar_reads[program.zero] += 2 * (LANES * height - len(multiplications))
    counts.scalar_reads[program.zero] += height - len(permutations)
    padding = (program.zero,) * len(OPERANDS) + (0,) * (len(LANE_PLAN) - len(OPERANDS))
    lanes = [_multiplication(row, counts) for row in multiplications]
    lanes += [padding] * (LANES * height - len(lanes))
    wide = np.array(lanes, dtype=np.int64).reshape(height, len(MULTIPLICATION_PLAN))
    plans = (
        np.ascontiguousarray(wide.T),
        _plan([_permutation(row, counts) for row in permutations], PERMUTATION_PLAN, height),
        _plan([_packing(row, counts) for row in packings], PACKING_PLAN, height),
    )
    plans[1][PERMUTATION_PLAN.index("bit number"), len(permutations) :] = program.zero
    plans[2][PACKING_PLAN.index("is the first row"), 0] = 1
    counts.check_complete()
    return Layout(log_height, plans, len(packings))


def _multiplication(row: Multiplication, counts: WireCounts) -> tuple[int, ...]:
    return row.left, row.right, row.addend, row.result, *counts.multiplication(row), row.constant


def _permutation(row: Permutation, counts: WireCounts) -> tuple[int, ...]:
    numbers = (row.first, max(row.second, 0), row.bit, row.digest, max(row.rest, 0))
    return *numbers, *counts.permutation(row), row.tag, int(row.feeds_forward)


def _packing(row: Packing, counts: WireCounts) -> tuple[int, ...]:
    return row.vector, *row.elements, counts.packed_vector(row), *counts.elements(row), 0


def _plan(rows: list[tuple[int, ...]], names: Sequence[str], height: int) -> NDArray[np.int64]:
    plan = np.zeros((len(names), height), dtype=np.int64)
    if rows:
        plan[:, : len(rows)] = np.array(rows, dtype=np.int64).T
    return plan


def vectors_read(instruction: Instruction) -> Iterator[int]:
    """The vectors that an instruction reads, each as often as it reads them."""
    match instruction:
        case Permutation():
            yield instruction.first
            if instruction.second != NOTHING:
                yield instruction.second
            if instruction.is_requirement:
                yield instruction.digest
        case Packing(writes_vector=False):
            yield instruction.vector


class WireCounts:
    """Gives every place of a row its count: how often a written wire is read, or -1 for a read.

    Soundness: with two writers of one number, readers could be given either value, so a second one is refused;
    and what is read has to be written.
    """

    def __init__(self, program: Program, absorbed: Collection[int] = ()) -> None:
        self.scalar_reads = Counter(wire for i in program.instructions for wire in scalars_read(i))
        self.vector_reads = Counter(vector for i in program.instructions for vector in vectors_read(i))
        for vector in absorbed:
            # Vectors that never become a message: the row that packs them is the one that reads them.
            del self.vector_reads[vector]
        # The tables give the public values and X once each; a copy of each reads it.
        self.scalars = set(range(len(program.publics) + 1))
        self.vectors: set[int] = set()
        self.roots = set(program.vector_inputs)
        if any(self.scalar_reads[number] != 1 for number in self.scalars):
            raise ProgramError("a public value is not read exactly once")

    def multiplication(self, row: Multiplication) -> tuple[int, int]:
        """The counts of left and result; right and addend are always read."""
        written = scalar_written(row)
        if written == NOTHING:
            return -1, -1
        count = self._write(self.scalars, self.scalar_reads, written, "scalar")
        return (-1, count) if row.solve is Solve.RESULT else (count, -1)

    def permutation(self, row: Permutation) -> tuple[int, int, int, int]:
        """The counts of first, second, digest and rest; a root is written by the first row that absorbs it."""
        first_count = second_count = digest_count = -1
        rest_count = 0
        if row.first in self.roots:
            self.roots.remove(row.first)
            # This row reads what it writes itself.
            first_count = self._write(self.vectors, self.vector_reads, row.first, "vector") - 1
        if row.second == NOTHING:
            second_count = 0
        if not row.is_requirement:
            digest_count = self._write(self.vectors, self.vector_reads, row.digest, "vector")
        if row.rest != NOTHING:
            rest_count = self._write(self.vectors, self.vector_reads, row.rest, "vector")
        return first_count, second_count, digest_count, rest_count

    def packed_vector(self, row: Packing) -> int:
        """The count of the vector."""
        return self._write(self.vectors, self.vector_reads, row.vector, "vector") if row.writes_vector else -1

    def elements(self, row: Packing) -> list[int]:
        """The counts of the elements; an input that is packed is written by its packing, which is no read."""
        return [
            self._write(self.scalars, self.scalar_reads, wire, "scalar") if is_written else -1
            for wire, is_written in zip(row.elements, row.written_elements, strict=True)
        ]

    def check_complete(self) -> None:
        """Every wire that is read is written."""
        for written, reads, kind in (
            (self.scalars, self.scalar_reads, "scalar"),
            (self.vectors, self.vector_reads, "vector"),
        ):
            missing = {wire for wire, count in reads.items() if count} - written
            if missing:
                raise ProgramError(f"{kind} {min(missing)} is read but never written")

    def _write(self, written: set[int], reads: Counter[int], wire: int, kind: str) -> int:
        if wire in written:
            raise ProgramError(f"{kind} {wire} is written twice")
        written.add(wire)
        return reads[wire]
