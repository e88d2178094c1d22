"""What the commands share towards the terminal: how they end, and how they print.

Endings carry an exit code and one line. The entry point prints the line, whatever command it comes from; this room may
not import it, so the classes stand here once more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

EXIT_REFUSED: Final = 1
EXIT_BAD_INPUT: Final = 2

PIPE_COLUMNS: Final = 200
"""How wide a table may be where no terminal tells its width."""


class Refused(click.ClickException):
    """The answer is no: the node, the rules or the contract refused, or a comparison failed."""

    exit_code = EXIT_REFUSED


class BadInput(click.ClickException):
    """The command line, a file or what it leads to cannot be used: nothing was done."""

    exit_code = EXIT_BAD_INPUT


HINTS: Final[Mapping[str, str]] = {
    "account_unknown": "the node knows no such account; `clearing deposit` opens one",
    "cash_insufficient": "the account has not that much cash",
    "group_expired": "the group has expired",
    "group_unknown": "no such group is listed; `clearing book` shows what is",
    "key_missing": "no trading key is registered for the account; `clearing key` does it",
    "margin_not_met": "the account's cash would not cover what its positions can lose",
    "order_not_in_book": "no such order is in the book; it may have been filled or have expired",
    "series_not_listed": "no such series is listed; `clearing book` shows what is",
    "signature_invalid": "the signature does not fit the registered trading key; `clearing key` registers yours",
}
"""What a person may do about a refusal, by its name."""

CONTRACT_HINTS: Final[Mapping[str, str]] = {
    "AccountUnknown": "this wallet has no account yet; `clearing deposit` opens one",
    "AlreadyClaimed": "it was paid before",
    "BatchNotProved": "the batch is not proved yet",
    "IsFrozen": "the clearing house is frozen",
    "TooManyDepositsInBlock": "try again in the next block",
    "TooManyForcedItemsInBlock": "try again in the next block",
    "VaultFull": "the vault holds as much as it may",
}
"""The same for what the contract refuses, by the name of its error."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."
)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(document, indent=2))


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a pipe gets it in full width and without colours."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, show_header=any(headings))
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # A title of the table would be broken at the table's width, which may be a few letters.
    click.echo(title)
    (Console() if sys.stdout.isatty() else Console(width=PIPE_COLUMNS)).print(table)


def printable(text: str) -> str:
    """Text from elsewhere without what would command a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def say(line: str) -> None:
    """Tell what is being done: progress goes to stderr, so that a pipe carries results only."""
    click.echo(line, err=True)


def setting_name(option: click.Option) -> str:
    """What an option is called in the config file: `batch_time` for `--batch-time`."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


class ClearingCommand(click.Command):
    """A command whose foreseeable failures end in one line; options with values can come from the environment."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for option in self.params:
            if isinstance(option, click.Option) and option.envvar is None and not option.is_flag:
                option.envvar = f"CLEARING_{self.name}_{setting_name(option)}".upper()

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        with foreseeable_failures():
            return super().invoke(ctx)


@contextmanager
def foreseeable_failures() -> Iterator[None]:
    """Turn what can go wrong outside this program into an ending."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        ending = ending_of(error)
        if ending is None:
            raise
        raise ending from error


def ending_of(error: Exception) -> click.ClickException | None:
    """Say how an error ends the program; None for one that nobody foresaw."""
    from requests.exceptions import RequestException
    from web3.exceptions import Web3Exception

    from rollup.client import NodeRefusalError, NodeUnreachableError, NotANodeError
    from rollup.node.ethereum import EthereumError, RevertedError
    from rollup.node.replay import ReplayError
    from rollup.node.server import ListenError
    from rollup.node.storage import StorageError
    from rollup.rebuild import RebuildError

    match error:
        case NodeRefusalError():
            hint = HINTS.get(str(error.reason))
            return Refused(f"the node refuses: {error}" + (f" ({hint})" if hint else ""))
        case NotANodeError():
            return BadInput(f"what answers at {error.url} is not a node of the clearing house")
        case NodeUnreachableError():
            return BadInput(f"no node answers at {error.url}; `clearing node` starts one")
        case RevertedError():
            words = [said for name, said in CONTRACT_HINTS.items() if f"{name}(" in str(error)]
            return Refused(str(error) + "".join(f" ({said})" for said in words))
        case EthereumError() | StorageError() | ListenError():
            return BadInput(str(error))
        case ReplayError():
            return Refused(f"the node cannot continue from its files: {error}")
        case RebuildError():
            return Refused(f"the published data does not follow the rules: {error}")
        case RequestException():
            return BadInput("the Ethereum node does not answer any more")
        case Web3Exception():
            return Refused(f"Ethereum refuses: {error.user_message or error}")
        case OSError() if error.filename is not None:
            return BadInput(f"{click.format_filename(str(error.filename))!r}: {error.strerror}")
        case _:
            return None
