"""The straight-line program that computes forms: instructions, their operands' places, their cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from prover.air.expression import CellKind
from prover.air.lowering import Coefficient
from prover.air.tape_kernel_format import EXTENSION_DEGREE, SLOT_WORDS, WORD_BYTES, Opcode


class Column(NamedTuple):
    """A base-field column that the program reads; plane is the coordinate of an extension-valued one."""

    kind: CellKind
    round: int
    position: int
    plane: int


@dataclass(slots=True)
class Instruction:
    """One instruction before its operands have places: registers count up from 0, columns down from -1."""

    opcode: Opcode
    outputs: list[int]
    inputs: list[int]
    continued: list[int] = field(default_factory=list)
    weights: int = 0
    plus: int = 0


class Weight(NamedTuple):
    """A coefficient's number and the entry of its multiplication table that is the weight."""

    coefficient: int
    entry: int


@dataclass(frozen=True, slots=True)
class Program:
    """What the interpreter runs, and what its weights are made of."""

    code: tuple[int, ...]
    columns: tuple[Column, ...]
    slots: int
    coefficients: tuple[Coefficient, ...]
    weights: tuple[Weight, ...]
    operations: Counter[str]
    """Operations on base field elements that one row costs, by kind."""


def assign_places(instructions: list[Instruction], columns: int) -> tuple[dict[int, int], int]:
    """The scratch offset of every operand; a register's place is free again after its last reader."""
    last_reader: dict[int, int] = {}
    for position, instruction in enumerate(instructions):
        for operand in (*instruction.inputs, *instruction.continued, *instruction.outputs):
            last_reader[operand] = position
    places = {operand: _column_place(operand) for operand in last_reader if operand < 0}
    free: list[int] = []
    slots = columns
    for position, instruction in enumerate(instructions):
        # Every instruction loads all operands of some rows before it stores results to these rows,
        # so a result may take the place of an operand.
        read = dict.fromkeys((*instruction.inputs, *instruction.continued))
        free += [places[operand] for operand in read if operand >= 0 and last_reader[operand] == position]
        for operand in instruction.outputs:
            if free:
                places[operand] = free.pop()
            else:
                places[operand] = WORD_BYTES * slots * SLOT_WORDS
                slots += 1
        free += [places[operand] for operand in instruction.outputs if last_reader[operand] == position]
    return places, slots


def _column_place(operand: int) -> int:
    slot, row_offset = divmod(-1 - operand, 2)
    return WORD_BYTES * (slot * SLOT_WORDS + row_offset)


def encode_instruction(instruction: Instruction, places: dict[int, int]) -> list[int]:
    """The words of an instruction, as `tape_kernel_format` lays them out."""
    outputs, inputs, continued = (
        [places[operand] for operand in operands]
        for operands in (instruction.outputs, instruction.inputs, instruction.continued)
    )
    weights = WORD_BYTES * instruction.weights
    match instruction.opcode:
        case Opcode.STORE:
            return [Opcode.STORE, instruction.plus, *inputs]
        case Opcode.CUBE:
            return [Opcode.CUBE, *outputs, weights, *inputs]
        case Opcode.SIGNED_SUM:
            minus = len(inputs) - instruction.plus
            return [Opcode.SIGNED_SUM, *outputs, weights, instruction.plus, minus, *inputs]
        case Opcode.WEIGHTED_SUM | Opcode.WEIGHTED_SUMS:
            continued = continued or [-1] * len(outputs)
            return [instruction.opcode, *outputs, weights, len(inputs) // 2, *continued, *inputs]
        case _:
            return [instruction.opcode, *outputs, *inputs]


def count_operations(instructions: list[Instruction]) -> Counter[str]:
    """Operations on base field elements that one row costs, by kind."""
    operations: Counter[str] = Counter()
    for instruction in instructions:
        match instruction.opcode:
            case Opcode.MULTIPLY:
                operations["multiplications"] += 1
            case Opcode.CUBE:
                operations["multiplications"] += 2
                operations["additions"] += 1
            case Opcode.EXTENSION_MULTIPLY:
                operations["product terms"] += EXTENSION_DEGREE**2
            case Opcode.ADD | Opcode.SUBTRACT:
                operations["additions"] += 1
            case Opcode.SIGNED_SUM:
                operations["additions"] += len(instruction.inputs)
            case Opcode.WEIGHTED_SUM | Opcode.WEIGHTED_SUMS:
                operations["weighted terms"] += len(instruction.inputs) * len(instruction.outputs)
            case _:
                pass
    return operations
