"""What a command may reach: the data directory, the node, the chain, an account with its keys; and where that is said.

A value comes from the first of these that has one: the command line, the environment, the config file, what the node
that runs in this data directory wrote down, the default.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rollup.commands.keystore import Keystore, Membership
from rollup.commands.quantities import ADDRESS, AccountName, EthereumAddress
from rollup.commands.terminal import EVERYWHERE, BadInput, Refused, command_words, setting_name

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rollup.client import Client
    from rollup.schnorr import SecretKey

DEFAULT_DATA_DIR: Final = "~/.clearing"
DEFAULT_URL: Final = "http://127.0.0.1:8645"
DEFAULT_CHAIN_URL: Final = "http://127.0.0.1:8545"

PASSWORD_VARIABLE: Final = "CLEARING_PASSWORD"  # noqa: S105 - the name of a variable, not a password

TABLES: Final = (
    "account",
    "batch",
    "book",
    "cancel",
    "claim",
    "deposit",
    "exit",
    "force",
    "governor",
    "inspect",
    "key",
    "l1",
    "node",
    "oracle",
    "order",
    "prove",
    "rebuild",
    "status",
    "verify",
    "withdraw",
)
"""Tables that the config file may have: options of one command, or tables of a group's commands."""

LARGEST_CONFIG: Final = 1 << 16
LARGEST_PASSWORD: Final = 1024


# ------------------------------------------------------------------------------------------------ where values are said


def _load_config(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    """Read the config file before any other option is looked at."""
    del parameter
    if context.resilient_parsing:
        return
    path = value or context.params["data_dir"] / "config.toml"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_CONFIG + 1)
        if len(content) > LARGEST_CONFIG:
            raise BadInput(f"{str(path)!r} is longer than {LARGEST_CONFIG:,} bytes")
        spelled = tomllib.loads(content.decode("utf-8"))
    except FileNotFoundError:
        if value is None:
            return
        raise BadInput(f"there is no config file {str(path)!r}") from None
    except OSError as error:
        raise BadInput(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{str(path)!r} is not TOML: {error}") from error
    context.default_map = _defaults_from(spelled, path, context)


def _defaults_from(spelled: dict[str, Any], path: Path, context: click.Context) -> dict[str, Any]:
    """Pick what this command can use; what no command could use is an error, because it is a misspelling."""
    tables = {name: one for name, one in spelled.items() if isinstance(one, dict)}
    plain = {name.replace("-", "_"): one for name, one in spelled.items() if name not in tables}
    if "password" in plain:
        raise BadInput(f"{str(path)!r}: a password does not belong here; name a file in password_file")
    for name in plain:
        if name not in EVERYWHERE:
            raise BadInput(f"{str(path)!r}: there is no setting {name!r}, only {', '.join(EVERYWHERE)}")
    for name in tables:
        if name not in TABLES:
            raise BadInput(f"{str(path)!r}: there is no table {name!r}, only {', '.join(TABLES)}")
    options = {
        setting_name(one): str(one.name)
        for one in context.command.params
        if isinstance(one, click.Option) and one.name not in {"data_dir", "config", "as_json"}
    }
    own = {}
    for name, value in _table_of(command_words(context), tables, path, context).items():
        option = options.get(name.replace("-", "_"))
        if option is None:
            table = ".".join(command_words(context))
            raise BadInput(f"{str(path)!r}: [{table}] has no setting {name!r}")
        own[option] = value
    return plain | own


def _table_of(words: list[str], tables: dict[str, Any], path: Path, context: click.Context) -> dict[str, Any]:
    """The table of one command: [node], or [batch.list] for a command of a group."""
    above: list[click.Command] = []
    here = context.parent
    while here is not None and here.parent is not None:
        above.insert(0, here.command)
        here = here.parent
    for word, known in zip(words, above, strict=False):
        tables = tables.get(word, {})
        for name, inner in tables.items():
            if (
                not isinstance(inner, dict)
                or not isinstance(known, click.Group)
                or name not in known.commands
            ):
                raise BadInput(f"{str(path)!r}: [{word}] has no command {name!r}")
    found: dict[str, Any] = tables.get(words[-1], {})
    return found


def _expanded(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    del context, parameter
    return value.expanduser()


def _complete_account(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the accounts of the data directory to the shell."""
    del parameter
    folder = context.params.get("data_dir") or Path(os.environ.get("CLEARING_DATA_DIR", DEFAULT_DATA_DIR))
    names = Keystore(Path(folder).expanduser()).names()
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


data_dir_option = click.option(
    "--data-dir",
    envvar="CLEARING_DATA_DIR",
    show_envvar=True,
    default=DEFAULT_DATA_DIR,
    show_default=True,
    is_eager=True,
    type=click.Path(file_okay=False, path_type=Path),
    callback=_expanded,
    help="Keys, config and the node's files.",
)
config_option = click.option(
    "--config",
    envvar="CLEARING_CONFIG",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_load_config,
    help="The config file.  [default: config.toml in the data directory]",
)
url_option = click.option(
    "--url",
    envvar="CLEARING_URL",
    show_envvar=True,
    help=f"The node.  [default: the one that runs in the data directory, or {DEFAULT_URL}]",
)
chain_option = click.option(
    "--l1-rpc",
    envvar="CLEARING_L1_RPC",
    show_envvar=True,
    help=f"Ethereum's JSON-RPC.  [default: the node's embedded chain, or {DEFAULT_CHAIN_URL}]",
)
contract_option = click.option(
    "--contract",
    envvar="CLEARING_CONTRACT",
    show_envvar=True,
    type=EthereumAddress(),
    help="Insist on this clearing house.  [default: whatever the node serves]",
)
account_option = click.option(
    "--account",
    envvar="CLEARING_ACCOUNT",
    show_envvar=True,
    type=AccountName(),
    shell_complete=_complete_account,
    help="Whose keys sign.  [default: the only account there is]",
)
password_option = click.option(
    "--password-file",
    envvar="CLEARING_PASSWORD_FILE",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"First line: the password.  [default: ${PASSWORD_VARIABLE}, or a prompt]",
)


def reaching(*, node: bool = True, chain: bool = False, keys: bool = False) -> Callable[[Any], Any]:
    """Give a command the options it needs, and hand them over as one `Reach`."""
    options = [data_dir_option, config_option]
    if node:
        options += [url_option, contract_option]
    if chain:
        options.append(chain_option)
    if keys:
        options += [account_option, password_option]

    def decorate(function: Any) -> Any:
        @wraps(function)
        def run(data_dir: Path, **values: Any) -> Any:
            own = {name: values.pop(name, None) for name in EVERYWHERE}
            return function(Reach(data_dir=data_dir, **own), **values)

        made: Any = run
        for option in reversed(options):
            made = option(made)
        return made

    return decorate


# ------------------------------------------------------------------------------------------------- what can be reached


def running_path(data_dir: Path) -> Path:
    """Where a running node says how it is reached."""
    return data_dir / "node.json"


@dataclass(frozen=True, slots=True)
class Reach:
    """The values of the shared options."""

    data_dir: Path
    url: str | None = None
    l1_rpc: str | None = None
    contract: str | None = None
    account: str | None = None
    password_file: Path | None = None

    @property
    def keystore(self) -> Keystore:
        """The keys."""
        return Keystore(self.data_dir)

    def _running(self, name: str) -> str | None:
        try:
            found = json.loads(running_path(self.data_dir).read_text(encoding="utf-8")).get(name)
        except (OSError, ValueError, AttributeError):
            return None
        return found if isinstance(found, str) else None

    @property
    def node_url(self) -> str:
        """Where the node is."""
        return _http_address(self.url or self._running("url") or DEFAULT_URL, "--url", "a node")

    @property
    def chain_url(self) -> str:
        """Where Ethereum's JSON-RPC is."""
        url = self.l1_rpc or self._running("chain_url") or DEFAULT_CHAIN_URL
        return _http_address(url, "--l1-rpc", "an Ethereum node")

    def client(self, account: int | None = None, secret: SecretKey | None = None) -> Client:
        """A connection to the node, used in `with`."""
        from rollup.client import Client

        return Client(self.node_url, account, secret)

    def parameters(self, client: Client) -> dict[str, Any]:
        """What the node says of the clearing house it serves; another one than was asked for is refused."""
        from rollup.client import NotANodeError

        found: dict[str, Any] = client.parameters()
        # The contract becomes part of a file's name, so a hostile node must not be able to spell a path.
        contract, numbers = found.get("contract"), (found.get("chain"), found.get("queue_position"))
        if (
            not isinstance(contract, str)
            or ADDRESS.fullmatch(contract) is None
            or not all(isinstance(number, int) and number >= 0 for number in numbers)
        ):
            raise NotANodeError(self.node_url, "it does not say what it serves")
        if self.contract is not None and int(self.contract, 16) != int(found["contract"], 16):
            raise Refused(f"the node serves the clearing house {found['contract']}, not {self.contract}")
        return found

    # ---------------------------------------------------------------------------------------------- keys

    def password(self, purpose: str, *, is_new: bool = False) -> str:
        """The password, from where the order of precedence finds it."""
        context = click.get_current_context()
        is_from_config = context.get_parameter_source("password_file") is ParameterSource.DEFAULT_MAP
        variable = os.environ.get(PASSWORD_VARIABLE)
        if self.password_file is not None and not (is_from_config and variable is not None):
            return _first_line(self.password_file)
        if variable is not None:
            return variable
        if not sys.stdin.isatty():
            raise BadInput(
                f"the password {purpose} is not known: give --password-file or {PASSWORD_VARIABLE},"
                " or run this in a terminal"
            )
        asked: str = click.prompt(
            f"Password {purpose}", hide_input=True, confirmation_prompt=is_new, err=True
        )
        return asked

    def name(self) -> str:
        """The account that is meant."""
        return self.keystore.chosen(self.account)

    def wallet(self) -> LocalAccount:
        """The account's wallet, decrypted."""
        name = self.name()
        return self.keystore.wallet(name, self.password(f"of account {name!r}"))

    def membership(self, parameters: dict[str, Any]) -> Membership:
        """What the account knows of the clearing house that the node serves."""
        return self.keystore.membership(self.name(), parameters["chain"], parameters["contract"])


def _http_address(url: str, option: str, whose: str) -> str:
    """An address that can be asked at all; whether anybody answers there is another question."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        # What was given is not shown: providers put the key that they sell into it.
        raise BadInput(
            f"{option} does not hold the address of {whose}: http:// or https://, a host, a port up to 65535"
        )
    return url


def _first_line(path: Path) -> str:
    try:
        with path.expanduser().open("rb") as file:
            content = file.read(LARGEST_PASSWORD)
        return content.decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except OSError as error:
        raise BadInput(f"cannot read the password file {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the password file {str(path)!r} is not text") from error
