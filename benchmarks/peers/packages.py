"""The peers' packages: which releases, where they are kept, and how they get there."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import click

from benchmarks.peers.children import run_limited

PACKAGES = {"circom2": "0.2.23", "snarkjs": "0.7.6", "circomlib": "2.0.5", "circomlibjs": "0.1.7"}
"""The releases that are compared: the newest ones when the results were made."""

PUBLISHED_BEFORE = "2026-07-05"
"""What these packages need is taken as it was then, so that a later install gets the same code."""

INSTALL_SECONDS = 300
"""How long npm may take: 120 MB lie in the folder afterwards."""


class CannotInstallError(Exception):
    """The peers are not on this machine and could not be brought here."""


def missing_tool() -> str | None:
    """Say which program is not here; None when all are."""
    return next(
        (f"{tool} is not on this machine" for tool in ("npm", "node") if not shutil.which(tool)), None
    )


def cache_folder() -> Path:
    """Where this user keeps the peers: never in the checkout, which holds no code of others."""
    from numba.misc.appdirs import AppDirs

    release = "-".join(f"{name}-{number}" for name, number in PACKAGES.items())
    return Path(AppDirs("options-clearing-rollup", appauthor=False).user_cache_dir) / "peers" / release


def is_installed(folder: Path) -> bool:
    """Tell whether exactly the pinned releases are in the folder."""
    try:
        return all(
            json.loads((folder / "node_modules" / name / "package.json").read_text(encoding="utf-8"))[
                "version"
            ]
            == number
            for name, number in PACKAGES.items()
        )
    except (OSError, ValueError, KeyError):
        return False


def install(folder: Path) -> None:
    """Bring the packages into the folder, all or nothing; their install scripts do not run."""
    if is_installed(folder):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstallError("npm is not on this machine")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            made = Path(name) / "made"
            made.mkdir()
            (made / "package.json").write_text('{"private": true}\n', encoding="utf-8")
            pinned = [f"{package}@{number}" for package, number in PACKAGES.items()]
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"]
            run_limited(
                [npm, "install", *options, "--before", PUBLISHED_BEFORE, *pinned], made, INSTALL_SECONDS
            )
            if not is_installed(made):
                raise CannotInstallError("npm installed other releases than those asked for")
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    except click.ClickException as error:
        raise CannotInstallError(error.message) from error
    except OSError as error:
        if not is_installed(folder):  # it may be there by now: another process installed it meanwhile
            raise CannotInstallError(f"the cache folder cannot be used: {error}") from error
