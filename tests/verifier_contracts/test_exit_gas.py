"""What leaving costs: below the limits, and in the README as it is measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.exit_gas import BEGIN, END, MEDIAN_EXIT, main, measure_exit
from benchmarks.gas import MAX_TRANSACTION_GAS, README, GasRow
from tests.verifier_contracts.vault_bench import artifact

AIM = 2_500_000
"""Gas of one exit."""

UNPRICED = {"announcePrice", "withdrawPrice", "adoptPrice"}
"""What the governor may never have to do; it writes one word."""


@pytest.fixture(scope="module")
def rows() -> list[GasRow]:
    return measure_exit()


def test_the_readme_lists_every_call_with_its_gas(rows: list[GasRow]) -> None:
    """To a thousandth: addresses with more or fewer zero bytes make calldata dearer or cheaper."""
    text = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    listed = re.findall(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in listed] == [row.transaction for row in rows], (
        "run `python -m benchmarks.exit_gas`"
    )
    for row, (_, gas, size) in zip(rows, listed, strict=True):
        assert int(size.replace(",", "")) == row.calldata_bytes
        assert int(gas.replace(",", "")) == pytest.approx(row.gas, rel=1e-3)


def test_an_exit_costs_less_than_its_aim(rows: list[GasRow]) -> None:
    assert max(row.gas for row in rows) < AIM < MAX_TRANSACTION_GAS
    assert MEDIAN_EXIT in {row.transaction for row in rows}


def test_every_call_of_the_exits_is_measured(rows: list[GasRow]) -> None:
    calls = {
        part["name"]
        for part in artifact("Exits").abi
        if part["type"] == "function" and part["stateMutability"] == "nonpayable"
    }
    assert {re.split(r"\W", row.transaction)[0] for row in rows} == calls - UNPRICED


def test_the_command_rewrites_its_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rows: list[GasRow], capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    page.write_text("no marks\n", encoding="utf-8")
    monkeypatch.setattr("benchmarks.exit_gas.README", page)
    monkeypatch.setattr("benchmarks.exit_gas.measure_exit", lambda: rows)
    assert main() == 1
    assert page.read_text(encoding="utf-8") == "no marks\n"
    assert capsys.readouterr().err == "README.md has no marks for the table\n"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert main() == 0
    written = page.read_text(encoding="utf-8")
    assert written.startswith(f"before\n{BEGIN}\n| transaction |")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert capsys.readouterr().out.startswith(f"{len(rows)} transactions; the dearest is takeCash")
