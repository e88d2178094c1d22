"""Programs that the layouts refuse, and what they take for granted of those that are recorded."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from prover.recursion import blocks, wires
from prover.recursion.layout import lay_out
from prover.recursion.program import (
    NOTHING,
    Multiplication,
    Packing,
    Permutation,
    Program,
    ProgramError,
    Solve,
)
from prover.recursion.prove import Form
from prover.recursion.record import record_verifiers
from prover.recursion.terminal_layout import lay_out_terminal
from prover.recursion.wires import Recorder
from tests.adversarial.recursion_lies import (
    SIBLING,
    Claim,
    Laid,
    Lie,
    finished,
    parent_of,
    product_program,
    product_row,
    publics_of,
    the,
)
from tests.prover.recursion.small import inner_key

BOTH = pytest.mark.parametrize("form", Form)

# The layout: one writer a wire, as many messages as readers.


@BOTH
def test_two_writers_of_one_wire_are_refused_and_would_give_each_reader_its_own_value(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second writer says what the requirement wants to read."""
    program = product_program()
    row = product_row(program)
    # 1 * 1 + c = c would be another writer of the product's wire.
    required = the(program, Solve.NONE)
    second = replace(required, solve=Solve.RESULT, left=required.result, result=row.result)
    broken = replace(program, instructions=(*program.instructions, second))
    lay = lay_out if form is Form.WIDE else lay_out_terminal
    with pytest.raises(ProgramError, match="written twice"):
        lay(broken)

    def each_writer_sends_once(
        _: object, written: set[int], reads: dict[int, int], wire: int, __: str
    ) -> int:
        twice = wire == row.result
        known = wire in written
        written.add(wire)
        # Two writers share the messages of the wire's one reader: the first sends none, the second one.
        return int(known) if twice else reads[wire]

    monkeypatch.setattr(blocks.WireCounts, "_write", each_writer_sends_once)
    claim = Claim(broken, (3, 5, 16, 0, 0, 0, 0))
    laid = Laid.of(claim, form)
    laid.put_operand(row, "result", (15, 0, 0, 0, 0))
    assert not laid.wrong(), "without the check three times five is sixteen"


def test_a_value_of_a_proof_that_nothing_hashes_is_refused() -> None:
    recorder = Recorder(2)
    public, _ = publics_of(recorder)
    recorder.require_equal(recorder.input() * 2, public)
    program = finished(recorder)
    for lay in (lay_out, lay_out_terminal):
        with pytest.raises(ProgramError, match="never written"):
            lay(program)


@BOTH
def test_a_packing_is_not_absorbed_where_its_row_may_be_exchanged(form: Form) -> None:
    """The terminal reads a packing's elements from the left half of the input: after the exchange, the sibling's."""
    recorder = Recorder(9)
    side, *parent = publics_of(recorder)
    packed = [recorder.input() for _ in range(8)]
    (bit,) = recorder.bits(side, 1)
    made = recorder.compress(bit, recorder.vector_of(packed), recorder.input_sibling(), 2)
    for element, public in zip(made.elements(), parent, strict=True):
        recorder.require_equal(element, public)
    program = finished(recorder)
    node = tuple(range(50, 58))
    state = [*SIBLING, *node]
    state[-1] += 3
    claim = Claim(program, (1, *parent_of(state)), node, (), (SIBLING,))
    assert claim.is_true()
    assert not Laid.of(claim, form).wrong()
    # The liar's elements are the sibling's, and the node on the right is anybody's.
    other = Claim(program, (1, *parent_of(state)), SIBLING, (), (node,))
    assert not other.is_true()
    assert Laid.of(other, form, Lie(inputs={0: state})).wrong()


# What is recorded: properties of whole programs that the tables take for granted.


@cache
def recorded(name: str) -> Program:
    keys = [inner_key("two-heights").verification]
    return record_verifiers(keys * 2 if name == "two" else keys, slots=3 if name == "slots" else None)


@pytest.mark.parametrize("name", ["one", "two", "slots"])
def test_what_exchanges_two_vectors_is_a_bit(name: str) -> None:
    program = recorded(name)
    bits = {
        i.left for i in program.instructions if isinstance(i, Multiplication) and i.solve is Solve.LEFT_AS_BIT
    }
    exchanging = {i.bit for i in program.instructions if isinstance(i, Permutation)}
    assert exchanging <= bits | {program.zero}
    assert exchanging & bits


@pytest.mark.parametrize("name", ["one", "two", "slots"])
def test_every_value_that_is_found_is_found_in_one_way(name: str) -> None:
    """A quotient of zero by zero would be anything; a difference over another number than one likewise."""
    program = recorded(name)
    found = {
        i.result: i for i in program.instructions if isinstance(i, Multiplication) and i.solve is Solve.RESULT
    }
    ones = {
        wire
        for wire, i in found.items()
        if (i.left, i.right, i.addend) == (program.zero,) * 3 and i.constant == 1
    }
    assert len(ones) == 1
    for i in program.instructions:
        if isinstance(i, Multiplication) and i.solve is Solve.LEFT_BY_QUOTIENT:
            assert i.result in ones
            assert i.addend == program.zero
            assert i.constant == 0
        if isinstance(i, Multiplication) and i.solve is Solve.LEFT_BY_DIFFERENCE:
            assert i.right in ones
        if isinstance(i, Multiplication) and i.solve is Solve.LEFT_AS_BIT:
            assert i.left == i.right == i.result
            assert (i.addend, i.constant) == (program.zero, 0)


@pytest.mark.parametrize("name", ["one", "two", "slots"])
def test_nothing_is_read_before_it_is_written_but_a_bit_and_zero_by_themselves(name: str) -> None:
    """A wire that is defined by way of itself could have any of several values."""
    program = recorded(name)
    messages = -(-program.public_count // 5)
    known = {*range(messages + 1), *program.publics, *program.inputs}
    vectors = set(program.vector_inputs)
    for i in program.instructions:
        match i:
            case Multiplication(Solve.NONE):
                assert {i.left, i.right, i.addend, i.result} <= known
            case Multiplication():
                written = i.result if i.solve is Solve.RESULT else i.left
                itself = {written} if i.solve is Solve.LEFT_AS_BIT or written == program.zero else set()
                assert {i.left, i.right, i.addend, i.result} - {written} <= known
                reads = (
                    [i.left, i.right, i.addend] if i.solve is Solve.RESULT else [i.right, i.addend, i.result]
                )
                assert written not in reads or itself
                known.add(written)
            case Permutation():
                assert i.bit in known
                assert {i.first, i.second} - {NOTHING} <= vectors
                if i.is_requirement:
                    assert i.digest in vectors
                vectors |= {i.digest, i.rest} - {NOTHING}
            case Packing(vector, elements, writes):
                if writes:
                    read = {e for e, new in zip(elements, i.written_elements, strict=True) if not new}
                    assert read <= known
                    vectors.add(vector)
                else:
                    assert vector in vectors
                    known |= set(elements)


def test_an_inverse_and_a_bit_survive_shortening() -> None:
    """What nothing reads is dropped, but not what refuses something."""
    program = recorded("one")
    solved = [i.solve for i in program.instructions if isinstance(i, Multiplication)]
    recorder_inverses = solved.count(Solve.LEFT_BY_QUOTIENT)
    assert recorder_inverses > 0
    assert solved.count(Solve.LEFT_AS_BIT) % wires.ELEMENT_BITS == 0
