"""Proof files as commands are given them: read up to the size that a proof can have, and insisted on being one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollup.commands.terminal import BadInput, read_limited

if TYPE_CHECKING:
    # Only for annotations: importing it would make every `--help` wait.
    from prover.stark.encoding import Heading


def read_proof(path: Path) -> tuple[bytes, Heading]:
    """Read a proof and what it says of itself; a file that is no proof is a bad input."""
    from prover.errors import ProofRefused
    from prover.stark.encoding import MAXIMUM_PROOF_BYTES, Reader, read_heading

    content = read_limited(path, MAXIMUM_PROOF_BYTES)
    try:
        return content, read_heading(Reader(content))
    except ProofRefused as refusal:
        raise BadInput(f"{str(path)!r}: {refusal}") from refusal
