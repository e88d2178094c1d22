"""The plots are drawn from kept results, and the same results give the same file."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.all_bench import write
from benchmarks.plots import draw


def test_plots_are_drawn_from_the_kept_results(tmp_path: Path) -> None:
    sizes = [{"log_size": n, "seconds_total": 0.1 * 2**n} for n in (4, 6)]
    run = {"log_size": 6, "seconds_total": 2.0, "seconds": {"commit": 1.5, "fold": 0.5, "total": 2.0}}
    write("scaling", {"sizes": sizes}, tmp_path)
    for name in ("prover-keccak", "prover-poseidon"):
        path = write(name, run, tmp_path)
        assert json.loads(path.read_text()) == run
    (drawn,) = draw(tmp_path)
    first = drawn.read_text()
    assert "time by size" in first
    assert "share of each stage" in first
    draw(tmp_path)
    assert drawn.read_text() == first
