"""Run a program on the values of a proof: every wire's value.

The instructions are encoded as words, and one compiled loop runs over them: `prover.recursion.execution_kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.recursion.execution_kernels import MULTIPLY, PACK, PERMUTE, SCRATCH_WORDS, UNPACK, run_code
from prover.recursion.program import (
    VECTOR,
    Multiplication,
    Packing,
    Permutation,
    Program,
    public_messages,
)
from prover.stark.shape import EXTENSION_DEGREE

Words = NDArray[np.int64]

CODE_WORDS = 11
"""Words of an encoded instruction: an opcode and its operands."""

EVERYTHING_HOLDS = -1


@dataclass(frozen=True, slots=True, eq=False)
class CompiledProgram:
    """A program as arrays of words: some megabytes, where the instructions are hundreds of them."""

    code: Words
    scalar_count: int
    vector_count: int
    sibling_count: int
    inputs: Words
    """The extension wires of the proof's base field elements."""
    vector_inputs: Words
    publics: Words
    """The extension wires of the public values, one each."""
    public_zeros: int
    counts: Mapping[str, int]
    """How many instructions of each kind there are."""

    @classmethod
    def compile(cls, program: Program) -> CompiledProgram:
        """Encode every instruction."""
        permutations = 0
        rows: list[tuple[int, ...]] = []
        for instruction in program.instructions:
            match instruction:
                case Multiplication(solve, left, right, addend, constant, result, source, bit):
                    rows.append((MULTIPLY, solve, left, right, addend, constant, result, source, bit, 0, 0))
                case Permutation(first, second, bit, tag, forward, digest, rest, sibling, required):
                    flags = int(forward) + 2 * int(required)
                    rows.append(
                        (PERMUTE, first, second, bit, tag, flags, digest, rest, sibling, permutations, 0)
                    )
                    permutations += 1
                case Packing(vector, elements, writes_vector):
                    rows.append((PACK if writes_vector else UNPACK, vector, *elements, 0))
        return cls(
            np.array(rows, dtype=np.int64).reshape(-1, CODE_WORDS),
            program.scalar_count,
            program.vector_count,
            program.sibling_count,
            np.array(program.inputs, dtype=np.int64),
            np.array(program.vector_inputs, dtype=np.int64),
            np.array(program.publics, dtype=np.int64),
            program.public_zeros,
            program.counts(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """The values of all wires, canonical, and every permutation's input."""

    scalars: Words
    vectors: Words
    permuted: Words
    """The inputs of the permutations, one a row."""
    failed: int
    """The first instruction whose requirement does not hold, or EVERYTHING_HOLDS."""


def execute(
    compiled: CompiledProgram,
    publics: Sequence[int],
    elements: Sequence[int],
    roots: Sequence[Sequence[int]],
    siblings: Sequence[Sequence[int]],
) -> Execution:
    """Replay the program; where a requirement fails it goes on, so that a forger's trace can be laid out too."""
    scalars = np.zeros((compiled.scalar_count, EXTENSION_DEGREE), dtype=np.int64)
    vectors = np.zeros((compiled.vector_count, VECTOR), dtype=np.int64)
    if len(elements) != len(compiled.inputs) or len(roots) != len(compiled.vector_inputs):
        raise ProofRefused(Reason.SHAPE, "the proof is not of the shape that the program verifies")
    public_count = len(compiled.publics) + compiled.public_zeros
    if len(siblings) != compiled.sibling_count or len(publics) != public_count:
        raise ProofRefused(Reason.SHAPE, "the proof is not of the shape that the program verifies")
    messages = public_messages(len(publics))
    scalars[:messages].reshape(-1)[: len(publics)] = publics
    scalars[messages, 1] = 1
    scalars[compiled.publics, 0] = publics[: len(compiled.publics)]
    scalars[compiled.inputs, 0] = elements
    vectors[compiled.vector_inputs] = _vectors(roots)
    permuted = np.zeros((compiled.counts.get("permutation", 0), WIDTH), dtype=np.int64)
    constants, matrix = _poseidon_numbers()
    failed = run_code(
        compiled.code,
        scalars,
        vectors,
        _vectors(siblings),
        permuted,
        constants,
        matrix,
        _frobenius_matrix(),
        np.zeros(SCRATCH_WORDS, dtype=np.int64),
    )
    return Execution(scalars, vectors, permuted, int(failed))


def _vectors(values: Sequence[Sequence[int]]) -> Words:
    return np.array(values, dtype=np.int64).reshape(-1, VECTOR)


@cache
def _poseidon_numbers() -> tuple[Words, Words]:
    first = POSEIDON16_20.mds_first_row
    matrix = [[first[(column - row) % WIDTH] for column in range(WIDTH)] for row in range(WIDTH)]
    return np.array(POSEIDON16_20.round_constants, dtype=np.int64), np.array(matrix, dtype=np.int64)


@cache
def _frobenius_matrix() -> Words:
    """Row i: the coordinates of X^i raised to the prime."""
    from prover.stark.numbers import Quintic

    power, square, exponent = Quintic([1, 0, 0, 0, 0]), Quintic([0, 1, 0, 0, 0]), PRIME
    while exponent:
        power = power * square if exponent & 1 else power
        square, exponent = square * square, exponent >> 1
    rows = [Quintic([1, 0, 0, 0, 0])]
    for _ in range(EXTENSION_DEGREE - 1):
        rows.append(rows[-1] * power)
    return np.array([[int(c) for c in row.coordinates] for row in rows], dtype=np.int64)
