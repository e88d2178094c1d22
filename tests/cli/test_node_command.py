"""`node` inside the test's process: what it sets up, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollup.commands import keystore
from rollup.commands.keystore import Keystore
from rollup.node import practice_market
from rollup.node.chain_rpc import serve_chain
from rollup.node.deployment import House
from rollup.node.ethereum import EmbeddedChain
from rollup.node.server import port_of
from tests.cli.command_line import Desk, Ended

PASSWORD = "correct horse"  # noqa: S105 - a test's own
OPERATOR = 3


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("CLEARING_DATA_DIR", str(tmp_path / "desk"))
    monkeypatch.setenv("CLEARING_PASSWORD", PASSWORD)
    monkeypatch.setenv("CLEARING_NODE_PROVERS", "0")
    monkeypatch.setattr(keystore, "SCRYPT_WORK", 1 << 12)
    # A small market: every listing is two transactions.
    monkeypatch.setattr(practice_market, "EXPIRY_DAYS", (7,))
    monkeypatch.setattr(practice_market, "STRIKES", (3000,))
    return Desk(tmp_path / "desk", capsys)


def run_until_served(desk: Desk, *options: str) -> Ended:
    """Run a node in this thread, and stop it by a signal as soon as it says where it is."""
    path = desk.data_dir / "node.json"

    def stop() -> None:
        end = time.monotonic() + 60
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    waiting = threading.Thread(target=stop)
    waiting.start()
    try:
        return desk.run("node", "--port", "0", "--chain-port", "0", *options)
    finally:
        waiting.join()


@contextmanager
def served_elsewhere(path: Path) -> Iterator[tuple[str, EmbeddedChain]]:
    """A chain that belongs to somebody else, by its URL."""
    chain = EmbeddedChain(path)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait_for(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    runner = wait_for(serve_chain(chain, "127.0.0.1", 0))
    try:
        yield f"http://127.0.0.1:{port_of(runner)}", chain
    finally:
        wait_for(runner.cleanup())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        chain.close()


@pytest.mark.parametrize("option", ["--port", "--chain-port"])
def test_a_first_start_whose_port_is_taken_deploys_nothing(desk: Desk, option: str) -> None:
    other = "--port" if option == "--chain-port" else "--chain-port"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = desk.refused("node", other, "0", option, port, code=2)
    assert said == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert not (desk.data_dir / "node" / "chain.sqlite").exists()


def test_a_first_start_deploys_and_lists_and_a_later_one_finds_it_again(desk: Desk) -> None:
    first = run_until_served(desk, "--json")
    assert first.code == 0, first.err
    served = first.json
    assert served["restart"] == "anew"
    assert not (desk.data_dir / "node.json").exists()
    house = House.read(desk.data_dir / "venue.json")
    assert house is not None
    assert (house.contract, house.is_embedded) == (served["contract"], True)
    folder = desk.data_dir / "node"
    assert not (folder / "deploying").exists()

    # What stands between a start and its port.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = desk.refused("node", "--port", "0", "--chain-port", port, code=2)
        assert said == f"cannot listen on 127.0.0.1:{port}: Address already in use"

    second = run_until_served(desk)
    assert second.code == 0, second.err
    assert house.contract in second.out
    assert "none are made here; the contract at 0x" in second.out
    # What belongs together stays together.
    assert "has a chain of its own" in desk.refused("node", "--l1-rpc", "http://127.0.0.1:9", code=2)
    assert "serves the clearing house" in desk.refused("node", "--contract", "0x" + "11" * 20, code=2)
    file = folder / "chain.sqlite"
    file.rename(folder / "elsewhere")
    assert f"{file} is missing, although there is" in desk.refused("node", code=2)
    (folder / "elsewhere").rename(file)
    path = desk.data_dir / "venue.json"
    spelled = json.loads(path.read_text())
    path.unlink()
    assert f"{path} is missing, although there is" in desk.refused("node", code=2)
    path.write_text(json.dumps(spelled | {"version": 9}))
    assert "is of version 9; this program reads version 2" in desk.refused("node", code=2)
    path.write_text("[]")
    assert "does not describe a clearing house" in desk.refused("node", code=2)


def test_a_deployment_that_was_cut_off_is_begun_again(desk: Desk) -> None:
    folder = desk.data_dir / "node"
    folder.mkdir(parents=True)
    EmbeddedChain(folder / "chain.sqlite").close()
    (folder / "deploying").touch()
    ended = run_until_served(desk, "--json")
    assert ended.code == 0, ended.err
    assert House.read(desk.data_dir / "venue.json") is not None


def test_a_signal_during_the_start_ends_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def terminated(chain: EmbeddedChain, today: int, judge: object) -> House:
        del today, judge
        chain.close()
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal comes first")

    monkeypatch.setattr("rollup.node.practice_market.begin_practice", terminated)
    before = signal.getsignal(signal.SIGTERM)
    assert desk.refused("node", code=130) == "interrupted"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_node_on_somebody_elses_chain_deploys_serves_and_joins(desk: Desk, tmp_path: Path) -> None:
    with served_elsewhere(tmp_path / "other.sqlite") as (url, chain):
        there = ("--l1-rpc", url, "--account", "operator")
        Keystore(desk.data_dir).add_wallet("operator", bytes(chain.account(OPERATOR).key), PASSWORD)
        Keystore(desk.data_dir).add_wallet("nobody", bytes(31) + b"\x77", PASSWORD)
        assert "needs either --contract ADDRESS or --deploy" in desk.refused("node", *there, code=2)
        poor = ("node", "--l1-rpc", url, "--account", "nobody", "--deploy")
        assert "has no ether on that chain to pay for gas" in desk.refused(*poor, code=2)
        assert "there is no contract at" in desk.refused(
            "node", *there, "--contract", "0x" + "11" * 20, code=2
        )
        deployed = run_until_served(desk, *there, "--deploy", "--json")
        assert deployed.code == 0, deployed.err
        assert "nothing is listed yet" in deployed.err
        contract = deployed.json["contract"]
        assert deployed.json["chain_url"] is None
        assert "serves " + contract in desk.refused("node", *there, "--deploy", code=2)
        assert "names an Ethereum node" in desk.refused("node", code=2)
        said = desk.refused("node", "--l1-rpc", url, "--account", "nobody", code=2)
        assert said.startswith(f"{contract} takes batches from {chain.account(OPERATOR).address}")
        (desk.data_dir / "venue.json").unlink()
        joined = run_until_served(desk, *there, "--contract", contract, "--json")
        assert joined.code == 0, joined.err
        assert joined.json["contract"] == contract
        token = deployed.json["token"]
        assert "is not a clearing house" in _refused_anew(desk, tmp_path, *there, "--contract", token)


def _refused_anew(desk: Desk, tmp_path: Path, *options: str) -> str:
    """What a node says in a directory of its own, which has only the keys."""
    (tmp_path / "anew").mkdir()
    (tmp_path / "anew" / "keys").symlink_to(desk.data_dir / "keys")
    return desk.refused("node", "--data-dir", str(tmp_path / "anew"), *options, code=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--deploy"], "--deploy needs --l1-rpc"),
        (["--contract", "0x" + "11" * 20], "--contract needs --l1-rpc"),
        (["--l1-rpc", "ws://x", "--deploy"], "does not hold the address of an Ethereum node"),
        (["--l1-rpc", "http://name:secret@127.0.0.1:9/key", "--deploy"], "no Ethereum node answers at http://127.0.0.1:9"),
        (["--port", "65536"], "65536 is not in the range"),
        (["--batch-time", "soon"], "'soon' is not a time"),
        (["--join-time", "soon"], "'soon' is not a time"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_meant_are_one_line(desk: Desk, options: list[str], said: str) -> None:
    line = desk.refused("node", *options, code=2)
    assert said in line
    assert "secret" not in line
