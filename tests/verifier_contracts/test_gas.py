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
    GasRow,
    main,
    measure,
)
from tests.verifier_contracts.vault_bench import artifact

UNPRICED = {"cancel", "payExit"}
"""Entries that only free storage, and one that only the exit's contract calls."""


@pytest.fixture(scope="module")
def rows() -> list[GasRow]:
    return measure()


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


def test_the_command_rewrites_the_table_between_its_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, rows: list[GasRow], capsys: pytest.CaptureFixture[str]
) -> None:
    from pathlib import Path

    page = Path(str(tmp_path)) / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr("benchmarks.gas.README", page)
    monkeypatch.setattr("benchmarks.gas.measure", lambda: rows)
    assert main() == 0
    written = page.read_text(encoding="utf-8")
    assert written.startswith(f"before\n{BEGIN}\n| transaction |")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert capsys.readouterr().out.startswith(f"{len(rows)} transactions; the dearest is ")
