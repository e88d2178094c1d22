"""`cancel`: take orders out of the book."""

from __future__ import annotations

from typing import Any

import click

from rollup.commands.quantities import dollars, series_text
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import ClearingCommand, Refused, json_option, print_json


@click.command(cls=ClearingCommand)
@click.argument("slots", nargs=-1, type=click.IntRange(0, 255), metavar="[SLOT]...")
@reaching(chain=True, keys=True)
@click.option("--all", "is_all", is_flag=True, help="Every order of the account.")
@click.option(
    "--floor",
    type=click.IntRange(1, (1 << 32) - 1),
    help="Kill every order numbered below, for Ethereum too, whoever holds a copy of it.",
)
@json_option
def command(reach: Reach, slots: tuple[int, ...], is_all: bool, floor: int | None, as_json: bool) -> None:
    """Take orders of the account out of the book.

    Name their slots, or --all; `clearing status` lists them.
    A cancelled order is out of this node's book; --floor is what no sequencer can ignore.

    \b
    Examples:
      clearing cancel 0
      clearing cancel --all
      clearing cancel --floor 18 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.membership import signing_client

    if bool(slots) + is_all + (floor is not None) != 1:
        raise click.UsageError("say which orders: SLOT..., --all, or --floor NUMBER")
    with signing_client(reach) as client:
        if floor is not None:
            receipt = client.raise_floor(floor)
            cancelled: list[dict[str, Any]] = []
        else:
            receipt = None
            resting = {order["slot"]: order for order in client.open_orders()}
            missing = [slot for slot in slots if slot not in resting]
            if missing:
                raise Refused(f"no order rests in slot {missing[0]}")
            cancelled = [resting[slot] for slot in dict.fromkeys(slots)] if slots else list(resting.values())
            for order in cancelled:
                client.cancel(order["slot"], order["number"])
    if as_json:
        print_json({"cancelled": cancelled, "floor": floor, "receipt": receipt})
    elif floor is not None:
        click.echo(f"every order numbered below {floor} is dead")
    elif not cancelled:
        click.echo("no order was in the book")
    for order in [] if as_json else cancelled:
        click.echo(
            f"cancelled slot {order['slot']}: {order['side']} {order['remaining']} {series_text(order)}"
            f" at {dollars(order['limit_price'])}"
        )
