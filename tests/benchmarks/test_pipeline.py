"""The pipeline's figure says what was measured, and the kept figure is the kept result's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.figures import RESULTS
from benchmarks.pipeline_figure import draw, figure_of, lines_of

ARROWS: list[dict[str, Any]] = [
    dict(zip(("source", "target", "count", "seconds", "bytes", "gas", "bits"), row, strict=True))
    for row in (
        ("batch", "data on Ethereum", 6, 3.0, 600, 60, None),
        ("batch", "base proof", 2, 5.0, 2_000, None, 104.06),
        ("base proof", "root accepted", 1, 4.0, 5, 7, None),
    )
]
RESULT: dict[str, Any] = {
    "seconds": 61.4,
    "batches": 2,
    "trades": 3,
    "queue_items": 4,
    "claims": 5,
    "arrows": ARROWS,
    "machine": {"cores": 2, "processor": "a <fast> one"},
}


def test_each_arrow_says_what_one_of_it_takes(tmp_path: Path) -> None:
    assert draw(tmp_path) == []
    (tmp_path / "pipeline.json").write_text(json.dumps(RESULT))
    (path,) = draw(tmp_path)
    drawn = path.read_text()
    assert drawn == figure_of(RESULT)
    texts = [one.text for one in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own
    assert "2.50 s, 1,000 bytes, 104.1 bits; each of 2" in texts
    assert "4.00 s, 5 bytes, 7 gas" in texts
    assert "3.00 s, 600 bytes, 60 gas in 6 transactions" in texts
    assert {"2 batches", "base proof", "data on Ethereum", "root accepted"} <= set(texts)
    assert any("2.50 s" in line for line in lines_of(RESULT))


@pytest.mark.skipif(not (RESULTS / "pipeline.json").exists(), reason="nothing was kept")
def test_the_kept_figure_is_of_the_kept_result() -> None:
    kept = json.loads((RESULTS / "pipeline.json").read_text())
    assert (RESULTS / "pipeline.svg").read_text() == figure_of(kept)
