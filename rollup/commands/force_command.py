"""`force`: what people do through Ethereum when a sequencer does not serve them, and what stops one that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rollup.commands.quantities import moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import BadInput, ClearingCommand, Refused, json_option, print_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.contract.contract import ContractFunction

    from rollup.commands.house import FoundHouse


@click.group()
def group() -> None:
    """Go past the sequencer: queue what it must serve, revert or freeze what it does not prove.

    None of this asks a node: only Ethereum, the contract and your wallet are needed.

    \b
    Examples:
      clearing force withdraw
      clearing force freeze
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@group.command("cancel", cls=ClearingCommand)
@click.argument("floor", type=click.IntRange(1, (1 << 32) - 1))
@reaching(chain=True, keys=True)
@json_option
def cancel(reach: Reach, floor: int, as_json: bool) -> None:
    """Kill every order of the account numbered below FLOOR.

    The sequencer must serve it within the queue's window; after that anybody may freeze the clearing house.

    \b
    Examples:
      clearing force cancel 1000
      clearing force cancel 4294967295 --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    wallet = reach.wallet()
    queued = _queued(house, wallet, house.functions.forceCancelOrders(floor))
    _tell(queued | {"order_floor": floor}, f"orders below {floor} are to be cancelled", as_json=as_json)


@group.command("withdraw", cls=ClearingCommand)
@reaching(chain=True, keys=True)
@json_option
def withdraw(reach: Reach, as_json: bool) -> None:
    """Settle what can be settled, and turn all cash that no margin needs into a claim.

    \b
    Examples:
      clearing force withdraw
      clearing force withdraw --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    wallet = reach.wallet()
    queued = _queued(house, wallet, house.functions.forceWithdrawal())
    _tell(queued, "all cash that no margin needs is to be paid out", as_json=as_json)


@group.command("revert", cls=ClearingCommand)
@reaching(chain=True, keys=True)
@json_option
def revert(reach: Reach, as_json: bool) -> None:
    """Take back the batches that were not proved by their deadline; anybody may.

    \b
    Examples:
      clearing force revert
      clearing force revert --account anybody --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    proved, sealed = (int(one().call()) for one in (house.functions.provedBatch, house.functions.sealedBatch))
    house.send(reach.wallet(), house.functions.revertBatches())
    if as_json:
        print_json({"proved_batch": proved, "reverted": list(range(proved + 1, sealed + 1))})
        return
    count = sealed - proved
    click.echo(
        f"{count} sealed {'batch is' if count == 1 else 'batches are'} taken back; the last one is now {proved}"
    )


@group.command("freeze", cls=ClearingCommand)
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@reaching(chain=True, keys=True)
@json_option
def freeze(reach: Reach, is_sure: bool, as_json: bool) -> None:
    """Stop the clearing house for ever, once something has waited for its proof longer than the window; anybody may.

    From then on everybody leaves with `clearing exit`; nothing is traded any more.

    \b
    Examples:
      clearing force freeze
      clearing force freeze --yes --account anybody --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    wallet = reach.wallet()
    # Asked before anybody is: what the contract would refuse needs no decision.
    house.vault.ethereum.refuse_failure(wallet.address, house.functions.freeze(), 0)
    if not is_sure:
        if as_json:
            raise BadInput("nobody can be asked with --json: --yes says that it is meant")
        click.confirm("This cannot be undone. Freeze the clearing house?", abort=True, err=True)
    house.send(wallet, house.functions.freeze())
    frozen_at = int(house.functions.frozenAt().call())
    proved = int(house.functions.provedBatch().call())
    if as_json:
        print_json({"frozen_at": frozen_at, "proved_batch": proved})
        return
    click.echo(
        f"frozen at {moment(frozen_at)} after batch {proved}; `clearing exit` takes everybody's money out"
    )


def _queued(house: FoundHouse, wallet: LocalAccount, call: ContractFunction) -> dict[str, Any]:
    """Put an item into the queue, and say where it stands and until when it must be proved."""
    if house.vault.account_of(wallet.address) is None:
        raise Refused(f"{wallet.address} has no account at this clearing house; `clearing deposit` opens one")
    charge = int(house.functions.charge().call())
    receipt = house.send(wallet, call, value=house.vault.charge_offered(wallet.address))
    (log,) = house.vault.contract.events.QueueItemAdded().process_receipt(receipt)
    queued_at = int(log["args"]["time"])
    return {
        "position": int(log["args"]["position"]),
        "queued_at": queued_at,
        "freeze_at": queued_at + int(house.functions.queueWindow().call()) + 1,
        "charge_wei": charge,
    }


def _tell(queued: dict[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(queued)
        return
    click.echo(f"{what}: item {queued['position']} of the queue")
    click.echo(
        f"unless a proved batch serves it, anybody may freeze the clearing house from {moment(queued['freeze_at'])}"
    )
