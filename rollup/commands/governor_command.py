"""`governor`: announce changes of the clearing house, and make them when their time has come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rollup.commands.quantities import Dollars, EthereumAddress, Moment, Units, moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    Refused,
    json_option,
    print_json,
    print_table,
    read_limited,
    say,
)

if TYPE_CHECKING:
    from rollup.commands.house import FoundHouse
    from rollup.node.governance import Action, Announced

LARGEST_KEYS: Final = 1 << 20

U16 = click.IntRange(0, (1 << 16) - 1)
GROUP_NUMBER = click.IntRange(1, (1 << 16) - 1)
TICKS = click.IntRange(1, (1 << 24) - 1)

from_block_option = click.option(
    "--from-block",
    type=click.IntRange(0),
    help="Read announcements from this block on.  [default: the contract's first, if this data directory knows it]",
)
keys_option = click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of the proof chain's keys.  [default: those that this version pins]",
)


@click.group()
def group() -> None:
    """Announce changes of the clearing house, list what waits, and make them after their notice.

    Whatever the governor does is announced on Ethereum first and waits for the timelock, so that people can leave.

    \b
    Examples:
      clearing governor propose series 4 3000 call
      clearing governor list
      clearing governor execute 3
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@group.group()
def propose() -> None:
    """Announce a change; `clearing governor execute` makes it after the timelock.

    \b
    Examples:
      clearing governor propose series 4 3000 call
      clearing governor propose parameters --maker-fee-rate 0 --taker-fee-rate 300 --treasury 1
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@propose.command("group", cls=ClearingCommand)
@click.argument("number", type=GROUP_NUMBER)
@click.option("--underlying", type=U16, required=True, help="The underlying's number in this market.")
@click.option(
    "--expiry", type=Moment(), required=True, help="As 2026-12-25T08:00Z, or in seconds since 1970."
)
@click.option(
    "--cap", type=TICKS, required=True, help="Settlement prices above it count as the cap; in ticks."
)
@click.option("--tick", type=Dollars(), required=True, help="Dollars of one tick of the underlying's price.")
@click.option("--lot", type=Units(), required=True, help="Units of the underlying in one lot.")
@reaching(chain=True, keys=True)
@json_option
def propose_group(
    reach: Reach, number: int, underlying: int, expiry: int, cap: int, tick: int, lot: int, as_json: bool
) -> None:
    """Announce a group of options: one underlying, one expiry.

    \b
    Examples:
      clearing governor propose group 4 --underlying 1 --expiry 2027-03-26T08:00Z --cap 20000 --tick 1 --lot 0.01
      clearing governor propose group 4 --underlying 1 --expiry 1806048000 --cap 20000 --tick 1 --lot 0.01 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action

    _propose(reach, Action.LIST_GROUP, (number, underlying, expiry, cap, tick, lot), as_json=as_json)


@propose.command("series", cls=ClearingCommand)
@click.argument("number", type=GROUP_NUMBER)
@click.argument("strike", type=TICKS)
@click.argument("option", type=click.Choice(["call", "put"]))
@reaching(chain=True, keys=True)
@json_option
def propose_series(reach: Reach, number: int, strike: int, option: str, as_json: bool) -> None:
    """Announce an option of a group that is listed; the strike is in the group's ticks.

    \b
    Examples:
      clearing governor propose series 4 3000 call --account governor
      clearing governor propose series 4 3000 put --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action
    from rollup.units import OptionKind

    _propose(reach, Action.LIST_SERIES, (number, strike, OptionKind[option.upper()].value), as_json=as_json)


@propose.command("parameters", cls=ClearingCommand)
@click.option("--maker-fee-rate", type=U16, required=True, help="Millionths of the premium.")
@click.option("--taker-fee-rate", type=U16, required=True, help="Millionths of the premium.")
@click.option(
    "--treasury", type=click.IntRange(1, (1 << 32) - 1), required=True, help="Account that gets the fees."
)
@reaching(chain=True, keys=True)
@json_option
def propose_parameters(
    reach: Reach, maker_fee_rate: int, taker_fee_rate: int, treasury: int, as_json: bool
) -> None:
    """Announce fee rates and the account that gets the fees.

    \b
    Examples:
      clearing governor propose parameters --maker-fee-rate 0 --taker-fee-rate 300 --treasury 1
      clearing governor propose parameters --maker-fee-rate 100 --taker-fee-rate 300 --treasury 1 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action

    _propose(reach, Action.SET_PARAMETERS, (maker_fee_rate, taker_fee_rate, treasury), as_json=as_json)


@propose.command("oracles", cls=ClearingCommand)
@click.argument("oracles", type=EthereumAddress(), nargs=-1, required=True)
@click.option("--threshold", type=click.IntRange(1, 32), required=True, help="Prices that must be posted.")
@click.option(
    "--faults", type=click.IntRange(0, 15), required=True, help="Oracles that may lie or be silent."
)
@reaching(chain=True, keys=True)
@json_option
def propose_oracles(
    reach: Reach, oracles: tuple[str, ...], threshold: int, faults: int, as_json: bool
) -> None:
    """Announce who may sign settlement prices.

    \b
    Examples:
      clearing governor propose oracles 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF --threshold 1 --faults 0
      clearing governor propose oracles 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF --threshold 1 --faults 0 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action

    _propose(reach, Action.SET_ORACLES, (list(oracles), threshold, faults), as_json=as_json)


@propose.command("sequencer", cls=ClearingCommand)
@click.argument("address", type=EthereumAddress())
@reaching(chain=True, keys=True)
@json_option
def propose_sequencer(reach: Reach, address: str, as_json: bool) -> None:
    """Announce whose batches the contract takes.

    \b
    Examples:
      clearing governor propose sequencer 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF
      clearing governor propose sequencer 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action

    _propose(reach, Action.SET_SEQUENCER, (address,), as_json=as_json)


@propose.command("governor", cls=ClearingCommand)
@click.argument("address", type=EthereumAddress())
@reaching(chain=True, keys=True)
@json_option
def propose_governor(reach: Reach, address: str, as_json: bool) -> None:
    """Announce who governs from then on.

    \b
    Examples:
      clearing governor propose governor 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF
      clearing governor propose governor 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action

    _propose(reach, Action.SET_GOVERNOR, (address,), as_json=as_json)


@propose.command("verifier", cls=ClearingCommand)
@keys_option
@click.option("--address", type=EthereumAddress(), help="A verifier that is deployed.  [default: deploy one]")
@reaching(chain=True, keys=True)
@json_option
def propose_verifier(reach: Reach, keys: Path | None, address: str | None, as_json: bool) -> None:
    """Announce another verifier of proofs, with the keys of its proof chain.

    \b
    Examples:
      clearing governor propose verifier --account governor
      clearing governor propose verifier --keys keys.json --address 0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house
    from rollup.node.governance import Action

    judge = _pinned(keys)
    if address is None:
        house, wallet = found_house(reach), reach.wallet()
        _insist_on_governor(house, wallet.address)
        say("deploying the verifier")
        arguments = (judge.description,) if judge.description else ()
        ethereum = house.vault.ethereum
        receipt = ethereum.deploy(wallet, judge.artifact.abi, judge.artifact.bytecode, *arguments)
        address = str(receipt["contractAddress"])
    values = (address, judge.terminal_key, list(judge.last_keys))
    _propose(reach, Action.SET_VERIFIER, values, as_json=as_json)


@propose.command("step-keys", cls=ClearingCommand)
@click.argument("version", type=U16)
@keys_option
@reaching(chain=True, keys=True)
@json_option
def propose_step_keys(reach: Reach, version: int, keys: Path | None, as_json: bool) -> None:
    """Announce the keys through which batches of a data version are proved.

    \b
    Examples:
      clearing governor propose step-keys 1 --account governor
      clearing governor propose step-keys 2 --keys keys.json --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.governance import Action

    _propose(reach, Action.SET_STEP_KEYS, (version, list(_pinned(keys).step_keys)), as_json=as_json)


@group.command("list", cls=ClearingCommand)
@reaching(chain=True)
@from_block_option
@json_option
def list_(reach: Reach, from_block: int | None, as_json: bool) -> None:
    """List what is announced: since it can be read here, nobody is surprised.

    \b
    Examples:
      clearing governor list
      clearing governor list --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house
    from rollup.node.governance import announced

    house = found_house(reach)
    first = house.from_block if from_block is None else from_block
    found, now = announced(house.vault.contract, first), house.now
    governor = str(house.functions.governor().call())
    if as_json:
        spelled = [_spelled(one, now) for one in found]
        print_json(
            {"governor": governor, "timelock": int(house.functions.timelock().call()), "proposals": spelled}
        )
        return
    if not found:
        click.echo(f"nothing is announced; the governor is {governor}")
        return
    rows = [
        (
            str(one.number),
            _action_text(one.action),
            _arguments_text(one),
            one.state(now),
            moment(one.ready_at),
            moment(one.expires_at),
        )
        for one in found
    ]
    print_table(
        f"announced by {governor}", ("proposal", "action", "arguments", "state", "ready", "until"), rows
    )


@group.command(cls=ClearingCommand)
@click.argument("number", type=click.IntRange(0))
@reaching(chain=True, keys=True)
@from_block_option
@json_option
def execute(reach: Reach, number: int, from_block: int | None, as_json: bool) -> None:
    """Make an announced change, once its notice has passed.

    \b
    Examples:
      clearing governor execute 3 --account governor
      clearing governor execute 3 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    one = _standing(house, number, from_block)
    state = one.state(house.now)
    if state != "ready":
        until = moment(one.ready_at if state == "waiting" else one.expires_at)
        raise Refused(
            f"proposal {number} " + (f"is ready at {until}" if state == "waiting" else f"expired at {until}")
        )
    wallet = reach.wallet()
    _insist_on_governor(house, wallet.address)
    house.send(wallet, house.functions.execute(number, int(one.action), one.arguments))
    if as_json:
        print_json(_spelled(one, house.now) | {"state": "executed"})
        return
    click.echo(f"proposal {number} is executed: {_action_text(one.action)} {_arguments_text(one)}")


@group.command(cls=ClearingCommand)
@click.argument("number", type=click.IntRange(0))
@reaching(chain=True, keys=True)
@from_block_option
@json_option
def cancel(reach: Reach, number: int, from_block: int | None, as_json: bool) -> None:
    """Take an announcement back.

    \b
    Examples:
      clearing governor cancel 3 --account governor
      clearing governor cancel 3 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.house import found_house

    house = found_house(reach)
    one = _standing(house, number, from_block)
    wallet = reach.wallet()
    _insist_on_governor(house, wallet.address)
    house.send(wallet, house.functions.cancel(number))
    if as_json:
        print_json(_spelled(one, house.now) | {"state": "cancelled"})
        return
    click.echo(f"proposal {number} is cancelled")


# --------------------------------------------------------------------------------------------------- what they share


def _propose(reach: Reach, action: Action, values: tuple[Any, ...], *, as_json: bool) -> None:
    """Announce an action with the governor's wallet, and say when it can be made."""
    from rollup.commands.house import found_house
    from rollup.node.governance import Announced, encode_arguments

    house, wallet = found_house(reach), reach.wallet()
    _insist_on_governor(house, wallet.address)
    arguments = encode_arguments(action, values)
    receipt = house.send(wallet, house.functions.propose(int(action), arguments))
    (log,) = house.vault.contract.events.Proposed().process_receipt(receipt)
    one = Announced(int(log["args"]["proposal"]), action, arguments, int(log["args"]["readyAt"]))
    if as_json:
        print_json(_spelled(one, house.now))
        return
    click.echo(f"proposal {one.number}: {_action_text(action)} {_arguments_text(one)}")
    click.echo(
        f"`clearing governor execute {one.number}` makes it from {moment(one.ready_at)} until {moment(one.expires_at)}"
    )


def _insist_on_governor(house: FoundHouse, address: str) -> None:
    governor = str(house.functions.governor().call())
    if int(governor, 16) != int(address, 16):
        raise Refused(f"the governor is {governor}, not {address}; --account names whose wallet signs")


def _standing(house: FoundHouse, number: int, from_block: int | None) -> Announced:
    from rollup.node.governance import announced

    first = house.from_block if from_block is None else from_block
    for one in announced(house.vault.contract, first):
        if one.number == number:
            return one
    raise Refused(f"no proposal {number} waits: it was never made, is executed or cancelled")


def _pinned(keys: Path | None) -> Any:
    """The verifier that belongs to the keys of a file, or to those that the command line hands in."""
    from rollup.node.deployment import PinnedKeysError, stark_verifier

    handed = click.get_current_context().find_root().obj or {}
    try:
        if keys is not None:
            return stark_verifier(json.loads(read_limited(keys, LARGEST_KEYS)))
        if "verifier" in handed:
            return handed["verifier"]()
    except (ValueError, RecursionError, PinnedKeysError) as error:
        name = "this version's pins" if keys is None else repr(str(keys))
        raise BadInput(f"{name} cannot be used as the keys of a proof chain: {error}") from error
    raise BadInput("which keys? --keys names their file")


def _action_text(action: Action) -> str:
    return action.name.lower().replace("_", " ")


def _arguments_text(one: Announced) -> str:
    from rollup.node.governance import decode_arguments

    spelled = decode_arguments(one.action, one.arguments)
    return ", ".join(f"{name} {_short(value)}" for name, value in spelled.items())


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"({len(value)}) " + " ".join(_short(one) for one in value)
    text = str(value)
    return text if len(text) <= len("0x") + 40 else f"{text[:18]}.."


def _spelled(one: Announced, now: int) -> dict[str, Any]:
    from rollup.node.governance import decode_arguments

    return {
        "proposal": one.number,
        "action": one.action.name.lower(),
        "arguments": decode_arguments(one.action, one.arguments),
        "state": one.state(now),
        "ready_at": one.ready_at,
        "expires_at": one.expires_at,
    }
