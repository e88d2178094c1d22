"""Every room introduces itself and says what was decided in it; the links of the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOMS = ("prover", "rollup", "circuits", "verifier_contracts")

LINK = re.compile(r"(?<!!)!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_with_code_has_a_readme_that_ends_with_its_decisions(room: str, checkout: Path) -> None:
    sources = [path for path in (checkout / room).rglob("*.py") if path != checkout / room / "__init__.py"]
    if not sources:
        return
    readme = checkout / room / "README.md"
    assert readme.is_file(), f"{room}/ has {len(sources)} modules and no README.md"
    sections = [title for level, title in headings(readme.read_text(encoding="utf-8")) if level == 2]
    assert sections, f"{room}/README.md has no sections"
    assert sections[-1] == "Decisions"


def test_every_folder_of_python_files_in_a_room_is_a_package(checkout: Path) -> None:
    folders = {path.parent for room in (*ROOMS, "benchmarks") for path in (checkout / room).rglob("*.py")}
    assert [
        folder.relative_to(checkout) for folder in folders if not (folder / "__init__.py").is_file()
    ] == []


def test_no_folder_of_tests_is_a_package(checkout: Path) -> None:
    assert list((checkout / "tests").rglob("__init__.py")) == []


def test_no_two_test_files_have_the_same_name(checkout: Path) -> None:
    names = [path.name for path in (checkout / "tests").rglob("test_*.py")]
    assert {name for name in names if names.count(name) > 1} == set()


def test_links_inside_the_documentation_lead_somewhere(checkout: Path, text_files: dict[Path, str]) -> None:
    lost = []
    for page, text in text_files.items():
        if page.suffix != ".md":
            continue
        for target in LINK.findall(without_code(text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists():
                lost.append(f"{page.relative_to(checkout)}: {target}: no such file")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
                lost.append(f"{page.relative_to(checkout)}: {target}: no such heading")
    assert lost == []


def without_code(text: str) -> str:
    """Blank what stands in code fences and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def headings(text: str) -> list[tuple[int, str]]:
    """List the headings with their levels."""
    found = re.findall(
        r"^(#+) +(.*?) *$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return [(len(level), title) for level, title in found]


def anchors(text: str) -> set[str]:
    """Name the headings as a browser of the repository would link them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(text)}
