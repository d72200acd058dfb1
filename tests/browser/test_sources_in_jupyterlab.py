"""Where an activation came from, in a real JupyterLab: a head chosen, tokens walked through, an example's sources, a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_anew, run_code, sees, write_notebook
from looks import accessible
from playwright.sync_api import Browser, Locator, expect

pytestmark = pytest.mark.browser

HEATMAP = ".jp-OutputArea .saew-heatmap"
DASHBOARD = ".jp-OutputArea .saew-dashboard"
SETUP = f"""
import json, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
import numpy as np, tiny
import saewidgets as sw
engine = sw.Engine(tiny.hooked(), tiny.sae(hook="blocks.1.attn.hook_z"))
words = "God created heaven earth night day in the beginning and was without form".split()
rows = [{{"text": "In the beginning God created the heaven and the earth. " * 9, "id": "long"}}]
rows += [{{"text": " ".join(words[i * k % 13] for k in range(1, 14)), "id": f"d{{i}}"}} for i in range(1, 13)]
index = sw.build_index(engine, rows, tempfile.mkdtemp() + "/index", progress=False, wait=True)
f = int(index.order("density")[0])
text = "In the beginning God created the heaven and the earth."
acts = engine.activations(text)
"""
SHOW_HEATMAP = "heatmap = sw.TokenFeatureHeatmap(engine, text, features=[f], view='text')\nheatmap"
SHOW_DASHBOARD = "dashboard = sw.FeatureDashboard(engine, index, feature=f, text=text)\ndashboard"


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "sources.ipynb", [SETUP, SHOW_HEATMAP, SHOW_DASHBOARD])
    with lab.opened(browser, "sources.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, HEATMAP)
    opened.page.wait_for_selector(f"{DASHBOARD} .saew-examples .saew-t")
    return opened


def rounded(number: float) -> str:
    """As the front-end writes it, of a number from 0.001 to 100."""
    size = abs(number)
    digits = f"{size:.3f}" if size < 10 else f"{size:.2f}"
    return ("\u2212" if number < 0 else "") + digits


def heads_of(box: Locator) -> list[str]:
    return [text.strip() for text in box.locator(".saew-heads button b").all_text_contents()]


def test_the_heatmap_and_one_of_its_tokens(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(HEATMAP)
    box = widget.locator(".saew-sources")
    strongest = python(page, "int(np.where(acts.counted, abs(acts[:, f]), 0).argmax())")
    expect(box.locator("h3")).to_contain_text(f"Where feature {python(page, 'f')} at")
    expect(box.locator("h3")).to_contain_text(f"(position {strongest})")
    expect(box.locator(".saew-source-tokens .saew-t")).to_have_count(strongest + 1)
    # A click on a token of the text.
    other = python(page, f"[int(t) for t in np.flatnonzero(acts[:, f] != 0) if t not in (0, {strongest})][-1]")
    widget.locator(".saew-text .saew-t").nth(other).click()
    becomes(page, "list(heatmap.selected_tokens)", [other])
    expect(box.locator("h3")).to_contain_text(f"(position {other})")
    code = f"sw.by_source(engine, text, f, position={other})"
    activation, total, rest = python(page, f"(lambda s: [s.activation, float(s.parts.sum()), s.rest])({code})")
    assert activation == pytest.approx(python(page, f"float(heatmap.activations[{other}, f])"), rel=1e-5)
    expect(box.locator("h3")).to_contain_text(rounded(activation))
    expect(box.locator("p").last).to_contain_text(f"{rounded(total)} from the tokens")
    expect(box.locator("p").last).to_contain_text(rounded(rest).replace("\u2212", ""))
    sums = python(page, f"{code}.by_head.tolist()")
    sees(lambda: heads_of(box)[1:], [("+" if s > 0 else "") + rounded(s) for s in sums])
    # One head alone.
    box.get_by_role("button", name="head 2").click()
    expect(box.get_by_role("button", name="head 2")).to_have_attribute("aria-pressed", "true")
    mine = python(page, f"{code}.parts[2].tolist()")
    most = max(range(len(mine)), key=lambda i: abs(mine[i]))
    expect(box.locator(".saew-source-list li").first).to_contain_text(f"(position {most})")
    expect(box.locator(".saew-source-list li").first).to_contain_text(rounded(mine[most]))
    # By the keyboard.
    box.locator(".saew-source-tokens").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(widget.locator(".saew-tip")).to_contain_text("(position 1)")
    expect(widget.locator(".saew-tip")).to_contain_text("by head 2")
    expect(widget.locator(".saew-tip")).to_contain_text(rounded(mine[1]))
    # Another feature; none.
    run_code(page, "heatmap.features = []")
    expect(box).to_have_count(0)
    assert notebook.errors == [] and notebook.outside == []


def test_an_example_of_the_dashboard(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(DASHBOARD)
    box = widget.locator(".saew-origins .saew-sources")
    first = widget.locator(".saew-ex").first
    first.locator(".saew-ex-sources").click()
    example = "dashboard.examples.groups[0].examples[0]"
    becomes(page, "(dashboard.selected_example or {}).get('id')", python(page, f"{example}.position"))
    expect(box.locator("h3")).to_contain_text(rounded(python(page, f"{example}.activation")))
    expect(box.locator("h3")).to_contain_text(f"(position {python(page, f'{example}.at')})")
    expect(box.locator(".saew-heads button")).to_have_count(5)
    box.get_by_role("button", name="head 1").click()
    expect(box.get_by_role("button", name="head 1")).to_have_attribute("aria-pressed", "true")
    # The next example's, by keys alone.
    widget.locator(".saew-examples").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    second = python(page, "[e for g in dashboard.examples.groups for e in g.examples][1].position")
    becomes(page, "(dashboard.selected_example or {}).get('id')", second)
    for where in (HEATMAP, DASHBOARD):
        accessible(page, where)
    widget.get_by_role("button", name="Close the sources").click()
    expect(box).to_have_count(0)
    # The user's own text.
    widget.get_by_role("button", name="sources of its strongest activation here").click()
    expect(widget.locator(".saew-test .saew-sources h3")).to_contain_text("Where feature")
    assert notebook.errors == [] and notebook.outside == []


def test_pages_of_both(notebook: Watched, browser: Browser, tmp_path: Path) -> None:
    page = notebook.page
    for name, options in (("heatmap", ""), ("dashboard", ", sources=1")):
        run_code(page, f"{name}.to_html({str(tmp_path / name)!r} + '.html'{options})")
    shown = page.context.new_page()
    shown.goto(f"file://{tmp_path}/heatmap.html")
    expect(shown.locator(".saew-sources .saew-heads button")).to_have_count(5)
    shown.locator(".saew-text .saew-t").nth(1).click()
    expect(shown.locator(".saew-sources")).to_contain_text("Not recorded in this page")
    shown.goto(f"file://{tmp_path}/dashboard.html")
    shown.locator(".saew-ex-sources").first.click()
    expect(shown.locator(".saew-sources .saew-heads button")).to_have_count(5)
    shown.locator(".saew-ex-sources").nth(1).click()
    expect(shown.locator(".saew-sources")).to_contain_text("Not recorded in this page")
    shown.close()
    assert notebook.errors == []
