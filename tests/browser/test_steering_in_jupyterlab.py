"""The steering panel in a real JupyterLab: generate, stream, stop, restore, the other views, and Python in the next cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-steering"
SETUP = f"""
import json, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
import tiny, torch
import saewidgets as sw
engine = sw.Engine(tiny.hooked(), {{"mine": tiny.sae()}}, labels={{3: "Genesis"}})
texts = ["In the beginning God created the heaven and the earth. " * 9]
index = sw.build_index(engine, texts, tempfile.mkdtemp() + "/index", progress=False, wait=True)
strong = int(index.order("max")[0])
"""
SHOW = """
panel = sw.SteeringPanel(engine, index, prompt="In the beginning God", recipe=sw.add(strong, 3, unit="max"), n_tokens=8, temperature=1.0)
panel
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "steering.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "steering.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    return opened


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    expect(page.locator(f"{WIDGET} .saew-history li").first).to_be_visible()


def test_generate_shows_both_texts_and_they_are_values(notebook: Watched) -> None:
    page = notebook.page
    generate(page)
    expect(page.locator(f"{WIDGET} .saew-pair .saew-text")).to_have_count(2)
    becomes(page, "len(panel.history)", 1)
    baseline, edited = python(page, "[panel.result.baseline[0].text, panel.result.edited[0].text]")
    assert baseline != edited
    becomes(page, "panel.history[0]['edited']", [edited])
    fresh = python(
        page, "sw.generate(engine, panel.prompt, panel.value, index=index, n_tokens=8, seed=0).edited[0].text"
    )
    assert fresh == edited
    expect(page.locator(WIDGET).get_by_text("differs from here").first).to_be_visible()
    assert not notebook.errors
    assert not notebook.outside


def test_the_slider_is_the_recipe_both_ways(notebook: Watched) -> None:
    page = notebook.page
    box = page.locator(f"{WIDGET} .saew-row input[type=number], {WIDGET} .saew-row input[inputmode]").first
    box.fill("1.5")
    box.press("Enter")
    becomes(page, "panel.value.interventions[0].value", 1.5)
    run_code(page, "panel.recipe = sw.Recipe([sw.add(strong, 2.25, unit='max'), sw.ablate(3)]).to_dict()")
    expect(page.locator(f"{WIDGET} .saew-row")).to_have_count(2)
    expect(box).to_have_value("2.25")
    run_code(page, "panel.add(sw.clamp(9, 1.0))")
    expect(page.locator(f"{WIDGET} .saew-row")).to_have_count(3)
    assert not notebook.errors
    assert not notebook.outside


def test_stop_keeps_what_was_written_and_the_next_run_works(notebook: Watched) -> None:
    page = notebook.page
    run_code(page, "panel.n_tokens = 50; panel.prompt = 'In'")
    expect(page.get_by_label("Text to continue")).to_have_value("In")
    # The tiny model is quick: hold it after some tokens, so that there is something to stop.
    run_code(
        page,
        "import itertools, threading\ncount, go = itertools.count(), threading.Event()\n"
        "hold = lambda *_: next(count) < 12 or go.wait()\n"
        "handle = engine.model.raw.blocks[0].register_forward_pre_hook(lambda *_: hold() and None)",
    )
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator(f"{WIDGET} .saew-pair .saew-text").last).to_contain_text(re.compile(r"\S"))
    page.get_by_role("button", name="Stop").click()
    run_code(page, "go.set()")
    expect(page.get_by_role("button", name="Generate")).to_be_visible()
    written = python(page, "[panel.result.stopped, len(panel.result.edited[0])]")
    assert written[0]
    assert 0 < written[1] < 50
    becomes(page, "panel.history[-1]['stopped']", True)
    run_code(page, "handle.remove(); panel.n_tokens = 5")
    page.get_by_role("button", name="Generate").click()
    becomes(page, "panel.history[-1]['stopped']", False)
    assert not notebook.errors
    assert not notebook.outside


def test_history_brings_back_recipe_prompt_and_texts(notebook: Watched) -> None:
    page = notebook.page
    generate(page)
    becomes(page, "len(panel.history)", 1)
    first = python(page, "[panel.recipe, panel.prompt, panel.history[0]['edited'][0]]")
    run_code(page, "panel.recipe = sw.Recipe(sw.ablate(strong)).to_dict(); panel.prompt = 'the earth'")
    expect(page.get_by_label("Text to continue")).to_have_value("the earth")
    generate(page)
    becomes(page, "len(panel.history)", 2)
    page.locator(f"{WIDGET} .saew-history button").last.click()  # newest first
    becomes(page, "[panel.recipe, panel.prompt]", first[:2])
    assert not notebook.errors
    assert not notebook.outside


def test_an_error_is_shown_at_its_row_and_nothing_is_lost(notebook: Watched) -> None:
    page = notebook.page
    run_code(
        page, "panel.recipe = {'version': 1, 'interventions': [{'kind': 'add', 'features': [99999], 'value': 1.0}]}"
    )
    expect(page.locator(f"{WIDGET} .saew-row")).to_contain_text("outside")
    run_code(page, "panel.recipe = sw.Recipe(sw.add(strong, 1.0)).to_dict()")
    expect(page.locator(f"{WIDGET} .saew-row")).not_to_contain_text("outside")
    generate(page)
    assert not notebook.errors
    assert not notebook.outside


def test_the_other_views(notebook: Watched) -> None:
    page = notebook.page
    page.get_by_role("tab", name="Effect on this text").click()
    expect(page.locator(f"{WIDGET} .saew-heat .saew-t").first).to_be_visible()
    expect(page.locator(f"{WIDGET} .saew-result")).to_contain_text("realised")
    page.get_by_role("tab", name="Dose-response").click()
    page.get_by_role("button", name="Run the sweep").click()
    expect(page.locator(f"{WIDGET} .saew-figures svg")).to_have_count(6)
    shown = page.locator(f"{WIDGET} .saew-plain-text .saew-text").last
    slider = page.get_by_label("Strength to look at")
    slider.focus()
    slider.press("Home")
    nothing = shown.inner_text()
    slider.press("End")
    expect(shown).not_to_have_text(nothing)
    expect(page.locator(f"{WIDGET} .saew-sweep-part").first).to_contain_text("n = 4")
    expect(page.locator(f"{WIDGET} .saew-verdict")).to_contain_text("A strength is usable where the 95% interval")
    first = shown.inner_text()
    page.get_by_label("Text to look at").select_option("3")
    expect(shown).not_to_have_text(first)
    page.get_by_role("tab", name="Answer").click()
    page.locator(f"{WIDGET} input.saew-answer").fill(" earth")
    page.locator(f"{WIDGET} input.saew-answer").press("Enter")
    expect(page.locator(f"{WIDGET} .saew-answers tbody tr")).not_to_have_count(0)
    ranks = python(
        page, "sw.answer_effects(engine, panel.prompt, ' earth', panel.value, index=index).to_pandas()['rank'].tolist()"
    )
    answers = page.locator(f"{WIDGET} .saew-answers tbody tr")
    expect(answers).to_have_count(len(ranks))
    expect(answers).to_contain_text([str(rank) for rank in ranks])
    assert not notebook.errors
    assert not notebook.outside


def test_the_page_works_without_a_kernel(notebook: Watched, watched: Watched, tmp_path: Path) -> None:
    page = notebook.page
    file = tmp_path / "steering.html"
    run_code(
        page,
        f"panel.answer = ' earth'; panel.run(); panel.to_html({str(file)!r}, views=('text', 'effect', 'sweep', 'answer'))",
    )
    edited = python(page, "panel.result.edited[0].text")
    watched.page.goto(file.as_uri())
    root = watched.page.locator("#saew-root")
    expect(root.locator(".saew-pair .saew-text").last).to_be_visible()
    shown = root.locator(".saew-pair .saew-text").last

    def written() -> str:
        return letters(re.sub(r"U\+[0-9A-F]{4}", "", shown.inner_text().replace("differs from here", "")))

    sees(written, letters(edited))
    expect(root.get_by_role("button", name="Generate")).to_be_disabled()
    root.get_by_role("tab", name="Effect on this text").click()
    expect(root.locator(".saew-heat .saew-t").first).to_be_visible()
    root.get_by_role("tab", name="Dose-response").click()
    expect(root.locator(".saew-figures svg")).to_have_count(6)
    seen = set()
    slider = root.get_by_label("Strength to look at")
    slider.focus()
    slider.press("Home")
    for _ in range(9):
        seen.add(root.locator(".saew-plain-text .saew-text").last.inner_text())
        slider.press("ArrowRight")
    assert len(seen) > 1, "the slider moves through recorded texts"
    expect(root.get_by_role("button", name="Run the sweep")).to_be_disabled()
    root.get_by_role("tab", name="Answer").click()
    expect(root.locator(".saew-answers tbody tr")).not_to_have_count(0)


def letters(text: str) -> str:
    """A text without what the view shows in another way: white space and control characters."""
    return "".join(c for c in text if c.isascii() and c.isalpha())
