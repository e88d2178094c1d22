"""Verifying needs neither numba nor a proving key, and what is pinned for it is what the columns hash to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from circuits import range_check
from circuits.pin_roots import proving_presets, root_under, spelled
from circuits.shapes import DEFAULT_PRESET, SHAPES, batch_circuit
from circuits.verifying import PINNED_FILE, key_of_shape, pinned_roots, shape_of_heights, verification_key
from prover.errors import ProofRefused, Reason
from prover.parameters import PRESETS
from prover.stark.encoding import Heading, Writer, write_heading

HOME = Path(__file__).resolve().parents[2]

WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
from circuits.shapes import SHAPES
from circuits.verifying import key_of_shape, verify_batch
print(key_of_shape(SHAPES[0].name, "keccak-100-rate-4").digest.hex())
"""


@pytest.mark.parametrize("preset", ["keccak-100-rate-8", "keccak-100-rate-4", "poseidon-100-rate-4"])
def test_the_pinned_root_is_what_the_columns_hash_to(preset: str) -> None:
    assert root_under(PRESETS[preset]) == pinned_roots()[preset]


@pytest.mark.long
def test_every_pinned_root_is_what_the_columns_hash_to() -> None:
    roots = {name: root_under(parameters) for name, parameters in proving_presets().items()}
    assert spelled(roots) == (HOME / "circuits" / PINNED_FILE).read_text()


def test_no_other_table_has_columns_that_a_key_fixes() -> None:
    fixed = [table.name for table in batch_circuit().tables if table.preprocessed_names]
    assert fixed == [range_check.NAME]


def test_the_key_is_the_one_that_proofs_are_made_under() -> None:
    from circuits.machine import batch_key

    shape = SHAPES[0].name
    assert key_of_shape(shape, DEFAULT_PRESET).digest == batch_key(shape, DEFAULT_PRESET).verification.digest


def test_a_key_is_made_without_numba() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, cwd=HOME, check=True
    )
    assert finished.stdout.strip() == key_of_shape(SHAPES[0].name, DEFAULT_PRESET).digest.hex()


def test_shapes_differ_in_their_heights() -> None:
    assert [shape_of_heights(shape.heights) for shape in SHAPES] == list(SHAPES)
    assert shape_of_heights((3,) * 36) is None


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        (Heading("another", bytes(32), PRESETS[DEFAULT_PRESET], SHAPES[0].heights, ()), Reason.WRONG_KEY),
        (
            Heading("clearing-batch", bytes(32), PRESETS[DEFAULT_PRESET], (1, 2), ()),
            Reason.HEIGHT_OUT_OF_RANGE,
        ),
        (
            # At this rate there is no room for the quotients, so there is no key either.
            Heading("clearing-batch", bytes(32), PRESETS["keccak-100-rate-2"], SHAPES[0].heights, ()),
            Reason.WRONG_PARAMETERS,
        ),
    ],
)
def test_a_proof_of_something_else_is_refused(heading: Heading, reason: Reason) -> None:
    writer = Writer()
    write_heading(writer, heading)
    with pytest.raises(ProofRefused) as refused:
        verification_key(b"".join(writer.parts))
    assert refused.value.reason is reason
