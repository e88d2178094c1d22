"""The command line: answers at once, speaks one line when something is wrong, and keeps its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import cli
from cli import LazyCommand, LazyGroup, clearing, main
from rollup.commands.terminal import BadInput, Refused, progress_on_stderr, read_limited

WITHOUT_HEAVY_PACKAGES = """
import sys
for name in ("numba", "numpy", "web3", "galois", "py_ecc", "rich", "matplotlib", "Crypto"):
    sys.modules[name] = None  # importing it raises ImportError
from cli import main
sys.exit(main(sys.argv[1:]))
"""


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that is not a group, with its full name."""

    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield name, command
            return
        context = click.Context(command)
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None
            yield from walk(f"{name} {child_name}", child)

    return walk("clearing", clearing)


def run(
    *arguments: str, checkout: Path, code: str = WITHOUT_HEAVY_PACKAGES
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["bench", "--help"], ["doctor", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str], checkout: Path) -> None:
    done = run(*arguments, checkout=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout != ""


def test_the_file_and_the_console_script_are_one_program(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "cli.py", "--version"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"clearing, version {cli.VERSION}\n"


@pytest.mark.parametrize(("name", "command"), [pytest.param(*pair, id=pair[0]) for pair in all_commands()])
def test_every_command_has_a_json_twin_and_examples(name: str, command: click.Command) -> None:
    assert "--json" in {option for parameter in command.params for option in parameter.opts}
    assert command.help is not None
    assert "Examples:" in command.help
    assert f"{name} " in command.help


def test_every_registered_command_has_the_summary_it_is_listed_with() -> None:
    for registry in (cli._commands(), cli._benchmarks()):
        for lazy in registry.values():
            assert lazy.load().get_short_help_str(200).rstrip(".") == lazy.summary.rstrip(".")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no-such"], "clearing: No such command 'no-such'. (see `clearing --help`)\n"),
        (["doctor", "--no-such"], "clearing: No such option '--no-such'. (see `clearing doctor --help`)\n"),
        (
            ["bench", "machine", "x"],
            "clearing: Got unexpected extra argument (x) (see `clearing bench machine --help`)\n",
        ),
    ],
)
def test_bad_usage_is_one_line_and_code_two(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr() == ("", line)


def test_a_group_without_a_command_shows_its_help_and_decides_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: clearing bench")


def end_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """Run a command that ends with this error."""

    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setitem(clearing.commands, "failing", failing)
    return main(["failing"])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            Refused("the proof is refused: a fold is wrong"),
            1,
            "clearing: the proof is refused: a fold is wrong\n",
        ),
        (BadInput("not a proof"), 2, "clearing: not a proof\n"),
        (BadInput("two\nlines and \x1b[31m colour"), 2, "clearing: two lines and ?[31m colour\n"),
        (click.FileError("x", "gone"), 2, "clearing: Could not open file 'x': gone\n"),
        (MemoryError(), 2, "clearing: there is not enough memory for this\n"),
        (KeyboardInterrupt(), 130, "clearing: interrupted\n"),
        (
            ValueError("odd"),
            3,
            "clearing: this is a bug in clearing: ValueError: odd (CLEARING_TRACEBACK=1 shows where)\n",
        ),
    ],
    ids=["refused", "bad input", "control characters", "file", "memory", "interrupt", "bug"],
)
def test_what_goes_wrong_has_its_code_and_one_line(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CLEARING_TRACEBACK", raising=False)
    assert end_with(monkeypatch, error) == code
    out, err = capsys.readouterr()
    assert (out, err.lstrip("\n")) == ("", line)


def test_a_bug_shows_its_place_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLEARING_TRACEBACK", "1")
    assert end_with(monkeypatch, ValueError("odd")) == 3
    assert "in failing" in capsys.readouterr().err


def test_a_reader_that_closes_the_pipe_early_is_not_an_error(checkout: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "cli.py", "--help"],
        cwd=checkout,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_lazy_command_that_is_no_command_is_a_bug() -> None:
    with pytest.raises(TypeError, match=r"^cli:VERSION is not a click command$"):
        LazyCommand("cli:VERSION", "").load()


def test_a_lazy_group_finds_nothing_under_an_unknown_name() -> None:
    group = LazyGroup("group", registry=dict)
    assert group.get_command(click.Context(group), "absent") is None


def test_input_is_read_whole_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(BadInput) as refusal:
        read_limited(path, 4)
    assert refusal.value.message == f"'{path}' is longer than 4 bytes, the most that such a file can have"


def test_input_that_is_absent_or_a_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as absent:
        read_limited(tmp_path / "absent", 5)
    assert absent.value.message == f"cannot read '{tmp_path / 'absent'}': No such file or directory"
    with pytest.raises(BadInput) as folder:
        read_limited(tmp_path, 5)
    assert folder.value.message == f"cannot read '{tmp_path}': Is a directory"


def test_somebody_elses_package_under_the_name_of_a_room_is_noticed(checkout: Path, tmp_path: Path) -> None:
    shutil.copy(checkout / "cli.py", tmp_path)
    for room in cli.ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    command = [sys.executable, "cli.py", "--version"]
    own = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (own.returncode, own.stderr) == (0, "")
    shutil.rmtree(tmp_path / "circuits")
    foreign = tmp_path / "elsewhere" / "circuits" / "__init__.py"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(foreign.parent.parent)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"clearing: the package 'circuits' is {foreign}, not the one beside {tmp_path / 'cli.py'}: "
        "install this project into a virtual environment of its own\n"
    )


def test_progress_draws_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_on_stderr() as progress:
        progress("commit", 0.0)
        progress("commit", 1.0)
    out, err = capsys.readouterr()
    assert out == ""
    assert "commit" in err


def test_progress_logs_where_there_is_no_terminal(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO", "clearing"), progress_on_stderr() as progress:
        progress("commit", 0.5)
    assert caplog.messages == ["commit: 50 %"]
    assert capsys.readouterr() == ("", "")


def test_the_machine_is_described_in_words_and_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "machine"]) == 0
    words = capsys.readouterr().out
    assert "vector width, as LLVM sees it: " in words
    assert main(["bench", "machine", "--json"]) == 0
    machine = json.loads(capsys.readouterr().out)
    assert machine["cores"] >= 1
    assert machine["vector_bits"] in {64, 128, 256, 512}
