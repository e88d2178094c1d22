"""The compiler decorators: where machine code is kept, and what happens where it cannot be."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest

from prover.field import compiler


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget for one test where the cache was found to be."""
    compiler.cache_folder.cache_clear()
    compiler.kernel_digest.cache_clear()


def increment(value: int) -> int:
    return value + 1


def test_machine_code_is_kept_in_a_folder_named_after_the_sources(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert compiler.cache_folder() == tmp_path / compiler.kernel_digest()
    assert compiler.kernel(increment)(41) == 42
    # Other packages' kernels do not land in our folder.
    assert str(tmp_path / compiler.kernel_digest()) != numba.config.CACHE_DIR
    if not numba.config.DISABLE_JIT:
        assert list((tmp_path / compiler.kernel_digest()).rglob("*.nbi"))
    compiler.cache_folder.cache_clear()


def test_an_edit_of_a_kernel_changes_the_folder(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "prover"
    (package / "field").mkdir(parents=True)
    kernel = package / "field" / "some_kernels.py"
    kernel.write_text("a = 1\n")
    monkeypatch.setattr(compiler, "__file__", str(package / "field" / "compiler.py"))
    first = compiler.kernel_digest()
    compiler.kernel_digest.cache_clear()
    assert compiler.kernel_digest() == first
    kernel.write_text("a = 2\n")
    compiler.kernel_digest.cache_clear()
    assert compiler.kernel_digest() != first
    compiler.kernel_digest.cache_clear()


def test_a_folder_that_cannot_be_written_to_falls_back_to_the_next_and_then_to_none(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A file where a folder should be cannot be made one, whatever rights the process has.
    blocked, usable = tmp_path / "file", tmp_path / "folder"
    blocked.write_text("")
    monkeypatch.setattr(compiler, "_candidates", lambda: iter([blocked, usable]))
    assert compiler.cache_folder() == usable / compiler.kernel_digest()
    compiler.cache_folder.cache_clear()
    monkeypatch.setattr(compiler, "_candidates", lambda: iter([blocked]))
    assert compiler.cache_folder() is None
    assert compiler.kernel(increment)(41) == 42
    compiler.cache_folder.cache_clear()


def test_the_checkout_comes_before_the_users_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    tree, user = compiler._candidates()
    assert tree == Path(compiler.__file__).parent / "__pycache__" / "kernels"
    assert user.name == "kernels"


def test_only_the_newest_folders_are_kept(
    fresh: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "something else").mkdir()
    for number in range(compiler.KEPT_FOLDERS + 3):
        (tmp_path / f"{number:016x}").mkdir()
    assert compiler.cache_folder() is not None
    folders = [path for path in tmp_path.iterdir() if len(path.name) == 16]
    assert len(folders) == compiler.KEPT_FOLDERS
    assert (tmp_path / "something else").is_dir()
    compiler.cache_folder.cache_clear()


def test_an_inlined_kernel_is_called_from_a_kernel() -> None:
    inner = compiler.inline_kernel(increment)
    assert inner(1) == 2
