"""Make a recorded program shorter: a product that is only added becomes one instruction with the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from prover.recursion.program import NOTHING, Instruction, Multiplication, Permutation, Solve


def scalars_read(instruction: Instruction) -> tuple[int, ...]:
    """The extension wires that an instruction reads, each as often as it reads them."""
    if isinstance(instruction, Multiplication):
        if instruction.solve is Solve.RESULT:
            return instruction.left, instruction.right, instruction.addend
        if instruction.solve is Solve.NONE:
            return instruction.left, instruction.right, instruction.addend, instruction.result
        return instruction.right, instruction.addend, instruction.result
    if isinstance(instruction, Permutation):
        return (instruction.bit,)
    pairs = zip(instruction.elements, instruction.written_elements, strict=True)
    return tuple(wire for wire, is_written in pairs if not is_written)


def count_reads(instructions: Sequence[Instruction]) -> Counter[int]:
    """How often every extension wire is read."""
    return Counter(chain.from_iterable(map(scalars_read, instructions)))


def scalar_written(instruction: Instruction) -> int:
    """The extension wire that a multiplication writes; NOTHING for every other instruction."""
    if not isinstance(instruction, Multiplication) or instruction.solve is Solve.NONE:
        return NOTHING
    return instruction.result if instruction.solve is Solve.RESULT else instruction.left


def simplify(instructions: Sequence[Instruction], zero: int, one: int) -> list[Instruction]:
    """The same requirements on the same inputs, with fewer multiplications."""
    return _fuse(_without_unread(instructions), zero, one)


def _without_unread(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Drop what computes a value that nothing reads; what requires or refuses something stays."""
    reads = count_reads(instructions)
    kept: list[Instruction] = []
    for instruction in reversed(instructions):
        written = scalar_written(instruction)
        solve = instruction.solve if isinstance(instruction, Multiplication) else Solve.NONE
        # Soundness: a bit that nothing reads still bounds the number it is part of, and an inverse refuses zero.
        is_computed = solve in (Solve.RESULT, Solve.LEFT_BY_DIFFERENCE)
        if is_computed and not reads[written]:
            reads.subtract(scalars_read(instruction))
        else:
            kept.append(instruction)
    return kept[::-1]


def _fuse(instructions: Sequence[Instruction], zero: int, one: int) -> list[Instruction]:
    reads = count_reads(instructions)
    makers: dict[int, int] = {}
    fused: list[Instruction | None] = []
    for instruction in instructions:
        if isinstance(instruction, Multiplication) and instruction.solve is Solve.RESULT:
            instruction = _fused(instruction, fused, makers, reads, zero, one)  # noqa: PLW2901 - its longer form
            makers[instruction.result] = len(fused)
        fused.append(instruction)
    return [instruction for instruction in fused if instruction is not None]


def _fused(
    instruction: Multiplication,
    fused: list[Instruction | None],
    makers: dict[int, int],
    reads: Counter[int],
    zero: int,
    one: int,
) -> Multiplication:
    """The instruction, or one that also does the product which it alone reads."""
    if instruction.right != one:
        return instruction
    for product, addend in ((instruction.left, instruction.addend), (instruction.addend, instruction.left)):
        place = makers.get(product)
        if place is None or reads[product] != 1:
            continue
        maker = fused[place]
        if not isinstance(maker, Multiplication):
            continue
        if zero not in {maker.addend, addend} or (maker.constant and instruction.constant):
            continue
        fused[place] = None
        del makers[product]
        return Multiplication(
            Solve.RESULT,
            maker.left,
            maker.right,
            maker.addend if addend == zero else addend,
            maker.constant or instruction.constant,
            instruction.result,
        )
    return instruction
