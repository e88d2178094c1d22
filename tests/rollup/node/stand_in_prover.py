"""A stand-in for a prover's process: FILE says what it does with each batch; the folder is the last argument."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from rollup.node.proofs import ProofReport, ProofShelf


def say(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main(script: Path, folder: Path) -> None:
    for line in sys.stdin:
        number = int(line)
        doings = json.loads(script.read_text())
        done = doings.get(str(number), [])
        # Each death takes one line off the script, so that the next process goes on behind it.
        what = done.pop(0) if done else "prove"
        script.write_text(json.dumps(doings))
        say({"number": number, "stage": "lay out", "fraction": 0.5})
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "wait":
            sys.stdin.read()
        if what == "fail":
            say({"number": number, "failed": "it is too large"})
            continue
        report = ProofReport(number, 0.25, 5, 101.5, "small", "a preset")
        if what == "prove":
            ProofShelf(folder).keep(b"proof", report)
        say({"number": number, "proved": asdict(report)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
