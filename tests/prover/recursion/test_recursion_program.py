"""Recording, shortening and laying out programs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from prover.field.koalabear import PRIME
from prover.hash.poseidon import permute
from prover.hash.poseidon_parameters import POSEIDON16_20, POSEIDON16_36
from prover.recursion.execution import EVERYTHING_HOLDS, CompiledProgram, Execution, execute
from prover.recursion.layout import lay_out
from prover.recursion.narrow_poseidon import OUTPUT_ROW, ROWS, narrow_rounds, narrow_rows
from prover.recursion.program import Multiplication, Packing, Permutation, Program, ProgramError, Solve
from prover.recursion.prove import Form
from prover.recursion.record import record_verifiers
from prover.recursion.simplify import simplify
from prover.recursion.terminal_layout import lay_out_terminal
from prover.recursion.wires import Recorder, Scalar
from prover.stark.numbers import Quintic
from tests.prover.recursion.small import inner_key, recursion_key


def finished(recorder: Recorder, *, is_short: bool = True) -> Program:
    recorder.bind_publics()
    zero, one = recorder.base(0).wire, recorder.base(1).wire
    instructions = recorder.instructions
    if is_short:
        instructions = simplify(instructions, zero, one)
    return Program(
        tuple(instructions),
        recorder.scalar_count,
        recorder.vector_count,
        tuple(recorder.inputs),
        tuple(recorder.vector_inputs),
        recorder.sibling_count,
        tuple(recorder.publics),
        0,
        zero,
    )


def run(program: Program, publics: Sequence[int]) -> Execution:
    return execute(CompiledProgram.compile(program), publics, [], [], [])


@pytest.mark.parametrize("is_short", [False, True])
def test_arithmetic_on_wires_is_arithmetic_on_numbers(is_short: bool) -> None:
    generator = random.Random(5)
    publics = [generator.randrange(1, PRIME) for _ in range(6)]
    recorder = Recorder(len(publics))
    wires = [Scalar(recorder, number=number) for number in recorder.publics]
    numbers = [Quintic([value, 0, 0, 0, 0]) for value in publics]
    wires.append(recorder.extension(wires[:5]))
    numbers.append(Quintic(publics[:5]))
    for step in range(200):
        i, j = generator.randrange(len(wires)), generator.randrange(len(wires))
        operation = generator.choice(["add", "subtract", "multiply", "constant", "inverse"])
        if operation == "add":
            wires.append(wires[i] + wires[j])
            numbers.append(numbers[i] + numbers[j])
        elif operation == "subtract" and i != j:
            wires.append(wires[i] - wires[j])
            numbers.append(numbers[i] - numbers[j])
        elif operation == "constant":
            wires.append((wires[i] * 7 + step) - 3)
            numbers.append((numbers[i] * 7 + step) - 3)
        elif operation == "inverse":
            one = wires[i] * recorder.inverse(wires[i])
            recorder.require_equal(one, recorder.base(1))
        else:
            wires.append(wires[i] * wires[j])
            numbers.append(numbers[i] * numbers[j])
    for wire, number in zip(wires, numbers, strict=True):
        a, b, c, d, e = (int(coordinate) for coordinate in number.coordinates)
        recorder.require_equal(wire, recorder.constant((a, b, c, d, e)))
    program = finished(recorder, is_short=is_short)
    assert run(program, publics).failed == EVERYTHING_HOLDS
    assert run(program, [(publics[0] + 1) % PRIME, *publics[1:]]).failed != EVERYTHING_HOLDS
    lay_out(program)


@pytest.mark.parametrize("element", [0, 1, PRIME - 2, 126 << 24, (127 << 24) - 1, 0x55555555])
def test_bits_are_those_of_the_canonical_number(element: int) -> None:
    recorder = Recorder(1)
    bits = recorder.bits(Scalar(recorder, number=recorder.publics[0]), 24)
    program = finished(recorder)
    result = run(program, [element])
    assert result.failed == EVERYTHING_HOLDS
    assert [int(result.scalars[bit.wire, 0]) for bit in bits] == [element >> i & 1 for i in range(24)]


def test_the_element_whose_low_bits_are_biased_has_no_bits() -> None:
    recorder = Recorder(1)
    recorder.bits(Scalar(recorder, number=recorder.publics[0]), 24)
    assert run(finished(recorder), [PRIME - 1]).failed != EVERYTHING_HOLDS


def test_zero_has_no_inverse() -> None:
    recorder = Recorder(1)
    recorder.inverse(Scalar(recorder, number=recorder.publics[0]))
    program = finished(recorder)
    assert run(program, [2]).failed == EVERYTHING_HOLDS
    assert run(program, [0]).failed != EVERYTHING_HOLDS


def test_constants_are_folded_and_equal_operations_written_once() -> None:
    recorder = Recorder(1)
    value = Scalar(recorder, number=recorder.publics[0])
    assert (recorder.base(3) * recorder.base(5) - 1).constant == (14, 0, 0, 0, 0)
    assert value * 1 is value
    assert value + 0 is value
    assert (value * 0).constant == (0, 0, 0, 0, 0)
    assert value * value is value * value
    with pytest.raises(ValueError, match="inverts no constant"):
        recorder.inverse(recorder.base(3))


def test_a_product_and_its_sum_become_one_instruction() -> None:
    program = record_verifiers([inner_key("two-heights").verification])
    fused = [
        i
        for i in program.instructions
        if isinstance(i, Multiplication)
        and i.solve is Solve.RESULT
        and program.zero not in {i.right, i.addend}
    ]
    assert len(fused) > 100


@pytest.mark.parametrize("form", Form)
def test_every_wire_has_one_writer_and_as_many_messages_as_readers(form: Form) -> None:
    layout = recursion_key("two-heights", form).layout
    plans = layout.plans if form is Form.WIDE else (layout.plan,)  # type: ignore[union-attr]
    names = [
        table.preprocessed_names for table in recursion_key("two-heights", form).verification.circuit.tables
    ]
    total = 0
    for plan, columns in zip(plans, names, strict=True):
        for column, name in enumerate(columns):
            if name.endswith(" count"):
                total += int(plan[column].sum())
                assert plan[column].min() >= -1
    assert total > 0, "what is always read has no count of its own"


def test_a_wire_written_twice_or_never_is_refused() -> None:
    program = record_verifiers([inner_key("two-heights").verification])
    written = next(
        i for i in program.instructions if isinstance(i, Multiplication) and i.solve is Solve.RESULT
    )
    packing = next(i for i in program.instructions if isinstance(i, Packing) and i.writes_vector)
    permutation = next(i for i in program.instructions if isinstance(i, Permutation))
    for instructions, complaint in (
        ((*program.instructions, written), "written twice"),
        ((*program.instructions, packing), "written twice"),
        ((*program.instructions, permutation), "written twice"),
        (tuple(i for i in program.instructions if i is not written), "never written"),
        (tuple(i for i in program.instructions if i is not packing), "never written"),
        (tuple(i for i in program.instructions if i is not permutation), "never written"),
    ):
        broken = replace(program, instructions=instructions)
        for lay in (lay_out, lay_out_terminal):
            with pytest.raises(ProgramError, match=complaint):
                lay(broken)


def test_a_public_value_is_read_once() -> None:
    recorder = Recorder(1)
    program = replace(finished(recorder), instructions=())
    with pytest.raises(ProgramError, match="exactly once"):
        lay_out(program)


def test_the_narrow_rows_end_with_the_permutation() -> None:
    inputs = np.random.default_rng(3).integers(0, PRIME, size=(16, 4))
    inputs[:, 0] = PRIME - 1
    inputs[:, 1] = 0
    rows = narrow_rows(inputs, POSEIDON16_20)
    for number in range(4):
        expected = permute([int(value) for value in inputs[:, number]], POSEIDON16_20)
        assert tuple(int(v) for v in rows[:16, ROWS * number + OUTPUT_ROW]) == expected


def test_sixteen_rows_hold_one_suite_only() -> None:
    with pytest.raises(ValueError, match="no others"):
        narrow_rounds(POSEIDON16_36)
