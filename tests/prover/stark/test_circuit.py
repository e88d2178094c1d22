"""What no circuit may be: each refusal with its whole message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.air.expression import Cell, CellKind, read
from prover.field.koalabear import PRIME
from prover.parameters import PRESETS
from prover.stark.circuit import Circuit, CircuitError, check_circuit, check_heights, define_circuit
from prover.stark.key import make_verification_key

Constrain = Callable[[AirBuilder], None]
BUS = Bus("letters", identifier=1, arity=1)


def fine(air: AirBuilder) -> None:
    air.on_first_row.assert_zero("the first cell is zero", air.column("cell"))


def no_column(air: AirBuilder) -> None:
    air.assert_zero("the fixed cell is zero", air.preprocessed("fixed"))


def unread_column(air: AirBuilder) -> None:
    fine(air)
    air.column("forgotten")


def unread_challenge_column(air: AirBuilder) -> None:
    fine(air)
    air.challenge_column("forgotten product", 1)
    air.fill_challenge_columns_with(lambda _round, _main, _challenges: [])


def unfilled_challenge_column(air: AirBuilder) -> None:
    fine(air)
    air.on_first_row.assert_zero("the product starts at zero", air.challenge_column("product", 1))


def undeclared_challenge_column(air: AirBuilder) -> None:
    fine(air)
    air.on_first_row.assert_zero("a stranger is zero", read(Cell(CellKind.CHALLENGE_COLUMN, 3, 0, 1)))


def reads_selector(air: AirBuilder) -> None:
    air.assert_zero("the cell is zero on some row", air.column("cell") * read(Cell(CellKind.SELECTOR, 0)))


def sends_selector(air: AirBuilder) -> None:
    fine(air)
    air.send(BUS, [read(Cell(CellKind.SELECTOR, 0))])


def reads_combiner(air: AirBuilder) -> None:
    air.assert_zero("the cell is zero when combined", air.column("cell") * read(Cell(CellKind.COMBINER, 1)))


def reads_bus_sum(air: AirBuilder) -> None:
    air.assert_zero("the cell is the share", air.column("cell") - read(Cell(CellKind.BUS_SUM_SHARE, 0)))


@pytest.mark.parametrize(
    ("constrain", "message"),
    [
        (no_column, "table only has no column of its own"),
        (unread_column, "table only: nothing reads column forgotten"),
        (unread_challenge_column, "table only: nothing reads challenge column forgotten product"),
        (unfilled_challenge_column, "table only: nothing fills its challenge columns"),
        (undeclared_challenge_column, "table only: a challenge column of round 1 is not declared"),
        (reads_selector, "table only: a constraint reads a selector cell directly"),
        (sends_selector, "table only: a constraint reads a selector cell directly"),
        (reads_combiner, "table only: a constraint reads a combiner cell directly"),
        (reads_bus_sum, "table only: a constraint reads a bus sum share cell directly"),
    ],
)
def test_a_table_that_binds_too_little_is_refused(constrain: Constrain, message: str) -> None:
    with pytest.raises(CircuitError) as refusal:
        define_circuit("one", [("only", constrain)])
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("name", "tables", "public_names", "message"),
    [
        ("none", [], (), "circuit none has no table"),
        ("twins", [("a", fine), ("a", fine)], (), "circuit twins: two tables have the same name"),
        ("doubled", [("a", fine)], ("x", "y", "x"), "circuit doubled: two public values have the same name"),
        ("", [("a", fine)], (), "circuit '': a name has 1 to 255 printable ASCII letters and no space"),
        ("a b", [("a", fine)], (), "circuit 'a b': a name has 1 to 255 printable ASCII letters and no space"),
        ("ö", [("a", fine)], (), "circuit 'ö': a name has 1 to 255 printable ASCII letters and no space"),
    ],
)
def test_a_circuit_of_unclear_parts_is_refused(
    name: str, tables: Sequence[tuple[str, Constrain]], public_names: Sequence[str], message: str
) -> None:
    with pytest.raises(CircuitError) as refusal:
        define_circuit(name, tables, public_names)
    assert str(refusal.value) == message


def sends(bus: Bus = BUS) -> Constrain:
    return lambda air: air.send(bus, [air.column("letter")])


def receives(bus: Bus = BUS) -> Constrain:
    return lambda air: air.receive(bus, [air.column("letter")])


def provides(bus: Bus = BUS) -> Constrain:
    return lambda air: air.provide(bus, [air.column("letter")], air.column("count"))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([sends()], "bus letters has messages in one direction only"),
        ([receives()], "bus letters has messages in one direction only"),
        ([provides(), receives()], "bus letters has messages in one direction only"),
        (
            [sends(), receives(), provides()],
            "bus letters has messages that are received and messages that are provided",
        ),
        (
            [sends(), receives(Bus("digits", identifier=1, arity=1))],
            "two buses share the identifier 1",
        ),
        (
            [sends(), receives(Bus("letters", identifier=2, arity=1))],
            "bus letters has messages in one direction only",
        ),
    ],
    ids=[
        "no_receiver",
        "no_sender",
        "two_receivers",
        "two_kinds_of_receiver",
        "one_identifier",
        "two_identifiers",
    ],
)
def test_a_bus_that_cannot_balance_honestly_is_refused(tables: Sequence[Constrain], message: str) -> None:
    with pytest.raises(CircuitError) as refusal:
        define_circuit("buses", [(f"table {i}", constrain) for i, constrain in enumerate(tables)])
    assert str(refusal.value) == message


def test_a_send_whose_count_is_free_is_refused() -> None:
    circuit = define_circuit("buses", [("sender", sends()), ("provider", provides())])
    sender, provider = circuit.tables
    free = tuple(replace(interaction, weight=0) for interaction in sender.interactions)
    with pytest.raises(CircuitError) as refusal:
        check_circuit(replace(circuit, tables=(replace(sender, interactions=free), provider)))
    assert str(refusal.value) == "bus letters: every send must have a bounded count"


def heavy(count: int) -> Circuit:
    """A table that sends and one that receives so many messages a row."""

    def send(air: AirBuilder) -> None:
        letter = air.column("letter")
        for _ in range(count):
            air.send(BUS, [letter])

    def receive(air: AirBuilder) -> None:
        letter = air.column("letter")
        for _ in range(count):
            air.receive(BUS, [letter])

    return define_circuit("heavy", [("sender", send), ("receiver", receive)])


@pytest.mark.parametrize(
    ("circuit", "heights", "message"),
    [
        (define_circuit("one", [("only", fine)]), (), "circuit one has 1 tables, not 0 heights"),
        (define_circuit("one", [("only", fine)]), (3, 3), "circuit one has 1 tables, not 2 heights"),
        (define_circuit("one", [("only", fine)]), (-1,), "table only: height 2^-1 is outside 2^0 to 2^22"),
        (define_circuit("one", [("only", fine)]), (23,), "table only: height 2^23 is outside 2^0 to 2^22"),
        (
            heavy(255),
            (22, 22),
            f"bus letters could carry {255 * 2**23} messages, which is not below the prime {PRIME}",
        ),
        (
            heavy(1),
            (22, 23),
            "table receiver: height 2^23 is outside 2^0 to 2^22",
        ),
    ],
)
def test_heights_that_the_circuit_cannot_have_are_refused(
    circuit: Circuit, heights: tuple[int, ...], message: str
) -> None:
    with pytest.raises(CircuitError) as refusal:
        check_heights(circuit, heights, log_blowup=2)
    assert str(refusal.value) == message


def test_messages_just_below_the_prime_are_allowed() -> None:
    check_heights(heavy(254), (22, 22), log_blowup=2)


def test_a_periodic_column_longer_than_its_table_is_refused() -> None:
    def constrain(air: AirBuilder) -> None:
        air.assert_equal("the cell follows the beat", air.column("cell"), air.periodic("beat", (1, 2, 3, 4)))

    circuit = define_circuit("beat", [("only", constrain)])
    check_heights(circuit, (2,), log_blowup=2)
    with pytest.raises(CircuitError) as refusal:
        check_heights(circuit, (1,), log_blowup=2)
    assert str(refusal.value) == "table only: periodic column beat is longer than the table"


def test_constraints_of_too_high_a_degree_for_the_rate_are_refused() -> None:
    def constrain(air: AirBuilder) -> None:
        cell = air.column("cell")
        air.assert_zero("the sixth power is zero", cell * cell * cell * cell * cell * cell)

    circuit = define_circuit("powers", [("only", constrain)])
    with pytest.raises(CircuitError) as refusal:
        make_verification_key(circuit, (3,), PRESETS["test-keccak"])
    assert str(refusal.value) == "table only: constraints of degree 6 need a blowup of at least 2^3"


@pytest.mark.parametrize("has_columns", [True, False])
def test_a_preprocessed_root_goes_with_preprocessed_columns(has_columns: bool) -> None:
    def constrain(air: AirBuilder) -> None:
        fine(air)
        if has_columns:
            air.assert_zero("the fixed cell is zero", air.preprocessed("fixed"))

    circuit = define_circuit("fixed", [("only", constrain)])
    with pytest.raises(CircuitError) as refusal:
        make_verification_key(circuit, (3,), PRESETS["test-keccak"], None if has_columns else bytes(32))
    assert str(refusal.value) == "circuit fixed: a preprocessed root goes with preprocessed columns"
