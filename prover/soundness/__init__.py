"""Provable security bits of a proof, round by round, from its shape and parameters."""

from prover.soundness.reference import preset_table, reference_shape, round_table
from prover.soundness.report import (
    RoundBits,
    SoundnessReport,
    best_multiplicity,
    chained_bits,
    johnson_report,
    soundness,
    unique_decoding_report,
)
from prover.soundness.shape import SecurityShape

__all__ = [
    "RoundBits",
    "SecurityShape",
    "SoundnessReport",
    "best_multiplicity",
    "chained_bits",
    "johnson_report",
    "preset_table",
    "reference_shape",
    "round_table",
    "soundness",
    "unique_decoding_report",
]
