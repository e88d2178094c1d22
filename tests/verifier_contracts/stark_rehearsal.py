"""A circuit with everything that a description can hold, its proofs, and the contract that verifies them in pyrevm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyrevm
from eth_abi.abi import encode as encode_abi

from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.errors import Reason
from prover.export.calldata import encode_for_contract
from prover.export.description import CircuitDescription, StatementWord
from prover.export.solidity import write_circuit_file
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.keccak import keccak256
from prover.parameters import Grinding, StarkParameters, SuiteName
from prover.stark.circuit import Circuit, define_circuit
from prover.stark.encoding import NumberProof
from prover.stark.prover import prove
from prover.stark.proving_key import ProvingKey, make_proving_key
from verifier_contracts.artifact import load_artifact

SQUARES = Bus("squares", identifier=1, arity=2)
STEPS = (3, 1, 4, 1, 5, 9, 2, 6)
START = 5
STATEMENT = (StatementWord(2, 16), StatementWord())
"""Two words: where the work starts, as two limbs of 16 bits, and where it ends."""

PUBLIC_NAMES = ("start low", "start high", "end")

QUICK = StarkParameters("quick", 2, 6, 2, 2, Grinding(1, 2, 3, 4, 5, 6), SuiteName.KECCAK, 26, True, 0)
"""Little work and few queries: what is compared is the decision, not the bits."""


def rehearsal_circuit(width: int) -> Circuit:
    """Work: `width` columns that depend on each other, and lookups. Answers: the squares, in another height."""

    def constrain_work(air: AirBuilder) -> None:
        state = [air.column(f"state {i}") for i in range(width)]
        digit, square = air.columns("digit", "square")
        step = air.periodic("step", STEPS)
        parity = air.periodic("parity", (0, 1))
        asks = air.preprocessed("asks")
        low, high, end = (air.public(name) for name in PUBLIC_NAMES)
        air.on_first_row.assert_equal(
            "the work starts where it is said to", state[0], low + (high * (1 << 16))
        )
        for i in range(1, width):
            air.on_first_row.assert_zero(f"state {i} starts at nothing", state[i])
        for i, value in enumerate(state):
            following = value * value * state[i - 1] + step * state[(i + 1) % width] + parity - 7 * value
            air.on_transition.assert_equal(f"state {i} moves on", value.next, following + square * 70_001)
        air.on_last_row.assert_equal("the work ends where it is said to", state[0], end)
        air.send(SQUARES, [digit, square], asks)
        air.assert_zero("who does not ask has no square", (1 - asks) * square)

    def constrain_answers(air: AirBuilder) -> None:
        number = air.preprocessed("number")
        square, count = air.columns("square", "count")
        air.assert_equal("the square is the number times itself", square, number * number)
        air.provide(SQUARES, [number, square], count)

    return define_circuit(
        "rehearsal", [("work", constrain_work), ("answers", constrain_answers)], PUBLIC_NAMES
    )


def preprocessed_columns(log_heights: tuple[int, int]) -> list[Montgomery | None]:
    """Every third row of the work asks; the answers are numbered."""
    work, answers = (np.arange(1 << log_height) for log_height in log_heights)
    return [encode((work % 3 == 0).astype(np.int64))[None, :], encode(answers)[None, :]]


def fill(log_heights: tuple[int, int], width: int, start: int) -> tuple[list[Montgomery], list[int]]:
    """The witness and the public values."""
    rows, answers = 1 << log_heights[0], 1 << log_heights[1]
    digits = np.random.default_rng(start).integers(0, answers, size=rows)
    asks = np.arange(rows) % 3 == 0
    squares = np.where(asks, digits * digits % PRIME, 0)
    state = np.zeros((rows, width), dtype=np.int64)
    state[0, 0] = start
    for row in range(rows - 1):
        value = state[row]
        cubic = value * value % PRIME * np.roll(value, 1) % PRIME
        following = cubic + STEPS[row % len(STEPS)] * np.roll(value, -1) + row % 2 - 7 * value
        state[row + 1] = (following + int(squares[row]) * 70_001 % PRIME) % PRIME
    numbers = np.arange(answers)
    counts = np.bincount(digits[asks], minlength=answers)
    work = encode(np.vstack([state.T, digits, squares]))
    statement = [start & 0xFFFF, start >> 16, int(state[-1, 0])]
    return [work, encode(np.stack([numbers * numbers % PRIME, counts]))], statement


@dataclass(frozen=True)
class Rehearsal:
    """A key, an honest proof of it, and its description."""

    key: ProvingKey
    statement: list[int]
    proof: NumberProof
    positions: tuple[int, ...]

    @property
    def description(self) -> CircuitDescription:
        """What the contract knows."""
        return CircuitDescription(self.key.verification, STATEMENT)

    @property
    def words(self) -> list[int]:
        """The statement as the contract takes it."""
        return self.description.words(self.statement)

    @property
    def content(self) -> bytes:
        """The honest proof's bytes."""
        return self.encoded(self.proof)

    def encoded(self, proof: NumberProof) -> bytes:
        """The bytes of a proof whose transcript draws the honest positions."""
        return encode_for_contract(self.key.verification, proof, self.positions)


@cache
def rehearse(
    log_heights: tuple[int, int] = (6, 4),
    width: int = 3,
    parameters: StarkParameters = QUICK,
    start: int = START << 16 | 9,
    threads: int = 1,
) -> Rehearsal:
    """Prove the work."""
    circuit = rehearsal_circuit(width)
    key = make_proving_key(
        circuit, log_heights, parameters, preprocessed_columns(log_heights), threads=threads
    )
    traces, statement = fill(log_heights, width, start)
    proved = prove(key, traces, statement, threads=threads)
    return Rehearsal(key, statement, proved.messages, tuple(proved.positions))


CALLER = "0x" + "11" * 20
VERIFY = keccak256(b"verify(bytes32,uint256[],bytes)")[:4]
REFUSED = keccak256(b"ProofRefused(uint8)")[:4]
REASONS = list(Reason)


class Contract:
    """A deployed verifier of one circuit."""

    def __init__(self, description: CircuitDescription, code: str | None = None) -> None:
        self.description = description
        self.engine: Any = pyrevm.EVM(spec_id="PRAGUE")
        self.engine.set_balance(CALLER, 10**24)
        creation = bytes.fromhex(code or load_artifact("StarkVerifier").bytecode)
        self.address = self.engine.deploy(CALLER, creation + encode_abi(["bytes"], [description.content]))

    def calldata(self, words: list[int], proof: bytes, key: bytes | None = None) -> bytes:
        """The call of `verify`."""
        digest = key if key is not None else self.description.key.digest
        return VERIFY + encode_abi(["bytes32", "uint256[]", "bytes"], [digest, words, proof])

    def refusal(self, words: list[int], proof: bytes, key: bytes | None = None) -> Reason | None:
        """Why the contract says no; None for a yes. Anything but a yes or a reason is an error."""
        try:
            self.engine.message_call(
                CALLER, self.address, calldata=self.calldata(words, proof, key), gas=100_000_000
            )
        except RuntimeError as error:
            found = re.search(r"output: 0x([0-9a-f]*)", str(error))
            if found is None or bytes.fromhex(found.group(1))[:4] != REFUSED:
                raise
            return REASONS[int(found.group(1)[8:], 16)]
        return None

    @property
    def gas(self) -> int:
        """What the last call used, before the floor of its calldata."""
        return int(self.engine.result.gas_used)


CIRCUIT_FILE = Path(__file__).resolve().parent / "circuits" / "rehearsal.json"
"""The description of the rehearsal as it was generated last."""


def main() -> None:
    """Generate the committed description anew."""
    CIRCUIT_FILE.parent.mkdir(exist_ok=True)
    CIRCUIT_FILE.write_text(write_circuit_file(rehearse().description), encoding="utf-8")


if __name__ == "__main__":
    main()
