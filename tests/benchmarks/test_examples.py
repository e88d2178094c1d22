"""The example circuits: their witnesses satisfy them, and no cell of a witness can be changed alone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.examples import memory
from benchmarks.examples.catalogue import EXAMPLES, Example
from prover.air.inspect import Findings, inspect
from prover.field.koalabear import PRIME, Montgomery, decode, encode

LOG_SIZE = 4

COLUMNS_TRIED = 4
"""All columns of a small table, a sample of a wide one: reading a Poseidon table once takes a second."""


@pytest.fixture(params=list(EXAMPLES.values()), ids=list(EXAMPLES))
def example(request: pytest.FixtureRequest) -> Example:
    chosen: Example = request.param
    return chosen


def findings(example: Example, traces: list[Montgomery], statement: list[int]) -> Findings:
    circuit = example.circuit()
    names = [table.name for table in circuit.tables]
    fixed = {
        name: matrix
        for name, matrix in zip(names, example.preprocessed(), strict=False)
        if matrix is not None
    }
    return inspect(
        circuit.tables,
        dict(zip(names, traces, strict=True)),
        statement,
        preprocessed=fixed,
        is_montgomery=True,
    )


def test_a_witness_breaks_nothing(example: Example) -> None:
    filled = example.fill(LOG_SIZE, 1, 1)
    assert findings(example, filled.traces, filled.statement).lines == []


def test_no_cell_can_be_changed_alone(example: Example) -> None:
    filled = example.fill(LOG_SIZE, 1, 1)
    generator = np.random.default_rng(1)
    for number, (table, trace) in enumerate(zip(example.circuit().tables, filled.traces, strict=True)):
        columns = generator.permutation(len(table.main_names))[:COLUMNS_TRIED]
        for column, name in ((int(index), table.main_names[index]) for index in columns):
            changed = [matrix.copy() for matrix in filled.traces]
            row = int(generator.integers(trace.shape[1]))
            changed[number][column, row] = (int(changed[number][column, row]) + 1) % PRIME
            broken = findings(example, changed, filled.statement)
            assert not broken.is_clean, f"{table.name}: nothing binds column {name} on row {row}"


def test_the_statement_is_bound(example: Example) -> None:
    filled = example.fill(LOG_SIZE, 1, 1)
    for position in {0, len(filled.statement) - 1} if filled.statement else ():
        changed = list(filled.statement)
        changed[position] = (changed[position] + 1) % PRIME
        assert not findings(example, filled.traces, changed).is_clean


def test_an_address_of_more_than_sixteen_bits_is_refused() -> None:
    """Longer addresses could walk around the field, and fresh memory would be met twice."""
    accesses = [memory.Access(5, 7, is_write=True)] * 16
    traces = [decode(trace).astype(np.int64) for trace in memory.fill(accesses)]
    traces[0][1] += 1 << 16
    traces[1][0] += 1 << 16
    traces[1][8] += 1 << 8
    broken = findings(EXAMPLES["memory"], [encode(trace) for trace in traces], [])
    assert {message.bus for message in broken.messages} == {"bytes"}
    assert broken.constraints == ()
