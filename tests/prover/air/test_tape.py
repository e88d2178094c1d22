"""The tape against the Python reader, on random expressions, columns and challenges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.air.expression import ROW_CONSTANT_KINDS, Cell, CellKind, Expression, cells_of, lift, read
from prover.air.reader import evaluate
from prover.air.rows import Rows, constant_rows
from prover.air.table import Extension
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME, Montgomery, decode, encode

MAIN = [read(Cell(CellKind.MAIN, index, offset)) for index in range(3) for offset in (0, 1)]
LEAVES = [
    *MAIN,
    read(Cell(CellKind.PREPROCESSED, 0)),
    read(Cell(CellKind.PREPROCESSED, 1, 1)),
    read(Cell(CellKind.PERIODIC, 0)),
    read(Cell(CellKind.PERIODIC, 1)),
    *(read(Cell(CellKind.SELECTOR, index)) for index in range(3)),
    *(read(Cell(CellKind.CHALLENGE_COLUMN, index, offset, 2)) for index in range(2) for offset in (0, 1)),
    read(Cell(CellKind.CHALLENGE_COLUMN, 0, 0, 1)),
    read(Cell(CellKind.PUBLIC, 0)),
    read(Cell(CellKind.PUBLIC, 1)),
    read(Cell(CellKind.CHALLENGE, 0, 0, 1)),
    read(Cell(CellKind.CHALLENGE, 1, 0, 2)),
    read(Cell(CellKind.BUS_SUM_SHARE, 0)),
    read(Cell(CellKind.COMBINER, 4)),
    lift(1),
    lift(-1),
    lift(77),
]
APPLY: list[Callable[[Expression, Expression], Expression]] = [
    lambda left, right: left + right,
    lambda left, right: left - right,
    lambda left, right: left * right,
]


@st.composite
def graphs(draw: st.DrawFn) -> list[Expression]:
    """Outputs over a graph whose nodes use early and recent nodes alike, so that parts are shared."""
    random = draw(st.randoms(use_true_random=False))
    pool = list(LEAVES)
    for _ in range(draw(st.sampled_from([1, 4, 20, 80]))):
        left = random.choice(pool[-8:] if random.random() < 0.6 else pool)
        pool.append(random.choice(APPLY)(left, random.choice(pool)))
    return [random.choice(pool[-10:]) for _ in range(draw(st.integers(1, 3)))]


def random_sources(generator: np.random.Generator, height: int) -> Sources:
    def columns(count: int) -> Montgomery:
        # One coset of an extended matrix: rows are contiguous, columns lie apart.
        return generator.integers(0, PRIME, size=(count, 2, height), dtype=np.uint32)[:, 1, :]

    return Sources(
        preprocessed=columns(2),
        main=columns(3),
        challenge={1: columns(5), 2: columns(10)},
        periodic=[columns(1)[0, : min(height, period)].copy() for period in (2, 64)],
        selectors=columns(3),
    )


def random_constants(
    generator: np.random.Generator, outputs: list[Expression]
) -> dict[Cell, int | Extension]:
    constants: dict[Cell, int | Extension] = {}
    for cell in cells_of(outputs):
        if cell.kind in ROW_CONSTANT_KINDS:
            a, b, c, d, e = (int(value) for value in generator.integers(0, PRIME, size=5))
            constants[cell] = a if cell.kind is CellKind.PUBLIC else (a, b, c, d, e)
    return constants


def expected(
    outputs: list[Expression], sources: Sources, constants: dict[Cell, int | Extension]
) -> list[list[int]]:
    """What the Python reader says, in canonical form."""
    height = sources.height

    def read_cell(cell: Cell) -> Rows:
        if cell.kind in ROW_CONSTANT_KINDS:
            return constant_rows(constants[cell])
        if cell.kind is CellKind.PERIODIC:
            planes = np.resize(sources.periodic[cell.index], (1, height))
        elif cell.kind is CellKind.CHALLENGE_COLUMN:
            planes = sources.challenge[cell.round][5 * cell.index : 5 * cell.index + 5]
        else:
            matrix = {
                CellKind.MAIN: sources.main,
                CellKind.PREPROCESSED: sources.preprocessed,
                CellKind.SELECTOR: sources.selectors,
            }[cell.kind]
            assert matrix is not None
            planes = matrix[cell.index : cell.index + 1]
        return Rows(np.roll(decode(planes).astype(np.uint64), -cell.row_offset, axis=1))

    planes: list[list[int]] = []
    for output, value in zip(outputs, evaluate(outputs, read_cell, constant_rows), strict=True):
        planes += value.wide(height)[: 5 if output.is_extension else 1].tolist()
    return planes


def run(
    tape: Tape, sources: Sources, constants: dict[Cell, int | Extension], threads: int = 1
) -> list[list[int]]:
    out = np.empty((tape.planes, sources.height), dtype=np.uint32)
    tape.run(sources, constants, out, threads=threads)
    planes: list[list[int]] = decode(out).tolist()
    return planes


@settings(deadline=None, max_examples=120)
@given(graphs(), st.integers(0, 9), st.sampled_from([1, 2]), st.integers(0, 2**32 - 1))
def test_the_tape_agrees_with_the_python_reader(
    outputs: list[Expression], log_height: int, threads: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    sources = random_sources(generator, 1 << log_height)
    constants = random_constants(generator, outputs)
    tape = Tape.compile(outputs)
    assert run(tape, sources, constants, threads) == expected(outputs, sources, constants)
    assert set(tape.row_constants) <= set(constants)


@pytest.mark.parametrize("log_height", range(10))
def test_every_height_wraps_around_to_the_first_row(log_height: int) -> None:
    generator = np.random.default_rng(log_height)
    outputs = [MAIN[1] * MAIN[3] - MAIN[0], LEAVES[14] * LEAVES[8], lift(3) + LEAVES[13]]
    sources = random_sources(generator, 1 << log_height)
    assert run(Tape.compile(outputs), sources, {}) == expected(outputs, sources, {})


@pytest.mark.parametrize("terms", [1, 2, 5, 6, 48, 49, 130, 301])
def test_long_random_combinations_of_products_agree_whatever_their_length(terms: int) -> None:
    # Long sums are computed in parts while their atoms become ready.
    generator = np.random.default_rng(terms)
    a, b, c = (read(Cell(CellKind.MAIN, index)) for index in range(3))
    total = lift(5)
    power: Expression = a
    for position in range(terms):
        power = power * b + c
        total = total + read(Cell(CellKind.COMBINER, position)) * power
    wide = total * LEAVES[13] + LEAVES[14] * 3
    sources = random_sources(generator, 64)
    constants = random_constants(generator, [total])
    assert run(Tape.compile([total, wide]), sources, constants) == expected([total, wide], sources, constants)


def test_extreme_values_do_not_overflow_the_lazy_sums() -> None:
    outputs = [
        sum((LEAVES[index] * LEAVES[23] for index in range(10)), start=LEAVES[13] * LEAVES[15]),
        sum((LEAVES[index] * -(index + 2) for index in range(6)), start=lift(-1)),
        sum(LEAVES[:6], start=lift(-1)) - LEAVES[6] - LEAVES[7],
        LEAVES[13] * LEAVES[15] * LEAVES[17],
    ]
    for word in (0, PRIME - 1):

        def full(count: int, word: int = word) -> Montgomery:
            return np.full((count, 64), word, dtype=np.uint32)

        sources = Sources(
            preprocessed=full(2), main=full(3), challenge={1: full(5), 2: full(10)}, periodic=[full(1)[0]] * 2
        )
        constants: dict[Cell, int | Extension] = {
            cell: (PRIME - 1,) * 5 for cell in cells_of(outputs) if cell.kind in ROW_CONSTANT_KINDS
        }
        assert run(Tape.compile(outputs), sources, constants) == expected(outputs, sources, constants)


def poseidon_like(rounds: int) -> tuple[Expression, list[Cell]]:
    """Cubes and a dense matrix, as in the hash: the shape the tape is made for."""
    width = 16
    state = [read(Cell(CellKind.MAIN, index)) for index in range(width)]
    columns, total = width, lift(0)
    for number in range(rounds):
        state = [value + (number * width + index + 1) for index, value in enumerate(state)]
        is_full = number in {0, rounds - 1}
        cubed = [
            value * value * value if is_full or index == 0 else value for index, value in enumerate(state)
        ]
        if not is_full:
            column = read(Cell(CellKind.MAIN, columns))
            total = total + read(Cell(CellKind.COMBINER, columns)) * (column - cubed[0])
            cubed[0] = column
            columns += 1
        state = [
            sum(
                (cubed[j] * (3 + (j - i) % width) for j in range(1, width)), start=cubed[0] * (3 + -i % width)
            )
            for i in range(width)
        ]
        if is_full:
            outputs = [read(Cell(CellKind.MAIN, columns + index)) for index in range(width)]
            for index in range(width):
                difference = outputs[index] - state[index]
                total = total + read(Cell(CellKind.COMBINER, columns + index)) * difference
            columns += width
            state = outputs
    return total, [Cell(CellKind.MAIN, index) for index in range(columns)]


def test_a_hash_like_table_becomes_one_weighted_sum_over_its_columns_and_cubes() -> None:
    total, cells = poseidon_like(8)
    tape = Tape.compile([total])
    generator = np.random.default_rng(8)
    sources = Sources(main=generator.integers(0, PRIME, size=(len(cells), 128), dtype=np.uint32))
    constants = random_constants(generator, [total])
    assert run(tape, sources, constants) == expected([total], sources, constants)
    cubes = 2 * 16 + 6
    # Two full rounds of 16 cubes, six partial ones of one.
    assert tape.operations["multiplications"] == 2 * cubes
    # Each column and each cube is weighted in five planes; the inner sums stay below twenty terms each.
    final = 5 * (len(cells) + cubes)
    assert final <= tape.operations["weighted terms"] <= final + 30 * 25
    assert tape.row_constants == tuple(dict.fromkeys(cell for cell in tape.row_constants))


def test_a_row_constant_output_costs_nothing_a_row() -> None:
    public = LEAVES[18]
    tape = Tape.compile([public * public - 4, lift(9)])
    assert tape.row_constants == (Cell(CellKind.PUBLIC, 0),)
    assert run(tape, Sources(main=np.zeros((0, 4), dtype=np.uint32)), {Cell(CellKind.PUBLIC, 0): 7}) == [
        [45] * 4,
        [9] * 4,
    ]
    assert tape.operations["multiplications"] == 0


def test_a_product_that_cancels_is_not_computed() -> None:
    a, b, c = (read(Cell(CellKind.MAIN, index)) for index in range(3))
    tape = Tape.compile([(a * b + c) - a * b])
    assert tape.operations["multiplications"] == 0
    sources = Sources(main=encode([[1, 2], [3, 4], [5, 6]]))
    assert run(tape, sources, {}) == [[5, 6]]


def test_no_output_needs_no_weights() -> None:
    tape = Tape.compile([])
    out = np.empty((0, 4), dtype=np.uint32)
    tape.run(Sources(main=np.zeros((0, 4), dtype=np.uint32)), {}, out, threads=1)
    assert tape.planes == 0


def bad_sources(**changes: object) -> Sources:
    parts: dict[str, object] = {"main": encode(np.arange(8).reshape(1, 8)), "periodic": [encode([1, 2])]}
    return Sources(**(parts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "sources", "message"),
    [
        (
            read(Cell(CellKind.PREPROCESSED, 0)),
            bad_sources(),
            "the sources hold no preprocessed columns of round 0",
        ),
        (
            read(Cell(CellKind.CHALLENGE_COLUMN, 0, 0, 2)),
            bad_sources(),
            "the sources hold no challenge column columns of round 2",
        ),
        (read(Cell(CellKind.SELECTOR, 0)), bad_sources(), "the sources hold no selector columns of round 0"),
        (read(Cell(CellKind.MAIN, 1)), bad_sources(), "the sources hold no main 1 of round 0"),
        (read(Cell(CellKind.PERIODIC, 1)), bad_sources(), "the sources hold no periodic column 1"),
        (
            read(Cell(CellKind.PERIODIC, 0)),
            bad_sources(periodic=[encode(np.arange(16))]),
            "periodic column 0 has 16 values for 8 rows",
        ),
        (
            read(Cell(CellKind.PERIODIC, 0)),
            bad_sources(periodic=[encode(np.arange(16))[::2]]),
            "the periodic columns are not contiguous rows of 32-bit words",
        ),
        (
            read(Cell(CellKind.MAIN, 0)),
            bad_sources(main=np.zeros((1, 8), dtype=np.uint64)),
            "the main columns are not contiguous rows of 32-bit words",
        ),
        (
            read(Cell(CellKind.MAIN, 0)),
            bad_sources(main=np.zeros((1, 16), dtype=np.uint32)[:, ::2]),
            "the main columns are not contiguous rows of 32-bit words",
        ),
        (
            read(Cell(CellKind.PREPROCESSED, 0)),
            bad_sources(preprocessed=encode(np.arange(4).reshape(1, 4))),
            "the preprocessed columns have 4 rows of 8",
        ),
        (
            read(Cell(CellKind.MAIN, 0)),
            bad_sources(main=encode(np.arange(6).reshape(1, 6))),
            "the height 6 is not a power of two",
        ),
        (read(Cell(CellKind.PUBLIC, 3)), bad_sources(), "the row-constants lack public 3 of round 0"),
    ],
)
def test_the_kernel_never_sees_columns_of_another_shape(
    output: Expression, sources: Sources, message: str
) -> None:
    out = np.empty((1 + 4 * output.is_extension, sources.height), dtype=np.uint32)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Tape.compile([output]).run(sources, {}, out, threads=1)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, 8), dtype=np.uint32),
        np.empty((1, 4), dtype=np.uint32),
        np.empty((1, 8), dtype=np.uint64),
        np.empty((1, 16), dtype=np.uint32)[:, ::2],
    ],
)
def test_an_output_of_another_shape_is_refused(out: Montgomery) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Tape.compile([read(Cell(CellKind.MAIN, 0))]).run(bad_sources(), {}, out, threads=1)
    assert str(caught.value) == "the output must be (1, 8) contiguous rows of 32-bit words"
