"""The contributors' command rewrites what is stale, removes what is left over, and says in one line what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from verifier_contracts import compile as command

NEEDS_NPM = pytest.mark.skipif(
    not command.is_npm_available() and os.environ.get("CI") != "true",
    reason="npm is not installed, and only it brings the compiler",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose sources compile to one file."""
    artifacts = tmp_path / "artifacts"
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)
    monkeypatch.setattr(command, "ARTIFACTS", artifacts)
    monkeypatch.setattr(command, "TEST_ARTIFACTS", tmp_path / "doubles")
    monkeypatch.setattr(command, "compile_all", lambda: {artifacts / "New.json": "new"})
    monkeypatch.setattr(sys, "argv", ["compile"])
    return artifacts


def test_stale_artifacts_are_rewritten_and_left_over_ones_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "Old.json").write_text("old", encoding="utf-8")
    assert command.main() == 0
    assert capsys.readouterr().out == "artifacts/New.json\nartifacts/Old.json\n"
    assert [(path.name, path.read_text(encoding="utf-8")) for path in folder.iterdir()] == [
        ("New.json", "new")
    ]
    assert command.main() == 0
    assert capsys.readouterr().out == ""


def test_a_check_changes_nothing_and_fails_while_something_is_stale(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["compile", "--check"])
    assert command.main() == 1
    assert capsys.readouterr().out == "artifacts/New.json\n"
    assert not folder.exists()


def test_without_npm_the_command_says_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "COMPILER_HOME", folder)
    monkeypatch.setattr(command, "compile_all", command.install_compiler)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert not command.is_npm_available()
    assert command.main() == 1
    assert capsys.readouterr().err == "npm is not installed; it brings the Solidity compiler\n"


@NEEDS_NPM
def test_a_warning_of_the_compiler_is_an_error() -> None:
    source = "// SPDX-License-Identifier: Apache-2.0\ncontract Vague {}\n"
    with pytest.raises(command.CompilerError, match="Source file does not specify required compiler version"):
        command.run_compiler({"Vague.sol": source}, ["Vague.sol"])
