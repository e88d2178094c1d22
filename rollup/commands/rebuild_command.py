"""`rebuild`: everybody's own check that the published data leads to the published roots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    Refused,
    foreseeable_failures,
    json_option,
    print_json,
    read_limited,
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


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the command line says of the genesis, where nothing else does."""

    first_block: int | None
    time: int | None
    chain: int | None


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
def command(
    reach: Reach,
    files: tuple[Path, ...],
    source: str,
    from_block: int | None,
    genesis_time: int | None,
    chain_id: int | None,
    root: str | None,
    as_json: bool,
) -> None:
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

    beginning = Beginning(from_block, genesis_time, chain_id)
    if files:
        published = _from_files(reach, files, beginning, root)
    elif source == "node":
        published = _from_node(reach, beginning)
    else:
        published = _from_chain(reach, beginning)
    say(f"repeating {_counted(len(published.batches), 'batch', 'batches')} from {published.source}")
    compared, state = 0, published.house.genesis()
    reached: tuple[int, ...] = ()
    for number, (after, digest) in enumerate(_repeated(state, published.batches)):
        state, reached = after, digest
        told = published.roots[number]
        if told is not None and packed(reached) != told:
            raise Refused(
                f"batch {number} leads to the root {root_text(reached)}, but {_word_text(told)} was published"
            )
        compared += told is not None
    accounts = sum(1 for _ in state.accounts())
    document = {
        "source": published.source,
        "chain": published.house.chain,
        "contract": published.house.contract,
        "batches": len(published.batches),
        "roots_compared": compared,
        "root": root_text(reached),
        "accounts": accounts,
        "owed": int(state.system.owed),
    }
    if as_json:
        print_json(document)
        return
    said = (
        f"{_counted(compared, 'root', 'roots')} compared, all as published"
        if compared
        else "no root to compare with"
    )
    repeated = _counted(len(published.batches), "batch", "batches")
    click.echo(f"{repeated} repeated from {published.source}: {said}")
    click.echo(f"root {document['root']}, {_counted(accounts, 'account', 'accounts')}")


def _counted(count: int, one: str, several: str) -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else several}"


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


def _from_chain(reach: Reach, beginning: Beginning) -> Published:
    from rollup.commands.vault import vault_at
    from rollup.node.deployment import find_house
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
            address, first = str(reach.parameters(client)["contract"]), 0
    if beginning.first_block is not None:
        first = beginning.first_block
    contract = vault_at(ethereum, address).contract
    house = find_house(ethereum, address, first)
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


def _from_node(reach: Reach, beginning: Beginning) -> Published:
    with reach.client() as client:
        house = _genesis_house(reach, beginning, reach.parameters(client)["contract"])
        closed = client.batches(1)
        last = int(closed[0]["number"]) if closed else 0
        batches = [client.batch_data(number) for number in range(1, last + 1)]
        roots = [_word_of(str(client.batch(number)["root"])) for number in range(1, last + 1)]
    return Published(f"the node at {reach.node_url}", house, batches, [None, *roots])


def _from_files(reach: Reach, files: tuple[Path, ...], beginning: Beginning, root: str | None) -> Published:
    batches = [read_limited(path, LARGEST_BATCH) for path in files]
    last = None if root is None else _word_of(root)
    house = _genesis_house(reach, beginning, reach.contract)
    roots: list[int | None] = [None] * len(batches)
    return Published(_counted(len(files), "file", "files"), house, batches, [*roots, last])


def _genesis_house(reach: Reach, beginning: Beginning, contract: str | None) -> House:
    """What the genesis state names: from the data directory, the options, or the chain."""
    from rollup.node.deployment import House, find_house
    from rollup.node.ethereum import Ethereum

    known = _known_house(reach)
    if known is not None and (contract is None or int(contract, 16) == int(known.contract, 16)):
        return known
    if contract is None:
        raise BadInput(
            f"what do the batches begin from? {reach.data_dir / 'venue.json'} would say, or give --contract,"
            " --chain-id and --genesis-time"
        )
    if reach.contract is not None and beginning.time is not None and beginning.chain is not None:
        return House(beginning.chain, reach.contract, "", beginning.time, 0, is_embedded=False)
    with foreseeable_failures():
        return find_house(Ethereum.at(reach.chain_url), contract, 0)


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
