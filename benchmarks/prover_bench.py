"""`bench prover`: how fast this machine proves, and what a proof costs to keep, to send and to check."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rollup.commands.terminal import json_option, print_json

PRESETS_BY_TREES = {"keccak": "keccak-100-rate-2", "poseidon": "poseidon-100-rate-2"}
"""Rate 1/2 costs the least to commit and is the default; the larger proof is still below its limit."""

FLOORS = {"keccak": 250_000, "poseidon": 80_000}
"""Permutations a second that 2^17 of them must reach on two cores."""


def run_child(module: str, *arguments: str) -> dict[str, Any]:
    """Run a measurement in a process of its own and read the one JSON object it prints."""
    command = [sys.executable, "-m", module, *arguments]
    home = Path(__file__).resolve().parent.parent
    finished = subprocess.run(command, capture_output=True, text=True, cwd=home, check=False)
    if finished.returncode != 0:
        lines = finished.stderr.strip().splitlines()
        raise click.ClickException(f"the measurement failed: {lines[-1] if lines else 'no output'}")
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def measure(
    workload: str, log_size: int, preset: str, threads: int, repeats: int, *, with_verifier: bool = True
) -> dict[str, Any]:
    """One full measurement: prove in one child, verify in another."""
    from benchmarks.machine import describe

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.proof"
        result = run_child(
            "benchmarks.prover_run",
            *("--workload", workload, "--log-size", str(log_size), "--preset", preset),
            *("--threads", str(threads), "--repeats", str(repeats), "--out", str(path)),
        )
        if with_verifier:
            result |= run_child("benchmarks.verify_run", str(path))
    return result | {"machine": asdict(describe())}


@click.command()
@click.option(
    "--workload", default="poseidon", show_default=True, help="poseidon, or an example circuit's name."
)
@click.option(
    "--log-size", default=17, show_default=True, type=click.IntRange(0, 22), help="log2 of the rows."
)
@click.option(
    "--trees",
    default="keccak",
    show_default=True,
    type=click.Choice(sorted(PRESETS_BY_TREES)),
    help="The hash of the commitments.",
)
@click.option("--preset", default=None, help="A preset by name instead of the default one for the trees.")
@click.option(
    "--threads", default=None, type=click.IntRange(1, 256), help="Default: as many as there are cores."
)
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Warm runs; the median counts.",
)
@json_option
def command(
    workload: str,
    log_size: int,
    trees: str,
    preset: str | None,
    threads: int | None,
    repeats: int,
    as_json: bool,
) -> None:
    """Prove a workload end to end (fill, commit, prove) and verify it in a fresh process without numba.

    \b
    Examples:
      clearing bench prover
      clearing bench prover --workload poseidon --log-size 17 --trees poseidon --json
      clearing bench prover --workload memory --log-size 14 --preset keccak-100-rate-4
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.field.threads import default_threads
    from prover.parameters import PRESETS

    name = "poseidon-batch" if workload == "poseidon" else workload
    if name not in EXAMPLES:
        raise click.UsageError(f"there is no workload {workload!r}, only poseidon, {', '.join(EXAMPLES)}")
    chosen = preset or PRESETS_BY_TREES[trees]
    if chosen not in PRESETS:
        raise click.UsageError(f"there is no preset {chosen!r}, only {', '.join(PRESETS)}")
    result = measure(name, log_size, chosen, threads or default_threads(), repeats)
    if as_json:
        print_json(result)
        return
    for line in describe_result(result):
        click.echo(line)


def describe_result(result: dict[str, Any]) -> list[str]:
    """The figures that people ask for, one a line."""
    bits = result["soundness_bits"]
    low, high = result["seconds_spread"]
    times = f"median of {result['repeats']}, {low:.3f} to {high:.3f}"
    over = f"{result['peak_over_extended_trace']:.2f} x the extended trace"
    apart = f"{result['baseline_rss_bytes'] / 2**20:,.0f} MiB before the first proof"
    lines = [
        f"{result['workload']}, 2^{result['log_size']} rows, {result['parameters']}, {result['threads']} threads",
        f"  proved in        {result['seconds_total']:.3f} s ({times})",
        f"  first run        {result['seconds_first_run']:.2f} s, kernels compiled or loaded",
        f"  rows a second    {result['permutations_per_second']:,.0f}",
        f"  cells a second   {result['cells_per_second']:,.0f}",
        f"  proof            {result['proof_bytes'] / 1024:,.0f} KiB",
        f"  peak memory      {result['peak_rss_bytes'] / 2**20:,.0f} MiB, {over}; {apart}",
        f"  provable bits    {bits['minimum']:.1f}, without grinding {bits['minimum_without_grinding']:.1f}",
    ]
    if "verify_seconds" in result:
        lines.append(f"  verified in      {result['verify_seconds']:.3f} s without numba")
    stages = {name: value for name, value in result["seconds"].items() if name != "total"}
    lines += [f"    {value:8.3f} s  {name}" for name, value in stages.items()]
    return lines
