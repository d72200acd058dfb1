"""A blind test in a real JupyterLab: all of it by keyboard, judged in the kernel, and still there after a reload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-blindtest"
SETUP = f"""
import json, pathlib, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
from blindtest_made import LENGTH, build, some
import saewidgets as sw
index = sw.FeatureIndex.open(build(pathlib.Path(tempfile.mkdtemp())))
f = some(index)[0]
index.set_label(f, "a name")
"""
SHOW = """
test = sw.BlindTest(index, f, n=6, window=LENGTH)
test
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "blindtest.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "blindtest.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    opened.page.wait_for_selector(f"{WIDGET} .saew-card")
    return opened


def test_a_whole_test_by_keyboard(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    notebook_cells = page.locator(".jp-Notebook .jp-Cell").count()
    expect(widget.locator(".saew-said-text")).to_contain_text("a name")
    shown = [text.strip() for text in python(page, "test.texts")]
    cards = widget.locator(".saew-card-text")
    sees(lambda: [text.strip() for text in cards.all_text_contents()], shown)
    fires = python(page, "[bool(one) for one in test._test.drawn.fires]")
    widget.locator(".saew-card").first.focus()
    # The first wrongly, and changed; the last wrongly.
    page.keyboard.press("n" if fires[0] else "y")
    expect(widget.locator(".saew-actions")).to_contain_text("1 of 6 answered")
    page.keyboard.press("k")
    for wanted in [*fires[:5], not fires[5]]:
        page.keyboard.press("y" if wanted else "n")
    expect(widget.get_by_role("button", name="Check")).to_be_focused()
    becomes(page, "test.answers", [*fires[:5], not fires[5]])
    assert python(page, "test.score") is None
    page.keyboard.press("Enter")
    expect(widget.locator(".saew-outcome")).to_be_focused()
    becomes(page, "round(test.score['balanced_accuracy'], 6)", round(5 / 6, 6))
    expect(widget.locator(".saew-score b")).to_have_text("0.83")
    expect(widget.locator(".saew-verdict b")).to_have_text(["\u2713 right"] * 5 + ["\u2717 wrong"])
    assert python(page, "[index.describe(f).score, index.describe(f).measure]") == [
        pytest.approx(5 / 6),
        "blind test by a person, balanced accuracy, n=6",
    ]
    coloured = "cards => cards.map(card => [...card.querySelectorAll('.saew-t')].some(t => t.style.background !== ''))"
    sees(lambda: widget.locator(".saew-card").evaluate_all(coloured), fires)
    widget.get_by_role("button", name="Again").click()
    expect(cards.first).not_to_have_text(shown[0])
    expect(widget.locator(".saew-card").first).to_be_focused()
    becomes(page, "[test.seed, test.answers, test.score]", [1, [], None])
    # No key became a command of the notebook's.
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(notebook_cells)
    assert notebook.errors == [] and notebook.outside == []


def test_another_feature_from_either_side(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    other, dead = python(page, "[some(index)[1], __import__('blindtest_made').DEAD]")
    widget.locator(".saew-card").nth(2).get_by_role("button", name="fires", exact=True).click()
    becomes(page, "test.answers", [None, None, True, None, None, None])
    run_code(page, f"test.feature = {other}")
    expect(widget.locator("h2")).to_have_text(f"Feature {other}")
    expect(widget.locator(".saew-actions")).to_contain_text("0 of 6 answered")
    box = widget.get_by_label("Number of the feature to test")
    box.fill(str(dead))
    box.press("Enter")
    expect(widget.locator(".saew-missing")).to_contain_text("never fires on this corpus")
    becomes(page, "test.feature", dead)
    run_code(page, "test.feature = f")
    expect(widget.locator(".saew-card")).to_have_count(6)
    assert notebook.errors == []


def test_a_reload_keeps_what_was_answered(notebook: Watched) -> None:
    page = notebook.page
    page.locator(f"{WIDGET} .saew-card").first.focus()
    page.keyboard.press("y")
    page.keyboard.press("n")
    becomes(page, "test.answers", [True, False, None, None, None, None])
    # The view is made anew of what the kernel has, as after a reload of the page.
    run_code(page, "")
    page.evaluate(
        "() => { const { content } = jupyterapp.shell.currentWidget; content.activeCellIndex = 1; "
        "content.activeCell.model.sharedModel.setSource('test'); }"
    )
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    try:
        expect(page.locator(f"{WIDGET} .saew-actions")).to_contain_text("2 of 6 answered")
        expect(page.locator(f"{WIDGET} .saew-card [aria-pressed=true]")).to_have_text(["fires", "does not fire"])
    finally:
        page.evaluate(
            "source => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(source)", SHOW
        )
