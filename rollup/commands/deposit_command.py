"""`deposit`: money into the vault on Ethereum, and from there into the account."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from rollup.commands.quantities import Dollars, dollars
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import BadInput, ClearingCommand, Refused, json_option, print_json, say
from rollup.commands.waiting import timeout_option, wait_for

if TYPE_CHECKING:
    from rollup.commands.vault import Vault


@click.command(cls=ClearingCommand)
@click.argument("amount", type=Dollars())
@reaching(chain=True, keys=True)
@timeout_option
@json_option
def command(reach: Reach, amount: int, timeout: int, as_json: bool) -> None:
    """Deposit dollars into the vault and wait until the node has credited them.

    The first deposit opens the account; a trading key that `clearing key` has made is registered with it.
    On a chain with this project's practice token the missing dollars are made on the spot: they are worth nothing.

    \b
    Examples:
      clearing deposit 1000
      clearing deposit 250.50 --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.membership import account_number, is_registered, register
    from rollup.commands.vault import vault_behind

    name = reach.name()
    with reach.client() as client:
        parameters = reach.parameters(client)
        vault = vault_behind(reach, parameters)
        wallet = reach.wallet()
        if vault.fund_with_practice_ether(wallet.address):
            say("this is a practice chain: it gave the wallet some worthless ether for gas")
        vault.insist_on_ether(wallet.address)
        functions = vault.contract.functions
        minimum = int(functions.minimumDeposit().call())
        if amount < minimum:
            raise Refused(f"the least that can be deposited is {dollars(minimum)}")
        minted = _mint_missing(vault, wallet, amount)
        if int(vault.token.functions.allowance(wallet.address, vault.contract.address).call()) < amount:
            vault.send(wallet, vault.token.functions.approve(vault.contract.address, amount))
        receipt = vault.send(wallet, functions.deposit(wallet.address, amount))
        position = _position_in(vault, receipt)
        say(f"the vault has {dollars(amount)}; waiting for the node to serve queue item {position}")
        wait_for(
            f"the node to serve queue item {position}",
            lambda: client.parameters()["queue_position"] > position or None,
            timeout,
        )
        number = account_number(reach, client, parameters, vault=vault)
        if number is None:
            raise Refused("the contract has taken the deposit and knows no account of this wallet")
        known = reach.membership(parameters)
        registered = None
        if known.trading is not None:
            registered = is_registered(client, number, known.trading)
            if not registered:
                say("registering the trading key")
                register(client, vault, wallet, replace(known, account=number), number, timeout)
                registered = True
        cash = int(client.account_state(number)["cash"])
    if as_json:
        print_json(
            {
                "name": name,
                "account": number,
                "amount": amount,
                "minted": minted,
                "queue_position": position,
                "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
                "cash": cash,
                "is_key_registered": registered,
            }
        )
        return
    click.echo(f"credited {dollars(amount)} to account {number}: cash is {dollars(cash)}")
    if registered is None:
        click.echo("no trading key yet: `clearing key` makes and registers one")


def _mint_missing(vault: Vault, wallet: object, amount: int) -> int:
    """Make practice dollars where the wallet has too few; any other token must be there already."""
    from eth_account.signers.local import LocalAccount

    if not isinstance(wallet, LocalAccount):
        raise TypeError("a wallet signs")
    missing = amount - vault.balance(wallet.address)
    if missing <= 0:
        return 0
    if not vault.has_practice_token:
        have = dollars(vault.balance(wallet.address))
        raise BadInput(f"the wallet {wallet.address} has only {have} of the collateral {vault.token.address}")
    vault.send(wallet, vault.token.functions.mint(wallet.address, missing))
    say(f"made {dollars(missing)} of practice money for the wallet: it is worth nothing")
    return missing


def _position_in(vault: Vault, receipt: object) -> int:
    """Read the queue position out of the receipt of a deposit."""
    from web3.logs import DISCARD

    (event,) = vault.contract.events.QueueItemAdded().process_receipt(receipt, errors=DISCARD)
    return int(event["args"]["position"])
