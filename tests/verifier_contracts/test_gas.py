"""Every transaction fits Ethereum's limits, and the table in the README lists them all."""

from __future__ import annotations

import re

import pytest

from benchmarks.gas import (
    BEGIN,
    END,
    ENVELOPE_BYTES,
    MAX_CHUNK_BYTES,
    MAX_TRANSACTION_BYTES,
    MAX_TRANSACTION_GAS,
    README,
    TRADES,
    TRADES_BEGIN,
    TRADES_END,
    GasRow,
    main,
    measure,
    measure_trades,
)
from tests.verifier_contracts.vault_bench import artifact

UNPRICED = {"cancel", "payExit"}
"""Entries that only free storage, and one that only the exit's contract calls."""


MOST_GAS_OF_A_TRADE = 4000


@pytest.fixture(scope="module")
def rows() -> list[GasRow]:
    return measure()


@pytest.fixture(scope="module")
def trades() -> list[GasRow]:
    return measure_trades()


def test_no_transaction_passes_the_gas_that_ethereum_allows(rows: list[GasRow]) -> None:
    assert [row.transaction for row in rows if row.gas >= MAX_TRANSACTION_GAS] == []


def test_no_transaction_is_longer_than_nodes_relay(rows: list[GasRow]) -> None:
    limit = MAX_TRANSACTION_BYTES - ENVELOPE_BYTES
    assert [row.transaction for row in rows if row.calldata_bytes >= limit] == []


def test_the_dearest_chunks_are_as_long_as_a_chunk_can_be(rows: list[GasRow]) -> None:
    largest = [row for row in rows if "112 KiB" in row.transaction]
    assert len(largest) == 3
    for row in largest:
        assert MAX_CHUNK_BYTES - 64 < row.calldata_bytes <= MAX_CHUNK_BYTES + 68


def test_every_entry_of_the_clearing_house_is_measured(rows: list[GasRow]) -> None:
    entries = {
        part["name"]
        for part in artifact("ClearingHouse").abi
        if part["type"] == "function" and part["stateMutability"] in {"nonpayable", "payable"}
    }
    measured = {re.split(r"\W", row.transaction)[0] for row in rows}
    assert measured == entries - UNPRICED


def test_the_readme_lists_every_measured_transaction(rows: list[GasRow]) -> None:
    """Its shape and not its figures: another compiler moves those, and `python -m benchmarks.gas` rewrites them."""
    table = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    listed = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \|$", table, re.MULTILINE)
    assert [name for name, _, _ in listed] == [row.transaction for row in rows]
    assert [int(size.replace(",", "")) for _, _, size in listed] == [row.calldata_bytes for row in rows]
    assert all(int(gas.replace(",", "")) < MAX_TRANSACTION_GAS for _, gas, _ in listed)


def test_a_batch_of_4096_trades_fits_ethereum_by_both_prices(trades: list[GasRow]) -> None:
    assert all(max(row.gas, row.repriced) < MAX_TRANSACTION_GAS for row in trades)
    assert all(row.calldata_bytes < MAX_TRANSACTION_BYTES - ENVELOPE_BYTES for row in trades)
    assert all(row.gas <= row.repriced for row in trades)


def test_a_trade_is_cheap_even_if_its_batch_is_proved_alone(trades: list[GasRow]) -> None:
    *published, single, together = trades
    assert sum(row.repriced for row in [*published, single]) < MOST_GAS_OF_A_TRADE * TRADES
    assert together.gas > single.gas


def test_the_readme_lists_what_4096_trades_cost(trades: list[GasRow]) -> None:
    table = README.read_text(encoding="utf-8").partition(TRADES_BEGIN)[2].partition(TRADES_END)[0]
    listed = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", table, re.MULTILINE)
    assert [(name, int(size.replace(",", ""))) for name, _, _, size in listed] == [
        (row.transaction, row.calldata_bytes) for row in trades
    ]
    totals = re.findall(r"^\| \*\*(a trade.*?)\*\* \| \*\*([\d,]+)\*\* \|", table, re.MULTILINE)
    assert [name for name, _ in totals] == ["a trade, proved alone", "a trade, four batches a proof"]


def test_the_readme_lists_every_step_of_the_verifier() -> None:
    from benchmarks import verifier_gas

    text = README.read_text(encoding="utf-8")
    table = text.partition(verifier_gas.BEGIN)[2].partition(verifier_gas.END)[0]
    listed = re.findall(r"^\| (.+?) \| ([\d,]+) \|$", table, re.MULTILINE)
    assert [name for name, _ in listed[1:-1]] == list(verifier_gas.STEPS.values())
    figures = [int(gas.replace(",", "")) for _, gas in listed]
    assert sum(figures[:-1]) == figures[-1]
    source = (README.parent / "src" / "StarkVerifier.sol").read_text(encoding="utf-8")
    assert [name for name in verifier_gas.STEPS if f"function {name}(" not in source] == ["run"]


def test_a_step_lasts_until_one_of_the_next_two_begins() -> None:
    from benchmarks.verifier_gas import gas_of_steps

    names = {1: "begin", 2: "product", 3: "absorbTheStatement", 4: "checkFold", 5: "fillHeights"}
    executed = [(1, 5), (2, 7), (3, 1), (1, 2), (4, 8), (5, 10), (9, 20)]
    assert gas_of_steps(names, executed) == {"begin": 12, "absorbTheStatement": 11, "fillHeights": 30}


def test_the_command_rewrites_the_table_between_its_marks(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    rows: list[GasRow],
    trades: list[GasRow],
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pathlib import Path

    page = Path(str(tmp_path)) / "README.md"
    page.write_text(
        f"before\n{BEGIN}\nold\n{END}\nbetween\n{TRADES_BEGIN}\nold\n{TRADES_END}\nafter\n", encoding="utf-8"
    )
    monkeypatch.setattr("benchmarks.gas.README", page)
    monkeypatch.setattr("benchmarks.gas.measure", lambda: rows)
    monkeypatch.setattr("benchmarks.gas.measure_trades", lambda: trades)
    assert main() == 0
    written = page.read_text(encoding="utf-8")
    assert written.startswith(f"before\n{BEGIN}\n| transaction |")
    assert f"{END}\nbetween\n{TRADES_BEGIN}\n| transaction |" in written
    assert written.endswith(f"{TRADES_END}\nafter\n")
    assert "old" not in written
    assert capsys.readouterr().out.startswith(f"{len(rows)} transactions; the dearest is ")
