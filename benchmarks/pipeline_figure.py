"""The figure of the pipeline: a box for everything that is made, an arrow for what makes it, with seconds and bytes.

It is drawn from the kept result alone, so the same result gives the same file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

WIDTH: Final = 860
LEFT, BOX, HEIGHT, GAP = 40, 230, 40, 62
"""The row of boxes: where it begins, how wide and high each is, and the room for an arrow."""

FONT: Final = 'font-family="system-ui, sans-serif" font-size="14"'
HEAD: Final = 'id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'

INK, SOFT, LINE, FILL = "#16191d", "#5c6672", "#0b7a4b", "#ffffff"


def draw(folder: Path) -> list[Path]:
    """Draw `pipeline.svg` from what is kept; nothing where nothing is."""
    source = folder / "pipeline.json"
    if not source.exists():
        return []
    path = folder / "pipeline.svg"
    path.write_text(figure_of(json.loads(source.read_text())), encoding="utf-8")
    return [path]


def figure_of(result: dict[str, Any]) -> str:
    """The figure as SVG."""
    chain = [arrow for arrow in result["arrows"] if arrow["target"] != "data on Ethereum"]
    beside = [arrow for arrow in result["arrows"] if arrow["target"] == "data on Ethereum"]
    rows = len(chain) + 1
    height = rows * HEIGHT + (rows - 1) * GAP + 120
    made = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        '<rect width="100%" height="100%" fill="#f6f7f9"/>',
        f"<defs><marker {HEAD}>",
        f'<path d="M0 0 8 4 0 8z" fill="{LINE}"/></marker></defs>',
        _text(LEFT, 30, _title(result), INK, weight=650),
        _text(LEFT, 50, _origin(result), SOFT, size=12),
    ]
    top = 76
    made.append(_box(LEFT, top, _batch(result)))
    for arrow in beside:
        made += _across(top, arrow)
    for arrow in chain:
        made += _down(top, arrow)
        top += HEIGHT + GAP
        made.append(_box(LEFT, top, arrow["target"]))
    return "\n".join([*made, "</svg>", ""])


def lines_of(result: dict[str, Any]) -> list[str]:
    """The same for a terminal."""
    arrows = [
        f"  {arrow['source']:>14} -> {arrow['target']:<18} {_took(arrow)}" for arrow in result["arrows"]
    ]
    return [_title(result), f"  {_origin(result)}", *arrows]


def _title(result: dict[str, Any]) -> str:
    return (
        f"From batches to money: {result['batches']} batches with {result['trades']} trades,"
        f" {result['queue_items']} queue items and {result['claims']} claims"
    )


def _origin(result: dict[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"measured by clearing bench pipeline on {machine['cores']} cores of {machine['processor']};"
        f" the whole demonstration took {result['seconds']:.0f} s"
    )


def _batch(result: dict[str, Any]) -> str:
    return f"{result['batches']} batches"


def _took(arrow: dict[str, Any]) -> str:
    """What one of an arrow takes, and how many there are."""
    count = arrow["count"]
    parts = [f"{arrow['seconds'] / count:.2f} s", f"{arrow['bytes'] / count:,.0f} bytes"]
    if arrow["gas"] is not None:
        parts.append(f"{arrow['gas'] / count:,.0f} gas")
    if arrow["bits"] is not None:
        parts.append(f"{arrow['bits']:.1f} bits")
    return ", ".join(parts) + (f"; each of {count}" if count > 1 else "")


def _down(top: int, arrow: dict[str, Any]) -> list[str]:
    x, start = LEFT + BOX // 2, top + HEIGHT
    return [_line(x, start + 3, x, start + GAP - 4), _text(x + 16, start + GAP // 2 + 5, _took(arrow), SOFT)]


def _across(top: int, arrow: dict[str, Any]) -> list[str]:
    """An arrow to the side: the batch's data goes to Ethereum, whatever becomes of its proof."""
    start, end, middle = LEFT + BOX, WIDTH - LEFT - BOX, top + HEIGHT // 2
    total = dict(arrow, count=1)
    took = _took(total) + f" in {arrow['count']} transactions"
    return [
        _line(start + 3, middle, end - 4, middle),
        _box(end, top, arrow["target"]),
        _text(WIDTH - LEFT, top + HEIGHT + 18, took, SOFT, size=12, anchor="end"),
    ]


def _line(x: int, y: int, to_x: int, to_y: int) -> str:
    return (
        f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{LINE}" stroke-width="1.6"'
        ' marker-end="url(#head)"/>'
    )


def _box(x: int, y: int, name: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="8" fill="{FILL}" stroke="{SOFT}"/>'
        + _text(x + BOX // 2, y + HEIGHT // 2 + 5, name, INK, anchor="middle")
    )


def _text(
    x: int, y: int, text: str, colour: str, *, size: int = 14, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" font-size="{size}" font-weight="{weight}"'
        f' text-anchor="{anchor}">{escape(text)}</text>'
    )
