"""What a terminal proof says to the contract: which keys, and for each slot of an aggregate one batch.

    last step's identity (2 words) | 8 slots of: first step's identity (2 words), the batch's statement (15 words)

An identity is a key's digest and the root over its preprocessed columns, a word each.
Slots behind the last batch are zero.
The contract composes these words out of its own storage, so batches of one proof are consecutive because it takes
consecutive ones: no circuit compares the new root of one with the old root of the next.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from circuits.statement import (
    CHAIN,
    CONTRACT,
    DATA_DIGEST,
    NEW_ROOT,
    NUMBER,
    OLD_ROOT,
    PARAMETERS_VERSION,
    POINT,
    PUBLIC_NAMES,
    QUEUE_END,
    QUEUE_START,
    TIME,
    VALUE,
)
from prover.export.description import StatementWord
from prover.recursion.chain import SLOTS
from prover.stark.key import VerificationKey
from rollup.node.proofs import KeyIdentity

LIMB_BITS: Final = 16
ELEMENT_BITS: Final = 32
"""The bits between two field elements of a word."""


def _limbs(names: Sequence[str]) -> StatementWord:
    return StatementWord(len(names), LIMB_BITS)


def _elements(names: Sequence[str]) -> StatementWord:
    return StatementWord(len(names), ELEMENT_BITS)


IDENTITY_WORDS: Final = (StatementWord(16, LIMB_BITS), StatementWord(8, ELEMENT_BITS))

BATCH_WORDS: Final = (
    StatementWord(),
    _limbs(CHAIN),
    _limbs(CONTRACT),
    _limbs(NUMBER),
    _elements(OLD_ROOT),
    _elements(NEW_ROOT),
    StatementWord(),
    StatementWord(),
    _elements(DATA_DIGEST),
    _elements(POINT),
    _elements(VALUE),
    _limbs(QUEUE_START),
    _limbs(QUEUE_END),
    _limbs(TIME),
    _limbs(PARAMETERS_VERSION),
)
"""How the words of the contract's statement of a batch are its public values."""

if sum(word.limbs for word in BATCH_WORDS) != len(PUBLIC_NAMES):
    raise AssertionError("the words of a batch's statement are not its public values")

SLOT_WORDS: Final = (*IDENTITY_WORDS, *BATCH_WORDS)

WORDS: Final = (*IDENTITY_WORDS, *SLOT_WORDS * SLOTS)
"""Every word of a terminal statement."""

PINNED_FILE: Final = "pinned_chain.json"
"""Beside this file; `python -m circuits.pin_chain` writes it."""


def key_identity(key: VerificationKey) -> KeyIdentity:
    """What stands for a key over Poseidon in a statement."""
    if not isinstance(key.preprocessed_root, tuple):
        raise ValueError("only a key with a preprocessed root over Poseidon has an identity")
    digest, root = IDENTITY_WORDS
    return KeyIdentity(digest.word_of(key.digest_limbs), root.word_of(key.preprocessed_root))


@dataclass(frozen=True, slots=True)
class PinnedChain:
    """The keys by which a contract knows what was proved."""

    preset: str
    """Parameters of base proofs."""
    base: dict[str, KeyIdentity]
    """First steps by the name of the batch's shape."""
    last: dict[int, KeyIdentity]
    """Last wide steps by the number of batches that are joined."""
    terminal: int
    """The digest of the terminal key."""

    @classmethod
    def read(cls, content: str) -> PinnedChain:
        """Out of the file's text."""
        fields = json.loads(content)
        return cls(
            fields["preset"],
            {name: KeyIdentity.parse(words) for name, words in fields["base"].items()},
            {int(size): KeyIdentity.parse(words) for size, words in fields["last"].items()},
            int(fields["terminal"], 16),
        )

    def spelled(self) -> str:
        """The file's text."""
        fields = {
            "generated": "from the circuits' definitions, by python -m circuits.pin_chain; do not edit",
            "preset": self.preset,
            "base": {name: identity.spelled() for name, identity in self.base.items()},
            "last": {str(size): identity.spelled() for size, identity in self.last.items()},
            "terminal": f"0x{self.terminal:064x}",
        }
        return json.dumps(fields, indent=2) + "\n"


@cache
def pinned_chain() -> PinnedChain:
    """The identities of every step, so that nobody who deploys or verifies needs to make keys.

    Soundness: another identity would let another program stand for the verifier; a test makes all keys anew.
    """
    return PinnedChain.read(files("circuits").joinpath(PINNED_FILE).read_text(encoding="ascii"))


def terminal_words(last: KeyIdentity, slots: Sequence[tuple[KeyIdentity, Sequence[int]]]) -> tuple[int, ...]:
    """The statement of a proof over these batches: each slot's first step, and the contract's 15 words."""
    if not 0 < len(slots) <= SLOTS:
        raise ValueError(f"a terminal proof is about 1 to {SLOTS} batches")
    words = [last.digest, last.root]
    for identity, batch in slots:
        if len(batch) != len(BATCH_WORDS):
            raise ValueError(f"a batch's statement has {len(BATCH_WORDS)} words")
        words += [identity.digest, identity.root, *batch]
    return tuple(words + [0] * (len(WORDS) - len(words)))


def terminal_values(words: Sequence[int]) -> tuple[int, ...]:
    """The public values of a terminal statement's words."""
    values: list[int] = []
    for layout, word in zip(WORDS, words, strict=True):
        limbs = layout.limbs_of(word)
        if limbs is None:
            raise ValueError(
                "a word of the statement has more bits than its limbs, or a limb beyond the prime"
            )
        values += limbs
    return tuple(values)
