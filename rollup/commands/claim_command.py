"""`claim`: money out of the vault, once the batch that owes it is proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from rollup.commands.quantities import EthereumAddress, dollars
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import ClearingCommand, Refused, json_option, print_json, print_table

if TYPE_CHECKING:
    from rollup.client import Client
    from rollup.commands.vault import Vault

NEWEST: Final = 1000
"""Batches that are looked through when none is named."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One claim of the wallet, and how far it is."""

    batch: int
    index: int
    amount: int
    state: str
    """`not proved`, `claimable`, `paid` or, by this command, `collected`."""


@click.command(cls=ClearingCommand)
@click.argument("batch", type=click.IntRange(1, (1 << 32) - 1), required=False)
@reaching(chain=True, keys=True)
@click.option("--to", "recipient", type=EthereumAddress(), help="Who is paid.  [default: the wallet]")
@click.option("--list", "is_list", is_flag=True, help="Only show what is owed.")
@json_option
def command(reach: Reach, batch: int | None, recipient: str | None, is_list: bool, as_json: bool) -> None:
    """Collect what proved batches owe the account's wallet.

    With a BATCH, that batch's claims; without one, every claim in the newest thousand batches.
    A batch pays once the contract has accepted its proof; `clearing l1 status` shows how far it is.

    \b
    Examples:
      clearing claim
      clearing claim 12 --account alice
      clearing claim --list --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.vault import vault_behind

    with reach.client() as client:
        vault = vault_behind(reach, reach.parameters(client))
        owner = reach.keystore.address(reach.name())
        proved = int(vault.contract.functions.provedBatch().call())
        found = [
            one
            for number in ([batch] if batch is not None else _with_claims(client))
            for one in _owed(client, vault, number, owner, proved)
        ]
        if batch is not None and not found:
            raise Refused(f"batch {batch} owes {owner} nothing")
        if not is_list:
            found = _collect(reach, client, vault, found, recipient or owner)
    if as_json:
        print_json({"owner": owner, "proved_batch": proved, "claims": [_spelled(one) for one in found]})
    elif found:
        rows = [(str(one.batch), str(one.index), dollars(one.amount), one.state) for one in found]
        print_table(f"owed to {owner}", ("batch", "index", "amount", "state"), rows)
    else:
        click.echo(
            f"no closed batch owes {owner} anything; a withdrawal of the open batch becomes a claim when that closes"
        )
    unproved = sorted({one.batch for one in found if one.state == "not proved"})
    if unproved and not is_list and not any(one.state == "collected" for one in found):
        raise Refused(
            f"batch {unproved[0]} is not proved yet"
            + (f", nor are {len(unproved) - 1} later ones" if len(unproved) > 1 else "")
        )


def _with_claims(client: Client) -> list[int]:
    """Numbers of the newest batches, oldest first; which of them hold claims shows only in their data."""
    return sorted(int(one["number"]) for one in client.batches(NEWEST))


def _owed(client: Client, vault: Vault, number: int, owner: str, proved: int) -> list[Owed]:
    """The claims of one batch that belong to the owner."""
    from rollup.client import NodeRefusalError
    from rollup.node.refusals import Refusal

    try:
        content = client.batch(number)
    except NodeRefusalError as refused:
        if refused.reason is not Refusal.NOT_FOUND:
            raise
        health = client.health()
        if number == health["batch"]:
            raise Refused(f"batch {number} is not proved yet: it is still open") from refused
        raise Refused(f"there is no batch {number}") from refused
    found = []
    for index, claim in enumerate(content["claims"]):
        if int(claim["owner"], 16) != int(owner, 16):
            continue
        if number > proved:
            state = "not proved"
        else:
            is_paid = vault.contract.functions.isClaimed(number, index).call()
            state = "paid" if is_paid else "claimable"
        found.append(Owed(number, index, int(claim["amount"]), state))
    return found


def _collect(reach: Reach, client: Client, vault: Vault, owed: list[Owed], recipient: str) -> list[Owed]:
    """Claim what can be claimed; the paths are computed from the published data."""
    from rollup.claims import claim_path
    from rollup.codec import decode_batch
    from rollup.units import BatchNumber

    if not any(one.state == "claimable" for one in owed):
        return owed
    wallet = reach.wallet()
    done = []
    for one in owed:
        if one.state != "claimable":
            done.append(one)
            continue
        claims = decode_batch(client.batch_data(one.batch)).claims
        path = claim_path(BatchNumber(one.batch), claims, one.index)
        call = vault.contract.functions.claim(one.batch, one.index, one.amount, recipient, path)
        vault.send(wallet, call)
        done.append(Owed(one.batch, one.index, one.amount, "collected"))
    return done


def _spelled(one: Owed) -> dict[str, Any]:
    return {"batch": one.batch, "index": one.index, "amount": one.amount, "state": one.state}
