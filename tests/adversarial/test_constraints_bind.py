"""A false trace has no proof (lines 19 to 24, 26 and 27)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.examples import memory, range_check
from benchmarks.examples.catalogue import EXAMPLES, Example
from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.errors import Reason
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from prover.parameters import PRESETS
from prover.stark.circuit import Circuit, CircuitError, define_circuit
from prover.stark.prover import prove
from prover.stark.proving_key import ProvingKey, make_proving_key
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Forging,
    assert_refused_by_one_check,
    honest_proof,
    proving_key,
    verdict,
    weak_verdict,
    with_cell,
)

FALSE = Reason.CONSTRAINTS_DO_NOT_HOLD
UNBALANCED = Reason.BUS_SUMS_DO_NOT_BALANCE


def example_key(example: Example) -> ProvingKey:
    heights = example.log_heights(example.smallest)
    return make_proving_key(
        example.circuit(), heights, PRESETS["test-keccak"], example.preprocessed(), threads=1
    )


def assert_no_column_is_free(example: Example, *, every: int) -> None:
    key = example_key(example)
    filled = example.fill(example.smallest, 1, 1)
    assert refusal(key, filled.traces, filled.statement) is None
    for table, trace in enumerate(filled.traces):
        for column in range(0, len(trace), every):
            row = column % trace.shape[1] // 2
            traces = list(filled.traces)
            value = int(decode(trace[column, row : row + 1])[0])
            traces[table] = with_cell(trace, column, row, value + 1)
            name = key.verification.shape.tables[table].main_names[column]
            assert refusal(key, traces, filled.statement) in {FALSE, UNBALANCED}, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_column_of_an_example_can_be_changed_alone(name: str) -> None:
    """Of the Poseidon tables' 164 columns every twentieth; the test below takes them all."""
    assert_no_column_is_free(EXAMPLES[name], every=20 if name.startswith("poseidon") else 1)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("poseidon")])
def test_no_column_of_a_permutation_can_be_changed_alone(name: str) -> None:
    assert_no_column_is_free(EXAMPLES[name], every=1)


def refusal(key: ProvingKey, traces: Sequence[Montgomery], statement: Sequence[int]) -> Reason | None:
    return verdict(key.verification, statement, prove(key, traces, statement, threads=1).messages)


def test_no_column_of_a_challenge_round_can_be_changed_alone() -> None:
    key = proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed())
    columns = [
        (round, table, column)
        for round in range(1, key.verification.shape.rounds + 1)
        for table, definition in enumerate(key.verification.shape.tables)
        for column in range(5 * len(definition.challenge_names(round)))
    ]
    assert len(columns) == 5 * 4
    for changed_round, changed_table, changed_column in columns:

        class ChangesOneCell(Forging):
            target = (changed_round, changed_table, changed_column)

            def _fill_round(self, round: int) -> dict[int, Montgomery]:
                filled = super()._fill_round(round)
                changed, table, column = self.target
                if round == changed:
                    filled[table] = with_cell(filled[table], column, 1, 12345)
                return filled

        forged = ChangesOneCell(key, specimen.fill(), specimen.STATEMENT).run().messages
        assert_refused_by_one_check(key.verification, specimen.STATEMENT, forged, FALSE)


def test_a_cell_that_no_rule_reads_can_be_changed() -> None:
    """The control: the tests above would see a column that nothing binds."""

    def constrain(air: AirBuilder) -> None:
        air.on_first_row.assert_zero("the first cell is zero", air.column("mostly free"))

    key = proving_key(define_circuit("mostly-free", [("cells", constrain)]), (2,))
    assert verdict(key.verification, [], honest_proof(key, [encode(np.array([[0, 9, 8, 7]]))])) is None
    forged = honest_proof(key, [encode(np.array([[1, 9, 8, 7]]))])
    assert_refused_by_one_check(key.verification, [], forged, FALSE)


def counter(air: AirBuilder) -> None:
    value, is_used = air.columns("value", "is used")
    parity = air.periodic("parity", (0, 1))
    air.on_first_row.assert_zero("the first is zero", value)
    air.on_transition.assert_equal("each next is one more", value.next, value + 1)
    air.on_last_row.assert_equal("the last is the public one", value, air.public("end"))
    air.assert_boolean("a row is used or not", is_used)
    air.assert_zero("odd rows are not used", parity * is_used)


def without(circuit: Circuit, name: str) -> Circuit:
    """The circuit without one constraint."""
    (table,) = circuit.tables
    kept = tuple(constraint for constraint in table.constraints if constraint.name != name)
    assert len(kept) == len(table.constraints) - 1
    return replace(circuit, tables=(replace(table, constraints=kept),))


COUNT = list(range(8))
UNUSED = [1, 0] * 4


@pytest.mark.parametrize(
    ("rule", "values", "is_used", "end"),
    [
        ("the first is zero", [v + 1 for v in COUNT], UNUSED, 8),
        ("each next is one more", [0, 1, 2, 9, 10, 5, 6, 7], UNUSED, 7),
        ("each next is one more", [0, 1, 2, 3, 4, 5, 9, 7], UNUSED, 7),
        ("the last is the public one", COUNT, UNUSED, 8),
        ("a row is used or not", COUNT, [2, 0] * 4, 7),
        ("a row is used or not", COUNT, [PRIME - 1, 0] * 4, 7),
        ("odd rows are not used", COUNT, [1, 0, 1, 1, 0, 0, 0, 0], 7),
        ("odd rows are not used", COUNT, [1] * 8, 7),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_a_trace_that_breaks_one_rule_is_refused_and_accepted_without_the_rule(
    rule: str, values: Sequence[int], is_used: Sequence[int], end: int
) -> None:
    circuit = define_circuit("rules", [("counter", counter)], ["end"])
    trace = encode(np.array([values, is_used]))
    key = proving_key(circuit, (3,))
    assert_refused_by_one_check(key.verification, [end], honest_proof(key, [trace], [end]), FALSE)
    lax = proving_key(without(circuit, rule), (3,))
    assert verdict(lax.verification, [end], honest_proof(lax, [trace], [end])) is None


@pytest.mark.parametrize("log_height", [0, 1, 2, 5])
def test_scopes_mean_the_same_rows_at_every_height(log_height: int) -> None:
    circuit = define_circuit("rules", [("counter", counter)], ["end"])
    rows = 1 << log_height
    if log_height == 0:
        with pytest.raises(CircuitError, match="periodic column parity is longer than the table"):
            proving_key(circuit, (0,))
        return
    key = proving_key(circuit, (log_height,))
    honest = np.stack([np.arange(rows), (np.arange(rows) + 1) % 2])
    assert verdict(key.verification, [rows - 1], honest_proof(key, [encode(honest)], [rows - 1])) is None
    for row in range(rows):
        wrong = honest.copy()
        wrong[0, row] += 1
        forged = honest_proof(key, [encode(wrong)], [rows - 1])
        assert verdict(key.verification, [rows - 1], forged) is FALSE


WIDE = Bus("wide numbers", identifier=6, arity=1)


def division(*, is_remainder_bounded: bool) -> Circuit:
    """dividend = quotient * 5 + remainder, with the remainder below five or not."""

    def constrain(air: AirBuilder) -> None:
        dividend, quotient, remainder = air.columns("dividend", "quotient", "remainder")
        air.assert_equal("the parts make the dividend", dividend, quotient * 5 + remainder)
        air.on_first_row.assert_equal("the dividend is public", dividend, air.public("dividend"))
        air.on_first_row.assert_equal("the quotient is public", quotient, air.public("quotient"))
        air.send(WIDE, [quotient])
        air.send(WIDE, [remainder])
        if is_remainder_bounded:
            air.send(WIDE, [4 - remainder])

    def constrain_wide(air: AirBuilder) -> None:
        air.provide(WIDE, [air.preprocessed("number")], air.column("count"))

    tables = [("divisions", constrain), ("wide", constrain_wide)]
    return define_circuit("division", tables, ("dividend", "quotient"))


def divide(pairs: Sequence[tuple[int, int]], *, is_remainder_bounded: bool) -> list[Montgomery]:
    quotients, remainders = np.array(pairs).T
    sent = [*quotients, *remainders, *((4 - remainders) if is_remainder_bounded else [])]
    counts = np.bincount([int(v) for v in sent if 0 <= v < 16], minlength=16)
    return [encode(np.stack([quotients * 5 + remainders, quotients, remainders])), encode(counts)[None, :]]


@pytest.mark.parametrize(
    ("dividend", "pairs"),
    [(17, [(2, 7), (3, 2)]), (17, [(1, 12), (3, 2)]), (14, [(3, -1), (3, 2)])],
    ids=["quotient_less_one", "quotient_less_two", "quotient_plus_one"],
)
def test_a_second_pair_of_quotient_and_remainder_is_refused(
    dividend: int, pairs: Sequence[tuple[int, int]]
) -> None:
    """Both cells change together, so every equation still holds: only the range of the remainder tells."""
    numbers = [None, encode(np.arange(16))[None, :]]
    key = proving_key(division(is_remainder_bounded=True), (1, 4), numbers)
    statement = [dividend, pairs[0][0]]
    forged = honest_proof(key, divide(pairs, is_remainder_bounded=True), statement)
    assert_refused_by_one_check(key.verification, statement, forged, UNBALANCED)
    if min(remainder for _, remainder in pairs) < 0:
        return
    lax = proving_key(division(is_remainder_bounded=False), (1, 4), numbers)
    accepted = honest_proof(lax, divide(pairs, is_remainder_bounded=False), statement)
    assert verdict(lax.verification, statement, accepted) is None


def range_check_with(
    change: Callable[[Montgomery], Montgomery], words: Sequence[int] = (1000, 2000)
) -> tuple[ProvingKey, list[Montgomery]]:
    key = proving_key(range_check.circuit(), (2, range_check.LOG_BYTES), range_check.preprocessed())
    table = change(range_check.fill(words, 2)[0])
    _, low, high, is_used = decode(table).tolist()
    counts = [0] * 256
    for bytes_sent in (low, high):
        for byte, times in zip(bytes_sent, is_used, strict=True):
            if byte < 256:
                counts[byte] = (counts[byte] + times) % PRIME
    return key, [table, encode(np.array(counts))[None, :]]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({1: 1000 - 256 * 2, 2: 2}, UNBALANCED),
        ({1: 1000 - 256 * 4, 2: 4}, UNBALANCED),
        ({0: 1000 + 65536, 2: 3 + 256}, UNBALANCED),
        ({1: 30}, FALSE),
        ({3: 2}, FALSE),
        ({3: PRIME - 1}, FALSE),
        ({3: 0}, FALSE),
    ],
    ids=[
        "low_byte_with_a_carry_left_in",
        "negative_low_byte",
        "high_byte_too_large",
        "limb_not_bound_to_the_word",
        "used_twice",
        "used_minus_once",
        "live_row_said_to_be_unused",
    ],
)
def test_limbs_have_one_form(cells: dict[int, int], reason: Reason) -> None:
    def change(table: Montgomery) -> Montgomery:
        for column, value in cells.items():
            table = with_cell(table, column, 0, value)
        return table

    key, traces = range_check_with(change)
    assert_refused_by_one_check(key.verification, [], honest_proof(key, traces), reason)


def test_an_unused_row_that_holds_something_is_refused() -> None:
    key, traces = range_check_with(lambda table: with_cell(with_cell(table, 0, 3, 5), 1, 3, 5))
    assert_refused_by_one_check(key.verification, [], honest_proof(key, traces), FALSE)


ACCESSES = [(5, 7, True), (9, 8, True), (5, 7, False), (9, 8, False)]


def memory_proof(
    accesses: Sequence[tuple[int, int, bool]], sort: Callable[[list[tuple[int, ...]]], object] | None = None
) -> tuple[ProvingKey, list[Montgomery]]:
    key = proving_key(memory.circuit(), (2, 2, 8), memory.preprocessed())
    traces = memory.fill([memory.Access(*access) for access in accesses])
    if sort is not None:
        rows = [tuple(row) for row in decode(traces[1]).T.tolist()]
        sort(rows)
        traces[1] = encode(np.array(rows).T)
    return key, traces


@pytest.mark.parametrize(
    ("accesses", "reason"),
    [
        ([(5, 7, True), (9, 8, True), (5, 6, False), (9, 8, False)], FALSE),
        ([(5, 7, True), (9, 8, False), (5, 7, False), (9, 8, False)], FALSE),
        ([(5, 7, False), (9, 8, True), (5, 7, False), (9, 8, False)], FALSE),
    ],
    ids=["stale_read", "fresh_memory_reads_something", "the_lowest_address_reads_something"],
)
def test_memory_reads_what_was_last_written(
    accesses: Sequence[tuple[int, int, bool]], reason: Reason
) -> None:
    key, traces = memory_proof(accesses)
    assert_refused_by_one_check(key.verification, [], honest_proof(key, traces), reason)


def test_an_address_that_is_initialised_twice_is_refused() -> None:
    """The sorted rows go 5, 9, 5, 9: the second time each address would be fresh and could read zero."""

    def interleave(rows: list[tuple[int, ...]]) -> None:
        rows[1], rows[2] = rows[2], rows[1]
        for i, row in enumerate(rows):
            gap = (rows[i + 1][0] - row[0] - 1) % PRIME if i < 3 else 0
            rows[i] = (*row[:4], 0, gap % 256, gap // 256, *row[7:])

    key, traces = memory_proof([(5, 7, True), (9, 8, True), (5, 0, False), (9, 0, False)], interleave)
    assert_refused_by_one_check(key.verification, [], honest_proof(key, traces), UNBALANCED)


def test_accesses_that_are_sorted_against_time_are_refused() -> None:
    """The read comes before the write of the same address, so it would read zero."""

    def turn_back(rows: list[tuple[int, ...]]) -> None:
        rows[0], rows[1] = rows[1], rows[0]
        gap = (rows[1][1] - rows[0][1] - 1) % PRIME
        rows[0] = (*rows[0][:4], 1, gap % 256, gap // 256, *rows[0][7:])
        gap = rows[2][0] - rows[1][0] - 1
        rows[1] = (*rows[1][:4], 0, gap % 256, gap // 256, *rows[1][7:])

    key, traces = memory_proof([(5, 7, True), (9, 8, True), (5, 0, False), (9, 8, False)], turn_back)
    assert_refused_by_one_check(key.verification, [], honest_proof(key, traces), UNBALANCED)


@pytest.mark.parametrize("rows", [4, 16])
def test_a_preprocessed_column_of_another_length_is_no_key(rows: int) -> None:
    content = encode(np.arange(rows))[None, :]
    with pytest.raises(
        CircuitError, match=rf"the preprocessed matrix is uint32 \(1, {rows}\), not uint32 \(1, 8\)"
    ):
        proving_key(specimen.lookup_circuit(), (2, 3), [None, content])


def test_a_periodic_column_of_another_length_is_another_circuit() -> None:
    """(0, 1) and (0, 1, 0, 1) are the same column; a proof goes with the one in the key all the same."""

    def circuit(values: Sequence[int]) -> Circuit:
        def constrain(air: AirBuilder) -> None:
            air.assert_equal("the cell is the periodic one", air.column("cell"), air.periodic("beat", values))

        return define_circuit("beats", [("beats", constrain)])

    keys = [proving_key(circuit(values), (3,)) for values in ((0, 1), (0, 1, 0, 1), (0, 1, 0, 2))]
    assert len({key.verification.digest for key in keys}) == 3
    forged = honest_proof(keys[1], [encode(np.array([[0, 1] * 4]))])
    assert [verdict(key.verification, [], forged) for key in keys] == [FALSE, None, FALSE]


def test_a_bus_sum_for_a_table_without_buses_is_refused() -> None:
    key = proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed())
    assert key.verification.shape.bus_tables == (0, 1)
    honest = honest_proof(key, specimen.fill(), specimen.STATEMENT)
    first, second = honest.bus_sums
    for bus_sums in [(first, second, (0,) * 5), (first,), (first, second, first), ()]:
        forged = replace(honest, bus_sums=bus_sums)
        assert verdict(key.verification, specimen.STATEMENT, forged) is Reason.SHAPE
    # Without the check on lengths an additional zero would only be caught by what the transcript heard.
    forged = replace(honest, bus_sums=(first, second, (0,) * 5))
    weakly = weak_verdict(key.verification, specimen.STATEMENT, forged, ignoring=[Reason.SHAPE])
    assert weakly is FALSE
