"""The disk alone: what is measured is there, in order, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

from benchmarks.clearing_disk import disk_figures


def test_the_disk_alone_is_measured_in_a_folder_that_is_left_empty(tmp_path: Path) -> None:
    found = disk_figures(0.05, tmp_path)
    assert 0 < found["commit_p50_ms"] <= found["commit_p99_ms"] <= found["commit_max_ms"]
    assert list(tmp_path.iterdir()) == []
