"""Proof bytes and messages are two forms of the same proof."""

from __future__ import annotations

import pytest

from benchmarks.examples.catalogue import EXAMPLES
from prover.parameters import PRESETS
from prover.stark.encoding import Reader, decode_proof, encode_proof, read_heading, write_proof
from prover.stark.prover import Proved, prove
from prover.stark.proving_key import ProvingKey, make_proving_key


def make(name: str, log_size: int, preset: str) -> tuple[ProvingKey, list[int], Proved]:
    example = EXAMPLES[name]
    heights, content = example.log_heights(log_size), example.preprocessed()
    key = make_proving_key(example.circuit(), heights, PRESETS[preset], content, threads=1)
    filled = example.fill(log_size, 1, 1)
    return key, filled.statement, prove(key, filled.traces, filled.statement, threads=1)


@pytest.mark.parametrize("preset", ["test-keccak", "test-poseidon", "test-poseidon-36"])
@pytest.mark.parametrize(("name", "log_size"), [("shuffle", 0), ("two-heights", 5), ("memory", 6)])
def test_decoding_gives_back_what_was_encoded(name: str, log_size: int, preset: str) -> None:
    key, statement, proved = make(name, log_size, preset)
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    decoded = decode_proof(key.verification, content)
    assert decoded.proof == proved.messages
    assert decoded.positions == proved.positions
    assert decoded.heading.statement == tuple(statement)
    again = encode_proof(key.verification, decoded.heading.statement, decoded.proof, decoded.positions)
    assert again == content


@pytest.mark.parametrize("name", ["two-heights", "memory"])
def test_the_sizes_of_the_parts_add_up_to_the_whole(name: str) -> None:
    key, statement, proved = make(name, 5, "test-keccak")
    written = write_proof(key.verification, statement, proved.messages, proved.positions)
    read = decode_proof(key.verification, written.content)
    assert sum(written.sizes.values()) == sum(read.sizes.values()) == len(written.content)
    assert written.sizes["openings"] == read.sizes["openings"]


def test_a_heading_can_be_read_without_a_key() -> None:
    key, statement, proved = make("two-heights", 3, "test-keccak")
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    heading = read_heading(Reader(content))
    assert heading.circuit_name == "two-heights"
    assert heading.key_digest == key.verification.digest
    assert heading.parameters == PRESETS["test-keccak"]
    assert heading.log_heights == (3, 3)
    assert heading.statement == tuple(statement)


def test_shared_paths_make_a_proof_smaller_than_full_paths() -> None:
    key, statement, proved = make("two-heights", 6, "test-keccak")
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    full = sum(
        32 * len(opening.path)
        for query in proved.messages.queries
        for opening in (*query.phases, *query.folds)
    )
    shared = sum(
        size
        for part, size in decode_proof(key.verification, content).sizes.items()
        if part.startswith("paths of")
    )
    assert shared < 0.7 * full
