"""Every file has a name that says something, a size that can be read, and no word that only its maker understands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "data", "info"}
"""Names that say nothing about what is inside."""

LONGEST_UNEXPLAINED = 500
"""Lines; a longer file says in its docstring why it is long."""

FOREIGN_WORDS = {
    "a folder of some other machine": r"(?<![\w.])/(work|root|home/\w+)/",
    "a folder beside the checkout": r"\.\./" + "shared",
    "a package registry": r"\b(" + "|".join(("py" + "pi", "pythonhosted", "npm" + "js")) + r")\.(org|com)\b",
    "a shared temporary folder": r"(?<![\w.])/tmp" + "/",
}
"""What must not stand in a file of the project: it would be true on one machine only."""


def test_no_module_or_folder_has_a_name_that_says_nothing(python_files: dict[Path, str]) -> None:
    names = {
        path for path in python_files for part in (*path.parent.parts, path.stem) if part in BANNED_NAMES
    }
    assert names == set()


def test_no_file_name_carries_a_version_number(python_files: dict[Path, str]) -> None:
    assert [path for path in python_files if re.search(r"_v\d+$", path.stem)] == []


def test_a_file_above_the_limit_says_why_in_its_docstring(python_files: dict[Path, str]) -> None:
    unexplained = []
    for path, text in python_files.items():
        length = len(text.splitlines())
        docstring = ast.get_docstring(ast.parse(text)) or ""
        if length > LONGEST_UNEXPLAINED and not re.search(r"\b(long|length|lines)\b", docstring):
            unexplained.append(f"{path}: {length} lines")
    assert unexplained == []


def test_every_module_says_in_its_first_line_what_it_is(python_files: dict[Path, str]) -> None:
    silent = [
        path for path, text in python_files.items() if text.strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


def test_no_file_speaks_of_the_machine_it_was_written_on(checkout: Path, text_files: dict[Path, str]) -> None:
    found = [
        f"{path.relative_to(checkout)}:{number}: {what}: {line.strip()[:100]}"
        for path, text in text_files.items()
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FOREIGN_WORDS.items()
        if re.search(pattern, line)
    ]
    assert found == []


def test_asserts_outside_the_tests_only_narrow_a_type(python_files: dict[Path, str]) -> None:
    """`python -O` drops asserts, so a check that refuses something must not be one."""
    others = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, text in python_files.items()
        if path.parts[0] != "tests"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assert) and not narrows_a_type(node.test)
    ]
    assert others == []


def narrows_a_type(condition: ast.expr) -> bool:
    """Recognise `isinstance(...)` and `... is not None`, also negated and joined by `and`."""
    match condition:
        case ast.Call(func=ast.Name(id="isinstance")):
            return True
        case ast.Compare(ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
        case ast.Compare(ops=[ast.Is()], comparators=[ast.Constant(value=None)]):
            return True
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return narrows_a_type(operand)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(narrows_a_type(value) for value in values)
    return False
