"""PromptComparison in a real JupyterLab, on the demo: the contrast pair of SAELens' tutorial, by hand and from Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-comparison"
# Run anew, the notebook's first cell would load the model again.
SETUP = """
import json
import saewidgets as sw
if "engine" not in globals():
    engine = sw.load_demo(device="cpu")
    index = sw.load_demo_index(engine)
start = "In the beginning, God created the "
"""
SHOW = """
prompts = sw.PromptComparison(engine, index, [f"{start}heavens and the", f"{start}cat and the"])
prompts
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "comparison.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "comparison.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    opened.page.wait_for_selector(f"{WIDGET} .saew-feature")
    opened.page.locator(WIDGET).scroll_into_view_if_needed()
    return opened


def listed(page: Page) -> list[int]:
    return [int(text) for text in page.locator(f"{WIDGET} .saew-feature").all_inner_texts()]


def shows(page: Page) -> None:
    """Wait until the ranking on screen is the one that Python has."""
    becomes_listed = python(page, "list(map(int, prompts.to_pandas().index))")
    expect(page.locator(f"{WIDGET} .saew-feature")).to_have_text([str(f) for f in becomes_listed])


def test_the_tutorial_s_contrast(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    top = python(page, "list(map(int, prompts.comparison.differences(k=5).index))")
    sees(lambda: listed(page)[:5], top)
    expect(widget.locator(".saew-at")).to_have_text([" the", " the"])
    expect(widget.locator(".saew-unlike")).to_have_count(1)
    expect(widget.locator(".saew-unlike .saew-t")).to_have_text([" heavens", " cat"])

    # What follows, and how much likelier it is than after the other.
    expect(widget.locator(".saew-next table")).to_have_count(2)
    first = widget.locator(".saew-next table").first.locator("tbody tr").first
    best = python(page, "sw.predictions(engine, prompts.texts[0]).clean.top[0].token")
    expect(first.locator("th")).to_have_text(best.replace(" ", "\u2423"))

    # A click on a token compares there, in every text.
    widget.locator(".saew-t", has_text="cat").click()
    becomes(page, "[prompts.at, prompts.positions]", ["chosen", [8, 8]])
    expect(widget.locator(".saew-at")).to_have_text([" heavens", " cat"])
    shows(page)

    # Max over all tokens; active in the first and silent in the second.
    widget.get_by_role("button", name="max", exact=True).click()
    widget.get_by_role("button", name="active in text 1").click()
    widget.get_by_role("button", name="silent in text 2").click()
    becomes(page, "[prompts.at, prompts.all_of, prompts.none_of]", ["max", [0], [1]])
    shows(page)
    wanted = python(page, "sorted(map(int, prompts.comparison.active([0], [1]).index))")
    expect(widget.locator(".saew-ranking [role=status]")).to_contain_text(
        re.compile(rf"\b{len(wanted)} (of|that pass, of) ")
    )
    shown = listed(page)  # as `shows` saw it
    assert set(shown) <= set(wanted)

    # Pointed at, a feature is seen on all texts; clicked, it is Python's.
    row = widget.locator(".saew-ranking tbody tr").first
    row.hover()
    expect(page.locator(".saew-tip .saew-glance")).to_contain_text(f"Feature {shown[0]}")
    values = python(page, f"(lambda a: ((a[:, {shown[0]}] != 0) & a.counted).tolist())(prompts.comparison.activations)")
    n = len(values) // 2
    sees(
        lambda: widget.locator(".saew-t").evaluate_all("els => els.map(e => e.style.background !== '')"),
        [values[i + text * n] for i in range(n) for text in (0, 1)],
    )
    row.locator("button.saew-feature").click()
    becomes(page, "[prompts.feature, prompts.features]", [shown[0], [shown[0]]])
    assert notebook.errors == [] and notebook.outside == []


def test_texts_typed_added_and_taken_away(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    widget.get_by_role("button", name="+ Add text").click()
    third = widget.get_by_label("Text 3", exact=True)
    expect(third).to_have_value("In the beginning, God created the cat and the")
    third.fill("In the beginning, the")
    expect(widget.locator(".saew-gap").first).to_be_visible()
    becomes(page, "[len(prompts.texts), prompts.texts[2:]]", [3, ["In the beginning, the"]])
    widget.get_by_label("less text").select_option("2")
    becomes(page, "prompts.pair", [0, 2])
    shows(page)
    widget.get_by_role("button", name="Remove text 2").click()
    becomes(page, "[len(prompts.texts), prompts.pair]", [2, [0, 1]])
    expect(widget.locator(".saew-t")).to_have_count(python(page, "sum(prompts.comparison.lengths)"))
    shows(page)
    # By keyboard, from token to token; no key becomes a command of the notebook's.
    box = widget.get_by_role("listbox")
    box.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    becomes(page, "[prompts.at, prompts.positions]", ["chosen", [1, 1]])
    expect(widget.locator(".saew-note")).to_contain_text(["Up to this token the texts are the same"])
    run_code(page, "prompts.texts = ['a cat', 'a dog']; prompts.at = 'sum'")
    expect(widget.locator(".saew-unlike .saew-t")).to_have_text([" cat", " dog"])
    shows(page)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells)
    assert notebook.errors == [] and notebook.outside == []
