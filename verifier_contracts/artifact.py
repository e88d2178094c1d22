"""Committed results of the compiler: what a client needs to deploy a contract and to speak with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from prover.hash.keccak import keccak256

ROOM: Path = Path(__file__).resolve().parent

SOURCES: Path = ROOM / "src"

ARTIFACTS: Path = ROOM / "artifacts"

COMPILER: Path = ROOM / "compiler.json"
"""Version and settings of the compiler: the only place where they are written."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    contract: str
    abi: list[dict[str, Any]]
    bytecode: str
    """Hexadecimal, without constructor arguments."""
    runtime_bytecode: str
    compiler: str
    settings: dict[str, Any]
    storage: list[str]
    """Where each state variable stands: slot, byte in the slot, name."""
    source_digest: str

    def to_json(self) -> str:
        """Spell the artifact as it is committed."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def load_artifact(contract: str, folder: Path = ARTIFACTS) -> Artifact:
    """Read a committed artifact."""
    return Artifact(**json.loads((folder / f"{contract}.json").read_text(encoding="utf-8")))


TERMINAL_CIRCUIT: Path = ARTIFACTS / "terminal_circuit.json"
"""The circuit whose proofs the contract takes: generated."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What `StarkVerifier` is deployed with, and the key that it is then asked with."""

    key_digest: bytes
    description: bytes


def load_circuit(path: Path = TERMINAL_CIRCUIT) -> Circuit:
    """Read a generated circuit file; ValueError if it was changed, KeyError if it is no such file."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    description = b"".join(bytes.fromhex(part) for part in fields["parts"].values())
    if keccak256(description).hex() != fields["description_digest"]:
        raise ValueError(f"the parts of {path.name} are not those of its digest")
    return Circuit(bytes.fromhex(fields["key_digest"]), description)


def source_digest(folders: tuple[Path, ...] = (SOURCES,)) -> str:
    """Digest of every source and of the compiler's settings: another digest means that artifacts are stale."""
    digest = sha256(COMPILER.read_bytes())
    for folder in folders:
        for source in sorted(folder.glob("*.sol")):
            digest.update(f"\n{source.name}\n".encode() + source.read_bytes())
    return digest.hexdigest()
