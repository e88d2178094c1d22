"""The measurement of batches gives every figure it promises, and its plots draw what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import batch_bench, peers_bench
from benchmarks.batch_bench import FLOORS, command, describe_result
from benchmarks.batch_plots import draw
from benchmarks.batch_run import cells_by_table, measure, prepare, seconds_by_table
from circuits.verifying import key_of_shape
from rollup.transactions import Trade

PROMISED = (
    "trades_per_second",
    "cells_per_trade",
    "cells_per_signature",
    "prove_seconds",
    "verify_seconds",
    "proof_bytes",
    "peak_rss_bytes",
    "latency_64_seconds",
    "cost_4096_over_512",
    "soundness_bits",
)


def made_up(trades: int) -> dict[str, Any]:
    """A measurement of one size, as a child prints it."""
    return {
        "trades": trades,
        "accounts": 1000,
        "shape": "large",
        "parameters": "keccak-100-rate-4",
        "threads": 2,
        "repeats": 3,
        "trades_per_second": 300.0,
        "prove_seconds": trades / 300 + 1,
        "prove_seconds_spread": [1.0, 2.0],
        "prove_seconds_first_run": 9.0,
        "seconds_by_stage": {"follow": 0.5, "fold": 0.25},
        "key_seconds": 1.0,
        "rules_seconds": 0.5,
        "cells": 1000,
        "cells_per_trade": 33_000.0,
        "cells_per_signature": 12_000.0,
        "cells_by_table": {"signatures": {"main": 900, "quotient": 100}},
        "seconds_by_table": {"signatures": 0.75},
        "proof_bytes": 1 << 20,
        "published_bytes": 26 * trades,
        "peak_rss_bytes": 1 << 30,
        "soundness_bits": {"minimum": 104.0, "minimum_without_grinding": 84.0},
        "verify_seconds": 0.5,
        "verify_seconds_cold": 0.75,
        "imports_and_key_seconds": 1.5,
        "mix": {
            "underlyings": 2,
            "expiries": 3,
            "series": 32,
            "median_positions": 6,
            "median_expiries": 3,
            "accounts_with_20_positions": 100,
        },
    }


@pytest.fixture
def without_children(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(trades: int, *settings: object, with_verifier: bool) -> dict[str, Any]:
        return made_up(trades)

    def proved(unit: str, seconds: float) -> dict[str, Any]:
        return {
            f"{unit}_per_second": 4.0,
            f"{unit}_per_proof": 4,
            "constraints": 17_000,
            "setup_seconds": 100.0,
            "seconds_per_proof": 1.0,
            "seconds_per_proof_spread": [1.0, 1.0],
            "proofs": int(seconds),
            "versions": {"circom": "2", "snarkjs": "0.7"},
        }

    monkeypatch.setattr(batch_bench, "measure_one", measured)
    monkeypatch.setattr(peers_bench, "measure_hashes", lambda seconds, **_: proved("hashes", seconds))
    monkeypatch.setattr(peers_bench, "measure_signatures", lambda seconds, **_: proved("signatures", seconds))


@pytest.mark.usefixtures("without_children")
def test_the_command_prints_everything_that_is_promised() -> None:
    ended = CliRunner().invoke(command, ["--json"])
    assert ended.exit_code == 0, ended.output
    result = json.loads(ended.stdout)
    assert set(PROMISED) <= set(result)
    assert set(FLOORS) <= set(result)
    assert [size["trades"] for size in result["sizes"]] == [64, 512, 4096]
    assert 0 < result["cost_4096_over_512"] < 1
    assert result["signatures_per_second_over_peer"] == pytest.approx(result["signatures_per_second"] / 4)
    assert result["peer_hashes"]["proofs"] == 60
    beside = CliRunner().invoke(command, ["--peer-seconds", "5"])
    assert "signatures a second 4.00" in beside.output
    shown = CliRunner().invoke(command, ["--trades", "100", "--alone"])
    assert shown.exit_code == 0, shown.output
    assert "circom" not in shown.output
    assert "cells a trade        33,000  (floor <= 40,000, aim 12,000)" in shown.output
    refused = CliRunner().invoke(command, ["--preset", "fast"])
    assert "no preset 'fast'" in refused.output


def test_seconds_are_shared_out_by_what_a_stage_works_on() -> None:
    key = key_of_shape("small", "keccak-100-rate-4")
    stages = {"commit to the quotient": 2.0, "evaluate the constraints": 3.0, "fold": 5.0}
    shares = seconds_by_table(key, stages)
    assert list(shares) == list(cells_by_table(key))
    assert sum(shares.values()) == pytest.approx(10.0)
    assert min(shares.values()) > 0
    # The range check has one rule and many rows; the signatures are most of what is evaluated.
    evaluated = seconds_by_table(key, {"evaluate the constraints": 1.0})
    assert evaluated["signatures"] > evaluated["range check"]


@pytest.mark.usefixtures("without_children")
def test_the_plots_are_drawn_from_what_is_kept(tmp_path: Path) -> None:
    assert draw(tmp_path) == []
    result = batch_bench.measure(4096, 1000, "keccak-100-rate-4", 2, 3)
    (tmp_path / "batch-keccak.json").write_text(json.dumps(result))
    (path,) = draw(tmp_path)
    assert path.read_text().startswith("<?xml")
    assert describe_result(result)


def test_a_trade_is_two_new_orders() -> None:
    work = prepare(8, 40)
    trades = [one for one in work.batch.transactions if isinstance(one, Trade)]
    orders = {order for trade in trades for order in (trade.buy.order, trade.sell.order)}
    assert len(trades) == 8
    assert len(orders) == 16


@pytest.mark.long
def test_a_batch_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "measured.proof"
    result = measure(4, 30, "keccak-100-rate-4", 2, 1, path)
    assert result["proof_bytes"] == path.stat().st_size
    assert result["cells"] == sum(
        sum(phases.values()) for phases in result["cells_by_table"].values()
    ) - 4 * (1 << 16)
    assert result["soundness_bits"]["minimum"] >= 100
    assert set(result["seconds_by_table"]) == set(result["cells_by_table"])
    shared = sum(result["seconds_by_table"].values())
    assert shared == pytest.approx(sum(result["seconds_by_stage"].values()))
