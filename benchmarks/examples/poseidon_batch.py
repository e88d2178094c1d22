"""A batch of Poseidon permutations: one permutation a row, no row knows another."""

from __future__ import annotations

import numpy as np

from prover.air.builder import AirBuilder
from prover.air.poseidon import column_count, constrain_permutation
from prover.field.koalabear import PRIME, Montgomery
from prover.hash.poseidon_parameters import POSEIDON16_20, WIDTH
from prover.stark.circuit import Circuit, define_circuit

NAME = "poseidon-batch"
COLUMNS = column_count(POSEIDON16_20)


def constrain(air: AirBuilder) -> None:
    """Every row is one permutation."""
    inputs = [air.column(f"input {i}") for i in range(WIDTH)]
    constrain_permutation(air, "permutation", inputs, POSEIDON16_20)


def circuit() -> Circuit:
    """The circuit of one table."""
    return define_circuit(NAME, [("permutations", constrain)])


def random_inputs(log_height: int, seed: int) -> Montgomery:
    """Inputs for every row: (16, height)."""
    generator = np.random.default_rng(seed)
    # Uniform words below the prime are uniform elements, whatever form they are read in.
    return generator.integers(0, PRIME, size=(WIDTH, 1 << log_height), dtype=np.uint32)


def fill_into(inputs: Montgomery, trace: Montgomery, *, threads: int) -> None:
    """Write the trace of all permutations."""
    from prover.hash.poseidon_kernels import trace_rows

    trace_rows(inputs, trace, POSEIDON16_20, threads=threads)
