"""Every widget in a notebook that is run in Notebook 7, the other front-end of the same server."""

from __future__ import annotations

from pathlib import Path

import pytest
from every_widget import CELL, ROOTS, SIGNS, WIDGETS
from lab import Lab, arrived, run_all, watching, write_notebook
from looks import fits, shot
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser

NAME = "seventh.ipynb"


def test_every_widget_is_shown_and_a_click_reaches_python(lab: Lab, notebooks: Path, browser: Browser) -> None:
    asked = "print(f'selected {heatmap.selected_tokens}.')"
    write_notebook(notebooks / NAME, [CELL, *WIDGETS, asked])
    with watching(browser) as watched:
        page = watched.page
        lab.open(page, NAME, "notebooks")
        cells = page.locator(".jp-Notebook .jp-CodeCell")
        run_all(page)
        for i, name in enumerate(WIDGETS, 1):
            cell = cells.nth(i)
            cell.scroll_into_view_if_needed()
            view = cell.locator(ROOTS[name])
            expect(view.locator(SIGNS[name]).first).to_be_visible()
            expect(view.locator(":scope.saew, .saew").first).to_have_attribute("data-theme", "light")
            expect(view.locator("[role=alert]")).to_have_count(0)
            fits(page, ROOTS[name])
            shot(page, ROOTS[name], f"notebook7-{name}")
        heatmap = cells.nth(1 + WIDGETS.index("heatmap"))
        heatmap.scroll_into_view_if_needed()
        heatmap.locator(".saew-t").nth(2).click()
        last = cells.last
        last.scroll_into_view_if_needed()
        expect(last).to_contain_text("selected [].")
        arrived(page)
        last.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        expect(last).to_contain_text("selected [2].")
        assert watched.outside == []
