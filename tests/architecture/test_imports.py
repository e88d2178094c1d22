"""What may import what, beyond the order of the rooms."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

MAY_IMPORT_NUMBA = ("*kernels*.py", "simd*.py", "compiler.py", "tape_kernel.py")
"""Names of the files that may import numba or llvmlite when they are themselves imported."""

VERIFIER_MODULES = (
    "prover.errors",
    "prover.parameters",
    "prover.soundness",
    "prover.field.koalabear",
    "prover.field.extension",
    "prover.hash.poseidon",
    "prover.hash.keccak",
    "prover.hash.suite",
    "prover.transcript",
    "prover.merkle",
    "prover.air.expression",
    "prover.air.reader",
    "prover.fri.folding",
    "prover.stark.proof",
    "prover.stark.verifier",
)
"""What the verifier imports: it must run where numba cannot be installed."""

ROLLUP_MAY_USE = ("prover.field", "prover.hash", "prover.curve", "prover.memory")
"""The rollup hashes its state, checks signatures and keeps its memory; how a proof is made is not its business."""

WITHOUT_NUMBA = """
import importlib, sys
for name in ("numba", "llvmlite", "galois", "py_ecc", "web3"):
    sys.modules[name] = None  # importing it raises ImportError
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("module", VERIFIER_MODULES)
def test_the_verifier_needs_neither_numba_nor_a_library_of_proofs(module: str, checkout: Path) -> None:
    assert importlib.util.find_spec(module) is not None
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA, module],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_only_kernels_import_numba(python_files: dict[Path, str]) -> None:
    found = [
        f"{path}:{line}: {module}"
        for path, text in python_files.items()
        if path.parts[0] != "tests" and not any(fnmatch(path.name, pattern) for pattern in MAY_IMPORT_NUMBA)
        for line, module in imported_at_import(ast.parse(text))
        if module.partition(".")[0] in {"numba", "llvmlite"}
    ]
    assert found == []


def test_the_libraries_that_serve_as_oracles_are_never_imported_before_they_are_needed(
    python_files: dict[Path, str],
) -> None:
    found = [
        f"{path}:{line}: {module}"
        for path, text in python_files.items()
        if path.parts[0] != "tests"
        for line, module in imported_at_import(ast.parse(text))
        if module.partition(".")[0] in {"galois", "py_ecc", "matplotlib", "rich"}
    ]
    assert found == []


def test_the_rollup_uses_only_the_field_the_hash_the_curve_and_the_memory_of_the_prover(
    python_files: dict[Path, str],
) -> None:
    found = [
        f"{path}: {module}"
        for path, text in python_files.items()
        if path.parts[0] == "rollup"
        for node in ast.walk(ast.parse(text))
        for module in modules_of(node)
        if module == "prover" or (module.startswith("prover.") and not module.startswith(ROLLUP_MAY_USE))
    ]
    assert found == []


def imported_at_import(tree: ast.Module) -> list[tuple[int, str]]:
    """List the modules that are imported outside functions, with their lines."""
    found, waiting = [], list[ast.AST](tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        found += [(getattr(node, "lineno", 0), module) for module in modules_of(node)]
        waiting += ast.iter_child_nodes(node)
    return found


def modules_of(node: ast.AST) -> list[str]:
    """Name the modules that one statement imports; `from prover import merkle` names prover.merkle."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        if node.module == "prover":
            return [f"prover.{alias.name}" for alias in node.names]
        return [node.module]
    return []
