"""Real signatures are laid out without a broken rule, proved and verified."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from circuits import key_multiples, signature, signed_messages
from circuits.buses import (
    GENERATOR_POINTS,
    KEY_ENDS,
    KEY_ENTRIES,
    KEY_STARTS,
    KEYS,
    SIGNED_TABLES,
    SPONGE,
    WIRES,
)
from circuits.signature import BLOCK, END
from circuits.signature_circuit import log_heights, signature_circuit
from prover.air.bus import Direction
from prover.curve.comb import STEPS, Comb, run_comb
from prover.curve.septic import GENERATOR, ORDER, Point
from prover.errors import ProofRefused
from prover.field.koalabear import add, decode, encode
from prover.parameters import PRESETS
from prover.stark.key import make_verification_key
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.stark.verify import verify_messages
from rollup.schnorr import challenge_elements, challenge_number
from tests.circuits import signed as specimen
from tests.conftest import LONG

ONE = int(encode([1])[0])

KINDS_OF_ROWS = (range(STEPS), [END], *(([0], [6, 7], [STEPS - 1]) if LONG else ()))
"""Where a cell is changed: at any step, at the end; at steps of their own where there is time."""


@pytest.mark.parametrize(("count", "keys"), [(1, 1), (3, 2), (4, 4)])
def test_signatures_are_laid_out_without_a_broken_rule(count: int, keys: int) -> None:
    found = specimen.inspected(specimen.witness(specimen.signed(count, keys), keys).by_table)
    assert found.lines == []


def test_the_rows_of_a_block_are_the_steps_of_the_reference_comb() -> None:
    (claim,) = specimen.signed(1, 1)
    trace = decode(specimen.witness((claim,), 1).by_table[signature.NAME]).astype(int)
    commitment = Point(claim.signature.commitment_x, claim.signature.commitment_y)
    elements = challenge_elements(claim.key, commitment, claim.message)
    comb = run_comb(Point(claim.key.x, claim.key.y), claim.signature.response, challenge_number(elements))
    assert isinstance(comb, Comb)
    for row, step in enumerate(comb.steps):
        expected = [*step.accumulator.x, *step.generator_entry.x, *step.key_entry.x, *step.key_entry.y]
        expected += [*step.slope, *step.second_slope, *step.third_slope, *step.apart, *step.third_apart]
        expected += [step.key_index >> k & 1 for k in range(4)]
        assert trace[: len(expected), row].tolist() == expected
    assert trace[:7, END].tolist() == list(commitment.x)
    slope, second = trace[28:35, END], trace[35:42, END]
    assert add_all(slope.tolist(), second.tolist()) == list(commitment.y)
    assert trace[57:61, END].tolist() == list(elements)


def add_all(left: list[int], right: list[int]) -> list[int]:
    return [add(one, other) for one, other in zip(left, right, strict=True)]


def test_the_largest_numbers_are_laid_out_too() -> None:
    rows = specimen.comb_rows(GENERATOR, ORDER - 1, (2**31 - 2**24, 0, 1, 2**31 - 2**24))
    assert specimen.broken_in_table(specimen.block(rows)) == set()


def test_every_column_of_every_row_kind_is_bound_alone() -> None:
    """Copies of one signature, each with another cell changed: each copy breaks something."""
    (claim,) = specimen.signed(1, 1)
    honest = specimen.witness((claim,) * 128, 1).by_table
    generator = random.Random("cells")
    for rows in KINDS_OF_ROWS:
        trace = honest[signature.NAME].copy()
        for column in range(signature.COLUMNS):
            row = column * BLOCK + generator.choice(rows)
            trace[column, row] = add(int(trace[column, row]), ONE)
        found = specimen.inspected(honest | {signature.NAME: trace})
        caught = {finding.row // BLOCK for finding in found.constraints}
        # A block's first y stands in the row above it.
        caught |= {(finding.row + 1) // BLOCK for finding in found.constraints}
        for message in found.messages:
            caught |= {part.row // BLOCK for part in message.contributions if part.table == signature.NAME}
        missed = {
            specimen.signature_table().main_names[column]
            for column in range(signature.COLUMNS)
            if column not in caught
        }
        assert missed == set()


@pytest.mark.parametrize("preset", ["test-keccak", "test-poseidon", "keccak-100-rate-4"])
def test_signatures_are_proved_and_verified(preset: str) -> None:
    claims = specimen.signed(3, 2)
    laid_out = specimen.witness(claims, 2)
    heights = [trace.shape[1].bit_length() - 1 for trace in laid_out.traces]
    key = make_proving_key(specimen.circuit(), heights, PRESETS[preset], threads=1)
    proved = prove(key, laid_out.traces, threads=1)
    accepted = verify_messages(key.verification, (), proved.messages, required_bits=0, accept_insecure=True)
    assert accepted.statement == ()


def test_a_false_witness_has_no_proof() -> None:
    claims = specimen.signed(3, 2)
    laid_out = specimen.witness(claims, 2)
    heights = [trace.shape[1].bit_length() - 1 for trace in laid_out.traces]
    key = make_proving_key(specimen.circuit(), heights, PRESETS["test-keccak"], threads=1)
    traces = [trace.copy() for trace in laid_out.traces]
    traces[0][0, 5] = add(int(traces[0][0, 5]), 1)
    proved = prove(key, traces, threads=1)
    with pytest.raises(ProofRefused):
        verify_messages(key.verification, (), proved.messages, required_bits=0, accept_insecure=True)


def test_the_wires_name_the_tables_at_both_ends_of_every_bus() -> None:
    """Both ends of a bus are here: they are the wire's among the tables of this circuit."""
    tables = {table.name for table in specimen.circuit().tables}
    checked = set()
    for wire in WIRES:
        # Messages without a meaning stand here for the tables of orders and the others that are signed.
        senders = {signed_messages.NAME if name in SIGNED_TABLES else name for name in wire.senders} & tables
        receivers = set(wire.receivers) & tables
        if not (senders and receivers):
            continue
        ends: dict[Direction, set[str]] = {Direction.SEND: set(), Direction.RECEIVE: set()}
        for table in specimen.circuit().tables:
            for interaction in table.interactions:
                if interaction.bus == wire.bus:
                    ends[interaction.direction].add(table.name)
        assert (ends[Direction.SEND], ends[Direction.RECEIVE]) == (senders, receivers)
        checked.add(wire.bus)
    assert checked == {GENERATOR_POINTS, KEY_ENTRIES, KEY_STARTS, KEY_ENDS, KEYS, SPONGE}


def test_every_message_has_as_many_values_as_its_bus_carries() -> None:
    for wire in WIRES:
        counts = [int(name.split()[-1]) if name.split()[-1].isdigit() else 1 for name in wire.message]
        assert sum(counts) == wire.bus.arity
    assert len({wire.bus.identifier for wire in WIRES}) == len(WIRES)


def test_tables_that_are_too_low_are_refused() -> None:
    rows = specimen.comb_rows(GENERATOR, 1, (0, 0, 0, 0))
    many = replace(rows, keys=np.repeat(rows.keys, 3, axis=1))
    with pytest.raises(ValueError, match="3 signatures do not fit a table of 2"):
        signature.fill(many, rows.combs, signature.LOG_BLOCK + 1)


def test_a_verifier_of_signatures_loads_no_compiler() -> None:
    program = "import sys, circuits.signature_circuit as c; c.signature_circuit(21); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_readme_states_the_cells_of_a_signature(checkout: Path) -> None:
    """1,024 signatures by 128 keys, messages of 40 elements: main, challenge and quotient columns of every table."""
    heights = log_heights(1024, 127, 40)
    key = make_verification_key(signature_circuit(40), heights, PRESETS["keccak-100-rate-4"], None)
    matrices = [
        matrix for phase in key.shape.phases if phase.name != "preprocessed" for matrix in phase.matrices
    ]
    cells = sum(matrix.columns << matrix.log_height for matrix in matrices) / 1024
    assert f"| **all** | | | | | **{cells:,.0f}** |" in (checkout / "circuits" / "README.md").read_text()


def test_a_key_is_laid_out_once_whatever_it_signed() -> None:
    trace = specimen.witness(specimen.signed(4, 1), 1).by_table[key_multiples.NAME]
    assert trace.shape[1] == 2 * key_multiples.BLOCK
