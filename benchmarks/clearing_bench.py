"""`bench clearing`: how fast the clearing house admits, clears, hashes and comes back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from rollup.commands.terminal import json_option, print_json

STEADY_RATE = 500.0
"""Arrivals a second of the second open-loop run: the same whatever the node can take, so that versions compare."""

PARTS = ("rules", "tree", "admission", "acknowledgement", "restart")


def measure(seed: int, seconds: float, parts: tuple[str, ...], rate: float | None = None) -> dict[str, Any]:
    """Every figure that was asked for, in one object."""
    from benchmarks import clearing_figures as figures
    from benchmarks.machine import describe

    result: dict[str, Any] = {}
    if "rules" in parts:
        result |= figures.trades_and_signatures(seed)
    if "tree" in parts:
        result |= figures.tree_figures(seed)
    if "admission" in parts:
        result |= figures.admission(seed)
    if "admission" in parts or ("acknowledgement" in parts and rate is None):
        result |= figures.admission_over_http(seed)
    if "acknowledgement" in parts:
        # What arrives over HTTP is half of what the node takes over HTTP; without HTTP it takes more.
        arrivals = result["orders_over_http_per_second"] / 2 if rate is None else rate
        result |= figures.acknowledgement(seed, arrivals, seconds)
        if rate is None:
            result["steady"] = figures.acknowledgement(seed, STEADY_RATE, seconds)
    if "restart" in parts:
        result |= figures.restart(seed)
    return result | {"machine": asdict(describe())}


@click.command()
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0), help="Makes the workload repeatable."
)
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1),
    help="Length of the open-loop run.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1),
    help="Arrivals a second of the open-loop run, instead of half of what the node takes over HTTP.",
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Measure this part only; may be repeated."
)
@json_option
def command(seed: int, seconds: float, rate: float | None, only: tuple[str, ...], as_json: bool) -> None:
    """Measure admission, clearing, the state tree, acknowledgements over HTTP and restart.

    \b
    Examples:
      clearing bench clearing
      clearing bench clearing --json
      clearing bench clearing --only rules --only tree
      clearing bench clearing --only acknowledgement --seconds 10 --rate 500
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    result = measure(seed, seconds, only or PARTS, rate)
    if as_json:
        print_json(result)
        return
    for line in describe_result(result):
        click.echo(line)


FIGURES = {
    "orders_admitted_per_second": "orders admitted a second, verified and on the disk, without HTTP",
    "orders_over_http_per_second": "the same over HTTP, generator on the same cores",
    "trades_applied_per_second": "trades applied a second, state tree included",
    "ack_rate_per_second": "arrivals a second asked of it over HTTP, Poisson",
    "ack_p50_ms": "order to acknowledgement at that rate, from when it should have been sent: median, ms",
    "ack_p95_ms": "95th percentile, ms",
    "ack_p99_ms": "99th percentile, ms",
    "ack_max_ms": "slowest, ms",
    "signature_verifications_per_second": "signatures verified a second, one core",
    "restart_seconds": "restart with 100,000 accounts after 1,000,000 trades, s",
    "restart_with_interpreter_seconds": "the same from the start of the process, imports included, s",
    "l1_bytes_per_trade": "bytes of L1 data a trade",
    "tree_build_seconds": "state tree of 100,000 accounts built, s",
    "tree_update_ms": "state tree after 4,096 trades, ms",
}


def tail_lines(result: dict[str, Any]) -> list[str]:
    """Where the slowest hundredth of the acknowledgements comes from."""
    tail = result.get("load", {}).get("tail")
    if tail is None:
        return []
    causes = ", ".join(f"{count} {cause}" for cause, count in tail["because_of"].items())
    lines = [f"slowest {tail['orders']} orders, in {tail['moments']} moments: {causes}"]
    if "disk" in result:
        disk = result["disk"]
        lines.append(
            f"the disk alone, just before: a commit takes {disk['commit_p50_ms']:.2f} ms (median),"
            f" {disk['commit_p99_ms']:.2f} (99th percentile), {disk['commit_max_ms']:.1f} (slowest)"
        )
    return lines


def describe_result(result: dict[str, Any]) -> list[str]:
    """The figures that people ask for, one a line."""
    lines = [f"{result[name]:>12,.2f}  {meaning}" for name, meaning in FIGURES.items() if name in result]
    lines += tail_lines(result)
    if "steady" in result:
        steady = result["steady"]
        lines += [f"{steady[name]:>12,.2f}  {meaning}" for name, meaning in FIGURES.items() if name in steady]
        lines += tail_lines(steady)
    if "mix" in result:
        lines.append("workload: " + ", ".join(f"{name} {value}" for name, value in result["mix"].items()))
    return lines
