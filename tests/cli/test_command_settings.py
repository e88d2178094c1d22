"""Where a command's values come from: command line, environment, config file, default, in this order."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import click
import pytest

import cli
from cli import main
from rollup.client import NotANodeError
from rollup.commands import keystore as keystore_module
from rollup.commands import reach as reach_module
from rollup.commands.keystore import Keystore, Membership, encrypted_trading_key
from rollup.commands.quantities import (
    AccountName,
    Dollars,
    EthereumAddress,
    Moment,
    Series,
    Span,
    Units,
    dollars,
)
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    Refused,
    ending_of,
    json_option,
    print_table,
)
from rollup.instruments import series_id
from rollup.schnorr import SecretKey, SignatureSuite
from rollup.units import GroupId, OptionKind, Ticks
from tests.cli.command_line import Desk

CONTRACT = "0x" + "ab" * 20


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in [name for name in os.environ if name.startswith("CLEARING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLEARING_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(keystore_module, "SCRYPT_WORK", 1 << 12)
    return Desk(tmp_path, capsys)


@click.command("probe", cls=ClearingCommand)
@reaching(chain=True, keys=True)
@click.option("--depth", default=20)
@json_option
def probe(reach: Reach, depth: int, as_json: bool) -> None:
    del as_json
    click.echo(f"{reach.url} {depth} {reach.node_url}")


@pytest.fixture
def probed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setitem(cli.clearing.commands, "probe", probe)
    monkeypatch.setattr(reach_module, "TABLES", (*reach_module.TABLES, "probe"))
    return desk


def test_flag_beats_environment_beats_config_beats_running_node_beats_default(
    probed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def url() -> str:
        return probed.run("probe").out.split()[2]

    assert url() == reach_module.DEFAULT_URL
    (probed.data_dir / "node.json").write_text('{"url": "http://running:1"}')
    assert url() == "http://running:1"
    (probed.data_dir / "config.toml").write_text('url = "http://config:2"')
    assert url() == "http://config:2"
    monkeypatch.setenv("CLEARING_URL", "http://environment:3")
    assert url() == "http://environment:3"
    assert probed.run("probe", "--url", "http://flag:4").out.split()[2] == "http://flag:4"


def test_an_option_of_one_command_has_a_table_and_a_variable(
    probed: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def depth(*arguments: str) -> str:
        return probed.run("probe", *arguments).out.split()[1]

    other = tmp_path / "other.toml"
    other.write_text("[probe]\ndepth = 7\n")
    assert (depth(), depth("--config", str(other))) == ("20", "7")
    monkeypatch.setenv("CLEARING_CONFIG", str(other))
    assert depth() == "7"
    monkeypatch.setenv("CLEARING_PROBE_DEPTH", "8")
    assert (depth(), depth("--depth", "9")) == ("8", "9")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("url = ", "is not TOML"),
        ('urll = "x"', "there is no setting 'urll', only url, l1_rpc, contract, account, password_file"),
        ('password = "x"', "a password does not belong here; name a file in password_file"),
        ("[nodes]\nport = 1", "there is no table 'nodes'"),
        ("[probe]\ndeep = 1", "[probe] has no setting 'deep'"),
        ('[probe]\ndepth = "many"', "'many' is not a valid integer"),
    ],
)
def test_a_config_file_that_cannot_be_meant_is_one_line(probed: Desk, content: str, complaint: str) -> None:
    (probed.data_dir / "config.toml").write_text(content)
    assert complaint in probed.refused("probe", code=2)


def test_a_config_file_that_is_named_must_be_there(probed: Desk, tmp_path: Path) -> None:
    assert "there is no config file" in probed.refused("probe", "--config", str(tmp_path / "absent"), code=2)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"chain": 1, "contract": "0x/../../x", "queue_position": 0},
        {"chain": "1", "contract": CONTRACT, "queue_position": 0},
        {"chain": 1, "contract": CONTRACT, "queue_position": -1},
    ],
)
def test_what_does_not_say_what_it_serves_is_no_node(desk: Desk, answer: dict[str, object]) -> None:
    class Foreign:
        def parameters(self) -> dict[str, object]:
            return answer

    client: Any = Foreign()
    with pytest.raises(NotANodeError):
        Reach(desk.data_dir).parameters(client)


def test_another_clearing_house_than_was_asked_for_is_refused(desk: Desk) -> None:
    class Other:
        def parameters(self) -> dict[str, object]:
            return {"chain": 1, "contract": CONTRACT, "queue_position": 0}

    client: Any = Other()
    assert Reach(desk.data_dir, contract=CONTRACT).parameters(client)["chain"] == 1
    with pytest.raises(Refused, match=f"the node serves the clearing house {CONTRACT}, not 0x1111"):
        Reach(desk.data_dir, contract="0x" + "11" * 20).parameters(client)


def test_what_comes_from_elsewhere_cannot_command_a_terminal(desk: Desk) -> None:
    desk.capsys.readouterr()
    print_table("title", ("", ""), [("a", "\x1b[31mred")])
    assert "\x1b" not in desk.capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------- passwords


def test_a_password_comes_from_file_variable_or_config_in_this_order(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("one\nrest")
    second.write_text("two\n")
    assert "the password for the new account 'alice' is not known" in desk.refused(
        "account", "new", "alice", code=2
    )
    (tmp_path / "config.toml").write_text(f'password_file = "{first}"')
    desk.done("account", "new", "alice")
    monkeypatch.setenv("CLEARING_PASSWORD", "three")
    desk.done("account", "new", "bob")
    desk.done("account", "new", "carol", "--password-file", str(second))
    store = Keystore(tmp_path)
    for name, password in (("alice", "one"), ("bob", "three"), ("carol", "two")):
        assert store.wallet(name, password).address == store.address(name)
        with pytest.raises(BadInput, match="wrong password"):
            store.wallet(name, password + "x")
    monkeypatch.setenv("CLEARING_PASSWORD", "")
    assert desk.refused("account", "new", "dave", code=2) == "the password is empty"


def test_a_password_file_that_cannot_be_read_is_one_line(desk: Desk, tmp_path: Path) -> None:
    wanted = ("account", "new", "alice", "--password-file")
    assert "cannot read the password file" in desk.refused(*wanted, str(tmp_path / "absent"), code=2)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "is not text" in desk.refused(*wanted, str(tmp_path / "binary"), code=2)


# ------------------------------------------------------------------------------------------------------------ keys


def test_keys_lie_encrypted_and_for_their_owner_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARING_PASSWORD", "pass")
    made = desk.done("account", "new", "alice")
    path = Path(made["file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store = Keystore(desk.data_dir)
    assert store.wallet("alice", "pass").key.hex() not in path.read_text()
    before = path.read_bytes()
    assert "there is an account 'alice' already" in desk.refused("account", "new", "alice", code=2)
    assert path.read_bytes() == before
    assert desk.done("account", "list")["accounts"][0]["address"] == made["address"]
    assert sorted(one.name for one in path.parent.iterdir()) == ["wallet.json"]


def test_a_trading_key_is_kept_for_its_clearing_house_and_compared_when_opened(desk: Desk) -> None:
    store = Keystore(desk.data_dir)
    store.add_wallet("alice", bytes(31) + b"\x07", "pass")
    secret = SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 123456789)
    other = SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 987654321)
    made = Membership(7, CONTRACT, 3, encrypted_trading_key(secret, "random", "pass"))
    store.remember("alice", made)
    path = store.membership_path("alice", CONTRACT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = store.membership("alice", 7, CONTRACT)
    assert found == made
    assert store.trading_key("alice", found, "pass") == secret
    assert f"{secret.scalar:x}" not in path.read_text()
    # The same address on another chain is another clearing house.
    assert store.membership("alice", 8, CONTRACT) == Membership(8, CONTRACT)
    with pytest.raises(BadInput, match="wrong password"):
        store.trading_key("alice", found, "guess")
    swapped = encrypted_trading_key(other, "random", "pass")
    assert made.trading is not None
    forged = Membership(
        7, CONTRACT, 3, keystore_module.EncryptedKey(1, made.trading.key, "random", swapped.crypto)
    )
    with pytest.raises(BadInput, match="holds another trading key than it names"):
        store.trading_key("alice", forged, "pass")
    path.write_text('{"version": 9, "chain": 7}')
    with pytest.raises(BadInput, match="another version"):
        store.membership("alice", 7, CONTRACT)
    path.write_text("[]")
    with pytest.raises(BadInput, match="not a file of this program"):
        store.membership("alice", 7, CONTRACT)


def test_a_wallet_is_imported_from_a_bare_key_or_a_keystore_file(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARING_PASSWORD", "pass")
    bare = tmp_path / "key"
    bare.write_text("0x" + "00" * 31 + "01\n")
    known = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
    first = desk.done("account", "import", "first", str(bare))
    assert first["address"] == known
    again = desk.done("account", "import", "second", first["file"])
    assert again["address"] == known
    own = tmp_path / "own"
    own.write_text("pass")
    monkeypatch.setenv("CLEARING_PASSWORD", "new")
    third = desk.done("account", "import", "third", first["file"], "--file-password-file", str(own))
    assert Keystore(tmp_path).wallet("third", "new").address == third["address"] == known
    assert "wrong password for" in desk.refused("account", "import", "x", first["file"], code=2)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"11" * 32)))
    assert desk.done("account", "import", "fourth", "-")["name"] == "fourth"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "neither a keystore file nor a key of 64 hexadecimal digits"),
        (b"zz" * 32, "neither a keystore file nor a key of 64 hexadecimal digits"),
        (b"ff" * 32, "holds a number that is no key"),
        (b"\xff\x00", "neither a keystore file nor a key in hexadecimal"),
        (b"{", "it is not JSON"),
        (b"{}", "is not a keystore file of version 3"),
        (b'{"version": 3, "crypto": {"kdf": "scrypt", "kdfparams": {"n": 1073741824, "r": 8}}}', "asks for more"),
        (b'{"version": 3, "crypto": {"kdf": "odd", "kdfparams": {"n": -1}}}', "is not a keystore file of version 3"),
        (b'{"version": 3, "crypto": {"kdf": "odd", "kdfparams": {}}}', "is not a keystore file of version 3"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_wallet_is_one_line_that_repeats_no_key(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, complaint: str
) -> None:
    monkeypatch.setenv("CLEARING_PASSWORD", "pass")
    (tmp_path / "file").write_bytes(content)
    said = desk.refused("account", "import", "x", str(tmp_path / "file"), code=2)
    assert complaint in said
    assert "ffff" not in said


def test_the_only_account_is_meant_when_none_is_named(desk: Desk) -> None:
    store = Keystore(desk.data_dir)
    with pytest.raises(BadInput, match="there is no account in"):
        store.chosen(None)
    store.add_wallet("alice", bytes(31) + b"\x07", "pass")
    assert store.chosen(None) == "alice"
    store.add_wallet("bob", bytes(31) + b"\x08", "pass")
    with pytest.raises(BadInput, match="one of alice, bob"):
        store.chosen(None)
    with pytest.raises(BadInput, match=r"there is no account 'carol' .* \(known: alice, bob\)"):
        store.chosen("carol")


# ------------------------------------------------------------------------------------------------------ quantities


@pytest.mark.parametrize(
    ("text", "micro"),
    [("1", 1_000_000), ("$0.000001", 1), ("5.25", 5_250_000), ("9999999999999", 9_999_999_999_999_000_000)],
)
def test_dollars_are_read_exactly(text: str, micro: int) -> None:
    assert Dollars().convert(text, None, None) == micro


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.0000001", "1e3", "1,000", "nan", ".5", "1.", "99999999999999"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Dollars().convert(text, None, None)


def test_dollars_are_shown_with_cents_and_no_more_than_needed() -> None:
    shown = [dollars(amount) for amount in (0, 1, 1_500_000, -2_345_678_900_000)]
    assert shown == ["$0.00", "$0.000001", "$1.50", "-$2,345,678.90"]


def test_series_spans_addresses_and_names_are_read() -> None:
    call = series_id(GroupId(1), Ticks(3000), OptionKind.CALL)
    assert Series().convert("1/3000/call", None, None) == Series().convert("1/3000/C", None, None) == call
    assert Series().convert("1/3000/p", None, None) == call + 1
    spans = [Span().convert(text, None, None) for text in ("90", "90s", "15m", "12h", "7d")]
    assert spans == [90, 90, 900, 43_200, 604_800]
    address = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
    assert EthereumAddress().convert(address.lower(), None, None) == address
    for kind, texts in (
        (Series(), ("1/3000", "1/3000/x", "70000/1/call", "1/99999999/call", "a/1/call")),
        (Span(), ("0", "1w", "h", "-1s")),
        (EthereumAddress(), ("0x12", address[:-1] + "F", address[2:])),
        (Units(), ("0", "0.0000001", "-1", "x")),
        (Moment(), ("tomorrow", "2026-12-25T08:00", "-5", "2026-12-25T08:00:00.5Z", "1e9")),
        (AccountName(), ("", "../x", "a b", "x" * 33, "-x")),
    ):
        for text in texts:
            with pytest.raises(click.BadParameter):
                kind.convert(text, None, None)


# --------------------------------------------------------------------------------------------------------- endings


def test_an_ending_has_its_exit_code() -> None:
    assert (Refused("x").exit_code, BadInput("x").exit_code) == (1, 2)
    assert ending_of(ZeroDivisionError()) is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_every_shell(desk: Desk, shell: str) -> None:
    assert "_CLEARING_COMPLETE" in desk.run("completion", shell).out
    assert desk.done("completion", shell)["shell"] == shell


def test_the_shell_is_offered_commands_options_and_accounts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    Keystore(desk.data_dir).add_wallet("alice", bytes(31) + b"\x07", "pass")

    def offered(line: str) -> str:
        desk.capsys.readouterr()
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        monkeypatch.setenv("_CLEARING_COMPLETE", "bash_complete")
        assert main([]) == 0
        return desk.capsys.readouterr().out

    assert "plain,order" in offered("clearing or")
    assert "plain,list" in offered("clearing batch l")
    assert "--lifetime" in offered("clearing order --li")
    assert "plain,alice" in offered("clearing order --account a")
