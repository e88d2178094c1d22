"""One measurement of the prover in a process of its own: `python -m benchmarks.prover_run` prints one JSON object.

A child process makes the peak of memory the prover's alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

from prover.memory import keep_freed_memory


def peak_bytes() -> int:
    """The most memory this process has held.

    Linux hands a parent's peak down to its children in `getrusage`: the kernel's own mark is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(
    workload: str, log_size: int, preset: str, threads: int, repeats: int, out: Path | None
) -> dict[str, Any]:
    """Fill, commit and prove `repeats` times in a warm process; medians, with the spread."""
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.parameters import PRESETS
    from prover.progress import Stages
    from prover.stark.encoding import encode_proof
    from prover.stark.prover import prove
    from prover.stark.proving_key import make_proving_key
    from prover.stark.security import report_of

    example, parameters = EXAMPLES[workload], PRESETS[preset]
    start = time.perf_counter()
    key = make_proving_key(
        example.circuit(), example.log_heights(log_size), parameters, example.preprocessed(), threads=threads
    )
    key_seconds = time.perf_counter() - start
    baseline = peak_bytes()
    runs: list[dict[str, float]] = []
    content = b""
    for number in range(repeats + 1):
        stages = Stages()
        inputs = example.draw(log_size, 1 + number)
        start = time.perf_counter()
        with stages.stage("fill the trace"):
            traces, statement = example.fill_for(key, inputs, log_size, threads)
        proof = prove(key, traces, statement, threads=threads, stages=stages)
        runs.append({**stages.seconds, "total": time.perf_counter() - start})
        if number == repeats:
            content = encode_proof(key.verification, statement, proof.messages, proof.positions)
        # Nothing of one run may be alive in the next one: the peak is that of a single proof.
        del inputs, traces, proof
    if out is not None:
        out.write_bytes(content)
    # The first run compiles or loads the kernels: it is a figure of its own.
    warm = runs[1:]
    shape = key.verification.shape
    blowup = 1 << parameters.log_blowup
    cells = {
        phase.name: sum(matrix.columns << matrix.log_height for matrix in phase.matrices)
        for phase in shape.phases
    }
    trace_cells = sum(count for name, count in cells.items() if name != "quotient")
    seconds = {name: statistics.median(run.get(name, 0.0) for run in warm) for name in warm[0]}
    totals = sorted(run["total"] for run in warm)
    security = report_of(key.verification)
    return {
        "workload": workload,
        "log_size": log_size,
        "permutations": 1 << log_size,
        "columns": sum(matrix.columns for phase in shape.phases for matrix in phase.matrices),
        "cells": sum(cells.values()),
        "cells_by_phase": cells,
        "threads": threads,
        "seconds": seconds,
        "seconds_total": seconds["total"],
        "seconds_spread": [totals[0], totals[-1]],
        "repeats": len(warm),
        "seconds_first_run": runs[0]["total"],
        "seconds_key": key_seconds,
        "permutations_per_second": (1 << log_size) / seconds["total"],
        "cells_per_second": sum(cells.values()) / seconds["total"],
        "proof_bytes": len(content),
        "peak_rss_bytes": peak_bytes(),
        "baseline_rss_bytes": baseline,
        "extended_trace_bytes": 4 * blowup * trace_cells,
        "peak_over_extended_trace": peak_bytes() / (4 * blowup * trace_cells),
        "soundness_bits": security.to_json(),
        "parameters": preset,
        "trees": str(parameters.suite),
    }


def main() -> None:
    """Read the arguments, measure, print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True)
    parser.add_argument("--log-size", type=int, required=True)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(
        json.dumps(
            measure(given.workload, given.log_size, given.preset, given.threads, given.repeats, given.out)
        )
    )


if __name__ == "__main__":
    main()
