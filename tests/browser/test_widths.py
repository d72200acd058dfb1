"""Widgets of any width: nothing is cut off, whatever a notebook, a sidebar or a row leaves for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from playwright.sync_api import Browser, Page

import saewidgets as sw

pytestmark = pytest.mark.browser

TEXT = "In the beginning God created the heaven and the earth. "
WIDTHS = range(600, 1301, 20)

# What is wider than a frame that hides what sticks out of it; a frame that scrolls hides nothing.
CUT_OFF = """() => {
    const wrong = [];
    for (const el of document.querySelectorAll('.saew svg, .saew table, .saew canvas, .saew figure')) {
        if (!el.getClientRects().length) continue;
        for (let frame = el.parentElement; frame; frame = frame.parentElement) {
            const overflow = getComputedStyle(frame).overflowX;
            if (overflow === 'auto' || overflow === 'scroll') break;
            const over = el.getBoundingClientRect().right - frame.getBoundingClientRect().right;
            if ((overflow === 'hidden' || frame.classList.contains('saew')) && over > 1)
                wrong.push(`${el.tagName} in ${frame.tagName}.${frame.className}: ${Math.round(over)} px`);
            if (frame.classList.contains('saew')) break;
        }
    }
    return wrong;
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        index = sw.build_index(engine, [TEXT * 6], folder / "index", progress=False)
        best = int(index.features["count"].idxmax())
        panel = sw.SteeringPanel(
            engine, index, prompt=TEXT, recipe=sw.add(best, 1.0, unit="max"), n_tokens=4, answer=" the"
        )
        panel.save(folder / "steering.html", views=("text", "effect", "sweep", "answer"))
        sw.TokenFeatureHeatmap(engine, TEXT * 6, limit=40).save(folder / "heatmap.html")
        sw.FeatureDashboard(engine, index, feature=best).to_html(folder / "dashboard.html", features=[best])
    return {path.stem: path for path in folder.glob("*.html")}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


def fits_at_every_width(page: Page) -> None:
    for width in WIDTHS:
        page.evaluate("width => { document.getElementById('saew-root').style.width = `${width}px`; }", width)
        # The view measures its box in a frame of its own.
        page.wait_for_function(f"() => !({CUT_OFF})().length", timeout=10_000)


@pytest.mark.parametrize("name", ["heatmap", "dashboard"])
def test_nothing_is_cut_off(name: str, pages: dict[str, Path], page: Page) -> None:
    page.goto(pages[name].as_uri())
    page.wait_for_selector(".saew svg, .saew table, .saew canvas")
    fits_at_every_width(page)


def test_no_chart_or_table_of_the_panel_is_cut_off(pages: dict[str, Path], page: Page) -> None:
    page.goto(pages["steering"].as_uri())
    for tab, shown in (("Dose-response", ".saew-figure svg"), ("Effect on this text", "table"), ("Answer", "table")):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(f".saew {shown}")
        fits_at_every_width(page)
