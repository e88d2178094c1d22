"""`bench first-proof`: how long a newcomer waits for the first proof, without and with compiled kernels on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from rollup.commands.terminal import json_option, print_json

LOG_SIZE = 10


def prove_once(cache_folder: str) -> float:
    """Seconds from starting a process to its first proof on disk, kernels kept in the given folder."""
    home = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "first.proof")
        arguments = ["proof", "make", "poseidon-batch", "--log-size", str(LOG_SIZE), "--out", out]
        start = time.perf_counter()
        finished = subprocess.run(
            [sys.executable, "cli.py", *arguments],
            capture_output=True,
            text=True,
            cwd=home,
            check=False,
            env=os.environ | {"NUMBA_CACHE_DIR": cache_folder},
        )
        seconds = time.perf_counter() - start
    if finished.returncode != 0:
        raise click.ClickException(f"the first proof failed: {finished.stderr.strip()}")
    return seconds


def measure(repeats: int) -> dict[str, Any]:
    """Cold with an empty folder, then warm from the same folder."""
    from benchmarks.machine import describe

    with tempfile.TemporaryDirectory() as folder:
        cold = prove_once(folder)
        warm = sorted(prove_once(folder) for _ in range(repeats))
    return {
        "log_size": LOG_SIZE,
        "seconds_without_caches": cold,
        "seconds_with_caches": warm[len(warm) // 2],
        "seconds_with_caches_spread": [warm[0], warm[-1]],
        "repeats": repeats,
        "floor_without_caches": 60,
        "floor_with_caches": 5,
        "machine": asdict(describe()),
    }


@click.command()
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Warm starts; the median counts.",
)
@json_option
def command(repeats: int, as_json: bool) -> None:
    """Start a process and make a proof of 2^10 hashes, with an empty kernel cache and with a full one.

    \b
    Examples:
      clearing bench first-proof
      clearing bench first-proof --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    result = measure(repeats)
    if as_json:
        print_json(result)
        return
    click.echo(f"without caches  {result['seconds_without_caches']:6.2f} s (floor 60)")
    click.echo(f"with caches     {result['seconds_with_caches']:6.2f} s (floor 5)")
