"""Inspection finds exactly the planted faults."""

from __future__ import annotations

import time

import numpy as np
import pytest

from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus, Direction
from prover.air.inspect import (
    MAXIMUM_FINDINGS,
    BrokenConstraint,
    Contribution,
    Findings,
    UnbalancedMessage,
    UnboundedCount,
    deterministic_challenge,
    inspect,
)
from prover.air.table import Extension
from prover.field.koalabear import PRIME, encode

STEPS = Bus("steps", 1, 2)
HEIGHT = 8


def counter(air: AirBuilder) -> None:
    value, square = air.columns("value", "square")
    parity = air.periodic("parity", [0, 1])
    fixed = air.preprocessed("fixed")
    air.assert_equal("square is the square of value", square, value * value)
    air.assert_equal("fixed is value plus parity", fixed, value + parity)
    air.on_first_row.assert_equal("value starts at the public start", value, air.public("start"))
    air.on_last_row.assert_equal("value ends at the public end", value, air.public("end"))
    air.on_transition.assert_equal("value grows by one", value.next, value + 1)
    air.send(STEPS, [value, square])


def ledger(air: AirBuilder) -> None:
    value, square, count = air.columns("value", "square", "count")
    air.provide(STEPS, [value, square], count)


TABLES = [define_table("counter", counter, ["start", "end"]), define_table("ledger", ledger)]


def honest() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    value = np.arange(5, 5 + HEIGHT, dtype=np.int64)
    traces = {
        "counter": np.stack([value, value**2]),
        "ledger": np.stack([value, value**2, np.ones_like(value)]),
    }
    return traces, {"counter": (value + np.arange(HEIGHT) % 2)[None, :]}


def run(traces: dict[str, np.ndarray], fixed: dict[str, np.ndarray]) -> Findings:
    return inspect(TABLES, traces, [5, 12], preprocessed=fixed)


def test_an_honest_trace_has_no_findings() -> None:
    traces, fixed = honest()
    findings = run(traces, fixed)
    assert findings == Findings((), (), ())
    assert findings.is_clean
    assert findings.lines == []


def test_montgomery_traces_are_understood() -> None:
    traces, fixed = honest()
    findings = inspect(
        TABLES,
        {name: encode(trace) for name, trace in traces.items()},
        [5, 12],
        preprocessed={name: encode(trace) for name, trace in fixed.items()},
        is_montgomery=True,
    )
    assert findings.is_clean


def test_a_wrong_square_is_named_with_its_row_and_cells_and_unbalances_the_bus() -> None:
    traces, fixed = honest()
    traces["counter"][1, 3] += 2
    findings = run(traces, fixed)
    assert findings.constraints == (
        BrokenConstraint("counter", "square is the square of value", 3, (("square", 66), ("value", 8)), 2),
    )
    assert findings.messages == (
        UnbalancedMessage("steps", (8, 64), 0, 1, (Contribution("ledger", 3, Direction.RECEIVE, 1),)),
        UnbalancedMessage("steps", (8, 66), 1, 0, (Contribution("counter", 3, Direction.SEND, 1),)),
    )
    assert findings.lines == [
        "Table counter, row 3: 'square is the square of value' does not hold with square = 66, value = 8.",
        "Bus steps: message (8, 64) is sent 0 times and received 1 times, by ledger row 3 (receive 1).",
        "Bus steps: message (8, 66) is sent 1 times and received 0 times, by counter row 3 (send 1).",
    ]
    assert not findings.is_clean


def test_boundary_and_transition_rules_are_checked_on_their_rows_only() -> None:
    traces, fixed = honest()
    findings = inspect(TABLES, traces, [6, 13], preprocessed=fixed)
    assert [(finding.constraint, finding.row, finding.cells) for finding in findings.constraints] == [
        ("value starts at the public start", 0, (("value", 5), ("public 0", 6))),
        ("value ends at the public end", HEIGHT - 1, (("value", 12), ("public 1", 13))),
    ]
    traces["counter"] = np.stack([np.full(HEIGHT, 5), np.full(HEIGHT, 25)])
    findings = run(traces, fixed)
    broken = [finding for finding in findings.constraints if finding.constraint == "value grows by one"]
    assert [finding.row for finding in broken] == list(range(HEIGHT - 1))
    assert broken[0].cells == (("value (next row)", 5), ("value", 5))
    assert broken[0].value == PRIME - 1


def test_a_wrong_preprocessed_or_periodic_cell_is_found() -> None:
    traces, fixed = honest()
    fixed["counter"][0, 1] += 1
    findings = run(traces, fixed)
    assert [finding.cells for finding in findings.constraints] == [
        (("fixed", 8), ("value", 6), ("parity", 1))
    ]


def test_a_count_of_zero_takes_no_part_and_a_wrong_count_is_found() -> None:
    traces, fixed = honest()
    traces["ledger"][:, 2] = (99, 98, 0)
    traces["ledger"][2, 4] = 3
    findings = run(traces, fixed)
    assert findings.constraints == ()
    assert [(m.message, m.sent, m.received) for m in findings.messages] == [((7, 49), 1, 0), ((9, 81), 1, 3)]
    assert findings.messages[1].contributions == (
        Contribution("counter", 4, Direction.SEND, 1),
        Contribution("ledger", 4, Direction.RECEIVE, 3),
    )


def test_a_count_above_its_promised_weight_is_found() -> None:
    def twice(air: AirBuilder) -> None:
        value, live = air.columns("value", "live")
        air.send(STEPS, [value, value], live)

    table = define_table("twice", twice)
    main = np.array([[1, 1], [1, 2]])
    findings = inspect([table, TABLES[1]], {"twice": main, "ledger": np.array([[1], [1], [3]])})
    assert findings.counts == (UnboundedCount("twice", "steps", 1, 2, 1),)
    assert findings.messages == ()
    assert findings.lines == [
        "Table twice, row 1: 'the send number 0 on bus steps happens once or not at all' does not hold with live = 2.",
        "Table twice, row 1: a message on bus steps counts 2 times, but at most 1 is promised.",
    ]


def test_a_bus_nobody_uses_is_balanced() -> None:
    findings = inspect([TABLES[1]], {"ledger": np.zeros((3, 4), dtype=np.int64)})
    assert findings.is_clean


def products(air: AirBuilder) -> None:
    value = air.column("value")
    gamma = air.challenge(1)
    product = air.challenge_column("product", 1)
    air.on_first_row.assert_equal("the product starts at gamma plus value", product, gamma + value)
    air.on_transition.assert_equal("the product takes in value", product.next, product + gamma * value.next)

    def fill(round: int, main: object, challenges: object) -> list[list[Extension]]:
        drawn: Extension = challenges[round - 1][0]  # type: ignore[index]
        values: list[int] = main[0]  # type: ignore[index]
        column: list[Extension] = [(drawn[0] + values[0], *drawn[1:])]
        for value in values[1:]:
            a, b, c, d, e = ((x + y * value) % PRIME for x, y in zip(column[-1], drawn, strict=True))
            column.append((a, b, c, d, e))
        return [column]

    air.fill_challenge_columns_with(fill)


@pytest.mark.parametrize("challenges", [None, [[(1, 2, 3, 4, 5)]]])
def test_challenge_columns_are_filled_with_given_or_fixed_challenges(
    challenges: list[list[Extension]] | None,
) -> None:
    table = define_table("products", products)
    assert inspect([table], {"products": np.array([[3, 4, 5, 6]])}, challenges=challenges).is_clean


def test_a_broken_challenge_constraint_shows_extension_values() -> None:
    def wrong(air: AirBuilder) -> None:
        value = air.column("value")
        air.assert_equal("gamma is value", air.challenge(1), value)

    findings = inspect(
        [define_table("wrong", wrong)], {"wrong": np.array([[3]])}, challenges=[[(3, 0, 0, 0, 1)]]
    )
    assert findings.constraints == (
        BrokenConstraint(
            "wrong",
            "gamma is value",
            0,
            (("challenge 0 of round 1", (3, 0, 0, 0, 1)), ("value", 3)),
            (0, 0, 0, 0, 1),
        ),
    )


def test_fixed_challenges_are_elements_of_the_extension_and_differ() -> None:
    drawn = {deterministic_challenge(round, index) for round in (1, 2) for index in range(3)}
    assert len(drawn) == 6
    assert all(0 <= coordinate < PRIME for challenge in drawn for coordinate in challenge)
    assert deterministic_challenge(1, 0) == deterministic_challenge(1, 0)


def test_findings_of_one_constraint_are_limited() -> None:
    table = define_table("zeros", lambda air: air.assert_zero("value is zero", air.column("value")))
    findings = inspect([table], {"zeros": np.ones((1, 4096), dtype=np.int64)})
    assert len(findings.constraints) == MAXIMUM_FINDINGS


def test_a_large_trace_takes_seconds_at_most() -> None:
    height = 1 << 16
    value = np.arange(5, 5 + height, dtype=np.int64)
    traces = {
        "counter": np.stack([value, value**2 % PRIME]),
        "ledger": np.stack([value, value**2 % PRIME, np.ones_like(value)]),
    }
    start = time.perf_counter()
    fixed = {"counter": (value + np.arange(height) % 2)[None, :]}
    assert inspect(TABLES, traces, [5, 4 + height], preprocessed=fixed).is_clean
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("traces", "fixed", "message"),
    [
        ({}, {}, "table counter has no main trace"),
        ({"counter": np.zeros((2, 4), dtype=np.int64)}, {}, "table counter has no preprocessed trace"),
        (
            {"counter": np.zeros((3, 4), dtype=np.int64)},
            {},
            "table counter: the main trace has shape (3, 4), not (2, height)",
        ),
        (
            {"counter": np.zeros((2, 4), dtype=np.int64)},
            {"counter": np.zeros((1, 8), dtype=np.int64)},
            "table counter: the preprocessed trace has shape (1, 8), not (1, 4)",
        ),
    ],
)
def test_traces_of_another_shape_are_refused(
    traces: dict[str, np.ndarray], fixed: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        inspect(TABLES, traces, [0, 0], preprocessed=fixed)
    assert str(caught.value) == message


def test_challenge_columns_that_nobody_fills_are_refused() -> None:
    def constrain(air: AirBuilder) -> None:
        air.assert_zero("c is zero", air.challenge_column("c", 1) * air.column("a"))

    with pytest.raises(ValueError, match=r"^table t: nothing fills its challenge columns$"):
        inspect([define_table("t", constrain)], {"t": np.zeros((1, 2), dtype=np.int64)})
