"""`node`: the sequencer with its book, its API and, unless told otherwise, a practice chain of its own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, Final

import click

from rollup.commands.quantities import EthereumAddress, Span
from rollup.commands.reach import (
    Reach,
    account_option,
    password_option,
    reaching,
    running_path,
)
from rollup.commands.terminal import BadInput, ClearingCommand, json_option, print_json, print_table, say
from verifier_contracts.artifact import load_artifact

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rollup.node.deployment import House
    from rollup.node.ethereum import Ethereum
    from rollup.node.node import Running, Venue

LARGEST_PORT: Final = 65_535

HANDS_FILES_ON: Final = hasattr(socket, "send_fds")
"""Windows cannot hand a socket to another process."""

DEFAULT_FRONTS: Final = 1 if HANDS_FILES_ON else 0

CONFIRMATIONS: Final = 12
"""Blocks that bury a deposit of real money: re-organisations of a few are survived, and one this deep is unheard of."""

UNFINISHED: Final = "deploying"
"""A file that stands in the node's folder while the practice chain is being set up."""


@click.command(cls=ClearingCommand)
@reaching(node=False)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; loopback keeps others out."
)
@click.option(
    "--port",
    type=click.IntRange(0, LARGEST_PORT),
    default=8645,
    show_default=True,
    help="Of the API; 0 takes any.",
)
@click.option(
    "--chain-port",
    type=click.IntRange(0, LARGEST_PORT),
    default=8545,
    show_default=True,
    help="Of the embedded chain's JSON-RPC, on loopback.",
)
@click.option(
    "--l1-rpc",
    envvar="CLEARING_L1_RPC",
    show_envvar=True,
    help="Somebody else's Ethereum node by its JSON-RPC.  [default: a chain of its own]",
)
@click.option("--contract", type=EthereumAddress(), help="With --l1-rpc: serve this clearing house.")
@click.option("--deploy", is_flag=True, help="With --l1-rpc: deploy a practice clearing house first.")
@click.option(
    "--from-block",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="With --contract: its first block.",
)
@click.option(
    "--confirmations",
    type=click.IntRange(0, 10_000),
    help="Blocks on top of a deposit before it is credited.  [default: 0 for practice money, else 12]",
)
@account_option
@password_option
@click.option(
    "--batch-time", type=Span(), default="5s", show_default=True, help="Age at which a batch is closed."
)
@click.option(
    "--batch-transactions",
    type=click.IntRange(1, 65_535),
    default=4096,
    show_default=True,
    help="Most in a batch.",
)
@click.option(
    "--provers",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Processes that prove in the background, each with gigabytes of memory; 0: none.",
)
@click.option(
    "--fronts",
    type=click.IntRange(0, 16),
    default=DEFAULT_FRONTS,
    show_default=True,
    help="Processes that answer people and verify what they sign, before the one that decides; 0: it does both.",
)
@click.option(
    "--join-time",
    type=Span(),
    help="Least time between two proofs for the contract: batches share the gas of one.  [default: none]",
)
@click.option(
    "--keep-proofs",
    type=click.IntRange(1, 1_000_000),
    default=64,
    show_default=True,
    help="Batches accepted by the contract whose proofs are kept, 0.8 MB each; older ones are thrown away.",
)
@json_option
def command(reach: Reach, as_json: bool, **values: Any) -> None:
    """Run a node until Ctrl-C or SIGTERM: order book, sequencer, API and bridge to Ethereum.

    Without --l1-rpc it keeps a chain of its own in the data directory, and on the first start puts a practice clearing
    house on it, with options on ether in three expiries. Everything on that chain is worthless.
    Every closed batch is proved in the background. What is proved is joined, up to eight batches at a time, into one
    proof that the contract verifies; then it pays the claims. Proofs are in node/proofs, `clearing l1 status` shows
    what the contract has accepted, and /health how far behind the provers are.
    With --l1-rpc the wallet of --account signs the batches.
    What is being written when the node is stopped is finished; it starts again where it was, after a crash too.

    \b
    Examples:
      clearing node
      clearing node --data-dir market --port 9000 --chain-port 9001
      clearing node --l1-rpc http://127.0.0.1:8545 --account operator --deploy
      clearing node --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    import asyncio

    from prover.memory import keep_freed_memory
    from rollup.node.node import run_node
    from rollup.node.storage import LockFile

    # A pause in which the system finds memory anew would be everybody's.
    keep_freed_memory()
    with terminated_like_interrupted():
        reach.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = reach.data_dir / "node"
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = LockFile(reach.data_dir / "lock")
        try:
            venue, house = _venue(reach, folder, values)
            settings = _settings(values, venue, house)
            path = running_path(reach.data_dir)

            def started(running: Running) -> None:
                _announce(path, running, house, as_json)

            try:
                asyncio.run(run_node(folder, venue, settings, started=started))
            finally:
                path.unlink(missing_ok=True)
        finally:
            lock.close()
    say("stopped; everything that was acknowledged is on the disk")


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the start of a node as Ctrl-C does; once it serves, it handles both itself."""

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ------------------------------------------------------------------------------------------------- what is served


def _venue(reach: Reach, folder: Path, values: dict[str, Any]) -> tuple[Venue, House]:
    """Find the clearing house of this data directory, or make it."""
    from rollup.node.deployment import House, insist_on_house
    from rollup.node.node import Venue
    from rollup.node.practice_market import SEQUENCER

    path = reach.data_dir / "venue.json"
    house = House.read(path)
    if reach.l1_rpc is None:
        if values["deploy"]:
            raise click.UsageError("--deploy needs --l1-rpc: the embedded chain is set up by itself")
        if house is not None and not house.is_embedded:
            raise BadInput(
                f"{reach.data_dir} serves {house.contract} on chain {house.chain}: --l1-rpc names an Ethereum node"
            )
        if house is None and reach.contract is not None:
            raise click.UsageError("--contract needs --l1-rpc: the embedded chain begins with its own")
        if house is not None:
            _insist_on_contract(reach, house)
        chain, house = _embedded(folder, path, house, values)
        return Venue(chain, insist_on_house(chain, house), chain.account(SEQUENCER), house.genesis()), house
    if house is not None and house.is_embedded:
        raise BadInput(f"{reach.data_dir} has a chain of its own; --l1-rpc needs another --data-dir")
    ethereum, operator, house = _elsewhere(reach, path, house, values)
    _insist_on_contract(reach, house)
    contract = insist_on_house(ethereum, house)
    sequencer = contract.functions.sequencer().call()
    if sequencer != operator.address:
        raise BadInput(f"{house.contract} takes batches from {sequencer}, not from {operator.address}")
    return Venue(ethereum, contract, operator, house.genesis()), house


def _insist_on_contract(reach: Reach, house: House) -> None:
    if reach.contract is not None and int(reach.contract, 16) != int(house.contract, 16):
        raise BadInput(f"{reach.data_dir} serves the clearing house {house.contract}, not {reach.contract}")


def _embedded(folder: Path, path: Path, house: House | None, values: dict[str, Any]) -> tuple[Any, House]:
    """The chain of this data directory; a deployment that was cut off is begun again, as nobody has seen it."""
    import asyncio

    from rollup.node.ethereum import EmbeddedChain
    from rollup.node.fronts import insist_on_port
    from rollup.node.practice_market import HEAD_START_SECONDS, begin_practice

    file, unfinished = folder / "chain.sqlite", folder / UNFINISHED
    if house is None and unfinished.exists():
        for old in folder.glob("chain.sqlite*"):
            old.unlink()
    if (house is None) == file.exists():
        missing, found = (path, file) if house is None else (file, path)
        raise BadInput(
            f"{missing} is missing, although there is {found}: restore it, or choose another --data-dir"
        )
    if house is not None:
        unfinished.unlink(missing_ok=True)
        return EmbeddedChain(file), house
    # Half a minute of deploying would be for nothing.
    for host, port in ((values["host"], values["port"]), ("127.0.0.1", values["chain_port"])):
        asyncio.run(insist_on_port(host, port))
    say("first start: putting a practice clearing house on a chain of its own")
    unfinished.touch(mode=0o600)
    today = int(time())
    chain = EmbeddedChain(file, start_time=today - HEAD_START_SECONDS)
    made = begin_practice(chain, today, _judge())
    made.write(path)
    unfinished.unlink()
    return chain, made


def _elsewhere(
    reach: Reach, path: Path, house: House | None, values: dict[str, Any]
) -> tuple[Ethereum, LocalAccount, House]:
    """Somebody else's chain, the wallet that signs batches, and the clearing house there."""
    from rollup.node.deployment import find_house
    from rollup.node.ethereum import Ethereum
    from rollup.node.practice_market import begin_elsewhere

    if house is None and values["deploy"] == (reach.contract is not None):
        raise click.UsageError("with --l1-rpc the first start needs either --contract ADDRESS or --deploy")
    ethereum = Ethereum.at(reach.chain_url)
    operator = reach.wallet()
    if house is not None:
        if values["deploy"]:
            raise BadInput(
                f"{reach.data_dir} serves {house.contract} already; --deploy needs another --data-dir"
            )
        return ethereum, operator, house
    if ethereum.web3.eth.get_balance(operator.address) == 0:
        raise BadInput(f"the operator's wallet {operator.address} has no ether on that chain to pay for gas")
    if reach.contract is not None:
        house = find_house(ethereum, reach.contract, values["from_block"])
    else:
        say("deploying a practice clearing house; never put money into it")
        house, is_listed = begin_elsewhere(ethereum, operator, int(time()), _judge())
        if not is_listed:
            say("nothing is listed yet: on this chain the governor's proposals have to wait for the timelock")
    house.write(path)
    return ethereum, operator, house


def _settings(values: dict[str, Any], venue: Venue, house: House) -> Any:
    from rollup.commands.vault import Vault
    from rollup.node.bridge import BridgeSettings
    from rollup.node.deployment import contract_at
    from rollup.node.node import NodeSettings
    from rollup.node.sequencer import SequencerSettings
    from rollup.node.server import ServerSettings

    confirmations = values["confirmations"]
    if confirmations is None:
        token = contract_at(venue.ethereum, "PracticeToken", house.token)
        is_practice = Vault(venue.ethereum, venue.contract, token).has_practice_token
        confirmations = 0 if is_practice else CONFIRMATIONS
    return NodeSettings(
        sequencer=SequencerSettings(
            batch_seconds=float(values["batch_time"]),
            batch_transactions=values["batch_transactions"],
            has_checkpoint_process=HANDS_FILES_ON,
        ),
        server=ServerSettings(host=values["host"], port=values["port"], fronts=values["fronts"]),
        bridge=BridgeSettings(confirmations=confirmations, from_block=house.from_block),
        chain_port=values["chain_port"],
        proving=_proving(values["provers"], values["join_time"] or 0, values["keep_proofs"]),
    )


def _handed() -> dict[str, Any]:
    """What the command line hands in from the rooms that this one may not import."""
    return click.get_current_context().find_root().obj or {}


def _proving(processes: int, join_seconds: int, kept_batches: int) -> Any:
    """The provers, unless none are wanted."""
    from rollup.node.background import ProvingSettings

    handed = _handed()
    if not processes or "prover_command" not in handed:
        return None
    command, directory = handed["prover_command"], handed["prover_directory"]
    return ProvingSettings(
        command, directory, processes, join_seconds=float(join_seconds), kept_batches=kept_batches
    )


def _judge() -> Any:
    """The contract that judges proofs; None, and every proof is refused, where nobody knows the circuits."""
    handed = _handed()
    return handed["verifier"]() if "verifier" in handed else None


# -------------------------------------------------------------------------------------------------- what is said


def _proofs_described(running: Running) -> str:
    made = "none are made here" if running.sequencer.prover is None else "made in the background"
    bridge = running.bridge
    judge = bridge.contract.functions.verifier().call()
    code = bytes(bridge.ethereum.web3.eth.get_code(judge)).hex()
    if code == load_artifact("RefusingVerifier").runtime_bytecode.removeprefix("0x"):
        return f"{made}; the deployed verifier refuses every proof, so no claim is paid"
    return f"{made}; the contract at {judge} verifies them"


def _announce(path: Path, running: Running, house: House, as_json: bool) -> None:
    """Say that the node serves, here and in a file where the other commands look."""
    from rollup.commands.keystore import write_secret

    restart = running.sequencer.restart
    described = restart.describe() if restart and restart.sequence else "anew"
    # Without --l1-rpc's address: it may hold a provider's key.
    write_secret(path, {"url": running.url, "chain_url": running.chain_url, "process": os.getpid()})
    if as_json:
        print_json(
            {
                "url": running.url,
                "chain_url": running.chain_url,
                "chain": house.chain,
                "contract": house.contract,
                "token": house.token,
                "restart": described,
            }
        )
        return
    rows = [
        ("page and API", running.url),
        ("Ethereum", running.chain_url or "somebody else's node"),
        ("clearing house", f"{house.contract} on chain {house.chain}"),
        ("began", described),
        ("proofs", _proofs_described(running)),
        ("stop", "Ctrl-C"),
    ]
    print_table("the node serves", ("", ""), rows)
