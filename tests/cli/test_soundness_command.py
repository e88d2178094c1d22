"""The command that prints the bits of the presets."""

from __future__ import annotations

import json

import pytest

from cli import main
from prover.parameters import PRESETS


def test_every_preset_is_printed_with_its_bits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soundness", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["presets"]
    assert {entry["parameters"]["name"] for entry in entries} == set(PRESETS)
    for entry in entries:
        assert entry["minimum"] == min(round["bits"] for round in entry["rounds"])
        assert entry["minimum_without_grinding"] <= entry["minimum"]


def test_insecure_presets_are_shown_as_insecure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soundness"]) == 0
    shown = capsys.readouterr().out
    for name, parameters in PRESETS.items():
        assert f"│ {name} " in shown
        assert (f"│ {name} INSECURE " in shown) == parameters.is_insecure


def test_one_preset_is_shown_round_by_round(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soundness", "terminal"]) == 0
    shown = capsys.readouterr().out
    for word in ("terminal, 2^17 rows", "lookup", "out of domain", "batching", "fold 1", "query", "hash"):
        assert word in shown
    assert "keccak-100" not in shown


def test_a_preset_that_does_not_exist_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soundness", "no-such", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("clearing: there is no preset 'no-such', only test-keccak, ")
    assert err.count("\n") == 1
