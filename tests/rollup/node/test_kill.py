"""SIGKILL at random instants under load: what the client holds an acknowledgement for is never lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from benchmarks.clearing_kill_run import KILLS, KillRun, LostError, kill_run

FEW = 5


def unheard(stage: str, part: float) -> None:
    pass


def test_no_acknowledged_order_is_lost_however_often_the_node_is_killed(tmp_path: Path) -> None:
    result = kill_run(tmp_path / "node", FEW, 11, unheard)
    assert result["restarted_at"] == sorted(result["restarted_at"])
    assert result["acknowledged"] > 20 * FEW
    assert result["lots_traded"] > 0


@pytest.mark.long
def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    result = kill_run(tmp_path / "node", KILLS, 12, unheard)
    assert result["acknowledged"] > 20 * KILLS


def test_the_referee_notices_an_order_that_is_gone(tmp_path: Path) -> None:
    run = KillRun(tmp_path / "node")
    while not run.referee.acknowledged:
        run.live(0.5)
    run.audit()
    connection = sqlite3.connect(tmp_path / "node" / "journal.sqlite")
    connection.execute("UPDATE entry SET payload = zeroblob(8) WHERE sequence = ?", (run.referee.last,))
    connection.commit()
    connection.close()
    with pytest.raises(
        LostError, match=f"input {run.referee.last} was acknowledged and is not in the journal"
    ):
        run.referee.check_journal(tmp_path / "node")
