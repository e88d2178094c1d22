"""`book`: what can be traded, and at what prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rollup.commands.quantities import Series, dollars, moment, series_text
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import ClearingCommand, Refused, json_option, print_json, print_table

if TYPE_CHECKING:
    from rollup.client import Client
    from rollup.instruments import SeriesId


@click.command(cls=ClearingCommand)
@click.argument("series", type=Series(), required=False)
@reaching()
@click.option("--depth", type=click.IntRange(1, 1000), default=20, show_default=True, help="Prices a side.")
@json_option
def command(reach: Reach, series: SeriesId | None, depth: int, as_json: bool) -> None:
    """Show what is listed, or the best prices of one series.

    Without SERIES every group is shown with the best bid and ask of each series; with one, its book.
    Prices are dollars a lot. Needs no account.

    \b
    Examples:
      clearing book
      clearing book 1/3000/call
      clearing book 1/3000/call --depth 5 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    with reach.client() as client:
        reach.parameters(client)
        groups = client.groups()
        if series is None:
            _show_all(client, groups, as_json)
            return
        listed = [series_text(one) for group in groups for one in group["series"]]
        found = client.book(series, depth)
        if series_text(found) not in listed:
            raise Refused(f"the series {series_text(found)} is not listed; `clearing book` shows what is")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            str(bid["lots"]) if bid else "",
            dollars(bid["price"]) if bid else "",
            dollars(ask["price"]) if ask else "",
            str(ask["lots"]) if ask else "",
        )
        for bid, ask in _side_by_side(found["bids"], found["asks"])
    ]
    print_table(series_text(found), ("lots", "bid", "ask", "lots"), rows or [("", "-", "-", "")])


def _side_by_side(bids: list[Any], asks: list[Any]) -> list[tuple[Any, Any]]:
    length = max(len(bids), len(asks))
    return list(zip(bids + [None] * (length - len(bids)), asks + [None] * (length - len(asks)), strict=True))


def _show_all(client: Client, groups: list[dict[str, Any]], as_json: bool) -> None:
    from rollup.instruments import series_id
    from rollup.units import GroupId, OptionKind, Ticks

    shown = []
    for group in groups:
        series = []
        for one in group["series"]:
            option = OptionKind[one["option"].upper()]
            name = series_id(GroupId(one["group"]), Ticks(one["strike"]), option)
            best = client.book(name, 1)
            series.append(
                one
                | {
                    "bid": best["bids"][0] if best["bids"] else None,
                    "ask": best["asks"][0] if best["asks"] else None,
                }
            )
        shown.append(group | {"series": series})
    if as_json:
        print_json({"groups": shown})
        return
    for group in shown:
        print_table(
            _title(group), ("series", "lots", "bid", "ask", "lots"), [_row(one) for one in group["series"]]
        )
    if not shown:
        click.echo("nothing is listed")


def _title(group: dict[str, Any]) -> str:
    """What a group is, in one line."""
    lot = group["lot_micro_units"] / 1_000_000
    price = group["settlement_price"]
    settled = "" if price is None else f", settled at {dollars(price * group['tick_micro_dollars'])}"
    return (
        f"group {group['group']}: underlying {group['underlying']}, expires {moment(group['expiry'])}, "
        f"a lot is {lot:g} of it, strikes in ticks of {dollars(group['tick_micro_dollars'])}{settled}"
    )


def _row(one: dict[str, Any]) -> tuple[str, str, str, str, str]:
    bid, ask = one["bid"], one["ask"]
    return (
        series_text(one),
        str(bid["lots"]) if bid else "",
        dollars(bid["price"]) if bid else "-",
        dollars(ask["price"]) if ask else "-",
        str(ask["lots"]) if ask else "",
    )
