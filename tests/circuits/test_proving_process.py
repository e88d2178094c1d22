"""The process that a node starts: numbers in, proofs on the shelf, and one line for what cannot be proved."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from circuits.aggregation import FirstStep
from circuits.archived import follow_archived
from circuits.shelved import UnusableStepsError, bits_of, join_steps, kept_base, kept_step
from circuits.statement import BatchStatement
from circuits.verifying import verification_key
from prover.stark.encoding import Reader, read_heading
from prover.stark.verify import verify
from rollup.node.archive import Archive
from rollup.node.proofs import ProofReport, ProofShelf, StepReport
from rollup.node.sequencer import Sequencer
from rollup.node.storage import StorageError
from rollup.rebuild import rebuild_batch
from rollup.schnorr import SepticSchnorr
from rollup.state import Deployment
from rollup.units import Address, BatchNumber, ChainId, DataLength, QueuePosition, Time, Version
from tests.rollup.node.desk import ALICE, BOB, Desk, HandClock, ListQueue
from tests.rollup.node.test_sequencer import run, until

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's files with three batches."""
    desk, path = Desk(), tmp_path_factory.mktemp("node")

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for slot in (1, 2, 3):
            for order in (desk.buy(ALICE, 5, slot, slot=slot), desk.sell(BOB, 5, slot, slot=slot)):
                await sequencer.submit(order)
            sequencer.close_batch()
            await until(lambda slot=slot: sequencer.directory.checkpoints.batch(slot) is not None)  # type: ignore[misc]
        await asyncio.sleep(0)

    run(path, scene)
    return path


def test_every_batch_is_read_with_the_state_that_it_found(folder: Path) -> None:
    with Archive(folder) as archive:
        assert archive.last_number() == 3
        state = archive.checkpoints.genesis()
        for number in (1, 2, 3):
            found = archive.batch(number)
            assert found.before.all_leaves() == state.all_leaves()
            state = rebuild_batch(state, found.stored.published, SepticSchnorr())
        with pytest.raises(StorageError, match="no batch 4"):
            archive.batch(4)
    with pytest.raises(StorageError, match="no node's data"):
        Archive(folder / "nowhere")


def test_a_batch_is_followed_from_the_files_alone(folder: Path) -> None:
    followed = follow_archived(folder, 3)
    assert followed.needed["trades"] == 1
    with Archive(folder) as archive:
        earlier = archive.batch(2)
    assert followed.tree_before.root == earlier.stored.root


def test_a_state_that_is_not_the_batchs_own_is_noticed(folder: Path) -> None:
    from dataclasses import replace

    from circuits.archived import empty_tree

    with Archive(folder) as archive:
        third = archive.batch(3)
        second = archive.batch(2)
    with pytest.raises(StorageError, match="does not hash to its root"):
        replace(third, before=second.before).tree(empty_tree())


def process(folder: Path) -> subprocess.Popen[str]:
    """A prover's process, as a node starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "circuits.proving_process", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HOME,
    )


def answer(running: subprocess.Popen[str], line: str) -> dict[str, Any]:
    """What becomes of one line; the stages on the way are left out."""
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write(f"{line}\n")
    running.stdin.flush()
    while "stage" in (said := json.loads(running.stdout.readline())):
        pass
    return dict(said)


def test_the_process_says_in_a_line_what_cannot_be_proved_and_ends_with_its_node(folder: Path) -> None:
    with process(folder) as running:
        assert answer(running, "prove 9") == {"failed": f"there is no batch 9 in {folder}"}
        assert answer(running, "join 8 9") == {"unusable": [8, 9]}
        assert running.stdin is not None
        running.stdin.write("prove 1\n")
        running.stdin.close()
        assert running.wait(60) == 0
    assert not ProofShelf(folder).has(1)


@pytest.mark.long
def test_the_process_proves_batches_and_joins_them_for_the_contract(folder: Path) -> None:
    """Base proofs, first steps and one terminal proof, as a node asks for them; the contract's side is not here."""
    asked = ["prove 2", "prove 3", "prove 9", "join 2 3", "join 1 2"]
    with process(folder) as running:
        said = [answer(running, line) for line in asked]
    assert [next(iter(line)) for line in said] == ["seconds", "seconds", "failed", "seconds", "unusable"]
    assert said[2]["failed"] == f"there is no batch 9 in {folder}"
    assert said[4]["unusable"] == [1]
    shelf = ProofShelf(folder)
    content = shelf.path(2).read_bytes()
    statement = read_heading(Reader(content)).statement
    assert verify(verification_key(content), statement, content).security.minimum >= 100
    kept = kept_base(shelf, 2)
    assert kept is not None and kept.statement.elements == statement
    report = shelf.terminal_after(1)
    assert report is not None and (report.first, report.last) == (2, 3)
    assert report.provable_bits >= 100
    assert report.proof_bytes == shelf.terminal_path(2, 3).stat().st_size


def test_what_other_circuits_made_is_not_used(tmp_path: Path) -> None:
    shelf = ProofShelf(tmp_path)
    assert kept_base(shelf, 1) is None
    assert kept_step(shelf, 1) is None
    shelf.keep(b"not a proof", ProofReport(1, 1.0, 11, 100.0, "small", "a preset"))
    assert kept_base(shelf, 1) is None
    for spelled in (b"", b"{}\n", b'{"shape": "tiny", "words": []}\nproof'):
        shelf.keep_step(spelled, StepReport(1, 1.0, len(spelled), 100.0))
        assert kept_step(shelf, 1) is None
    with pytest.raises(UnusableStepsError, match=r"the first steps of batches \[1, 2\] cannot be used"):
        join_steps(tmp_path, 1, 2)


STATEMENT = BatchStatement(
    Deployment(ChainId(31337), Address(1 << 150)),
    BatchNumber(70_000),
    tuple(range(8)),
    tuple(range(8, 16)),
    DataLength(30),
    tuple(range(16, 24)),
    tuple(range(5)),
    tuple(range(5, 10)),
    QueuePosition(1),
    QueuePosition(1 << 20),
    Time(1 << 40),
    Version(3),
)


def test_a_statement_is_read_back_from_its_public_values() -> None:
    assert BatchStatement.from_elements(STATEMENT.elements) == STATEMENT


def test_a_first_step_that_is_no_proof_is_not_used(tmp_path: Path) -> None:
    shelf = ProofShelf(tmp_path)
    step = FirstStep(STATEMENT, "small", b"not a proof")
    shelf.keep_step(step.to_bytes(), StepReport(70_000, 1.0, 1, 100.0))
    assert FirstStep.from_bytes(shelf.step_path(70_000).read_bytes()) == step
    assert kept_step(shelf, 70_000) is None


def test_the_bits_of_all_proofs_together_are_fewer_the_more_are_joined() -> None:
    step = FirstStep(STATEMENT, "small", b"")
    alone, eight = (bits_of([step] * count, []) for count in (1, 8))
    assert alone > 103
    assert alone - 3.01 < eight < alone - 2.99
