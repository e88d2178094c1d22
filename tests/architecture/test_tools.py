"""Style, types and import order are part of the gate; a tool that is missing fails it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def complaints_of(command: list[str], checkout: Path) -> str:
    """Run one tool of this environment and return what it says if it is not content."""
    done = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return "" if done.returncode == 0 else f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-m", "ruff", "check", "--no-cache", "."], id="ruff finds nothing"),
        pytest.param(["-m", "ruff", "format", "--no-cache", "--check", "."], id="sources are formatted"),
        pytest.param(["-m", "mypy"], id="mypy --strict finds nothing"),
    ],
)
def test_the_sources_pass(arguments: list[str], checkout: Path) -> None:
    assert complaints_of([sys.executable, *arguments], checkout) == ""


def test_imports_run_one_way(checkout: Path) -> None:
    lint_imports = (
        "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    )
    assert complaints_of([sys.executable, "-c", lint_imports, "--no-cache"], checkout) == ""
