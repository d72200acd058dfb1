"""FeatureComparison in a real JupyterLab, on the demo: two features by hand and from Python, and a part that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, place, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-beside"
# Run anew, the notebook's first cell would load the model again.
SETUP = """
import json
import saewidgets as sw
import saewidgets.widgets.beside.widget as kernel_side
if "engine" not in globals():
    engine = sw.load_demo(device="cpu")
    index = sw.load_demo_index(engine)
    f = int(index.order("density")[150])
    g = int(index.feature(f).neighbours[0].feature)
    on_corpus = kernel_side.on_corpus
kernel_side.on_corpus = on_corpus
"""
SHOW = """
pair = sw.FeatureComparison((index, f), (index, g), text="In the beginning, God created the heavens", read=600)
pair
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "beside.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "beside.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    opened.page.wait_for_selector(f"{WIDGET} .saew-cloud")
    opened.page.locator(WIDGET).scroll_into_view_if_needed()
    return opened


def panel(page: Page, name: str) -> str:
    return f'{WIDGET} section[aria-label="{name}"]'


def test_a_text_that_is_typed_is_read_under_both(notebook: Watched) -> None:
    page = notebook.page
    tokens = page.locator(f"{WIDGET} .saew-twice .saew-t")
    page.locator(WIDGET).get_by_label("Text", exact=True).fill("In the world, a country")
    becomes(page, "pair.text", "In the world, a country")
    values = python(page, "((pair.result.text.values != 0).any(1) & pair.result.text.counted).tolist()")
    assert sum(values) == 3
    sees(lambda: tokens.evaluate_all("els => els.map(e => e.style.background !== '')"), values)
    tokens.nth(3).hover()
    a, b = python(page, "pair.result.text.values[3].tolist()")
    tip = page.locator(f"{WIDGET} .saew-tip")
    assert a and not b
    expect(tip).to_contain_text(f"A {a:.3f}")
    expect(tip).to_contain_text("B 0")
    both = python(page, "pair.result.text.together.both")
    expect(page.locator(f"{panel(page, 'On one text')} .saew-numbers")).to_contain_text(f"Both fire {both}")
    assert notebook.errors == [] and notebook.outside == []


def test_a_point_of_the_scatter_shows_its_text(notebook: Watched) -> None:
    page = notebook.page
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    numbers = page.locator(f"{panel(page, 'On one corpus')} .saew-numbers")
    expect(numbers).to_contain_text(f"Only A fires {python(page, 'pair.result.corpus.together.only_a'):,}")
    expect(numbers).to_contain_text("a biased sample")
    expect(page.locator(panel(page, "On one corpus"))).to_contain_text(python(page, "pair.result.corpus.notes[0]"))

    # By keys to the last point; then the mouse is put where it stands.
    cloud = page.locator(f"{WIDGET} .saew-cloud")
    cloud.focus()
    page.keyboard.press("End")
    spot = place(page.locator(f"{WIDGET} .saew-spot"))
    page.keyboard.press("Escape")
    expect(page.locator(f"{WIDGET} .saew-tip")).to_have_count(0)
    page.mouse.move(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    tip = page.locator(f"{WIDGET} .saew-tip")
    expect(tip.locator(".saew-window")).to_be_visible()
    page.keyboard.press("Enter")
    becomes(page, "pair.position is not None", True)
    text = python(page, "pair.result.corpus.window(pair.position).text")
    a, b = python(page, "(lambda w: w.values[w.focus].tolist())(pair.result.corpus.window(pair.position))")
    plain = "".join(c for c in text if c.isalnum())
    sees(lambda: "".join(c for c in tip.locator(".saew-window").inner_text() if c.isalnum()), plain)
    expect(tip).to_contain_text("A 0" if a == 0 else f"A {a:.2f}"[:-1])
    expect(tip).to_contain_text("B 0" if b == 0 else f"B {b:.2f}"[:-1])
    chosen = page.locator(panel(page, "The chosen token"))
    expect(chosen.locator(".saew-window")).to_be_visible()
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells)  # no key became a command of the notebook's

    # A row of the lists is a point, too.
    row = page.locator(f"{panel(page, 'Only B fires')} .saew-row button").first
    row.click()
    becomes(page, "pair.position == pair.result.corpus.top('only_b', 1)[0].position", True)
    expect(row).to_have_attribute("aria-pressed", "true")
    assert notebook.errors == []


def test_a_feature_set_in_python_keeps_the_other(notebook: Watched) -> None:
    page = notebook.page
    a, b = python(page, "[pair.feature_a, index.order('density')[200]]")
    run_code(page, f"pair.feature_b = {int(b)}")
    expect(page.get_by_label("Feature of B")).to_have_value(str(int(b)))
    expect(page.get_by_label("Feature of A")).to_have_value(str(a))
    expect(page.locator(f"{panel(page, 'Feature B')} h3").first).to_contain_text(f"Feature {int(b)}")
    expect(page.locator(f"{WIDGET} .saew-cloud")).to_have_attribute("aria-label", re.compile(f"feature {int(b)} of"))
    cosine = python(page, "pair.result.decoder.value")
    expect(page.locator(f"{WIDGET} .saew-decoders")).to_contain_text(f"{abs(cosine):.3f}")
    # And by hand; then they change places.
    page.get_by_label("Feature of A").fill("11")
    becomes(page, "[pair.feature_a, pair.feature_b]", [11, int(b)])
    page.get_by_role("button", name="Swap the places").click()
    becomes(page, "pair.swapped", True)
    expect(page.locator(f"{WIDGET} .saew-side-heads .saew-badge")).to_have_text(["B", "A"])
    assert notebook.errors == []


def test_a_part_that_fails_leaves_the_others(notebook: Watched) -> None:
    page = notebook.page
    run_code(page, "def broken(*_, **__): raise RuntimeError('no corpus today')\nkernel_side.on_corpus = broken")
    run_code(page, "pair.feature_b = 12")
    expect(page.locator(f"{panel(page, 'On one corpus')} [role=alert]")).to_contain_text("no corpus today")
    expect(page.locator(f"{panel(page, 'Feature B')} h3").first).to_contain_text("Feature 12")
    page.locator(WIDGET).get_by_label("Text", exact=True).fill("the earth")
    expect(page.locator(f"{WIDGET} .saew-twice .saew-t")).to_have_count(3)
    run_code(page, "kernel_side.on_corpus = on_corpus")
    run_code(page, "pair.feature_b = 13")
    expect(page.locator(f"{WIDGET} [role=alert]")).to_have_count(0)
    expect(page.locator(f"{WIDGET} .saew-cloud")).to_have_attribute("aria-label", re.compile("feature 13 of"))
