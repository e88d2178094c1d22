"""The generated file of a circuit: its description, part by part, with the digests that it goes by.

`StarkVerifier` is deployed with the parts joined; its `circuitDigest` is the file's `description_digest`.
A file is never edited: a test makes it anew from the circuit's definition and compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from prover.export.description import CircuitDescription
from prover.hash.keccak import keccak256


class StaleCircuitFileError(ValueError):
    """A file whose parts are not those that its digest names."""


@dataclass(frozen=True, slots=True)
class CircuitFile:
    """What a client needs to deploy a verifier and to call it."""

    circuit: str
    key_digest: bytes
    """What `verify` is given as the terminal key."""
    statement: tuple[tuple[int, int], ...]
    """For each word of the statement its limbs and their bits."""
    description: bytes
    """The argument of the contract's constructor."""


def write_circuit_file(description: CircuitDescription) -> str:
    """The text of the generated file."""
    return (
        json.dumps(
            {
                "generated": "from the circuit's definition, by prover/export/solidity.py; do not edit",
                "circuit": description.key.circuit.name,
                "parameters": description.key.parameters.name,
                "log_heights": list(description.key.log_heights),
                "key_digest": description.key.digest.hex(),
                "description_digest": description.digest.hex(),
                "statement": [[word.limbs, word.bits] for word in description.statement],
                "parts": {name: content.hex() for name, content in description.parts.items()},
            },
            indent=1,
        )
        + "\n"
    )


def read_circuit_file(text: str) -> CircuitFile:
    """Read a generated file, or refuse one that was changed."""
    fields = json.loads(text)
    description = b"".join(bytes.fromhex(part) for part in fields["parts"].values())
    if keccak256(description).hex() != fields["description_digest"]:
        raise StaleCircuitFileError(f"the parts of circuit {fields['circuit']} are not those of its digest")
    return CircuitFile(
        fields["circuit"],
        bytes.fromhex(fields["key_digest"]),
        tuple((limbs, bits) for limbs, bits in fields["statement"]),
        description,
    )
