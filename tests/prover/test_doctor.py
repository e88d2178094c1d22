"""The doctor finds healthy kernels healthy, and says what is wrong with others."""

from __future__ import annotations

import json
import random

import pytest

from cli import main
from prover import doctor
from prover.doctor import CHECKS, Check, DisagreementError, Result, require_equal, run_check


@pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
def test_this_machine_agrees_with_the_referee_of(check: Check) -> None:
    assert run_check(check, random.Random(1)).failure is None


def test_answers_that_differ_are_named() -> None:
    with pytest.raises(DisagreementError, match=r"^a product differs$"):
        require_equal("a product", 6, 7)


def test_a_check_that_fails_is_reported_and_the_next_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def disagree(_source: random.Random) -> None:
        require_equal("a product", 6, 7)

    def break_down(_source: random.Random) -> None:
        raise ImportError("no such compiler")

    checks = (Check("first", "referee", disagree), Check("second", "referee", break_down))
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert [result.failure for result in doctor.self_test()] == [
        "DisagreementError: a product differs",
        "ImportError: no such compiler",
    ]


def test_the_command_refuses_a_machine_whose_kernels_are_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [
        Result("Keccak", "referee", 0.5, None),
        Result("Poseidon", "referee", 0.25, "DisagreementError: x"),
    ]
    monkeypatch.setattr(doctor, "self_test", lambda: results)
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    assert err == "clearing: these kernels give wrong answers on this machine: Poseidon\n"
    document = json.loads(out)
    assert document["healthy"] is False
    assert document["self_test"][1] == {
        "name": "Poseidon",
        "oracle": "referee",
        "seconds": 0.25,
        "failure": "DisagreementError: x",
    }
    assert document["machine"]["cores"] >= 1


def test_the_command_shows_the_machine_and_every_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "self_test", lambda: [Result("Keccak", "referee", 0.5, None)])
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in ("vector width, as LLVM sees it", "self-test", "Keccak", "referee", "0.50", "agrees"):
        assert word in out
