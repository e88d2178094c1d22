"""Compile the contracts: `python -m verifier_contracts.compile` rewrites the committed artifacts.

Users need no compiler; contributors need npm, which brings the pinned one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from verifier_contracts.artifact import ARTIFACTS, COMPILER, ROOM, SOURCES, Artifact, source_digest

CHECKOUT: Path = ROOM.parent

COMPILER_HOME: Path = CHECKOUT / "build" / "solidity"
"""Where npm puts the compiler: inside the checkout, in a folder that git ignores."""

TEST_SOURCES: Path = CHECKOUT / "tests" / "verifier_contracts" / "src"
"""Doubles that only tests deploy: hostile tokens, and a verifier that accepts."""

TEST_ARTIFACTS: Path = CHECKOUT / "tests" / "verifier_contracts" / "artifacts"

CIRCUIT_SUFFIX: str = "_circuit.json"

INSTALL_SECONDS: int = 300

COMPILE_SECONDS: int = 300


class CompilerError(Exception):
    """The compiler is missing, or it refused or warned."""


def is_npm_available() -> bool:
    """Say whether the compiler can be installed here."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def install_compiler() -> Path:
    """Return the pinned compiler's script, installing it with npm where it is missing."""
    version = str(json.loads(COMPILER.read_text(encoding="utf-8"))["version"])
    home = COMPILER_HOME / version
    script = home / "node_modules" / "solc" / "solc.js"
    if script.is_file():
        return script
    npm = shutil.which("npm")
    if npm is None:
        raise CompilerError("npm is not installed; it brings the Solidity compiler")
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(  # noqa: S603 - the arguments are constants and the pinned version
        [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(home), f"solc@{version}"],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0 or not script.is_file():
        raise CompilerError(f"npm could not install solc {version}: {done.stderr.strip()}")
    return script


def settings_of(contract: str) -> dict[str, Any]:
    """The compiler's settings for a contract: those of all, but for how often its code is expected to run."""
    pinned = json.loads(COMPILER.read_text(encoding="utf-8"))
    settings: dict[str, Any] = pinned["settings"]
    if contract in pinned["runs"]:
        settings["optimizer"]["runs"] = pinned["runs"][contract]
    return settings


def run_compiler(
    sources: dict[str, str], wanted: Iterable[str], more_outputs: Sequence[str] = ()
) -> dict[str, Any]:
    """Compile the wanted ones among sources by name, each with the pinned compiler and its settings."""
    together: dict[str, list[str]] = {}
    for unit in wanted:
        settings = json.dumps(settings_of(unit.partition("/")[2].removesuffix(".sol")))
        together.setdefault(settings, []).append(unit)
    answer: dict[str, Any] = {"contracts": {}}
    for settings, units in together.items():
        made = _compile(sources, units, json.loads(settings), more_outputs)
        answer = made | {"contracts": answer["contracts"] | made["contracts"]}
    return answer


def _compile(
    sources: dict[str, str], wanted: Iterable[str], settings: dict[str, Any], more_outputs: Sequence[str]
) -> dict[str, Any]:
    outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"]
    outputs += more_outputs
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": settings | {"outputSelection": {unit: {"*": outputs} for unit in wanted}},
    }
    # Files, not pipes: the script fails on a pipe that is not filled yet, and exits before it has emptied a full one.
    with TemporaryFile("w+", encoding="utf-8") as question, TemporaryFile("w+", encoding="utf-8") as reply:
        json.dump(request, question)
        question.seek(0)
        done = subprocess.run(  # noqa: S603 - node runs the script that npm installed
            [shutil.which("node") or "node", str(install_compiler()), "--standard-json"],
            stdin=question,
            stdout=reply,
            stderr=subprocess.PIPE,
            text=True,
            timeout=COMPILE_SECONDS,
            check=False,
        )
        reply.seek(0)
        said = reply.read()
    try:
        # The command line prints a line of its own before the answer.
        answer: dict[str, Any] = json.loads(said[said.index("{") :])
    except ValueError as error:
        raise CompilerError(f"the compiler gave no answer: {done.stderr.strip()}") from error
    if answer.get("errors"):
        raise CompilerError("\n".join(complaint["formattedMessage"] for complaint in answer["errors"]))
    return answer


def read_sources(folder: Path, prefix: str) -> dict[str, str]:
    """Read a folder's sources under the names by which they import one another."""
    return {prefix + path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sol"))}


def make_artifacts(answer: dict[str, Any], units: Iterable[str], digest: str) -> list[Artifact]:
    """Pick the contracts that can be deployed from the compiler's answer."""
    pinned = json.loads(COMPILER.read_text(encoding="utf-8"))
    return [
        Artifact(
            contract=name,
            abi=compiled["abi"],
            bytecode=compiled["evm"]["bytecode"]["object"],
            runtime_bytecode=compiled["evm"]["deployedBytecode"]["object"],
            compiler=pinned["version"],
            settings=settings_of(name),
            storage=[
                f"{place['slot']}:{place['offset']} {place['label']}"
                for place in compiled["storageLayout"]["storage"]
            ],
            source_digest=digest,
        )
        for unit in units
        for name, compiled in answer["contracts"].get(unit, {}).items()
        if compiled["evm"]["bytecode"]["object"]
        and any(part["type"] == "function" for part in compiled["abi"])
    ]


def compile_all() -> dict[Path, str]:
    """Compile product and test doubles; return what the committed files should say."""
    product = read_sources(SOURCES, "src/")
    answer = run_compiler(product, product)
    files = {
        ARTIFACTS / f"{artifact.contract}.json": artifact.to_json()
        for artifact in make_artifacts(answer, product, source_digest())
    }
    doubles = read_sources(TEST_SOURCES, "doubles/")
    answer = run_compiler(product | doubles, doubles)
    digest = source_digest((SOURCES, TEST_SOURCES))
    return files | {
        TEST_ARTIFACTS / f"{artifact.contract}.json": artifact.to_json()
        for artifact in make_artifacts(answer, doubles, digest)
    }


def compiled_files(folder: Path) -> list[Path]:
    """What the compiler has written to a folder: circuits' descriptions stand there too, and are made elsewhere."""
    return [path for path in sorted(folder.glob("*.json")) if not path.name.endswith(CIRCUIT_SUFFIX)]


def main() -> int:
    """Rewrite the artifacts, or with --check only say which are stale."""
    parser = argparse.ArgumentParser(description="Compile the contracts and rewrite their artifacts.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if an artifact is stale")
    arguments = parser.parse_args()
    try:
        files = compile_all()
    except CompilerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    present = {path for folder in (ARTIFACTS, TEST_ARTIFACTS) for path in compiled_files(folder)}
    stale = {
        path
        for path in present | files.keys()
        if path not in files or path not in present or path.read_text(encoding="utf-8") != files[path]
    }
    for path in sorted(stale):
        sys.stdout.write(f"{path.relative_to(CHECKOUT)}\n")
        if arguments.check:
            continue
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        else:
            path.unlink()
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
