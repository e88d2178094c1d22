"""`order`: sign an order and place it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from rollup.commands.quantities import Dollars, Series, Span, dollars, moment, series_text
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import BadInput, ClearingCommand, Refused, json_option, print_json, printable

if TYPE_CHECKING:
    from rollup.client import Client, OrderWish
    from rollup.instruments import SeriesId

SLOTS = 256

STATUS = {
    "resting": "rests in the book",
    "filled": "is filled",
    "unfilled": "found nothing more to trade with; the rest is gone",
    "unfit": "left the book: the account could not bear a fill",
}
"""What becomes of an order, in words."""


@click.command(cls=ClearingCommand)
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("lots", type=click.IntRange(1, (1 << 24) - 1))
@click.argument("series", type=Series())
@click.argument("price", type=Dollars())
@reaching(chain=True, keys=True)
@click.option(
    "--kind",
    type=click.Choice(["limit", "immediate", "post-only"]),
    default="limit",
    show_default=True,
    help="Immediate: what does not trade at once is gone. Post-only: refused if it would trade at once.",
)
@click.option("--lifetime", type=Span(), default="1h", show_default=True, help="After it the order is dead.")
@click.option(
    "--slot",
    type=click.IntRange(0, SLOTS - 1),
    help="Replace the order in this slot.  [default: the first free one]",
)
@click.option(
    "--max-fee-rate",
    type=click.IntRange(0, (1 << 16) - 1),
    help="Most that a fill may be charged, in millionths of the premium.  [default: today's rate]",
)
@json_option
def command(
    reach: Reach,
    side: str,
    lots: int,
    series: SeriesId,
    price: int,
    kind: str,
    lifetime: int,
    slot: int | None,
    max_fee_rate: int | None,
    as_json: bool,
) -> None:
    """Sign an order and place it in the node's book.

    SERIES is GROUP/STRIKE/call or GROUP/STRIKE/put as `clearing book` lists them, PRICE is in dollars a lot.
    The answer comes when the order is on the node's disk.

    \b
    Examples:
      clearing order buy 2 1/3000/call 1.25
      clearing order sell 10 1/2500/put 0.80 --kind post-only --lifetime 15m
      clearing order buy 5 1/3000/call 1.30 --slot 0 --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.client import OrderWish
    from rollup.commands.membership import signing_client
    from rollup.units import WIDTH_BITS, OrderKind, Side, fits

    if not fits(price, WIDTH_BITS["Price"]):
        highest = (1 << WIDTH_BITS["Price"]) - 1
        raise click.UsageError(f"a price is at most {dollars(highest)} a lot")
    kinds = {"limit": OrderKind.LIMIT, "immediate": OrderKind.IMMEDIATE, "post-only": OrderKind.POST_ONLY}
    wish = OrderWish(
        Side.BUY if side == "buy" else Side.SELL,
        series,
        price,
        lots,
        kind=kinds[kind],
        lifetime=lifetime,
        max_fee_rate=max_fee_rate,
    )
    with signing_client(reach) as client:
        if slot is None:
            receipt = _placed_in_free_slot(client, wish)
        else:
            terms = {"slot": slot, "kind": wish.kind, "lifetime": lifetime, "max_fee_rate": max_fee_rate}
            receipt = client.place(wish.side, series, price, lots, **terms)
    if as_json:
        print_json(receipt)
        return
    _print_receipt(receipt, side, lots, series, price)


def _placed_in_free_slot(client: Client, wish: OrderWish) -> dict[str, Any]:
    """Place an order where none is, also while other programs place orders for the same account.

    It is numbered before the slots are looked at once more: whoever was there earlier is seen by the look, and whoever
    comes later has used the number, so nobody's order is replaced.
    """
    from rollup.client import NodeRefusalError
    from rollup.node.refusals import Refusal

    for _ in range(SLOTS):
        taken = _taken(client)
        slot = next((slot for slot in range(SLOTS) if slot not in taken), None)
        if slot is None:
            raise BadInput(f"all {SLOTS} slots hold an order; --slot says which to replace")
        signed = client.signed_order(replace(wish, slot=slot))
        if slot in _taken(client):
            continue
        try:
            return client.send_order(signed) | {"slot": slot, "number": int(signed.order.number)}
        except NodeRefusalError as refused:
            if refused.reason is not Refusal.ORDER_NUMBER_USED:
                raise
    raise Refused("other programs use every slot of this account as soon as it is free")


def _taken(client: Client) -> set[int]:
    return {order["slot"] for order in client.open_orders()}


def _print_receipt(receipt: dict[str, Any], side: str, lots: int, series: SeriesId, price: int) -> None:
    from rollup.node.news import series_fields

    name = series_text(series_fields(series))
    status = STATUS.get(receipt["status"], printable(str(receipt["status"])))
    place = f"slot {receipt['slot']}, number {receipt['number']}"
    click.echo(f"{side} {lots} {name} at {dollars(price)} {status} ({place})")
    for fill in receipt["fills"]:
        fee = f", fee {dollars(fill['fee'])}" if fill["fee"] else ""
        click.echo(f"  traded {fill['lots']} at {dollars(fill['price'])}{fee}")
    if receipt["status"] == "resting" and receipt["filled"]:
        click.echo(f"  {lots - receipt['filled']} of {lots} lots remain")
    click.echo(
        f"  on the disk as input {receipt['sequence']}, in batch {receipt['batch']}, {moment(receipt['time'])}"
    )
