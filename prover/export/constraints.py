"""The two tapes of a circuit: every table's constraints against its quotient, and the claims that are batched.

They compute what `Verification._check_table` and `Verification._deep_inputs` compute, register by register.
"""

from __future__ import annotations

from dataclasses import dataclass

from prover.air.expression import Cell, CellKind, Expression, Selector
from prover.air.logup import CHI_INDEX
from prover.air.table import Scope
from prover.domain import Domain, interpolate_on_subgroup
from prover.export.messages import find_public_messages, shortcuts_of
from prover.export.tape import Form, Polynomial, Shortcut, TapeWriter, Value, add, times
from prover.field.koalabear import GENERATOR, PRIME, inverse, power, root_of_unity
from prover.stark.key import VerificationKey
from prover.stark.shape import EXTENSION_DEGREE, MatrixShape, Shape

RAISED, VANISHING, FIRST_ROW, LAST_ROW, TRANSITION = range(5)
"""What the contract computes at the point for each distinct height: the point to the height, the vanishing
polynomial, and the three selectors."""

HEIGHT_VALUES = 5

_SELECTORS = {
    Scope.FIRST_ROW: (Selector.FIRST_ROW, FIRST_ROW),
    Scope.LAST_ROW: (Selector.LAST_ROW, LAST_ROW),
    Scope.TRANSITION: (Selector.TRANSITION, TRANSITION),
}


@dataclass(frozen=True, slots=True)
class PeriodicGroup:
    """Periodic columns of one period in tables of one height: polynomials in one power of the point."""

    log_exponent: int
    """The power of the point is 2 to this."""
    log_period: int
    coefficients: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class BatchedColumn:
    """A column as it enters the low-degree test."""

    column: int
    """Among the columns of its phase and height, in the order in which a leaf holds them."""
    power: int
    """Which power of the batching challenge weighs it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The columns of one phase at one height: what is hashed into one node."""

    log_height: int
    columns: int
    current: tuple[BatchedColumn, ...]
    next: tuple[BatchedColumn, ...]


class CircuitTapes:
    """The forms of one circuit, and what their registers stand for."""

    def __init__(self, key: VerificationKey) -> None:
        self.key = key
        self.shape: Shape = key.shape
        self.messages = find_public_messages(self.shape.tables)
        self.constants: list[int] = [1]
        self.segments: list[tuple[Segment, ...]] = []
        """For each phase its segments, tallest first."""
        self._places: dict[tuple[str, int], tuple[int, MatrixShape]] = {}
        self._place_openings()
        self._place_periodic()
        self.constraints: list[Form] = self._write_constraints()
        self.claims: list[Form] = self._write_claims()

    @property
    def opened_count(self) -> int:
        """Pairs of a column and a point."""
        return sum(m.columns + len(m.next_columns) for phase in self.shape.phases for m in phase.matrices)

    @property
    def combiner_count(self) -> int:
        """Powers of the challenge that combines the constraints."""
        return max(len(table.constraints) for table in self.shape.tables)

    @property
    def public_registers(self) -> int:
        """Registers of public values: as many as the statement's messages hold, the last ones zero."""
        return max(self.shape.public_count, self.messages.values if self.messages else 0)

    @property
    def challenge_offsets(self) -> list[int]:
        """The register, among all challenges, of the first one of each round."""
        counts = [self.shape.challenge_count(round) for round in range(1, self.shape.rounds + 1)]
        return [sum(counts[:i]) for i in range(len(counts) + 1)]

    @property
    def bus_challenges(self) -> int:
        """The register, among all challenges, of the first one that buses use."""
        bus_round = self.shape.bus_round
        return 0 if bus_round is None else self.challenge_offsets[bus_round - 1] + CHI_INDEX

    def constant(self, value: int) -> Value:
        """The register of a base field constant."""
        if value % PRIME not in self.constants:
            self.constants.append(value % PRIME)
        return Value("constant", self.constants.index(value % PRIME))

    def _place_openings(self) -> None:
        """Number the opened values, and give each its power of the batching challenge."""
        start = 0
        for phase in self.shape.phases:
            for matrix in phase.matrices:
                self._places[phase.name, matrix.table] = (start, matrix)
                start += matrix.columns + len(matrix.next_columns)
        power = 0
        self._claimed: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
        found: dict[tuple[str, int], Segment] = {}
        for log_height in self.shape.input_heights:
            claimed: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
            for phase in self.shape.phases:
                current: list[BatchedColumn] = []
                following: list[BatchedColumn] = []
                columns = 0
                for matrix in phase.matrices:
                    if matrix.log_height != log_height:
                        continue
                    opened, _ = self._places[phase.name, matrix.table]
                    for column in range(matrix.columns):
                        current.append(BatchedColumn(columns + column, power))
                        claimed[0].append((opened + column, power))
                        power += 1
                    for place, column in enumerate(matrix.next_columns):
                        following.append(BatchedColumn(columns + column, power))
                        claimed[1].append((opened + matrix.columns + place, power))
                        power += 1
                    columns += matrix.columns
                if columns:
                    found[phase.name, log_height] = Segment(
                        log_height, columns, tuple(current), tuple(following)
                    )
            self._claimed[log_height] = claimed
        self.segments = [
            tuple(segment for (name, _), segment in found.items() if name == phase.name)
            for phase in self.shape.phases
        ]

    def _place_periodic(self) -> None:
        """Group the periodic columns by height and period; equal columns are one."""
        groups: dict[tuple[int, int], dict[tuple[int, ...], None]] = {}
        wanted: list[tuple[int, int, tuple[int, int], tuple[int, ...]]] = []
        for index, (table, log_height) in enumerate(
            zip(self.shape.tables, self.shape.log_heights, strict=True)
        ):
            for column, periodic in enumerate(table.periodic):
                log_period = len(periodic.values).bit_length() - 1
                coefficients = tuple(interpolate_on_subgroup(periodic.values))
                where = (log_height - log_period, log_period)
                groups.setdefault(where, {})[coefficients] = None
                wanted.append((index, column, where, coefficients))
        self.periodic = [PeriodicGroup(*where, tuple(members)) for where, members in groups.items()]
        numbers = {
            (where, coefficients): number
            for number, (where, coefficients) in enumerate(
                (where, coefficients) for where, members in groups.items() for coefficients in members
            )
        }
        self._periodic_numbers = {
            (table, column): numbers[where, coefficients] for table, column, where, coefficients in wanted
        }

    def _write_constraints(self) -> list[Form]:
        writer = TapeWriter(self.constant)
        for table in range(len(self.shape.tables)):
            self._write_table(writer, table)
        return writer.forms

    def _write_table(self, writer: TapeWriter, index: int) -> None:
        """One form that is zero exactly if the constraints agree with the quotient at the point."""
        table = self.shape.tables[index]
        cells: dict[Cell, Value] = {}

        def read(cell: Cell) -> Value:
            if cell not in cells:
                cells[cell] = self._read(writer, index, cell)
            return cells[cell]

        roots = [constraint.polynomial for constraint in table.constraints]
        polynomials = writer.polynomials(roots, read, self._shortcuts(index))
        sums: dict[Scope, Polynomial] = {}
        for position, constraint in enumerate(table.constraints):
            value = writer.register_of(polynomials[constraint.polynomial])
            weighted = times(Value("combiner", position), value)
            sums[constraint.scope] = add(sums.get(constraint.scope, {}), weighted)
        difference = sums.pop(Scope.EVERY_ROW, {})
        for scope, total in sums.items():
            _, place = _SELECTORS[scope]
            difference = add(difference, times(self._height_value(index, place), writer.write(total)))
        vanishing = self._height_value(index, VANISHING)
        difference = add(difference, times(vanishing, self._quotient(writer, index), -1))
        writer.write(difference, Value("check", index))

    def _shortcuts(self, index: int) -> dict[Expression, Shortcut]:
        """Where the statement's messages are summed apart."""
        if self.messages is None or self.messages.table != index or self.shape.bus_round is None:
            return {}
        degree = self.key.bus_degrees[index]
        return shortcuts_of(self.messages, self.shape.tables[index], self.shape.bus_round, degree)

    def _height_value(self, table: int, place: int) -> Value:
        height = self.shape.input_heights.index(self.shape.log_heights[table])
        return Value("height", HEIGHT_VALUES * height + place)

    def _opened(self, phase: str, table: int, column: int, row_offset: int = 0) -> Value:
        start, matrix = self._places[phase, table]
        if row_offset:
            return Value("opened", start + matrix.columns + matrix.next_columns.index(column))
        return Value("opened", start + column)

    def _join(self, writer: TapeWriter, planes: list[Value]) -> Value:
        """An extension value from the openings of its five coordinates: their sum times powers of X."""
        total: Polynomial = {(planes[0],): 1}
        for exponent, plane in enumerate(planes[1:]):
            total = add(total, times(Value("unit", exponent), plane))
        return writer.write(total)

    def _read(self, writer: TapeWriter, table: int, cell: Cell) -> Value:
        match cell.kind:
            case CellKind.PUBLIC:
                return Value("public", cell.index)
            case CellKind.CHALLENGE:
                return Value("challenge", self.challenge_offsets[cell.round - 1] + cell.index)
            case CellKind.BUS_SUM_SHARE:
                bus_sum = Value("bus sum", self.shape.bus_tables.index(table))
                share = Domain(self.shape.log_heights[table], 0).inverse_height
                return writer.write({(bus_sum,): share})
            case CellKind.PERIODIC:
                return Value("periodic", self._periodic_numbers[table, cell.index])
            case CellKind.MAIN | CellKind.PREPROCESSED:
                return self._opened(cell.kind.value, table, cell.index, cell.row_offset)
            case CellKind.CHALLENGE_COLUMN:
                start = EXTENSION_DEGREE * cell.index
                name = f"challenge round {cell.round}"
                planes = range(start, start + EXTENSION_DEGREE)
                return self._join(
                    writer, [self._opened(name, table, plane, cell.row_offset) for plane in planes]
                )
        raise ValueError(f"a constraint reads a {cell.kind} cell directly")

    def _quotient(self, writer: TapeWriter, table: int) -> Value:
        """The pieces, each weighted by the polynomial in point^height that is 1 on its own coset only."""
        log_height = self.shape.log_heights[table]
        log_pieces = self.shape.log_quotient_pieces(table)
        raised = self._height_value(table, RAISED)
        root = root_of_unity(log_height + log_pieces)
        constants = [
            power(GENERATOR * power(root, piece) % PRIME, 1 << log_height) for piece in range(1 << log_pieces)
        ]
        total: Polynomial = {}
        for piece, own in enumerate(constants):
            start = EXTENSION_DEGREE * piece
            planes = [self._opened("quotient", table, start + k) for k in range(EXTENSION_DEGREE)]
            value = self._join(writer, planes)
            others = [other for place, other in enumerate(constants) if place != piece]
            scale = 1
            weight: Value | None = None
            for other in others:
                scale = scale * (own - other) % PRIME
                factor = writer.write({(raised,): 1, (): -other % PRIME})
                weight = factor if weight is None else writer.write(times(weight, factor))
            if weight is None:
                total = add(total, {(value,): 1})
            else:
                total = add(total, times(writer.write({(weight,): inverse(scale)}), value))
        return writer.register_of(total)

    def _write_claims(self) -> list[Form]:
        """For each height the claimed values at the point, and at the next row's, under the batching powers."""
        writer = TapeWriter(self.constant)
        for number, log_height in enumerate(self.shape.input_heights):
            for side, columns in enumerate(self._claimed[log_height]):
                total: Polynomial = {}
                for opened, power_index in columns:
                    total = add(total, times(Value("power", power_index), Value("opened", opened)))
                writer.write(total, Value("claim", 2 * number + side))
        return writer.forms
