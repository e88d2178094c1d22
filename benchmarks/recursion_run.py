"""One run of the chain in a process of its own: `python -m benchmarks.recursion_run` prints one JSON object."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.prover_run import peak_bytes
from benchmarks.recursion_base import describe_step, read_base
from prover.export.calldata import encode_for_contract
from prover.memory import keep_freed_memory
from prover.recursion.chain import prove_chain
from prover.recursion.storage import KeyFolder, stored_chain
from prover.stark.encoding import decode_proof
from prover.stark.key import VerificationKey


def measure(
    key: VerificationKey, statement: list[int], content: bytes, threads: int, repeats: int
) -> dict[str, Any]:
    """Prove the whole chain `repeats` times in a warm process; the median run counts."""
    from prover.progress import Stages
    from prover.stark.verify import verify_messages

    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        stored_chain(KeyFolder(Path(folder)), key, threads=threads)
        made = time.perf_counter()
        # As the next process does.
        chain = stored_chain(KeyFolder(Path(folder)), key, threads=threads)
        read = time.perf_counter()
        kept_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
    base = decode_proof(key, content).proof
    runs, stages, cpu = [], [], []
    for _ in range(repeats + 1):
        stages.append(Stages())
        begin = time.process_time()
        runs.append(prove_chain(chain, statement, base, threads=threads, stages=stages[-1]))
        cpu.append(time.process_time() - begin)
    accepted = verify_messages(chain.terminal, runs[-1].statement, runs[-1].proved.messages)
    # The first run compiles or loads the kernels.
    totals = [sum(step.seconds for step in run.figures) for run in runs]
    middle = sorted(range(1, len(runs)), key=totals.__getitem__)[repeats // 2]
    figures = runs[middle].figures
    terminal = figures[-1]
    sizes = [
        len(encode_for_contract(chain.terminal, run.proved.messages, run.proved.positions)) for run in runs
    ]
    return {
        "threads": threads,
        "repeats": repeats,
        "recursion_seconds": totals[middle],
        "recursion_seconds_all": totals,
        "recursion_cpu_seconds": cpu[middle],
        "key_seconds": made - start,
        "key_read_seconds": read - made,
        "key_file_bytes": kept_bytes,
        "steps": [describe_step(step) for step in figures],
        "programs": [dict(step.compiled.counts) for step in chain.steps],
        "terminal_proof_bytes": max(sizes),
        "terminal_columns": terminal.columns,
        "terminal_rows": terminal.rows,
        "peak_rss_bytes": peak_bytes(),
        "terminal_bits": accepted.security.minimum,
        "seconds": stages[middle].seconds,
    }


def main() -> None:
    """Read the arguments, measure, print."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="What benchmarks.recursion_base kept.")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    chosen = parser.parse_args()
    heading, _, content = chosen.base.read_bytes().partition(b"\n")
    about = json.loads(heading)
    key = read_base(about, content, chosen.threads)
    print(json.dumps(measure(key, about["statement"], content, chosen.threads, chosen.repeats)))


if __name__ == "__main__":
    main()
