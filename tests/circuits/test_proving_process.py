"""The process that a node starts: numbers in, proofs on the shelf, and one line for what cannot be proved."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from circuits.archived import follow_archived
from circuits.verifying import verification_key
from prover.stark.encoding import Reader, read_heading
from prover.stark.verify import verify
from rollup.node.archive import Archive
from rollup.node.proofs import ProofShelf
from rollup.node.sequencer import Sequencer
from rollup.node.storage import StorageError
from rollup.rebuild import rebuild_batch
from rollup.schnorr import SepticSchnorr
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


@pytest.mark.long
def test_the_process_proves_what_it_is_asked_for(folder: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "circuits.proving_process", str(folder)],
        input="2\n9\n",
        capture_output=True,
        text=True,
        cwd=HOME,
        check=True,
    )
    said = [json.loads(line) for line in finished.stdout.splitlines()]
    (proved,) = [line["proved"] for line in said if "proved" in line]
    assert [line["failed"] for line in said if "failed" in line] == [f"there is no batch 9 in {folder}"]
    shelf = ProofShelf(folder)
    report = shelf.report(2)
    assert report is not None
    assert report.seconds == proved["seconds"]
    content = shelf.path(2).read_bytes()
    statement = read_heading(Reader(content)).statement
    assert verify(verification_key(content), statement, content).security.minimum >= 100
