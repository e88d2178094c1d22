"""A stand-in for a prover's process: FILE says what it does with each work; the folder is the last argument."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from rollup.node.proofs import KeyIdentity, ProofReport, ProofShelf, StepReport, TerminalReport


def say(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def make(shelf: ProofShelf, kind: str, numbers: list[int]) -> None:
    """Put on the shelf what a prover would have made."""
    if kind == "prove":
        (number,) = numbers
        shelf.keep(b"proof", ProofReport(number, 0.25, 5, 101.5, "small", "a preset"))
        shelf.keep_step(b"a step", StepReport(number, 0.5, 6, 101.25))
        return
    first, last = numbers
    keys = tuple(KeyIdentity(number, 2) for number in range(first, last + 1))
    shelf.keep_terminal(
        b"terminal proof", TerminalReport(first, last, 1.5, 14, 100.5, keys, KeyIdentity(3, 4), ())
    )


def main(script: Path, folder: Path) -> None:
    for line in sys.stdin:
        kind, *numbers = line.split()
        doings = json.loads(script.read_text())
        done = doings.get(line.strip(), [])
        # Each death takes one line off the script, so that the next process goes on behind it.
        what = done.pop(0) if done else "prove"
        script.write_text(json.dumps(doings))
        say({"stage": "lay out", "fraction": 0.5})
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "wait":
            sys.stdin.read()
        if what == "fail":
            say({"failed": "it is too large"})
        elif what == "unusable":
            say({"unusable": [int(numbers[0])]})
        else:
            if what == "prove":
                make(ProofShelf(folder), kind, [int(number) for number in numbers])
            say({"seconds": 0.75})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
