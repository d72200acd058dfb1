"""FeatureSubspace in a real JupyterLab: the demo model and its SAE on sentences about days of the week."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Watched, becomes, new_context, place, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-subspace"
# Features of the demo's SAE that fire on some of the days, none of them on all alike.
FEATURES = [2717, 5666, 6015, 5363, 6044, 1153, 2590]
# Run anew, the notebook's first cell would load the model again.
SETUP = """
import saewidgets as sw
if "engine" not in globals():
    engine = sw.load_demo(device="cpu")
    names = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
    texts = [f"{first} {day}{rest}" for day in names for first in ("We meet on", "It happened last", "On")
             for rest in (" at noon.", ", as always.")]
"""
SHOW = f"""
days = sw.FeatureSubspace(engine, {FEATURES}, texts=texts)
days
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "subspace.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "subspace.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    opened.page.wait_for_selector(f"{WIDGET} .saew-plot-box")
    opened.page.locator(f"{WIDGET} .saew-plot-box").scroll_into_view_if_needed()
    return opened


def axis(page: Page, letter: str) -> tuple[float, float]:
    """Pixels of 0 and of a unit on an axis, by what its ticks say: of x in the window, of y likewise."""
    box = place(page.locator(f"{WIDGET} .saew-plot-box svg"))
    found = page.locator(f"{WIDGET} .saew-plot-box g:has(> .saew-tick)").evaluate_all(
        "els => els.map(e => [e.getAttribute('transform'), e.textContent, e.querySelector('line').hasAttribute('y2')])"
    )
    ticks = []
    for transform, text, is_x in found:
        x, y = map(float, re.findall(r"-?[\d.]+", transform))
        if is_x == (letter == "x"):
            ticks.append((float(text.replace("\u2212", "-")), x + box["x"] if letter == "x" else y + box["y"]))
    values, pixels = np.array(ticks).T
    unit, zero = np.polyfit(values, pixels, 1)
    return float(zero), float(unit)


def pixel(page: Page, point: list[float]) -> tuple[float, float]:
    (x, dx), (y, dy) = axis(page, "x"), axis(page, "y")
    assert dx == pytest.approx(-dy, rel=0.02)  # a circle is one on screen
    return x + dx * point[0], y + dy * point[1]


def alone(page: Page) -> tuple[int, list[float]]:
    """The point on screen that is farthest from all others, and its coordinates."""
    points = np.array(python(page, "days.result.points[:, list(days.pair)].tolist()"))
    far = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(far, np.inf)
    best = int(far.min(1).argmax())
    return best, points[best].tolist()


def says(page: Page, point: int) -> None:
    """Wait until what stands beside the pointer is what Python has of a point."""
    tip = page.locator(f"{WIDGET} .saew-point-tip")
    strings, at = python(page, f"(lambda w: [list(w[0]), w[1]])(days.result.places.window({point}))")
    expect(tip.locator("mark")).to_have_text(strings[at])
    expect(tip.locator(".saew-point-text")).to_have_text("".join(strings))
    expect(tip).to_contain_text(f"token {python(page, f'int(days.result.places.in_document[{point}])')}")


def test_points_pairs_texts_and_a_click(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    a, b = python(page, "list(days.pair)")
    names = widget.locator(".saew-axis-name")
    explained = python(page, "days.result.explained.tolist()")
    expect(names).to_have_text([re.compile(rf"^PC{component + 1} \(.*%") for component in (a, b)])
    for i, component in enumerate((a, b)):
        wanted = pytest.approx(100 * explained[component], abs=0.51)
        sees(lambda i=i: float(re.findall(r"\((.*)%", names.nth(i).text_content() or "")[0]), wanted)

    point, place = alone(page)
    page.mouse.move(*pixel(page, place))
    says(page, point)

    # The same after another pair was chosen: the right point is found.
    other = (0, 1) if {a, b} != {0, 1} else (0, 2)
    widget.locator(f'[aria-label^="PC{other[0] + 1} and PC{other[1] + 1}:"]').click()
    becomes(page, "days.components", list(other))
    expect(widget.locator(".saew-axis-name").last).to_contain_text(f"PC{other[1] + 1}")
    point, place = alone(page)
    page.mouse.move(*pixel(page, place))
    says(page, point)

    # Clicked, it is Python's, and stands below with its token marked.
    page.mouse.down()
    page.mouse.up()
    becomes(page, "days.selected_points", [point])
    token = python(page, "days.selected_tokens[0]")
    expect(widget.locator(".saew-here")).to_have_text(token)
    assert token == python(page, "days.to_pandas()['token'].iloc[0]")
    expect(widget.locator(f'.saew-kept[data-point="{point}"]')).to_be_visible()

    # From Python, several; a group that is looked at alone.
    run_code(page, "days.selected = [0, 1, 2]")
    expect(widget.locator(".saew-here")).to_have_count(3)
    widget.locator(".saew-group").first.click()
    expect(widget.locator(".saew-group").first).to_have_attribute("aria-pressed", "true")
    run_code(page, "days.colour = 'position'")
    expect(widget.locator(".saew-legend")).to_contain_text("position in the text")
    assert notebook.errors == [] and notebook.outside == []


def test_other_features_and_errors(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    rows = widget.locator(".saew-spanning tbody tr")
    expect(rows).to_have_count(len(FEATURES))
    run_code(page, f"days.selected = [3]; days.features = {FEATURES[1:4]}")
    expect(rows).to_have_count(3)
    n, counts = python(page, "[len(days.result), (days.result.activations != 0).sum(0).tolist()]")
    expect(widget).to_contain_text(f"{n} tokens, each where any")
    sees(lambda: [int(c) for c in rows.locator("td:nth-child(2)").all_inner_texts()], counts)
    becomes(page, "[days.selected, days.components]", [[], []])

    run_code(page, "days.features = [5]")
    expect(widget.locator(".saew-banner-error")).to_contain_text("at least two different")
    expect(widget.locator(".saew-plot-box")).to_have_count(0)
    becomes(page, "days.error['type']", "GeometryError")
    box = widget.get_by_label("Features", exact=True)
    box.fill("2717, 6015")
    box.press("Enter")
    becomes(page, "days.features", [2717, 6015])
    expect(rows).to_have_count(2)
    expect(widget.locator(".saew-banner-error")).to_have_count(0)
    becomes(page, "days.error", None)
    assert notebook.errors == [] and notebook.outside == []


def test_by_keyboard(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    points = np.array(python(page, "days.result.points[:, list(days.pair)].tolist()"))
    widget.locator(".saew-plot-box").focus()
    page.keyboard.press("ArrowRight")
    expect(widget.locator(".saew-hit")).to_be_visible()
    at = int(widget.locator(".saew-hit").get_attribute("data-point") or -1)
    page.keyboard.press("ArrowRight")
    expect(widget.locator(f'.saew-hit:not([data-point="{at}"])')).to_be_visible()
    to = int(widget.locator(".saew-hit").get_attribute("data-point") or -1)
    assert points[to, 0] > points[at, 0]
    says(page, to)
    page.keyboard.press("Enter")
    becomes(page, "days.selected", [to])
    page.keyboard.press("Escape")
    expect(widget.locator(".saew-hit")).to_have_count(0)
    page.keyboard.press("Escape")
    becomes(page, "days.selected", [])
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells)
    assert notebook.errors == []


def test_a_page_without_a_kernel(notebook: Watched, notebooks: Path, browser: Browser) -> None:
    """All pairs, all colours, and the texts of all points of a few."""
    path = notebooks / "subspace.html"
    run_code(notebook.page, f"days.selected = [4]; _ = days.save({str(path)!r})")
    becomes(notebook.page, f"__import__('pathlib').Path({str(path)!r}).exists()", True)
    token, n = python(notebook.page, "[days.result.token[4], len(days.result)]")
    assert n < 300
    context = new_context(browser, offline=True, viewport={"width": 1200, "height": 1400})
    try:
        page = context.new_page()
        page.goto(path.as_uri())
        expect(page.locator(".saew-here")).to_have_text(token)
        page.locator(".saew-pair").last.click()
        expect(page.locator(".saew-axis-name").last).to_contain_text("PC5")
        page.locator(".saew-plot-box").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".saew-point-tip mark")).to_be_visible()
        page.get_by_label("Colour of the points").select_option("position")
        expect(page.locator(".saew-legend")).to_contain_text("position in the text")
        expect(page.locator(".saew-banner")).to_have_count(0)
        # Without scripts a picture and a table stand in its place.
        for drawn, least in (("svg path", 3), ("td", 10)):
            sees(lambda drawn=drawn, least=least: page.locator(f"#saew-static {drawn}").count() > least, True)
    finally:
        context.close()
