"""From forms to a program: which sums are computed together, in which order, by which instructions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from prover.air.lowering import Atom, Coefficient, Form, Lowering
from prover.air.program import (
    Column,
    Instruction,
    Program,
    Weight,
    assign_places,
    count_operations,
    encode_instruction,
)
from prover.air.tape_kernel_format import EXTENSION_DEGREE, MULTIPLICATION, PLANES, Opcode
from prover.field.koalabear import PRIME

_CHUNK_TERMS = 48
"""An output's atoms are summed when so many are ready, so that they do not all wait in the scratch."""

_GROUP_MINIMUM_TERMS = 6
"""Shorter sums are not computed five at a time: sharing their operands would save nothing."""


Term = tuple[int, Coefficient, int]
"""An operand, its coefficient, and the entry of the coefficient's table."""


class ProgramWriter:
    """Writes instructions for the atoms that the outputs need, in an order that lets registers be used again."""

    def __init__(self, lowering: Lowering, wide_outputs: Sequence[bool]) -> None:
        self._lowering = lowering
        self._atoms = lowering.atoms
        self._columns: dict[Column, int] = {}
        self._planes: dict[int, list[int]] = {}
        self._registers = 0
        self.instructions: list[Instruction] = []
        self._coefficients: dict[int | frozenset[tuple[int, int]], int] = {}
        self.coefficient_list: list[Coefficient] = []
        self.weights: list[Weight] = []
        self._uses = self._count_uses()
        self._cubes = self._find_cubes()
        self._shifted = self._find_shifted()
        self._groups = self._group_sums()
        self._write(wide_outputs)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the program reads, in the order of their slots."""
        return tuple(self._columns)

    # Which atoms are needed, and which sums are worth computing together.

    def _count_uses(self) -> Counter[int]:
        uses = Counter(atom for form in self._lowering.outputs for atom in form.terms)
        for number in range(len(self._atoms) - 1, -1, -1):
            if uses[number]:
                atom = self._atoms[number]
                uses.update(atom.factors or ())
                uses.update(atom.form.terms.keys() if atom.form else ())
        return uses

    def _group_sums(self) -> dict[int, list[int]]:
        """Base-field sums over nearly the same atoms, five at a time, each under its members' numbers."""
        groups: dict[int, list[int]] = {}
        opened: list[int] = []
        union: set[int] = set()
        for number, atom in enumerate(self._atoms):
            form = atom.form
            if form is None or atom.is_extension or not self._uses[number]:
                continue
            if len(form.terms) < _GROUP_MINIMUM_TERMS or _is_signed_sum(form.terms.values()):
                continue
            merged = union | form.terms.keys()
            # The group is computed with its first member: nothing it reads may come later.
            is_ready = bool(opened) and all(
                part < opened[0] or self._atoms[part].cell is not None for part in form.terms
            )
            sizes = sum(len(self._form(member).terms) for member in opened) + len(form.terms)
            if is_ready and len(opened) < EXTENSION_DEGREE and len(merged) * (len(opened) + 1) <= 1.3 * sizes:
                opened.append(number)
                union = merged
            else:
                opened, union = [number], set(form.terms)
            groups[number] = opened
        # Five sums with one left empty still cost less than four alone; with fewer it does not pay.
        return {number: members for number, members in groups.items() if len(members) >= 4}

    def _find_cubes(self) -> dict[int, int]:
        """Products that are cubes, with what they are cubes of; their squares are needed by nobody else."""
        cubes: dict[int, int] = {}
        for number, atom in enumerate(self._atoms):
            for square, root in (atom.factors, atom.factors[::-1]) if atom.factors else ():
                is_square = self._atoms[square].factors == (root, root) and self._uses[square] == 1
                if is_square and self._uses[number] and not atom.is_extension:
                    cubes[number] = root
                    self._uses[square] = 0
                    break
        return cubes

    def _find_shifted(self) -> set[int]:
        """Atoms plus a constant that only one cube needs: the cube adds the constant itself."""
        shifted: set[int] = set()
        for root in self._cubes.values():
            form = self._atoms[root].form
            is_shift = form is not None and len(form.terms) == 1 and set(form.terms.values()) == {1}
            # Its uses are both factors of the square and the third one of the cube.
            if is_shift and self._uses[root] == 3 and form is not None:
                shifted.add(root)
                self._uses[root] = 0
        return shifted

    def _form(self, number: int) -> Form:
        form = self._atoms[number].form
        assert form is not None
        return form

    # Writing.

    def _write(self, wide_outputs: Sequence[bool]) -> None:
        forms = self._lowering.outputs
        waiting: list[list[int]] = [[] for _ in forms]
        sums: list[list[int] | None] = [None for _ in forms]
        readers: dict[int, list[int]] = {}
        left = [len(form.terms) for form in forms]
        plane_starts = [
            sum(EXTENSION_DEGREE if wide else 1 for wide in wide_outputs[:i]) for i in range(len(forms))
        ]
        for position, form in enumerate(forms):
            for atom in form.terms:
                if self._atoms[atom].cell is None:
                    readers.setdefault(atom, []).append(position)
                else:
                    waiting[position].append(atom)
                    left[position] -= 1

        def finish(position: int) -> None:
            part = _part(forms[position], waiting[position], last=True)
            planes = self._sum(part, wide_outputs[position], sums[position])
            for plane, operand in enumerate(planes):
                self._emit(Instruction(Opcode.STORE, [], [operand], plus=plane_starts[position] + plane))

        for position in range(len(forms)):
            if not left[position]:
                finish(position)
        for number in range(len(self._atoms)):
            if not self._uses[number]:
                continue
            self._compute(number)
            for position in readers.get(number, ()):
                waiting[position].append(number)
                left[position] -= 1
                if not left[position]:
                    finish(position)
                elif len(waiting[position]) >= _CHUNK_TERMS and wide_outputs[position]:
                    part = _part(forms[position], waiting[position], last=False)
                    sums[position] = self._sum(part, True, sums[position])
                    waiting[position] = []

    def _compute(self, number: int) -> None:
        atom = self._atoms[number]
        if number in self._planes:
            return
        if atom.cell is not None:
            self._planes[number] = self._column_operands(atom)
        elif atom.factors is not None:
            self._planes[number] = self._product(number, *atom.factors)
        elif number in self._groups:
            self._sum_group(self._groups[number])
        else:
            self._planes[number] = self._sum(self._form(number), atom.is_extension, None)

    def _column_operands(self, atom: Atom) -> list[int]:
        cell = atom.cell
        assert cell is not None
        operands = []
        for plane in PLANES if atom.is_extension else (0,):
            slot = self._columns.setdefault(
                Column(cell.kind, cell.round, cell.index, plane), len(self._columns)
            )
            operands.append(-1 - 2 * slot - cell.row_offset)
        return operands

    def _operands(self, number: int) -> list[int]:
        if self._atoms[number].cell is not None:
            self._compute(number)
        return self._planes[number]

    def _product(self, number: int, left: int, right: int) -> list[int]:
        if number in self._cubes:
            return self._cube(self._cubes[number])
        first, second = self._operands(left), self._operands(right)
        if len(first) == len(second) == EXTENSION_DEGREE:
            return self._emit(
                Instruction(Opcode.EXTENSION_MULTIPLY, self._new(EXTENSION_DEGREE), first + second)
            )
        longer, shorter = (first, second) if len(first) > len(second) else (second, first)
        outputs = []
        for operand in longer:
            outputs += self._emit(Instruction(Opcode.MULTIPLY, self._new(1), [operand, shorter[0]]))
        return outputs

    def _cube(self, root: int) -> list[int]:
        """The cube of an atom; a constant that is added before, as in hash rounds, is part of the instruction."""
        constant: Coefficient = 0
        form = self._atoms[root].form
        if root in self._shifted and form is not None:
            ((root, _),) = form.terms.items()
            constant = form.constant
        weight = len(self.weights)
        self.weights.append(Weight(self._coefficient(constant), 0))
        return self._emit(Instruction(Opcode.CUBE, self._new(1), self._operands(root), weights=weight))

    def _sum(self, form: Form, is_wide: bool, continued: list[int] | None) -> list[int]:
        """The planes of a form, added to the sums that are continued."""
        narrow: list[list[Term]] = [[] for _ in PLANES]
        wide: list[tuple[int, list[Weight]]] = []
        spare: list[tuple[int, Coefficient]] = []
        for number in sorted(form.terms):
            coefficient = form.terms[number]
            operands = self._operands(number)
            if not self._lowering.scalars.is_extension_coefficient(coefficient):
                if len(operands) == 1:
                    spare.append((operands[0], coefficient))
                else:
                    for plane, operand in enumerate(operands):
                        narrow[plane].append((operand, coefficient, 0))
            else:
                known = self._coefficient(coefficient)
                for power, operand in enumerate(operands):
                    wide.append((operand, [Weight(known, MULTIPLICATION[plane][power]) for plane in PLANES]))
        # One base term in a sum of five costs less among the others than as an instruction of its own.
        if wide and len(spare) <= 2 and not any(narrow):
            for operand, coefficient in spare:
                known, zero = self._coefficient(coefficient), self._coefficient(0)
                wide.append((operand, [Weight(known, 0)] + [Weight(zero, 0)] * (EXTENSION_DEGREE - 1)))
        else:
            narrow[0] += [(operand, coefficient, 0) for operand, coefficient in spare]
        constant = self._coefficient(form.constant)
        if not is_wide:
            return [self._narrow_sum(narrow[0], Weight(constant, 0), continued[0] if continued else None)]
        if wide:
            first = len(self.weights)
            self.weights += [Weight(constant, plane) for plane in PLANES]
            for _, weights in wide:
                self.weights += weights
            continued = self._emit(
                Instruction(
                    Opcode.WEIGHTED_SUMS,
                    self._new(EXTENSION_DEGREE),
                    [operand for operand, _ in wide],
                    continued or [],
                    first,
                )
            )
            constant = self._coefficient(0)
        return [
            self._narrow_sum(narrow[plane], Weight(constant, plane), continued[plane] if continued else None)
            for plane in PLANES
        ]

    def _narrow_sum(self, terms: list[Term], constant: Weight, continued: int | None) -> int:
        """One base-field sum, by the cheapest instruction that does it."""
        is_constant_zero = self.coefficient_list[constant.coefficient] == 0 or (
            isinstance(self.coefficient_list[constant.coefficient], int) and constant.entry != 0
        )
        if _is_signed_sum(coefficient for _, coefficient, _ in terms):
            plus = [operand for operand, coefficient, _ in terms if coefficient == 1]
            minus = [operand for operand, coefficient, _ in terms if coefficient != 1]
            if continued is not None:
                plus.append(continued)
            if is_constant_zero and len(plus) == 1 and not minus:
                return plus[0]
            if is_constant_zero and (len(plus), len(minus)) in {(2, 0), (1, 1)}:
                opcode = Opcode.SUBTRACT if minus else Opcode.ADD
                return self._emit(Instruction(opcode, self._new(1), plus + minus))[0]
            self.weights.append(constant)
            first = len(self.weights) - 1
            return self._emit(
                Instruction(Opcode.SIGNED_SUM, self._new(1), plus + minus, weights=first, plus=len(plus))
            )[0]
        first = len(self.weights)
        self.weights.append(constant)
        self.weights += [Weight(self._coefficient(coefficient), entry) for _, coefficient, entry in terms]
        inputs = [operand for operand, _, _ in terms]
        return self._emit(
            Instruction(
                Opcode.WEIGHTED_SUM, self._new(1), inputs, [] if continued is None else [continued], first
            )
        )[0]

    def _sum_group(self, members: list[int]) -> None:
        atoms = sorted({atom for member in members for atom in self._form(member).terms})
        first = len(self.weights)
        zero = Weight(self._coefficient(0), 0)
        spare = [zero] * (EXTENSION_DEGREE - len(members))
        self.weights += [
            Weight(self._coefficient(self._form(member).constant), 0) for member in members
        ] + spare
        inputs = []
        for atom in atoms:
            inputs += self._operands(atom)
            self.weights += [
                Weight(self._coefficient(self._form(member).terms.get(atom, 0)), 0) for member in members
            ] + spare
        outputs = self._emit(
            Instruction(Opcode.WEIGHTED_SUMS, self._new(EXTENSION_DEGREE), inputs, weights=first)
        )
        for member, output in zip(members, outputs, strict=False):
            self._planes[member] = [output]

    def _new(self, count: int) -> list[int]:
        self._registers += count
        return list(range(self._registers - count, self._registers))

    def _emit(self, instruction: Instruction) -> list[int]:
        # Kernels take terms in pairs: two products fit between reductions.
        if instruction.opcode in {Opcode.WEIGHTED_SUM, Opcode.WEIGHTED_SUMS} and len(instruction.inputs) % 2:
            instruction.inputs.append(instruction.inputs[0])
            width = len(instruction.outputs)
            self.weights += [Weight(self._coefficient(0), 0)] * width
        self.instructions.append(instruction)
        return instruction.outputs

    def _coefficient(self, coefficient: Coefficient) -> int:
        key = coefficient if isinstance(coefficient, int) else frozenset(coefficient.items())
        number = self._coefficients.setdefault(key, len(self.coefficient_list))
        if number == len(self.coefficient_list):
            self.coefficient_list.append(coefficient)
        return number


def _is_signed_sum(coefficients: Iterable[Coefficient]) -> bool:
    return all(coefficient in (1, PRIME - 1) for coefficient in coefficients)


def _part(form: Form, atoms: list[int], *, last: bool) -> Form:
    return Form({atom: form.terms[atom] for atom in atoms}, form.constant if last else 0)


def write_program(lowering: Lowering, wide_outputs: Sequence[bool]) -> Program:
    """The program for the forms of a lowering; an output that is wide fills five planes."""
    writer = ProgramWriter(lowering, wide_outputs)
    places, slots = assign_places(writer.instructions, len(writer.columns))
    code: list[int] = []
    for instruction in writer.instructions:
        code += encode_instruction(instruction, places)
    return Program(
        (*code, Opcode.END),
        writer.columns,
        slots,
        tuple(writer.coefficient_list),
        tuple(writer.weights),
        count_operations(writer.instructions),
    )
