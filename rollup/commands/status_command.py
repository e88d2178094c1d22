"""`status`: how the clearing house, the node and the account stand."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

import click

from rollup.commands.quantities import dollars, moment, series_text
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    ClearingCommand,
    Refused,
    foreseeable_failures,
    json_option,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from rollup.client import Client


@click.command(cls=ClearingCommand)
@reaching(chain=True, keys=True)
@json_option
def command(reach: Reach, as_json: bool) -> None:
    """Show the chain, the batches, the queue, how far the node lags, and the account.

    Without an account, or with one that was never opened, the rest is shown; no password is needed.
    The exit code is 1 when the node has failed, or takes nothing new because Ethereum is too far behind it.

    \b
    Examples:
      clearing status
      clearing status --account alice
      clearing status --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    with reach.client() as client:
        parameters = reach.parameters(client)
        health = client.health()
        closed = client.batches(1)
        chain = _chain(reach, parameters)
        found: dict[str, Any] = {
            "node": {
                "url": reach.node_url,
                "status": health["status"],
                "detail": health["detail"],
                "input": health["sequence"],
                "clock": parameters["time"],
                "root": health["root"],
            },
            "chain": {"id": parameters["chain"], "contract": parameters["contract"]} | chain["chain"],
            "batches": {"closed": closed[0]["number"] if closed else 0} | chain["batches"],
            "queue": {"served": parameters["queue_position"]} | chain["queue"],
            "account": _account(reach, client, parameters),
        }
    found["lag"] = _lag(found)
    if as_json:
        print_json(found)
    else:
        print_table("the clearing house", ("", ""), _rows(found))
        if found["account"] is not None:
            _print_account(found["account"])
    if health["status"] != "ok":
        raise Refused(
            f"the node {'has failed' if health['status'] == 'failed' else 'takes nothing new'}: {health['detail']}"
        )


def _chain(reach: Reach, parameters: dict[str, Any]) -> dict[str, Any]:
    """What Ethereum says; where it does not answer, the rest of the status is still worth showing."""
    from rollup.commands.vault import vault_behind

    try:
        with foreseeable_failures():
            vault = vault_behind(reach, parameters)
            functions = vault.contract.functions
            block = vault.ethereum.web3.eth.get_block("latest")
            return {
                "chain": {"block": block["number"], "block_time": block["timestamp"], "trouble": None},
                "batches": {
                    "published": functions.sealedBatch().call(),
                    "proved": functions.provedBatch().call(),
                },
                "queue": {"length": functions.queueLength().call()},
            }
    except click.ClickException as error:
        return {
            "chain": {"block": None, "block_time": None, "trouble": error.message},
            "batches": {"published": None, "proved": None},
            "queue": {"length": None},
        }


def _lag(found: dict[str, Any]) -> dict[str, int | None]:
    """What the node has not done yet."""
    batches, queue = found["batches"], found["queue"]
    known = batches["published"] is not None
    return {
        "queue_items": max(0, queue["length"] - queue["served"]) if known else None,
        "unpublished_batches": max(0, batches["closed"] - batches["published"]) if known else None,
        "unproved_batches": batches["published"] - batches["proved"] if known else None,
        "clock_seconds": int(time()) - found["node"]["clock"],
    }


def _account(reach: Reach, client: Client, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The account with its orders; none where there is no single account, or it was never opened."""
    from rollup.client import NodeRefusalError
    from rollup.commands.membership import account_number

    if reach.account is None and len(reach.keystore.names()) != 1:
        return None
    number = None
    try:
        with foreseeable_failures():
            number = account_number(reach, client, parameters)
    except click.ClickException:
        if reach.account is not None and reach.account not in reach.keystore.names():
            raise
    if number is None:
        return {"name": reach.name(), "owner": reach.keystore.address(reach.name()), "account": None}
    known = reach.membership(parameters).trading
    try:
        state = client.account_state(number)
        orders = client.open_orders(number)
    except NodeRefusalError:
        # The deposit that opens it is on Ethereum, and the node has not served it yet.
        return {"name": reach.name(), "owner": reach.keystore.address(reach.name()), "account": None}
    is_own_key = known is not None and state["key"] == known.key
    return {"name": reach.name()} | state | {"is_own_key": is_own_key, "orders": orders}


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    node, chain, batches, lag = found["node"], found["chain"], found["batches"], found["lag"]
    where = chain["trouble"] or f"block {chain['block']:,} of {moment(chain['block_time'])}"
    published = "unknown" if batches["published"] is None else str(batches["published"])
    proved = "unknown" if batches["proved"] is None else str(batches["proved"])
    return [
        ("node", f"{node['url']}, {node['status']}, input {node['input']:,}"),
        ("its clock", f"{moment(node['clock'])}{_ahead(-lag['clock_seconds'])}"),
        ("chain", f"{chain['id']}, {where}"),
        ("contract", chain["contract"]),
        ("batches", f"{batches['closed']} closed, {published} published, {proved} proved"),
        ("queue", f"{found['queue']['served']} served{_waiting(lag)}"),
        ("root", node["root"] or "not computed yet"),
    ]


def _ahead(seconds: int) -> str:
    if abs(seconds) <= 1:
        return ""
    return f" ({abs(seconds):,} s {'ahead of' if seconds > 0 else 'behind'} this machine's)"


def _waiting(lag: dict[str, int | None]) -> str:
    if lag["queue_items"] is None:
        return ""
    return f", {lag['queue_items']} waiting; {lag['unpublished_batches']} closed batches not published yet"


def _print_account(account: dict[str, Any]) -> None:
    if account["account"] is None:
        click.echo(
            f"account {account['name']} ({account['owner']}) is not open yet: `clearing deposit` opens it"
        )
        return
    key = "registered" if account["is_own_key"] else "another one is registered: `clearing key`"
    rows = [
        ("owner", account["owner"]),
        ("trading key", key if account["key"] else "none registered: `clearing key`"),
        ("cash", dollars(account["cash"])),
        ("requirement", dollars(account["requirement"])),
        ("free", dollars(account["free"])),
        *((series_text(one), f"{one['lots']:+,} lots") for one in account["positions"]),
    ]
    print_table(f"account {account['account']} ({account['name']})", ("", ""), rows)
    if account["orders"]:
        orders = [
            (
                str(one["slot"]),
                str(one["number"]),
                one["side"],
                f"{one['remaining']} of {one['lots']}",
                series_text(one),
                dollars(one["limit_price"]),
                moment(one["expiry"]),
            )
            for one in account["orders"]
        ]
        print_table("its orders", ("slot", "number", "side", "lots", "series", "price", "until"), orders)
