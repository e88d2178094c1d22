"""The contract accepts a real terminal proof, within what Ethereum allows: a whole chain is proved for it."""

from __future__ import annotations

import pytest

from benchmarks.examples.catalogue import EXAMPLES
from prover.errors import Reason
from prover.export.calldata import encode_for_contract, verify_for_contract
from prover.export.description import CircuitDescription, StatementWord
from prover.parameters import PRESETS
from prover.recursion.chain import make_chain, prove_chain
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from tests.verifier_contracts.stark_rehearsal import Contract

MOST_PROOF_BYTES = 104 << 10
MOST_CALL_BYTES = (128 << 10) - 256
"""Nodes relay transactions of 128 KiB; signature, addresses and fees take less than the rest."""

MOST_GAS = 7_000_000
FLOOR_OF_A_TOKEN = 10
"""EIP-7623: a call pays at least this for each zero byte, four times as much for every other."""


@pytest.mark.long
def test_a_terminal_proof_is_accepted_within_what_ethereum_allows() -> None:
    example = EXAMPLES["poseidon-batch"]
    parameters = PRESETS["poseidon-100-rate-8"]
    key = make_proving_key(example.circuit(), example.log_heights(8), parameters, threads=2)
    filled = example.fill(8, 1, 2)
    base = prove(key, filled.traces, filled.statement, threads=2)
    chain = make_chain(key.verification, threads=2)
    chained = prove_chain(chain, filled.statement, base.messages, threads=2)
    terminal = chain.terminal
    statement = list(chained.statement)
    description = CircuitDescription(terminal, (StatementWord(),) * len(statement))
    content = encode_for_contract(terminal, chained.proved.messages, chained.proved.positions)
    contract = Contract(description)
    assert verify_for_contract(description, statement, content).security.minimum >= parameters.target_bits
    assert contract.refusal(statement, content) is None
    call = contract.calldata(statement, content)
    zeros = call.count(0)
    floor = 21_000 + FLOOR_OF_A_TOKEN * (4 * len(call) - 3 * zeros)
    assert len(content) <= MOST_PROOF_BYTES
    assert len(call) <= MOST_CALL_BYTES
    assert max(contract.gas, floor) < MOST_GAS
    for place in range(7, len(content), len(content) // 20):
        forged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        assert isinstance(contract.refusal(statement, forged), Reason)
