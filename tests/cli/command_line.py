"""Runs command lines inside the test's process, and one node in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli import main

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """One data directory and the commands that work in it."""

    data_dir: Path
    capsys: pytest.CaptureFixture[str]
    node: subprocess.Popen[str] | None = field(default=None)

    def run(self, *arguments: str) -> Ended:
        """Run a command that needs no node of its own."""
        self.capsys.readouterr()
        code = main(arguments)
        return Ended(code, *self.capsys.readouterr())

    def done(self, *arguments: str) -> Any:
        """Run a command that must succeed, and read its JSON."""
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended.err
        return ended.json

    def refused(self, *arguments: str, code: int) -> str:
        """Run a command that must end with this code, and give its one line."""
        ended = self.run(*arguments)
        assert ended.code == code, ended.err
        last = ended.err.splitlines()[-1]
        assert last.startswith("clearing: ")
        assert "Traceback" not in ended.err
        return last.removeprefix("clearing: ")

    def start_node(self, *options: str) -> Any:
        """Start a node and wait until it says that it serves."""
        command = [sys.executable, "cli.py", "node", "--json", "--port", "0", "--chain-port", "0"]
        self.node = subprocess.Popen(
            [*command, "--data-dir", str(self.data_dir), *options],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.node.stdout is not None
        lines = []
        while (line := self.node.stdout.readline()) != "":
            lines.append(line)
            if line == "}\n":
                return json.loads("".join(lines))
        raise AssertionError(self.node.communicate()[1])

    def end_node(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Stop the node, and give its exit code and what it said last."""
        assert self.node is not None
        self.node.send_signal(how)
        _, err = self.node.communicate(timeout=30)
        code, self.node = self.node.returncode, None
        return code, err

    def close(self) -> None:
        """Leave nothing running."""
        if self.node is not None:
            self.node.kill()
            self.node.communicate()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
