"""`bench pipeline`: what each arrow from a batch to paid money takes, measured on the demonstration."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from benchmarks.machine import describe
from rollup.commands.terminal import Refused, json_option, print_json, progress_on_stderr


def measure(seed: int, show: Any) -> dict[str, Any]:
    """Run the demonstration with its provers; the second run counts where a first one had to compile."""
    from benchmarks.clearing_demo import for_the_contract
    from rollup.node.demo import run_demo
    from rollup.node.demo_proofs import StoryError

    try:
        report = run_demo(seed, show, **for_the_contract())
    except StoryError as error:
        raise Refused(str(error)) from error
    return {
        "seed": seed,
        "seconds": report.seconds,
        "batches": len(report.batches),
        "trades": report.trades,
        "queue_items": sum(batch.queue_items for batch in report.batches),
        "published_bytes": sum(batch.bytes for batch in report.batches),
        "claims": sum(batch.claims for batch in report.batches),
        "bits_together": report.bits_together,
        "arrows": [asdict(arrow) for arrow in report.pipeline],
        "machine": asdict(describe()),
    }


@click.command()
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help="Of the demonstration.")
@click.option("--keep", is_flag=True, help="Keep the result in benchmarks/results and draw the figure anew.")
@json_option
def command(seed: int, keep: bool, as_json: bool) -> None:
    """Measure every arrow from a batch to paid money: seconds, bytes and gas, on the demonstration.

    The provers work beside the market and the embedded chain, on the same cores.
    Kernels that are compiled and keys that are made on the way count, so run it twice and keep the second.

    \b
    Examples:
      clearing bench pipeline
      clearing bench pipeline --keep
      clearing bench pipeline --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.all_bench import RESULTS, write
    from benchmarks.pipeline_figure import draw, lines_of

    with progress_on_stderr() as show:
        result = measure(seed, show)
    if keep:
        write("pipeline", result, RESULTS)
        draw(RESULTS)
    if as_json:
        print_json(result)
        return
    for line in lines_of(result):
        click.echo(line)
