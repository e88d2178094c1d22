"""`bench batch`: how fast whole batches are proved, what a trade costs, and how long a proof takes to check."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.all_bench import RESULTS, write
from benchmarks.prover_bench import run_child
from rollup.commands.terminal import json_option, print_json, progress_on_stderr

PRESETS_BY_TREES = {"keccak": "keccak-100-rate-4", "poseidon": "poseidon-100-rate-4"}
"""A batch has thousands of columns: at rate 1/4 half as many rows of them are opened as at rate 1/2."""

FLOORS = {
    "trades_per_second": (">=", 300, 1_000),
    "cells_per_trade": ("<=", 40_000, 12_000),
    "cells_per_signature": ("<=", 15_000, 4_000),
    "latency_64_seconds": ("<=", 3.0, 1.0),
    "verify_seconds": ("<=", 1.5, 0.5),
    "peak_rss_bytes": ("<=", 12 << 30, 6 << 30),
    "cost_4096_over_512": ("<=", 1.0, 0.8),
}
"""What 4,096 trades of 1,000 accounts must reach on two cores, and what they should."""

LATENCY, SMALLER, LARGEST = 64, 512, 4096
"""The batches that are compared: one for latency, and two for the cost of a trade."""


def measure_one(
    trades: int, accounts: int, preset: str, threads: int, repeats: int, *, with_verifier: bool
) -> dict[str, Any]:
    """One batch: proved in one child, verified in another that has no numba."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.proof"
        result = run_child(
            "benchmarks.batch_run",
            *("--trades", str(trades), "--accounts", str(accounts), "--preset", preset),
            *("--threads", str(threads), "--repeats", str(repeats), "--out", str(path)),
        )
        if with_verifier:
            result |= run_child("benchmarks.verify_run", str(path))
    return result


def measure(
    trades: int,
    accounts: int,
    preset: str,
    threads: int,
    repeats: int,
    *,
    is_alone: bool = False,
    peer_seconds: float = 0.0,
    show: Callable[[str, float], None] = lambda _stage, _fraction: None,
) -> dict[str, Any]:
    """The batch that is asked for and, unless alone, those that it is compared with.

    With `peer_seconds` hashes and signature checks of circom and snarkjs are proved for so long each.
    """
    from benchmarks.machine import describe
    from benchmarks.peers_bench import measure_hashes, measure_signatures

    asked = {trades} if is_alone else {LATENCY, SMALLER, trades}
    runs = {
        size: measure_one(size, accounts, preset, threads, repeats, with_verifier=size == trades)
        for size in sorted(asked)
    }
    result = runs[trades]
    sizes = [
        {
            name: run[name]
            for name in (
                "trades",
                "shape",
                "prove_seconds",
                "prove_seconds_spread",
                "cells_per_trade",
                "peak_rss_bytes",
                "proof_bytes",
                "seconds_by_stage",
            )
        }
        for run in runs.values()
    ]
    latency = runs[LATENCY]["prove_seconds"] if LATENCY in runs else None
    ratio = None
    if SMALLER in runs:
        ratio = (result["prove_seconds"] / trades) / (runs[SMALLER]["prove_seconds"] / SMALLER)
    signatures = 2 * trades / result["prove_seconds"]
    peers: dict[str, Any] = {}
    if peer_seconds:
        peers["peer_hashes"] = measure_hashes(peer_seconds, show=show)
        peer = peers["peer_signatures"] = measure_signatures(peer_seconds, show=show)
        if "signatures_per_second" in peer:
            peers["signatures_per_second_over_peer"] = signatures / peer["signatures_per_second"]
    return result | {
        **peers,
        "signatures_per_second": signatures,
        "latency_64_seconds": latency,
        "cost_over_512": ratio,
        "cost_4096_over_512": ratio if trades == LARGEST else None,
        "sizes": sizes,
        "machine": asdict(describe()),
    }


@click.command()
@click.option(
    "--trades", default=LARGEST, show_default=True, type=click.IntRange(1, LARGEST), help="In the batch."
)
@click.option(
    "--accounts",
    default=1000,
    show_default=True,
    type=click.IntRange(21, 1000),
    help="Among which they are made.",
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
    default=3,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Warm proofs; the median counts.",
)
@click.option("--alone", is_flag=True, help="This batch only, without those of 64 and 512 trades beside it.")
@click.option(
    "--peer-seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="How long circom and snarkjs prove hashes, then signatures, beside it; 0 or --alone: not at all.",
)
@click.option("--keep", is_flag=True, help="Keep the result in benchmarks/results and draw the plots anew.")
@json_option
def command(
    trades: int,
    accounts: int,
    trees: str,
    preset: str | None,
    threads: int | None,
    repeats: int,
    alone: bool,
    peer_seconds: float,
    keep: bool,
    as_json: bool,
) -> None:
    """Prove a clearing batch end to end, and verify it in a fresh process without numba.

    A trade is two orders that were never seen before, each with its signature, so two signatures are proved for it.
    The seconds of a proof include its witness, from the rules' events to the traces; the key is made beforehand.
    Beside it a batch of 64 trades is timed (latency), and one of 512 (what a trade costs in a smaller batch).
    Then circom 2 and snarkjs prove hashes and EdDSA checks, where npm is there to bring them.

    \b
    Examples:
      clearing bench batch
      clearing bench batch --trades 4096 --accounts 1000 --trees poseidon --json
      clearing bench batch --trades 64 --accounts 100 --alone
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.batch_plots import draw
    from prover.field.threads import default_threads
    from prover.parameters import PRESETS

    chosen = preset or PRESETS_BY_TREES[trees]
    if chosen not in PRESETS:
        raise click.UsageError(f"there is no preset {chosen!r}, only {', '.join(PRESETS)}")
    with progress_on_stderr() as show:
        show("measure", 0.0)
        result = measure(
            trades,
            accounts,
            chosen,
            threads or default_threads(),
            repeats,
            is_alone=alone,
            peer_seconds=0.0 if alone else peer_seconds,
            show=show,
        )
    if keep:
        write(f"batch-{PRESETS[chosen].suite.name.split('_')[0].lower()}", result, RESULTS)
        draw(RESULTS)
    if as_json:
        print_json(result)
        return
    for line in describe_result(result):
        click.echo(line)


def describe_result(result: dict[str, Any]) -> list[str]:
    """The figures that people ask for, one a line, then the tables and stages."""
    bits = result["soundness_bits"]
    low, high = result["prove_seconds_spread"]
    asked = f"{result['trades']:,} trades among {result['accounts']:,} accounts"
    times = f"median of {result['repeats']}, {low:.3f} to {high:.3f}, witness included"
    lines = [
        f"{asked}, shape {result['shape']}, {result['parameters']}, {result['threads']} threads",
        f"  proved in            {result['prove_seconds']:.3f} s ({times})",
        f"  trades a second      {result['trades_per_second']:,.0f}{_floor('trades_per_second')}",
        f"  cells a trade        {result['cells_per_trade']:,.0f}{_floor('cells_per_trade')}",
        f"  cells a signature    {result['cells_per_signature']:,.0f}{_floor('cells_per_signature')}",
        f"  proof                {result['proof_bytes'] / 1024:,.0f} KiB",
        f"  published            {result['published_bytes'] / result['trades']:,.1f} bytes a trade",
        f"  peak memory          {result['peak_rss_bytes'] / 2**20:,.0f} MiB",
        f"  key, made beforehand {result['key_seconds']:.2f} s; rules applied in {result['rules_seconds']:.2f} s",
        f"  first run            {result['prove_seconds_first_run']:.2f} s, kernels compiled or loaded",
        f"  provable bits        {bits['minimum']:.1f}, without grinding {bits['minimum_without_grinding']:.1f}",
    ]
    if "verify_seconds" in result:
        cold = result["verify_seconds_cold"] + result["imports_and_key_seconds"]
        lines.append(
            f"  verified in          {result['verify_seconds']:.3f} s without numba,"
            f" {cold:.2f} s from the start of the process"
        )
    if result["latency_64_seconds"] is not None:
        lines.append(f"  64 trades in         {result['latency_64_seconds']:.3f} s")
    if result["cost_over_512"] is not None:
        lines.append(f"  cost over that at 512 {result['cost_over_512']:.2f}")
    mix = result["mix"]
    lines.append(
        f"  mix: {mix['underlyings']} underlyings, {mix['expiries']} expiries, {mix['series']} series,"
        f" median of {mix['median_positions']:g} positions over {mix['median_expiries']:g} expiries,"
        f" {mix['accounts_with_20_positions']} accounts with 20"
    )
    lines += [f"    {value:8.3f} s  {name}" for name, value in result["seconds_by_stage"].items()]
    by_table = {name: sum(phases.values()) for name, phases in result["cells_by_table"].items()}
    seconds = result["seconds_by_table"]
    lines += [
        f"    {count:13,} cells  {100 * count / result['cells']:5.1f} %  {seconds[name]:7.3f} s  {name}"
        for name, count in sorted(by_table.items(), key=lambda entry: -entry[1])
    ]
    return lines + describe_peers(result)


def describe_peers(result: dict[str, Any]) -> list[str]:
    """What circom and snarkjs do beside it, where they were asked."""
    from benchmarks.peers_bench import SIGNATURE_STATEMENT, describe_signatures

    if "peer_signatures" not in result:
        return []
    hashes, signatures = result["peer_hashes"], result["peer_signatures"]
    if "skipped" in signatures:
        return [f"  circom and snarkjs skipped: {signatures['skipped']}"]
    return [
        f"  signatures a second  {result['signatures_per_second']:,.0f} here, with their whole trades",
        *describe_signatures(signatures),
        f"  hashes a second      {hashes['hashes_per_second']:,.1f} of circom and snarkjs",
        f"  times as many signatures a second: {result['signatures_per_second_over_peer']:,.0f}",
        f"  {SIGNATURE_STATEMENT}",
    ]


def _floor(name: str) -> str:
    sign, floor, aim = FLOORS[name]
    return f"  (floor {sign} {floor:,}, aim {aim:,})"
