"""The base proof that `bench recursion` begins with, in a process of its own, kept in a file.

`python -m benchmarks.recursion_base` prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.prover_run import peak_bytes
from prover.memory import keep_freed_memory
from prover.recursion.chain import StepFigures, figures_of
from prover.stark.encoding import decode_proof, encode_proof
from prover.stark.key import VerificationKey
from prover.stark.prover import Proved

BATCH = "clearing-batch"


def example_key(workload: str, log_size: int, preset: str, threads: int) -> VerificationKey:
    """The key of an example circuit."""
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.parameters import PRESETS
    from prover.stark.proving_key import make_proving_key

    example = EXAMPLES[workload]
    heights, columns = example.log_heights(log_size), example.preprocessed()
    key = make_proving_key(example.circuit(), heights, PRESETS[preset], columns, threads=threads)
    return key.verification


def read_base(about: dict[str, Any], content: bytes, threads: int) -> VerificationKey:
    """The key of a kept base proof."""
    from circuits.verifying import verification_key

    if about["workload"] == BATCH:
        return verification_key(content)
    return example_key(about["workload"], about["log_size"], about["parameters"], threads)


def prove_example(
    workload: str, log_size: int, preset: str, threads: int
) -> tuple[list[int], bytes, StepFigures]:
    """A proof of an example circuit: statement, bytes, figures."""
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.parameters import PRESETS
    from prover.stark.prover import prove
    from prover.stark.proving_key import make_proving_key

    example = EXAMPLES[workload]
    heights, columns = example.log_heights(log_size), example.preprocessed()
    key = make_proving_key(example.circuit(), heights, PRESETS[preset], columns, threads=threads)
    filled = example.fill(log_size, 1, threads)
    start = time.perf_counter()
    proved = prove(key, filled.traces, filled.statement, threads=threads)
    seconds = time.perf_counter() - start
    statement = list(filled.statement)
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    return statement, content, figures_of("base", key.verification, statement, proved, seconds=seconds)


def prove_trades(
    trades: int, accounts: int, preset: str, threads: int
) -> tuple[list[int], bytes, StepFigures]:
    """A proof of a batch of so many trades: statement, bytes, figures."""
    from benchmarks.batch_run import prepare
    from circuits.machine import batch_key, prove_batch

    work = prepare(trades, accounts)
    start = time.perf_counter()
    proved = prove_batch(work.before, work.batch, work.tree, work.outcome, preset=preset, threads=threads)
    seconds = time.perf_counter() - start
    key = batch_key(proved.shape.name, preset).verification
    decoded = decode_proof(key, proved.content)
    statement = list(proved.statement.elements)
    again = Proved(decoded.proof, decoded.positions)
    return statement, proved.content, figures_of("base", key, statement, again, seconds=seconds)


def describe_step(step: StepFigures) -> dict[str, Any]:
    """One row of the table of steps."""
    described = asdict(step)
    return {"bytes": described.pop("proof_bytes")} | described


def main() -> None:
    """Read the arguments, prove, keep, print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=0, help="A batch of so many trades; 0: an example.")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--workload", default="poseidon-batch")
    parser.add_argument("--log-size", type=int, default=12)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    about: dict[str, Any] = {"parameters": chosen.preset}
    if chosen.trades:
        accounts = min(chosen.accounts, 2 * chosen.trades)
        about |= {"workload": BATCH, "trades": chosen.trades, "accounts": accounts}
        made = prove_trades(chosen.trades, accounts, chosen.preset, chosen.threads)
    else:
        about |= {"workload": chosen.workload, "log_size": chosen.log_size}
        made = prove_example(chosen.workload, chosen.log_size, chosen.preset, chosen.threads)
    statement, content, figures = made
    chosen.out.write_bytes(json.dumps(about | {"statement": statement}).encode() + b"\n" + content)
    print(json.dumps(about | {"base": describe_step(figures), "base_peak_rss_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
