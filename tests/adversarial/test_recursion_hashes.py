"""What the recursion tables hash is what was read, on the side that a bit says: in sixteen rows, and in one.

Each claim below is false, and the trace behind it breaks one rule and no other: without that rule it would be proved.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from prover.field.koalabear import PRIME
from prover.hash.poseidon import permute
from prover.hash.poseidon_parameters import POSEIDON16_20
from prover.recursion.narrow_poseidon import OUTPUT_ROW, ROWS, narrow_rounds, narrow_rows
from prover.recursion.program import NOTHING, Permutation, Program
from prover.recursion.prove import Form
from prover.recursion.wires import Recorder
from tests.adversarial.recursion_lies import SIBLING, Claim, Laid, Lie, finished, parent_of, publics_of

BOTH = pytest.mark.parametrize("form", Form)

SPONGE_INPUT = tuple(range(3, 19))

# Hashes: the digest of sixteen elements is what is claimed.


@cache
def sponge_program(*, also_reads: bool = False) -> Program:
    """The claim: this is the whole output, and two inputs have these squares where that is asked."""
    recorder = Recorder(18 if also_reads else 16)
    inputs = [recorder.input() for _ in range(16)]
    publics = publics_of(recorder)
    for element, public in zip(recorder.permute(inputs), publics, strict=False):
        recorder.require_equal(element, public)
    if also_reads:
        recorder.require_equal(inputs[0] * inputs[0], publics[16])
        recorder.require_equal(inputs[8] * inputs[8], publics[17])
    return finished(recorder)


def first_permutation(program: Program) -> Permutation:
    return next(i for i in program.instructions if isinstance(i, Permutation))


def matrix() -> list[list[int]]:
    first = POSEIDON16_20.mds_first_row
    return [[first[(column - row) % 16] for column in range(16)] for row in range(16)]


def mixed(state: list[int]) -> list[int]:
    return [sum(a * b for a, b in zip(row, state, strict=True)) % PRIME for row in matrix()]


def wide_rows_with_fault(inputs: tuple[int, ...], fault: int) -> tuple[list[int], list[int]]:
    """The columns behind the inputs, of which one is one too large; the rest follows from it. And the output."""
    cells: list[int] = []
    state = list(inputs)

    def written(value: int) -> int:
        cells.append((value + (len(cells) == fault)) % PRIME)
        return cells[-1]

    for number, constants in enumerate(POSEIDON16_20.round_constants):
        state = [(a + c) % PRIME for a, c in zip(state, constants, strict=True)]
        if POSEIDON16_20.is_full(number):
            state = [written(value) for value in mixed([pow(a, 3, PRIME) for a in state])]
        else:
            state = mixed([written(pow(state[0], 3, PRIME)), *state[1:]])
    return cells, state


WIDE_CELLS = 8 * 16 + 20


def claim_of_digest(digest: list[int]) -> Claim:
    return Claim(sponge_program(), tuple(digest), SPONGE_INPUT)


def forced(program: Program, out: list[int]) -> Lie:
    row = first_permutation(program)
    return Lie(vectors={row.digest: out[:8]} | ({row.rest: out[8:]} if row.rest != NOTHING else {}))


def check_wide_fault(fault: int) -> None:
    cells, out = wide_rows_with_fault(SPONGE_INPUT, fault)
    claim = claim_of_digest(out)
    assert not claim.is_true()
    laid = Laid.of(claim, Form.WIDE, forced(claim.program, out))
    at = laid.hash_row(0)
    names = [name for name in laid.circuit.tables[1].main_names if name.startswith("permutation ")]
    for name, value in zip(names, cells, strict=True):
        laid.put(1, name, at, value)
    (reason,) = laid.wrong()
    assert reason.startswith("permutation: ")


def test_the_replayed_permutation_is_the_permutation() -> None:
    _, out = wide_rows_with_fault(SPONGE_INPUT, -1)
    assert tuple(out) == permute(SPONGE_INPUT, POSEIDON16_20)
    assert claim_of_digest(out).is_true()
    assert not Laid.of(claim_of_digest(out), Form.WIDE).wrong()
    assert not Laid.of(claim_of_digest(out), Form.TERMINAL).wrong()


@pytest.mark.parametrize("fault", range(0, WIDE_CELLS, 21))
def test_a_wide_permutation_with_one_wrong_cell_is_refused_by_that_cell_s_rule(fault: int) -> None:
    check_wide_fault(fault)


@pytest.mark.long
def test_every_cell_of_a_wide_permutation_has_a_rule_of_its_own() -> None:
    for fault in range(WIDE_CELLS):
        check_wide_fault(fault)


NARROW_FAULTS = [(row, place) for row in range(1, ROWS) for place in range(16)]
CUBE_FAULTS = [(row, 16 + place) for row in range(4, 11) for place in range(2)]


def narrow_block_with_fault(
    inputs: tuple[int, ...], at: int, place: int
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """State and cubes of sixteen rows, of which one cell is one too large; what follows is computed from it."""
    numbers = narrow_rounds(POSEIDON16_20)
    block = np.zeros((18, ROWS), np.int64)
    state = list(inputs)
    for row in range(ROWS):
        if row == at and place < 16:
            state[place] = (state[place] + 1) % PRIME
        block[:16, row] = state
        if row == OUTPUT_ROW:
            break
        constants, bases = numbers.constants[row], numbers.bases[row]
        if row < 4 or row > 10:
            cubed = [pow(a + c, 3, PRIME) for a, c in zip(state, constants, strict=True)]
            state = mixed(cubed)
            continue
        known = list(state)
        for cube, line in enumerate(([1, *[0] * 15], numbers.second, numbers.third)):
            if cube == 2 and row == 10:
                break
            base = sum(a * b for a, b in zip(line, known, strict=True)) + bases[cube]
            value = (pow(base, 3, PRIME) + ((at, place) == (row, 16 + cube))) % PRIME
            known.append(value)
            if cube < 2:
                block[16 + cube, row] = value
        lines = numbers.two_rounds if row == 10 else numbers.three_rounds
        state = [
            (sum(a * b for a, b in zip(line, known, strict=True)) + c) % PRIME
            for line, c in zip(lines, constants, strict=True)
        ]
    return block


def check_narrow_fault(at: int, place: int) -> None:
    block = narrow_block_with_fault(SPONGE_INPUT, at, place)
    claim = claim_of_digest(block[:16, OUTPUT_ROW].tolist())
    assert not claim.is_true()
    laid = Laid.of(claim, Form.TERMINAL, forced(claim.program, block[:16, OUTPUT_ROW].tolist()))
    top = ROWS * laid.hash_row(0)
    assert laid.traces[0][16, top] == 0, "the bit that exchanges the vectors"
    laid.traces[0][:18, top : top + ROWS] = block
    (reason,) = laid.wrong()
    expected = (
        f"the next row has element {place}" if place < 16 else f"the {('first', 'second')[place - 16]} cube"
    )
    assert reason.startswith(expected)


def test_the_replayed_block_is_the_permutation() -> None:
    block = narrow_block_with_fault(SPONGE_INPUT, -1, -1)
    rows = narrow_rows(np.array(SPONGE_INPUT)[:, None], POSEIDON16_20)
    assert (block == rows).all()


@pytest.mark.parametrize(("at", "place"), [*NARROW_FAULTS[::31], *CUBE_FAULTS[::5]])
def test_a_narrow_permutation_with_one_wrong_cell_is_refused_by_that_cell_s_rule(at: int, place: int) -> None:
    check_narrow_fault(at, place)


@pytest.mark.long
def test_every_cell_of_a_narrow_permutation_has_a_rule_of_its_own() -> None:
    for at, place in NARROW_FAULTS + CUBE_FAULTS:
        check_narrow_fault(at, place)


@BOTH
@pytest.mark.parametrize("half", [0, 8])
def test_what_is_hashed_is_what_is_read(form: Form, half: int) -> None:
    """An element that is hashed as one number and used as another could be chosen after every challenge."""
    program = sponge_program(also_reads=True)
    hashed = list(SPONGE_INPUT)
    hashed[half] += 1
    claim = Claim(program, (*permute(hashed, POSEIDON16_20), 9, 121), SPONGE_INPUT)
    assert not claim.is_true()
    row = first_permutation(program)
    vectors = {(row.first, row.second)[half // 8]: tuple(hashed[half : half + 8])}
    laid = Laid.of(claim, form, Lie(vectors=vectors))
    assert laid.wrong() == {"scalars"}


@cache
def two_hashes() -> Program:
    """The claim: this is the digest of the sixteen inputs' digest and rest."""
    recorder = Recorder(8)
    once = recorder.permute([recorder.input() for _ in range(16)])
    for element, public in zip(recorder.permute(once), publics_of(recorder), strict=False):
        recorder.require_equal(element, public)
    return finished(recorder)


@BOTH
@pytest.mark.parametrize("element", [0, 7, 8, 15])
def test_a_digest_and_a_sponge_s_capacity_are_those_of_the_step_before(form: Form, element: int) -> None:
    program = two_hashes()
    between = list(permute(SPONGE_INPUT, POSEIDON16_20))
    between[element] = (between[element] + 1) % PRIME
    digest = permute(between, POSEIDON16_20)[:8]
    claim = Claim(program, tuple(digest), SPONGE_INPUT)
    assert not claim.is_true()
    laid = Laid.of(claim, form, Lie(inputs={1: between}))
    if form is Form.WIDE:
        for i in range(8):
            laid.put(1, f"first {i}", laid.hash_row(1), between[i])
    assert laid.wrong() == {"vectors"}


# Paths: the parent of a hashed node and a free sibling, on the side that a bit says.


@cache
def path_program() -> Program:
    """The claim: at this side of some sibling the inputs' digest has this parent."""
    recorder = Recorder(9)
    side, *parent = publics_of(recorder)
    digest = recorder.permute([recorder.input() for _ in range(16)])
    (bit,) = recorder.bits(side, 1)
    made = recorder.compress(bit, recorder.vector_of(digest[:8]), recorder.input_sibling(), 2)
    for element, public in zip(made.elements(), parent, strict=True):
        recorder.require_equal(element, public)
    return finished(recorder)


def path_state(side: int) -> list[int]:
    digest = list(permute(SPONGE_INPUT, POSEIDON16_20)[:8])
    state = [*SIBLING, *digest] if side else [*digest, *SIBLING]
    state[-1] = (state[-1] + 3) % PRIME
    return state


def path_claim(side: int, parent: list[int]) -> Claim:
    return Claim(path_program(), (side, *parent), SPONGE_INPUT, (), (SIBLING,))


@BOTH
@pytest.mark.parametrize("side", [0, 1])
def test_a_true_path_is_accepted_on_both_sides(form: Form, side: int) -> None:
    claim = path_claim(side, parent_of(path_state(side)))
    assert claim.is_true()
    assert not Laid.of(claim, form).wrong()


@BOTH
@pytest.mark.parametrize("side", [0, 1])
def test_a_node_stands_on_the_side_that_the_position_says(form: Form, side: int) -> None:
    """The row reads another bit than the position's."""
    state = path_state(1 - side)
    claim = path_claim(side, parent_of(state))
    assert not claim.is_true()
    laid = Laid.of(claim, form, Lie(inputs={1: state}))
    at = laid.hash_row(1)
    table, row, name = (1, at, "bit") if form is Form.WIDE else (0, ROWS * at, "cube 0")
    laid.put(table, name, row, 1 - side)
    assert laid.wrong() == {"scalars"}


@pytest.mark.parametrize("element", [0, 3, 7])
def test_both_vectors_are_exchanged_as_wholes_in_the_wide_table(element: int) -> None:
    state = path_state(0)
    state[element], state[8 + element] = state[8 + element], state[element]
    if element == 7:
        # The tag stays where it was.
        state[7], state[15] = (state[7] - 3) % PRIME, (state[15] + 3) % PRIME
    claim = path_claim(0, parent_of(state))
    assert not claim.is_true()
    laid = Laid.of(claim, Form.WIDE, Lie(inputs={1: state}))
    expected = f"the left half begins with the first vector unless the bit is one, element {element}"
    assert laid.wrong() == {expected}


@pytest.mark.parametrize("element", [0, 3, 7])
def test_both_vectors_are_exchanged_as_wholes_in_the_terminal_table(element: int) -> None:
    state = path_state(0)
    state[element] = (state[element] + 1) % PRIME
    claim = path_claim(0, parent_of(state))
    assert not claim.is_true()
    assert Laid.of(claim, Form.TERMINAL, Lie(inputs={1: state})).wrong() == {"vectors"}


@pytest.mark.parametrize("from_row", [9, 12, OUTPUT_ROW])
@pytest.mark.parametrize("element", [0, 5])
def test_the_held_half_does_not_change_inside_its_block(from_row: int, element: int) -> None:
    """It is added to the digest at the end: another one would give any parent."""
    parent = parent_of(path_state(0))
    parent[element] = (parent[element] + 1) % PRIME
    claim = path_claim(0, parent)
    assert not claim.is_true()
    compressed = [i for i in claim.program.instructions if isinstance(i, Permutation)][1]
    laid = Laid.of(claim, Form.TERMINAL, Lie(vectors={compressed.digest: parent}))
    top = ROWS * laid.hash_row(1)
    for row in range(from_row, ROWS):
        place = (element - row) % 8
        held = int(laid.traces[0][18 + place, top + row])
        laid.put(0, f"held {place}", top + row, held + 1)
    (reason,) = laid.wrong()
    assert reason.startswith("held element ")
    assert reason.endswith("moves on by one place")


def test_the_held_half_is_what_is_hashed() -> None:
    """The elements are read from it: they would be others than those that are hashed."""
    program = sponge_program(also_reads=True)
    hashed = list(SPONGE_INPUT)
    hashed[0] += 1
    claim = Claim(program, (*permute(hashed, POSEIDON16_20), 9, 121), SPONGE_INPUT)
    assert not claim.is_true()
    row = first_permutation(program)
    laid = Laid.of(claim, Form.TERMINAL, Lie(vectors={row.first: tuple(hashed[:8])}))
    top = ROWS * laid.hash_row(0)
    for i in range(ROWS):
        laid.put(0, f"held {-i % 8}", top + i, SPONGE_INPUT[0])
    assert laid.wrong() == {"held element 0 is the input's"}


def test_nothing_is_exchanged_where_a_block_ends() -> None:
    """The bit's column would mix the two halves of the output."""
    state = path_state(0)
    out = permute(state, POSEIDON16_20)
    amount = 12_345
    # On the last row the held half is the input's, each element one place further.
    held = [state[(i - 1) % 8] for i in range(8)]
    mixing = [amount * (own - other) for own, other in zip(out[8:], held, strict=True)]
    parent = [(a + b + c) % PRIME for a, b, c in zip(out[:8], state, mixing, strict=False)]
    claim = path_claim(0, parent)
    assert not claim.is_true()
    compressed = [i for i in claim.program.instructions if isinstance(i, Permutation)][1]
    laid = Laid.of(claim, Form.TERMINAL, Lie(vectors={compressed.digest: parent}))
    laid.put(0, "cube 0", ROWS * laid.hash_row(1) + OUTPUT_ROW, amount)
    assert laid.wrong() == {"nothing is exchanged on the last row"}


@pytest.mark.parametrize("row", [1, 2, 3, 11, 12, 13, 14])
def test_the_bit_s_column_says_nothing_on_rows_where_no_vector_is_read(row: int) -> None:
    """Free cells that nothing reads: whatever stands there, the claim is what it was."""
    laid = Laid.of(path_claim(1, parent_of(path_state(1))), Form.TERMINAL)
    laid.put(0, "cube 0", ROWS * laid.hash_row(1) + row, 77)
    assert not laid.wrong()


@BOTH
def test_padding_says_nothing(form: Form) -> None:
    """Rows behind the program's may hold what they like, since no message of theirs counts."""
    laid = Laid.of(claim_of_digest(list(permute(SPONGE_INPUT, POSEIDON16_20))), form)
    height = laid.traces[0].shape[1]
    if form is Form.WIDE:
        laid.put(0, "left 0 of lane 6", height - 1, 5)
        assert not laid.wrong()
        laid.put(0, "addend 0 of lane 6", height - 1, 5)
        laid.put(0, "result 0 of lane 6", height - 1, 5)
    else:
        laid.put(0, "v 0", height - 2, 5)
        assert not laid.wrong()
        laid.put(0, "w 0", height - 1, 5)
        laid.put(0, "v 0", height - 1, 5)
    # What every row reads is the wire of zero, and no other value of it.
    assert laid.wrong() == {"scalars"}
