"""Plots of the kept results: time by size, and the share of each stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def draw(folder: Path) -> list[Path]:
    """Draw `proving.svg` from the kept scaling and prover results."""
    import matplotlib as mpl

    mpl.use("svg")
    # A fixed salt makes the file the same for the same figures.
    mpl.rcParams["svg.hashsalt"] = "clearing"
    from matplotlib import pyplot as plt

    scaling = _read(folder / "scaling.json")
    runs = [
        ("Keccak trees", _read(folder / "prover-keccak.json")),
        ("Poseidon trees", _read(folder / "prover-poseidon.json")),
    ]
    figure, (by_size, by_stage) = plt.subplots(1, 2, figsize=(11, 4.2))
    sizes = scaling["sizes"]
    by_size.plot(
        [1 << size["log_size"] for size in sizes], [size["seconds_total"] for size in sizes], marker="o"
    )
    by_size.set(xscale="log", yscale="log", xlabel="Poseidon permutations", ylabel="seconds, end to end")
    by_size.set_title("time by size")
    by_size.grid(visible=True, which="both", alpha=0.3)
    names = [name for name in runs[0][1]["seconds"] if name != "total"]
    left = [0.0] * len(runs)
    for name in names:
        widths = [run["seconds"].get(name, 0.0) / run["seconds_total"] for _, run in runs]
        by_stage.barh([label for label, _ in runs], widths, left=left, label=name)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    log_size = runs[0][1]["log_size"]
    by_stage.set(
        xlim=(0, 1), xlabel=f"share of the time, 2^{log_size} permutations", title="share of each stage"
    )
    by_stage.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=3)
    figure.tight_layout()
    path = folder / "proving.svg"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return [path]


def _read(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    return result
