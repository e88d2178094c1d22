"""Programs of others, run with a time limit and with nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What some programs put around their words even where nobody looks."""


def run_limited(command: Sequence[str | Path], folder: Path, limit_seconds: float) -> str:
    """Run a program and give what it printed; it and all it started end with the time limit or with us."""
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1", "NPM_CONFIG_UPDATE_NOTIFIER": "false"},
        # A group of its own: what npm or node starts can be ended with it.
        start_new_session=True,
    ) as child:
        try:
            output, errors = child.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            _end(child)
            raise click.ClickException(f"{_name(command)} took more than {limit_seconds:,.0f} s") from None
        except BaseException:  # Ctrl-C does not reach another session
            _end(child)
            raise
    if child.returncode != 0:
        raise click.ClickException(f"{_name(command)} failed: {complaint(output + errors)}")
    return COLOUR.sub("", output)


def complaint(printed: str) -> str:
    """The line that says what went wrong: the first that speaks of an error, or else the last."""
    lines = [line.strip() for line in COLOUR.sub("", printed).splitlines() if line.strip()]
    named = [line for line in lines if "error" in line.lower()]
    return (named[:1] or lines[-1:] or ["it printed nothing"])[0]


def _name(command: Sequence[str | Path]) -> str:
    """The program and what it is to do, without folders."""
    return " ".join(Path(part).name for part in command[:4])


def _end(child: subprocess.Popen[str]) -> None:
    """End a child that has not been waited for and, where the system has groups, all that it started."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
