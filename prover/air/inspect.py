"""Every broken rule of a set of traces, by name and row: what to ask before a proof fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prover.air.bus import Bus, Direction, Interaction
from prover.air.expression import Cell, CellKind, Expression, cells_of
from prover.air.reader import evaluate
from prover.air.rows import Rows, TraceReader, constant_rows
from prover.air.table import Constraint, Extension, Scope, Table
from prover.field.koalabear import PRIME, decode

Trace = NDArray[np.integer[Any]]

MAXIMUM_FINDINGS = 1000
"""Findings kept of one constraint or bus: one wrong column breaks every row, and nobody reads a million lines."""


FEW_ROWS = 512
"""Up to here the values of all parts of a table's expressions are kept while they are computed: some 0.1 GB."""


@dataclass(frozen=True, slots=True)
class BrokenConstraint:
    """A constraint that does not hold on a row."""

    table: str
    constraint: str
    row: int
    cells: tuple[tuple[str, int | Extension], ...]
    """Every cell the constraint reads, by name, with its value."""
    value: int | Extension
    """What should be zero."""

    @property
    def text(self) -> str:
        """The finding as one sentence."""
        cells = ", ".join(f"{name} = {value}" for name, value in self.cells)
        return f"Table {self.table}, row {self.row}: '{self.constraint}' does not hold with {cells}."


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one row of a table sends to a bus, or takes from it."""

    table: str
    row: int
    direction: Direction
    count: int


@dataclass(frozen=True, slots=True)
class UnbalancedMessage:
    """A message that is not received as often as it is sent."""

    bus: str
    message: tuple[int, ...]
    sent: int
    received: int
    contributions: tuple[Contribution, ...]

    @property
    def text(self) -> str:
        """The finding as one sentence."""
        places = ", ".join(
            f"{part.table} row {part.row} ({part.direction} {part.count})" for part in self.contributions
        )
        return (
            f"Bus {self.bus}: message {self.message} is sent {self.sent} times"
            f" and received {self.received} times, by {places}."
        )


@dataclass(frozen=True, slots=True)
class UnboundedCount:
    """A count that is larger than the interaction promises."""

    table: str
    bus: str
    row: int
    count: int
    weight: int

    @property
    def text(self) -> str:
        """The finding as one sentence."""
        place = f"Table {self.table}, row {self.row}"
        return f"{place}: a message on bus {self.bus} counts {self.count} times, but at most {self.weight} is promised."


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is wrong with a set of traces."""

    constraints: tuple[BrokenConstraint, ...]
    messages: tuple[UnbalancedMessage, ...]
    counts: tuple[UnboundedCount, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every rule holds."""
        return not (self.constraints or self.messages or self.counts)

    @property
    def lines(self) -> list[str]:
        """One sentence a finding."""
        texts = [finding.text for finding in self.constraints]
        texts += [finding.text for finding in self.counts]
        return texts + [finding.text for finding in self.messages]


def inspect(
    tables: Sequence[Table],
    traces: Mapping[str, Trace],
    publics: Sequence[int] = (),
    *,
    preprocessed: Mapping[str, Trace] | None = None,
    challenges: Sequence[Sequence[Extension]] | None = None,
    is_montgomery: bool = False,
) -> Findings:
    """Check every constraint on every row, every bus message and every count.

    A trace is (columns, height).
    Challenge columns are filled with the given challenges, or with ones that are the same every time.
    """
    readers = [
        _reader(table, traces, preprocessed or {}, publics, challenges, is_montgomery=is_montgomery)
        for table in tables
    ]
    broken: list[BrokenConstraint] = []
    for reader in readers:
        constraints = reader.table.constraints
        held = _evaluated(reader, [[constraint.polynomial] for constraint in constraints])
        for constraint, (found,) in zip(constraints, held, strict=True):
            broken += _broken(reader, constraint, found)
    ledgers: dict[Bus, list[_Ledger]] = {}
    counts: list[UnboundedCount] = []
    for reader in readers:
        interactions = reader.table.interactions
        said = _evaluated(reader, [[*interaction.values, interaction.count] for interaction in interactions])
        for interaction, values in zip(interactions, said, strict=True):
            ledger = _ledger(reader, interaction, values)
            ledgers.setdefault(interaction.bus, []).append(ledger)
            counts += _unbounded(ledger)
    messages = [finding for bus, entries in ledgers.items() for finding in _unbalanced(bus, entries)]
    return Findings(tuple(broken), tuple(messages), tuple(counts))


def deterministic_challenge(round: int, index: int) -> Extension:
    """A challenge that looks random and is the same every time."""
    digest = hashlib.shake_128(f"inspect round {round} challenge {index}".encode()).digest(80)
    a, b, c, d, e = (int.from_bytes(digest[16 * i : 16 * i + 16], "little") % PRIME for i in range(5))
    return a, b, c, d, e


def _reader(
    table: Table,
    traces: Mapping[str, Trace],
    preprocessed: Mapping[str, Trace],
    publics: Sequence[int],
    challenges: Sequence[Sequence[Extension]] | None,
    *,
    is_montgomery: bool,
) -> TraceReader:
    def canonical(name: str, found: Trace | None, columns: int, height: int | None) -> NDArray[np.uint64]:
        if found is None:
            raise ValueError(f"table {table.name} has no {name} trace")
        if found.ndim != 2 or found.shape[0] != columns or height not in {None, found.shape[1]}:
            expected = f"({columns}, {'height' if height is None else height})"
            raise ValueError(f"table {table.name}: the {name} trace has shape {found.shape}, not {expected}")
        if is_montgomery:
            return decode(found.astype(np.uint32)).astype(np.uint64)
        return np.remainder(found, PRIME).astype(np.uint64)

    main = canonical("main", traces.get(table.name), len(table.main_names), None)
    height = main.shape[1]
    fixed = np.zeros((0, height), dtype=np.uint64)
    if table.preprocessed_names:
        fixed = canonical("preprocessed", preprocessed.get(table.name), len(table.preprocessed_names), height)
    constants: dict[Cell, int | Extension] = {
        Cell(CellKind.PUBLIC, index): value % PRIME for index, value in enumerate(publics)
    }
    reader = TraceReader(table, height, main, fixed, constants, {})
    _fill_challenge_columns(reader, challenges)
    return reader


def _fill_challenge_columns(reader: TraceReader, challenges: Sequence[Sequence[Extension]] | None) -> None:
    table = reader.table
    drawn: list[Sequence[Extension]] = []
    for round, count in enumerate(table.challenge_counts, start=1):
        if challenges is None:
            drawn.append([deterministic_challenge(round, index) for index in range(count)])
        else:
            drawn.append(challenges[round - 1])
        for index in range(count):
            reader.constants[Cell(CellKind.CHALLENGE, index, 0, round)] = drawn[-1][index]
        if table.challenge_names(round):
            if table.fill_challenge_columns is None:
                raise ValueError(f"table {table.name}: nothing fills its challenge columns")
            columns = table.fill_challenge_columns(round, reader.main.tolist(), drawn)
            planes = [[value[k] for value in column] for column in columns for k in range(5)]
            reader.challenge[round] = np.array(planes, dtype=np.uint64)


def _broken(reader: TraceReader, constraint: Constraint, values: Rows) -> list[BrokenConstraint]:
    rows = _rows_of(constraint.scope, reader.height)
    planes = values.wide(reader.height)
    wrong = [int(row) for row in rows[planes[:, rows].any(axis=0)][:MAXIMUM_FINDINGS]]
    if not wrong:
        return []
    names = reader.table.cell_names()
    cells = cells_of([constraint.polynomial])
    is_extension = constraint.polynomial.is_extension
    return [
        BrokenConstraint(
            reader.table.name,
            constraint.name,
            row,
            tuple((_cell_name(cell, names), reader.value(cell, row)) for cell in cells),
            _extension(planes[:, row]) if is_extension else int(planes[0, row]),
        )
        for row in wrong
    ]


def _rows_of(scope: Scope, height: int) -> NDArray[np.int64]:
    match scope:
        case Scope.EVERY_ROW:
            return np.arange(height)
        case Scope.FIRST_ROW:
            return np.arange(1)
        case Scope.LAST_ROW:
            return np.arange(height - 1, height)
        case _:
            return np.arange(height - 1)


def _evaluated(reader: TraceReader, groups: Sequence[Sequence[Expression]]) -> Iterator[list[Rows]]:
    """The values of the expressions, group by group; parts that groups share are computed once where rows are few."""
    if reader.height > FEW_ROWS:
        for group in groups:
            yield evaluate(group, reader.read, constant_rows)
        return
    values = iter(evaluate([one for group in groups for one in group], reader.read, constant_rows))
    for group in groups:
        yield [next(values) for _ in group]


def _extension(values: NDArray[np.uint64]) -> Extension:
    a, b, c, d, e = (int(value) for value in values)
    return a, b, c, d, e


def _cell_name(cell: Cell, names: Mapping[Cell, str]) -> str:
    name = names.get(Cell(cell.kind, cell.index, 0, cell.round))
    if name is None:
        round = f" of round {cell.round}" if cell.round else ""
        return f"{cell.kind} {cell.index}{round}"
    return f"{name} (next row)" if cell.row_offset else name


@dataclass(frozen=True, slots=True)
class _Ledger:
    """One interaction on every row."""

    table: str
    interaction: Interaction
    messages: NDArray[np.uint64]
    """(values, height)"""
    counts: NDArray[np.uint64]


def _ledger(reader: TraceReader, interaction: Interaction, values: Sequence[Rows]) -> _Ledger:
    planes = [np.broadcast_to(value.planes[0], (reader.height,)) for value in values]
    return _Ledger(reader.table.name, interaction, np.stack(planes[:-1]), planes[-1])


def _unbounded(ledger: _Ledger) -> list[UnboundedCount]:
    weight = ledger.interaction.weight
    if not weight or ledger.interaction.is_pinned:
        return []
    rows = np.flatnonzero(ledger.counts > weight)[:MAXIMUM_FINDINGS]
    bus = ledger.interaction.bus.name
    return [UnboundedCount(ledger.table, bus, int(row), int(ledger.counts[row]), weight) for row in rows]


def _unbalanced(bus: Bus, ledgers: Sequence[_Ledger]) -> list[UnbalancedMessage]:
    used = [np.flatnonzero(ledger.counts) for ledger in ledgers]
    messages = np.concatenate(
        [ledger.messages[:, rows] for ledger, rows in zip(ledgers, used, strict=True)], axis=1
    )
    counts = np.concatenate([ledger.counts[rows] for ledger, rows in zip(ledgers, used, strict=True)])
    owners = np.concatenate([np.full(rows.size, owner) for owner, rows in enumerate(used)])
    rows = np.concatenate(used)
    if not rows.size:
        return []
    is_sent = np.array([ledger.interaction.direction is Direction.SEND for ledger in ledgers])[owners]
    order = np.lexsort(messages[::-1])
    messages, counts, owners, rows, is_sent = (
        a[..., order] for a in (messages, counts, owners, rows, is_sent)
    )
    starts = np.flatnonzero(np.concatenate([[True], (messages[:, 1:] != messages[:, :-1]).any(axis=0)]))
    sent = np.add.reduceat(np.where(is_sent, counts, 0), starts)
    received = np.add.reduceat(np.where(is_sent, 0, counts), starts)
    # The argument is modulo the prime; that no honest count comes near it is the weights' promise.
    wrong = np.flatnonzero((sent - received).astype(np.int64) % PRIME)[:MAXIMUM_FINDINGS]
    ends = np.append(starts[1:], rows.size)
    return [
        UnbalancedMessage(
            bus.name,
            tuple(int(value) for value in messages[:, starts[group]]),
            int(sent[group]),
            int(received[group]),
            tuple(
                Contribution(
                    ledgers[owners[entry]].table,
                    int(rows[entry]),
                    ledgers[owners[entry]].interaction.direction,
                    int(counts[entry]),
                )
                for entry in range(starts[group], min(ends[group], starts[group] + MAXIMUM_FINDINGS))
            ),
        )
        for group in wrong
    ]
