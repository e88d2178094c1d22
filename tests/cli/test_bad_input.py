"""What a stranger types by mistake: each mistake ends in one line that says what to do, before any work is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import click
import pytest
from web3.exceptions import ContractLogicError

from benchmarks.examples.catalogue import EXAMPLES
from cli import clearing
from rollup.commands.terminal import CONTRACT_HINTS, HINTS, ending_of
from rollup.node.refusals import Refusal
from rollup.rejections import Rejection
from tests.cli.command_line import Desk
from verifier_contracts.artifact import load_artifact

HOUSE = ("--contract", "0x" + "ab" * 20, "--chain-id", "1", "--genesis-time", "5")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in [name for name in os.environ if name.startswith("CLEARING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLEARING_DATA_DIR", str(tmp_path))
    return Desk(tmp_path, capsys)


# ------------------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "the data ends early"), (b"\xff" * 40, "data version 65535 is not 1")]
)
def test_a_file_that_is_no_batch_does_not_follow_the_rules(content: bytes, said: str, desk: Desk) -> None:
    file = desk.data_dir / "no.batch"
    file.write_bytes(content)
    assert desk.refused("rebuild", str(file), *HOUSE, code=1) == (
        f"the published data does not follow the rules: what follows batch 0 is no batch: {said}"
    )


@pytest.mark.parametrize("name", ["²", "٣", "folder/2", "9" * 11])
def test_only_a_plain_number_stands_for_a_batch(name: str, desk: Desk) -> None:
    assert desk.refused("verify", name, code=2) == f"cannot read {name!r}: No such file or directory"


@pytest.mark.parametrize(
    "command", [("prove", "1"), ("proof", "make", "memory"), ("proof", "make", "memory", "--json")]
)
def test_a_proof_that_could_not_be_written_is_not_made(command: tuple[str, ...], desk: Desk) -> None:
    out = desk.data_dir / "nowhere" / "1.proof"
    said = f"cannot write {str(out)!r}: there is no such folder"
    assert desk.refused(*command, "--out", str(out), code=2) == said


def test_results_that_could_not_be_kept_are_not_measured(desk: Desk) -> None:
    file = desk.data_dir / "a file"
    file.write_bytes(b"")
    folder = str(file / "results")
    said = desk.refused("bench", "all", "--folder", folder, code=2)
    assert said == f"cannot make {folder!r}: Not a directory"


def test_an_insecure_proof_never_takes_the_place_of_the_nodes_own(desk: Desk) -> None:
    said = "test-keccak is for tests only: with --out FILE its proof does not replace the node's own"
    assert desk.refused("prove", "1", "--preset", "test-keccak", code=2) == said


# -------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "url", ["http://", "127.0.0.1:8645", "ftp://host", "http://host:65536", "http://host:0"]
)
def test_what_cannot_be_an_address_is_said_without_repeating_it(url: str, desk: Desk) -> None:
    said = "does not hold the address of a node: http:// or https://, a host, a port up to 65535"
    assert desk.refused("book", "--url", url, code=2) == f"--url {said}"
    secret = f"{url}/key-of-a-provider"
    assert "provider" not in desk.refused("l1", "status", "--l1-rpc", secret, *HOUSE[:2], code=2)


# --------------------------------------------------------------------------------------------- somebody else's server

PARAMETERS = {"chain": 1, "contract": HOUSE[1], "queue_position": 0}
BATCH = {"number": 1, "root": "0x" + "00" * 32}


class Stranger(BaseHTTPRequestHandler):
    """Answers what a test hands it by path, and anything else as web servers do: with a page and status 404."""

    answers: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        found = self.answers.get(self.path.partition("?")[0])
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write(b"<html>not here</html>" if found is None else json.dumps(found).encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing on stderr."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answers", "command"),
    [
        ({}, ("book",)),
        ({"/v1/parameters": {"detail": "Not Found"}}, ("rebuild", "--from", "node")),
        ({"/v1/parameters": PARAMETERS, "/v1/groups": {"detail": "Not Found"}}, ("book",)),
        ({"/v1/parameters": PARAMETERS, "/v1/batches": {"batches": {}}}, ("batch", "list")),
        ({"/v1/parameters": PARAMETERS, "/v1/batches/1": BATCH}, ("batch", "show", "1", "--data", "1.batch")),
    ],
    ids=["pages", "another service", "no groups", "no list of batches", "no data"],
)
def test_what_does_not_answer_as_a_node_is_said_to_be_none(
    answers: dict[str, Any],
    command: tuple[str, ...],
    desk: Desk,
    stranger: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Stranger, "answers", answers)
    monkeypatch.chdir(desk.data_dir)
    said = desk.refused(*command, "--url", stranger, code=2)
    assert said == f"what answers at {stranger} is not a node of the clearing house"
    assert not (desk.data_dir / "1.batch").exists()


# ------------------------------------------------------------------------------------------------------------ words


def test_what_ethereum_says_is_shown_as_words() -> None:
    ending = ending_of(ContractLogicError("execution reverted", "0x"))
    assert ending is not None
    assert ending.format_message() == "Ethereum refuses: execution reverted"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("prove", "x"), "Invalid value for 'BATCH': 'x' is not a whole number."),
        (("bench", "peers", "--seconds", "x"), "Invalid value for '--seconds': 'x' is not a valid number."),
    ],
)
def test_what_is_no_number_is_told_in_words(command: tuple[str, ...], said: str, desk: Desk) -> None:
    assert desk.refused(*command, code=2).startswith(said)


def test_every_hint_is_about_something_that_can_be_refused() -> None:
    """A hint under a name that was renamed would never be shown again."""
    assert HINTS.keys() <= {str(name) for name in (*Rejection, *Refusal)}
    spelled = {
        entry["name"]
        for contract in ("ClearingHouse", "Exits")
        for entry in load_artifact(contract).abi
        if entry["type"] == "error"
    }
    assert CONTRACT_HINTS.keys() <= spelled


# ------------------------------------------------------------------------------------------------------ the program


@pytest.mark.parametrize("hidden", ["click", "Crypto"], ids=["before anything", "inside a command"])
def test_an_interpreter_without_the_dependencies_is_told_where_they_are_described(
    hidden: str, checkout: Path
) -> None:
    script = f"import sys; sys.modules[{hidden!r}] = None; import cli; sys.exit(cli.main(['book']))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=False
    )
    said = f"clearing: {hidden} is not installed for {sys.executable}; docs/install.md says how to install this\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


# ------------------------------------------------------------------------------------------------------------- help


def _commands(name: str, command: click.Command) -> dict[str, click.Command]:
    """A command and all that are below it, by what a person types."""
    found = {name: command}
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            found |= _commands(f"{name} {word}", below)
    return found


def test_every_group_shows_examples_and_every_option_says_what_it_is_for() -> None:
    for name, command in _commands("clearing", clearing).items():
        assert "Examples:" in (command.help or ""), name
        assert [one.name for one in command.params if isinstance(one, click.Option) and not one.help] == [], (
            name
        )


def test_the_examples_that_can_be_proved_are_named_where_one_is_asked_for() -> None:
    words = (_commands("clearing", clearing)["clearing proof make"].help or "").replace(",", " ").split()
    assert set(EXAMPLES) <= set(words)
