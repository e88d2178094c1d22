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
    from benchmarks.kernels_rate import operations_per_nanosecond
    from benchmarks.machine import describe

    rows = [*field.rows(), *hashes.rows(), *tape.rows()]
    rate = operations_per_nanosecond()
    return {"kernels": rows, "vector_operations_per_nanosecond": rate, "machine": asdict(describe())}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Time the kernels: field, transforms, hashes, constraints.

    A limit is the kernel's number of vector operations over the rate at which this machine starts them.

    \b
    Examples:
      clearing bench kernels
      clearing bench kernels --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.kernels_rate import described

    result = measure()
    if as_json:
        print_json(result)
        return
    rate = result["vector_operations_per_nanosecond"]
    click.echo(f"this machine starts {rate:.2f} vector operations, each on 16 lanes, in a nanosecond")
    reason = None
    for row in result["kernels"]:
        click.echo(described(row))
        if row["machine_limit"] != reason:
            reason = row["machine_limit"]
            click.echo(f"{'':48} here and below: {reason}")
