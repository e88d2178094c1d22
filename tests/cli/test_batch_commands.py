"""`prove`, `verify` and `inspect` on the files of a node that has closed one batch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from rollup.node.proofs import ProofShelf
from rollup.node.sequencer import Sequencer
from tests.cli.command_line import Desk
from tests.rollup.node.desk import ALICE, BOB, HandClock, ListQueue
from tests.rollup.node.desk import Desk as Market
from tests.rollup.node.test_sequencer import run, until


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose node closed a batch and stopped."""
    market, path = Market(), tmp_path_factory.mktemp("market")

    async def scene(sequencer: Sequencer, clock: HandClock, queue: ListQueue) -> None:
        for order in (market.buy(ALICE, 5, 3), market.sell(BOB, 5, 3)):
            await sequencer.submit(order)
        sequencer.close_batch()
        await until(lambda: sequencer.directory.checkpoints.batch(1) is not None)
        await asyncio.sleep(0)

    run(path / "node", scene)
    return path


@pytest.fixture
def desk(data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("CLEARING_DATA_DIR", str(data_dir))
    return Desk(data_dir, capsys)


def test_a_batch_is_inspected(desk: Desk) -> None:
    found = desk.done("inspect", "1")
    assert found["shape"] == "small"
    assert sum(table["cells"] for table in found["tables"]) == found["cells"]
    counts = {one["name"]: one["count"] for one in found["types"]}
    assert counts["Trade"] == 1
    assert counts["Deposit"] == 7
    trade = next(one for one in found["types"] if one["name"] == "Trade")
    assert trade["rows"]["signatures"] == 2 * 32
    shown = desk.run("inspect", "1")
    assert shown.code == 0
    assert "by type of transaction" in shown.out


def test_what_is_not_there_is_one_line(desk: Desk, tmp_path: Path) -> None:
    for command in ("prove", "inspect"):
        assert "there is no batch 9" in desk.refused(command, "9", code=2)
    elsewhere = str(tmp_path / "elsewhere")
    assert "no node's data" in desk.refused("prove", "1", "--data-dir", elsewhere, code=2)
    assert "no proof of batch 9" in desk.refused("verify", "9", code=2)
    assert "cannot read" in desk.refused("verify", "missing.proof", code=2)
    assert "no preset 'fast'" in desk.refused("prove", "1", "--preset", "fast", code=2)


def test_a_file_that_is_no_proof_is_refused(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "no.proof"
    path.write_bytes(b"not a proof")
    assert "not a proof file" in desk.refused("verify", str(path), code=2)


def test_a_batch_is_proved_and_its_proof_verified_against_what_is_meant(desk: Desk, tmp_path: Path) -> None:
    made = desk.done("prove", "1")
    path = ProofShelf(desk.data_dir / "node").path(1)
    assert made["file"] == str(path)
    assert made["proof_bytes"] == path.stat().st_size
    assert made["provable_bits"] >= 100
    kept = desk.done("verify", "1")
    assert kept["accepted"]
    assert kept["statement"] == made["statement"]
    root = made["statement"]["new_root"]
    assert desk.run("verify", str(path), "--new-root", root).code == 0
    other = "0x" + "11" * 32
    assert "new root" in desk.refused("verify", str(path), "--new-root", other, code=1)
    data = tmp_path / "other.batch"
    data.write_bytes(b"\0" * 26)
    assert "other data" in desk.refused("verify", str(path), "--batch-data", str(data), code=1)
    assert "provable bits" in desk.refused("verify", str(path), "--bits", "128", code=1)
    spoiled = bytearray(path.read_bytes())
    spoiled[-5] ^= 1
    forged = tmp_path / "forged.proof"
    forged.write_bytes(spoiled)
    ended = desk.run("verify", str(forged), "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["accepted"] is False
