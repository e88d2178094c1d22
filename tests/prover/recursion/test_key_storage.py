"""Keys on the disk: read again they prove the same, and whatever is wrong with a file, the key is made anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from prover.errors import ProofRefused, Reason
from prover.parameters import StarkParameters
from prover.recursion.prove import Form, RecursionKey, make_recursion_key, prove_recursion
from prover.recursion.storage import ENDING, DamagedKeyError, KeyFolder, read_keys, write_keys
from prover.stark.key import VerificationKey
from prover.stark.proving_key import StreamedCommitment
from tests.prover.recursion.small import KECCAK, POSEIDON, inner_key, inner_proof

INNER = "memory"


def small_key(form: Form, parameters: StarkParameters) -> RecursionKey:
    return make_recursion_key(
        [inner_key(INNER).verification], parameters, form=form, forwards_keys=True, threads=1
    )


@pytest.fixture(scope="module")
def wide() -> RecursionKey:
    return small_key(Form.WIDE, POSEIDON)


def under(key: RecursionKey) -> list[VerificationKey]:
    return [*key.inner]


def proved_the_same(one: RecursionKey, other: RecursionKey) -> bool:
    inner = inner_proof(INNER)
    statement = one.outer_statement([inner.statement])
    proofs = [prove_recursion(key, statement, [inner.messages], threads=1) for key in (one, other)]
    return proofs[0] == proofs[1]


@pytest.mark.parametrize(("form", "suite"), [(Form.WIDE, POSEIDON), (Form.TERMINAL, KECCAK)])
def test_a_key_with_a_tree_that_is_not_held_is_read_as_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form, suite: StarkParameters
) -> None:
    monkeypatch.setattr("prover.stark.proving_key.LEAST_STREAMED_LOG_SIZE", 0)
    key = small_key(form, replace(suite, log_blowup=3))
    assert isinstance(key.proving.preprocessed_commitment, StreamedCommitment)
    path = tmp_path / "a.keys"
    write_keys(path, [key])
    (read,) = read_keys(path, under(key))
    assert read.verification.digest == key.verification.digest
    assert proved_the_same(key, read)


def test_several_keys_stand_on_each_other(tmp_path: Path, wide: RecursionKey) -> None:
    path = tmp_path / "a.keys"
    write_keys(path, [wide, wide])
    first, second = read_keys(path, under(wide))
    assert first.inner == wide.inner
    assert second.inner == (first.verification,)
    assert proved_the_same(wide, first)


class Maker:
    """Hands a key out and counts how often."""

    def __init__(self, key: RecursionKey) -> None:
        self.key, self.count = key, 0

    def __call__(self) -> list[RecursionKey]:
        self.count += 1
        return [self.key]


def test_a_key_is_made_once(tmp_path: Path, wide: RecursionKey) -> None:
    said: list[str] = []
    maker = Maker(wide)
    for _ in range(2):
        (key,) = KeyFolder(tmp_path / "new", say=said.append).get("a", under(wide), maker)
        assert key.verification.digest == wide.verification.digest
    assert (maker.count, said) == (1, [])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def emptied(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut, flipped, emptied])
def test_a_damaged_file_is_made_anew_with_one_line(
    tmp_path: Path, wide: RecursionKey, damage: Callable[[bytes], bytes]
) -> None:
    said: list[str] = []
    folder, maker = KeyFolder(tmp_path, say=said.append), Maker(wide)
    folder.get("a", under(wide), maker)
    path = folder.path("a", under(wide))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedKeyError):
        read_keys(path, under(wide))
    folder.get("a", under(wide), maker)
    assert (maker.count, len(said)) == (2, 1)
    assert "is not used" in said[0] and "\n" not in said[0]
    read_keys(path, under(wide))


def test_a_key_other_than_the_pinned_one_is_made_anew_and_refused_if_it_is_again(
    tmp_path: Path, wide: RecursionKey
) -> None:
    said: list[str] = []
    folder, maker = KeyFolder(tmp_path, say=said.append), Maker(wide)
    folder.get("a", under(wide), maker)
    with pytest.raises(ProofRefused) as refusal:
        folder.get("a", under(wide), maker, lambda _: False)
    assert refusal.value.reason is Reason.WRONG_KEY
    assert maker.count == 2
    assert "not the key that is pinned" in said[0]


def test_another_inner_key_has_a_file_of_its_own(tmp_path: Path, wide: RecursionKey) -> None:
    folder = KeyFolder(tmp_path)
    verification = wide.inner[0]
    taller = replace(verification, log_heights=tuple(height + 1 for height in verification.log_heights))
    assert folder.path("a", [verification]) != folder.path("a", [taller])
    assert folder.path("a", [verification]) != folder.path("b", [verification])


def test_the_files_unused_for_longest_go_first(tmp_path: Path, wide: RecursionKey) -> None:
    """The newest always stays, and nothing that is not a key is touched."""
    sizes = {f"old{ENDING}": 300, f"new{ENDING}": 200, "other": 100}
    for name, age in sizes.items():
        path = tmp_path / name
        path.write_bytes(bytes(1000))
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    measured = tmp_path / "measured"
    write_keys(measured, [wide])
    folder = KeyFolder(tmp_path, most_bytes=measured.stat().st_size + 1500)
    folder.get("a", under(wide), Maker(wide))
    first = folder.path("a", under(wide))
    assert {path.name for path in tmp_path.glob(f"*{ENDING}")} == {first.name, f"new{ENDING}"}
    os.utime(first, (0, 0))
    folder.get("b", under(wide), Maker(wide))
    second = folder.path("b", under(wide))
    assert {path.name for path in tmp_path.glob(f"*{ENDING}")} == {second.name, f"new{ENDING}"}
    assert (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path: Path, wide: RecursionKey) -> None:
    said: list[str] = []
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    (key,) = KeyFolder(blocked, say=said.append).get("a", under(wide), Maker(wide))
    assert key is wide
    assert said and "is not kept" in said[-1]
