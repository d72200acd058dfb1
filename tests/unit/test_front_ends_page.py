"""The page that says where the widgets work names every widget, and only tests that there are."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "front-ends.md").read_text("utf-8")
UNTESTED = "–"


def functions_in(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}


def test_every_widget_has_a_row_and_every_cell_a_test_or_a_dash() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    head, _, *body = rows
    assert [row[0] for row in body] == list(json.loads((ROOT / "js" / "widgets.json").read_text("utf-8")))
    letters = {
        letter: test
        for names, test in re.findall(r"^- ([a-z](?:, [a-z])*): `([\w.]+::\w+)`$", PAGE, re.MULTILINE)
        for letter in names.split(", ")
    }
    for row in body:
        assert len(row) == len(head)
        for cell in row[1:]:
            assert cell == UNTESTED or set(cell.split()) <= set(letters), row
    assert set(letters) == {letter for row in body for cell in row[1:] for letter in cell.split()} - {UNTESTED}


def test_every_test_that_it_names_is_there() -> None:
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) >= 15
    for file, test in named:
        assert test in functions_in(ROOT / "tests" / "browser" / file), test
