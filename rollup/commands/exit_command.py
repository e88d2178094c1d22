"""`exit`: out of a frozen clearing house, with Ethereum alone: the operator's node is not needed for any of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from rollup.commands.quantities import EthereumAddress, dollars, moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    ClearingCommand,
    Refused,
    json_option,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.contract import Contract
    from web3.contract.contract import ContractFunction

    from rollup.commands.house import FoundHouse
    from rollup.node.exits import ExitBook
    from rollup.state import Account
    from rollup.units import GroupId

LARGEST_GROUP: Final = (1 << 16) - 1

from_block_option = click.option("--from-block", type=click.IntRange(0), help="The contract's first block.")
recipient_option = click.option(
    "--to", "recipient", type=EthereumAddress(), help="Who is paid.  [default: the wallet]"
)


@click.group()
def group() -> None:
    """Leave a frozen clearing house with what is yours, with Ethereum's data alone.

    \b
    Examples:
      clearing exit show
      clearing exit leave
      clearing exit group
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@dataclass(frozen=True, slots=True)
class Due:
    """Something that a call brings, or prepares."""

    what: str
    amount: int
    call_for: Callable[[str], ContractFunction]
    """Makes the call, given who is paid."""


# ------------------------------------------------------------------------------------------------------- commands


@group.command(cls=ClearingCommand)
@reaching(chain=True, keys=True)
@click.option("--owner", type=EthereumAddress(), help="Whose money.  [default: the account's wallet]")
@from_block_option
@json_option
def show(reach: Reach, owner: str | None, from_block: int | None, as_json: bool) -> None:
    """Show what an owner can take out of the clearing house after a freeze.

    The state is repeated from the data on Ethereum up to the last proved batch; no node is asked, no password needed.
    While the clearing house runs, this is what its owner could take if it were frozen now.

    \b
    Examples:
      clearing exit show
      clearing exit show --owner 0xDe09E74d4888Bc4e65F589e8c13Bce9F71DdF4c7 --json
      clearing exit show --contract 0x5FbDB2315678afecb367f032d93F642f64180aa3 --l1-rpc http://127.0.0.1:8545
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    _, book = _book(reach, from_block)
    whose = owner or reach.keystore.address(reach.name())
    document = _document(book, whose)
    if as_json:
        print_json(document)
    else:
        _print(document)


@group.command(cls=ClearingCommand)
@reaching(chain=True, keys=True)
@recipient_option
@from_block_option
@json_option
def leave(reach: Reach, recipient: str | None, from_block: int | None, as_json: bool) -> None:
    """Leave with the account's cash less what its positions may still cost.

    Groups that the account holds positions in and that nobody has shown to the contract are shown first.
    What the positions hold back, and what they pay, comes with `clearing exit group` once the price is known.

    \b
    Examples:
      clearing exit leave
      clearing exit leave --account alice --to 0xDe09E74d4888Bc4e65F589e8c13Bce9F71DdF4c7 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    house, book = _frozen_book(reach, from_block)
    account = _account(book, reach)
    if book.has_left(account):
        raise Refused(f"account {account.account} has left already; `clearing exit group` takes its groups")
    share = book.share(account)
    unseen = [held.group.group for held in share.groups if not book.is_shown(held.group.group)]
    due = [
        *(
            Due(f"group {name} shown", 0, partial(_ignoring_recipient, book.show_group, name))
            for name in unseen
        ),
        Due(f"cash of account {account.account}", share.cash_at_once, partial(book.take_cash, account)),
    ]
    _collect(house, reach, due, recipient, as_json)


@group.command(cls=ClearingCommand, name="group")
@click.argument("groups", type=click.IntRange(0, LARGEST_GROUP), nargs=-1)
@reaching(chain=True, keys=True)
@recipient_option
@from_block_option
@json_option
def take_groups(
    reach: Reach, groups: tuple[int, ...], recipient: str | None, from_block: int | None, as_json: bool
) -> None:
    """Take what GROUPS held back and what they came to, once their prices are known.

    Without GROUPS, every group of the account that can be taken. The account has left before (`clearing exit leave`).

    \b
    Examples:
      clearing exit group
      clearing exit group 7 8 --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    house, book = _frozen_book(reach, from_block)
    account = _account(book, reach)
    if not book.has_left(account):
        raise Refused(f"account {account.account} has not left; `clearing exit leave` comes first")
    shares = {held.group.group: held for held in book.share(account).groups}
    for wanted in groups:
        if wanted not in shares:
            raise Refused(f"account {account.account} holds nothing in group {wanted}")
    due = []
    for name, held in shares.items():
        if groups and name not in groups:
            continue
        if book.is_taken(account, name):
            reason = f"group {name} was taken before"
        elif held.amount is None:
            reason = f"the price of group {name}, which expires {moment(held.group.expiry)}, is not known yet"
        else:
            due.append(Due(f"group {name}", held.amount, partial(book.take_group, account, name)))
            continue
        if groups:
            raise Refused(reason)
        say(reason)
    _collect(house, reach, due, recipient, as_json)


@group.command(cls=ClearingCommand)
@click.argument("positions", type=click.IntRange(0, (1 << 32) - 1), nargs=-1)
@reaching(chain=True, keys=True)
@recipient_option
@from_block_option
@json_option
def refund(
    reach: Reach, positions: tuple[int, ...], recipient: str | None, from_block: int | None, as_json: bool
) -> None:
    """Take back the wallet's deposits that no proved batch has served.

    POSITIONS are places in the queue, as `clearing exit show` lists them; without any, every deposit that waits.

    \b
    Examples:
      clearing exit refund
      clearing exit refund 31 --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    house, book = _frozen_book(reach, from_block)
    owner = reach.keystore.address(reach.name())
    found = {deposit.position: deposit for deposit in book.deposits_of(owner)}
    for position in positions:
        if position not in found:
            raise Refused(f"queue item {position} is no deposit of {owner} that waits")
        if found[position].is_refunded:
            raise Refused(f"deposit {position} was refunded before")
    due = [
        Due(f"deposit {place}", deposit.item.amount, partial(book.refund, deposit))
        for place, deposit in found.items()
        if not deposit.is_refunded and (not positions or place in positions)
    ]
    _collect(house, reach, due, recipient, as_json)


@group.command(cls=ClearingCommand)
@reaching(chain=True, keys=True)
@recipient_option
@from_block_option
@json_option
def claim(reach: Reach, recipient: str | None, from_block: int | None, as_json: bool) -> None:
    """Collect the wallet's withdrawals out of proved batches without asking a node.

    This works before a freeze as well; `clearing claim` does the same with a node's help.

    \b
    Examples:
      clearing exit claim
      clearing exit claim --account alice --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    house, book = _book(reach, from_block)
    owner = reach.keystore.address(reach.name())
    due = [
        Due(f"claim {one.index} of batch {one.batch}", one.amount, partial(book.claim, one))
        for one in book.claims_of(owner)
        if not one.is_paid
    ]
    _collect(house, reach, due, recipient, as_json)


@group.command(cls=ClearingCommand)
@click.argument("number", metavar="GROUP", type=click.IntRange(0, LARGEST_GROUP))
@click.argument("price", type=click.IntRange(0, (1 << 64) - 1))
@reaching(chain=True, keys=True)
@json_option
def announce(reach: Reach, number: int, price: int, as_json: bool) -> None:
    """Announce a GROUP's settlement PRICE in ticks, as the governor, where the oracles are silent.

    Possible once too few oracles have posted 14 days after the group's expiry, or after the freeze where that is later.
    After the timelock anyone may have it adopted, unless enough oracles have posted until then.

    \b
    Examples:
      clearing exit announce 7 3150
      clearing exit announce 7 3150 --account governor --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    house, exits = _exits(reach)
    sent = _send(house, reach.wallet(), exits.functions.announcePrice(number, price))
    ready = int(exits.functions.notice(number).call()[1])
    if as_json:
        print_json({"group": number, "price": price, "ready_at": ready, "transaction": sent})
    else:
        click.echo(
            f"price {price} of group {number} is announced; `clearing exit adopt {number}` from {moment(ready)}"
        )


@group.command(cls=ClearingCommand)
@click.argument("number", metavar="GROUP", type=click.IntRange(0, LARGEST_GROUP))
@reaching(chain=True, keys=True)
@json_option
def adopt(reach: Reach, number: int, as_json: bool) -> None:
    """Have a GROUP settled at the price that the governor announced; anyone may, after the timelock.

    \b
    Examples:
      clearing exit adopt 7
      clearing exit adopt 7 --account anybody --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    house, exits = _exits(reach)
    sent = _send(house, reach.wallet(), exits.functions.adoptPrice(number))
    price = int(exits.functions.notice(number).call()[0])
    if as_json:
        print_json({"group": number, "price": price, "transaction": sent})
    else:
        click.echo(f"group {number} settles at {price}")


# -------------------------------------------------------------------------------------------------------- reaching


def _book(reach: Reach, from_block: int | None) -> tuple[FoundHouse, ExitBook]:
    """Everything about the clearing house of --contract, of the data directory, or else of the node."""
    from rollup.commands.house import found_house
    from rollup.node.exits import read_exit_book

    house = found_house(reach)
    say("repeating the proved batches from Ethereum's data")
    first = house.from_block if from_block is None else from_block
    return house, read_exit_book(house.vault.ethereum, str(house.vault.contract.address), first)


def _frozen_book(reach: Reach, from_block: int | None) -> tuple[FoundHouse, ExitBook]:
    """The same, of a clearing house that is frozen."""
    house, book = _book(reach, from_block)
    if not book.frozen_at:
        raise Refused(
            "the clearing house is not frozen: `clearing withdraw` takes money out, and `clearing l1 status`"
            " shows when anyone may freeze it"
        )
    return house, book


def _exits(reach: Reach) -> tuple[FoundHouse, Contract]:
    """The exits of a clearing house, without its state."""
    from rollup.commands.house import found_house
    from rollup.node.deployment import contract_at

    house = found_house(reach)
    return house, contract_at(house.vault.ethereum, "Exits", str(house.functions.exits().call()))


def _account(book: ExitBook, reach: Reach) -> Account:
    owner = reach.keystore.address(reach.name())
    account = book.account_of(owner)
    if account is None:
        raise Refused(
            f"{owner} has no account in the last proved state; `clearing exit refund` takes deposits back"
        )
    return account


def _ignoring_recipient(
    call_for: Callable[[GroupId], ContractFunction], name: GroupId, recipient: str
) -> ContractFunction:
    """A call that pays nobody."""
    del recipient
    return call_for(name)


def _collect(
    house: FoundHouse, reach: Reach, due: Sequence[Due], recipient: str | None, as_json: bool
) -> None:
    """Send every call, and say what each one brought."""
    done = []
    if due:
        wallet = reach.wallet()
        for one in due:
            done.append((one, _send(house, wallet, one.call_for(recipient or wallet.address))))
            say(f"{one.what}: done" if one.amount == 0 else f"{one.what}: {dollars(one.amount)} paid")
    total = sum(one.amount for one, _ in done)
    if as_json:
        calls = [{"what": one.what, "amount": one.amount, "transaction": sent} for one, sent in done]
        print_json({"calls": calls, "total": total})
    else:
        click.echo(f"{dollars(total)} taken" if due else "there is nothing to take now")


def _send(house: FoundHouse, wallet: LocalAccount, call: ContractFunction) -> str:
    """Send a call of the exits; returns its transaction."""
    from verifier_contracts.artifact import load_artifact

    # What the exits refuse may be the clearing house's refusal, or the tree's.
    errors = [*load_artifact("ClearingHouse").abi, *load_artifact("PoseidonTree").abi]
    return "0x" + bytes(house.send(wallet, call, errors=errors)["transactionHash"]).hex()


# -------------------------------------------------------------------------------------------------------- printing


def _document(book: ExitBook, owner: str) -> dict[str, Any]:
    """Everything that belongs to an owner."""
    account = book.account_of(owner)
    document: dict[str, Any] = {
        "contract": str(book.contract.address),
        "exits": str(book.exits.address),
        "frozen_at": book.frozen_at or None,
        "proved_batch": len(book.batches),
        "owner": owner,
        "account": None,
        "groups": [],
        "deposits": [
            {"position": one.position, "amount": one.item.amount, "is_refunded": one.is_refunded}
            for one in book.deposits_of(owner)
        ],
        "claims": [
            {"batch": one.batch, "index": one.index, "amount": one.amount, "is_paid": one.is_paid}
            for one in book.claims_of(owner)
        ],
    }
    if account is not None:
        share = book.share(account)
        document |= {
            "account": account.account,
            "has_left": book.has_left(account),
            "cash": account.cash,
            "requirement": share.requirement,
            "cash_at_once": share.cash_at_once,
            "groups": [
                {
                    "group": held.group.group,
                    "expiry": held.group.expiry,
                    "requirement": held.requirement,
                    "price": held.price,
                    "payoff": held.payoff,
                    "amount": held.amount,
                    "is_shown": book.is_shown(held.group.group),
                    "is_taken": book.is_taken(account, held.group.group),
                }
                for held in share.groups
            ],
        }
    return document


def _print(document: dict[str, Any]) -> None:
    frozen = document["frozen_at"]
    click.echo(
        f"frozen since {moment(frozen)}; batch {document['proved_batch']} is the last proved one"
        if frozen
        else f"not frozen; if it were now, after batch {document['proved_batch']}, this could be taken"
    )
    rows = []
    if document["account"] is not None:
        state = "taken" if document["has_left"] else "`clearing exit leave`"
        rows.append(("cash less requirement", dollars(document["cash_at_once"]), state))
    for held in document["groups"]:
        amount = "?" if held["amount"] is None else dollars(held["amount"])
        if held["is_taken"]:
            state = "taken"
        elif held["amount"] is None:
            state = (
                f"no price yet; holds back {dollars(held['requirement'])}, expires {moment(held['expiry'])}"
            )
        else:
            state = f"`clearing exit group {held['group']}`"
        rows.append((f"group {held['group']}", amount, state))
    rows += [
        (
            f"deposit {one['position']}",
            dollars(one["amount"]),
            "refunded" if one["is_refunded"] else "`clearing exit refund`",
        )
        for one in document["deposits"]
    ]
    rows += [
        (
            f"claim {one['index']} of batch {one['batch']}",
            dollars(one["amount"]),
            "paid" if one["is_paid"] else "`clearing exit claim`",
        )
        for one in document["claims"]
    ]
    if rows:
        print_table(f"what belongs to {document['owner']}", ("what", "amount", "how"), rows)
    else:
        click.echo(f"nothing here belongs to {document['owner']}")
