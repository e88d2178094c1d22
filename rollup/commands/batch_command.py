"""`batch`: what the node has closed, and how far it has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rollup.commands.quantities import dollars, moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    ClearingCommand,
    Refused,
    json_option,
    print_json,
    print_table,
    write_result,
)


@click.group()
def group() -> None:
    """List batches, and show one.

    \b
    Examples:
      clearing batch list
      clearing batch show 12
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@group.command("list", cls=ClearingCommand)
@reaching()
@click.option(
    "--count", type=click.IntRange(1, 1000), default=20, show_default=True, help="The newest so many."
)
@json_option
def list_(reach: Reach, count: int, as_json: bool) -> None:
    """List the newest batches, newest first.

    A batch is sealed (closed, on the node's disk), published (its data is on Ethereum) or proved (the contract has
    accepted a proof). Beside it stands how far this node's provers are.

    \b
    Examples:
      clearing batch list
      clearing batch list --count 100 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    with reach.client() as client:
        reach.parameters(client)
        found = client.batches(count)
    if as_json:
        print_json({"batches": found})
    elif found:
        rows = [
            (
                str(one["number"]),
                one["stage"],
                "" if one["stage"] == "proved" else one["proof"],
                moment(one["time"]),
                str(one["transactions"]),
                f"{one['bytes']:,}",
                f"{one['root'][:18]}..",
            )
            for one in found
        ]
        print_table(
            "batches", ("batch", "stage", "proof here", "time", "transactions", "bytes", "root"), rows
        )
    else:
        click.echo("no batch has been closed yet")


@group.command(cls=ClearingCommand)
@click.argument("number", type=click.IntRange(1, (1 << 32) - 1))
@reaching()
@click.option(
    "--data",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the published bytes to this file.",
)
@json_option
def show(reach: Reach, number: int, file: Path | None, as_json: bool) -> None:
    """Show one batch: its stage, its root, and what it published, counted.

    \b
    Examples:
      clearing batch show 12
      clearing batch show 12 --data 12.batch
      clearing batch show 12 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.client import NodeRefusalError
    from rollup.node.refusals import Refusal

    with reach.client() as client:
        reach.parameters(client)
        try:
            found = client.batch(number)
            data = client.batch_data(number) if file is not None else b""
        except NodeRefusalError as refused:
            if refused.reason is Refusal.NOT_FOUND:
                raise Refused(f"there is no batch {number} yet") from refused
            raise
    if file is not None:
        write_result(file, data)
    if as_json:
        print_json(found)
        return
    print_table(f"batch {number}", ("", ""), _rows(found))
    if file is not None:
        click.echo(f"wrote {len(data):,} bytes to {file}")


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    records = ", ".join(f"{count} {name}" for name, count in sorted(found["records"].items()))
    first, count = found["queue_start"], found["queue_items"]
    return [
        ("stage", found["stage"] + ("" if found["stage"] == "proved" else ", NOT proved to the contract")),
        ("proof here", found["proof"]),
        ("time", moment(found["time"])),
        ("root", found["root"]),
        ("published", f"{found['bytes']:,} bytes"),
        ("queue items", f"{count}, from position {first}" if count else "none"),
        ("transactions", records or "none"),
        *(
            (f"claim {index}", f"{dollars(claim['amount'])} to {claim['owner']}")
            for index, claim in enumerate(found["claims"])
        ),
    ]
