"""A real terminal proof goes through the clearing house, and nothing like it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from circuits.shapes import SHAPES
from circuits.terminal_statement import WORDS, pinned_chain
from prover.export.calldata import verify_for_contract
from prover.export.description import CircuitDescription
from prover.export.solidity import write_circuit_file
from prover.parameters import PRESETS
from prover.recursion.chain import TERMINAL_LOG_HEIGHT
from prover.recursion.prove import public_names
from prover.recursion.terminal import terminal_circuit
from prover.stark.key import VerificationKey
from rollup.node.deployment import PinnedKeysError, stark_verifier
from tests.verifier_contracts.exit_bench import address_of
from tests.verifier_contracts.terminal_bench import BATCHES, SettledHouse, TerminalVector, pair
from verifier_contracts.artifact import TERMINAL_CIRCUIT, load_circuit

AGAIN = "run `python -m tests.verifier_contracts.terminal_bench`"
MOST_CALL_BYTES = (128 << 10) - 256
"""Nodes relay transactions of 128 KiB; signature, addresses and fees take less than the rest."""

MOST_GAS = 7_000_000


@pytest.fixture(scope="module")
def vector() -> TerminalVector:
    return TerminalVector.read()


@pytest.fixture(scope="module")
def played() -> SettledHouse:
    """The batches of the committed proof, sealed once."""
    house = SettledHouse()
    assert len(list(house.publish())) == BATCHES
    return house


@pytest.fixture
def house(played: SettledHouse) -> Iterator[SettledHouse]:
    """The clearing house before anything is proved."""
    snapshot = played.engine.machine.snapshot()
    yield played
    played.engine.machine.revert(snapshot)


@pytest.fixture(scope="module")
def terminal_key() -> VerificationKey:
    """The terminal key: its root stands in the generated file, everything else follows from the definition."""
    header = load_circuit().description
    circuit = terminal_circuit(public_names(sum(word.limbs for word in WORDS)))
    return VerificationKey(circuit, (TERMINAL_LOG_HEIGHT,), PRESETS["terminal"], header[64 : 64 + 26])


def refusal(house: SettledHouse, *arguments: Any) -> str:
    return house.engine.refusal(house.house, "prove", *arguments, caller=house.stranger)


def test_the_terminal_circuits_file_is_what_its_definition_makes(terminal_key: VerificationKey) -> None:
    made = write_circuit_file(CircuitDescription(terminal_key, WORDS))
    assert TERMINAL_CIRCUIT.read_text(encoding="utf-8") == made, "run `python -m circuits.pin_chain`"


def test_the_committed_proof_is_about_these_batches_and_keys(
    house: SettledHouse, vector: TerminalVector
) -> None:
    pinned = pinned_chain()
    assert set(vector.keys) <= set(pinned.base.values()), AGAIN
    assert vector.last in pinned.last.values(), AGAIN
    asked = [*pair(vector.last)]
    for number, key in enumerate(vector.keys, start=1):
        words = house.engine.send(house.house, "statement", number, caller=house.stranger)
        asked += [*pair(key), *words]
    asked += [0] * (len(WORDS) - len(asked))
    assert asked == list(vector.words), AGAIN


def test_a_real_proof_proves_its_batches(house: SettledHouse, vector: TerminalVector) -> None:
    used, size = house.prove(vector)
    assert house.engine.send(house.house, "provedBatch", caller=house.stranger) == BATCHES
    assert used < MOST_GAS
    assert size < MOST_CALL_BYTES


def test_the_python_verifier_accepts_the_same_bytes(
    terminal_key: VerificationKey, vector: TerminalVector
) -> None:
    description = CircuitDescription(terminal_key, WORDS)
    accepted = verify_for_contract(description, vector.words, vector.proof)
    assert accepted.security.minimum >= PRESETS["terminal"].target_bits


def test_no_other_call_is_accepted(house: SettledHouse, vector: TerminalVector) -> None:
    first, keys, last, proof = vector.arguments
    others = [pair(key) for key in pinned_chain().base.values() if pair(key) not in keys]
    lasts = [pair(key) for key in pinned_chain().last.values() if pair(key) != last]
    assert len(others) == len(SHAPES) - len(set(keys))
    for other in others:
        assert refusal(house, first, [other, *keys[1:]], last, proof).startswith("ProofRefused(")
    for other in lasts:
        assert refusal(house, first, keys, other, proof).startswith("ProofRefused(")
    assert refusal(house, first, keys[:1], last, proof).startswith("ProofRefused(")
    assert refusal(house, first, keys[:1], keys[0], proof) == "LastKeyUnknown()"
    assert refusal(house, first, [(keys[0][0], keys[0][1] ^ 1), *keys[1:]], last, proof) == (
        "StepKeyUnknown(1, 1)"
    )
    for place in range(7, len(proof), len(proof) // 12):
        forged = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
        assert refusal(house, first, keys, last, forged).startswith("ProofRefused(")
    assert refusal(house, first, keys, last, proof) == "accepted"


def test_a_proof_is_of_no_use_a_second_time(house: SettledHouse, vector: TerminalVector) -> None:
    house.prove(vector)
    assert refusal(house, *vector.arguments) == f"BatchNotNextToProve(1, {BATCHES + 1})"


def test_a_proof_is_of_no_use_elsewhere(vector: TerminalVector) -> None:
    """The same batches in another clearing house: its address is another, so its statements are."""
    elsewhere = SettledHouse(address_of(0x7001))
    list(elsewhere.publish())
    assert refusal(elsewhere, *vector.arguments).startswith("ProofRefused(")


def test_pinned_keys_that_do_not_belong_together_are_refused() -> None:
    pinned = json.loads(pinned_chain().spelled())
    assert stark_verifier(pinned).terminal_key == pinned_chain().terminal.to_bytes(32, "big")
    with pytest.raises(PinnedKeysError, match="describes another key"):
        stark_verifier(pinned | {"terminal": "0x01"})
    for broken in ({}, {**pinned, "last": {"1": ["0x1"]}}, {**pinned, "terminal": "zero"}, None):
        with pytest.raises(PinnedKeysError, match="cannot be read"):
            stark_verifier(broken)  # type: ignore[arg-type]
