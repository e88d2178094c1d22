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
from prover.recursion.tables import MULTIPLICATION_PLAN, PACKING_PLAN, PERMUTATION_PLAN

LEAST_LOG_HEIGHT = 5
"""Tables are no lower than the length at which folding stops, so that no word enters after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The plan of every table, as whole columns, padding included."""

    log_heights: tuple[int, int, int]
    plans: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """Columns in the order of the tables' plans: (columns, height), counts with their sign."""
    packings: int
    """Rows of the third table that are no padding."""

    def preprocessed(self) -> list[Montgomery]:
        """The plans as field elements."""
        return [encode(plan % PRIME) for plan in self.plans]

    def fill(self, run: Execution, *, threads: int) -> list[Montgomery]:
        """The main columns of the three tables."""
        from prover.hash.poseidon_kernels import trace_rows

        plan = self.plans[0]
        multiplications = np.concatenate([run.scalars[plan[place]].T for place in range(4)])

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


def lay_out(program: Program, least_log_heights: Sequence[int] = (0, 0, 0)) -> Layout:
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
    used = (len(multiplications), len(permutations), len(packings))
    a, b, c = (
        max(LEAST_LOG_HEIGHT, least, max(rows - 1, 0).bit_length())
        for rows, least in zip(used, least_log_heights, strict=True)
    )
    counts = WireCounts(program)
    # Padding rows read the wire of zero, because some places are read on every row.
    counts.scalar_reads[program.zero] += 2 * ((1 << a) - used[0]) + ((1 << b) - used[1])
    plans = (
        _plan([_multiplication(row, counts) for row in multiplications], MULTIPLICATION_PLAN, a),
        _plan([_permutation(row, counts) for row in permutations], PERMUTATION_PLAN, b),
        _plan([_packing(row, counts) for row in packings], PACKING_PLAN, c),
    )
    plans[0][:4, used[0] :] = program.zero
    plans[1][PERMUTATION_PLAN.index("bit number"), used[1] :] = program.zero
    plans[2][PACKING_PLAN.index("is the first row"), 0] = 1
    counts.check_complete()
    return Layout((a, b, c), plans, used[2])


def _multiplication(row: Multiplication, counts: WireCounts) -> tuple[int, ...]:
    return row.left, row.right, row.addend, row.result, *counts.multiplication(row), row.constant


def _permutation(row: Permutation, counts: WireCounts) -> tuple[int, ...]:
    numbers = (row.first, max(row.second, 0), row.bit, row.digest, max(row.rest, 0))
    return *numbers, *counts.permutation(row), row.tag, int(row.feeds_forward)


def _packing(row: Packing, counts: WireCounts) -> tuple[int, ...]:
    return row.vector, *row.elements, counts.packed_vector(row), *counts.elements(row), 0


def _plan(rows: list[tuple[int, ...]], names: Sequence[str], log_height: int) -> NDArray[np.int64]:
    plan = np.zeros((len(names), 1 << log_height), dtype=np.int64)
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
