"""Hash rows: permutations, with the packings beside them, and the counts of everything that is exchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.hash.poseidon_parameters import WIDTH
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
    public_messages,
)
from prover.recursion.simplify import count_reads, scalar_written


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """The numbers and counts of one hash row; zeros where nothing is exchanged."""

    first: tuple[int, int]
    second: tuple[int, int]
    digest: tuple[int, int]
    rest: tuple[int, int]
    bit: int
    elements: tuple[tuple[int, int], ...]
    """Of the first vector's elements."""
    tag: int
    feeds_forward: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A permutation, a packing, or both: a vector that is packed for one permutation never becomes a message."""

    permutation: Permutation | None
    packing: Packing | None

    @property
    def first(self) -> int:
        """The vector whose elements the row holds."""
        if self.permutation is not None:
            return self.permutation.first
        return NOTHING if self.packing is None else self.packing.vector

    def plan(self, counts: WireCounts, zero: int) -> BlockPlan:
        """What the row exchanges."""
        nothing = (0, 0)
        elements = (nothing,) * VECTOR
        if self.packing is not None:
            found = counts.elements(self.packing)
            elements = tuple(zip(self.packing.elements, found, strict=True))
        row = self.permutation
        if row is None:
            # Soundness: the bit is zero, so the left half of the input is the vector.
            vector = nothing if self.packing is None else (self.first, counts.packed_vector(self.packing))
            return BlockPlan(vector, nothing, nothing, nothing, zero, elements, 0, feeds_forward=False)
        first, second, digest, rest = counts.permutation(row)
        return BlockPlan(
            nothing if self.packing is not None else (row.first, first),
            (max(row.second, 0), second),
            (row.digest, digest),
            (max(row.rest, 0), rest),
            row.bit,
            elements,
            row.tag,
            row.feeds_forward,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """All hash rows of a program, in its order."""

    rows: tuple[Block, ...]
    absorbed: frozenset[int]
    """Vectors that never become a message."""

    @classmethod
    def of(cls, program: Program) -> Blocks:
        """Put packings beside the permutations that alone read what they pack."""
        hashes = [i for i in program.instructions if isinstance(i, Permutation | Packing)]
        absorbed = _absorbed_packings(hashes, program.zero)
        rows = []
        for instruction in hashes:
            if isinstance(instruction, Permutation):
                rows.append(Block(instruction, absorbed.get(instruction.first)))
            elif instruction.vector not in absorbed:
                rows.append(Block(None, instruction))
        return cls(tuple(rows), frozenset(absorbed))

    @property
    def sources(self) -> HashSources:
        """What filling a table takes of the rows."""
        permuted = np.flatnonzero([row.permutation is not None for row in self.rows])
        return HashSources(np.array([row.first for row in self.rows], dtype=np.int64), permuted)


@dataclass(frozen=True, slots=True, eq=False)
class HashSources:
    """Where the values of the hash rows come from: all that a key keeps of them."""

    first: NDArray[np.int64]
    """The vector whose elements each row holds."""
    permuted: NDArray[np.intp]
    """The rows that are permutations, in the program's order."""

    @property
    def count(self) -> int:
        """How many hash rows there are, padding not counted."""
        return len(self.first)

    def inputs(self, run: Execution, count: int) -> NDArray[np.int64]:
        """The permutations' inputs, padded with zeros: (16, count); a row that only packs permutes its vector."""
        inputs = np.zeros((WIDTH, count), dtype=np.int64)
        inputs[:VECTOR] = self.first_vectors(run, count)
        inputs[:, self.permuted] = run.permuted.T
        return inputs

    def first_vectors(self, run: Execution, count: int) -> NDArray[np.int64]:
        """The vectors whose elements the rows hold, padded with zeros: (8, count)."""
        first = np.zeros((VECTOR, count), dtype=np.int64)
        first[:, : self.count] = run.vectors[self.first].T
        return first


def _absorbed_packings(hashes: Sequence[Permutation | Packing], zero: int) -> dict[int, Packing]:
    """Vectors that are packed for one permutation only, which reads them first: its row takes their elements itself.

    Soundness: the terminal table reads the elements from the left half of what is permuted.
    Where a bit may exchange the halves that would be the other vector, so such a permutation absorbs no packing.
    """
    readers = Counter(vector for instruction in hashes for vector in vectors_read(instruction))
    firsts = {
        instruction.first
        for instruction in hashes
        if isinstance(instruction, Permutation) and instruction.bit == zero
    }
    return {
        packing.vector: packing
        for packing in hashes
        if isinstance(packing, Packing)
        and packing.writes_vector
        and packing.vector in firsts
        and readers[packing.vector] == 1
    }


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

    def __init__(self, program: Program, blocks: Blocks, zero_reads: int) -> None:
        """`zero_reads` counts what padding rows, and rows that only pack, read of the wire of zero."""
        self.scalar_reads = count_reads(program.instructions)
        self.scalar_reads[program.zero] += zero_reads
        self.vector_reads = Counter(vector for i in program.instructions for vector in vectors_read(i))
        for vector in blocks.absorbed:
            del self.vector_reads[vector]
        # The tables give the messages of public values, and X, once each.
        self.scalars = set(range(public_messages(program.public_count) + 1))
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
