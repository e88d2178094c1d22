"""The committed artifacts are what the pinned compiler makes of the sources, and Ethereum takes them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from rollup.binding import POINT_DOMAIN
from rollup.codec import TAG_BYTES, BatchHeader, QueuedAt
from rollup.events import Claim
from rollup.fields import fields_of, word_bytes
from rollup.transactions import TRANSACTIONS
from rollup.units import VAULT_CAP, WIDTH_BITS
from tests.verifier_contracts.vault_bench import DOUBLES
from verifier_contracts.artifact import ARTIFACTS, COMPILER, ROOM, SOURCES, load_artifact, source_digest
from verifier_contracts.compile import (
    TEST_SOURCES,
    compile_all,
    compiled_files,
    is_npm_available,
    settings_of,
)

MAX_CODE_BYTES = 24_576
"""EIP-170."""

MAX_INITIAL_CODE_BYTES = 49_152
"""EIP-3860."""

CONTRACTS = ("ClearingHouse", "Exits", "PoseidonTree", "PracticeToken", "RefusingVerifier", "StarkVerifier")


@pytest.mark.long
@pytest.mark.skipif(
    not is_npm_available() and os.environ.get("CI") != "true",
    reason="npm is not installed, and outside CI the source digest below has to do",
)
def test_the_artifacts_are_what_the_compiler_makes() -> None:
    """Most of a minute; the short run compares the digest of sources and settings, and compiles the verifier alone."""
    expected = compile_all()
    committed = {path for folder in (ARTIFACTS, DOUBLES) for path in compiled_files(folder)}
    assert {path.name for path in committed} == {path.name for path in expected}
    stale = [path.name for path, text in expected.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `python -m verifier_contracts.compile`"


def test_the_artifacts_belong_to_these_sources_and_settings() -> None:
    pinned = json.loads(COMPILER.read_text(encoding="utf-8"))
    for folder, digest in ((ARTIFACTS, source_digest()), (DOUBLES, source_digest((SOURCES, TEST_SOURCES)))):
        for path in compiled_files(folder):
            artifact = load_artifact(path.stem, folder)
            assert artifact.source_digest == digest, (
                f"{path.name}: run `python -m verifier_contracts.compile`"
            )
            assert (artifact.compiler, artifact.settings) == (pinned["version"], settings_of(path.stem))


def test_the_committed_contracts_are_these() -> None:
    assert [path.stem for path in compiled_files(ARTIFACTS)] == sorted(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_ethereum_takes_the_code(contract: str) -> None:
    artifact = load_artifact(contract)
    assert len(artifact.runtime_bytecode) // 2 < MAX_CODE_BYTES
    assert len(artifact.bytecode) // 2 < MAX_INITIAL_CODE_BYTES


def test_every_source_names_the_pinned_compiler_and_its_licence() -> None:
    version = json.loads(COMPILER.read_text(encoding="utf-8"))["version"]
    for folder in (SOURCES, TEST_SOURCES):
        for path in folder.glob("*.sol"):
            lines = path.read_text(encoding="utf-8").splitlines()
            assert lines[:2] == ["// SPDX-License-Identifier: Apache-2.0", f"pragma solidity {version};"], (
                path
            )


def test_every_custom_error_is_asserted_by_a_test() -> None:
    declared = set(re.findall(r"error (\w+)\(", (SOURCES / "Errors.sol").read_text(encoding="utf-8")))
    asserted = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [error for error in sorted(declared) if f"{error}(" not in asserted] == []


def test_every_declared_error_is_used() -> None:
    declared = set(re.findall(r"error (\w+)\(", (SOURCES / "Errors.sol").read_text(encoding="utf-8")))
    used = {part["name"] for part in load_artifact("ClearingHouse").abi if part["type"] == "error"}
    assert used == declared


# ----------------------------------------------------------------------------------- constants shared with the rules


def constant(file: str, name: str) -> int:
    """Read a Solidity constant."""
    found = re.search(rf"constant {name} = (.*?);", (SOURCES / file).read_text(encoding="utf-8"))
    assert found is not None
    expression = found.group(1)
    assert re.fullmatch(r"[0-9a-fx()<*+\- ]+", expression)
    return int(eval(expression))  # noqa: S307 - an arithmetic expression of this project's own source


def test_the_header_stands_where_the_rules_put_it() -> None:
    offsets, offset = {}, 0
    for field in fields_of(BatchHeader):
        offsets[field.path] = (offset, 2 * field.words)
        offset += 2 * field.words
    assert constant("BatchLayout.sol", "HEADER_BYTES") == offset == 26
    source = (SOURCES / "Batches.sol").read_text(encoding="utf-8")
    read = {
        (int(start), int(width))
        for start, width in re.findall(r"BatchLayout\.number\(chunk, (\d+), (\d+)\)", source)
    }
    # The contract never looks into a record, so it does not read how many there are.
    assert read == set(offsets.values()) - {offsets["records"]}


def test_queue_items_and_claims_are_as_long_as_the_rules_say() -> None:
    assert constant("BatchLayout.sol", "ITEM_PREFIX_BYTES") == TAG_BYTES + word_bytes(QueuedAt)
    assert constant("BatchLayout.sol", "CLAIM_BYTES") == word_bytes(Claim)
    items = [entry for entry in TRANSACTIONS if entry.is_from_queue]
    assert tuple(TRANSACTIONS[: len(items)]) == tuple(items)
    bodies = b"".join(bytes([word_bytes(entry.published)]) for entry in items)
    assert constant("BatchLayout.sol", "BODY_BYTES").to_bytes(len(items), "big") == bodies
    for tag, entry in enumerate(items):
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", entry.name).upper()
        assert constant("BatchLayout.sol", name) == tag


def test_limits_and_domains_are_those_of_the_rules() -> None:
    assert constant("Vault.sol", "VAULT_CAP") == VAULT_CAP
    assert constant("Vault.sol", "MAX_ACCOUNT") == (1 << WIDTH_BITS["AccountId"]) - 1
    assert constant("Field.sol", "PRIME") == 0x7F000001
    text = (SOURCES / "DataPolynomial.sol").read_text(encoding="utf-8")
    found = re.search(r'POINT_DOMAIN = keccak256\("(.*?)"\)', text)
    assert found is not None
    from prover.hash.keccak import keccak256

    assert keccak256(found.group(1).encode()) == POINT_DOMAIN


def test_the_readme_shows_the_storage_as_it_is_laid_out() -> None:
    text = (ROOM / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert [f"{slot}:{offset} {name}" for slot, offset, name in shown] == load_artifact(
        "ClearingHouse"
    ).storage
