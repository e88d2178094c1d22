"""`account`: wallets that own accounts, encrypted in the data directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollup.commands.keystore import LARGEST_FILE, decrypted
from rollup.commands.quantities import AccountName
from rollup.commands.reach import Reach, password_option, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    json_option,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from typing import Any

KEY_HEX_DIGITS = 64


@click.group()
def group() -> None:
    """Make, import and list accounts: each is a wallet, encrypted in the data directory.

    \b
    Examples:
      clearing account new alice
      clearing account import anvil key.txt
      clearing account list
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


@group.command(cls=ClearingCommand)
@click.argument("name", type=AccountName())
@password_option
@reaching(node=False)
@json_option
def new(reach: Reach, name: str, as_json: bool) -> None:
    """Draw a new wallet key and keep it encrypted.

    The key comes from the operating system's randomness and is never shown.
    The file is what other wallets read too (keystore version 3): copy it, and remember the password.

    \b
    Examples:
      clearing account new alice
      clearing account new bot --password-file bot.password --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from eth_account import Account

    _refuse_existing(reach, name)
    password = _new_password(reach, name)
    _added(reach, name, bytes(Account.create().key), password, as_json)


@group.command("import", cls=ClearingCommand)
@click.argument("name", type=AccountName())
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--file-password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="First line: the password of a keystore file.  [default: the account's own password]",
)
@password_option
@reaching(node=False)
@json_option
def import_(reach: Reach, name: str, file: Path, file_password_file: Path | None, as_json: bool) -> None:
    """Keep the key of an existing wallet: a keystore file, or a file with the bare key in hexadecimal.

    With - the key is read from standard input. It is never taken from the command line, where others could see it.

    \b
    Examples:
      clearing account import alice UTC--2026-01-01--keystore.json
      clearing account import anvil key.txt --password-file anvil.password
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from dataclasses import replace

    _refuse_existing(reach, name)
    content = _read_text(file)
    if content.lstrip().startswith("{"):
        import json

        try:
            keystore = json.loads(content)
        except ValueError as error:
            raise BadInput(f"{str(file)!r} is not a keystore file: it is not JSON") from error
        own = reach if file_password_file is None else replace(reach, password_file=file_password_file)
        opening = own.password(f"of {str(file)!r}")
        key = decrypted(keystore, opening, file)
        password = opening if file_password_file is None else _new_password(reach, name)
    else:
        key = _bare_key(content, file)
        password = _new_password(reach, name)
    _added(reach, name, key, password, as_json)


@group.command("list", cls=ClearingCommand)
@reaching(node=False)
@json_option
def list_(reach: Reach, as_json: bool) -> None:
    """List the accounts of the data directory; needs no password and no node.

    \b
    Examples:
      clearing account list
      clearing account list --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    keystore = reach.keystore
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "address": keystore.address(name),
            "file": str(keystore.wallet_path(name)),
            "clearing_houses": sorted(
                path.stem for path in keystore.wallet_path(name).parent.glob("0x*.json")
            ),
        }
        for name in keystore.names()
    ]
    if as_json:
        print_json({"accounts": found})
    elif found:
        rows = [(one["name"], one["address"], ", ".join(one["clearing_houses"]) or "-") for one in found]
        print_table(f"accounts in {keystore.folder}", ("name", "address", "clearing houses"), rows)
    else:
        click.echo(f"no accounts in {keystore.folder} yet; `clearing account new NAME` makes one")


def _refuse_existing(reach: Reach, name: str) -> None:
    """Before anyone types a password."""
    path = reach.keystore.wallet_path(name)
    if path.exists():
        raise BadInput(f"there is an account {name!r} already: {str(path)!r}")


def _new_password(reach: Reach, name: str) -> str:
    password = reach.password(f"for the new account {name!r}", is_new=True)
    if not password:
        raise BadInput("the password is empty")
    return password


def _read_text(file: Path) -> str:
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
        return content.decode("utf-8")
    except OSError as error:
        raise BadInput(f"cannot read {str(file)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{str(file)!r} is neither a keystore file nor a key in hexadecimal") from error


def _bare_key(content: str, file: Path) -> bytes:
    """Read a key in hexadecimal; a complaint must not repeat it."""
    from eth_keys.constants import SECPK1_N

    text = content.strip().removeprefix("0x")
    try:
        key = bytes.fromhex(text) if len(text) == KEY_HEX_DIGITS else b""
    except ValueError:
        key = b""
    if not key:
        raise BadInput(
            f"{str(file)!r} is neither a keystore file nor a key of {KEY_HEX_DIGITS} hexadecimal digits"
        )
    if not 0 < int.from_bytes(key) < SECPK1_N:
        raise BadInput(f"{str(file)!r} holds a number that is no key")
    return key


def _added(reach: Reach, name: str, key: bytes, password: str, as_json: bool) -> None:
    address = reach.keystore.add_wallet(name, key, password)
    path = reach.keystore.wallet_path(name)
    if as_json:
        print_json({"name": name, "address": address, "file": str(path)})
    else:
        click.echo(f"account {name}: {address}, encrypted in {path}")
