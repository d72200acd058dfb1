"""The dashboard in a real JupyterLab: brush, type, click, step, and Python in the next cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, place, python, run_anew, run_code, sees, without_numbers, write_notebook
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-dashboard"
DEAD = 7
SETUP = f"""
import json, sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
import tiny, torch
import saewidgets as sw
engine = sw.Engine(tiny.hooked(), tiny.sae(), labels={{3: "Genesis"}})
with torch.no_grad():
    engine.dictionary().sae.b_enc[{DEAD}] = -1e3
words = "God created heaven earth night day in the beginning and was without form".split()
rows = [{{"text": "In the beginning God created the heaven and the earth. " * 9, "id": "long", "kind": "genesis"}}]
rows += [{{"text": " ".join(words[i * k % 13] for k in range(1, 14)), "id": f"d{{i}}", "kind": "words"}} for i in range(1, 13)]
index = sw.build_index(engine, rows, tempfile.mkdtemp() + "/index", progress=False, wait=True)
"""
SHOW = """
dashboard = sw.FeatureDashboard(engine, index)
dashboard
"""


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / "dashboard.ipynb", [SETUP, SHOW])
    with lab.opened(browser, "dashboard.ipynb") as watched:
        yield watched


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    run_anew(opened, WIDGET)
    opened.page.wait_for_selector(f"{WIDGET} .saew-examples .saew-t")
    return opened


def go(page: Page, f: int) -> None:
    run_code(page, f"dashboard.feature = {f}")
    showing(page, f)


def showing(page: Page, f: int) -> None:
    expect(page.locator(f"{WIDGET} .saew-title h2")).to_have_text(f"Feature {f}")


def test_it_shows_what_python_says(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    f = python(page, "dashboard.feature")
    assert f == python(page, "int(index.order('density')[0])")
    showing(page, f)
    info = python(page, "[dashboard.info.count, dashboard.info.counted, len(dashboard.info.tokens)]")
    expect(widget.locator(".saew-facts")).to_contain_text(f"{info[0]} of {info[1]} counted tokens")
    bars = python(page, "int((dashboard.info.histogram.counts > 0).sum())")
    expect(widget.locator(".saew-hist .saew-hbar")).to_have_count(bars)
    groups = python(page, "[[g.key, len(g.examples)] for g in dashboard.examples.groups]")
    shown = widget.locator(".saew-group")
    expect(shown).to_have_count(len(groups))
    for i, (_, n) in enumerate(groups):
        expect(shown.nth(i).locator(".saew-ex")).to_have_count(n)
    # The first example: its token is framed, and what is active is coloured.
    tokens = python(page, "list(dashboard.examples.groups[0].examples[0].tokens)")
    active = python(page, "[bool(a > 0) for a in dashboard.examples.groups[0].examples[0].activations]")
    focus = python(page, "dashboard.examples.groups[0].examples[0].focus")
    spans = widget.locator(".saew-ex").first.locator(".saew-t")
    sees(lambda: [t.strip() for t in spans.all_text_contents()], [t.strip() for t in tokens])
    sees(lambda: spans.evaluate_all("els => els.map(e => e.style.background !== '')"), active)
    framed = "els => els.findIndex(e => e.classList.contains('saew-bold'))"
    sees(lambda: spans.evaluate_all(framed), focus)
    # From Python.
    go(page, 3)
    expect(widget.locator(".saew-name")).to_have_text("Genesis")
    run_code(page, "dashboard.group = 'silent'")
    expect(widget.locator(".saew-group-head").first).to_contain_text("Silent")
    run_code(page, "dashboard.group = 'all'; dashboard.view = 'full'")
    expect(widget.locator(".saew-examples")).to_have_attribute("data-view", "full")
    go(page, DEAD)
    expect(widget.locator(".saew-dead")).to_contain_text("never fires on this corpus")
    expect(widget.locator(".saew-hist")).to_have_count(0)
    run_code(page, "dashboard.feature = None")
    expect(widget.locator(".saew-empty")).to_contain_text("No feature is chosen")
    run_code(page, "dashboard.view = 'snippet'")
    go(page, f)
    assert notebook.errors == []
    assert notebook.outside == []


def test_a_brush_chooses_the_examples(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    low, high, counts = python(
        page,
        "[dashboard.info.histogram.low, dashboard.info.histogram.high, dashboard.info.histogram.counts.tolist()]",
    )
    plot = widget.locator(".saew-hist .saew-plot")
    box = place(plot)
    left, inner = 38, box["width"] - 38 - 6

    def at(bin_: int) -> float:
        return box["x"] + left + (bin_ + 0.5) / 50 * inner

    y = box["y"] + 60
    page.mouse.move(at(30), y)
    page.mouse.down()
    page.mouse.move(at(20), y, steps=3)
    page.mouse.move(at(9), y, steps=3)
    page.mouse.up()
    group = widget.locator(".saew-group-head")
    expect(group).to_have_count(1)
    expect(group).to_contain_text("Brushed")
    width = (high - low) / 50
    brushed = [low + 9 * width, low + 31 * width]
    sees(lambda: python(page, "dashboard.activation_range"), pytest.approx(brushed))
    expect(group).to_contain_text(f"{sum(counts[9:31]):,} of {sum(counts):,} active tokens")

    def outside() -> list[float]:
        shown = [float(text) for text in widget.locator(".saew-ex-a").all_text_contents()]
        return [a for a in shown if not brushed[0] - 0.01 <= a <= brushed[1] + 0.01]

    sees(outside, [])
    expect(widget.locator(".saew-ex-a")).not_to_have_count(0)
    becomes(page, "dashboard.examples.groups[0].key", "range")
    # Keys widen and move it; Escape lets go.
    plot.focus()
    page.keyboard.press("Shift+ArrowRight")
    becomes(page, "round(dashboard.activation_range[1], 5)", round(low + 32 * width, 5))
    page.keyboard.press("Escape")
    becomes(page, "dashboard.activation_range", [])
    expect(widget.locator(".saew-group").nth(1)).to_be_visible()
    # From Python, and gone with the feature.
    run_code(page, f"dashboard.activation_range = [{low + 5 * width}, {high}]")
    expect(group).to_have_count(1)
    expect(widget.locator(".saew-brushed")).to_have_count(1)
    widget.get_by_role("button", name="Next").click()
    becomes(page, "dashboard.activation_range", [])
    expect(widget.locator(".saew-brushed")).to_have_count(0)
    assert notebook.errors == []


def test_own_text(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    box = widget.locator("textarea")
    box.click()
    box.type("the heaven and the earth", delay=15)
    expect(widget.locator(".saew-testtext")).to_contain_text("the heaven and the earth")
    becomes(page, "dashboard.text", "the heaven and the earth")
    acts = python(
        page,
        "[float(a) * bool(c) for a, c in zip(dashboard.activations[:, dashboard.feature], "
        "dashboard.activations.counted)]",
    )
    assert any(acts)
    spans = widget.locator(".saew-testtext .saew-t")
    sees(lambda: spans.evaluate_all("els => els.map(e => e.style.background !== '')"), [a != 0 for a in acts])
    top = max(acts)
    expect(widget.locator(".saew-hist")).to_contain_text("your text: at most")
    said = widget.locator(".saew-test .saew-head")
    expect(said).to_contain_text("at most ")
    sees(lambda: float(said.inner_text().split("at most ")[1].split()[0]), pytest.approx(top, abs=0.006))
    expect(widget.locator(".saew-hist .saew-mark-text")).to_have_count(1)
    spans.nth(acts.index(top)).hover()
    expect(widget.locator(".saew-tip")).to_contain_text(f"{top:.3f}"[:5])
    # Another feature: other colours, same text; and Python's text is shown in the box.
    go(page, DEAD)
    expect(widget.locator(".saew-test")).to_contain_text("The feature is silent here.")
    sees(lambda: any(spans.evaluate_all("els => els.map(e => e.style.background)")), False)
    go(page, 3)
    run_code(page, "dashboard.text = 'God </textarea><b>x</b> \\u202e night'")
    expect(box).to_have_value("God </textarea><b>x</b> \u202e night")
    expect(widget.locator(".saew-testtext")).to_contain_text("U+202E")
    expect(widget.locator(".saew-testtext b")).to_have_count(0)
    box.fill("")
    expect(spans).to_have_count(0)
    assert notebook.errors == []


def test_a_click_chooses_an_example(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    row = widget.locator(".saew-ex").nth(2)
    row.click()
    expect(row).to_have_attribute("aria-selected", "true")
    wanted = python(
        page, "(lambda e: [e.position, e.activation, e.text, e.document])(dashboard.examples.groups[0].examples[2])"
    )
    becomes(page, "[dashboard.selected_example[k] for k in ('id', 'a', 'text', 'doc')]", wanted)
    row.click()
    becomes(page, "dashboard.selected_example", None)
    # By keys.
    examples = widget.locator(".saew-examples")
    examples.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    becomes(page, "dashboard.selected_example['id']", python(page, "dashboard.examples.groups[0].examples[1].position"))
    page.keyboard.press("ArrowRight")
    expect(widget.locator(".saew-tip")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    becomes(page, "dashboard.selected_example", None)
    # A token of the table filters the examples.
    link = widget.locator("[aria-label='Fires on'] button").first
    name = link.inner_text().lstrip("\u2423")
    link.click()
    becomes(page, "dashboard.token_filter", name)
    expect(widget.locator(".saew-ex .saew-bold").first).to_contain_text(name)
    widget.locator("select[aria-label^=Column]").select_option("kind")
    widget.locator("select[aria-label^=Value]").select_option("words")
    becomes(page, "dashboard.where", ["kind", "words"])
    expect(widget.locator(".saew-examples")).not_to_contain_text("genesis")
    row.click()
    becomes(page, "dashboard.selected_example['meta']", [["kind", "words"]])
    assert notebook.errors == []


def test_steps_from_feature_to_feature(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    order = python(page, "[int(f) for f in index.order('density')]")
    widget.get_by_role("button", name="Next").click()
    showing(page, order[1])
    becomes(page, "dashboard.feature", order[1])
    widget.get_by_role("button", name="Next").click()
    showing(page, order[2])
    widget.get_by_role("button", name="Previous").click()
    showing(page, order[1])
    widget.get_by_role("combobox").first.select_option("index")
    becomes(page, "dashboard.sort", "index")
    expect(widget.locator(".saew-position")).to_contain_text(f"{order[1] + 1} of 48 by index")
    jump = widget.get_by_label("Number of the feature to go to")
    jump.fill("20")
    jump.press("Enter")
    showing(page, 20)
    widget.get_by_role("button", name="Next").click()
    showing(page, 21)
    # A neighbour, and back.
    near = python(page, "dashboard.info.neighbours[0].feature")
    widget.locator("[aria-label='Decoder neighbours'] .saew-go").first.click()
    showing(page, near)
    becomes(page, "dashboard.feature", near)
    for f in (21, 20, order[1]):
        widget.get_by_role("button", name="Back").click()
        showing(page, f)
    # A label.
    widget.get_by_role("button", name="add a label").click()
    box = widget.get_by_label("Label", exact=True)
    box.fill("<b>mine</b>")
    box.press("Enter")
    expect(widget.locator(".saew-name")).to_have_text("<b>mine</b>")
    becomes(page, "index.label(dashboard.feature)", "<b>mine</b>")
    # A list.
    run_code(page, "dashboard.features = [9, 3]; dashboard.feature = 9")
    showing(page, 9)
    expect(widget.locator(".saew-position")).to_contain_text("1 of 2")
    widget.get_by_role("button", name="Next").click()
    showing(page, 3)
    expect(widget.get_by_role("button", name="Next")).to_be_disabled()
    assert notebook.errors == []


def test_back_leaves_what_belonged_to_the_feature(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    first, second = python(page, "[int(f) for f in index.order('density')[:2]]")
    widget.get_by_role("button", name="Next").click()
    showing(page, second)
    widget.locator("[aria-label='Fires on'] button").first.click()
    expect(widget.locator(".saew-chosen")).to_have_count(1)
    widget.get_by_role("button", name="Back").click()
    showing(page, first)
    becomes(page, "dashboard.token_filter", "")


def test_random_goes_to_another_feature(notebook: Watched) -> None:
    page = notebook.page
    run_code(page, "dashboard.features = [9, 3]; dashboard.feature = 9")
    showing(page, 9)
    for f in (3, 9, 3, 9, 3, 9):
        page.locator(WIDGET).get_by_role("button", name="Random").click()
        showing(page, f)


def test_a_feature_that_is_not_there(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    f = python(page, "dashboard.feature")
    jump = widget.get_by_label("Number of the feature to go to")
    jump.fill("4800")
    jump.press("Enter")
    expect(widget.locator(".saew-banner").first).to_be_visible()
    expect(widget.locator(".saew-banner").first).to_contain_text("0 to 47")
    showing(page, f)
    becomes(page, "dashboard.feature", f)
    widget.get_by_role("button", name="Next").click()
    showing(page, python(page, "int(index.order('density')[1])"))
    expect(widget.locator(".saew-banner")).to_have_count(0)


def test_ablation_underlines(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    run_code(page, "dashboard.text = 'In the beginning God created the heaven'")
    expect(widget.locator(".saew-testtext")).to_contain_text("heaven")
    lines = "els => els.filter(e => e.style.borderBottom !== '').length"
    spans = widget.locator(".saew-examples .saew-t")
    sees(lambda: spans.evaluate_all(lines), 0)
    widget.get_by_label("Effect of ablation").check()
    becomes(page, "dashboard.ablation", True)
    styles = "els => els.map(e => e.style.borderBottomStyle)"
    sees(lambda: {"solid", "dashed"} <= set(spans.evaluate_all(styles)), True)
    expect(widget.locator(".saew-progress")).to_have_count(0)
    # The lines under the first example say what an ablation of its chunk says.
    deltas = python(
        page,
        """(lambda e: (lambda first: [float(d) for d in __import__('saewidgets.interventions.effects.ablation', fromlist=['x']).ablate(
            engine, list(index.texts.ids(first, int(index.texts.chunk_ptr[index.texts.chunk(__import__('numpy').array(
            [e.position]))[0] + 1]))), dashboard.feature).delta[e.start - first:e.start - first + len(e.tokens)]])(
            int(index.texts.chunk_ptr[index.texts.chunk(__import__('numpy').array([e.position]))[0]])))(
            dashboard.examples.groups[0].examples[0])""",
    )
    tokens = widget.locator(".saew-ex").first.locator(".saew-t")
    strongest = max((abs(d), i) for i, d in enumerate(deltas) if d == d)[1]

    def as_said(looks: list[str]) -> bool:
        signs = ["solid" if delta < 0 else "dashed" for delta in deltas]
        return bool(looks[strongest]) and all(look in ("", sign) for look, sign in zip(looks, signs, strict=True))

    sees(lambda: as_said(tokens.evaluate_all(styles)), True)
    tokens.nth(strongest).hover()
    expect(widget.locator(".saew-tip")).to_contain_text("This token without the feature")
    sees(lambda: widget.locator(".saew-testtext .saew-t").evaluate_all(lines) > 0, True)
    widget.get_by_role("button", name="direct effect").click()
    widget.get_by_label("Effect of ablation").uncheck()
    page.wait_for_function(f"() => ![...document.querySelectorAll('{WIDGET} .saew-t')].some(e => e.style.borderBottom)")
    assert notebook.errors == []


def test_a_kernel_error_appears_and_the_widget_goes_on(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    with without_numbers(page, "dashboard.feature"):
        widget.locator("textarea").fill("the heaven")
        banner = widget.locator(".saew-banner-error")
        expect(banner).to_contain_text("NaN")
        becomes(page, "dashboard.error['type']", "NonFiniteError")
        expect(widget.locator(".saew-examples .saew-t")).not_to_have_count(0)  # the index is as it was
    widget.locator("textarea").fill("the heaven and")
    expect(widget.locator(".saew-testtext .saew-t").last).to_contain_text("and")
    expect(banner).to_have_count(0)
    becomes(page, "dashboard.error", None)
    widget.get_by_role("button", name="Next").click()
    showing(page, python(page, "int(index.order('density')[1])"))


def test_an_index_alone(notebook: Watched) -> None:
    page = notebook.page
    widget = page.locator(WIDGET)
    page.evaluate(
        "() => { const { content } = jupyterapp.shell.currentWidget; content.activeCellIndex = 1; "
        "window.source = content.activeCell.model.sharedModel.getSource(); content.activeCell.model.sharedModel.setSource("
        "'dashboard = sw.FeatureDashboard(index=index, feature=3)\\ndashboard'); }"
    )
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource(window.source)")
    showing(page, 3)
    expect(widget.locator("textarea")).to_have_count(0)
    expect(widget.get_by_label("Effect of ablation")).to_have_count(0)
    expect(widget.locator(".saew-examples .saew-t").first).to_be_visible()
    widget.get_by_role("button", name="Next").click()
    expect(widget.locator(".saew-title h2")).not_to_have_text("Feature 3")
    assert notebook.errors == []
