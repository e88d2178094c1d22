"""What `bench recursion` says beside the proof: gas, spread over trades, and one clear line for a bad table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.recursion_bench import command, describe_result
from benchmarks.recursion_gas import GasTable, GasTableError

TABLE = {
    "gas_prove": 6_000_000,
    "gas_data": 400_000,
    "gas_prove_7976": 7_000_000,
    "gas_data_7976": 900_000,
    "gas_aggregate_4": 6_200_000,
    "gas_exit": 2_000_000,
    "evm_seconds": 2.5,
}


def written(folder: Path, content: object) -> Path:
    path = folder / "gas.json"
    path.write_text(json.dumps(content))
    return path


def test_gas_is_spread_over_the_trades(tmp_path: Path) -> None:
    figures = GasTable.read(written(tmp_path, TABLE | {"another": 1})).figures(64)
    assert figures == TABLE | {"gas_per_trade": 100_000, "gas_per_trade_7976": 7_900_000 / 64}


@pytest.mark.parametrize("value", [0, -1, True, "6000000", None, 1.5])
def test_a_figure_that_is_no_positive_number_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(GasTableError, match="gas_data is not a positive number"):
        GasTable.read(written(tmp_path, TABLE | {"gas_data": value}))


@pytest.mark.parametrize(
    ("content", "said"), [([], "no JSON object"), ({}, "gas_prove is not a positive number")]
)
def test_a_file_without_a_table_gives_one_line(tmp_path: Path, content: object, said: str) -> None:
    path = written(tmp_path, content)
    result = CliRunner().invoke(command, ["--trades", "64", "--gas", str(path)])
    assert result.exit_code == 2
    assert said in result.output.splitlines()[-1]


def test_gas_goes_with_trades(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--gas", str(written(tmp_path, TABLE))])
    assert result.exit_code == 2
    assert "--gas goes with --trades" in result.output


def test_the_table_of_steps_has_rows_columns_seconds_and_bytes() -> None:
    step = {
        "name": "terminal",
        "rows": 131_072,
        "columns": 78,
        "seconds": 1.25,
        "bytes": 101_972,
        "bits": 103.3,
    }
    result = {
        "workload": "clearing-batch",
        "trades": 64,
        "parameters": "poseidon-100-rate-8",
        "threads": 2,
        "repeats": 1,
        "steps": [step],
        "recursion_seconds": 1.25,
        "recursion_cpu_seconds": 2.5,
        "key_seconds": 3.0,
        "terminal_proof_bytes": 101_972,
        "peak_rss_bytes": 1 << 30,
        "soundness_bits": 101.2,
        "seconds": {"fold": 0.5},
    }
    lines = describe_result(result)
    assert lines[2].split() == ["terminal", "131,072", "78", "1.25", "101,972", "103.3"]
    with_gas = describe_result(result | GasTable(**TABLE).figures(64))  # type: ignore[arg-type]  # figures of both kinds
    assert [line for line in with_gas if line not in lines] == [
        "  gas              6,000,000 to prove, 400,000 for the data, 100,000 a trade (123,438 by EIP-7976)",
        "                   6,200,000 to prove four batches, 2,000,000 to leave",
        "  embedded chain   2.50 s to verify the terminal proof",
    ]
