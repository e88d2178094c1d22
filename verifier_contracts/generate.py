"""Write the sources that are made from numbers: `python -m verifier_contracts.generate`, with --check only compare."""

from __future__ import annotations

import argparse
import sys

from prover.export.poseidon_solidity import write_permutation
from prover.hash.poseidon_parameters import POSEIDON16_20
from verifier_contracts.artifact import SOURCES

PERMUTATION = SOURCES / "PoseidonPermutation.sol"


def main(arguments: list[str] | None = None) -> int:
    """Rewrite the generated source, or say that it is stale."""
    parser = argparse.ArgumentParser(description="Write the contracts' sources that are made from numbers.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a source is stale")
    is_check = parser.parse_args(arguments).check
    text = write_permutation(POSEIDON16_20)
    if PERMUTATION.is_file() and PERMUTATION.read_text(encoding="utf-8") == text:
        return 0
    sys.stdout.write(f"{PERMUTATION.name}\n")
    if not is_check:
        PERMUTATION.write_text(text, encoding="utf-8")
    return 1 if is_check else 0


if __name__ == "__main__":
    sys.exit(main())
