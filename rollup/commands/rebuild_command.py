"""`rebuild`: everybody's own check that the published data leads to the published roots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    Refused,
    foreseeable_failures,
    json_option,
    print_json,
    say,
)

if TYPE_CHECKING:
    from rollup.node.deployment import House
    from rollup.state import State

LARGEST_BATCH: Final = 1 << 26
"""Bytes of one file of batch data: far above what any batch holds."""


@dataclass(frozen=True, slots=True)
class Published:
    """Batches in order, with the roots that somebody says they lead to, where anybody does."""

    source: str
    house: House
    batches: list[bytes]
    roots: list[int | None]
    """One word each, as the contract holds them."""


@click.command(cls=ClearingCommand)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@reaching(chain=True)
@click.option(
    "--from",
    "source",
    type=click.Choice(["chain", "node"]),
    default="chain",
    show_default=True,
    help="Where the data comes from when no FILES are named.",
)
@click.option("--from-block", type=click.IntRange(0), help="The contract's first block.")
@click.option(
    "--genesis-time", type=click.IntRange(0), help="With FILES and no venue.json: the genesis' time."
)
@click.option("--chain-id", type=click.IntRange(1), help="With FILES and no venue.json: the chain.")
@click.option("--root", help="With FILES: the root that the last one must lead to.")
@json_option
def command(reach: Reach, files: tuple[Path, ...], as_json: bool, **values: Any) -> None:
    """Repeat every batch from its published data and compare the state roots.

    By default the data is read from Ethereum alone: logs and calldata of the contract, no node is asked.
    With FILES (as `clearing batch show N --data` writes them, in order) nothing but them and the genesis is needed.
    Every rule is applied again, margin included; only signatures are not published.
    The exit code is 1 when a batch breaks a rule or leads to another root than was published.

    \b
    Examples:
      clearing rebuild
      clearing rebuild --from node
      clearing rebuild 1.batch 2.batch 3.batch --root 0x5c1f...
      clearing rebuild --l1-rpc http://127.0.0.1:8545 --contract 0xDe09E74d4888Bc4e65F589e8c13Bce9F71DdF4c7 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.binding import packed
    from rollup.node.news import root_text

    if files:
        published = _from_files(reach, files, values)
    elif values["source"] == "node":
        published = _from_node(reach, values)
    else:
        published = _from_chain(reach, values)
    say(f"repeating {len(published.batches)} batches from {published.source}")
    compared, state = 0, published.house.genesis()
    root: tuple[int, ...] = ()
    for number, (after, digest) in enumerate(_repeated(state, published.batches)):
        state, root = after, digest
        told = published.roots[number]
        if told is not None and packed(root) != told:
            raise Refused(
                f"batch {number} leads to the root {root_text(root)}, but {_word_text(told)} was published"
            )
        compared += told is not None
    document = {
        "source": published.source,
        "chain": published.house.chain,
        "contract": published.house.contract,
        "batches": len(published.batches),
        "roots_compared": compared,
        "root": root_text(root),
        "accounts": sum(1 for _ in state.accounts()),
        "owed": int(state.system.owed),
    }
    if as_json:
        print_json(document)
        return
    said = (
        f"the same root as published, {compared} of {compared} times"
        if compared
        else "no root to compare with"
    )
    click.echo(f"{len(published.batches)} batches repeated from {published.source}: {said}")
    click.echo(f"root {document['root']}, {document['accounts']} accounts")


def _repeated(genesis: State, batches: list[bytes]) -> Iterator[tuple[State, tuple[int, ...]]]:
    """The state and its root at the genesis and after every batch."""
    from prover.hash.poseidon import POSEIDON16_20
    from rollup.rebuild import rebuild_batch
    from rollup.schnorr import SepticSchnorr
    from rollup.state_hash import KernelHasher
    from rollup.state_tree import StateTree

    state, check = genesis, SepticSchnorr()
    before = dict(state.all_leaves())
    tree = StateTree.of_state(state, KernelHasher(POSEIDON16_20))
    yield state, tree.root
    for published in batches:
        state = rebuild_batch(state, published, check)
        leaves = dict(state.all_leaves())
        tree = tree.updated({place: leaf for place, leaf in leaves.items() if before.get(place) is not leaf})
        before = leaves
        yield state, tree.root


# ------------------------------------------------------------------------------------------------------- where from


def _known_house(reach: Reach) -> House | None:
    """The clearing house of the data directory, if it is the one that is meant."""
    from rollup.node.deployment import House

    house = House.read(reach.data_dir / "venue.json")
    if house is None or (reach.contract is not None and int(reach.contract, 16) != int(house.contract, 16)):
        return None
    return house


def _from_chain(reach: Reach, values: dict[str, Any]) -> Published:
    from rollup.node.deployment import contract_at, find_house
    from rollup.node.ethereum import Ethereum, url_without_secrets
    from rollup.node.published import published_batches

    ethereum = Ethereum.at(reach.chain_url)
    known = _known_house(reach)
    if known is not None and known.chain == ethereum.web3.eth.chain_id:
        address, first = known.contract, known.from_block
    elif reach.contract is not None:
        address, first = reach.contract, 0
    else:
        with reach.client() as client:
            address, first = str(client.parameters()["contract"]), 0
    if values["from_block"] is not None:
        first = values["from_block"]
    house = find_house(ethereum, address, first)
    contract = contract_at(ethereum, "ClearingHouse", house.contract)
    batches = published_batches(ethereum, contract, first)
    sealed = int(contract.functions.sealedBatch().call())
    if len(batches) < sealed:
        raise BadInput(
            f"the chain's logs show {len(batches)} batches of {sealed}: an earlier --from-block is needed"
        )
    roots: list[int | None] = [
        int(contract.functions.batch(number).call()[0]) for number in range(len(batches) + 1)
    ]
    return Published(f"Ethereum at {url_without_secrets(reach.chain_url)}", house, batches, roots)


def _from_node(reach: Reach, values: dict[str, Any]) -> Published:
    with reach.client() as client:
        house = _genesis_house(reach, values, client.parameters())
        closed = client.batches(1)
        last = int(closed[0]["number"]) if closed else 0
        batches = [client.batch_data(number) for number in range(1, last + 1)]
        roots = [_word_of(str(client.batch(number)["root"])) for number in range(1, last + 1)]
    return Published(f"the node at {reach.node_url}", house, batches, [None, *roots])


def _from_files(reach: Reach, files: tuple[Path, ...], values: dict[str, Any]) -> Published:
    batches = []
    for path in files:
        try:
            with path.open("rb") as file:
                batches.append(file.read(LARGEST_BATCH + 1))
        except OSError as error:
            raise BadInput(f"cannot read {str(path)!r}: {error.strerror}") from error
        if len(batches[-1]) > LARGEST_BATCH:
            raise BadInput(f"{str(path)!r} is longer than {LARGEST_BATCH:,} bytes, more than any batch")
    last = None if values["root"] is None else _word_of(values["root"])
    house = _genesis_house(reach, values, None)
    roots: list[int | None] = [None] * len(batches)
    return Published(f"{len(files)} files", house, batches, [*roots, last])


def _genesis_house(reach: Reach, values: dict[str, Any], parameters: dict[str, Any] | None) -> House:
    """What the genesis state names: from the data directory, the options, or the chain."""
    from rollup.node.deployment import House, find_house
    from rollup.node.ethereum import Ethereum

    known = _known_house(reach)
    if known is not None and (
        parameters is None or int(parameters["contract"], 16) == int(known.contract, 16)
    ):
        return known
    if reach.contract is not None and values["genesis_time"] is not None and values["chain_id"] is not None:
        return House(values["chain_id"], reach.contract, "", values["genesis_time"], 0, is_embedded=False)
    address = reach.contract if parameters is None else str(parameters["contract"])
    if address is None:
        raise BadInput(
            f"what do the batches begin from? {reach.data_dir / 'venue.json'} would say, or give --contract,"
            " --chain-id and --genesis-time"
        )
    with foreseeable_failures():
        return find_house(Ethereum.at(reach.chain_url), address, 0)


def _word_of(root: str) -> int:
    """Read a root as people see it into the word that the contract holds."""
    from rollup.binding import packed

    text = root.removeprefix("0x")
    try:
        content = bytes.fromhex(text)
    except ValueError:
        content = b""
    if len(content) != 32:
        raise BadInput(f"{root!r} is not a root: 0x and 64 hexadecimal digits")
    return packed(tuple(int.from_bytes(content[start : start + 4]) for start in range(0, 32, 4)))


def _word_text(word: int) -> str:
    """A contract's root word as people see it."""
    return "0x" + b"".join((word >> 32 * place & 0xFFFF_FFFF).to_bytes(4) for place in range(8)).hex()
