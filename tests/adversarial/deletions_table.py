"""Writes what deletion testing found into this folder's README, table by table, from the results' file.

python -m tests.adversarial.deletions_table
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.adversarial.deletions_report import RESULTS

README: Final = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- generated: deletions -->", "<!-- end -->"

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "cells come free": ("free cells, alone", "free cells, with other messages"),
    "honest batch fails": ("an honest batch does not balance",),
    "forged by name": ("a forged trace", "a registered forgery", "a test by its name"),
    "said twice": ("says the same as another",),
    "implied": ("implied by others",),
    "a reason": ("redundant, with a reason",),
    "nothing found": ("nothing found",),
}
"""The columns of the table, and the verdicts that each one counts."""


def block(results: dict[str, Any]) -> str:
    """The table, what is unexplained, what is redundant, and what was not searched."""
    lines = [f"| kind of rows | deletions | {' | '.join(COLUMNS)} |", f"|---|{'---|' * (len(COLUMNS) + 1)}"]
    for name, told in results["tables"].items():
        lines.append(_line(f"`{name}`", sum(told["by_kind"].values()), told["noticed_by"]))
    lines.append(_line("all", results["deletions"], results["noticed_by"]))
    unexplained = [
        f"- `{name}`: {deletion}"
        for name, told in results["tables"].items()
        for deletion in told["nothing_found"]
    ]
    lines += ["", "Nothing found:", "", *unexplained] if unexplained else ["", "Nothing found: nowhere."]
    lines += ["", "Redundant as long as all other rules stand:", ""]
    lines += [
        f"- `{name}`: {deletion}: {reason}"
        for name, told in results["tables"].items()
        for deletion, reason in told["reasons"].items()
    ]
    missing = ", ".join(f"`{name}`" for name in results["tables_not_searched"])
    lines += ["", f"Not searched: {missing or 'none'}."]
    return "\n".join([BEGIN, *lines, END])


def _line(name: str, deletions: int, noticed_by: dict[str, int]) -> str:
    counts = [sum(noticed_by.get(one, 0) for one in verdicts) for verdicts in COLUMNS.values()]
    return f"| {name} | {deletions} | {' | '.join(map(str, counts))} |"


def written(readme: str, results: dict[str, Any]) -> str:
    """The README with its block renewed."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + block(results) + tail


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(written(text, json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
