"""Every command line that a document or a help text shows can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import clearing

CHECKOUT = Path(__file__).resolve().parents[2]

DOCUMENTS = (
    CHECKOUT / "README.md",
    CHECKOUT / "SECURITY.md",
    *sorted((CHECKOUT / "docs").glob("*.md")),
    CHECKOUT / "benchmarks" / "README.md",
    CHECKOUT / "circuits" / "README.md",
)

LINE = re.compile(r"^(?:\.venv/bin/python cli\.py|python cli\.py|clearing) +(.*)$", re.MULTILINE)
"""A command line of its own, in a block."""

PHRASE = re.compile(r"`(?:python cli\.py|clearing) ([^`]*)`")
"""A command inside a sentence."""

ELLIPSIS = re.compile(r"\.\.\.|\b[A-Z]+\b|\|")
"""What stands for something else, so that the line cannot be typed: `...`, a word in capitals, a choice."""


def _helps(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """Every command's help, under its full name."""
    yield name, click.unstyle(command.help or "")
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from _helps(f"{name} {word}", below)


def _shown() -> Iterator[tuple[str, str]]:
    """Every command line that is shown somewhere, with where."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
        for found in (*LINE.findall(blocks), *PHRASE.findall(text)):
            yield document.name, found
    for name, text in _helps("clearing", clearing):
        for found in (*LINE.findall(re.sub(r"^ +", "", text, flags=re.MULTILINE)), *PHRASE.findall(text)):
            yield f"help of {name}", found


def _parse(words: list[str]) -> None:
    """Read a command line as far as it can be read without doing anything."""
    command: click.Command = clearing
    context = click.Context(clearing, info_name="clearing")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    if not isinstance(command, click.Group):
        command.make_context(context.info_name, words, parent=context.parent)


def test_every_command_line_that_is_shown_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARING_DATA_DIR", str(tmp_path))
    wrong, read = [], 0
    for where, line in _shown():
        typed = line.split(" #")[0].split(" > ")[0].rstrip('")')
        if ELLIPSIS.search(typed):
            continue
        words = shlex.split(typed)
        # A phrase may name a command without what it needs: then the command alone has to be there.
        try:
            _parse(words)
        except click.MissingParameter:
            pass
        except (click.ClickException, AssertionError) as error:
            wrong.append(f"{where}: clearing {line}: {error}")
        except click.exceptions.Exit:
            pass
        read += 1
    assert wrong == []
    assert read > 200
