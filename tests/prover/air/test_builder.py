"""What an author may state, and every refusal with its whole message."""

from collections.abc import Callable

import pytest

from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus, Direction
from prover.air.expression import Cell, CellKind, read
from prover.air.table import Constraint, Scope

BUS = Bus("pairs", 3, 2)


def test_a_table_keeps_the_order_of_declarations() -> None:
    def constrain(air: AirBuilder) -> None:
        a, b = air.columns("a", "b")
        fixed = air.preprocessed("fixed")
        step = air.periodic("step", [1, 0])
        limit = air.public("limit")
        air.assert_equal("a is b", a, b)
        air.assert_boolean("a is a bit", a)
        air.on_first_row.assert_zero("a starts at zero", a)
        air.on_last_row.assert_equal("b ends at the limit", b, limit)
        air.on_transition.assert_equal("a grows by the step", a.next, a + step * fixed)

    table = define_table("ladder", constrain, ["version", "limit"])
    a, b = read(Cell(CellKind.MAIN, 0)), read(Cell(CellKind.MAIN, 1))
    assert table.name == "ladder"
    assert table.main_names == ("a", "b")
    assert table.preprocessed_names == ("fixed",)
    assert [(column.name, column.values) for column in table.periodic] == [("step", (1, 0))]
    assert table.constraints == (
        Constraint("a is b", Scope.EVERY_ROW, a - b),
        Constraint("a is a bit", Scope.EVERY_ROW, a * (a - 1)),
        Constraint("a starts at zero", Scope.FIRST_ROW, a),
        Constraint("b ends at the limit", Scope.LAST_ROW, b - read(Cell(CellKind.PUBLIC, 1))),
        Constraint(
            "a grows by the step",
            Scope.TRANSITION,
            a.next - (a + read(Cell(CellKind.PERIODIC, 0)) * read(Cell(CellKind.PREPROCESSED, 0))),
        ),
    )


def test_challenges_and_challenge_columns_are_numbered_within_their_round() -> None:
    air = AirBuilder("t")
    assert air.challenge(2) is read(Cell(CellKind.CHALLENGE, 0, 0, 2))
    assert air.challenge(2) is read(Cell(CellKind.CHALLENGE, 1, 0, 2))
    assert air.challenge_column("c", 1) is read(Cell(CellKind.CHALLENGE_COLUMN, 0, 0, 1))
    assert air.challenge_column("d", 3) is read(Cell(CellKind.CHALLENGE_COLUMN, 0, 0, 3))
    assert air.challenge_column("e", 3) is read(Cell(CellKind.CHALLENGE_COLUMN, 1, 0, 3))
    table = air.build()
    assert table.challenge_counts == (0, 2, 0)
    assert table.challenge_names(3) == ("d", "e")
    assert table.challenge_names(2) == ()


def test_the_fill_function_is_kept() -> None:
    air = AirBuilder("t")

    def fill(round: int, main: object, challenges: object) -> list[list[tuple[int, int, int, int, int]]]:
        return []

    air.fill_challenge_columns_with(fill)
    assert air.build().fill_challenge_columns is fill


def test_a_conditional_message_is_constrained_to_happen_once_or_not_at_all() -> None:
    air = AirBuilder("t")
    a, live = air.columns("a", "live")
    air.send(BUS, [a, 5], live)
    air.receive(BUS, [a, a])
    air.provide(BUS, [a, 1], live)
    table = air.build()
    assert [(i.direction, i.weight) for i in table.interactions] == [
        (Direction.SEND, 1),
        (Direction.RECEIVE, 1),
        (Direction.RECEIVE, 0),
    ]
    assert table.constraints == (
        Constraint(
            "the send number 0 on bus pairs happens once or not at all", Scope.EVERY_ROW, live * (live - 1)
        ),
    )


def column_twice(air: AirBuilder) -> None:
    air.column("a")
    air.preprocessed("a")


def constraint_twice(air: AirBuilder) -> None:
    a = air.column("a")
    air.assert_zero("a is zero", a)
    air.on_first_row.assert_zero("a is zero", a)


def challenge_on_bus(air: AirBuilder) -> None:
    air.send(BUS, [air.challenge(1), 0])


def challenge_count_on_bus(air: AirBuilder) -> None:
    air.provide(BUS, [0, 0], air.challenge(1))


@pytest.mark.parametrize(
    ("constrain", "message"),
    [
        (column_twice, "t: column a is declared twice"),
        (constraint_twice, "t: two constraints are named 'a is zero'"),
        (challenge_on_bus, "t: bus pairs carries base field values only"),
        (challenge_count_on_bus, "t: bus pairs carries base field values only"),
        (lambda air: air.periodic("p", [1, 2, 3]), "t: periodic column p needs a power of two of values"),
        (lambda air: air.periodic("p", []), "t: periodic column p needs a power of two of values"),
        (lambda air: air.public("limit"), "t: the circuit has no public value named limit"),
        (lambda air: air.assert_zero("one is zero", 1), "t: the constraint 'one is zero' reads no cell"),
        (lambda air: air.send(BUS, [1, 2], 2), "t: a constant count on bus pairs must be 1"),
        (lambda air: air.send(BUS, [1]), "t: bus pairs carries 2 values, not 1"),
    ],
)
def test_every_mistake_of_an_author_has_its_message(
    constrain: Callable[[AirBuilder], object], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        constrain(AirBuilder("t"))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("identifier", "arity", "message"),
    [
        (-1, 1, "bus b: the identifier must lie in [0, 65536)"),
        (1 << 16, 1, "bus b: the identifier must lie in [0, 65536)"),
        (0, 0, "bus b: a message has between 1 and 256 values"),
        (0, 257, "bus b: a message has between 1 and 256 values"),
    ],
)
def test_a_bus_out_of_range_is_refused(identifier: int, arity: int, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Bus("b", identifier, arity)
    assert str(caught.value) == message


def test_tags_of_buses_differ_in_identifier_and_arity_and_are_never_zero() -> None:
    tags = [Bus("b", identifier, arity).tag for identifier in (0, 1, 65535) for arity in (1, 2, 256)]
    assert len(set(tags)) == len(tags)
    assert all(tags)
