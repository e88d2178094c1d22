"""What `bench recursion` begins with, and what it says beside the proof: gas, spread over trades."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from click.testing import CliRunner

from benchmarks.recursion_base import prove_example, read_base
from benchmarks.recursion_bench import command, describe_result
from benchmarks.recursion_gas import GasTable
from prover.stark.verify import verify

TABLE = GasTable(
    gas_prove=6_000_000,
    gas_data=400_000,
    gas_prove_7976=7_000_000,
    gas_data_7976=900_000,
    gas_aggregate_4=6_200_000,
    gas_exit=2_000_000,
    evm_seconds=2.5,
)


def test_gas_is_spread_over_the_trades() -> None:
    assert TABLE.figures(64) == asdict(TABLE) | {
        "gas_per_trade": 100_000,
        "gas_per_trade_7976": 7_900_000 / 64,
        "gas_per_trade_of_4": 1_950_000 / 64,
    }


def test_a_base_proof_is_kept_and_read_again(tmp_path: Path) -> None:
    """In this process, with parameters for tests: what is measured are child processes."""
    statement, content, figures = prove_example("poseidon-batch", 8, "test-poseidon", 1)
    about = {"workload": "poseidon-batch", "log_size": 8, "parameters": "test-poseidon"}
    key = read_base(about, content, 1)
    assert (
        verify(key, statement, content, required_bits=0, accept_insecure=True).security.minimum
        == figures.bits
    )


def test_only_hashes_that_a_circuit_computes_are_measured() -> None:
    result = CliRunner().invoke(command, ["--preset", "keccak-100-rate-8"])
    assert result.exit_code == 2
    assert "a circuit verifies proofs with" in result.output.splitlines()[-1]


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
        "recursion_seconds_all": [4.0, 1.25],
        "recursion_cpu_seconds": 2.5,
        "key_seconds": 3.0,
        "key_read_seconds": 0.5,
        "key_file_bytes": 1 << 20,
        "terminal_proof_bytes": 101_972,
        "peak_rss_bytes": 1 << 30,
        "soundness_bits": 101.2,
        "seconds": {"fold": 0.5},
    }
    lines = describe_result(result)
    assert lines[2].split() == ["terminal", "131,072", "78", "1.25", "101,972", "103.3"]
    with_gas = describe_result(result | TABLE.figures(64))
    assert [line for line in with_gas if line not in lines] == [
        "  gas              6,000,000 to prove, 400,000 for the data, 100,000 a trade (123,438 by EIP-7976)",
        "                   6,200,000 to prove four batches, then 30,469 a trade; 2,000,000 to leave",
        "  embedded chain   2.50 s to verify the terminal proof",
    ]
