"""A process that proves for a node: work comes in by lines, and what became of it goes out by lines.

    python -m circuits.proving_process FOLDER [THREADS]

    in   prove 12                     base proof and first step of batch 12
    in   join 5 8                     one terminal proof of batches 5 to 8, out of their first steps
    out  {"stage": "lay out", "fraction": 0.0}
    out  {"seconds": 7.5}  or  {"failed": "one line"}  or  {"unusable": [5, 6]}

The proofs themselves are put on the shelf in FOLDER.
`unusable` are first steps that another version of the circuits made.
One process does both, one after the other: each takes gigabytes and all cores.
It ends when its input does, in the middle of its work too, so it never outlives its node: a node that is started again
would otherwise start a second one beside it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Final

from circuits.shapes import BatchTooLargeError
from circuits.shelved import UnusableStepsError, join_steps, prove_to_first_step
from prover.errors import ProofRefused
from prover.memory import keep_freed_memory
from prover.progress import Stages
from rollup.node.storage import StorageError

NICENESS: Final = 10
"""People's orders come first."""


def _say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _lines() -> Iterator[str]:
    """Lines of the input; where it ends, so does the process, and nothing is lost: what is on the shelf is whole."""
    waiting: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(line)
        os._exit(0)

    Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def _do(folder: Path, line: str, threads: int | None) -> None:
    """Do one line's work."""
    kind, *numbers = line.split()
    stages = Stages(lambda stage, fraction: _say(stage=stage, fraction=fraction))
    if kind == "prove":
        (number,) = numbers
        prove_to_first_step(folder, int(number), threads=threads, stages=stages)
    elif kind == "join":
        first, last = numbers
        join_steps(folder, int(first), int(last), threads=threads, stages=stages)
    else:
        raise ValueError(f"{kind!r} is no work for a prover")


def main(arguments: list[str]) -> None:
    """Prove until nobody asks any more."""
    folder = Path(arguments[0])
    threads = int(arguments[1]) if len(arguments) > 1 else None
    os.nice(NICENESS)
    # It stays between its proofs, and each needs as much as the last.
    keep_freed_memory()
    for line in _lines():
        began = perf_counter()
        try:
            _do(folder, line, threads)
        except UnusableStepsError as error:
            _say(unusable=error.numbers)
        except (BatchTooLargeError, StorageError, ProofRefused) as error:
            _say(failed=" ".join(str(error).split()))
        else:
            _say(seconds=perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1:])
