"""What the presets would be worth by the count of exceptional points that was published before 2025.

The Johnson regime rests on a theorem that is young; a reader who does not take it yet finds here what is left.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from prover.parameters import PRESETS, StarkParameters
from prover.soundness import SecurityShape, reference_shape, soundness, unique_decoding_report
from prover.soundness.bounds import CHALLENGE_FIELD_SIZE
from prover.soundness.reference import REFERENCE_LOG_HEIGHTS
from prover.soundness.shape import TWO_ADICITY

DOCUMENT = Path(__file__).parents[2] / "docs" / "soundness.md"

HUNDRED = [p for p in PRESETS.values() if not p.is_insecure and p.target_bits < 128 and p.name != "terminal"]

MOST_MULTIPLICITY = 64
"""Beyond it every preset loses."""


def shapes_of(parameters: StarkParameters) -> list[SecurityShape]:
    heights = [h for h in REFERENCE_LOG_HEIGHTS if h + parameters.log_blowup <= TWO_ADICITY]
    return [reference_shape(parameters, height) for height in heights]


def older_count(m: int, log_height: int, log_blowup: int) -> float:
    """log2 of [BCIKS20, Theorem 1.5]'s exceptional points of a line: (m + 1/2)^7 n^2 / (3 rho^1.5)."""
    points = log_height + log_blowup
    return 7 * math.log2(m + 0.5) + 2 * points + 1.5 * log_blowup - math.log2(3)


def older_bits(shape: SecurityShape) -> float:
    """The weakest of batching, folds and queries at the best m: the gap is sqrt(rho) / 2m, curves count by degree."""
    parameters, field = shape.parameters, math.log2(CHALLENGE_FIELD_SIZE)
    log_blowup, grinding = parameters.log_blowup, parameters.grinding

    def at(m: int) -> float:
        agreement = -log_blowup / 2 + math.log2(1 + 1 / (2 * m))
        curves = [(shape.batched_columns - 1, shape.log_max_height, grinding.batching)]
        curves += [
            (degree, height, grinding.folding)
            for degree, height in zip(shape.fold_curve_degrees, shape.folded_log_heights, strict=True)
        ]
        bits = [
            field - math.log2(degree) - older_count(m, height, log_blowup) + work
            for degree, height, work in curves
        ]
        return min(*bits, grinding.query - agreement * parameters.queries)

    return max(map(at, range(3, MOST_MULTIPLICITY)))


@pytest.mark.parametrize("parameters", [*HUNDRED, PRESETS["terminal"]], ids=lambda one: one.name)
def test_the_older_count_costs_a_few_bits(parameters: StarkParameters) -> None:
    for shape in shapes_of(parameters):
        assert soundness(shape).minimum - 9 < older_bits(shape) < soundness(shape).minimum


def test_the_document_says_what_is_left() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    shapes = [shape for parameters in HUNDRED for shape in shapes_of(parameters)]
    (terminal,) = (shape for shape in shapes_of(PRESETS["terminal"]) if shape.log_max_height == 17)
    older = [math.floor(older_bits(shape)) for shape in shapes]
    unique = [math.floor(unique_decoding_report(shape).minimum) for shape in shapes]
    assert f"the 100-bit presets have {min(older)} to {max(older)} bits" in text
    assert f"and the terminal proof {math.floor(older_bits(terminal))}" in text
    assert f"{min(unique)} to {max(unique)} and" in text
    assert f"and {math.floor(unique_decoding_report(terminal).minimum)} by unique decoding" in text
