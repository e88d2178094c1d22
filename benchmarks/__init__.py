"""Measurements that anyone can repeat, one file a command."""

from cli import LazyCommand

COMMANDS = {
    "machine": LazyCommand(
        "benchmarks.machine:command", "Describe the machine that every result is kept with."
    ),
}
"""The commands of `clearing bench`, by name: a new benchmark is a file here and a line in this table."""
