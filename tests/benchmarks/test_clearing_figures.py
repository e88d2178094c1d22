"""The clearing measurements run, on a workload small enough for a test, and give every figure they promise."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import clearing_figures
from benchmarks.clearing_bench import FIGURES, command, describe_result
from benchmarks.clearing_workload import Market
from rollup.node.inputs import InputKind
from rollup.node.leaf_bytes import decode_leaf
from rollup.state import Account, OrderSlot

SEED = 5


@pytest.fixture(autouse=True)
def few_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clearing_figures, "TRADES", 64)


def test_the_rules_are_measured_on_good_trades_and_their_bytes_are_counted() -> None:
    figures = clearing_figures.trades_and_signatures(SEED)
    assert figures["trades_applied_per_second"] > 0
    assert figures["signature_verifications_per_second"] > 0
    # 26 bytes a trade, and a batch's header, deposits and withdrawals on few of them.
    assert 26 < figures["l1_bytes_per_trade"] < 26 + (26 + 20 * (68 + 12 + 28)) / 64 + 1
    assert figures["mix"]["series"] == 32


def test_the_tree_is_measured() -> None:
    figures = clearing_figures.tree_figures(SEED, accounts=1200)
    assert set(figures) == {"tree_build_seconds", "tree_update_ms"}
    assert min(figures.values()) > 0


def test_admission_is_measured_on_orders_that_are_all_taken() -> None:
    assert clearing_figures.admission(SEED, count=64)["orders_admitted_per_second"] > 0


def test_a_history_written_by_a_script_has_the_rows_of_a_real_node(tmp_path: Path) -> None:
    """The same tables, kinds, lengths: what a restart reads of the one is what it reads of the other."""
    market = Market(SEED, 100)
    signed = market.signed([order for pair in market.pairs(200) for order in pair])
    asyncio.run(clearing_figures.admit_everything(tmp_path / "real", market, signed, 50))
    state = clearing_figures.large_state(market, 1200)
    clearing_figures.write_history(tmp_path / "script", market, state, 200)
    real, script = (_rows(tmp_path / name) for name in ("real", "script"))
    assert real.tables == script.tables
    assert real.order_bytes == script.order_bytes
    assert real.source_bytes == script.source_bytes
    assert real.leaf_kinds >= script.leaf_kinds > {"Account", "OrderSlot"}
    assert real.slot_bytes == script.slot_bytes
    # Of accounts only the number of positions differs; the script's hold six, as the market's median does in the end.
    empty = min(real.account_bytes)
    assert {(length - empty) % 12 for length in real.account_bytes | script.account_bytes} == {0}
    assert script.account_bytes == {empty, empty + 6 * 12}
    assert script.published_per_trade == pytest.approx(26, rel=0.02)


@dataclass(frozen=True)
class Rows:
    """What is compared of a node's files."""

    tables: set[str]
    order_bytes: set[int]
    source_bytes: set[float]
    leaf_kinds: set[str]
    slot_bytes: set[int]
    account_bytes: set[int]
    published_per_trade: float


def _rows(folder: Path) -> Rows:
    journal, checkpoint = (sqlite3.connect(folder / f"{name}.sqlite") for name in ("journal", "checkpoint"))
    with closing(journal), closing(checkpoint):
        tables = {
            sql for one in (journal, checkpoint) for (sql,) in one.execute("SELECT sql FROM sqlite_master")
        }
        orders = journal.execute("SELECT length(payload) FROM entry WHERE kind = ?", (InputKind.ORDER,))
        order_bytes = {length for (length,) in orders}
        batches = checkpoint.execute(
            "SELECT length(sources), length(published), transactions FROM batch"
        ).fetchall()
        leaves = [
            (decode_leaf(encoded), len(encoded))
            for (encoded,) in checkpoint.execute("SELECT encoded FROM leaf")
        ]
    return Rows(
        tables,
        order_bytes,
        {sources / trades for sources, _, trades in batches if trades},
        {type(leaf).__name__ for leaf, _ in leaves},
        {length for leaf, length in leaves if isinstance(leaf, OrderSlot)},
        {length for leaf, length in leaves if isinstance(leaf, Account)},
        sum(published for _, published, _ in batches) / sum(trades for _, _, trades in batches),
    )


@pytest.mark.long
def test_acknowledgements_and_a_restart_are_measured_in_processes_of_their_own() -> None:
    result = clearing_figures.acknowledgement(SEED, 50.0, 2.0)
    assert result["load"]["sent"] == 100
    assert result["ack_p99_ms"] >= result["load"]["p50_ms"]
    assert clearing_figures.admission_over_http(SEED, 1.0)["orders_over_http_per_second"] > 0
    restart = clearing_figures.restart(SEED, trades=200, accounts=1200)
    assert 0 < restart["restart_seconds"] < restart["restart_with_interpreter_seconds"]


def test_the_command_prints_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"ack_p99_ms": 4.25}

    def over_http(seed: int) -> dict[str, float]:
        return {"orders_over_http_per_second": 1000.0}

    def acknowledgement(seed: int, rate: float, seconds: float) -> dict[str, float]:
        return measured | {"ack_rate_per_second": rate}

    monkeypatch.setattr(clearing_figures, "admission_over_http", over_http)
    monkeypatch.setattr(clearing_figures, "acknowledgement", acknowledgement)
    half = CliRunner().invoke(command, ["--only", "acknowledgement", "--json"])
    assert half.exit_code == 0
    assert '"ack_rate_per_second": 500.0' in half.output
    named = CliRunner().invoke(command, ["--only", "acknowledgement", "--rate", "300"])
    assert "300.00  arrivals a second" in named.output
    assert all(FIGURES.values())
    assert describe_result({"restart_seconds": 1.5})[0].startswith("        1.50  restart")
