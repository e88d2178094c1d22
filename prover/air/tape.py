"""The prover's reader of expressions: all rows at once, as a straight-line program over blocks of rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prover.air.expression import Cell, CellKind, Expression
from prover.air.lowering import EXTENSION_DEGREE, Lowering, ScalarOperation
from prover.air.program import BLOCK_ROWS, SLOT_WORDS, TABLE_ENTRIES, Column, Program, write_program
from prover.air.table import Extension
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.threads import run_slices

VECTOR_ROWS = 16
"""Rows of one vector, which fills a cache line: blocks start on such a line, so that no vector spans two."""

_WORD_BYTES = 4


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

    def column(self, column: Column) -> Montgomery:
        """The rows of one column, or one period of it."""
        if column.kind is CellKind.PERIODIC:
            found = self.periodic[column.index] if column.index < len(self.periodic) else None
        else:
            matrix, index = self._matrix(column)
            found = None if matrix is None or index >= len(matrix) else matrix[index]
        if found is None:
            raise ValueError(f"the sources hold no {column.kind} {column.index}")
        if found.dtype != np.uint32 or found.ndim != 1 or found.strides != (_WORD_BYTES,):
            raise ValueError(f"{column.kind} {column.index} is not a contiguous row of 32-bit words")
        is_divisor = found.size > 0 and self.height % found.size == 0
        if found.size != self.height and not (column.kind is CellKind.PERIODIC and is_divisor):
            raise ValueError(f"{column.kind} {column.index} has {found.size} rows of {self.height}")
        return found

    def _matrix(self, column: Column) -> tuple[Montgomery | None, int]:
        match column.kind:
            case CellKind.MAIN:
                return self.main, column.index
            case CellKind.PREPROCESSED:
                return self.preprocessed, column.index
            case CellKind.SELECTOR:
                return self.selectors, column.index
            case _:
                return self.challenge.get(column.round), EXTENSION_DEGREE * column.index + column.plane


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
        if out.shape != (self.planes, height) or out.dtype != np.uint32 or out.strides[1] != _WORD_BYTES:
            raise ValueError(f"the output must be ({self.planes}, {height}) contiguous rows of 32-bit words")
        # The kernel sees raw addresses: these names keep what they point to alive.
        arrays = [_at_least_one_vector(sources.column(column)) for column in self.program.columns]
        target = out if height >= VECTOR_ROWS else np.empty((self.planes, VECTOR_ROWS), dtype=np.uint32)
        table = np.array([(array.ctypes.data, array.size) for array in arrays], dtype=np.int64).reshape(-1, 2)
        weights = self.bind(constants)
        out_address, out_stride = target.ctypes.data, target.strides[0] // _WORD_BYTES
        words = self.program.slots * SLOT_WORDS

        def work(first_block: int, last_block: int) -> None:
            scratch = np.zeros(words + VECTOR_ROWS, dtype=np.uint32)
            start = -scratch.ctypes.data // _WORD_BYTES % VECTOR_ROWS
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
        if target is not out:
            out[:] = target[:, :height]


def _at_least_one_vector(column: Montgomery) -> Montgomery:
    """A column of fewer rows than a vector, repeated: the row below its last one is its first one again."""
    return column if column.size >= VECTOR_ROWS else np.tile(column, VECTOR_ROWS // column.size)
