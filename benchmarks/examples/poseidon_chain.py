"""A chain of Poseidon permutations: each row permutes what the row before it put out."""

from __future__ import annotations

import numpy as np

from prover.air.builder import AirBuilder
from prover.air.poseidon import column_count, constrain_permutation
from prover.field.koalabear import Montgomery, encode
from prover.hash.poseidon import permute
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.stark.circuit import Circuit, define_circuit

NAME = "poseidon-chain"
COLUMNS = column_count(POSEIDON16_20)
PUBLIC_NAMES = (*(f"start {i}" for i in range(WIDTH)), *(f"end {i}" for i in range(WIDTH)))


def constrain(air: AirBuilder) -> None:
    """The first row starts at the public start; the last one ends at the public end."""
    inputs = [air.column(f"input {i}") for i in range(WIDTH)]
    outputs = constrain_permutation(air, "permutation", inputs, POSEIDON16_20)
    for i in range(WIDTH):
        air.on_first_row.assert_equal(f"the chain starts at element {i}", inputs[i], air.public(f"start {i}"))
        air.on_transition.assert_equal(f"the next row continues element {i}", inputs[i].next, outputs[i])
        air.on_last_row.assert_equal(f"the chain ends at element {i}", outputs[i], air.public(f"end {i}"))


def circuit() -> Circuit:
    """The circuit of one table."""
    return define_circuit(NAME, [("chain", constrain)], PUBLIC_NAMES)


def fill(start: list[int], log_height: int) -> tuple[Montgomery, list[int]]:
    """The trace of the chain and its statement: start and end."""
    from prover.hash.poseidon_kernels import trace_rows

    inputs = []
    state = tuple(start)
    for _ in range(1 << log_height):
        inputs.append(state)
        state = permute(state, POSEIDON16_20)
    columns = encode(np.array(inputs, dtype=np.int64).T)
    trace = np.empty((COLUMNS, 1 << log_height), dtype=np.uint32)
    trace_rows(np.ascontiguousarray(columns), trace, POSEIDON16_20, threads=1)
    return trace, [*start, *state]
