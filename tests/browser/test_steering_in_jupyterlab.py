"""The steering panel in a real JupyterLab: generate, stream, stop, restore, the other views, and Python in the next cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Watched
from lab import STARTED, Lab, run_all, run_code
from playwright.sync_api import Page, expect
from test_dashboard_in_jupyterlab import write_notebook

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-steering"
SETUP = f"""
import json, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
import tiny, torch
import saewidgets as sw
engine = sw.Engine(tiny.hooked(), {{"mine": tiny.sae()}}, labels={{3: "Genesis"}})
index = sw.build_index(engine, ["In the beginning God created the heaven and the earth. " * 9], tempfile.mkdtemp() + "/index", progress=False)
strong = int(index.order("max")[0])
"""
SHOW = """
panel = sw.SteeringPanel(engine, index, prompt="In the beginning God", recipe=sw.add(strong, 3, unit="max"), n_tokens=8, temperature=1.0)
panel
"""


@pytest.fixture
def notebook(lab: Lab, notebooks: Path, watched: Watched) -> Watched:
    write_notebook(notebooks / "steering.ipynb", [SETUP, SHOW])
    page = watched.page
    lab.open(page, "steering.ipynb")
    run_all(page)
    page.wait_for_selector(WIDGET, timeout=90_000)
    page.wait_for_function(STARTED, timeout=60_000)
    return watched


def python(page: Page, expression: str) -> Any:
    """The value of an expression in the kernel."""
    return json.loads(run_code(page, f"print(json.dumps({expression}, default=float))"))


def becomes(page: Page, expression: str, wanted: Any) -> None:
    for _ in range(60):
        got = python(page, expression)
        if got == wanted:
            return
        page.wait_for_timeout(100)
    assert got == wanted, expression
