"""Messages whose counts the key fixes: who writes and who reads is no choice of the witness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus, Direction
from prover.air.expression import lift
from prover.air.inspect import inspect
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.parameters import PRESETS
from prover.stark.circuit import Circuit, CircuitError, define_circuit
from prover.stark.key import describe_table
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.stark.verify import verify_messages

WIRES = Bus("wires", 1, 2)
LOG_HEIGHT = 3
NUMBERS = [0, 0, 0, 1, 1, 2, 2, 2]
COUNTS = [2, -1, -1, 1, -1, -1, -1, 2]
VALUES = [9, 9, 9, 4, 4, 6, 6, 6]


def constrain(air: AirBuilder) -> None:
    number, count = air.preprocessed("number"), air.preprocessed("count")
    air.exchange(WIRES, [number, air.column("value")], count, 10)


def circuit() -> Circuit:
    return define_circuit("exchange", [("wires", constrain)])


def plan(counts: list[int]) -> Montgomery:
    return encode(np.array([NUMBERS, [count % PRIME for count in counts]]))


def verdict(values: list[int], counts: list[int] = COUNTS) -> Reason | None:
    parameters = PRESETS["test-keccak"]
    key = make_proving_key(circuit(), (LOG_HEIGHT,), parameters, [plan(counts)], threads=1)
    proof = prove(key, [encode(np.array([values]))], threads=1)
    try:
        verify_messages(key.verification, (), proof.messages, accept_insecure=True)
    except ProofRefused as refusal:
        return refusal.reason
    return None


def test_readers_have_the_writers_value() -> None:
    assert verdict(VALUES) is None


@pytest.mark.parametrize("row", range(len(VALUES)))
def test_no_row_can_have_another_value(row: int) -> None:
    forged = [*VALUES]
    forged[row] += 1
    assert verdict(forged) is Reason.BUS_SUMS_DO_NOT_BALANCE


def test_a_writer_cannot_change_for_some_of_its_readers() -> None:
    assert verdict([9, 9, 8, 4, 4, 6, 6, 6]) is Reason.BUS_SUMS_DO_NOT_BALANCE


def test_a_plan_that_reads_more_than_it_writes_balances_for_no_values() -> None:
    assert verdict(VALUES, [1, *COUNTS[1:]]) is Reason.BUS_SUMS_DO_NOT_BALANCE


def test_the_inspector_adds_negative_counts_up() -> None:
    tables = circuit().tables
    traces = {"wires": np.array([VALUES])}
    fixed = {"wires": np.array([NUMBERS, COUNTS])}
    assert inspect(tables, traces, preprocessed=fixed).is_clean
    traces["wires"][0, 4] = 5
    assert len(inspect(tables, traces, preprocessed=fixed).messages) == 2


def test_a_key_refuses_more_messages_than_are_promised() -> None:
    for counts in ([3, *COUNTS[1:]], [*COUNTS[:2], -2, *COUNTS[3:]]):
        with pytest.raises(CircuitError, match="10 that are promised"):
            make_proving_key(circuit(), (LOG_HEIGHT,), PRESETS["test-keccak"], [plan(counts)], threads=1)


def test_promises_stay_below_the_prime() -> None:
    def boast(air: AirBuilder) -> None:
        air.exchange(WIRES, [air.column("value"), 0], air.preprocessed("count"), PRIME)

    with pytest.raises(CircuitError, match="not below the prime"):
        make_proving_key(
            define_circuit("exchange", [("wires", boast)]),
            (LOG_HEIGHT,),
            PRESETS["test-keccak"],
            [plan(COUNTS)[:1]],
        )


def by_witness(air: AirBuilder) -> None:
    air.exchange(WIRES, [air.column("value"), 0], air.column("count"), 8)


def by_the_next_row(air: AirBuilder) -> None:
    air.exchange(WIRES, [air.column("value"), 0], air.preprocessed("count").next, 8)


def by_a_mixture(air: AirBuilder) -> None:
    air.exchange(WIRES, [air.column("value"), 0], air.preprocessed("count") * air.column("other"), 8)


def never(air: AirBuilder) -> None:
    air.exchange(WIRES, [air.column("value"), 0], air.preprocessed("count"), 0)


def always(air: AirBuilder) -> None:
    air.exchange(WIRES, [air.column("value"), 0], lift(1), 8)


@pytest.mark.parametrize("state", [by_witness, by_the_next_row, by_a_mixture, never, always])
def test_only_the_key_says_how_often(state: Callable[[AirBuilder], None]) -> None:
    with pytest.raises(ValueError, match="on bus wires"):
        define_table("wires", state)


def test_a_count_that_the_witness_chooses_has_no_place_beside_one_that_the_key_fixes() -> None:
    def mixed(air: AirBuilder) -> None:
        value = air.column("value")
        air.exchange(WIRES, [value, 0], air.preprocessed("count"), 8)
        air.provide(WIRES, [value, 0], air.column("asked"))

    with pytest.raises(CircuitError, match="received and messages that are provided"):
        define_circuit("mixed", [("wires", mixed)])


def test_the_promise_is_part_of_the_key() -> None:
    def promising(total: int) -> Callable[[AirBuilder], None]:
        return lambda air: air.exchange(WIRES, [air.column("v"), 0], air.preprocessed("count"), total)

    first, second = (define_table("wires", promising(total)) for total in (8, 9))
    assert first.interactions[0].direction is Direction.SEND
    assert first.interactions[0].is_pinned
    assert describe_table(first) != describe_table(second)
