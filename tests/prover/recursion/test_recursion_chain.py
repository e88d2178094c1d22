"""The chain at real parameters: its fixed shape, what a contract can take, and one run from base to terminal."""

from __future__ import annotations

import pytest

from benchmarks.examples.catalogue import EXAMPLES
from prover.errors import ProofRefused
from prover.field.koalabear import PRIME
from prover.parameters import LAYER_TARGET_BITS, PRESETS
from prover.recursion.chain import (
    FIRST_LOG_HEIGHT,
    JOIN_LANES,
    SLOTS,
    STEP_LOG_HEIGHT,
    TALL_STEP,
    TERMINAL,
    TERMINAL_LOG_HEIGHT,
    bits_of_chain,
    figures_of,
    first_step_key,
    last_step_key,
    make_chain,
    make_first,
    prove_chain,
)
from prover.recursion.layout import lay_out
from prover.recursion.prove import public_names
from prover.recursion.record import IDENTITY_LENGTH, identity_of, record_verifiers
from prover.recursion.tables import recursion_circuit
from prover.recursion.terminal import terminal_circuit
from prover.recursion.terminal_layout import lay_out_terminal
from prover.stark.encoding import encode_proof
from prover.stark.key import VerificationKey
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.stark.security import report_of
from prover.stark.verify import verify

MOST_COLUMNS, MOST_ROWS, MOST_QUERIES, MOST_PROOF_BYTES = 80, 1 << 17, 26, 104 * 1024
"""What one transaction has room for."""

STATEMENT = 62
"""Public values of a batch's statement."""

JOINED = SLOTS * (IDENTITY_LENGTH + STATEMENT)
"""Public values of a join."""

ANY_ROOT = tuple(range(8))


def tall_join_key(log_height: int) -> VerificationKey:
    circuit = recursion_circuit(public_names(JOINED), JOIN_LANES)
    return VerificationKey(circuit, (log_height,) * 2, TALL_STEP, ANY_ROOT)


def test_a_first_step_is_verified_by_a_step_of_the_fixed_shape_and_that_by_the_terminal() -> None:
    first = first_step_key(STATEMENT, ANY_ROOT)
    join = record_verifiers([first], forwards_keys=True, slots=SLOTS)
    assert lay_out(join, lanes=JOIN_LANES).log_height == STEP_LOG_HEIGHT
    program = record_verifiers([last_step_key(JOINED, ANY_ROOT)], forwards_keys=True)
    assert lay_out_terminal(program).log_height == TERMINAL_LOG_HEIGHT


@pytest.mark.parametrize("log_height", [STEP_LOG_HEIGHT + 1, FIRST_LOG_HEIGHT + 1])
def test_a_join_of_any_size_is_shrunk_to_the_fixed_shape(log_height: int) -> None:
    program = record_verifiers([tall_join_key(log_height)])
    assert lay_out(program, lanes=JOIN_LANES).log_height == STEP_LOG_HEIGHT


def test_every_step_has_the_bits_that_a_chain_needs() -> None:
    terminal = VerificationKey(
        terminal_circuit(public_names(JOINED + IDENTITY_LENGTH)),
        (TERMINAL_LOG_HEIGHT,),
        TERMINAL,
        bytes(TERMINAL.node_bytes),
    )
    for key in (
        first_step_key(STATEMENT, ANY_ROOT),
        tall_join_key(17),
        last_step_key(JOINED, ANY_ROOT),
        terminal,
    ):
        assert report_of(key).minimum >= LAYER_TARGET_BITS
        assert not key.parameters.is_insecure


def test_a_contract_has_room_for_the_terminal_proof() -> None:
    circuit = terminal_circuit(public_names(JOINED + IDENTITY_LENGTH))
    key = VerificationKey(circuit, (TERMINAL_LOG_HEIGHT,), TERMINAL, bytes(TERMINAL.node_bytes))
    columns = sum(matrix.columns for phase in key.shape.phases for matrix in phase.matrices)
    assert columns <= MOST_COLUMNS
    assert 1 << TERMINAL_LOG_HEIGHT <= MOST_ROWS
    assert TERMINAL.queries <= MOST_QUERIES


@pytest.mark.long
def test_a_chain_ends_in_a_proof_that_a_contract_can_take() -> None:
    example = EXAMPLES["poseidon-chain"]
    parameters = PRESETS["poseidon-100-rate-8"]
    base = make_proving_key(example.circuit(), example.log_heights(8), parameters)
    filled = example.fill(8, 1, 2)
    proof = prove(base, filled.traces, filled.statement)
    chain = make_chain(base.verification)
    result = prove_chain(chain, filled.statement, proof.messages)
    last, first = chain.join.last.verification, chain.first.verification
    slot = (*identity_of(first), *filled.statement)
    assert result.statement == (*identity_of(last), *slot, *[0] * (SLOTS - 1) * len(slot))
    content = encode_proof(
        chain.terminal, list(result.statement), result.proved.messages, result.proved.positions
    )
    assert len(content) <= MOST_PROOF_BYTES
    verify(chain.terminal, result.statement, content)
    for place in (0, IDENTITY_LENGTH - 1, IDENTITY_LENGTH, 2 * IDENTITY_LENGTH, len(result.statement) - 1):
        other = [*result.statement]
        other[place] = (other[place] + 1) % PRIME
        with pytest.raises(ProofRefused):
            verify(chain.terminal, other, content)
    figures = (
        figures_of("base", base.verification, filled.statement, proof, seconds=0.0),
        *result.figures,
    )
    assert bits_of_chain(figures) >= 100


def test_a_base_that_takes_more_than_a_first_step_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    example = EXAMPLES["range-check"]
    heights = example.log_heights(example.smallest)
    key = make_proving_key(
        example.circuit(), heights, PRESETS["test-poseidon"], example.preprocessed(), threads=1
    )
    monkeypatch.setattr("prover.recursion.chain.FIRST_LOG_HEIGHT", 5)
    with pytest.raises(ValueError, match="verifying range-check takes"):
        make_first(key.verification, threads=1)
