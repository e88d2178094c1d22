"""Verifying a batch's proof: no compiled kernel, and no proving key.

The only columns that keys fix are the range check's, and the root over them depends on nothing but the preset.
`pinned_roots.json` holds it for every preset whose rate leaves room for the quotients,
so that a fresh process need not extend and hash 2^16 rows first.
`python -m circuits.pin_roots` writes the file anew; everything else of a key is computed from the constraints.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from circuits.shapes import CIRCUIT_NAME, SHAPES, Shape, batch_circuit
from circuits.statement import BatchStatement
from prover.errors import ProofRefused, Reason
from prover.parameters import PRESETS
from prover.soundness.report import SoundnessReport
from prover.stark.encoding import Reader, read_heading
from prover.stark.key import Digest, VerificationKey, make_verification_key
from prover.stark.verify import verify

PINNED_FILE: Final = "pinned_roots.json"
"""Beside this file."""


@cache
def pinned_roots() -> dict[str, Digest]:
    """The root over the range check's columns, by preset."""
    content = json.loads(files("circuits").joinpath(PINNED_FILE).read_text(encoding="ascii"))
    # Soundness: another root would let the range check provide other values; a test commits anew and compares.
    return {
        preset: bytes.fromhex(root) if isinstance(root, str) else tuple(root)
        for preset, root in content.items()
    }


@lru_cache(maxsize=4)
def key_of_shape(shape_name: str, preset: str) -> VerificationKey:
    """The verification key of a shape under a preset; a few are kept."""
    (shape,) = (shape for shape in SHAPES if shape.name == shape_name)
    return make_verification_key(batch_circuit(), shape.heights, PRESETS[preset], pinned_roots()[preset])


def shape_of_heights(log_heights: tuple[int, ...]) -> Shape | None:
    """The shape that has these heights, if one has."""
    return next((shape for shape in SHAPES if shape.heights == log_heights), None)


def verification_key(content: bytes) -> VerificationKey:
    """The key of the shape and preset that a proof names; verifying compares its digest."""
    heading = read_heading(Reader(content))
    if heading.circuit_name != CIRCUIT_NAME:
        raise ProofRefused(Reason.WRONG_KEY, f"the proof is of {heading.circuit_name}, not of a batch")
    shape = shape_of_heights(heading.log_heights)
    if shape is None:
        raise ProofRefused(Reason.HEIGHT_OUT_OF_RANGE, "the proof is of no shape that batches have")
    preset = heading.parameters.name
    if PRESETS.get(preset) != heading.parameters or preset not in pinned_roots():
        raise ProofRefused(Reason.WRONG_PARAMETERS, f"no batch is proved with parameters {preset}")
    return key_of_shape(shape.name, preset)


def verify_batch(statement: BatchStatement, content: bytes, *, required_bits: int = 100) -> SoundnessReport:
    """Check a batch's proof against what it should say; raises ProofRefused to say no."""
    return verify(
        verification_key(content), statement.elements, content, required_bits=required_bits
    ).security
