"""A proof about verifiers that is accepted means that they accept: arithmetic, bits and public values (lines 43 to 46).

Each claim below is false, and the trace behind it breaks one rule and no other: without that rule it would be proved.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from prover.field.koalabear import PRIME
from prover.recursion.execution import EVERYTHING_HOLDS, CompiledProgram, execute
from prover.recursion.layout import lay_out
from prover.recursion.program import Multiplication, Program, ProgramError, Solve
from prover.recursion.prove import Form
from prover.recursion.terminal_layout import lay_out_terminal
from prover.recursion.wires import Recorder
from prover.stark.numbers import Quintic, canonical
from tests.adversarial.recursion_lies import (
    RESULT,
    Claim,
    Laid,
    Lie,
    finished,
    inverse_of,
    product_program,
    product_row,
    publics_of,
    the,
)

BOTH = pytest.mark.parametrize("form", Form)

# Arithmetic: a * b = c, where c has five coordinates of its own.


@BOTH
@pytest.mark.parametrize("k", range(5))
def test_a_product_is_the_product_in_every_coordinate(form: Form, k: int) -> None:
    program = product_program()
    c = [15, 0, 0, 0, 0]
    c[k] += 1
    claim = Claim(program, (3, 5, *c))
    assert not claim.is_true()
    assert Claim(program, (3, 5, 15, 0, 0, 0, 0)).is_true()
    laid = Laid.of(claim, form, Lie(scalars={product_row(program).result: tuple(c)}))
    assert laid.wrong() == {RESULT.format(k)}


@BOTH
@pytest.mark.parametrize("operand", ["left", "right", "addend", "result"])
def test_what_a_row_reads_is_what_was_written(form: Form, operand: str) -> None:
    """Line 44 and wires read across rows: the requirement's own row reads something that suits it."""
    program = product_program()
    claim = Claim(program, (3, 5, 16, 0, 0, 0, 0))
    laid = Laid.of(claim, form)
    row = the(program, Solve.NONE)
    assert row.left == product_row(program).result
    suits = {"left": 16, "right": 16 * pow(15, -1, PRIME), "addend": 1, "result": 15}
    laid.put_operand(row, operand, (suits[operand], 0, 0, 0, 0))
    assert laid.wrong() == {"scalars"}


@BOTH
def test_zero_has_no_inverse_and_an_inverse_that_nobody_reads_still_refuses_zero(form: Form) -> None:
    recorder = Recorder(2)
    value, _ = publics_of(recorder)
    recorder.inverse(value)
    program = finished(recorder)
    assert Claim(program, (4, 4)).is_true()
    assert Laid.of(Claim(program, (0, 4)), form).wrong() == {RESULT.format(0)}
    # Dropped because nothing reads it, it would refuse nothing.
    dropped = tuple(
        i
        for i in program.instructions
        if not (isinstance(i, Multiplication) and i.solve is Solve.LEFT_BY_QUOTIENT)
    )
    assert not Laid.of(Claim(replace(program, instructions=dropped), (0, 4)), form).wrong()


# Bits: the lowest bit of an element is what is claimed.


@cache
def bit_program(*, has_canonical_bits: bool = True) -> Program:
    """The claim: the second public value is the lowest bit of the first."""
    recorder = Recorder(2)
    element, claimed = publics_of(recorder)
    (bit,) = recorder.bits(element, 1)
    recorder.require_equal(bit, claimed)
    if not has_canonical_bits:
        # The last requirement that the seven high bits are not all one.
        place = max(
            i
            for i, one in enumerate(recorder.instructions)
            if isinstance(one, Multiplication) and one.solve is Solve.NONE and one.result == one.addend
        )
        del recorder.instructions[place]
    return finished(recorder)


def bit_wires(program: Program) -> list[int]:
    rows = [i for i in program.instructions if isinstance(i, Multiplication) and i.solve is Solve.LEFT_AS_BIT]
    return [row.left for row in sorted(rows, key=lambda row: row.bit)]


def spelled(program: Program, number: int) -> Lie:
    return Lie(scalars={wire: (number >> i & 1, 0, 0, 0, 0) for i, wire in enumerate(bit_wires(program))})


@BOTH
def test_an_element_has_the_bits_of_its_one_number_below_the_prime(form: Form) -> None:
    """Five and five more than the prime are the same element; their lowest bits differ."""
    program = bit_program()
    claim = Claim(program, (5, 0))
    assert Claim(program, (5, 1)).is_true()
    assert not claim.is_true()
    assert Laid.of(claim, form, spelled(program, 5 + PRIME)).wrong() == {RESULT.format(0)}
    # Without the one requirement on the high bits the second spelling is accepted.
    weak = bit_program(has_canonical_bits=False)
    assert not Laid.of(Claim(weak, (5, 0)), form, spelled(weak, 5 + PRIME)).wrong()


@BOTH
@pytest.mark.parametrize("first", [2, PRIME - 1])
def test_a_bit_is_zero_or_one(form: Form, first: int) -> None:
    """With a lowest bit of two the number six is 2 + 2 * 2; the others are bits."""
    program = bit_program()
    rest = (6 - first) * pow(2, -1, PRIME) % PRIME
    if rest >= 1 << 30:
        rest = (rest * 2 - PRIME) // 2 % (1 << 30)
    lie = spelled(program, 2 * rest)
    lie.scalars[bit_wires(program)[0]] = (first, 0, 0, 0, 0)
    element = (first + 2 * rest) % PRIME
    claim = Claim(program, (element, first))
    assert not claim.is_true()
    # The bit's own row says so, and nothing else.
    assert Laid.of(claim, form, lie).wrong() == {RESULT.format(0)}


@BOTH
def test_a_bit_is_no_element_of_the_extension(form: Form) -> None:
    """x * x = x has two solutions in any field; X is none of them."""
    program = bit_program()
    lie = spelled(program, 4)
    lie.scalars[bit_wires(program)[0]] = (0, 1, 0, 0, 0)
    wrong = Laid.of(Claim(program, (4, 0)), form, lie).wrong()
    assert wrong >= {RESULT.format(1), RESULT.format(2)}


# Public values: five of them are the coordinates of one message.


@cache
def public_program(*, packs: bool) -> Program:
    """The claim: the first public value is seven. The others may be anything."""
    recorder = Recorder(3)
    first, *_ = publics_of(recorder)
    recorder.require_equal(first, recorder.base(7))
    if packs:
        return finished(recorder)
    # As `bind_publics` would be if it left out what makes them elements of the base field.
    recorder._input_set.clear()
    return finished(recorder)


@BOTH
@pytest.mark.parametrize("place", range(3))
def test_each_public_value_is_the_statement_s(form: Form, place: int) -> None:
    program = public_program(packs=True)
    laid = Laid.of(Claim(program, (7, 8, 9)), form)
    assert not laid.wrong()
    told = [7, 8, 9]
    told[place] += 1
    laid.claim = replace(laid.claim, publics=tuple(told))
    assert laid.wrong() == {"scalars"}


@BOTH
def test_public_values_of_one_message_do_not_trade_places_in_it(form: Form) -> None:
    """9 + 8 X = 7 + (8 + 2 / X) X: a public value outside of the base field makes another one false."""
    said = (9, 8, 3)
    beside = canonical(
        Quintic((8, 0, 0, 0, 0)) + Quintic((2, 0, 0, 0, 0)) * Quintic(inverse_of((0, 1, 0, 0, 0)))
    )

    def lie(program: Program) -> Lie:
        return Lie(scalars={program.publics[0]: (7, 0, 0, 0, 0), program.publics[1]: beside})

    strong = public_program(packs=True)
    assert not Claim(strong, said).is_true()
    assert Laid.of(Claim(strong, said), form, lie(strong)).wrong() == {"scalars"}
    # Where nothing packs them the layout sees wires that nobody writes, and refuses the program.
    lay = lay_out if form is Form.WIDE else lay_out_terminal
    with pytest.raises(ProgramError, match="never written"):
        lay(public_program(packs=False))


def test_slots_without_a_proof_are_zero() -> None:
    """Line 45: a statement beside the proofs could name a batch that nobody proved."""
    recorder = Recorder(2, 4)
    recorder.require_equal(*publics_of(recorder))
    recorder.bind_publics()
    zero = recorder.base(0).wire
    program = Program(
        tuple(recorder.instructions),
        recorder.scalar_count,
        recorder.vector_count,
        (),
        (),
        0,
        tuple(recorder.publics),
        4,
        zero,
    )
    compiled = CompiledProgram.compile(program)
    assert execute(compiled, [5, 5, 0, 0, 0, 0], [], [], []).failed == EVERYTHING_HOLDS
    for place in range(2, 6):
        said = [5, 5, 0, 0, 0, 0]
        said[place] = 1
        assert execute(compiled, said, [], [], []).failed != EVERYTHING_HOLDS
