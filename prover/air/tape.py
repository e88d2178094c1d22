"""The prover's reader of expressions: all rows at once, as a straight-line program over blocks of rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prover.air.expression import Cell, CellKind, Expression
from prover.air.lowering import Lowering
from prover.air.program import Column, Program
from prover.air.program_writer import write_program
from prover.air.table import Extension
from prover.air.tape_kernel_format import BLOCK_ROWS, EXTENSION_DEGREE, SLOT_WORDS, TABLE_ENTRIES, WORD_BYTES
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.threads import run_slices

VECTOR_ROWS = 16
"""Rows of one vector, which fills a cache line: blocks start on such a line, so that no vector spans two."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The columns that expressions read, all in Montgomery form; the rows of one column are contiguous."""

    main: Montgomery
    """(columns, height)"""
    preprocessed: Montgomery | None = None
    """(columns, height)"""
    challenge: Mapping[int, Montgomery] = field(default_factory=dict)
    """For each round (5 * columns, height): the coordinates of a column follow one another."""
    periodic: Sequence[Montgomery] = ()
    """One period of each periodic column; its length divides the height."""
    selectors: Montgomery | None = None
    """(3, height): first row, last row, transition."""

    @property
    def height(self) -> int:
        """The number of rows."""
        return int(self.main.shape[1])

    def matrix(self, kind: CellKind, round: int) -> Montgomery:
        """The checked matrix that holds the columns of one kind; kernels read it at raw addresses."""
        found: Montgomery | None
        match kind:
            case CellKind.MAIN:
                found = self.main
            case CellKind.PREPROCESSED:
                found = self.preprocessed
            case CellKind.SELECTOR:
                found = self.selectors
            case _:
                found = self.challenge.get(round)
        if found is None:
            raise ValueError(f"the sources hold no {kind} columns of round {round}")
        _check_rows(found, kind)
        if found.shape[1] != self.height:
            raise ValueError(f"the {kind} columns have {found.shape[1]} rows of {self.height}")
        return found

    def period(self, index: int) -> Montgomery:
        """The checked values of one periodic column."""
        if index >= len(self.periodic):
            raise ValueError(f"the sources hold no periodic column {index}")
        found = self.periodic[index].reshape(1, -1)
        _check_rows(found, CellKind.PERIODIC)
        if not found.size or self.height % found.size:
            raise ValueError(f"periodic column {index} has {found.size} values for {self.height} rows")
        return found


def _is_packed(matrix: Montgomery) -> bool:
    # numpy leaves the strides of empty and one-row arrays undefined.
    return matrix.strides[1] == WORD_BYTES or matrix.shape[1] == 1 or not matrix.size


def _check_rows(matrix: Montgomery, kind: CellKind) -> None:
    if matrix.dtype != np.uint32 or matrix.ndim != 2 or not _is_packed(matrix):
        raise ValueError(f"the {kind} columns are not contiguous rows of 32-bit words")


def _locate(sources: Sources, columns: Sequence[Column]) -> tuple[NDArray[np.int64], list[Montgomery]]:
    """(address, rows) of every column, and the arrays that must outlive these addresses."""
    matrices: dict[tuple[CellKind, int, int], tuple[int, int, int, int]] = {}
    alive: list[Montgomery] = []
    table = np.zeros((len(columns), 2), dtype=np.int64)
    for position, (kind, round, index, plane) in enumerate(columns):
        is_periodic = kind is CellKind.PERIODIC
        key = (kind, round, index if is_periodic else 0)
        if key not in matrices:
            matrix = sources.period(index) if is_periodic else sources.matrix(kind, round)
            if matrix.shape[1] < VECTOR_ROWS:
                # Repeated to fill a vector: the row below the last one is the first one again.
                matrix = np.tile(matrix, (1, VECTOR_ROWS // matrix.shape[1]))
            alive.append(matrix)
            matrices[key] = (matrix.ctypes.data, matrix.strides[0], *matrix.shape)
        address, stride, count, rows = matrices[key]
        row = (
            0
            if is_periodic
            else EXTENSION_DEGREE * index + plane
            if kind is CellKind.CHALLENGE_COLUMN
            else index
        )
        if row >= count:
            raise ValueError(f"the sources hold no {kind} {index} of round {round}")
        table[position] = address + row * stride, rows
    return table, alive


@dataclass(frozen=True, slots=True)
class _Binding:
    """What turns row-constants into weights: all structure is known when the tape is compiled."""

    scalar_program: NDArray[np.int64]
    """(scalars, 3): operation and two scalars, or a leaf, or a constant."""
    scalars: NDArray[np.int64]
    """The scalar of every monomial of every coefficient."""
    factors: NDArray[np.int64]
    """Its base constant."""
    starts: NDArray[np.int64]
    """Where each coefficient's monomials start."""
    entries: NDArray[np.int64]
    """Which entry of the coefficients' tables is a weight."""


@dataclass(frozen=True, slots=True)
class Tape:
    """Compiled output expressions."""

    planes: int
    """Rows of the output: five for an extension expression, one for any other."""
    row_constants: tuple[Cell, ...]
    """The cells whose values `run` must be given."""
    program: Program
    _binding: _Binding
    _code: NDArray[np.int32]

    @staticmethod
    def compile(outputs: Sequence[Expression]) -> Tape:
        """Turn expressions into a program; their values follow one another in the output."""
        lowering = Lowering(outputs)
        is_wide = [output.is_extension for output in outputs]
        program = write_program(lowering, is_wide)
        monomials = [
            [(0, coefficient)] if isinstance(coefficient, int) else list(coefficient.items())
            for coefficient in program.coefficients
        ]
        flat = np.array([pair for pairs in monomials for pair in pairs], dtype=np.int64).reshape(-1, 2)
        lengths = np.array([0, *map(len, monomials)], dtype=np.int64)
        entries = [weight.coefficient * TABLE_ENTRIES + weight.entry for weight in program.weights]
        binding = _Binding(
            np.array(lowering.scalars.program, dtype=np.int64).reshape(-1, 3),
            np.ascontiguousarray(flat[:, 0]),
            np.ascontiguousarray(flat[:, 1]),
            np.cumsum(lengths)[:-1],
            np.array(entries, dtype=np.int64),
        )
        return Tape(
            sum(EXTENSION_DEGREE if wide else 1 for wide in is_wide),
            tuple(lowering.scalars.leaves),
            program,
            binding,
            np.array(program.code, dtype=np.int32),
        )

    @property
    def operations(self) -> Counter[str]:
        """Operations on base field elements that one row costs, by kind."""
        return self.program.operations

    def bind(self, constants: Mapping[Cell, int | Extension]) -> Montgomery:
        """The weights of the program for the row-constants of one proof."""
        from prover.air.tape_kernel import evaluate_scalars

        leaves = np.zeros((len(self.row_constants), EXTENSION_DEGREE), dtype=np.int64)
        for position, cell in enumerate(self.row_constants):
            value = constants.get(cell)
            if value is None:
                raise ValueError(f"the row-constants lack {cell.kind} {cell.index} of round {cell.round}")
            leaves[position] = (value, 0, 0, 0, 0) if isinstance(value, int) else value
        binding = self._binding
        values = np.zeros((len(binding.scalar_program), EXTENSION_DEGREE), dtype=np.int64)
        evaluate_scalars(binding.scalar_program, leaves % PRIME, values)
        products = values[binding.scalars] * binding.factors[:, None] % PRIME
        if not products.size:
            return np.zeros(0, dtype=np.uint32)
        w = np.add.reduceat(products, binding.starts) % PRIME
        w0, w1, w2, w3, w4 = w.T
        table = np.concatenate([w, np.stack([w1 - w4, w0 - w3, w4 - w2, w3 - w1 + w4], axis=1)], axis=1)
        return encode(table.reshape(-1)[binding.entries])

    def run(
        self,
        sources: Sources,
        constants: Mapping[Cell, int | Extension],
        out: Montgomery,
        *,
        threads: int,
    ) -> None:
        """Fill `out` (planes, height) with the values of the outputs on every row."""
        from prover.air.tape_kernel import run_blocks

        height = sources.height
        if height & (height - 1) or not height:
            raise ValueError(f"the height {height} is not a power of two")
        if out.shape != (self.planes, height) or out.dtype != np.uint32 or not _is_packed(out):
            raise ValueError(f"the output must be ({self.planes}, {height}) contiguous rows of 32-bit words")
        table, alive = _locate(sources, self.program.columns)
        target = out if height >= VECTOR_ROWS else np.empty((self.planes, VECTOR_ROWS), dtype=np.uint32)
        weights = self.bind(constants)
        out_address, out_stride = target.ctypes.data, target.strides[0] // WORD_BYTES
        words = self.program.slots * SLOT_WORDS

        def work(first_block: int, last_block: int) -> None:
            scratch = np.zeros(words + VECTOR_ROWS, dtype=np.uint32)
            start = -scratch.ctypes.data // WORD_BYTES % VECTOR_ROWS
            run_blocks(
                self._code,
                weights,
                table,
                out_address,
                out_stride,
                target.shape[1],
                first_block,
                last_block,
                scratch[start : start + words],
            )

        run_slices(threads, math.ceil(height / BLOCK_ROWS), work, multiple=1)
        del alive  # Until here the kernel has read from these arrays.
        if target is not out:
            out[:] = target[:, :height]
