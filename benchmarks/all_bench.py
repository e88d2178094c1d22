"""`bench all`: measure everything anew and write the results and the plots."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rollup.commands.terminal import BadInput, json_option, print_json, progress_on_stderr

RESULTS = Path(__file__).resolve().parent / "results"


def write(name: str, result: dict[str, Any], folder: Path) -> Path:
    """Keep one result as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where the results go.",
)
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Run every benchmark of the prover, keep the results as JSON and draw the plots.

    Without --folder the results replace those of the checkout, and the README's figures are written anew from them.

    \b
    Examples:
      clearing bench all
      clearing bench all --folder my-results
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks import first_proof_bench, kernels_bench, prover_bench, scaling_bench
    from benchmarks.figures import HOME, write_into
    from benchmarks.plots import draw
    from prover.field.threads import default_threads

    # Before the work, which takes minutes: a folder that cannot be made is told at once.
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make {str(folder)!r}: {error.strerror}") from error
    threads = default_threads()
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "first-proof": lambda: first_proof_bench.measure(5),
        "kernels": kernels_bench.measure,
        "prover-keccak": lambda: prover_bench.measure("poseidon-batch", 17, "keccak-100-rate-2", threads, 5),
        "prover-keccak-rate-4": lambda: prover_bench.measure(
            "poseidon-batch", 17, "keccak-100-rate-4", threads, 5
        ),
        "prover-poseidon": lambda: prover_bench.measure(
            "poseidon-batch", 17, "poseidon-100-rate-2", threads, 5
        ),
        "scaling": lambda: scaling_bench.measure([14, 16, 18, 20], "keccak-100-rate-2", threads, 3),
    }
    written = []
    with progress_on_stderr() as show:
        for name, run in work.items():
            show(name, 0.0)
            written.append(str(write(name, run(), folder)))
            show(name, 1.0)
    written += [str(path) for path in draw(folder)]
    if folder == RESULTS:
        write_into(HOME / "README.md")
    if as_json:
        print_json({"written": written})
        return
    for path in written:
        click.echo(path)
