"""What all commands share towards the terminal: how they end, what they read, and how they print.

Endings carry an exit code and one line, which the entry point prints, whatever command it comes from.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

logger = logging.getLogger("clearing")

EXIT_REFUSED: Final = 1
"""A proof, an order or a claim was refused, or a check failed: the command worked and the answer is no."""

EXIT_BAD_INPUT: Final = 2
"""The command line or an input file is wrong, or something that is needed is not there: nothing was done."""

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
    "NotFrozen": "the clearing house is not frozen; `clearing l1 status` shows from when anyone may freeze it",
    "NothingOverdue": "nothing has waited longer than the window; `clearing l1 status` shows from when one may",
    "NothingToRevert": "no sealed batch is past its proof's deadline; `clearing l1 status` shows when one is",
    "TooManyDepositsInBlock": "try again in the next block",
    "TooManyForcedItemsInBlock": "try again in the next block",
    "VaultFull": "the vault holds as much as it may",
}
"""The same for what the contract refuses, by the name of its error."""

EVERYWHERE: Final = ("url", "l1_rpc", "contract", "account", "password_file")
"""Options that several commands have: their names in the environment and in the config file name no command."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of a table."
)


def print_json(document: Mapping[str, Any]) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(document, indent=2))


def read_limited(path: Path, limit_bytes: int) -> bytes:
    """Read a whole input file; one that is absent, unreadable or longer than the limit is a bad input.

    A file of any size costs at most the limit in memory.
    """
    name = click.format_filename(path)
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise BadInput(f"cannot read {name!r}: {error.strerror}") from error
    if len(content) > limit_bytes:
        raise BadInput(f"{name!r} is longer than {limit_bytes:,} bytes, the most that such a file can have")
    return content


def insist_on_folder(path: Path) -> None:
    """Refuse a file to be written whose folder is not there, before the work that would fill it."""
    if not path.absolute().parent.is_dir():
        raise BadInput(f"cannot write {click.format_filename(path)!r}: there is no such folder")


def write_result(path: Path, content: bytes) -> None:
    """Write what a command made; where that cannot be is a bad input."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadInput(f"cannot write {click.format_filename(path)!r}: {error.strerror}") from error


@contextmanager
def progress_on_stderr() -> Iterator[Callable[[str, float], None]]:
    """Give long work a callback that draws a bar a stage on a terminal, and logs the stages anywhere else."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda stage, fraction: logger.info("%s: %.0f %%", stage, 100 * fraction)
        return
    with Progress(console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=fraction)

        yield show


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


def command_words(context: click.Context) -> list[str]:
    """What a person types to reach a command, the program's own name left out: `governor`, `propose`."""
    words: list[str] = []
    here: click.Context | None = context
    while here is not None and here.parent is not None:
        words.insert(0, here.info_name or "")
        here = here.parent
    return words or [context.info_name or ""]


def name_variables(command: click.Command, words: Sequence[str]) -> None:
    """Let every option that takes a value come from the environment: CLEARING_NODE_BATCH_TIME.

    The name is made of what a person types, which a command does not know of itself: it is given where it is found.
    """
    for option in command.params:
        # What names its variable itself shows it in its help.
        if isinstance(option, click.Option) and not option.is_flag and not option.show_envvar:
            setting = setting_name(option)
            path = (setting,) if setting in EVERYWHERE else (*words, setting)
            option.envvar = "_".join(("clearing", *path)).replace("-", "_").upper()
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            name_variables(inner, (*words, name))


class ClearingCommand(click.Command):
    """A command whose foreseeable failures end in one line."""

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
    from rollup.node.fronts import ListenError
    from rollup.node.replay import ReplayError
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
            return Refused(
                f"Ethereum refuses: {error.user_message or (error.args[0] if error.args else error)}"
            )
        case OSError() if error.filename is not None:
            return BadInput(f"{click.format_filename(str(error.filename))!r}: {error.strerror}")
        case _:
            return None
