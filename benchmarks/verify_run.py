"""One measurement of the verifier in a fresh process that cannot import numba: prints one JSON object."""

from __future__ import annotations

import sys
import time

START = time.perf_counter()
# The figure is for a verifier without compiled kernels, so their compiler must not be reachable at all.
sys.modules["numba"] = None  # type: ignore[assignment]

import argparse  # noqa: E402 - the clock starts before anything is imported
import json  # noqa: E402
import statistics  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

if TYPE_CHECKING:
    from prover.stark.encoding import Heading
    from prover.stark.key import VerificationKey


def _key_for(heading: Heading, content: bytes) -> VerificationKey:
    """The key of the circuit that a proof names."""
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.stark.key import make_verification_key

    example = EXAMPLES.get(heading.circuit_name)
    if example is None:
        from circuits.verifying import verification_key

        return verification_key(content)
    return make_verification_key(example.circuit(), heading.log_heights, heading.parameters)


def main() -> None:
    """Read a proof, verify it cold and warm."""
    parser = argparse.ArgumentParser()
    parser.add_argument("proof", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    from prover.stark.encoding import Reader, read_heading
    from prover.stark.verify import verify

    content = given.proof.read_bytes()
    heading = read_heading(Reader(content))
    key = _key_for(heading, content)
    # The digest is computed once a key, as the shape is.
    digest = key.digest
    imported = time.perf_counter() - START
    seconds = []
    for _ in range(given.repeats + 1):
        start = time.perf_counter()
        verify(key, heading.statement, content)
        seconds.append(time.perf_counter() - start)
    warm = sorted(seconds[1:])
    print(
        json.dumps(
            {
                "verify_seconds": statistics.median(warm),
                "verify_seconds_spread": [warm[0], warm[-1]],
                "verify_seconds_cold": seconds[0],
                "imports_and_key_seconds": imported,
                "key_digest": digest.hex(),
            }
        )
    )


if __name__ == "__main__":
    main()
