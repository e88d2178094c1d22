"""Proofs on the disk: a file each, and beside it what making it took.

DIR/proofs/12.proof        the base proof of batch 12
DIR/proofs/12.step         the first step of its recursion: that the base proof verifies
DIR/proofs/5-8.terminal    one proof of batches 5 to 8, as the contract takes it
DIR/proofs/*.json          seconds, bytes, bits, and for the contract the keys

The JSON is written first and a proof is there as a whole or not at all, so whatever dies, no proof lacks its words.
What the contract has accepted long ago is thrown away; the JSON, some hundred bytes, stays and tells what it took.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

LONGEST: Final = 8
"""Batches that one terminal proof can join: the contract has so many slots."""


@dataclass(frozen=True, slots=True)
class ProofReport:
    """What is told of a base proof that was made."""

    number: int
    seconds: float
    """From the stored batch to the proof, the key left out."""
    proof_bytes: int
    provable_bits: float
    shape: str
    parameters: str


@dataclass(frozen=True, slots=True)
class StepReport:
    """What is told of a batch's first step."""

    number: int
    seconds: float
    """From the base proof to this one."""
    proof_bytes: int
    provable_bits: float


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """A key of the recursion as the contract knows it: its digest and its preprocessed root, words of 256 bits."""

    digest: int
    root: int

    @classmethod
    def parse(cls, spelled: Sequence[str]) -> KeyIdentity:
        """Out of two hexadecimal words."""
        digest, root = (int(word, 16) for word in spelled)
        return cls(digest, root)

    def spelled(self) -> list[str]:
        """Two hexadecimal words."""
        return [f"0x{self.digest:064x}", f"0x{self.root:064x}"]


@dataclass(frozen=True, slots=True)
class MadeStep:
    """One proof on the way from first steps to the contract."""

    name: str
    seconds: float
    proof_bytes: int
    rows: int
    columns: int
    bits: float


@dataclass(frozen=True, slots=True)
class TerminalReport:
    """What is told of a terminal proof, and what the contract is told with it."""

    first: int
    last: int
    seconds: float
    """From the first steps to the terminal proof."""
    proof_bytes: int
    provable_bits: float
    """Of all proofs together, from the base proofs on."""
    keys: tuple[KeyIdentity, ...]
    """The first step of each batch."""
    last_key: KeyIdentity
    """The step that the terminal proof verifies."""
    steps: tuple[MadeStep, ...]

    @property
    def count(self) -> int:
        """How many batches are proved."""
        return self.last - self.first + 1

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> TerminalReport:
        """Read what `asdict` has spelled."""
        plain = dict(fields)
        plain["keys"] = tuple(KeyIdentity(**key) for key in plain["keys"])
        plain["last_key"] = KeyIdentity(**plain["last_key"])
        plain["steps"] = tuple(MadeStep(**step) for step in plain["steps"])
        return cls(**plain)


class ProofShelf:
    """The proofs of one node's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "proofs"

    # ------------------------------------------------------------------------------------------- base proofs

    def path(self, number: int) -> Path:
        """Where a batch's base proof is, or will be."""
        return self.folder / f"{number}.proof"

    def has(self, number: int) -> bool:
        """Whether a batch has its base proof."""
        return self.path(number).exists()

    def keep(self, content: bytes, report: ProofReport) -> Path:
        """Write a base proof down; a crash leaves the whole of it or nothing."""
        return self._keep(self.path(report.number), content, asdict(report))

    def report(self, number: int) -> ProofReport | None:
        """Read what a base proof took, also of one that is gone; None where none was, or nobody can read it."""
        found = self._report(self.path(number))
        try:
            return None if found is None else ProofReport(**found)
        except TypeError:
            return None

    # ------------------------------------------------------------------------------------------- first steps

    def step_path(self, number: int) -> Path:
        """Where a batch's first step is, or will be."""
        return self.folder / f"{number}.step"

    def steps(self) -> set[int]:
        """Batches whose first step is here."""
        return {int(path.stem) for path in self.folder.glob("*.step") if path.stem.isdecimal()}

    def has_step(self, number: int) -> bool:
        """Whether a batch's first step is here."""
        return self.step_path(number).exists()

    def keep_step(self, content: bytes, report: StepReport) -> Path:
        """Write a first step down."""
        return self._keep(self.step_path(report.number), content, asdict(report))

    def step_report(self, number: int) -> StepReport | None:
        """Read what a first step took; it is told of one, too, that was joined and is gone."""
        found = self._report(self.step_path(number))
        try:
            return None if found is None else StepReport(**found)
        except TypeError:
            return None

    def drop_step(self, number: int) -> None:
        """Remove a first step that nobody needs any more, or nobody can use."""
        self.step_path(number).unlink(missing_ok=True)

    # --------------------------------------------------------------------------------------- terminal proofs

    def terminal_path(self, first: int, last: int) -> Path:
        """Where the terminal proof of these batches is, or will be."""
        return self.folder / f"{first}-{last}.terminal"

    def terminals(self) -> set[tuple[int, int]]:
        """First and last batch of every terminal proof that is here."""
        found = set()
        for path in self.folder.glob("*.terminal"):
            first, _, last = path.stem.partition("-")
            if first.isdecimal() and last.isdecimal():
                found.add((int(first), int(last)))
        return found

    def keep_terminal(self, content: bytes, report: TerminalReport) -> Path:
        """Write a terminal proof down."""
        return self._keep(self.terminal_path(report.first, report.last), content, asdict(report))

    def terminal_report(self, first: int, last: int) -> TerminalReport | None:
        """Read what a terminal proof took, and what the contract is told with it."""
        path = self.terminal_path(first, last)
        found = self._report(path) if path.exists() else None
        try:
            return None if found is None else TerminalReport.read(found)
        except (TypeError, KeyError):
            return None

    def terminal_after(self, number: int) -> TerminalReport | None:
        """The terminal proof that goes on right behind a batch; the longest, if there are several."""
        # A folder of many proofs is not read for it: it is asked for twice a second.
        for last in range(number + LONGEST, number, -1):
            report = self.terminal_report(number + 1, last)
            if report is not None:
                return report
        return None

    # ---------------------------------------------------------------------------------------------- the files

    def forget(self, last: int) -> int:
        """Throw away every proof that is of no batch behind `last`; how many those were."""
        old = [
            path for path in self.folder.glob("*.proof") if path.stem.isdecimal() and int(path.stem) <= last
        ]
        old += [self.step_path(number) for number in self.steps() if number <= last]
        old += [self.terminal_path(*batches) for batches in self.terminals() if batches[1] <= last]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _keep(self, path: Path, content: bytes, report: Mapping[str, Any]) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(_words_of(path), json.dumps(report).encode())
        _replace(path, content)
        return path

    def _report(self, path: Path) -> dict[str, Any] | None:
        try:
            found = json.loads(_words_of(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def covered_until(accepted: int, terminals: Sequence[tuple[int, int]] | set[tuple[int, int]]) -> int:
    """The last batch of the unbroken row of terminal proofs that begins right behind what the contract has accepted."""
    longest: dict[int, int] = {}
    for first, last in terminals:
        longest[first] = max(last, longest.get(first, 0))
    reached = accepted
    while (last := longest.get(reached + 1, 0)) > reached:
        reached = last
    return reached


def _words_of(path: Path) -> Path:
    """Where it is written what a proof took: 12.json, 12.step.json, 5-8.terminal.json."""
    return path.with_suffix(".json") if path.suffix == ".proof" else path.with_name(f"{path.name}.json")


def _replace(path: Path, content: bytes) -> None:
    """Put a file in its place when all of it is on the disk."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
