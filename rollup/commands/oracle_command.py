"""`oracle`: sign a group's settlement price, carry it to the contract, and have the median fixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rollup.commands.quantities import moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    Refused,
    json_option,
    print_json,
    print_table,
    read_limited,
    write_result,
)

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rollup.commands.house import FoundHouse

LARGEST_SIGNED: Final = 1 << 12
LARGEST_PRICE: Final = (1 << 64) - 1

group_argument = click.argument("number", type=click.IntRange(1, (1 << 16) - 1), metavar="GROUP")
price_argument = click.argument("price", type=click.IntRange(0, LARGEST_PRICE))


@click.group()
def group() -> None:
    """Sign, post and fix a group's settlement price.

    Its oracles sign prices, anybody carries them, and anybody has the median fixed.
    A price is in whole ticks of the group: the average of the half hour before expiry.

    \b
    Examples:
      clearing oracle post 1 3123 --account oracle
      clearing oracle list 1
      clearing oracle fix 1
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@group.command(cls=ClearingCommand)
@group_argument
@price_argument
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the signed price to a file."
)
@reaching(chain=True, keys=True)
@json_option
def sign(reach: Reach, number: int, price: int, out: Path | None, as_json: bool) -> None:
    """Sign a settlement price without sending it: anybody can post it then, and pay for the gas.

    \b
    Examples:
      clearing oracle sign 1 3123 --account oracle --out price.json
      clearing oracle sign 1 3123 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    _insist_on_expired(house, number)
    signed = _signed(house, reach.wallet(), number, price)
    if out is not None:
        write_result(out, (json.dumps(signed, indent=2) + "\n").encode())
    if as_json or out is None:
        print_json(signed)
        return
    click.echo(
        f"group {number} at {price} ticks, signed by {signed['oracle']}: `clearing oracle post --signed {out}`"
    )


@group.command(cls=ClearingCommand)
@click.argument("number", type=click.IntRange(1, (1 << 16) - 1), metavar="[GROUP]", required=False)
@click.argument("price", type=click.IntRange(0, LARGEST_PRICE), required=False)
@click.option(
    "--signed",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Carry this signed price; the account only pays for the gas.",
)
@reaching(chain=True, keys=True)
@json_option
def post(reach: Reach, number: int | None, price: int | None, signed: Path | None, as_json: bool) -> None:
    """Post a settlement price: sign it with the account's wallet, or carry one that an oracle has signed.

    \b
    Examples:
      clearing oracle post 1 3123 --account oracle
      clearing oracle post --signed price.json --account anybody --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    if (signed is None) == (number is None or price is None) or (signed is not None and number is not None):
        raise click.UsageError("give either GROUP and PRICE, or --signed FILE")
    house = found_house(reach)
    if signed is not None:
        carried = _carried(house, signed)
        wallet = reach.wallet()
    else:
        _insist_on_expired(house, int(number or 0))
        wallet = reach.wallet()
        carried = _signed(house, wallet, int(number or 0), int(price or 0))
    signature = bytes.fromhex(carried["signature"].removeprefix("0x"))
    call = house.functions.postPrice(
        carried["group"], carried["price"], signature[64], signature[:32], signature[32:64]
    )
    house.send(wallet, call)
    status = _status(house, carried["group"])
    if as_json:
        print_json(carried | {"posted": len(status["prices"]), "threshold": status["threshold"]})
        return
    click.echo(
        f"group {carried['group']} at {carried['price']} ticks by {carried['oracle']}:"
        f" {len(status['prices'])} of {status['threshold']} prices are posted"
    )
    click.echo(
        f"`clearing oracle fix {carried['group']}` fixes the median after {moment(status['closes_at'])}"
    )


@group.command(cls=ClearingCommand)
@group_argument
@reaching(chain=True, keys=True)
@json_option
def fix(reach: Reach, number: int, as_json: bool) -> None:
    """Fix the median of the posted prices, which settles the group; anybody may, once the collection is over.

    \b
    Examples:
      clearing oracle fix 1
      clearing oracle fix 1 --account anybody --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    _insist_on_expired(house, number)
    house.send(reach.wallet(), house.functions.fixPrice(number))
    status = _status(house, number)
    if as_json:
        print_json(status)
        return
    click.echo(
        f"group {number} settles at {status['settlement_price']} ticks, the median of {len(status['prices'])}"
    )
    click.echo("it waits in the queue: the next batch closes everybody's positions at it")


@group.command("list", cls=ClearingCommand)
@group_argument
@reaching(chain=True)
@json_option
def list_(reach: Reach, number: int, as_json: bool) -> None:
    """List the prices that are posted for a group, and how far its settlement is.

    \b
    Examples:
      clearing oracle list 1
      clearing oracle list 1 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    status = _status(found_house(reach), number)
    if as_json:
        print_json(status)
        return
    price = status["settlement_price"]
    rows = [
        ("expires", moment(status["expiry"])),
        ("prices in ticks", ", ".join(map(str, status["prices"])) or "none yet"),
        ("needed", f"{status['threshold']} of {status['oracles']} oracles"),
        ("collected until", moment(status["closes_at"])),
        ("settlement price", "not fixed" if price is None else f"{price} ticks"),
    ]
    print_table(f"group {number}", ("", ""), rows)


# --------------------------------------------------------------------------------------------------- what they share


def _status(house: FoundHouse, number: int) -> dict[str, Any]:
    """A group's settlement as the contract has it."""
    functions = house.functions
    expiry, _, is_fixed, price, _ = functions.group(number).call()
    if not expiry:
        raise Refused(f"the contract lists no group {number}")
    return {
        "group": number,
        "expiry": int(expiry),
        "prices": [int(one) for one in functions.prices(number).call()],
        "threshold": int(functions.oracleThreshold().call()),
        "oracles": int(functions.oracleCount().call()),
        "closes_at": int(expiry) + int(functions.collectionPeriod().call()),
        "settlement_price": int(price) if is_fixed else None,
    }


def _insist_on_expired(house: FoundHouse, number: int) -> None:
    status = _status(house, number)
    if status["settlement_price"] is not None:
        raise Refused(f"group {number} is settled at {status['settlement_price']} ticks already")
    if house.now < status["expiry"]:
        raise Refused(f"group {number} expires at {moment(status['expiry'])}: there is no price before")


def _signed(house: FoundHouse, wallet: LocalAccount, number: int, price: int) -> dict[str, Any]:
    """Sign what the contract says that an oracle signs."""
    if not house.functions.isOracle(wallet.address).call():
        raise Refused(
            f"{wallet.address} is no oracle of this clearing house; --account names whose wallet signs"
        )
    expiry = int(house.functions.group(number).call()[0])
    domain = {
        "name": "Options Clearing House",
        "version": "1",
        "chainId": house.vault.ethereum.web3.eth.chain_id,
        "verifyingContract": house.vault.contract.address,
    }
    kinds = {
        "SettlementPrice": [
            {"name": "group", "type": "uint16"},
            {"name": "expiry", "type": "uint48"},
            {"name": "price", "type": "uint64"},
        ]
    }
    message = {"group": number, "expiry": expiry, "price": price}
    made = wallet.sign_typed_data(domain, kinds, message)
    return {
        "contract": house.vault.contract.address,
        "group": number,
        "price": price,
        "oracle": wallet.address,
        "signature": "0x" + bytes(made.signature).hex(),
    }


def _carried(house: FoundHouse, file: Path) -> dict[str, Any]:
    """Read a signed price; whether the signature holds is the contract's to say."""
    try:
        found = json.loads(read_limited(file, LARGEST_SIGNED))
        number, price, signature = found["group"], found["price"], found["signature"]
        is_well = isinstance(number, int) and isinstance(price, int) and 0 < number < 1 << 16
        if not is_well or not 0 <= price <= LARGEST_PRICE or len(bytes.fromhex(signature[2:])) != 65:
            raise ValueError("a number is out of range")
        contract, oracle = str(found["contract"]), str(found["oracle"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{str(file)!r} does not hold a signed price") from error
    if contract.lower() != house.vault.contract.address.lower():
        raise BadInput(f"{str(file)!r} was signed for another clearing house")
    return {"contract": contract, "group": number, "price": price, "oracle": oracle, "signature": signature}
