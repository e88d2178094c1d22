"""The command line: parses, calls one function of a room, prints.

Nothing heavy is imported before a command asks for it, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

try:
    import click
    from click.shell_completion import CompletionItem, get_completion_class, shell_complete
except ModuleNotFoundError:
    sys.stderr.write(
        f"clearing: click is not installed for {sys.executable}; docs/install.md says how to install this\n"
    )
    sys.exit(2)

from rollup.commands.terminal import (
    EXIT_BAD_INPUT,
    BadInput,
    Refused,
    json_option,
    name_variables,
    print_json,
    print_table,
)

VERSION = "0.1.0"
"""The one place of the version: pyproject.toml reads it from here, so `--version` needs no installed metadata."""

ROOMS = ("prover", "rollup", "circuits", "verifier_contracts", "benchmarks")
"""The packages of this project."""

EXIT_BUG = 3
"""Something happened that this project did not foresee."""

EXIT_INTERRUPTED = 130
"""Stopped by Ctrl-C: what a shell reports for it (128 + SIGINT)."""

COMPLETION_VARIABLE = "_CLEARING_COMPLETE"
"""What the shell sets when it asks for completions."""

HOME = Path(__file__).resolve().parent

PROVER_COMMAND = (sys.executable, "-m", "circuits.proving_process")
"""Starts a process that proves batches; a node appends its folder."""

EXIT_CODES = """\b
Exit codes:
  0    done, and the answer is yes
  1    done, and the answer is no: a proof, an order or a claim was refused, a check failed
  2    bad usage, a bad input file, or something that is needed is not there (a node, a port, a password):
       nothing was done
  3    a bug in this program; CLEARING_TRACEBACK=1 shows where
  130  interrupted (a node that serves stops cleanly and ends with 0)
\b
Results go to stdout; logs and progress go to stderr."""

logger = logging.getLogger("clearing")


# --------------------------------------------------------------------------------------------- what commands share


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives, and the line that the list of commands shows without importing it."""

    target: str
    """`module:attribute`."""
    summary: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is not a click command")
        return command


class LazyGroup(click.Group):
    """A group that knows some of its commands by name only and imports the one that runs."""

    def __init__(
        self, *args: Any, registry: Callable[[], Mapping[str, LazyCommand]], **settings: Any
    ) -> None:
        """Take the registry as a function, so that the package which holds it is not imported before its turn."""
        super().__init__(*args, **settings)
        self._registry = registry

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in alphabetical order."""
        return sorted({*super().list_commands(ctx), *self._registry()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None when there is none of that name."""
        lazy = self._registry().get(cmd_name)
        command = lazy.load() if lazy else super().get_command(ctx, cmd_name)
        if command is not None:
            name_variables(command, [*ctx.command_path.split()[1:], cmd_name])
        return command

    def _summaries(self) -> list[tuple[str, str]]:
        """Every command with its summary; none is imported."""
        summaries = {name: command.get_short_help_str(200) for name, command in self.commands.items()}
        return sorted((summaries | {name: lazy.summary for name, lazy in self._registry().items()}).items())

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(self._summaries())

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands to the shell."""
        offered = [
            CompletionItem(name, help=summary)
            for name, summary in self._summaries()
            if name.startswith(incomplete)
        ]
        return offered + click.Command.shell_complete(self, ctx, incomplete)


# ----------------------------------------------------------------------------------------------------- the commands


def _commands() -> Mapping[str, LazyCommand]:
    """Commands that live outside this file."""
    return {
        "demo": LazyCommand(
            "benchmarks.clearing_demo:command",
            "Trade options on a clearing house of its own, from deployment to paid claims, and balance its books.",
        ),
        "proof": LazyCommand(
            "benchmarks.proof_command:group", "Make, show and check proofs of the example circuits."
        ),
        "node": LazyCommand(
            "rollup.commands.node_command:command",
            "Run a node until Ctrl-C or SIGTERM: order book, sequencer, API and bridge to Ethereum.",
        ),
        "account": LazyCommand(
            "rollup.commands.account_command:group",
            "Make, import and list accounts: each is a wallet, encrypted in the data directory.",
        ),
        "key": LazyCommand(
            "rollup.commands.key_command:command",
            "Make the account's trading key, keep it encrypted, and register it with the clearing house.",
        ),
        "deposit": LazyCommand(
            "rollup.commands.deposit_command:command",
            "Deposit dollars into the vault and wait until the node has credited them.",
        ),
        "order": LazyCommand(
            "rollup.commands.order_command:command", "Sign an order and place it in the node's book."
        ),
        "cancel": LazyCommand(
            "rollup.commands.cancel_command:command", "Take orders of the account out of the book."
        ),
        "withdraw": LazyCommand(
            "rollup.commands.withdraw_command:command",
            "Turn cash of the account into a claim on the vault.",
        ),
        "claim": LazyCommand(
            "rollup.commands.claim_command:command",
            "Collect what proved batches owe the account's wallet.",
        ),
        "status": LazyCommand(
            "rollup.commands.status_command:command",
            "Show the chain, the batches, the queue, how far the node lags, and the account.",
        ),
        "l1": LazyCommand(
            "rollup.commands.l1_command:group", "Ask Ethereum itself how the clearing house stands."
        ),
        "book": LazyCommand(
            "rollup.commands.book_command:command", "Show what is listed, or the best prices of one series."
        ),
        "batch": LazyCommand("rollup.commands.batch_command:group", "List batches, and show one."),
        "prove": LazyCommand(
            "circuits.batch_commands:prove", "Prove a batch that a node of this data directory has closed."
        ),
        "verify": LazyCommand(
            "circuits.batch_commands:verify",
            "Verify a batch's proof, and say what it says; the exit code is 1 when it is refused.",
        ),
        "inspect": LazyCommand(
            "circuits.batch_commands:inspect",
            "Show what a batch costs to prove: rows and cells by table, and by type of transaction.",
        ),
        "exit": LazyCommand(
            "rollup.commands.exit_command:group",
            "Leave a frozen clearing house with what is yours, with Ethereum's data alone.",
        ),
        "governor": LazyCommand(
            "rollup.commands.governor_command:group",
            "Announce changes of the clearing house, list what waits, and make them after their notice.",
        ),
        "oracle": LazyCommand(
            "rollup.commands.oracle_command:group", "Sign, post and fix a group's settlement price."
        ),
        "force": LazyCommand(
            "rollup.commands.force_command:group",
            "Go past the sequencer: queue what it must serve, revert or freeze what it does not prove.",
        ),
        "rebuild": LazyCommand(
            "rollup.commands.rebuild_command:command",
            "Repeat every batch from its published data and compare the state roots.",
        ),
    }


def _benchmarks() -> Mapping[str, LazyCommand]:
    import benchmarks

    return benchmarks.COMMANDS


@click.group(
    cls=LazyGroup,
    registry=_commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(VERSION, prog_name="clearing")
@click.option("-v", "--verbose", count=True, help="Log to stderr what is done; twice for more.")
def clearing(verbose: int) -> None:
    """Clear options with proofs: a zero-knowledge rollup in Python.

    \b
    Examples:
      clearing doctor                        # this machine, and whether the kernels are right on it
      clearing demo                          # a clearing house from deployment to paid claims
      clearing node                          # one to trade in; its page is at http://127.0.0.1:8645/
      clearing account new alice             # then key, deposit, book, order, status, withdraw, claim
      clearing verify 12.proof               # whether a proof holds, and what it says of which batch
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in (logger.name, *ROOMS):
        logging.getLogger(name).setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])


@clearing.command()
@json_option
def doctor(as_json: bool) -> None:
    """Describe this machine and test the kernels on it against independent libraries.

    \b
    Examples:
      clearing doctor
      clearing doctor --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.machine import describe
    from prover.doctor import self_test

    machine, results = describe(), self_test()
    healthy = all(result.passed for result in results)
    if as_json:
        print_json(
            {"machine": asdict(machine), "self_test": [asdict(r) for r in results], "healthy": healthy}
        )
    else:
        print_table("this machine", ("what", "value"), machine.rows())
        print_table(
            "self-test",
            ("kernel", "compared with", "seconds", "result"),
            [(r.name, r.oracle, f"{r.seconds:.2f}", r.failure or "agrees") for r in results],
        )
    if not healthy:
        failed = ", ".join(result.name for result in results if not result.passed)
        raise Refused(f"these kernels give wrong answers on this machine: {failed}")


@clearing.command()
@click.argument("preset", required=False)
@json_option
def soundness(preset: str | None, as_json: bool) -> None:
    """Print the provable bits of every preset, or every round of one, at the sizes of reference.

    A proof's own bits are computed from its key and heights when it is verified; these are for choosing a preset.

    \b
    Examples:
      clearing soundness
      clearing soundness keccak-100-rate-4
      clearing soundness --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from prover.parameters import PRESETS
    from prover.soundness import soundness as report_on
    from prover.soundness.reference import REFERENCE_LOG_HEIGHTS, reference_shape, rounded_down
    from prover.soundness.shape import TWO_ADICITY

    if preset is not None and preset not in PRESETS:
        raise click.UsageError(f"there is no preset {preset!r}, only {', '.join(PRESETS)}")
    reports = [
        (parameters, log_height, report_on(reference_shape(parameters, log_height)))
        for parameters in ([PRESETS[preset]] if preset else PRESETS.values())
        for log_height in REFERENCE_LOG_HEIGHTS
        if log_height + parameters.log_blowup <= TWO_ADICITY
    ]
    if as_json:
        entries = [
            {"parameters": asdict(parameters), "log_height": log_height, **report.to_json()}
            for parameters, log_height, report in reports
        ]
        print_json({"presets": entries})
        return
    for parameters, log_height, report in reports if preset else []:
        print_table(
            f"{_marked(parameters.name, parameters.is_insecure)}, 2^{log_height} rows, {report.regime}",
            ("round", "bits", "grinding", "bits without"),
            [
                (r.name, rounded_down(r.bits), str(r.grinding), rounded_down(r.bits_without_grinding))
                for r in report.rounds
            ],
        )
    print_table(
        "provable bits: the least of all rounds, grinding included, and without",
        ("preset", "rate", "queries", "rows", "regime", "bits", "weakest round", "without", "summed"),
        [
            (
                _marked(parameters.name, parameters.is_insecure),
                f"1/{1 << parameters.log_blowup}",
                str(parameters.queries),
                f"2^{log_height}",
                report.regime,
                rounded_down(report.minimum),
                report.weakest_round,
                rounded_down(report.minimum_without_grinding),
                rounded_down(report.summed_bits),
            )
            for parameters, log_height, report in reports
        ],
    )


def _marked(name: str, is_insecure: bool) -> str:
    """The name of a preset; an insecure one is never shown without saying so."""
    return f"{name} INSECURE" if is_insecure else name


@clearing.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print what a shell needs to complete commands, options and account names.

    \b
    Examples:
      eval "$(clearing completion bash)"
      clearing completion fish > ~/.config/fish/completions/clearing.fish
      clearing completion zsh --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    kind = get_completion_class(shell)
    if kind is None:
        raise BadInput(f"click completes no {shell}")
    script = kind(clearing, {}, "clearing", COMPLETION_VARIABLE).source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)


@clearing.group(cls=LazyGroup, registry=_benchmarks)
def bench() -> None:
    """Measure this project on this machine.

    Figures are never tests: nothing here fails for being slow.

    \b
    Examples:
      clearing bench machine
      clearing bench batch --trades 64 --accounts 100 --alone
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


# -------------------------------------------------------------------------------------------------------- the entry


def check_rooms() -> None:
    """Refuse to run on somebody else's packages.

    The names of the rooms are ordinary words, and packages of these names exist elsewhere.
    One that was installed over ours would be imported without a word.
    """
    for room in ROOMS:
        found = importlib.util.find_spec(room)
        origin = found.origin if found else None
        if origin is None or Path(origin).resolve().parent.parent != HOME:
            raise BadInput(
                f"the package {room!r} is {origin or 'missing'}, not the one beside {HOME / 'cli.py'}: "
                "install this project into a virtual environment of its own"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; what goes wrong is one line on stderr."""
    try:
        check_rooms()
        instruction = os.environ.get(COMPLETION_VARIABLE)
        if instruction:
            return shell_complete(clearing, {}, "clearing", COMPLETION_VARIABLE, instruction)
        # Not click's own `main`: that one leaves the process when a pipe breaks.
        # The rooms import one way, so the node is handed what proves its batches, and what judges the proofs.
        proving = {
            "prover_command": PROVER_COMMAND,
            "prover_directory": HOME,
            "verifier": lambda: importlib.import_module("circuits.deployable").verifier(),
        }
        with clearing.make_context(
            "clearing", list(sys.argv[1:] if arguments is None else arguments), obj=proving
        ) as context:
            clearing.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return EXIT_BAD_INPUT
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "clearing"
        # click names a type by what it is called in its help.
        said = (
            error.format_message()
            .replace("valid integer range", "whole number")
            .replace("float range", "number")
        )
        return _complain(f"{said} (see `{command} --help`)", EXIT_BAD_INPUT)
    except click.FileError as error:
        return _complain(error.format_message(), EXIT_BAD_INPUT)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has enough; leave nothing in the buffer for the interpreter to fail on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _complain("there is not enough memory for this", EXIT_BAD_INPUT)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug ends in one line too
        missing = _missing_package(error)
        if missing is not None:
            return _complain(
                f"{missing} is not installed for {sys.executable}; docs/install.md says how to install this",
                EXIT_BAD_INPUT,
            )
        if os.environ.get("CLEARING_TRACEBACK"):
            traceback.print_exc()
        return _complain(
            f"this is a bug in clearing: {type(error).__name__}: {error} (CLEARING_TRACEBACK=1 shows where)",
            EXIT_BUG,
        )
    return 0


def _missing_package(error: Exception) -> str | None:
    """The dependency that is not there, as under an interpreter that this was not installed for; None for a bug."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return package if package not in {"", *ROOMS} else None


def _complain(message: str, code: int) -> int:
    """Print one line to stderr, whatever the message is made of, and give the code back."""
    line = " ".join(message.split())
    click.echo(f"clearing: {''.join(c if c.isprintable() else '?' for c in line)}", err=True)
    return code


if __name__ == "__main__":
    # Run the module under its own name, so that commands in other files that import it meet the same classes.
    from cli import main as run

    sys.exit(run())
