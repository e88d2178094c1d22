"""`bench kernels`: nanoseconds of every kernel on one core, beside its floor and the machine's own limit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from rollup.commands.terminal import json_option, print_json


def measure() -> dict[str, Any]:
    """The rows of all kernel benchmarks."""
    import benchmarks.kernels_field as field
    import benchmarks.kernels_hash as hashes
    import benchmarks.kernels_tape as tape
    from benchmarks.machine import describe

    rows = [*field.rows(), *hashes.rows(), *tape.rows()]
    return {"kernels": rows, "machine": asdict(describe())}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Time the kernels: field, transforms, hashes, constraints.

    \b
    Examples:
      clearing bench kernels
      clearing bench kernels --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    result = measure()
    if as_json:
        print_json(result)
        return
    limit = None
    for row in result["kernels"]:
        floor = "" if row["floor"] is None else f", floor {row['floor']}"
        click.echo(f"{row['kernel']:44} {row['nanoseconds_per_unit']:12,.3f} ns for {row['unit']}{floor}")
        if row["machine_limit"] != limit:
            limit = row["machine_limit"]
            click.echo(f"{'':44} limit, here and below: {limit}")
