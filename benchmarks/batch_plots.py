"""Plots of the kept results of batches: time by size, and the shares of stages and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TABLES_SHOWN = 6


def draw(folder: Path) -> list[Path]:
    """Draw `batch.svg` from what is kept of batches; nothing where nothing is."""
    import matplotlib as mpl

    runs: list[tuple[str, dict[str, Any]]] = [
        (f"{trees.capitalize()} trees", json.loads(path.read_text()))
        for trees in ("keccak", "poseidon")
        if (path := folder / f"batch-{trees}.json").exists()
    ]
    if not runs:
        return []
    mpl.use("svg")
    # A fixed salt makes the file the same for the same figures.
    mpl.rcParams["svg.hashsalt"] = "clearing"
    from matplotlib import pyplot as plt

    figure, (by_size, by_stage, by_table) = plt.subplots(1, 3, figsize=(15, 4.4))
    for label, run in runs:
        trades = [size["trades"] for size in run["sizes"]]
        by_size.plot(trades, [size["prove_seconds"] for size in run["sizes"]], marker="o", label=label)
    by_size.set(xscale="log", yscale="log", xlabel="trades of a batch", ylabel="seconds, witness included")
    by_size.set_title("time by size of the batch")
    by_size.grid(visible=True, which="both", alpha=0.3)
    by_size.legend(fontsize=7)
    labels = [label for label, _ in runs]
    stages = [run["seconds_by_stage"] for _, run in runs]
    _bars(by_stage, labels, stages, "share of the time", "share of each stage")
    _bars(
        by_table,
        labels,
        [_largest(run["cells_by_table"]) for _, run in runs],
        "share of the committed cells",
        "share of each table",
    )
    figure.tight_layout()
    path = folder / "batch.svg"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return [path]


def _largest(cells: dict[str, dict[str, int]]) -> dict[str, float]:
    """The largest tables by name, and the others together."""
    sums = sorted(((float(sum(phases.values())), name) for name, phases in cells.items()), reverse=True)
    shown = {name: count for count, name in sums[:TABLES_SHOWN]}
    return shown | {"all others": sum(count for count, _ in sums[TABLES_SHOWN:])}


def _bars(axes: Any, labels: list[str], parts: list[dict[str, float]], unit: str, title: str) -> None:
    """A bar a run, cut into shares."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    left = [0.0] * len(parts)
    for name in names:
        widths = [part.get(name, 0.0) / sum(part.values()) for part in parts]
        axes.barh(labels, widths, left=left, label=name)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set(xlim=(0, 1), xlabel=unit, title=title)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncol=3)
