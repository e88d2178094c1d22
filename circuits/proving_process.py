"""A process that proves batches of a node: numbers come in by lines, and what became of them goes out by lines.

    python -m circuits.proving_process FOLDER [PRESET [THREADS]]

    in   12
    out  {"number": 12, "stage": "lay out", "fraction": 0.0}
    out  {"number": 12, "proved": {...}}  or  {"number": 12, "failed": "one line"}

The proof itself is put on the shelf in FOLDER.
The process ends when its input does, so it never outlives its node.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from circuits.archived import prove_archived
from circuits.shapes import DEFAULT_PRESET, BatchTooLargeError
from rollup.node.proofs import ProofShelf
from rollup.node.storage import StorageError

NICENESS: Final = 10
"""People's orders come first."""


def _say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Prove until nobody asks any more."""
    folder = Path(arguments[0])
    preset = arguments[1] if len(arguments) > 1 else DEFAULT_PRESET
    threads = int(arguments[2]) if len(arguments) > 2 else None
    os.nice(NICENESS)
    shelf = ProofShelf(folder)
    for line in sys.stdin:
        number = int(line)

        def show(stage: str, fraction: float, number: int = number) -> None:
            _say(number=number, stage=stage, fraction=fraction)

        try:
            made = prove_archived(folder, number, preset=preset, threads=threads, progress=show)
        except (BatchTooLargeError, StorageError) as error:
            _say(number=number, failed=" ".join(str(error).split()))
            continue
        shelf.keep(made.proved.content, made.report)
        _say(number=number, proved=asdict(made.report))


if __name__ == "__main__":
    main(sys.argv[1:])
