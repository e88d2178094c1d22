"""The constraint tape on one core: nanoseconds of an operation and row, of a Poseidon row, of a row of messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from benchmarks.kernels_rate import described, row
from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus
from prover.air.expression import Cell, CellKind
from prover.air.logup import with_bus_argument
from prover.air.poseidon import constrain_permutation
from prover.air.table import Extension, Table
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH

LOG_HEIGHT = 12
"""Few enough rows that the columns stay in the cache: the kernel is timed, not the memory."""

LOG_SMALLEST_HEIGHT = 4
"""One vector of rows: what a run of it takes is the fixed cost of starting."""

LOG_STREAMED_HEIGHT = 18
"""So many rows that every column comes from memory, as it does in a large proof."""

BLOWUP = 2
"""The columns are one coset of an extended matrix, as in the prover."""

RUNS = 25
"""The best of so many: other work on the machine can only add time."""

OPERATION_FLOOR = 0.2
"""Nanoseconds an operation and row that the tape must not exceed; 0.75 without vector types, 2.6 as compiled source."""


def _poseidon(air: AirBuilder) -> None:
    inputs = [air.column(f"input {position}") for position in range(WIDTH)]
    constrain_permutation(air, "permutation", inputs, POSEIDON16_20)


def _messages(air: AirBuilder) -> None:
    bus = Bus("messages", 1, 6)
    live = air.column("live")
    for number in range(8):
        values = [air.column(f"message {number} value {position}") for position in range(6)]
        (air.send if number % 2 else air.receive)(bus, values, live)


def _best_seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _evaluation(table: Table, log_height: int) -> tuple[Tape, float]:
    """The tape of a table's combined constraint, and the seconds of one run on one core."""
    generator = np.random.default_rng(1)
    height = 1 << log_height

    def coset(columns: int) -> Any:
        return generator.integers(0, PRIME, size=(columns, BLOWUP, height), dtype=np.uint32)[:, 1, :]

    tape = Tape.compile([table.combination])
    rounds = {
        round: coset(5 * len(table.challenge_names(round)))
        for round in range(1, len(table.challenge_counts) + 1)
    }
    sources = Sources(main=coset(len(table.main_names)), challenge=rounds, selectors=coset(3))
    constants: dict[Cell, int | Extension] = {}
    for cell in tape.row_constants:
        a, b, c, d, e = (int(value) for value in generator.integers(0, PRIME, size=5))
        constants[cell] = a if cell.kind is CellKind.PUBLIC else (a, b, c, d, e)
    out = np.empty((tape.planes, height), dtype=np.uint32)
    tape.run(sources, constants, out, threads=1)
    return tape, _best_seconds(lambda: tape.run(sources, constants, out, threads=1))


def rows() -> list[dict[str, Any]]:
    """One row a measurement, all on one core."""
    poseidon = define_table("poseidon", _poseidon)
    messages = with_bus_argument(define_table("messages", _messages), 1, 3)
    found = []
    for name, table in (("Poseidon", poseidon), ("message", messages)):
        tape, seconds = _evaluation(table, LOG_HEIGHT)
        _, fixed_seconds = _evaluation(table, LOG_SMALLEST_HEIGHT)
        each = (seconds - fixed_seconds) / ((1 << LOG_HEIGHT) - (1 << LOG_SMALLEST_HEIGHT)) * 1e9
        operations = sum(tape.operations.values())
        found += [
            row(
                f"tape, {name} table",
                each / operations,
                "operation and row",
                OPERATION_FLOOR,
                "a weighted term takes 6.5 vector operations for 16 rows",
            ),
            row(
                f"tape, {name} row", each, f"row of {operations} operations", None, "the operations, as above"
            ),
            row(
                f"tape, start on a {name} table",
                fixed_seconds * 1e9,
                "run",
                None,
                "plain Python: checks of the columns, and the weights of one proof",
            ),
        ]
    _, seconds = _evaluation(poseidon, LOG_STREAMED_HEIGHT)
    found.append(
        row(
            "tape, Poseidon row from memory",
            seconds / (1 << LOG_STREAMED_HEIGHT) * 1e9,
            "row",
            None,
            "656 bytes a row come from memory before they are computed with",
        )
    )
    combination = poseidon.combination
    found.append(
        row(
            "tape, compiling the Poseidon table",
            _best_seconds(lambda: Tape.compile([combination])) * 1e9,
            "table",
            None,
            "plain Python, once for each key",
        )
    )
    return found


@click.command()
def command() -> None:
    """Time the constraint tape."""
    for measured in rows():
        click.echo(described(measured))


if __name__ == "__main__":
    command()
