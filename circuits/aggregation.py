"""From batches' proofs to the one that the contract takes.

    batch ── base proof ── first step ──┐
    batch ── base proof ── first step ──┼── join (── shrink) ── terminal proof ──► ClearingHouse.prove
    ...                                 ┘

A first step belongs to one batch and can be kept; consecutive ones are joined when the contract waits for them.
Keys are made when they are first asked for and kept: seconds each, and up to two gigabytes together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from circuits.machine import ProvedBatch
from circuits.statement import PUBLIC_NAMES, BatchStatement
from circuits.terminal_statement import (
    IDENTITY_WORDS,
    SLOT_WORDS,
    KeyIdentity,
    pinned_chain,
    terminal_values,
    terminal_words,
)
from circuits.verifying import key_of_shape
from prover.errors import ProofRefused, Reason
from prover.export.calldata import encode_for_contract
from prover.parameters import StarkParameters
from prover.progress import Stages
from prover.recursion.chain import (
    FIRST_LOG_HEIGHT,
    JOIN_SIZES,
    SLOTS,
    STEP,
    STEP_LOG_HEIGHT,
    TALL_STEP,
    Join,
    StepFigures,
    StepProof,
    figures_of,
    make_first,
    make_join,
    make_terminal,
    prove_first,
    prove_join,
    prove_terminal,
)
from prover.recursion.prove import RecursionKey, public_names
from prover.recursion.tables import recursion_circuit
from prover.stark.encoding import decode_proof, encode_proof
from prover.stark.key import VerificationKey
from prover.stark.prover import Proved

BASE_PRESET: Final = "poseidon-100-rate-8"
"""Parameters of base proofs that are to reach the contract: the first step hashes Poseidon only."""


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A proof that a batch's proof verifies, as it is kept until it is joined."""

    statement: BatchStatement
    shape: str
    content: bytes

    def to_bytes(self) -> bytes:
        """A line that says what is proved, and the proof."""
        heading = {"shape": self.shape, "words": [hex(word) for word in self.statement.words]}
        return json.dumps(heading).encode("ascii") + b"\n" + self.content

    @classmethod
    def from_bytes(cls, stored: bytes) -> FirstStep:
        """Read what `to_bytes` wrote."""
        heading, _, content = stored.partition(b"\n")
        try:
            fields = json.loads(heading)
            words = [int(word, 16) for word in fields["words"]]
            return cls(BatchStatement.from_words(words), str(fields["shape"]), content)
        except (ValueError, KeyError, TypeError) as error:
            raise ProofRefused(Reason.SHAPE, "this is not a stored first step") from error


@dataclass(frozen=True, slots=True)
class TerminalProof:
    """What the contract is sent, and what every step cost."""

    first: int
    """The number of the first batch."""
    keys: tuple[KeyIdentity, ...]
    """Each batch's first step, in order."""
    last: KeyIdentity
    words: tuple[int, ...]
    """The statement as the contract composes it."""
    proof: bytes
    figures: tuple[StepFigures, ...]


@lru_cache(maxsize=4)
def first_key(shape: str) -> RecursionKey:
    """The first step's key for batches of a shape."""
    return make_first(key_of_shape(shape, BASE_PRESET))


@lru_cache(maxsize=4)
def first_verification_key(shape: str) -> VerificationKey:
    """The same key as who only joins needs it: out of the pinned root."""
    return _pinned_key(pinned_chain().base[shape], len(PUBLIC_NAMES), FIRST_LOG_HEIGHT, TALL_STEP)


def _pinned_key(
    identity: KeyIdentity, publics: int, log_height: int, parameters: StarkParameters
) -> VerificationKey:
    """The key of a wide step out of its pinned identity."""
    circuit = recursion_circuit(public_names(publics))
    key = VerificationKey(circuit, (log_height,) * 2, parameters, IDENTITY_WORDS[1].limbs_of(identity.root))
    if KeyIdentity.of(key) != identity:
        raise ProofRefused(Reason.WRONG_KEY, "a pinned identity is of other circuits")
    return key


@lru_cache(maxsize=2)
def join_of(size: int) -> Join:
    """The steps that join so many batches."""
    return make_join(first_verification_key(next(iter(pinned_chain().base))), size)


@lru_cache(maxsize=1)
def terminal_key() -> RecursionKey:
    """The end of every chain."""
    publics = sum(word.limbs for word in SLOT_WORDS) * SLOTS
    return make_terminal(_pinned_key(pinned_chain().last[1], publics, STEP_LOG_HEIGHT, STEP))


def first_step(
    proved: ProvedBatch, *, threads: int | None = None, stages: Stages | None = None
) -> tuple[FirstStep, StepFigures]:
    """Prove that a batch's proof verifies; it must be one under BASE_PRESET."""
    base = key_of_shape(proved.shape.name, BASE_PRESET)
    key = first_key(proved.shape.name)
    decoded = decode_proof(base, proved.content)
    step = prove_first(key, proved.statement.elements, decoded.proof, threads=threads, stages=stages)
    content = encode_proof(step.key, list(step.statement), step.proved.messages, step.proved.positions)
    return FirstStep(proved.statement, proved.shape.name, content), step.figures


def join_size(waiting: int) -> int:
    """How many of so many consecutive batches the next terminal proof takes."""
    return max(size for size in JOIN_SIZES if size <= max(waiting, 1))


def terminal_proof(
    steps: Sequence[FirstStep], *, threads: int | None = None, stages: Stages | None = None
) -> TerminalProof:
    """Join the first steps of consecutive batches, 1, 2, 4 or 8 of them, and prove it for the contract."""
    numbers = [int(step.statement.number) for step in steps]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError(f"batches {numbers} do not follow each other")
    firsts = [_decoded(step) for step in steps]
    joined = prove_join(join_of(len(steps)), firsts, threads=threads, stages=stages)
    end = prove_terminal(terminal_key(), joined[-1], threads=threads, stages=stages)
    keys = tuple(KeyIdentity.of(first.key) for first in firsts)
    last = KeyIdentity.of(joined[-1].key)
    words = terminal_words(last, [(key, step.statement.words) for key, step in zip(keys, steps, strict=True)])
    if terminal_values(words) != end.statement:
        raise AssertionError("the terminal proof says something else than the contract will ask")
    content = encode_for_contract(end.key, end.proved.messages, end.proved.positions)
    figures = tuple(step.figures for step in (*joined, end))
    return TerminalProof(numbers[0], keys, last, words, content, figures)


def _decoded(step: FirstStep) -> StepProof:
    """A kept first step as the join reads it."""
    key = first_verification_key(step.shape)
    statement = step.statement.elements
    decoded = decode_proof(key, step.content)
    proved = Proved(decoded.proof, decoded.positions)
    return StepProof(key, statement, proved, figures_of("first step", key, statement, proved, seconds=0.0))
