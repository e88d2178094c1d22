"""Reference sizes that the presets are measured on, and the tables of docs/soundness.md."""

from __future__ import annotations

import math
from typing import Final

from prover.parameters import PRESETS, StarkParameters
from prover.soundness.report import SoundnessReport, soundness
from prover.soundness.shape import TWO_ADICITY, SecurityShape

REFERENCE_LOG_HEIGHTS: Final = (17, 20)
"""A narrow batch or recursion step, and the tallest table that rate 1/16 leaves room for."""

_TERMINAL_LOG_BLOWUP: Final = 6
"""Only the terminal proof is committed at rate 1/64."""


def reference_shape(parameters: StarkParameters, log_height: int) -> SecurityShape:
    """A proof larger than those that are made: every fold mixes tables in, and columns are opened twice.

    The sizes are rounded up from a clearing batch with some 1,000 base-field columns.
    The terminal circuit has 80 columns.
    """
    step, final = parameters.log_fold_arity, parameters.log_final_length
    log_heights = tuple(range(log_height, final - 1, -step))
    rest = log_heights[-1] - final
    is_terminal = parameters.log_blowup == _TERMINAL_LOG_BLOWUP
    return SecurityShape(
        parameters=parameters,
        log_heights=log_heights,
        fold_log_arities=(step,) * (len(log_heights) - 1) + ((rest,) if rest else ()),
        constraints=500 if is_terminal else 4000,
        max_constraint_degree=3,
        batched_columns=160 if is_terminal else 2048,
        interactions=(8 if is_terminal else 128) << log_height,
        max_message_length=16,
    )


def preset_table() -> str:
    """Every preset on the reference shapes, as a Markdown table."""
    lines = [
        "| preset | rate | queries | query grinding | rows | regime | m | bits | weakest | no grinding | summed |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for parameters in PRESETS.values():
        for log_height in REFERENCE_LOG_HEIGHTS:
            if log_height + parameters.log_blowup > TWO_ADICITY:
                continue
            report = soundness(reference_shape(parameters, log_height))
            cells = (
                f"`{parameters.name}`",
                f"1/{1 << parameters.log_blowup}",
                str(parameters.queries),
                str(parameters.grinding.query),
                f"2^{log_height}",
                report.regime,
                str(report.johnson_multiplicity or ""),
                rounded_down(report.minimum),
                report.weakest_round,
                rounded_down(report.minimum_without_grinding),
                rounded_down(report.summed_bits),
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def round_table(report: SoundnessReport) -> str:
    """Every round of one report, as a Markdown table."""
    lines = ["| round | without grinding | grinding | bits |", "|---|---|---|---|"]
    lines.extend(
        f"| {entry.name} | {rounded_down(entry.bits_without_grinding)} | {entry.grinding} "
        f"| {rounded_down(entry.bits)} |"
        for entry in report.rounds
    )
    return "\n".join(lines)


def rounded_down(bits: float) -> str:
    """One decimal, never more than was proved."""
    return f"{math.floor(bits * 10) / 10:.1f}"
