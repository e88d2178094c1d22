"""Every option of every command: command line, environment, config file, default, in this order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource

import cli
from rollup.commands.reach import TABLES
from rollup.commands.terminal import BadInput, command_words, setting_name

WITHOUT_CONFIG = {"bench", "completion", "demo", "doctor", "proof", "soundness"}
"""Commands that reach no data directory and read no config file."""

BEFORE_THE_CONFIG = {"data_dir", "config"}
"""They say where the config file is."""


def commands(context: click.Context) -> Iterator[click.Context]:
    """Every command below a group, in a context as a command line makes it."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from commands(inner)
        else:
            yield inner


def every_command() -> list[click.Context]:
    return list(commands(click.Context(cli.clearing, info_name="clearing")))


def options(context: click.Context) -> list[click.Option]:
    """A command's options that take a value."""
    return [one for one in context.command.params if isinstance(one, click.Option) and not one.is_flag]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CLEARING_")]:
        monkeypatch.delenv(name)


def test_the_precedence_holds_for_every_option_of_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for context in every_command():
        for option in options(context):
            name, variable = str(option.name), option.envvar
            assert isinstance(variable, str), (context.command_path, name)
            source = option.consume_value(context, {})[1]
            assert source is ParameterSource.DEFAULT, (context.command_path, name)
            from_file: dict[str, Any] = {name: "from the file"}
            context.default_map = from_file
            assert option.consume_value(context, {}) == ("from the file", ParameterSource.DEFAULT_MAP)
            monkeypatch.setenv(variable, "environment")
            # An option that may be repeated takes several words of a variable.
            several = ["environment"] if option.multiple else "environment"
            assert option.consume_value(context, {}) == (several, ParameterSource.ENVIRONMENT)
            typed: Any = {name: "from the command line"}
            given = option.consume_value(context, typed)
            assert given == ("from the command line", ParameterSource.COMMANDLINE)
            monkeypatch.delenv(variable)
            context.default_map = None


def test_a_variable_is_named_after_what_a_person_types() -> None:
    found = {
        (context.command_path, setting_name(option)): option.envvar
        for context in every_command()
        for option in options(context)
    }
    assert found["clearing node", "batch_time"] == "CLEARING_NODE_BATCH_TIME"
    assert found["clearing node", "contract"] == "CLEARING_CONTRACT"
    assert found["clearing order", "lifetime"] == "CLEARING_ORDER_LIFETIME"
    assert found["clearing key", "number"] == "CLEARING_KEY_NUMBER"
    assert found["clearing batch list", "count"] == "CLEARING_BATCH_LIST_COUNT"
    assert found["clearing bench kill-run", "kills"] == "CLEARING_BENCH_KILL_RUN_KILLS"
    # One name, one option: of several commands only where it means the same everywhere.
    named: dict[str, set[str]] = {}
    for (_, setting), variable in found.items():
        named.setdefault(str(variable), set()).add(setting)
    assert all(len(settings) == 1 for settings in named.values())


def test_the_config_file_has_a_table_for_every_command_that_reads_it() -> None:
    for context in every_command():
        words = command_words(context)
        reads = any(option.name == "config" for option in options(context))
        assert reads == (words[0] not in WITHOUT_CONFIG), words
        assert not reads or words[0] in TABLES, words


def test_every_setting_of_the_config_file_arrives(tmp_path: Path) -> None:
    for context in every_command():
        settings = [one for one in options(context) if one.name not in BEFORE_THE_CONFIG]
        config = next((one for one in context.command.params if one.name == "config"), None)
        if config is None:
            continue
        table = ".".join(command_words(context))
        file = tmp_path / "config.toml"
        spelled = [f'{setting_name(one).replace("_", "-")} = "value of {one.name}"' for one in settings]
        file.write_text("\n".join([f"[{table}]", *spelled]))
        config.process_value(context, str(file))
        assert context.default_map == {str(one.name): f"value of {one.name}" for one in settings}
        file.write_text(f"[{table}]\nbatch-tiem = 1\n")
        with pytest.raises(BadInput, match="has no setting 'batch-tiem'"):
            config.process_value(context, str(file))


def test_a_table_of_a_group_holds_tables_of_its_commands(tmp_path: Path) -> None:
    context = next(one for one in every_command() if command_words(one) == ["batch", "list"])
    config = next(one for one in context.command.params if one.name == "config")
    file = tmp_path / "config.toml"
    for content in ("[batch]\ncount = 3\n", "[batch.lst]\ncount = 3\n"):
        file.write_text(content)
        with pytest.raises(BadInput, match=r"\[batch\] has no command"):
            config.process_value(context, str(file))
