"""One run of the chain in a process of its own: `python -m benchmarks.recursion_run` prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.prover_run import peak_bytes
from prover.recursion.chain import StepFigures, bits_of_chain, figures_of, make_chain, prove_chain
from prover.stark.encoding import NumberProof
from prover.stark.key import VerificationKey


@dataclass(frozen=True, slots=True)
class Base:
    """A base proof, and what it cost."""

    key: VerificationKey
    statement: list[int]
    messages: NumberProof
    figures: StepFigures


def example_base(workload: str, log_size: int, preset: str, threads: int) -> Base:
    """A proof of an example circuit."""
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.parameters import PRESETS
    from prover.stark.prover import prove
    from prover.stark.proving_key import make_proving_key

    example = EXAMPLES[workload]
    key = make_proving_key(
        example.circuit(),
        example.log_heights(log_size),
        PRESETS[preset],
        example.preprocessed(),
        threads=threads,
    )
    filled = example.fill(log_size, 1, threads)
    start = time.perf_counter()
    base = prove(key, filled.traces, filled.statement, threads=threads)
    seconds = time.perf_counter() - start
    statement = list(filled.statement)
    figures = figures_of("base", key.verification, statement, base, seconds=seconds)
    return Base(key.verification, statement, base.messages, figures)


def batch_base(trades: int, preset: str, threads: int) -> Base:
    """A proof of a batch of so many trades."""
    from benchmarks.batch_run import prepare
    from circuits.machine import batch_key, prove_batch
    from prover.stark.encoding import decode_proof
    from prover.stark.prover import Proved

    work = prepare(trades, trades)
    start = time.perf_counter()
    proved = prove_batch(work.before, work.batch, work.tree, work.outcome, preset=preset, threads=threads)
    seconds = time.perf_counter() - start
    key = batch_key(proved.shape.name, preset).verification
    decoded = decode_proof(key, proved.content)
    statement = list(proved.statement.elements)
    again = Proved(decoded.proof, decoded.positions)
    return Base(key, statement, decoded.proof, figures_of("base", key, statement, again, seconds=seconds))


def measure(base: Base, threads: int, repeats: int) -> dict[str, Any]:
    """Prove the whole chain `repeats` times in a warm process; the fastest run counts."""
    from prover.progress import Stages
    from prover.stark.verify import verify_messages

    start = time.perf_counter()
    chain = make_chain(base.key, threads=threads)
    key_seconds = time.perf_counter() - start
    runs, stages, cpu = [], [], []
    for _ in range(repeats + 1):
        stages.append(Stages())
        begin = time.process_time()
        runs.append(prove_chain(chain, base.statement, base.messages, threads=threads, stages=stages[-1]))
        cpu.append(time.process_time() - begin)
    accepted = verify_messages(chain.terminal, runs[-1].statement, runs[-1].proved.messages)
    # The first run compiles or loads the kernels.
    totals = [sum(step.seconds for step in run.figures) for run in runs]
    best = min(range(1, len(runs)), key=totals.__getitem__)
    figures = (base.figures, *runs[best].figures)
    terminal = figures[-1]
    return {
        "threads": threads,
        "repeats": repeats,
        "recursion_seconds": totals[best],
        "recursion_seconds_all": totals,
        "recursion_cpu_seconds": cpu[best],
        "key_seconds": key_seconds,
        "steps": [describe_step(step) for step in figures],
        "programs": [dict(step.compiled.counts) for step in chain.steps],
        "terminal_proof_bytes": terminal.proof_bytes,
        "terminal_columns": terminal.columns,
        "terminal_rows": terminal.rows,
        "peak_rss_bytes": peak_bytes(),
        "soundness_bits": bits_of_chain(figures),
        "terminal_bits": accepted.security.minimum,
        "seconds": stages[best].seconds,
    }


def describe_step(step: StepFigures) -> dict[str, Any]:
    """One row of the table of steps."""
    described = asdict(step)
    return {"bytes": described.pop("proof_bytes")} | described


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=0, help="A batch of so many trades; 0: an example.")
    parser.add_argument("--workload", default="poseidon-batch")
    parser.add_argument("--log-size", type=int, default=12)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    chosen = parser.parse_args()
    if chosen.trades:
        base = batch_base(chosen.trades, chosen.preset, chosen.threads)
        about: dict[str, Any] = {"workload": "clearing-batch", "trades": chosen.trades}
    else:
        base = example_base(chosen.workload, chosen.log_size, chosen.preset, chosen.threads)
        about = {"workload": chosen.workload, "log_size": chosen.log_size}
    # What the base proof took is no part of the recursion's own peak, which may lie below it.
    about |= {"base_peak_rss_bytes": peak_bytes()}
    result = {**about, "parameters": chosen.preset, **measure(base, chosen.threads, chosen.repeats)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
