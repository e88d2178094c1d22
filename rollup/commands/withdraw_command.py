"""`withdraw`: cash becomes a claim on the vault."""

from __future__ import annotations

import click

from rollup.commands.quantities import Dollars, dollars
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import ClearingCommand, json_option, print_json


@click.command(cls=ClearingCommand)
@click.argument("amount", type=Dollars())
@reaching(chain=True, keys=True)
@json_option
def command(reach: Reach, amount: int, as_json: bool) -> None:
    """Turn cash of the account into a claim on the vault.

    The cash leaves the account at once. The wallet can collect it with `clearing claim` once the batch is proved.

    \b
    Examples:
      clearing withdraw 100
      clearing withdraw 12.50 --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.membership import signing_client

    with signing_client(reach) as client:
        receipt = client.withdraw(amount)
        state = client.account_state()
    if as_json:
        print_json(receipt | {"account": state["account"], "amount": amount, "cash": state["cash"]})
        return
    click.echo(f"{dollars(amount)} left account {state['account']}: cash is {dollars(state['cash'])}")
    click.echo(
        f"it is a claim in batch {receipt['batch']}: `clearing claim {receipt['batch']}` once that is proved"
    )
