"""Wires and the recorder: what the verifier asks of its arithmetic is written down as instructions.

A wire has no value, so the verifier cannot look at one.
Constants are folded, equal instructions are written once, and the elements of a vector become wires when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prover.field.koalabear import PRIME
from prover.recursion.program import (
    NOTHING,
    VECTOR,
    Instruction,
    Multiplication,
    Packing,
    Permutation,
    ProgramError,
    Solve,
    public_messages,
)
from prover.stark.numbers import Quintic
from prover.stark.shape import EXTENSION_DEGREE
from prover.transcript import UNIFORM_BITS

ELEMENT_BITS = 31
"""Bits of a canonical element: p - 1 = 127 * 2^24 takes seven more than the uniform ones."""

Constant = tuple[int, int, int, int, int]

ZERO: Constant = (0, 0, 0, 0, 0)
ONE: Constant = (1, 0, 0, 0, 0)


@dataclass(slots=True, eq=False)
class Scalar:
    """An element of the field or its extension: a constant, an element of a vector, or a wire."""

    recorder: Recorder
    constant: Constant | None = None
    vector: int = NOTHING
    place: int = NOTHING
    number: int = NOTHING

    @property
    def wire(self) -> int:
        """The number of the wire, which is written down now if it was not yet."""
        if self.number == NOTHING:
            self.number = self.recorder.materialise(self)
        return self.number

    def __add__(self, other: Scalar | int) -> Scalar:
        return self.recorder.add(self, self.recorder.lift(other))

    def __sub__(self, other: Scalar | int) -> Scalar:
        return self.recorder.subtract(self, self.recorder.lift(other))

    def __mul__(self, other: Scalar | int) -> Scalar:
        return self.recorder.multiply(self, self.recorder.lift(other))


@dataclass(slots=True, eq=False)
class Vector:
    """Eight base field elements under one number: a root, a node, a leaf."""

    recorder: Recorder
    number: int

    def elements(self) -> tuple[Scalar, ...]:
        """Its elements, each a wire as soon as it is read."""
        return self.recorder.elements_of(self.number)


@dataclass(slots=True, eq=False)
class Sibling:
    """A node beside a path: the witness's alone, since one compression reads it and nothing else."""

    number: int


class Recorder:
    """Writes down instructions, each new one under a new number."""

    def __init__(self, public_count: int, zeros: int = 0) -> None:
        """So many public values, and behind them so many that are zero."""
        self.instructions: list[Instruction] = []
        self._public_messages = public_messages(public_count + zeros)
        self.scalar_count = self._public_messages + 1
        self.vector_count = 0
        self.inputs: list[int] = []
        self.vector_inputs: list[int] = []
        self.sibling_count = 0
        self._input_set: set[int] = set()
        self._constants: dict[Constant, Scalar] = {}
        self._written: dict[tuple[object, ...], Scalar] = {}
        self._elements: dict[int, tuple[Scalar, ...]] = {}
        self._unpacked: dict[int, tuple[int, ...]] = {}
        self._packed: dict[tuple[object, ...], int] = {}
        self._makers: dict[int, int] = {}
        self.unit = self._copy_of(self._public_messages)
        self.publics = [self._unwritten() for _ in range(public_count)]

    # Values that come from outside.

    def input(self) -> Scalar:
        """A base field element of the proof; the packing that hashes it writes it."""
        number = self._unwritten()
        self.inputs.append(number)
        return Scalar(self, number=number)

    def bind_publics(self) -> None:
        """Require that the public values, and the zeros behind them, are those that the tables give.

        A value that no packing has hashed is packed here.
        Soundness: what a packing writes is an element of the base field.
        Otherwise five values of one message could trade places with each other's multiples of X.
        """
        unpacked = [number for number in self.publics if number in self._input_set]
        zero = self.constant(ZERO)
        for start in range(0, len(unpacked), VECTOR):
            values = [Scalar(self, number=number) for number in unpacked[start : start + VECTOR]]
            self.vector_of(values + [zero] * (VECTOR - len(values)))
        values = [Scalar(self, number=number) for number in self.publics]
        values += [zero] * (self._public_messages * EXTENSION_DEGREE - len(values))
        for message in range(self._public_messages):
            coordinates = values[message * EXTENSION_DEGREE : (message + 1) * EXTENSION_DEGREE]
            self.require_equal(self.extension(coordinates), Scalar(self, number=message))

    def input_vector(self) -> Vector:
        """A root of the proof; the first permutation that absorbs it writes it."""
        number = self._new_vector()
        self.vector_inputs.append(number)
        return Vector(self, number)

    def input_sibling(self) -> Sibling:
        """A node beside a path."""
        self.sibling_count += 1
        return Sibling(self.sibling_count - 1)

    def lift(self, value: Scalar | int) -> Scalar:
        """Integers become constants."""
        return value if isinstance(value, Scalar) else self.base(value)

    def base(self, value: int) -> Scalar:
        """A constant of the base field."""
        return self.constant((value % PRIME, 0, 0, 0, 0))

    def constant(self, value: Constant) -> Scalar:
        """A constant; its wire is written when it is first read."""
        found = self._constants.get(value)
        if found is None:
            found = self._constants[value] = Scalar(self, constant=value)
        return found

    # Arithmetic.

    def add(self, left: Scalar, right: Scalar) -> Scalar:
        """left + right."""
        if left.constant is not None and right.constant is not None:
            return self.constant(_quintic(Quintic(left.constant) + Quintic(right.constant)))
        if left.constant is not None:
            left, right = right, left
        if right.constant == ZERO:
            return left
        if right.constant is not None and not any(right.constant[1:]):
            return self._result(left, self.constant(ONE), self.constant(ZERO), right.constant[0])
        return self._result(left, self.constant(ONE), right, 0)

    def subtract(self, left: Scalar, right: Scalar) -> Scalar:
        """left - right: the wire that gives left when right is added."""
        if right.constant is not None:
            negative = Quintic(ZERO) - Quintic(right.constant)
            return self.add(left, self.constant(_quintic(negative)))
        key = ("subtract", self._name(left), self._name(right))
        found = self._written.get(key)
        if found is None:
            found = self._written[key] = Scalar(self, number=self._new_scalar())
            one = self.constant(ONE).wire
            self.instructions.append(
                Multiplication(Solve.LEFT_BY_DIFFERENCE, found.number, one, right.wire, 0, left.wire)
            )
        return found

    def multiply(self, left: Scalar, right: Scalar) -> Scalar:
        """left * right."""
        if left.constant is not None and right.constant is not None:
            return self.constant(_quintic(Quintic(left.constant) * Quintic(right.constant)))
        if left.constant is not None:
            left, right = right, left
        if right.constant == ZERO:
            return self.constant(ZERO)
        if right.constant == ONE:
            return left
        return self._result(left, right, self.constant(ZERO), 0)

    def inverse(self, value: Scalar) -> Scalar:
        """1 / value; no witness exists for zero."""
        if value.constant is not None:
            raise ValueError("the verifier inverts no constant")
        key = ("inverse", value.wire)
        found = self._written.get(key)
        if found is None:
            found = self._written[key] = Scalar(self, number=self._new_scalar())
            one, zero = self.constant(ONE), self.constant(ZERO)
            self.instructions.append(
                Multiplication(Solve.LEFT_BY_QUOTIENT, found.number, value.wire, zero.wire, 0, one.wire)
            )
        return found

    def require_equal(self, left: Scalar, right: Scalar) -> None:
        """No witness exists unless both are the same."""
        one, zero = self.constant(ONE), self.constant(ZERO)
        self.instructions.append(Multiplication(Solve.NONE, left.wire, one.wire, zero.wire, 0, right.wire))

    def extension(self, coordinates: Sequence[Scalar]) -> Scalar:
        """The sum of coordinate times X^i, by Horner's rule."""
        if all(coordinate.constant is not None for coordinate in coordinates):
            a, b, c, d, e = (coordinate.constant[0] for coordinate in coordinates if coordinate.constant)
            return self.constant((a, b, c, d, e))
        unit = Scalar(self, number=self.unit)
        total = coordinates[-1]
        for coordinate in reversed(coordinates[:-1]):
            total = total * unit + coordinate
        return total

    def bits(self, element: Scalar, count: int) -> list[Scalar]:
        """The lowest bits of a base field element, which is not p - 1.

        Soundness: the bits are those of a number below 2^31, and its seven high bits are not all one.
        So it is below 127 * 2^24 = p - 1, and no other number stands for the same element.
        """
        zero = self.constant(ZERO)
        found = []
        for place in range(ELEMENT_BITS):
            bit = self._new_scalar()
            self.instructions.append(
                Multiplication(Solve.LEFT_AS_BIT, bit, bit, zero.wire, 0, bit, element.wire, place)
            )
            found.append(Scalar(self, number=bit))
        total = found[-1]
        for bit_wire in reversed(found[1:-1]):
            total = total * 2 + bit_wire
        self.instructions.append(
            Multiplication(Solve.NONE, total.wire, self.base(2).wire, found[0].wire, 0, element.wire)
        )
        product = found[UNIFORM_BITS]
        for bit_wire in found[UNIFORM_BITS + 1 : -1]:
            product = product * bit_wire
        self.instructions.append(
            Multiplication(Solve.NONE, product.wire, found[-1].wire, zero.wire, 0, zero.wire)
        )
        return found[:count]

    # Hashes.

    def permute(self, state: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """The bare permutation of sixteen elements, as a sponge uses it."""
        digest, rest = self._new_vector(), self._new_vector()
        first, second = self.vector_of(state[:VECTOR]), self.vector_of(state[VECTOR:])
        self._makers[digest] = len(self.instructions)
        self.instructions.append(Permutation(first, second, self.constant(ZERO).wire, 0, False, digest, rest))
        return *self.elements_of(digest), *self.elements_of(rest)

    def compress(self, bit: Scalar, node: int, other: int | Sibling, level: int) -> Vector:
        """The parent of two nodes, the first one the right child where the bit is one."""
        digest = self._new_vector()
        sibling = other.number if isinstance(other, Sibling) else NOTHING
        second = NOTHING if isinstance(other, Sibling) else other
        self._makers[digest] = len(self.instructions)
        self.instructions.append(
            Permutation(node, second, bit.wire, level + 1, True, digest, NOTHING, sibling)
        )
        return Vector(self, digest)

    def require_same_digest(self, left: Vector, right: Vector) -> None:
        """The instruction that made the left one has to give the right one."""
        place = self._makers.pop(left.number)
        maker = self.instructions[place]
        if not isinstance(maker, Permutation):
            raise ProgramError("only the digest of a permutation can be required to be another one")
        self.instructions[place] = replace(maker, digest=right.number, is_requirement=True)

    def elements_of(self, vector: int) -> tuple[Scalar, ...]:
        """The elements of a vector, not yet wires of their own."""
        found = self._elements.get(vector)
        if found is None:
            found = tuple(Scalar(self, vector=vector, place=place) for place in range(VECTOR))
            self._elements[vector] = found
        return found

    def vector_of(self, elements: Sequence[Scalar]) -> int:
        """The number of a vector with these elements: one that has them already, or a packing of wires."""
        first = elements[0]
        if first.vector != NOTHING and all(
            element.vector == first.vector and element.place == place
            for place, element in enumerate(elements)
        ):
            return first.vector
        key = tuple(self._name(element) for element in elements)
        found = self._packed.get(key)
        if found is None:
            wires = tuple(element.wire for element in elements)
            found = self._packed[key] = self._new_vector()
            written = tuple(wire in self._input_set for wire in wires)
            self._input_set.difference_update(wires)
            self.instructions.append(Packing(found, wires, True, written))
        return found

    def materialise(self, scalar: Scalar) -> int:
        """Write down a constant, or the elements of a vector."""
        if scalar.constant is not None:
            return self._write_constant(scalar.constant)
        wires = self._unpacked.get(scalar.vector)
        if wires is None:
            wires = tuple(self._new_scalar() for _ in range(VECTOR))
            self._unpacked[scalar.vector] = wires
            self.instructions.append(Packing(scalar.vector, wires, False, (True,) * VECTOR))
        return wires[scalar.place]

    def unwritten_inputs(self) -> set[int]:
        """Inputs that nothing has hashed."""
        return self._input_set

    def _write_constant(self, value: Constant) -> int:
        if any(value[1:]):
            unit = Scalar(self, number=self.unit)
            total = self.base(value[-1])
            for coordinate in reversed(value[:-1]):
                total = total * unit + self.base(coordinate)
            return total.wire
        number = self._new_scalar()
        # The wire of zero reads itself: z * z + z = z holds for zero alone.
        zero = number if value == ZERO else self.constant(ZERO).wire
        self.instructions.append(Multiplication(Solve.RESULT, zero, zero, zero, value[0], number))
        return number

    def _copy_of(self, given: int) -> int:
        """A wire with the value of one that the tables give, which is read once only."""
        number = self._new_scalar()
        one, zero = self.constant(ONE), self.constant(ZERO)
        self.instructions.append(Multiplication(Solve.RESULT, given, one.wire, zero.wire, 0, number))
        return number

    def _unwritten(self) -> int:
        """A wire that the packing that hashes it writes."""
        number = self._new_scalar()
        self._input_set.add(number)
        return number

    def _result(self, left: Scalar, right: Scalar, addend: Scalar, constant: int) -> Scalar:
        names = (self._name(left), self._name(right), self._name(addend))
        key = ("result", *names, constant)
        found = self._written.get(key)
        if found is None:
            operands = (left.wire, right.wire, addend.wire)
            found = self._written[key] = Scalar(self, number=self._new_scalar())
            self.instructions.append(Multiplication(Solve.RESULT, *operands, constant, found.wire))
        return found

    def _name(self, scalar: Scalar) -> object:
        """What tells a scalar from all others, without writing it down."""
        if scalar.constant is not None:
            return scalar.constant
        if scalar.number != NOTHING:
            return scalar.number
        return scalar.vector, scalar.place

    def _new_scalar(self) -> int:
        self.scalar_count += 1
        return self.scalar_count - 1

    def _new_vector(self) -> int:
        self.vector_count += 1
        return self.vector_count - 1


def _quintic(value: Quintic) -> Constant:
    a, b, c, d, e = (int(coordinate) for coordinate in value.coordinates)
    return a, b, c, d, e
