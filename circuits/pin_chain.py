"""Write what is known of the chain's keys beforehand: their identities, and the terminal circuit's description.

python -m circuits.pin_chain

It makes every key: minutes, and some gigabytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from circuits.aggregation import BASE_PRESET
from circuits.shapes import SHAPES
from circuits.terminal_statement import PINNED_FILE, WORDS, PinnedChain, key_identity
from circuits.verifying import key_of_shape
from prover.export.description import CircuitDescription
from prover.export.solidity import write_circuit_file
from prover.memory import keep_freed_memory
from prover.recursion.chain import JOIN_SIZES, make_first, make_join, make_terminal
from prover.stark.key import VerificationKey
from rollup.node.proofs import KeyIdentity

CIRCUIT_FILE = Path("verifier_contracts/artifacts/terminal_circuit.json")
"""From the project's folder."""


def pinned_files() -> tuple[PinnedChain, str]:
    """Both files' contents, from the circuits' definitions."""
    base, first = {}, None
    for shape in SHAPES:
        key = make_first(key_of_shape(shape.name, BASE_PRESET)).verification
        first = first or key
        base[shape.name] = _told(f"first step of shape {shape.name}", key)
    assert first is not None
    last, end = {}, None
    for size in JOIN_SIZES:
        end = make_join(first, size).last.verification
        last[size] = _told(f"join of {size}", end)
    assert end is not None
    terminal = make_terminal(end).verification
    pinned = PinnedChain(BASE_PRESET, base, last, int.from_bytes(terminal.digest, "big"))
    return pinned, write_circuit_file(CircuitDescription(terminal, WORDS))


def _told(name: str, key: VerificationKey) -> KeyIdentity:
    sys.stderr.write(f"{name}: {key.digest.hex()}\n")
    return key_identity(key)


def targets() -> Iterator[Path]:
    """Where the files are."""
    yield Path(__file__).with_name(PINNED_FILE)
    yield Path(__file__).parents[1] / CIRCUIT_FILE


def main() -> None:
    """Write the files, or compare them."""
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="Compare, and write nothing.")
    is_check = parser.parse_args().check
    pinned, circuit = pinned_files()
    stale = False
    for path, content in zip(targets(), (pinned.spelled(), circuit), strict=True):
        if not is_check:
            path.write_text(content, encoding="ascii")
        elif path.read_text(encoding="ascii") != content:
            stale = True
            sys.stderr.write(f"{path.name} is not what the circuits say\n")
    raise SystemExit(int(stale))


if __name__ == "__main__":
    main()
