"""The tutorial's circuit runs as it is printed, and says what is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
LONGEST = 40
"""The tutorial promises a circuit in some thirty lines."""


def test_the_circuit_of_the_tutorial_is_proved_verified_and_inspected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    circuit, broken = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (promised,) = re.findall(r"it prints `(.*?)`", text)
    (findings,) = re.findall(r"```\n(proof refused.*?)```", text, flags=re.DOTALL)
    assert len(circuit.splitlines()) <= LONGEST
    names: dict[str, object] = {}
    exec(compile(circuit, str(TUTORIAL), "exec"), names)  # noqa: S102 - the document is part of this project
    assert capsys.readouterr().out == promised + "\n"
    exec(compile(broken, str(TUTORIAL), "exec"), names)  # noqa: S102 - the same
    assert capsys.readouterr().out == findings
