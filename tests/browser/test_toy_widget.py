"""A widget of one Python class and one component: built as any other, live in JupyterLab, and as a page."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, run_all, run_code, write_notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy"
CELLS = """
import json, sys, pathlib
sys.path[:0] = [{tests!r}, {toy!r}]
from saewidgets.widgets import assets
assets._STATIC = pathlib.Path({built!r})  # before the class is made
import tiny, saewidgets as sw
from toy import Toy
toy = Toy(sw.Engine(tiny.hooked(), tiny.sae()))
toy
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundles of the toy, by the project's own build."""
    out = tmp_path_factory.mktemp("static")
    command = ["node", str(ROOT / "js" / "build.mjs"), "toy", str(TOY), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_live_and_as_a_page(lab: Lab, notebooks: Path, watched: Watched, built: Path, tmp_path: Path) -> None:
    page = watched.page
    cells = CELLS.format(tests=str(ROOT / "tests" / "unit"), toy=str(TOY), built=str(built))
    write_notebook(notebooks / "toy.ipynb", [cells])
    lab.open(page, "toy.ipynb")
    run_all(page)
    cells_of = page.locator(".jp-Notebook .saew-toy td")
    expect(cells_of).to_have_text(["2", "4", "8"])
    page.get_by_role("button", name="base 2").click()
    expect(cells_of).to_have_text(["3", "9", "27"])
    becomes(page, "toy.base", 3)
    run_code(page, "toy.base = 10")
    expect(cells_of).to_have_text(["10", "100", "1000"])
    assert not watched.errors and not watched.outside
    path = tmp_path / "toy.html"
    run_code(page, f"toy.save({str(path)!r})")
    page.goto(f"file://{path}")
    on_page = page.locator(".saew-toy td")
    expect(on_page).to_have_text(["10", "100", "1000"])
    page.get_by_role("button", name="base 10").click()  # was not recorded, and says so
    expect(page.locator(".saew-toy")).to_contain_text("Not recorded in this page")
    assert not watched.outside
