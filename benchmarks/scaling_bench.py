"""`bench scaling`: time a cell as tables grow, which would rise if something outgrew a cache."""

from __future__ import annotations

from typing import Any

import click

from rollup.commands.terminal import json_option, print_json

FLOOR = 1.3
"""Time a cell at 2^20 rows over that at 2^16 must stay below this."""


def measure(log_sizes: list[int], preset: str, threads: int, repeats: int) -> dict[str, Any]:
    """One measurement a size, each in a process of its own."""
    from benchmarks.prover_bench import measure as measure_one

    results = [
        measure_one("poseidon-batch", log_size, preset, threads, repeats, with_verifier=False)
        for log_size in log_sizes
    ]
    nanoseconds = [1e9 * result["seconds_total"] / result["cells"] for result in results]
    return {
        "parameters": preset,
        "threads": threads,
        "sizes": [
            {
                "log_size": result["log_size"],
                "seconds_total": result["seconds_total"],
                "nanoseconds_per_cell": cost,
                "seconds": result["seconds"],
                "proof_bytes": result["proof_bytes"],
                "peak_rss_bytes": result["peak_rss_bytes"],
            }
            for result, cost in zip(results, nanoseconds, strict=True)
        ],
        "largest_over_smallest": nanoseconds[-1] / nanoseconds[0],
        "floor": FLOOR,
        "machine": results[0]["machine"],
    }


@click.command()
@click.option(
    "--from", "first", default=16, show_default=True, type=click.IntRange(8, 22), help="log2 of least rows."
)
@click.option(
    "--to", "last", default=20, show_default=True, type=click.IntRange(8, 22), help="log2 of most rows."
)
@click.option(
    "--step",
    default=2,
    show_default=True,
    type=click.IntRange(1, 8),
    help="From one size's log2 to the next.",
)
@click.option(
    "--preset", default="keccak-100-rate-2", show_default=True, help="`clearing soundness` lists them."
)
@click.option(
    "--threads", default=None, type=click.IntRange(1, 256), help="Default: as many as there are cores."
)
@click.option(
    "--repeats", default=3, show_default=True, type=click.IntRange(1, 100), help="Warm runs of each size."
)
@json_option
def command(
    first: int, last: int, step: int, preset: str, threads: int | None, repeats: int, as_json: bool
) -> None:
    """Prove Poseidon tables of growing height and compare the time a cell.

    \b
    Examples:
      clearing bench scaling
      clearing bench scaling --from 12 --to 18 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from prover.field.threads import default_threads
    from prover.parameters import PRESETS

    if preset not in PRESETS:
        raise click.UsageError(f"there is no preset {preset!r}, only {', '.join(PRESETS)}")
    if last < first:
        raise click.UsageError("--to is below --from")
    result = measure(list(range(first, last + 1, step)), preset, threads or default_threads(), repeats)
    if as_json:
        print_json(result)
        return
    for size in result["sizes"]:
        cost = f"{size['nanoseconds_per_cell']:6.2f} ns a cell"
        click.echo(f"2^{size['log_size']} rows  {size['seconds_total']:8.3f} s  {cost}")
    click.echo(f"largest over smallest: {result['largest_over_smallest']:.2f} (floor {FLOOR})")
