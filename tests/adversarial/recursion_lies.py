"""Small programs of the recursion tables, and provers who lie in one place of them.

A program is replayed here by plain arithmetic, with some wires forced to what a liar wants; then it is laid out by the
project's own layouts, and cells are changed. What is broken is told by name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from prover.air.bus import Direction
from prover.air.table import Scope
from prover.field.koalabear import PRIME, decode
from prover.hash.poseidon import permute
from prover.hash.poseidon_parameters import POSEIDON16_20
from prover.recursion.execution import EVERYTHING_HOLDS, CompiledProgram, Execution, execute
from prover.recursion.layout import Layout, lay_out
from prover.recursion.program import NOTHING, Multiplication, Packing, Permutation, Program, Solve
from prover.recursion.prove import Form, public_names
from prover.recursion.simplify import simplify
from prover.recursion.tables import recursion_circuit
from prover.recursion.terminal import terminal_circuit
from prover.recursion.terminal_layout import TerminalLayout, lay_out_terminal
from prover.recursion.wires import Recorder, Scalar
from prover.stark.circuit import Circuit
from prover.stark.numbers import Quintic, canonical
from tests.adversarial.deletions import Ground

Element = tuple[int, ...]
Row = dict[tuple[str, int], int]
Numbers = NDArray[np.int64]

RESULT = "coordinate {} of the result is the product's with the addend's"
"""What a row of a multiplication states, in both tables."""


def finished(recorder: Recorder, *, is_short: bool = True) -> Program:
    """The program that was recorded."""
    recorder.bind_publics()
    zero, one = recorder.base(0).wire, recorder.base(1).wire
    instructions = recorder.instructions
    return Program(
        tuple(simplify(instructions, zero, one) if is_short else instructions),
        recorder.scalar_count,
        recorder.vector_count,
        tuple(recorder.inputs),
        tuple(recorder.vector_inputs),
        recorder.sibling_count,
        tuple(recorder.publics),
        0,
        zero,
    )


def publics_of(recorder: Recorder) -> list[Scalar]:
    """The public values' wires."""
    return [Scalar(recorder, number=number) for number in recorder.publics]


@dataclass
class Lie:
    """What a liar forces; everything behind it is computed as it should be."""

    scalars: dict[int, Element] = field(default_factory=dict)
    """Wires, by number: the row that should have found the value states a falsehood."""
    vectors: Mapping[int, Sequence[int]] = field(default_factory=dict)
    inputs: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """What a permutation is done to, by its number among the permutations."""


@dataclass(frozen=True)
class Claim:
    """A program, and what a prover says of it."""

    program: Program
    publics: tuple[int, ...]
    elements: tuple[int, ...] = ()
    roots: tuple[tuple[int, ...], ...] = ()
    siblings: tuple[tuple[int, ...], ...] = ()

    def is_true(self) -> bool:
        """Whether the project's own execution finds nothing wrong."""
        run = execute(
            CompiledProgram.compile(self.program), self.publics, self.elements, self.roots, self.siblings
        )
        return run.failed == EVERYTHING_HOLDS

    def replayed(self, lie: Lie | None = None) -> Execution:
        """Every wire's value, some of them lies."""
        lie = lie or Lie()
        program = self.program
        messages = -(-len(self.publics) // 5)
        scalars: dict[int, Element] = {}
        for number in range(messages):
            told = self.publics[5 * number : 5 * number + 5]
            scalars[number] = (*told, *(0,) * (5 - len(told)))
        scalars[messages] = (0, 1, 0, 0, 0)
        for wire, value in [
            *zip(program.publics, self.publics, strict=True),
            *zip(program.inputs, self.elements, strict=True),
        ]:
            scalars[wire] = (value, 0, 0, 0, 0)
        scalars |= lie.scalars
        vectors: dict[int, Sequence[int]] = dict(zip(program.vector_inputs, self.roots, strict=True))
        vectors |= lie.vectors
        permuted: list[Sequence[int]] = []
        for instruction in program.instructions:
            match instruction:
                case Multiplication():
                    _multiply(instruction, scalars, lie.scalars)
                case Packing(vector, wires, True):
                    vectors.setdefault(vector, [scalars[wire][0] for wire in wires])
                case Packing(vector, wires):
                    for wire, value in zip(wires, vectors[vector], strict=True):
                        if wire not in lie.scalars:
                            scalars[wire] = (value, 0, 0, 0, 0)
                case Permutation():
                    self._permute(instruction, scalars, vectors, lie, permuted)
        all_scalars = np.zeros((program.scalar_count, 5), np.int64)
        for wire, element in scalars.items():
            all_scalars[wire] = element
        all_vectors = np.zeros((program.vector_count, 8), np.int64)
        for number, found in vectors.items():
            all_vectors[number] = found
        return Execution(all_scalars, all_vectors, np.array(permuted, np.int64).reshape(-1, 16), 0)

    def _permute(
        self,
        row: Permutation,
        scalars: Mapping[int, Element],
        vectors: dict[int, Sequence[int]],
        lie: Lie,
        permuted: list[Sequence[int]],
    ) -> None:
        second = self.siblings[row.sibling] if row.second == NOTHING else vectors[row.second]
        halves = [vectors[row.first], second]
        if scalars[row.bit][0] == 1:
            halves.reverse()
        state = [*halves[0], *halves[1]]
        state[-1] = (state[-1] + row.tag) % PRIME
        state = list(lie.inputs.get(len(permuted), state))
        permuted.append(state)
        out = permute(state, POSEIDON16_20)
        forward = state if row.feeds_forward else [0] * 16
        digest = [(a + b) % PRIME for a, b in zip(out[:8], forward, strict=False)]
        if not row.is_requirement and row.digest not in lie.vectors:
            vectors[row.digest] = digest
        if row.rest != NOTHING and row.rest not in lie.vectors:
            vectors[row.rest] = out[8:]


def _multiply(row: Multiplication, scalars: dict[int, Element], forced: Mapping[int, Element]) -> None:
    """Find the wire that is not given."""
    written = row.result if row.solve is Solve.RESULT else row.left
    if row.solve is Solve.NONE or written in forced:
        return
    constant = Quintic((row.constant, 0, 0, 0, 0))
    if row.solve is Solve.RESULT and row.result in {row.left, row.right, row.addend}:
        # The wire of zero reads itself.
        scalars[written] = (0,) * 5
    elif row.solve is Solve.RESULT:
        product = Quintic(scalars[row.left]) * Quintic(scalars[row.right])
        scalars[written] = canonical(product + Quintic(scalars[row.addend]) + constant)
    elif row.solve is Solve.LEFT_AS_BIT:
        scalars[written] = (scalars[row.source][0] >> row.bit & 1, 0, 0, 0, 0)
    else:
        rest = Quintic(scalars[row.result]) - Quintic(scalars[row.addend]) - constant
        over = Quintic(inverse_of(scalars[row.right]))
        scalars[written] = canonical(rest * over)


def inverse_of(value: Element) -> Element:
    """The inverse; of zero, zero."""
    from prover.errors import Reason
    from prover.stark.numbers import invert

    if not any(value):
        return (0,) * 5
    return canonical(invert(Quintic(value), Reason.SHAPE))


@cache
def circuit_of(form: Form, publics: int) -> Circuit:
    """The fixed tables."""
    names = public_names(publics)
    return terminal_circuit(names) if form is Form.TERMINAL else recursion_circuit(names)


@dataclass
class Laid:
    """The tables of a claim, to be changed cell by cell."""

    claim: Claim
    form: Form
    layout: Layout | TerminalLayout
    traces: list[Numbers]

    @classmethod
    def of(cls, claim: Claim, form: Form, lie: Lie | None = None) -> Laid:
        """Laid out by the project's own code."""
        lay: Callable[[Program], Layout | TerminalLayout] = lay_out
        if form is Form.TERMINAL:
            lay = lay_out_terminal
        layout = lay(claim.program)
        traces = layout.fill(claim.replayed(lie), threads=1)
        return cls(claim, form, layout, [decode(trace).astype(np.int64) for trace in traces])

    @property
    def circuit(self) -> Circuit:
        return circuit_of(self.form, len(self.claim.publics))

    def put(self, table: int, name: str, row: int, value: int) -> None:
        """Write a cell."""
        self.traces[table][self.circuit.tables[table].main_names.index(name), row] = value % PRIME

    def wrong(self) -> set[str]:
        """Constraints that do not hold, without the numbers of lanes, and buses that do not balance."""
        wrong: set[str] = set()
        balance: Counter[tuple[str, tuple[int, ...]]] = Counter()
        fixed = [decode(plan).astype(np.int64) for plan in self.layout.preprocessed()]
        for table, trace, plan in zip(self.circuit.tables, self.traces, fixed, strict=True):
            planes = Ground(table, trace, self.claim.publics, {}, frozenset(), plan).planes()
            for one, line in zip(table.constraints, planes, strict=False):
                assert one.scope is Scope.EVERY_ROW
                if line.any():
                    wrong.add(re.sub(r"(of|of lane \d+'s) result|of the result", "of the result", one.name))
            place = len(table.constraints)
            for message in table.interactions:
                count = planes[place + message.bus.arity]
                sign = 1 if message.direction is Direction.SEND else -1
                for row in np.flatnonzero(count):
                    values = tuple(planes[place : place + message.bus.arity, row].tolist())
                    balance[message.bus.name, values] += sign * int(count[row])
                place += message.bus.arity + 1
        return wrong | {bus for (bus, _), left in balance.items() if left % PRIME}

    def hash_row(self, permutation: int) -> int:
        """In which row of hashes a permutation stands, by its number among the permutations."""
        return int(self.layout.hashes.permuted[permutation])

    def lane_of(self, row: Multiplication) -> tuple[int, int]:
        """Row and lane of a multiplication in the wide table; row of the terminal's, and nothing."""
        multiplications = [i for i in self.claim.program.instructions if isinstance(i, Multiplication)]
        place = multiplications.index(row)
        if self.form is Form.WIDE:
            return place // 7, place % 7
        plan = self.layout.plan  # type: ignore[union-attr]
        wanted = (row.left, row.right, row.addend, row.result, row.constant)
        for even in range(0, plan.shape[1], 2):
            told = (plan[7, even], plan[9, even], plan[9, even + 1], plan[7, even + 1])
            constant = plan[10, even] if even % 16 else 0
            if (*map(int, told), int(constant)) == wanted:
                return even, 0
        raise AssertionError("the multiplication stands nowhere")

    def put_operand(self, row: Multiplication, operand: str, value: Element) -> None:
        """Write what a multiplication reads or writes at one of its four places."""
        at, lane = self.lane_of(row)
        for k, coordinate in enumerate(value):
            if self.form is Form.WIDE:
                self.put(0, f"{operand} {k} of lane {lane}", at, coordinate)
            else:
                below = operand in {"addend", "result"}
                name = "v" if operand in {"left", "result"} else "w"
                self.put(0, f"{name} {k}", at + below, coordinate)


@cache
def product_program() -> Program:
    """The claim: the product of two public values has these five coordinates."""
    recorder = Recorder(7)
    a, b, *c = publics_of(recorder)
    recorder.require_equal(a * b, recorder.extension(c))
    return finished(recorder)


def the(program: Program, solve: Solve, which: int = 0) -> Multiplication:
    """One of the multiplications that find the same thing."""
    found = [i for i in program.instructions if isinstance(i, Multiplication) and i.solve is solve]
    return found[which]


def product_row(program: Program) -> Multiplication:
    """The row of a * b: the only product of two public values."""
    return next(
        i
        for i in program.instructions
        if isinstance(i, Multiplication) and {i.left, i.right} == set(program.publics[:2])
    )


SIBLING = tuple(range(100, 108))


def parent_of(state: list[int]) -> list[int]:
    """Of an input whose tag is added already."""
    out = permute(state, POSEIDON16_20)
    return [(a + b) % PRIME for a, b in zip(out[:8], state, strict=False)]
