"""`l1`: the clearing house as Ethereum has it; the node is asked for nothing but where it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rollup.commands.house import found_house
from rollup.commands.quantities import dollars, moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import ClearingCommand, Refused, json_option, print_json, print_table

if TYPE_CHECKING:
    from rollup.node.l1_status import L1Status

SHOWN: int = 20
"""Batches without a proof in the table."""


@click.group()
def group() -> None:
    """Ask Ethereum itself how the clearing house stands.

    \b
    Examples:
      clearing l1 status
      clearing l1 status --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@group.command(cls=ClearingCommand)
@reaching(chain=True)
@click.option(
    "--from-block",
    type=click.IntRange(0),
    help="Count claims from this block on.  [default: the contract's first, if this data directory knows it]",
)
@json_option
def status(reach: Reach, from_block: int | None, as_json: bool) -> None:
    """Show what the contract has sealed, proved and paid, what can be claimed, and what is overdue.

    The contract is the one of --contract, of the node's files in the data directory, or the one that the node serves.
    What is sealed and not proved is only the sequencer's word: it can still be taken back, and no claim of it is paid.
    The exit code is 1 when something is overdue, or when the clearing house is frozen.

    \b
    Examples:
      clearing l1 status
      clearing l1 status --contract 0xDe09E74d4888Bc4e65F589e8c13Bce9F71DdF4c7 --l1-rpc http://127.0.0.1:8545
      clearing l1 status --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.l1_status import l1_status

    house = found_house(reach)
    first_block = house.from_block if from_block is None else from_block
    found = l1_status(house.vault.ethereum, house.vault.contract, first_block)
    if as_json:
        print_json(asdict(found) | {"overdue": list(found.overdue)})
    else:
        print_table("the clearing house on Ethereum", ("", ""), _rows(found))
        if found.waiting:
            _print_waiting(found)
    if found.overdue:
        raise Refused("; ".join(found.overdue))


def _rows(found: L1Status) -> list[tuple[str, str]]:
    claims, items = found.claims, found.items
    behind = found.sealed - found.proved
    rows = [
        ("chain", f"{found.chain}, block {found.block:,}, {moment(found.now)}"),
        ("contract", found.contract),
        ("verifier", found.verifier),
        ("sealed", f"batch {found.sealed}" if found.sealed else "no batch yet"),
        ("proved", f"{f'batch {found.proved}' if found.proved else 'no batch yet'}{_behind(behind)}"),
        (
            "claims",
            f"{claims.claimable} can be collected, {claims.waiting} wait for a proof, {claims.paid} paid",
        ),
        ("queue", "everything is in proved batches" if items is None else _items(items)),
        ("vault", dollars(found.vault)),
    ]
    if found.frozen_at is not None:
        rows.append(("frozen", f"since {moment(found.frozen_at)}"))
    return rows


def _behind(count: int) -> str:
    if count == 0:
        return ""
    return f"; {count} sealed {'batch is' if count == 1 else 'batches are'} NOT proved"


def _items(items: Any) -> str:
    return (
        f"{items.count} wait for a proved batch, the oldest since {moment(items.oldest_at)};"
        f" anyone may freeze from {moment(items.freeze_at)}"
    )


def _print_waiting(found: L1Status) -> None:
    rows = [
        (
            str(one.number),
            moment(one.sealed_at),
            str(one.claims),
            moment(one.proof_due_at) + (" OVERDUE" if found.now > one.proof_due_at else ""),
            moment(one.freeze_at),
        )
        for one in found.waiting[:SHOWN]
    ]
    shown = len(rows)
    more = found.sealed - found.proved - shown
    title = "sealed and not proved" + (f", the oldest {shown}; {more} more" if more else "")
    print_table(title, ("batch", "sealed", "claims", "proof due", "anyone may freeze from"), rows)
