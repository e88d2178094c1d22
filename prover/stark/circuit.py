"""A circuit: tables that are proved together, with the statement they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from prover.air.builder import AirBuilder
from prover.air.bus import Bus, Direction
from prover.air.expression import CellKind, cells_of
from prover.air.logup import group_fractions
from prover.air.table import Table
from prover.field.koalabear import PRIME, TWO_ADICITY

MINIMUM_QUOTIENT_DEGREE = 3
"""Constraints up to this degree cost the same: two bus fractions fit a column at degree three."""


LEAST_BUS_SAVING = Fraction(1, 3)
"""The share of a table's bus and quotient columns that a higher degree must save, unless a circuit says otherwise."""


def bus_degree(table: Table, log_blowup: int, least_saving: Fraction = LEAST_BUS_SAVING) -> int:
    """The degree that a table's bus fractions may use: prover and verifier must group them alike.

    A higher degree puts more fractions into a column and takes more quotient pieces, evaluated on more cosets.
    So it is taken where it saves enough of these columns: in tables of many messages.
    The pieces are a power of two, one less than the degree: up to the next such degree a higher one is free.
    """
    lowest = max(MINIMUM_QUOTIENT_DEGREE, (1 << (table.degree - 2).bit_length()) + 1)
    if not table.interactions:
        return lowest
    costs = {degree: _bus_columns(table, degree) for degree in range(lowest, (1 << log_blowup) + 2)}
    cheapest = min(costs, key=lambda degree: (costs[degree], degree), default=lowest)
    return cheapest if costs[cheapest] <= (1 - least_saving) * costs.get(lowest, 0) else lowest


def _bus_columns(table: Table, degree: int) -> int:
    """Extension columns of the bus argument and of the quotient at a degree."""
    return len(group_fractions(table.interactions, 1, degree)) + (1 << (degree - 2).bit_length())


class CircuitError(ValueError):
    """A circuit that cannot be proved soundly; the message says which table and why."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """Named tables and the names of the public values that their constraints read."""

    name: str
    tables: tuple[Table, ...]
    public_names: tuple[str, ...] = ()
    least_bus_saving: Fraction = LEAST_BUS_SAVING
    """Less where every column is dear: a step of a recursion hashes and weighs it at every query."""

    @property
    def bus_round(self) -> int:
        """The round of the bus argument: after every round that a table asks for itself."""
        return 1 + max((len(table.challenge_counts) for table in self.tables), default=0)

    @property
    def has_buses(self) -> bool:
        """Whether any table sends or receives."""
        return any(table.interactions for table in self.tables)


def define_circuit(
    name: str,
    tables: Sequence[tuple[str, Callable[[AirBuilder], None]]],
    public_names: Sequence[str] = (),
) -> Circuit:
    """Run each table's `constrain` and freeze the circuit."""
    built = []
    for table_name, constrain in tables:
        air = AirBuilder(table_name, public_names)
        constrain(air)
        built.append(air.build())
    circuit = Circuit(name, tuple(built), tuple(public_names))
    check_circuit(circuit)
    return circuit


def check_circuit(circuit: Circuit) -> None:
    """Refuse what could not be proved soundly whatever the heights are."""
    if not circuit.tables:
        raise CircuitError(f"circuit {circuit.name} has no table")
    # A proof's heading holds the name in one length byte and printable characters.
    if not (0 < len(circuit.name) < 256 and all(" " < letter <= "~" for letter in circuit.name)):
        raise CircuitError(
            f"circuit {circuit.name!r}: a name has 1 to 255 printable ASCII letters and no space"
        )
    if len(set(circuit.public_names)) != len(circuit.public_names):
        raise CircuitError(f"circuit {circuit.name}: two public values have the same name")
    names = [table.name for table in circuit.tables]
    if len(set(names)) != len(names):
        raise CircuitError(f"circuit {circuit.name}: two tables have the same name")
    for table in circuit.tables:
        _check_table(table)
    _check_buses(circuit)


def _check_table(table: Table) -> None:
    if not table.main_names:
        raise CircuitError(f"table {table.name} has no column of its own")
    polynomials = [constraint.polynomial for constraint in table.constraints]
    polynomials += [
        part for interaction in table.interactions for part in (*interaction.values, interaction.count)
    ]
    used = {(cell.kind, cell.round, cell.index) for cell in cells_of(polynomials)}
    for index, column in enumerate(table.main_names):
        # Soundness: a column that no constraint and no message reads can hold anything; it is a mistake.
        if (CellKind.MAIN, 0, index) not in used:
            raise CircuitError(f"table {table.name}: nothing reads column {column}")
    for round in range(1, len(table.challenge_counts) + 1):
        for index, name in enumerate(table.challenge_names(round)):
            if (CellKind.CHALLENGE_COLUMN, round, index) not in used:
                raise CircuitError(f"table {table.name}: nothing reads challenge column {name}")
    for cell in cells_of(polynomials):
        if cell.kind is CellKind.CHALLENGE_COLUMN:
            if cell.index >= len(table.challenge_names(cell.round)):
                raise CircuitError(
                    f"table {table.name}: a challenge column of round {cell.round} is not declared"
                )
        elif cell.kind in {CellKind.SELECTOR, CellKind.BUS_SUM_SHARE, CellKind.COMBINER}:
            raise CircuitError(f"table {table.name}: a constraint reads a {cell.kind} cell directly")
    if table.challenge_columns and table.fill_challenge_columns is None:
        raise CircuitError(f"table {table.name}: nothing fills its challenge columns")


def _check_buses(circuit: Circuit) -> None:
    by_identifier: dict[int, Bus] = {}
    bounded: dict[Bus, set[Direction]] = {}
    free: dict[Bus, set[Direction]] = {}
    for table in circuit.tables:
        for interaction in table.interactions:
            bus = interaction.bus
            # Soundness: two buses with one identifier would accept each other's messages.
            if by_identifier.setdefault(bus.identifier, bus) != bus:
                raise CircuitError(f"two buses share the identifier {bus.identifier}")
            if interaction.is_pinned:
                # The key fixes how often such a message is sent, or received, so it counts as both.
                bounded.setdefault(bus, set()).update(Direction)
            else:
                (bounded if interaction.weight else free).setdefault(bus, set()).add(interaction.direction)
    for bus in by_identifier.values():
        directions = bounded.get(bus, set()) | free.get(bus, set())
        if directions != {Direction.SEND, Direction.RECEIVE}:
            raise CircuitError(f"bus {bus.name} has messages in one direction only")
        # Soundness: where both sides may choose their counts, a message can cancel itself.
        if Direction.SEND in free.get(bus, set()) or Direction.SEND not in bounded.get(bus, set()):
            raise CircuitError(f"bus {bus.name}: every send must have a bounded count")
        # Soundness: a row that provides a message minus once would make up for one that receives it unsent.
        if Direction.RECEIVE in bounded.get(bus, set()) & free.get(bus, set()):
            raise CircuitError(
                f"bus {bus.name} has messages that are received and messages that are provided"
            )


def check_heights(circuit: Circuit, log_heights: Sequence[int], log_blowup: int) -> None:
    """Refuse heights at which a column would not be bound or a multiplicity could wrap."""
    if len(log_heights) != len(circuit.tables):
        raise CircuitError(
            f"circuit {circuit.name} has {len(circuit.tables)} tables, not {len(log_heights)} heights"
        )
    for table, log_height in zip(circuit.tables, log_heights, strict=True):
        if not 0 <= log_height <= TWO_ADICITY - log_blowup:
            raise CircuitError(
                f"table {table.name}: height 2^{log_height} is outside 2^0 to 2^{TWO_ADICITY - log_blowup}"
            )
        for column in table.periodic:
            # Soundness: the verifier evaluates a column of exactly this period.
            if len(column.values) > 1 << log_height:
                raise CircuitError(
                    f"table {table.name}: periodic column {column.name} is longer than the table"
                )
    totals: dict[str, int] = {}
    for table, log_height in zip(circuit.tables, log_heights, strict=True):
        for interaction in table.interactions:
            name = interaction.bus.name
            most = interaction.pinned_total or interaction.weight << log_height
            totals[name] = totals.get(name, 0) + most
    for name, total in totals.items():
        # Soundness: a message sent p times in all would count as never sent.
        if total >= PRIME:
            raise CircuitError(
                f"bus {name} could carry {total} messages, which is not below the prime {PRIME}"
            )
