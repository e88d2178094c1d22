"""The hashes on one core: nanoseconds of a permutation, a hashed row, a node, a nonce, beside what the machine allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np

from benchmarks.kernels_rate import described, row
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash import keccak_kernels, poseidon_kernels
from prover.hash.poseidon import POSEIDON16_20, POSEIDON16_36
from prover.hash.suite import AnySuite, KeccakSuite, PoseidonSuite
from prover.merkle import MixedTree
from prover.transcript import Label

HEIGHT = 1 << 12
"""Rows of the timed arrays: some milliseconds a call, so that starting it does not show."""

COLUMNS = 64
"""Columns of the hashed rows: eight permutations of Poseidon, two of Keccak."""

RUNS = 15
"""The best of so many: other work on the machine can only add time."""

PERMUTATIONS_A_CALL = 2000

NONCES = 1 << 14

POSEIDON_FLOOR = 200.0
"""Nanoseconds a permutation that no change may exceed."""

KECCAK_FLOOR = 27.0
"""The same for eight lanes of Keccak-f."""

POSEIDON_LIMIT = "about 7,500 vector operations for 8 permutations of 20 partial rounds"
POSEIDON_OPERATIONS = 7500 / 8
KECCAK_LIMIT = (
    "24 rounds of 95 vector operations for 8 permutations: 35 of three operands, 30 of two, 29 rotations, a constant; "
    "90 are the fewest that the round has; its seven steps depend on each other"
)
KECCAK_OPERATIONS = 24 * 95 / 8
ROWS_LIMIT = "the permutations, and each cache line read once"
TREE_LIMIT = "the rows, and one node less than there are leaves"


def _best_seconds(work: Callable[[], object]) -> float:
    work()
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def _row(
    kernel: str,
    seconds: float,
    units: int,
    unit: str,
    floor: float | None,
    limit: str,
    operations: float | None = None,
) -> dict[str, Any]:
    return row(kernel, seconds / units * 1e9, unit, floor, limit, operations)


def _random(*shape: int) -> Montgomery:
    return encode(np.random.default_rng(1).integers(0, PRIME, shape))


def _permutations() -> list[dict[str, Any]]:
    states = _random(16, HEIGHT)
    found = []
    known = ((POSEIDON16_20, POSEIDON_FLOOR, POSEIDON_OPERATIONS), (POSEIDON16_36, None, None))
    for parameters, floor, operations in known:
        permute = partial(poseidon_kernels.permute_states, states, parameters)
        name = f"Poseidon permutation, {parameters.partial_rounds} partial rounds"
        seconds = _best_seconds(permute)
        found.append(_row(name, seconds, HEIGHT, "permutation", floor, POSEIDON_LIMIT, operations))
    trace = np.empty((poseidon_kernels.trace_columns(POSEIDON16_20), HEIGHT), dtype=np.uint32)
    seconds = _best_seconds(lambda: poseidon_kernels.trace_rows(states, trace, POSEIDON16_20))
    found.append(_row("Poseidon table", seconds, HEIGHT, "row of 164 cells", None, POSEIDON_LIMIT))
    scratch = keccak_kernels.new_scratch(1)
    seconds = _best_seconds(lambda: keccak_kernels.permute_repeatedly(scratch, PERMUTATIONS_A_CALL))
    units = PERMUTATIONS_A_CALL * keccak_kernels.ROWS
    found.append(
        _row("Keccak-f[1600]", seconds, units, "permutation", KECCAK_FLOOR, KECCAK_LIMIT, KECCAK_OPERATIONS)
    )
    return found


def _trees(name: str, suite: AnySuite) -> list[dict[str, Any]]:
    matrix = _random(COLUMNS, HEIGHT)
    planes = suite.hash_rows([matrix], 1)
    extended = matrix.reshape(COLUMNS, 4, HEIGHT // 4)
    rows = _best_seconds(lambda: suite.hash_rows([matrix], 1))
    nodes = _best_seconds(lambda: suite.compress_layer(planes, 4, HEIGHT // 4, 11, 1))
    tree = _best_seconds(lambda: MixedTree.commit(suite, [extended], 1))
    return [
        _row(f"{name} row hash", rows, HEIGHT * COLUMNS, f"element, {COLUMNS} a row", None, ROWS_LIMIT),
        _row(f"{name} node", nodes, HEIGHT // 2, "node", None, "one permutation"),
        _row(f"{name} tree", tree, HEIGHT * COLUMNS, f"cell, {COLUMNS} a row", None, TREE_LIMIT),
    ]


def _grinding() -> list[dict[str, Any]]:
    # Forty bits are never met here, so every nonce of the range is tried.
    state, before = bytes(range(32)), list(range(16))

    def keccak() -> object:
        return keccak_kernels.grind_block(state, Label.GRIND_QUERY, 40, 0, NONCES)

    def poseidon() -> object:
        return poseidon_kernels.grind_block(before, 31, POSEIDON16_20, 0, NONCES)

    return [
        _row("Keccak grinding", _best_seconds(keccak), NONCES, "nonce", None, KECCAK_LIMIT),
        _row("Poseidon grinding", _best_seconds(poseidon), NONCES, "nonce", None, POSEIDON_LIMIT),
    ]


def rows() -> list[dict[str, Any]]:
    """One row a measurement, all on one core."""
    return [
        *_permutations(),
        *_trees("Keccak", KeccakSuite()),
        *_trees("Keccak, short nodes,", KeccakSuite(26)),
        *_trees("Poseidon", PoseidonSuite(POSEIDON16_20)),
        *_grinding(),
    ]


def main() -> None:
    """Print one line a measurement."""
    for found in rows():
        click.echo(described(found))


if __name__ == "__main__":
    main()
