"""From batches' proofs to the one that the contract takes.

    batch ── base proof ── first step ──┐
    batch ── base proof ── first step ──┼── join (── shrink) ── terminal proof ──► ClearingHouse.prove
    ...                                 ┘

A first step belongs to one batch and can be kept; consecutive ones are joined when the contract waits for them.
Keys are made when they are first asked for, seconds each, and kept on the disk for the next process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from circuits.machine import ProvedBatch
from circuits.statement import PUBLIC_NAMES, BatchStatement
from circuits.terminal_statement import (
    IDENTITY_WORDS,
    SLOT_WORDS,
    key_identity,
    pinned_chain,
    terminal_values,
    terminal_words,
)
from circuits.verifying import key_of_shape
from prover.errors import ProofRefused, Reason
from prover.export.calldata import encode_for_contract
from prover.progress import Stages
from prover.recursion.chain import (
    SLOTS,
    InnerProof,
    Join,
    StepFigures,
    first_step_key,
    last_step_key,
    make_first,
    make_join,
    make_terminal,
    prove_first,
    prove_join,
    prove_terminal,
)
from prover.recursion.prove import RecursionKey
from prover.recursion.storage import KeyFolder
from prover.stark.encoding import decode_proof, encode_proof
from prover.stark.key import Digest, VerificationKey
from rollup.node.proofs import KeyIdentity

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


@cache
def key_folder() -> KeyFolder:
    """Where keys are kept."""
    return KeyFolder()


def _is(identity: KeyIdentity) -> Callable[[VerificationKey], bool]:
    return lambda key: key_identity(key) == identity


@lru_cache(maxsize=4)
def first_key(shape: str) -> RecursionKey:
    """The first step's key for batches of a shape."""
    base = key_of_shape(shape, BASE_PRESET)
    pinned = _is(pinned_chain().base[shape])
    (key,) = key_folder().get(f"first-{shape}", [base], lambda: [make_first(base)], pinned)
    return key


@lru_cache(maxsize=4)
def first_verification_key(shape: str) -> VerificationKey:
    """The same key as who only joins needs it: out of the pinned root."""
    return _pinned_key(pinned_chain().base[shape], len(PUBLIC_NAMES), first_step_key)


def _pinned_key(
    identity: KeyIdentity, publics: int, of_root: Callable[[int, Digest], VerificationKey]
) -> VerificationKey:
    """The key of a wide step out of its pinned identity."""
    root = IDENTITY_WORDS[1].limbs_of(identity.root)
    key = None if root is None else of_root(publics, root)
    if key is None or key_identity(key) != identity:
        raise ProofRefused(Reason.WRONG_KEY, "a pinned identity is of other circuits")
    return key


@lru_cache(maxsize=2)
def join_of(size: int) -> Join:
    """The steps that join so many batches."""
    first = first_verification_key(next(iter(pinned_chain().base)))
    pinned = _is(pinned_chain().last[size])
    steps = key_folder().get(f"join-{size}", [first] * size, lambda: make_join(first, size).steps, pinned)
    return Join(size, steps)


@lru_cache(maxsize=1)
def terminal_key() -> RecursionKey:
    """The end of every chain."""
    publics = sum(word.limbs for word in SLOT_WORDS) * SLOTS
    last = _pinned_key(pinned_chain().last[1], publics, last_step_key)

    def is_pinned(key: VerificationKey) -> bool:
        return int.from_bytes(key.digest, "big") == pinned_chain().terminal

    (key,) = key_folder().get("terminal", [last], lambda: [make_terminal(last)], is_pinned)
    return key


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
    keys = tuple(key_identity(first.key) for first in firsts)
    last = key_identity(joined[-1].key)
    words = terminal_words(last, [(key, step.statement.words) for key, step in zip(keys, steps, strict=True)])
    if terminal_values(words) != end.statement:
        raise AssertionError("the terminal proof says something else than the contract will ask")
    content = encode_for_contract(end.key, end.proved.messages, end.proved.positions)
    figures = tuple(step.figures for step in (*joined, end))
    return TerminalProof(numbers[0], keys, last, words, content, figures)


def _decoded(step: FirstStep) -> InnerProof:
    """A kept first step as the join reads it."""
    key = first_verification_key(step.shape)
    return InnerProof(key, step.statement.elements, decode_proof(key, step.content).proof)
