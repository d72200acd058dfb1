"""A kernel that is restarted under the widgets: they say so where the user looks, and run again they live."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from lab import Lab, Watched, place, run_all, write_notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = """
import sys, tempfile; sys.path.insert(0, {tests!r})
import tiny, saewidgets as sw
engine = sw.Engine(tiny.hooked(), tiny.sae())
text = "In the beginning God created the heaven and the earth. "
index = sw.build_index(engine, [text * 6], tempfile.mkdtemp() + "/index", progress=False)
feature = int(index.order("density")[0])
---
sw.TokenFeatureHeatmap(engine, text)
---
sw.FeatureDashboard(engine, index, feature=feature)
---
sw.SteeringPanel(engine, index, prompt=text, recipe=sw.add(feature, 1.0, unit="max"), n_tokens=4)
"""
SHOTS = os.environ.get("SAEW_SHOTS")
SAID = "The kernel was restarted or shut down: run this cell again."
RESTART = """async () => {
    const { sessionContext } = window.jupyterapp.shell.currentWidget;
    await sessionContext.session.kernel.restart();
}"""
IDLE = """() => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
    return k?.connectionStatus === 'connected' && k?.status === 'idle'; }"""
NEXT_NUMBER = """async () => {
    const { sessionContext } = window.jupyterapp.shell.currentWidget;
    const { content } = await sessionContext.session.kernel.requestExecute({ code: "None" }).done;
    return content.execution_count;
}"""
# Each widget, and what somebody would do with it next.
USED = {
    "heatmap": ".saew-ranking tbody tr",
    "dashboard": "button:has-text('Random')",
    "steering": "button:has-text('Generate')",
}


def test_a_restart_is_said_where_the_user_looks(lab: Lab, notebooks: Path, watched: Watched) -> None:
    tests = str(Path(__file__).parents[1] / "unit")
    write_notebook(notebooks / "restart.ipynb", CELLS.format(tests=tests).split("---\n"))
    page = watched.page
    lab.open(page, "restart.ipynb")
    run_all(page)
    for name, control in USED.items():
        page.wait_for_selector(f".jp-Notebook .saew-{name} {control}")
    expect(page.get_by_text(SAID)).to_have_count(0)
    page.evaluate(RESTART)
    for name, control in USED.items():
        widget = page.locator(f".saew-{name}")
        alert = widget.locator("[role=alert]")
        expect(alert).to_contain_text(SAID)
        used = widget.locator(control).first
        used.scroll_into_view_if_needed()
        used.click()
        expect(alert).to_contain_class("saew-gone")
        expect(alert).to_be_in_viewport()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/restart-{name}.png")
        told_at, used_at = place(alert), place(used)
        assert abs(told_at["y"] - (used_at["y"] + used_at["height"])) < 80, (name, told_at, used_at)
        expect(widget).not_to_contain_text("Cannot send")
    page.wait_for_function(IDLE)
    run_all(page)
    for name, control in USED.items():
        page.wait_for_selector(f".jp-Notebook .saew-{name} {control}")
        expect(page.locator(f".saew-{name} [role=alert]")).to_have_count(0)
    page.locator(".saew-steering button:has-text('Generate')").click()
    page.wait_for_selector(".saew-steering .saew-history li")
    # Keys that are typed are the widget's: none of them runs or leaves the cell.
    box = page.get_by_label("Text to continue")
    box.fill("one")
    for key in ("Shift+Enter", "Escape", "Control+Home", "End"):
        box.press(key)
    # JupyterLab takes the line break of Shift+Enter back, if it comes within 10 ms of the key: that is its own affair.
    expect(box).to_have_value(re.compile(r"^one\n?$"))
    expect(box).to_be_focused()
    # A cell that one of the keys ran would have taken the number.
    assert page.evaluate(NEXT_NUMBER) == len(CELLS.split("---\n")) + 1
