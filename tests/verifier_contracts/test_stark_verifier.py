"""The contract verifies what the Python verifier does, and its constants are those of the Python side."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_tester import EthereumTester, PyEVMBackend  # type: ignore[import-untyped]
from eth_tester.exceptions import TransactionFailed  # type: ignore[import-untyped]
from web3 import EthereumTesterProvider, Web3

from benchmarks.examples.catalogue import EXAMPLES
from prover.errors import ProofRefused, Reason
from prover.export.calldata import (
    decode_for_contract,
    encode_for_contract,
    reverse_bits,
    verify_for_contract,
    walk,
)
from prover.export.constraints import HEIGHT_VALUES
from prover.export.description import (
    HEADER,
    MAXIMUM_DESCRIPTION_BYTES,
    NO_ROOT,
    WORD_BYTES,
    CircuitDescription,
    NotForEthereumError,
    StatementWord,
)
from prover.export.solidity import StaleCircuitFileError, read_circuit_file, write_circuit_file
from prover.field.koalabear import GENERATOR, PRIME, inverse, root_of_unity
from prover.parameters import PRESETS, Grinding, StarkParameters, SuiteName
from prover.stark.key import make_verification_key
from prover.stark.numbers import _frobenius_rows
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from prover.transcript import Label
from tests.verifier_contracts.stark_rehearsal import (
    CALLER,
    CIRCUIT_FILE,
    QUICK,
    REFUSED,
    STATEMENT,
    Contract,
    Rehearsal,
    rehearsal_circuit,
    rehearse,
)
from verifier_contracts.artifact import SOURCES, load_artifact


def source(name: str) -> str:
    return (SOURCES / f"{name}.sol").read_text(encoding="utf-8")


# ----------------------------------------------------------------------------------------- constants of both languages


def test_the_reasons_are_the_same_list_in_the_same_order() -> None:
    found = re.search(r"enum Reason \{(.*?)\}", source("StarkRefusal"), re.DOTALL)
    assert found is not None
    names = [name.strip() for name in found.group(1).split(",")]
    assert names == ["".join(map(str.capitalize, reason.value.split("_"))) for reason in Reason]


def test_the_description_has_its_words_where_the_contract_reads_them() -> None:
    text = source("CircuitDescription")
    places = re.findall(r"constant (\w+) = (\d+);", text)
    assert [(name, int(place)) for name, place in places] == [
        *((name, WORD_BYTES * position) for position, name in enumerate(HEADER)),
        ("NO_ROOT", NO_ROOT),
    ]
    assert f"MAX_DESCRIPTION_BYTES = {MAXIMUM_DESCRIPTION_BYTES:_};" in source("StarkVerifier")
    assert HEIGHT_VALUES == 5


def test_the_labels_are_those_of_the_transcript() -> None:
    labels = {
        name: int(number) for name, number in re.findall(r"constant (\w+) = (\d+);", source("Transcript"))
    }
    own = {"FRONT_BYTES", "KIND_ABSORB", "KIND_SQUEEZE", "SUITE"}
    named = {name: number for name, number in labels.items() if name not in own}
    before_the_contract = {Label.KEY, Label.PARAMETERS, Label.HEIGHTS, Label.PREPROCESSED}
    assert named == {label.name: label.value for label in Label if label not in before_the_contract}


def test_the_field_is_the_same_field() -> None:
    folding, extension = source("Folding"), source("Extension")
    assert f"ROOT = {root_of_unity(24)};" in folding
    assert f"INVERSE_ROOT = {inverse(root_of_unity(24))};" in folding
    assert f"EIGHTH = {inverse(8):#x};" in folding
    assert f"PRIME = {PRIME:#x};" in extension
    assert f"GENERATOR = {GENERATOR};" in source("StarkVerifier")
    for c0, c1, c2, c3, c4 in _frobenius_rows()[1:]:
        assert f"mul(f, {c4 | c3 << 85 | c2 << 170:#x})" in extension
        assert f"mul(f, {c1 | c0 << 85:#x})" in extension


# --------------------------------------------------------------------------------------------------- what is accepted

WIDER = replace(QUICK, log_blowup=6, queries=26, log_fold_arity=3, log_final_length=5, grinding=Grinding())


@pytest.mark.parametrize(
    ("heights", "width", "parameters"),
    [
        ((6, 4), 3, QUICK),
        ((4, 7), 2, QUICK),
        ((5, 5), 9, replace(QUICK, log_fold_arity=3)),
        ((3, 3), 2, replace(QUICK, log_final_length=8)),
        ((8, 3), 2, replace(QUICK, queries=60, log_fold_arity=1, log_final_length=0)),
        ((9, 8), 20, WIDER),
    ],
    ids=[
        "mixed",
        "answers_taller",
        "one_height",
        "no_fold",
        "many_queries_in_few_rows",
        "the_terminals_parameters",
    ],
)
def test_an_honest_proof_is_accepted(
    heights: tuple[int, int], width: int, parameters: StarkParameters
) -> None:
    made = rehearse(heights, width, parameters)
    verify_for_contract(made.description, made.words, made.content, accept_insecure=True)
    assert Contract(made.description).refusal(made.words, made.content) is None


@pytest.mark.parametrize("name", [name for name in EXAMPLES if "poseidon" not in name])
def test_an_examples_proof_is_accepted(name: str) -> None:
    example = EXAMPLES[name]
    key = make_proving_key(
        example.circuit(), example.log_heights(5), QUICK, example.preprocessed(), threads=1
    )
    filled = example.fill(5, 1, 1)
    proved = prove(key, filled.traces, filled.statement, threads=1)
    count = key.verification.shape.public_count
    description = CircuitDescription(key.verification, (StatementWord(),) * count)
    content = encode_for_contract(key.verification, proved.messages, proved.positions)
    assert decode_for_contract(key.verification, filled.statement, content) == proved.messages
    assert Contract(description).refusal(description.words(filled.statement), content) is None


@pytest.fixture(scope="module")
def made() -> Rehearsal:
    return rehearse()


def test_the_contract_names_the_description_that_it_was_deployed_with(made: Rehearsal) -> None:
    contract = Contract(made.description)
    selector = bytes.fromhex(Web3.keccak(text="circuitDigest()").hex())[:4]
    digest = contract.engine.message_call(CALLER, contract.address, calldata=selector)
    assert bytes(digest) == made.description.digest


@pytest.mark.parametrize("length", [0, MAXIMUM_DESCRIPTION_BYTES + 1])
def test_a_description_that_no_code_can_hold_is_not_deployed(made: Rehearsal, length: int) -> None:
    class Stretched(CircuitDescription):
        @property
        def content(self) -> bytes:
            return bytes(length)

    with pytest.raises(RuntimeError, match="Revert"):
        Contract(Stretched(made.key.verification, STATEMENT))


# ------------------------------------------------------------------------------------------------- on the other machine


@pytest.fixture(scope="module")
def chain(made: Rehearsal) -> tuple[Any, Any]:
    """The embedded chain with a verifier on it."""
    overrides = {"gas_limit": 60_000_000}
    backend = PyEVMBackend(genesis_parameters=PyEVMBackend.generate_genesis_params(overrides=overrides))
    web3 = Web3(EthereumTesterProvider(EthereumTester(backend)))
    artifact = load_artifact("StarkVerifier")
    factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    sender = web3.eth.accounts[0]
    sent = factory.constructor(made.description.content).transact({"from": sender, "gas": 16_000_000})
    receipt = web3.eth.wait_for_transaction_receipt(sent)
    return web3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi), sender


def test_the_embedded_chain_decides_the_same(chain: tuple[Any, Any], made: Rehearsal) -> None:
    contract, sender = chain
    call = {"from": sender, "gas": 40_000_000}
    verify = contract.functions.verify
    digest = made.key.verification.digest
    verify(digest, made.words, made.content).call(call)
    middle = len(made.content) // 2
    forged = [made.content[:-1], made.content + b"\0"]
    forged += [
        made.content[:place] + bytes([made.content[place] ^ 1]) + made.content[place + 1 :]
        for place in (5, 150, 900, middle, len(made.content) - 3)
    ]
    for content in forged:
        with pytest.raises(ProofRefused) as refused:
            verify_for_contract(made.description, made.words, content, accept_insecure=True)
        with pytest.raises(TransactionFailed) as reverted:
            verify(digest, made.words, content).call(call)
        number = list(Reason).index(refused.value.reason)
        assert str(REFUSED + number.to_bytes(32, "big")) in str(reverted.value)


# --------------------------------------------------------------------------------------------------------- the encoding


def test_a_walk_reads_each_node_once_and_reaches_the_root() -> None:
    positions = [5, 5, 1, 6, 3]
    steps = list(walk(3, [3, 2], positions))
    rows = [(level, index) for step, level, index in steps if step.value == "row"]
    assert sorted(index for level, index in rows if level == 3) == [1, 3, 5, 6]
    assert len({(step, *place) for step, *place in steps}) == len(steps)
    assert steps[-1][1:] == (0, 0)


def test_reversed_bits_are_reversed() -> None:
    assert [reverse_bits(value, 3) for value in range(8)] == [0, 4, 2, 6, 1, 5, 3, 7]
    assert reverse_bits(0, 0) == 0


def test_the_words_of_a_statement_are_its_public_values() -> None:
    word = StatementWord(3, 16)
    assert word.limbs_of(word.word_of((1, 2, 3))) == (1, 2, 3)
    assert word.limbs_of(1 << 48) is None
    assert StatementWord().limbs_of(PRIME) is None
    assert StatementWord(8, 32).limbs_of(PRIME << 32) is None
    for limbs, bits in ((0, 16), (17, 16), (1, 33), (9, 32)):
        with pytest.raises(NotForEthereumError, match="no word holds"):
            StatementWord(limbs, bits)


def test_keys_that_the_contract_cannot_read_are_refused(made: Rehearsal) -> None:
    key = made.key.verification
    with pytest.raises(NotForEthereumError, match="limbs are not the circuit's public values"):
        CircuitDescription(key, STATEMENT[:1])
    for parameters in (PRESETS["test-keccak"], PRESETS["test-poseidon"]):
        root = bytes(32) if parameters.suite is SuiteName.KECCAK else (0,) * 8
        other = make_verification_key(rehearsal_circuit(3), (6, 4), parameters, root)
        with pytest.raises(NotForEthereumError, match="nodes of 26 bytes"):
            CircuitDescription(other, STATEMENT)
    wide = make_verification_key(
        EXAMPLES["poseidon-batch"].circuit(), (4,), replace(QUICK, log_blowup=2), None
    )
    with pytest.raises(NotForEthereumError, match="bytes, a contract's code at most"):
        _ = CircuitDescription(wide, ()).content


# -------------------------------------------------------------------------------------------------- the generated file


def test_the_committed_circuit_file_is_what_the_definition_makes(made: Rehearsal) -> None:
    text = CIRCUIT_FILE.read_text(encoding="utf-8")
    assert text == write_circuit_file(made.description), (
        "run `python -m tests.verifier_contracts.stark_rehearsal`"
    )
    read = read_circuit_file(text)
    assert read.description == made.description.content
    assert read.key_digest == made.key.verification.digest
    assert read.statement == ((2, 16), (1, 31))


def test_a_changed_circuit_file_is_refused(made: Rehearsal, tmp_path: Path) -> None:
    text = write_circuit_file(made.description)
    tape = made.description.parts["CLAIM_TAPE"].hex()
    with pytest.raises(StaleCircuitFileError, match="the parts of circuit rehearsal"):
        read_circuit_file(text.replace(tape, tape[:-1] + ("0" if tape[-1] != "0" else "1")))


def test_another_constraint_makes_another_description(made: Rehearsal) -> None:
    other = rehearse(width=4)
    assert other.description.digest != made.description.digest
    assert other.key.verification.digest != made.key.verification.digest
