"""The catalog of SAEs in a real JupyterLab: found, sorted, read about, scrolled to the end, copied, loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_anew, run_code, sees, write_notebook
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-catalog"
SETUP = f"""
import json, pathlib, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
import catalog_made, tiny
import saewidgets as sw
hub = catalog_made.hub(pathlib.Path(tempfile.mkdtemp()))
hub.__enter__()
"""
SHOW = """
browser = sw.SAEBrowser(tiny.hooked())
browser
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "catalog.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "catalog.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    if opened.page.locator(WIDGET).count() == 0:
        run_anew(opened, WIDGET)
    else:
        run_code(opened.page, "browser.query = browser.sort = ''; browser.selected = None; browser.descending = False")
    # All of them, in their own order: what an earlier test found and sorted is gone.
    whole = re.compile(r"^13,8\d\d SAEs, by model and release$")
    expect(opened.page.locator(f"{WIDGET} .saew-catalog-count")).to_have_text(whole)
    opened.page.wait_for_selector(f"{WIDGET} tbody tr")
    return opened


def test_found_sorted_read_and_copied(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    widget.get_by_role("searchbox").fill("RES-JB gpt2-small resid_pre")
    becomes(page, "browser.query", "RES-JB gpt2-small resid_pre")
    expect(widget.locator(".saew-catalog-count")).to_have_text(
        f"20 of {python(page, 'len(browser._saes)'):,} SAEs, by model and release"
    )
    widget.get_by_role("button", name="L0").click()
    becomes(page, "[browser.sort, browser.descending]", ["l0", True])
    table = python(page, "browser.to_pandas()[['release', 'sae_id']].values.tolist()")
    rows = widget.locator("tbody tr")
    texts = "rows => rows.map(row => [1, 2].map(i => row.querySelectorAll('td')[i].textContent))"
    sees(lambda: (shown := rows.evaluate_all(texts)) == table[: len(shown)] and len(shown) > 10, True)
    widget.locator("tbody tr", has_text="blocks.7.hook_resid_pre").click()
    becomes(page, "browser.selected and browser.selected['sae_id']", "blocks.7.hook_resid_pre")
    assert python(page, "browser.selected['neuronpedia_id']") == "gpt2-small/7-res-jb"
    details = widget.locator("aside")
    expect(details.locator("[data-field=neuronpedia_id]")).to_contain_text("neuronpedia.org/gpt2-small/7-res-jb")
    expect(details.locator("[data-field=width]")).to_contain_text("unknown")
    details.get_by_role("button", name="Copy code").click()
    expect(details.get_by_text("Copied")).to_be_visible()
    sees(lambda: page.evaluate("navigator.clipboard.readText()"), python(page, "browser.code()"))
    assert notebook.errors == [] and notebook.outside == []


def test_scrolled_to_the_end_by_keyboard(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    widget.get_by_role("grid").focus()
    page.keyboard.press("End")
    last = python(page, "browser.to_pandas().iloc[-1][['release', 'sae_id']].tolist()")
    expect(widget.locator("tbody tr").last).to_contain_text(last[1])
    page.keyboard.press("Enter")
    becomes(page, "browser.selected and [browser.selected[n] for n in ('release', 'sae_id')]", last)
    expect(widget.locator("tr.saew-chosen")).to_have_count(1)
    assert notebook.errors == []


def test_loaded_into_the_notebook_s_model(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    widget.get_by_role("searchbox").fill("tiny-release")
    expect(widget.locator("tbody tr")).to_have_count(3)
    widget.locator("tbody tr", has_text="blocks.0.hook_resid_post_240").click()
    widget.get_by_role("button", name="Load into your model").click()
    expect(widget.get_by_role("alert")).to_contain_text("hf download tiny-owner/tiny-saes")
    widget.locator("tbody tr", has_text="blocks.1.hook_resid_pre").click()
    expect(widget.get_by_role("alert")).to_have_count(0)
    widget.get_by_role("button", name="Load into your model").click()
    expect(widget.locator(".saew-catalog-ready")).to_contain_text("browser.engine (float32, cpu)")
    expect(widget.locator("[data-field=context_size]")).to_contain_text("32")
    assert python(page, "len(browser.engine.activations('In the beginning').to_pandas()) > 0")
    assert notebook.errors == [] and notebook.outside == []
