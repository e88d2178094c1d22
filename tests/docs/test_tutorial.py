"""The tutorial's circuit runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
LONGEST = 40
"""The tutorial promises a circuit in some thirty lines."""


def test_the_circuit_of_the_tutorial_is_proved_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), flags=re.DOTALL)
    assert len(code.splitlines()) <= LONGEST
    exec(compile(code, str(TUTORIAL), "exec"), {})  # noqa: S102 - the document is part of this project
    assert re.fullmatch(r"\d+ bytes, 10\d provable bits\n", capsys.readouterr().out)
