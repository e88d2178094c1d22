"""The provable bits of everything that stands behind one terminal proof, for every number of batches."""

from __future__ import annotations

import pytest

from circuits.aggregation import BASE_PRESET
from circuits.shapes import SHAPES
from circuits.statement import PUBLIC_NAMES
from circuits.terminal_statement import SLOT_WORDS, WORDS
from circuits.verifying import key_of_shape
from prover.recursion.chain import (
    JOIN_LANES,
    JOIN_SIZES,
    SLOTS,
    STEP_LOG_HEIGHT,
    TALL_STEP,
    TERMINAL,
    TERMINAL_LOG_HEIGHT,
    first_step_key,
    last_step_key,
)
from prover.recursion.prove import public_names
from prover.recursion.tables import recursion_circuit
from prover.recursion.terminal import terminal_circuit
from prover.soundness.report import chained_bits
from prover.stark.key import VerificationKey
from prover.stark.security import report_of

ANY_ROOT = tuple(range(8))

JOINED = SLOTS * sum(word.limbs for word in SLOT_WORDS)


def summed_bits(key: VerificationKey) -> float:
    assert not key.parameters.is_insecure
    return report_of(key).summed_bits


@pytest.mark.parametrize("size", JOIN_SIZES)
def test_an_aggregate_of_any_size_has_a_hundred_bits(size: int) -> None:
    """Every base proof, every first step, the join, what shrinks it and the terminal proof have to be sound."""
    base = min(summed_bits(key_of_shape(shape.name, BASE_PRESET)) for shape in SHAPES)
    first = summed_bits(first_step_key(len(PUBLIC_NAMES), ANY_ROOT))
    names = public_names(sum(word.limbs for word in WORDS))
    root = bytes(TERMINAL.node_bytes)
    terminal = VerificationKey(terminal_circuit(names), (TERMINAL_LOG_HEIGHT,), TERMINAL, root)
    bits = [base] * size + [first] * size
    bits += [summed_bits(last_step_key(JOINED, ANY_ROOT)), summed_bits(terminal)]
    if size > 1:
        # Rows grow with the proofs that are joined; what verifies one takes nearly all of STEP_LOG_HEIGHT.
        heights = (STEP_LOG_HEIGHT + size.bit_length() - 1,) * 2
        circuit = recursion_circuit(public_names(JOINED), JOIN_LANES)
        bits.append(summed_bits(VerificationKey(circuit, heights, TALL_STEP, ANY_ROOT)))
    assert chained_bits(bits) >= 100
