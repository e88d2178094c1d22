"""The comparison with circom and snarkjs says why it is left out, and leaves nothing running."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from benchmarks import peers_bench
from benchmarks.peers import packages
from benchmarks.peers.children import complaint, run_limited
from benchmarks.peers.programs import HASHES, SIGNATURES, PeerProgram

PARENT_OF_A_SLEEPER = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("pid").write_text(str(child.pid))
time.sleep(60)
"""


def measured(**changes: Any) -> dict[str, Any]:
    """What the driver writes after a warm-up and three proofs."""
    return {
        "runs": [{"witness": w, "prove": p, "verify": 0.02} for w, p in ((5, 5), (1, 3), (1, 1), (2, 4))],
        "proof": {
            "pi_a": ["1", "2", "1"],
            "pi_b": [["1", "2"], ["3", "4"], ["1", "0"]],
            "pi_c": ["5", "6", "1"],
        },
        "threads": 2,
        "peak_rss_bytes": 2**28,
        "node": "v20",
    } | changes


def test_without_npm_the_reason_is_printed_and_the_exit_code_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    as_json = CliRunner().invoke(peers_bench.command, ["--json"])
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout) == {"skipped": "npm is not on this machine"}
    as_text = CliRunner().invoke(peers_bench.command, [])
    assert as_text.exit_code == 0
    assert as_text.stdout == "skipped: npm is not on this machine\n"


def test_npm_without_node_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: "npm" if tool == "npm" else None)
    assert peers_bench.measure() == {"skipped": "node is not on this machine"}


def test_packages_that_npm_cannot_fetch_are_a_reason_to_skip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_network(*_: object) -> str:
        raise click.ClickException("npm install failed: npm error code ENOTFOUND")

    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(packages, "run_limited", no_network)
    monkeypatch.setattr(peers_bench, "cache_folder", lambda: tmp_path / "cache" / "release")
    assert peers_bench.measure() == {"skipped": "npm install failed: npm error code ENOTFOUND"}
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_release_than_the_pinned_one_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def install_old(_command: object, folder: Path, _seconds: float) -> str:
        lay_out(folder, dict.fromkeys(packages.PACKAGES, "0.0.1"))
        return ""

    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(packages, "run_limited", install_old)
    with pytest.raises(packages.CannotInstallError, match="other releases"):
        packages.install(tmp_path / "release")
    assert not (tmp_path / "release").exists()


def test_the_pinned_releases_are_installed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = []

    def install_pinned(command: list[str], folder: Path, _seconds: float) -> str:
        commands.append(command)
        lay_out(folder, packages.PACKAGES)
        return ""

    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(packages, "run_limited", install_pinned)
    folder = tmp_path / "cache" / "release"
    assert not packages.is_installed(folder)
    packages.install(folder)
    packages.install(folder)
    assert packages.is_installed(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["release"]
    assert len(commands) == 1
    assert "--ignore-scripts" in commands[0]
    assert {f"{name}@{number}" for name, number in packages.PACKAGES.items()} <= set(commands[0])


def test_a_cache_folder_that_cannot_be_made_is_a_reason_to_skip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(packages.CannotInstallError, match="cache folder"):
        packages.install(tmp_path / "file" / "release")


def test_the_peers_are_kept_outside_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, checkout: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not packages.cache_folder().is_relative_to(checkout)
    assert all(number in packages.cache_folder().name for number in packages.PACKAGES.values())


@pytest.mark.parametrize(("constraints", "log_size"), [(240, 8), (3840, 12), (4094, 12), (4095, 13)])
def test_the_set_up_has_room_for_the_constraints_and_the_public_output(
    constraints: int, log_size: int
) -> None:
    assert peers_bench.setup_log_size(constraints) == log_size


def test_the_constraints_are_read_from_what_circom_prints() -> None:
    printed = (
        "template instances: 72\nnon-linear constraints: 3840\nlinear constraints: 5\npublic inputs: 0\n"
    )
    assert peers_bench.constraints_of(printed) == 3845
    with pytest.raises(click.ClickException, match="how many constraints"):
        peers_bench.constraints_of("Everything went okay\n")


def test_a_hash_costs_its_share_of_the_median_warm_proof() -> None:
    summary = peers_bench.summarise(measured(), 16)
    assert summary["proofs"] == 3
    assert summary["hashes_proved"] == 48
    assert summary["seconds_per_proof"] == 4
    assert summary["seconds_per_proof_spread"] == [2, 6]
    assert summary["seconds_first_proof"] == 10
    assert summary["hashes_per_second"] == 4
    assert summary["seconds_per_hash"] == 0.25
    assert summary["proof_bytes"] == 256


def test_the_figures_are_printed_with_what_they_can_be_compared_for() -> None:
    peer = peers_bench.summarise(measured(), 16) | {
        "hashes_per_proof": 16,
        "constraints": 3840,
        "setup_seconds": 60.0,
        "compile_seconds": 2.0,
        "versions": packages.PACKAGES | {"circom": "2.2.3", "node": "v20"},
    }
    own = {
        "log_size": 17,
        "parameters": "keccak-100-rate-2",
        "threads": 2,
        "seconds_per_hash": 2e-6,
        "hashes_per_second": 5e5,
        "proof_bytes": 300_000,
        "verify_seconds": 0.5,
    }
    lines = peers_bench.describe_result({"peer": peer, "own": own, "hashes_per_second_over_peer": 125_000.0})
    assert lines[-1] == peers_bench.STATEMENT
    assert "times as many hashes a second: 125,000" in lines
    assert "different permutations of comparable use" in peers_bench.STATEMENT


@pytest.mark.parametrize("program", [HASHES, SIGNATURES], ids=lambda program: program.name)
def test_a_circuit_takes_its_length_in_one_place(program: PeerProgram) -> None:
    assert program.circuit.count("LENGTH") == 1
    assert program.publics(7) == (7 if program is SIGNATURES else 1)


def test_a_signature_costs_its_share_of_the_median_warm_proof() -> None:
    summary = peers_bench.summarise(measured(), 4, SIGNATURES)
    assert summary["signatures_proved"] == 12
    assert summary["signatures_per_second"] == 1
    assert summary["seconds_per_signature"] == 1
    peer = summary | {
        "signatures_per_proof": 4,
        "constraints": 17_000,
        "setup_seconds": 90.0,
        "versions": packages.PACKAGES | {"circom": "2.2.3"},
    }
    lines = peers_bench.describe_signatures(peer)
    assert lines[-1] == "  signatures a second 1.00"
    assert peers_bench.describe_signatures({"skipped": "npm is not on this machine"}) == [
        "signatures of circom and snarkjs skipped: npm is not on this machine"
    ]


def test_a_program_over_its_time_ends_with_all_that_it_started(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="took more than 1 s"):
        run_limited([sys.executable, "-c", PARENT_OF_A_SLEEPER], tmp_path, 1)
    sleeper = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while is_running(sleeper) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(sleeper)


def test_a_program_that_fails_is_quoted_without_its_colours(tmp_path: Path) -> None:
    program = "print('start'); print('\\x1b[31m[ERROR]\\x1b[0m no such file'); raise SystemExit(1)"
    with pytest.raises(click.ClickException, match=r"failed: \[ERROR\] no such file$"):
        run_limited([sys.executable, "-c", program], tmp_path, 60)
    assert run_limited([sys.executable, "-c", "print('\\x1b[1mdone\\x1b[0m')"], tmp_path, 60) == "done\n"


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        ("one\ntwo\n", "two"),
        ("warn\nnpm error code E404\nnpm error 404\n", "npm error code E404"),
        ("", "it printed nothing"),
    ],
)
def test_the_complaint_is_the_first_line_about_an_error_or_else_the_last(printed: str, line: str) -> None:
    assert complaint(printed) == line


def lay_out(folder: Path, releases: dict[str, str]) -> None:
    """Make the folders that npm would make."""
    for name, number in releases.items():
        package = folder / "node_modules" / name
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"version": number}))


def is_running(process: int) -> bool:
    """Tell whether a process is there and is more than an entry nobody has collected."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
