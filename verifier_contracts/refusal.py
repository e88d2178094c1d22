"""The reasons of the contract that judges proofs, by their numbers in its error `ProofRefused(uint8)`."""

from __future__ import annotations

from typing import Final

from prover.errors import Reason

ERROR: Final = "ProofRefused"
"""Its name in the interface of `StarkVerifier`."""


def reason_of(number: int) -> str:
    """What a number stands for: `StarkRefusal.sol` lists the reasons in the order of `prover/errors.py`."""
    reasons = list(Reason)
    return reasons[number].value if 0 <= number < len(reasons) else f"reason {number}"
