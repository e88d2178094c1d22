"""What an author of a table uses to state its columns, constraints and bus messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prover.air.bus import Bus, Direction, Interaction
from prover.air.expression import (
    Cell,
    CellKind,
    Expression,
    Operand,
    cells_of,
    lift,
    read,
    reads_a_cell,
)
from prover.air.table import (
    ChallengeColumn,
    Constraint,
    FillChallengeColumns,
    PeriodicColumn,
    Scope,
    Table,
)


class ScopedBuilder:
    """States constraints that hold on the rows of one scope."""

    def __init__(self, air: AirBuilder, scope: Scope) -> None:
        self._air = air
        self._scope = scope

    def assert_zero(self, name: str, polynomial: Operand) -> None:
        """State that a polynomial vanishes; the name is a sentence that says what holds."""
        self._air._add_constraint(name, self._scope, lift(polynomial))

    def assert_equal(self, name: str, left: Operand, right: Operand) -> None:
        """State that two polynomials agree."""
        self.assert_zero(name, lift(left) - right)

    def assert_boolean(self, name: str, value: Expression) -> None:
        """State that a value is zero or one."""
        self.assert_zero(name, value * (value - 1))


class AirBuilder(ScopedBuilder):
    """Collects what a table declares, in the order of declaration; itself the scope of every row."""

    def __init__(self, table_name: str, public_names: Sequence[str] = ()) -> None:
        super().__init__(self, Scope.EVERY_ROW)
        self._table_name = table_name
        self._public_names = tuple(public_names)
        self._preprocessed: list[str] = []
        self._main: list[str] = []
        self._periodic: list[PeriodicColumn] = []
        self._challenge_columns: list[ChallengeColumn] = []
        self._challenge_counts: list[int] = []
        self._constraints: list[Constraint] = []
        self._interactions: list[Interaction] = []
        self._fill_challenge_columns: FillChallengeColumns | None = None
        self.on_first_row = ScopedBuilder(self, Scope.FIRST_ROW)
        self.on_last_row = ScopedBuilder(self, Scope.LAST_ROW)
        self.on_transition = ScopedBuilder(self, Scope.TRANSITION)

    def column(self, name: str) -> Expression:
        """Declare a column of the witness."""
        return read(Cell(CellKind.MAIN, self._declare(self._main, name)))

    def columns(self, *names: str) -> tuple[Expression, ...]:
        """Declare several columns of the witness."""
        return tuple(self.column(name) for name in names)

    def preprocessed(self, name: str) -> Expression:
        """Declare a column whose content the verification key fixes."""
        return read(Cell(CellKind.PREPROCESSED, self._declare(self._preprocessed, name)))

    def periodic(self, name: str, values: Sequence[int]) -> Expression:
        """Declare a column that repeats the given values; their number is a power of two."""
        if not values or len(values) & (len(values) - 1):
            raise ValueError(f"{self._table_name}: periodic column {name} needs a power of two of values")
        self._periodic.append(PeriodicColumn(name, tuple(values)))
        return read(Cell(CellKind.PERIODIC, len(self._periodic) - 1))

    def public(self, name: str) -> Expression:
        """Read a public value of the circuit's statement."""
        if name not in self._public_names:
            raise ValueError(f"{self._table_name}: the circuit has no public value named {name}")
        return read(Cell(CellKind.PUBLIC, self._public_names.index(name)))

    def challenge(self, round: int) -> Expression:
        """Take one more random extension element of a round; tables share the elements of a round in order."""
        self._open_round(round)
        self._challenge_counts[round - 1] += 1
        return read(Cell(CellKind.CHALLENGE, self._challenge_counts[round - 1] - 1, 0, round))

    def challenge_column(self, name: str, round: int) -> Expression:
        """Declare an extension-valued column, filled after the challenges of its round are known."""
        index = sum(column.round == round for column in self._challenge_columns)
        self._challenge_columns.append(ChallengeColumn(name, round))
        self._open_round(round)
        return read(Cell(CellKind.CHALLENGE_COLUMN, index, 0, round))

    def fill_challenge_columns_with(self, fill: FillChallengeColumns) -> None:
        """Name the function that fills the declared challenge columns, round by round."""
        self._fill_challenge_columns = fill

    def send(self, bus: Bus, values: Sequence[Operand], when: Operand = 1) -> None:
        """Send a message on every row where `when` is one; `when` is constrained to be zero or one."""
        self._interact(bus, Direction.SEND, values, when)

    def receive(self, bus: Bus, values: Sequence[Operand], when: Operand = 1) -> None:
        """Receive a message on every row where `when` is one; `when` is constrained to be zero or one."""
        self._interact(bus, Direction.RECEIVE, values, when)

    def provide(self, bus: Bus, values: Sequence[Operand], count: Expression) -> None:
        """Receive a message as often as the witness says: the table side of a lookup."""
        self._append(Interaction(bus, Direction.RECEIVE, tuple(map(lift, values)), count, weight=0))

    def exchange(self, bus: Bus, values: Sequence[Operand], count: Expression, total: int) -> None:
        """Send a message as often as preprocessed columns say; a negative count receives it.

        `total` bounds the sum of the absolute counts of all rows; making a key refuses columns that exceed it.
        """
        # Soundness: a count that the witness could choose would let a message cancel itself.
        if any(cell.kind is not CellKind.PREPROCESSED or cell.row_offset for cell in cells_of([count])):
            raise ValueError(
                f"{self._table_name}: on bus {bus.name} only preprocessed columns may say how often to exchange"
            )
        if count.constant_value is not None or total < 1:
            raise ValueError(f"{self._table_name}: a constant count on bus {bus.name} must be 1")
        self._append(
            Interaction(bus, Direction.SEND, tuple(map(lift, values)), count, weight=1, pinned_total=total)
        )

    def build(self) -> Table:
        """Freeze the table."""
        return Table(
            self._table_name,
            tuple(self._preprocessed),
            tuple(self._main),
            tuple(self._periodic),
            tuple(self._challenge_columns),
            tuple(self._challenge_counts),
            tuple(self._constraints),
            tuple(self._interactions),
            self._fill_challenge_columns,
        )

    def _open_round(self, round: int) -> None:
        if round < 1:
            raise ValueError(f"{self._table_name}: rounds of challenges are counted from 1, not {round}")
        while len(self._challenge_counts) < round:
            self._challenge_counts.append(0)

    def _declare(self, names: list[str], name: str) -> int:
        if name in self._main or name in self._preprocessed:
            raise ValueError(f"{self._table_name}: column {name} is declared twice")
        names.append(name)
        return len(names) - 1

    def _add_constraint(self, name: str, scope: Scope, polynomial: Expression) -> None:
        if polynomial.constant_value is not None or not reads_a_cell(polynomial):
            raise ValueError(f"{self._table_name}: the constraint '{name}' reads no cell")
        if any(constraint.name == name for constraint in self._constraints):
            raise ValueError(f"{self._table_name}: two constraints are named '{name}'")
        self._constraints.append(Constraint(name, scope, polynomial))

    def _interact(self, bus: Bus, direction: Direction, values: Sequence[Operand], when: Operand) -> None:
        count = lift(when)
        if count.constant_value is None:
            # Soundness: the weight of one is a promise to the multiplicity check.
            # Without this constraint a row could send a message minus one times.
            name = f"the {direction} number {len(self._interactions)} on bus {bus.name} happens once or not at all"
            self.assert_boolean(name, count)
        elif count.constant_value != 1:
            raise ValueError(f"{self._table_name}: a constant count on bus {bus.name} must be 1")
        self._append(Interaction(bus, direction, tuple(map(lift, values)), count, weight=1))

    def _append(self, interaction: Interaction) -> None:
        bus = interaction.bus
        if len(interaction.values) != bus.arity:
            raise ValueError(
                f"{self._table_name}: bus {bus.name} carries {bus.arity} values, not {len(interaction.values)}"
            )
        if any(value.is_extension for value in (*interaction.values, interaction.count)):
            raise ValueError(f"{self._table_name}: bus {bus.name} carries base field values only")
        self._interactions.append(interaction)


def define_table(
    name: str, constrain: Callable[[AirBuilder], None], public_names: Sequence[str] = ()
) -> Table:
    """Run an author's `constrain` and freeze what it stated."""
    air = AirBuilder(name, public_names)
    constrain(air)
    return air.build()
