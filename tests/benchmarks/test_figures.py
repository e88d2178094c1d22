"""The README's figures are those of the kept results."""

from __future__ import annotations

from benchmarks.figures import END, HOME, START, table


def test_the_readme_shows_the_kept_results() -> None:
    text = (HOME / "README.md").read_text()
    shown = text.split(START)[1].split(END)[0].strip()
    assert shown == table()
