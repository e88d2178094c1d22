"""A statement that is sent in messages of five is summed apart from the tape, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.air.expression import lift
from prover.errors import ProofRefused, Reason
from prover.export.calldata import encode_for_contract, verify_for_contract
from prover.export.constraints import CircuitTapes
from prover.export.description import CircuitDescription, StatementWord
from prover.export.messages import MESSAGE_VALUES, find_public_messages, shortcuts_of
from prover.field.koalabear import PRIME, encode
from prover.parameters import Grinding
from prover.stark.circuit import Circuit, define_circuit
from prover.stark.key import make_verification_key
from prover.stark.prover import prove
from prover.stark.proving_key import make_proving_key
from tests.verifier_contracts.stark_rehearsal import QUICK, Contract
from verifier_contracts.artifact import SOURCES

WORDS = Bus("words", 1, 1 + MESSAGE_VALUES)
NOTES = Bus("notes", 2, 1)
LOG_HEIGHT = 4
PARAMETERS = replace(QUICK, grinding=Grinding())


def speaking_circuit(count: int, change: str = "") -> Circuit:
    """A table that says the statement in messages on its first row, and hears it in its other rows."""
    names = [f"value {place}" for place in range(count)]

    def constrain(air: AirBuilder) -> None:
        number, is_first, hears = (air.preprocessed(name) for name in ("number", "is first", "hears"))
        heard = [air.column(f"heard {place}") for place in range(MESSAGE_VALUES)]
        note = air.column("note")
        values = [air.public(name) for name in names]
        values += [lift(0)] * (-count % MESSAGE_VALUES)
        if change == "another order":
            values[0], values[1] = values[1], values[0]

        def listen() -> None:
            air.send(NOTES, [note], is_first)
            air.receive(NOTES, [note], is_first)
            air.receive(WORDS, [number, *heard], hears)

        if change != "nothing in front":
            listen()
        for place in range(0, len(values), MESSAGE_VALUES):
            message = values[place : place + MESSAGE_VALUES]
            air.exchange(WORDS, [place // MESSAGE_VALUES, *message], is_first, 1)
        air.exchange(WORDS, [len(values) // MESSAGE_VALUES, *[7] * MESSAGE_VALUES], is_first, 1)
        if change == "nothing in front":
            listen()

    return define_circuit("speaking", [("speaking", constrain)], names)


def proved(circuit: Circuit, statement: list[int], heard: list[int] | None = None) -> Any:
    """A key of the circuit and a proof that it hears this."""
    rows = 1 << LOG_HEIGHT
    messages = -(-len(statement) // MESSAGE_VALUES)
    numbers = (np.arange(rows) - 1) % rows
    hears = (np.arange(rows) > 0) & (np.arange(rows) <= messages + 1)
    is_first = np.arange(rows) == 0
    columns = encode(np.stack([numbers, is_first.astype(np.int64), hears.astype(np.int64)]))
    key = make_proving_key(circuit, (LOG_HEIGHT,), PARAMETERS, [columns], threads=1)
    said = (heard or statement) + [0] * (-len(statement) % MESSAGE_VALUES) + [7] * MESSAGE_VALUES
    trace = np.zeros((1 + MESSAGE_VALUES, rows), dtype=np.int64)
    trace[:-1, 1 : 2 + messages] = np.array(said).reshape(-1, MESSAGE_VALUES).T
    trace[-1] = 5
    return key, prove(key, [encode(trace)], statement, threads=1)


def values_of(count: int) -> list[int]:
    drawn = np.random.default_rng(count).integers(0, PRIME, size=count)
    return [int(value) for value in drawn]


@pytest.mark.parametrize("count", [5, 12, 31])
def test_a_statement_in_messages_is_accepted_and_no_other(count: int) -> None:
    statement = [PRIME - 1, 0, *values_of(count - 2)]
    circuit = speaking_circuit(count)
    key, made = proved(circuit, statement)
    description = CircuitDescription(key.verification, (StatementWord(),) * count)
    messages = description.tapes.messages
    assert messages is not None
    assert (messages.count, messages.tag) == (-(-count // MESSAGE_VALUES), WORDS.tag)
    contract = Contract(description)
    content = encode_for_contract(key.verification, made.messages, made.positions)
    verify_for_contract(description, statement, content, accept_insecure=True)
    assert contract.refusal(statement, content) is None
    for place in (0, 1, count - 1):
        other = [*statement[:place], statement[place] ^ 1, *statement[place + 1 :]]
        other = [value % PRIME for value in other]
        with pytest.raises(ProofRefused) as refused:
            verify_for_contract(description, other, content, accept_insecure=True)
        assert contract.refusal(other, content) is refused.value.reason
        assert refused.value.reason is Reason.CONSTRAINTS_DO_NOT_HOLD


def tape_size(circuit: Circuit) -> int:
    key = make_verification_key(circuit, (LOG_HEIGHT,), PARAMETERS, bytes(26))
    count = key.shape.public_count
    return len(CircuitDescription(key, (StatementWord(),) * count).parts["CONSTRAINT_TAPE"])


def test_messages_that_are_summed_apart_are_not_on_the_tape() -> None:
    assert tape_size(speaking_circuit(50)) == tape_size(speaking_circuit(5))
    assert tape_size(speaking_circuit(100, "another order")) > 2 * tape_size(speaking_circuit(100))


@pytest.mark.parametrize("change", ["another order", "nothing in front"])
def test_other_messages_stay_on_the_tape_and_mean_the_same(change: str) -> None:
    statement = values_of(10)
    heard = list(statement)
    if change == "another order":
        heard[0], heard[1] = heard[1], heard[0]
    key, made = proved(speaking_circuit(10, change), statement, heard)
    description = CircuitDescription(key.verification, (StatementWord(),) * 10)
    content = encode_for_contract(key.verification, made.messages, made.positions)
    verify_for_contract(description, statement, content, accept_insecure=True)
    assert Contract(description).refusal(statement, content) is None


def test_a_table_that_speaks_first_has_nothing_to_shorten() -> None:
    circuit = define_circuit("speaking", [("speaking", speaking_first)], ["value 0"])
    tables = make_verification_key(circuit, (LOG_HEIGHT,), PARAMETERS, bytes(26)).shape.tables
    messages = find_public_messages(tables)
    assert messages is not None
    assert messages.start == 0
    assert shortcuts_of(messages, tables[0], 1, 3) == {}


def speaking_first(air: AirBuilder) -> None:
    is_first = air.preprocessed("is first")
    air.exchange(WORDS, [0, air.public("value 0"), *[lift(0)] * 4], is_first, 1)
    air.receive(WORDS, [air.column(f"heard {place}") for place in range(6)])


def test_a_circuit_without_such_messages_has_none() -> None:
    key = make_verification_key(speaking_circuit(10, "another order"), (LOG_HEIGHT,), PARAMETERS, bytes(26))
    assert CircuitTapes(key).messages is None


def test_the_contract_counts_as_many_values_in_a_message() -> None:
    text = (SOURCES / "PublicMessages.sol").read_text(encoding="utf-8")
    assert f"MESSAGE_VALUES = {MESSAGE_VALUES};" in text
