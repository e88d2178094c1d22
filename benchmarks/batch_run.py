"""One measurement of proving batches in a process of its own: `python -m benchmarks.batch_run` prints one JSON object.

A child process makes the peak of memory the prover's alone, with the market that it proves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clearing_workload import Market, plain
from benchmarks.prover_run import peak_bytes
from circuits import key_multiples, keys, poseidon, signature
from circuits.machine import ProvedBatch, batch_key, prove_batch, shape_for
from circuits.shapes import TABLES, Shape, batch_circuit
from circuits.witness import follow_batch
from prover.air.expression import topological_order
from prover.hash.poseidon import POSEIDON16_20
from prover.memory import keep_freed_memory
from prover.parameters import PRESETS
from prover.progress import Stages
from prover.stark.key import VerificationKey
from prover.stark.security import report_of
from rollup.admission import message_of
from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.schnorr import SepticSchnorr
from rollup.state import State
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import TAGS, Trade
from rollup.units import BatchNumber, QueuePosition, SuiteId, Time

CHALLENGE_ELEMENTS = 28
"""Commitment and key, which every signature's challenge begins with."""


@dataclass(frozen=True, slots=True)
class Work:
    """A batch of trades, with all that its prover is handed."""

    market: Market
    before: State
    batch: Batch
    tree: StateTree
    outcome: BatchOutcome
    rules_seconds: float


def prepare(trades: int, accounts: int) -> Work:
    """Open the market in one batch, and trade in the next: every trade is two new orders, each with its signature."""
    market = Market(accounts=accounts)
    check = SepticSchnorr()
    items = market.queue_items()
    opening = Batch(BatchNumber(1), Time(market.time), QueuePosition(0), tuple(items), ())
    opened = apply_batch(market.genesis, opening, check)
    assert isinstance(opened, BatchOutcome)
    signed = market.signed([order for pair in market.pairs(trades) for order in pair])
    transactions = tuple(
        plain(Trade, buy, sell, place % 2 == 0, min(buy.order.lots, sell.order.lots))
        for place, (buy, sell) in enumerate(zip(signed[::2], signed[1::2], strict=True))
    )
    batch = Batch(BatchNumber(2), Time(market.time + 60), QueuePosition(len(items)), (), transactions)
    start = time.perf_counter()
    # The sequencer verified every signature when the order came; the proof verifies them once more.
    outcome = apply_batch(opened.state, batch, _Verified())
    seconds = time.perf_counter() - start
    assert isinstance(outcome, BatchOutcome)
    tree = StateTree.of_state(opened.state, KernelHasher(POSEIDON16_20))
    return Work(market, opened.state, batch, tree, outcome, seconds)


class _Verified:
    """Signatures that were made a moment ago with the very keys."""

    def accepts_key(self, key: object) -> bool:
        """Every key is the market's own."""
        del key
        return True

    def is_valid(self, key: object, message: object, signature: object) -> bool:
        """Every signature is the market's own."""
        del key, message, signature
        return True


def cells_by_table(key: VerificationKey) -> dict[str, dict[str, int]]:
    """Padded height times columns, for each table and kind of column."""
    cells: dict[str, dict[str, int]] = {name: {} for name, _ in TABLES}
    for phase in key.shape.phases:
        for matrix in phase.matrices:
            name = TABLES[matrix.table][0]
            cells[name][phase.name] = matrix.columns << matrix.log_height
    return cells


def committed_cells(cells: dict[str, dict[str, int]]) -> int:
    """What a batch commits to: all but the columns that the key fixes."""
    return sum(count for phases in cells.values() for name, count in phases.items() if name != "preprocessed")


def operations_by_table(key: VerificationKey) -> dict[str, int]:
    """Additions and multiplications of all rows: what evaluating the constraints takes."""
    counts = {}
    for number, table in enumerate(key.shape.tables):
        nodes = sum(bool(node.sources) for node in topological_order([table.combination]))
        counts[table.name] = nodes << (key.shape.log_heights[number] + key.shape.log_quotient_pieces(number))
    return counts


def seconds_by_table(key: VerificationKey, seconds: dict[str, float]) -> dict[str, float]:
    """Each stage's seconds, shared out by the cells that it works on, or by the operations.

    A stage works on all tables at once, so a table's own time cannot be taken with a clock.
    """
    cells = cells_by_table(key)
    all_cells = {name: sum(phases.values()) for name, phases in cells.items()}
    challenge = {
        name: sum(count for phase, count in phases.items() if phase.startswith("challenge"))
        for name, phases in cells.items()
    }
    works_on = {
        "follow": {name: phases.get("main", 0) for name, phases in cells.items()},
        "commit to the quotient": {name: phases.get("quotient", 0) for name, phases in cells.items()},
        "evaluate the constraints": operations_by_table(key),
    }
    works_on["lay out"] = works_on["commit to the trace"] = works_on["follow"]
    shares = dict.fromkeys(cells, 0.0)
    for stage, spent in seconds.items():
        weights = works_on.get(stage, challenge if "challenge round" in stage else all_cells)
        total = sum(weights.values())
        for name, weight in weights.items():
            shares[name] += spent * weight / total
    return shares


def cells_per_signature(cells: dict[str, dict[str, int]], shape: Shape, work: Work) -> float:
    """For each signature: the tables of signatures, keys and multiples, padding and all, and its permutations."""
    trades = [one for one in work.batch.transactions if isinstance(one, Trade)]
    tables = sum(sum(cells[name].values()) for name in (signature.NAME, key_multiples.NAME, keys.NAME))
    row = sum(cells[poseidon.NAME].values()) >> shape.log_heights[poseidon.NAME]
    order = trades[0].buy.order
    suite = work.market.secrets[order.account].suite
    message = message_of(work.before.system.deployment, SuiteId(suite), order.account, TAGS[Trade], order)
    blocks = -(-(CHALLENGE_ELEMENTS + len(message)) // 8)
    return tables / (2 * len(trades)) + row * blocks


def measure(
    trades: int, accounts: int, preset: str, threads: int, repeats: int, out: Path | None
) -> dict[str, Any]:
    """Prove one batch `repeats` times in a warm process, witness included; medians, with the spread."""
    work = prepare(trades, accounts)
    shape = shape_for(follow_batch(work.before, work.batch, work.tree, work.outcome).needed)
    start = time.perf_counter()
    batch_circuit()
    circuit_seconds = time.perf_counter() - start
    start = time.perf_counter()
    key = batch_key(shape.name, preset).verification
    key_seconds = time.perf_counter() - start
    baseline = peak_bytes()
    runs: list[dict[str, float]] = []
    proved: ProvedBatch | None = None
    for _ in range(repeats + 1):
        # Nothing of one run may be alive in the next one: the peak is that of a single proof.
        proved = None
        stages = Stages()
        start = time.perf_counter()
        proved = prove_batch(
            work.before,
            work.batch,
            work.tree,
            work.outcome,
            preset=preset,
            threads=threads,
            stages=stages,
        )
        runs.append({**stages.seconds, "total": time.perf_counter() - start})
    assert proved is not None
    if out is not None:
        out.write_bytes(proved.content)
    # The first run compiles or loads the kernels: it is a figure of its own.
    warm = runs[1:]
    seconds = {name: statistics.median(run.get(name, 0.0) for run in warm) for name in warm[0]}
    by_stage = {name: value for name, value in seconds.items() if name != "total"}
    totals = sorted(run["total"] for run in warm)
    cells = cells_by_table(key)
    total = committed_cells(cells)
    return {
        "trades": trades,
        "accounts": accounts,
        "shape": shape.name,
        "parameters": preset,
        "trees": str(PRESETS[preset].suite),
        "threads": threads,
        "repeats": repeats,
        "trades_per_second": trades / seconds["total"],
        "prove_seconds": seconds["total"],
        "prove_seconds_spread": [totals[0], totals[-1]],
        "prove_seconds_first_run": runs[0]["total"],
        "seconds_by_stage": by_stage,
        "seconds_by_table": seconds_by_table(key, by_stage),
        "key_seconds": key_seconds,
        "circuit_seconds": circuit_seconds,
        "rules_seconds": work.rules_seconds,
        "cells": total,
        "cells_per_trade": total / trades,
        "cells_per_signature": cells_per_signature(cells, shape, work),
        "cells_by_table": cells,
        "log_heights": dict(shape.log_heights),
        "permutations_by_table": {poseidon.NAME: 1 << shape.log_heights[poseidon.NAME]},
        "proof_bytes": len(proved.content),
        "published_bytes": len(work.outcome.published),
        "peak_rss_bytes": peak_bytes(),
        "baseline_rss_bytes": baseline,
        "soundness_bits": report_of(key).to_json(),
        "mix": work.market.describe(work.outcome.state),
    }


def main() -> None:
    """Read the arguments, measure, print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser()
    parser.add_argument("--trades", type=int, required=True)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(
        json.dumps(
            measure(given.trades, given.accounts, given.preset, given.threads, given.repeats, given.out)
        )
    )


if __name__ == "__main__":
    main()
