"""What a clearing house is deployed with so that it believes proofs: the verifier of terminal proofs, and the keys.

Nothing is computed here: the keys are pinned, and so is the description of the terminal circuit.
"""

from __future__ import annotations

import json
from importlib.resources import files

from rollup.node.deployment import Verifier, stark_verifier


def verifier() -> Verifier:
    """The contract that judges terminal proofs, ready to be deployed."""
    pinned = json.loads(files("circuits").joinpath("pinned_chain.json").read_text(encoding="ascii"))
    return stark_verifier(pinned)
