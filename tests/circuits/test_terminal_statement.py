"""What a terminal proof says, word by word, and the identities that are pinned for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from circuits.aggregation import BASE_PRESET, FirstStep, first_verification_key
from circuits.pin_chain import CIRCUIT_FILE, pinned_files, targets
from circuits.shapes import SHAPES
from circuits.statement import PUBLIC_NAMES, BatchStatement
from circuits.terminal_statement import (
    BATCH_WORDS,
    WORDS,
    PinnedChain,
    key_identity,
    pinned_chain,
    terminal_values,
    terminal_words,
)
from prover.errors import ProofRefused, Reason
from prover.export.description import HEADER, WORD_BYTES, CircuitDescription
from prover.export.solidity import read_circuit_file, write_circuit_file
from prover.field.koalabear import PRIME
from prover.recursion.chain import JOIN_SIZES, SLOTS, TERMINAL, TERMINAL_LOG_HEIGHT
from prover.recursion.prove import public_names
from prover.recursion.record import IDENTITY_LENGTH
from prover.recursion.terminal import terminal_circuit
from prover.stark.key import VerificationKey
from rollup.node.proofs import KeyIdentity

ROOT = Path(__file__).parents[2]

WORDS_OF_A_BATCH = (
    1,
    1 << 60,
    (1 << 160) - 1,
    7,
    PRIME - 1,
    3 << 224,
    0,
    500,
    9,
    8,
    7 << 128,
    3,
    4,
    1 << 40,
    2,
)

SOME = KeyIdentity((1 << 256) - 1, (PRIME - 1) << 224)


def test_a_statement_and_its_words_are_each_other() -> None:
    statement = BatchStatement.from_words(WORDS_OF_A_BATCH)
    assert statement.words == WORDS_OF_A_BATCH
    values: list[int] = []
    for layout, word in zip(BATCH_WORDS, statement.words, strict=True):
        values += layout.limbs_of(word) or ()
    assert tuple(values) == statement.elements
    assert len(values) == len(PUBLIC_NAMES)


@pytest.mark.parametrize("count", [1, 3, SLOTS])
def test_slots_behind_the_last_batch_are_zero(count: int) -> None:
    words = terminal_words(SOME, [(SOME, WORDS_OF_A_BATCH)] * count)
    values = terminal_values(words)
    slot = IDENTITY_LENGTH + len(PUBLIC_NAMES)
    statement = BatchStatement.from_words(WORDS_OF_A_BATCH).elements
    assert len(values) == sum(word.limbs for word in WORDS) == IDENTITY_LENGTH + SLOTS * slot
    for place in range(count):
        start = IDENTITY_LENGTH + place * slot
        assert values[start : start + IDENTITY_LENGTH] == values[:IDENTITY_LENGTH]
        assert values[start + IDENTITY_LENGTH : start + slot] == statement
    assert not any(values[IDENTITY_LENGTH + count * slot :])


def test_words_that_are_no_values_are_refused() -> None:
    words = list(terminal_words(SOME, [(SOME, WORDS_OF_A_BATCH)]))
    for place, word in ((1, PRIME), (4, 1 << 31), (5, 1 << 64), (8, PRIME << 32)):
        with pytest.raises(ValueError, match="a word of the statement"):
            terminal_values([*words[:place], word, *words[place + 1 :]])
    with pytest.raises(ValueError, match="1 to 8 batches"):
        terminal_words(SOME, [])
    with pytest.raises(ValueError, match="15 words"):
        terminal_words(SOME, [(SOME, WORDS_OF_A_BATCH[1:])])


def test_every_shape_and_every_join_is_pinned() -> None:
    pinned = pinned_chain()
    assert pinned.preset == BASE_PRESET
    assert list(pinned.base) == [shape.name for shape in SHAPES]
    assert list(pinned.last) == list(JOIN_SIZES)
    assert len({*pinned.base.values(), *pinned.last.values()}) == len(SHAPES) + len(JOIN_SIZES)
    assert PinnedChain.read(pinned.spelled()) == pinned


def test_the_pinned_digests_are_those_of_todays_tables() -> None:
    """With the pinned roots, which only `python -m circuits.pin_chain --check` makes again."""
    for shape in SHAPES:
        assert key_identity(first_verification_key(shape.name)) == pinned_chain().base[shape.name]
    circuit = terminal_circuit(public_names(sum(word.limbs for word in WORDS)))
    text = (ROOT / CIRCUIT_FILE).read_text(encoding="ascii")
    header = bytes.fromhex(json.loads(text)["parts"]["HEADER"])
    place = HEADER.index("PREPROCESSED_ROOT") * WORD_BYTES
    root = header[place : place + TERMINAL.node_bytes]
    key = VerificationKey(circuit, (TERMINAL_LOG_HEIGHT,), TERMINAL, root)
    assert write_circuit_file(CircuitDescription(key, WORDS)) == text
    assert int.from_bytes(read_circuit_file(text).key_digest, "big") == pinned_chain().terminal


@pytest.mark.long
def test_the_pinned_files_are_made_again() -> None:
    pinned, circuit = pinned_files()
    for path, content in zip(targets(), (pinned.spelled(), circuit), strict=True):
        assert path.read_text(encoding="ascii") == content


def test_a_first_step_is_kept_and_read_again() -> None:
    step = FirstStep(BatchStatement.from_words(WORDS_OF_A_BATCH), "small", b"\n\0proof")
    assert FirstStep.from_bytes(step.to_bytes()) == step
    for broken in (b"", b"{}\n", b"[]\n", b"\xff\n", b'{"shape": "small", "words": ["0x1"]}\nproof'):
        with pytest.raises(ProofRefused) as refusal:
            FirstStep.from_bytes(broken)
        assert refusal.value.reason is Reason.SHAPE
