"""Tables for documents, derived from the circuit so that they cannot drift from it."""

from __future__ import annotations

from circuits.buses import WIRES
from circuits.shapes import SHAPES, Shape, batch_circuit, mixed
from prover.air.logup import with_bus_argument
from prover.air.table import Table
from prover.parameters import PRESETS, StarkParameters
from prover.stark.circuit import bus_degree
from prover.stark.shape import EXTENSION_DEGREE

COST_PRESET = "keccak-100-rate-4"
"""Whose rate decides how many fractions share a column."""


def bus_table() -> list[str]:
    """The wiring: one line a bus."""
    lines = ["| bus | message | sent by | received by | what a message says |", "|---|---|---|---|---|"]
    for wire in WIRES:
        message, senders, receivers = (
            ", ".join(part) for part in (wire.message, wire.senders, wire.receivers)
        )
        lines.append(f"| {wire.bus.name} | {message} | {senders} | {receivers} | {wire.meaning} |")
    return lines


def committed_columns(table: Table, parameters: StarkParameters) -> tuple[int, int, int]:
    """Main columns, extension columns of the buses, base columns of the quotient."""
    bus_round = batch_circuit().bus_round
    degree = bus_degree(table, parameters.log_blowup, batch_circuit().least_bus_saving)
    widened = with_bus_argument(table, bus_round, degree)
    fractions = len(widened.challenge_names(bus_round)) if widened.interactions else 0
    pieces = 1 << (widened.degree - 2).bit_length()
    return len(table.main_names), fractions, EXTENSION_DEGREE * pieces


def cells_by_table(shape: Shape, parameters: StarkParameters) -> dict[str, int]:
    """Committed cells of every table: height times main, challenge and quotient columns."""
    cells = {}
    for table in batch_circuit().tables:
        main, fractions, quotient = committed_columns(table, parameters)
        columns = main + EXTENSION_DEGREE * fractions + quotient
        cells[table.name] = columns << shape.log_heights[table.name]
    return cells


def cost_table() -> list[str]:
    """One line a table: its columns, and its height and cells in the largest shape."""
    parameters, shape = PRESETS[COST_PRESET], SHAPES[-1]
    cells = cells_by_table(shape, parameters)
    lines = [
        "| table | main | bus x 5 | quotient | constraints | messages | height | cells | share |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    total = sum(cells.values())
    for table in batch_circuit().tables:
        main, fractions, quotient = committed_columns(table, parameters)
        share = 100 * cells[table.name] / total
        lines.append(
            f"| {table.name} | {main} | {fractions} | {quotient} | {len(table.constraints)} "
            f"| {len(table.interactions)} | 2^{shape.log_heights[table.name]} | {cells[table.name]:,} | {share:.1f} % |"
        )
    lines.append(f"| **all** | | | | | | | **{total:,}** | |")
    return lines


def kind_table() -> list[str]:
    """One line a kind of rows that shares its table: what it has by itself, and the table's own at the end."""
    lines = ["| kind | columns | constraints | messages |", "|---|---|---|---|"]
    lines += [
        f"| {kind.name} | {len(kind.main_names)} | {len(kind.constraints)} | {len(kind.interactions)} |"
        for kind in mixed().kinds
    ]
    together = mixed().table
    lines.append(
        f"| **all in one table** | **{len(together.main_names)}** | **{len(together.constraints)}** "
        f"| **{len(together.interactions)}** |"
    )
    return lines


def blocks() -> dict[str, list[str]]:
    """Every generated part of the README, by name."""
    return {"buses": bus_table(), "costs": cost_table(), "kinds": kind_table()}
