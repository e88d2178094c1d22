"""What the tests of the house look at: the files that belong to the project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

LEFT_BEHIND = {".git", ".venv", "build", "dist", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
"""Folders that are not the project's where there is no git to say so."""


@pytest.fixture(scope="session")
def project_files(checkout: Path) -> list[Path]:
    """Every file that git tracks or would track; without git, every file outside folders that runs leave behind."""
    if (checkout / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=checkout,
            check=True,
            capture_output=True,
        ).stdout
        files = [checkout / name for name in listing.decode().split("\0") if name]
        return sorted(path for path in files if path.is_file())
    return sorted(
        path
        for path in checkout.rglob("*")
        if path.is_file() and not LEFT_BEHIND & set(path.relative_to(checkout).parts)
    )


@pytest.fixture(scope="session")
def text_files(project_files: list[Path]) -> dict[Path, str]:
    """The text of every project file that is text."""
    texts = {}
    for path in project_files:
        try:
            texts[path] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


@pytest.fixture(scope="session")
def python_files(checkout: Path, text_files: dict[Path, str]) -> dict[Path, str]:
    """Every Python file of the project, by its path inside the checkout."""
    return {path.relative_to(checkout): text for path, text in text_files.items() if path.suffix == ".py"}
