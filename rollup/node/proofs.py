"""Proofs on the disk: a file a batch, and beside it what making it took.

DIR/proofs/12.proof     the proof; it is there as a whole or not at all
DIR/proofs/12.json      seconds, bytes, shape, bits: written first, so that a proof never lacks them
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProofReport:
    """What is told of a proof that was made."""

    number: int
    seconds: float
    """From the stored batch to the proof, the key left out."""
    proof_bytes: int
    provable_bits: float
    shape: str
    parameters: str


class ProofShelf:
    """The proofs of one node's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "proofs"

    def path(self, number: int) -> Path:
        """Where a batch's proof is, or will be."""
        return self.folder / f"{number}.proof"

    def has(self, number: int) -> bool:
        """Whether a batch is proved."""
        return self.path(number).exists()

    def keep(self, content: bytes, report: ProofReport) -> Path:
        """Write a proof down; a crash leaves the whole of it or nothing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(self.folder / f"{report.number}.json", json.dumps(asdict(report)).encode())
        _replace(self.path(report.number), content)
        return self.path(report.number)

    def report(self, number: int) -> ProofReport | None:
        """Read what a proof took; None where none is, or where nobody can read it."""
        if not self.has(number):
            return None
        try:
            return ProofReport(**json.loads((self.folder / f"{number}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def _replace(path: Path, content: bytes) -> None:
    """Put a file in its place when all of it is on the disk."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
