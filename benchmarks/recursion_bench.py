"""`bench recursion`: what it costs to bring a base proof to a contract, step by step."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.prover_bench import run_child
from benchmarks.recursion_gas import can_measure, measured
from rollup.commands.terminal import json_option, print_json

DEFAULT_PRESET = "poseidon-100-rate-8"
"""A third of the queries less than at rate 1/4, so the first step has a third less to verify."""


@click.command()
@click.option(
    "--trades",
    default=None,
    type=click.IntRange(1, 16384),
    help="Begin with a clearing batch of so many trades, not with an example circuit.",
)
@click.option("--workload", default="poseidon-batch", show_default=True, help="An example circuit's name.")
@click.option(
    "--log-size",
    default=12,
    show_default=True,
    type=click.IntRange(5, 20),
    help="log2 of the example's rows.",
)
@click.option(
    "--preset", default=DEFAULT_PRESET, show_default=True, help="The base proof's, over Poseidon trees."
)
@click.option(
    "--threads", default=None, type=click.IntRange(1, 256), help="Default: as many as there are cores."
)
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(1, 20),
    help="Warm runs of the chain; the median counts.",
)
@click.option(
    "--accounts",
    default=1000,
    show_default=True,
    type=click.IntRange(4, 1000),
    help="Among which they are made.",
)
@click.option("--gas/--no-gas", default=True, help="With --trades, in a checkout: what the contracts charge.")
@click.option("--keep", is_flag=True, help="Keep the result in benchmarks/results.")
@json_option
def command(
    trades: int | None,
    workload: str,
    log_size: int,
    preset: str,
    threads: int | None,
    repeats: int,
    accounts: int,
    gas: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Prove a batch or an example, then that its proof verifies, down to the terminal proof for a contract.

    \b
    Examples:
      clearing bench recursion
      clearing bench recursion --trades 4096 --json
      clearing bench recursion --trades 64 --accounts 50 --no-gas
      clearing bench recursion --workload memory --preset poseidon-100-rate-16 --repeats 1
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.all_bench import RESULTS, write
    from benchmarks.examples.catalogue import EXAMPLES
    from benchmarks.machine import describe
    from prover.field.threads import default_threads
    from prover.parameters import PRESETS, SuiteName
    from prover.soundness.report import chained_bits

    if workload not in EXAMPLES:
        raise click.UsageError(f"there is no workload {workload!r}, only {', '.join(EXAMPLES)}")
    usable = [name for name, p in PRESETS.items() if p.suite is SuiteName.POSEIDON_20 and not p.is_insecure]
    if preset not in usable:
        raise click.UsageError(f"a circuit verifies proofs with {', '.join(usable)}, not {preset!r}")
    workers = ("--threads", str(threads or default_threads()))
    with tempfile.TemporaryDirectory() as folder:
        # The base proof takes more memory than the recursion, whose own peak is wanted.
        base = run_child(
            "benchmarks.recursion_base",
            *("--trades", str(trades or 0), "--accounts", str(accounts)),
            *("--workload", workload, "--log-size", str(log_size), "--preset", preset, *workers),
            *("--out", str(Path(folder) / "base.proof")),
        )
        result = run_child(
            "benchmarks.recursion_run",
            *("--base", str(Path(folder) / "base.proof"), *workers, "--repeats", str(repeats)),
        )
    result = base | result
    result["steps"].insert(0, result.pop("base"))
    result["soundness_bits"] = chained_bits(step["summed_bits"] for step in result["steps"])
    if trades and gas and can_measure():
        result |= measured(trades).figures(trades)
    result["machine"] = asdict(describe())
    if keep:
        write("recursion", result, RESULTS)
    if as_json:
        print_json(result)
        return
    for line in describe_result(result):
        click.echo(line)


def describe_result(result: dict[str, Any]) -> list[str]:
    """A table of the steps and the figures of the whole."""
    size = f"{result['trades']} trades" if "trades" in result else f"2^{result['log_size']} rows"
    lines = [
        f"{result['workload']}, {size}, {result['parameters']}, {result['threads']} threads",
        f"  {'step':<12} {'rows':>8} {'columns':>8} {'seconds':>8} {'bytes':>9} {'bits':>6}",
    ]
    lines += [
        f"  {step['name']:<12} {step['rows']:>8,} {step['columns']:>8} {step['seconds']:>8.2f}"
        f" {step['bytes']:>9,} {step['bits']:>6.1f}"
        for step in result["steps"]
    ]
    warm = result["recursion_seconds_all"][1:]
    best = f"the median of {result['repeats']} ({min(warm):.2f} to {max(warm):.2f}), "
    best += f"{result['recursion_cpu_seconds']:.1f} s of processor time"
    lines += [
        f"  recursion        {result['recursion_seconds']:.2f} s from the base proof on, {best}",
        (
            f"  keys             {result['key_seconds']:.1f} s once, {result['key_read_seconds']:.1f} s from the disk"
            f" ({result['key_file_bytes'] / 2**20:,.0f} MiB)"
        ),
        f"  terminal proof   {result['terminal_proof_bytes'] / 1024:.1f} KiB",
        f"  peak memory      {result['peak_rss_bytes'] / 2**20:,.0f} MiB",
        f"  provable bits    {result['soundness_bits']:.1f} for all steps together",
    ]
    if "gas_prove" in result:
        lines += [
            (
                f"  gas              {result['gas_prove']:,} to prove, {result['gas_data']:,} for the data,"
                f" {result['gas_per_trade']:,.0f} a trade ({result['gas_per_trade_7976']:,.0f} by EIP-7976)"
            ),
            (
                f"                   {result['gas_aggregate_4']:,} to prove four batches,"
                f" then {result['gas_per_trade_of_4']:,.0f} a trade; {result['gas_exit']:,} to leave"
            ),
            f"  embedded chain   {result['evm_seconds']:.2f} s to verify the terminal proof",
        ]
    lines += [f"    {seconds:8.3f} s  {name}" for name, seconds in result["seconds"].items()]
    return lines
