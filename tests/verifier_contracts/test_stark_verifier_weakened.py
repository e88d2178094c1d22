"""Every check of the contract is needed: without it a forgery passes that the contract refuses.

Each `demand(...)` is taken out of the source in its turn, and the contract compiled anew.
A forgery that is refused for the check's reason is then accepted, or refused later for another reason:
most checks of lengths and spellings stand in front of a hash that sees the same thing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from prover.errors import Reason
from prover.export.calldata import encode_for_contract
from prover.export.description import CircuitDescription, StatementWord
from prover.field.koalabear import PRIME, Montgomery
from prover.parameters import Grinding
from prover.stark.key import Digest
from prover.stark.proving_key import ProvingKey
from prover.transcript import Label
from tests.adversarial import specimen
from tests.adversarial.forgery import Forging, proving_key
from tests.verifier_contracts.stark_rehearsal import Contract, Rehearsal, rehearse
from tests.verifier_contracts.test_stark_verifier_refusals import (
    LyingOpenings,
    element_places,
    short_parameters,
)
from verifier_contracts.artifact import SOURCES
from verifier_contracts.compile import is_npm_available, read_sources, run_compiler

NEEDS_NPM = pytest.mark.skipif(
    not is_npm_available() and os.environ.get("CI") != "true",
    reason="npm is not installed, and only it brings the compiler",
)

UNIT = "src/StarkVerifier.sol"


@dataclass(frozen=True)
class Forgery:
    """A call that the contract refuses for one reason."""

    description: CircuitDescription
    words: list[int]
    content: bytes
    reason: Reason
    is_accepted: bool = False
    """Whether no other check stands in its way."""
    key: bytes | None = None


class Lazy(LyingOpenings):
    """Does no work."""

    def _grind(self, label: Label, bits: int) -> None:
        self.transcript.absorb_nonce(label, 0, 0)
        self.nonces.append(0)

    def alter_openings(self, openings):  # type: ignore[no-untyped-def]
        return openings


class OtherWord(LyingOpenings):
    """Commits to a word of zeros."""

    def alter_word(self, number: int, word: Montgomery) -> Montgomery:
        return np.zeros_like(word)


class CommitsToNothing(Forging):
    """Sends another root than that of its columns."""

    def _absorb_root(self, label: Label, root: Digest) -> None:
        super()._absorb_root(label, bytes(26))


def counter_key(grinding: Grinding | None = None) -> ProvingKey:
    return proving_key(specimen.counter_circuit(), (3,), (), short_parameters(grinding))


def by(forging: type[Forging], reason: Reason, *, step: int, grinding: Grinding | None = None) -> Forgery:
    """What a dishonest prover makes of a counter that goes up by `step`."""
    key = counter_key(grinding)
    made = forging(key, specimen.counter_trace(3, step=step)).run()
    content = encode_for_contract(key.verification, made.messages, made.positions)
    return Forgery(CircuitDescription(key.verification, ()), [], content, reason, is_accepted=True)


def unbalanced() -> Forgery:
    """A number is looked up that is not small."""
    parameters = short_parameters()
    key = proving_key(specimen.lookup_circuit(), (3, 3), specimen.lookup_preprocessed(), parameters)
    made = Forging(key, specimen.lookup_traces([1, 2, 3, 4, 5, 6, 7, 8])).run()
    content = encode_for_contract(key.verification, made.messages, made.positions)
    description = CircuitDescription(key.verification, ())
    return Forgery(description, [], content, Reason.BUS_SUMS_DO_NOT_BALANCE, is_accepted=True)


def honest(
    reason: Reason,
    change: Callable[[Rehearsal, bytes], bytes] = lambda _, content: content,
    *,
    made: Rehearsal | None = None,
    words: Callable[[list[int]], list[int]] = list,
    is_accepted: bool = False,
    key: bytes | None = None,
) -> Forgery:
    """An honest call, changed."""
    rehearsal = made or rehearse()
    content = change(rehearsal, rehearsal.content)
    return Forgery(rehearsal.description, words(rehearsal.words), content, reason, is_accepted, key)


def plus_prime(place: int) -> Callable[[Rehearsal, bytes], bytes]:
    """Add the prime to an element; `place` counts bytes behind the messages, in front of the trees if negative."""

    def change(rehearsal: Rehearsal, content: bytes) -> bytes:
        at = element_places(rehearsal)["row"] + place
        value = int.from_bytes(content[at : at + 4], "big") + PRIME
        return content[:at] + value.to_bytes(4, "big") + content[at + 4 :]

    return change


def last_row_plus_prime(_: Rehearsal, content: bytes) -> bytes:
    """Add the prime to the first element of the last tree's only row that ends the proof."""
    at = len(content) - 20
    return (
        content[:at]
        + (int.from_bytes(content[at : at + 4], "big") + PRIME).to_bytes(4, "big")
        + content[at + 4 :]
    )


@cache
def crowded() -> Rehearsal:
    """Queries open every row of the last tree, so that the proof ends with a row."""
    return rehearse((8, 3), 2, QUICK_AND_CROWDED)


QUICK_AND_CROWDED = short_parameters(queries=60, log_final_length=0)

FORGERIES: dict[str, Callable[[], Forgery]] = {
    "run.trees.cursor == run.trees.end": lambda: honest(
        Reason.TRAILING_BYTES, lambda _, content: content + b"\0", is_accepted=True
    ),
    "uint256(terminalKey) == d.head(CircuitDescription.KEY_DIGEST)": lambda: honest(
        Reason.WRONG_KEY, key=bytes(32), is_accepted=True
    ),
    "run.trees.cursor <= run.trees.end": lambda: honest(Reason.TRUNCATED, lambda _, content: content[:100]),
    "areCanonical(run.busSums, run.trees.cursor)": lambda: honest(
        Reason.NON_CANONICAL_ELEMENT, plus_prime(-20)
    ),
    "statement.length == d.head(CircuitDescription.STATEMENT_WORDS)": lambda: honest(
        Reason.WRONG_STATEMENT_LENGTH, words=lambda words: words[:-1]
    ),
    "excess == 0": lambda: honest(
        Reason.NON_CANONICAL_STATEMENT, words=lambda words: [words[0] | 1 << 32, *words[1:]], is_accepted=True
    ),
    "Extension.reduced(total) == 0": unbalanced,
    "Memory.get(run.filled, table) == 0": lambda: by(Forging, Reason.CONSTRAINTS_DO_NOT_HOLD, step=5),
    "run.transcript.absorbNonce(label, run.nonce, bits)": lambda: by(
        Lazy, Reason.GRINDING_MISSING_CONSTRAINT, step=1, grinding=Grinding(constraint=10)
    ),
    "Extension.received(cursor + VALUE_BYTES * chosen) == Memory.get(words, 0)": lambda: by(
        OtherWord, Reason.FOLD_INCONSISTENT, step=5
    ),
    "value == Memory.get(leaves.words, leaf)": lambda: by(
        LyingOpenings, Reason.FINAL_POLYNOMIAL_MISMATCH, step=5
    ),
    "(Memory.get(bottom, 2) ^ root) >> 48 == 0": lambda: by(
        CommitsToNothing, Reason.MAIN_ROW_NOT_IN_TREE, step=1
    ),
    "reading.cursor <= reading.end": lambda: honest(Reason.TRUNCATED, lambda _, content: content[:-1]),
    "WeightedRows.isCanonical(elements, (columns + 7) / 8)": lambda: honest(
        Reason.NON_CANONICAL_ELEMENT, last_row_plus_prime, made=crowded()
    ),
}
"""By the condition that is demanded."""

NO_FORGERY = {
    "vanishing != 0": "the transcript draws the point: no prover can make it one of a few million base elements",
    "misses": "the same, for the shifted points",
    "end <= reading.end": "the demand behind each leaf says the same of its row, for the same reason, only later",
}

QUICKLY = "value == Memory.get(leaves.words, leaf)"
"""The check that is taken away at each run of the tests."""


def demands(text: str) -> list[tuple[int, str]]:
    """Where a source demands something, and what."""
    found = []
    for match in re.finditer(r"(?<!function )\bdemand\(", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        condition = " ".join(text[match.end() : end - 1].split()).rpartition(",")[0]
        found.append((match.start(), condition))
    return found


@cache
def verifier_sources() -> dict[str, str]:
    """The verifier's sources and everything that they import."""
    every = read_sources(SOURCES, "src/")
    wanted, waiting = {}, [UNIT]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted[name] = every[name]
            waiting += [f"src/{other}" for other in re.findall(r'from "\./(\w+\.sol)"', every[name])]
    return wanted


def without(condition: str) -> str:
    """The creation code of a verifier that does not demand this."""
    sources = dict(verifier_sources())
    for name, text in sources.items():
        for start, found in demands(text):
            if found == condition:
                sources[name] = (text[:start] + "spare" + text[start + len("demand") :]).replace(
                    "{Reason, demand}", "{Reason, demand, spare}"
                )
    sources["src/StarkRefusal.sol"] += "\n/// Go on.\nfunction spare(bool, Reason) pure {}\n"
    assert sources.keys() == verifier_sources().keys()
    answer = run_compiler(sources, [UNIT])
    code: str = answer["contracts"][UNIT]["StarkVerifier"]["evm"]["bytecode"]["object"]
    return code


def test_every_check_has_a_forgery() -> None:
    demanded = [condition for text in verifier_sources().values() for _, condition in demands(text)]
    assert sorted(demanded) == sorted([*FORGERIES, *NO_FORGERY])


@pytest.mark.parametrize("condition", FORGERIES)
def test_a_forgery_is_refused_for_the_reason_of_its_check(condition: str) -> None:
    forgery = FORGERIES[condition]()
    contract = Contract(forgery.description)
    assert contract.refusal(forgery.words, forgery.content, forgery.key) is forgery.reason


def assert_weakened(conditions: Sequence[str]) -> None:
    for condition in conditions:
        forgery = FORGERIES[condition]()
        contract = Contract(forgery.description, without(condition))
        refusal = contract.refusal(forgery.words, forgery.content, forgery.key)
        assert refusal is not forgery.reason, condition
        assert (refusal is None) is forgery.is_accepted, condition


@NEEDS_NPM
def test_a_verifier_without_its_last_check_is_fooled() -> None:
    assert_weakened([QUICKLY])


@NEEDS_NPM
@pytest.mark.long
@pytest.mark.parametrize("condition", FORGERIES)
def test_a_verifier_without_one_check_is_fooled(condition: str) -> None:
    assert_weakened([condition])


def test_a_statement_of_whole_words_is_what_the_rehearsal_has() -> None:
    assert rehearse().description.statement == (StatementWord(2, 16), StatementWord())
