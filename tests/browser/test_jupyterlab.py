"""The quickstart in a real JupyterLab: type, click, traits both ways, errors, two views, hostile text, themes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from lab import Lab, Watched, becomes, python, run_anew, run_code, sees, without_numbers
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

WIDGET = ".jp-OutputArea .saew-heatmap"
HOSTILE = "</script><img src=x onerror=alert(1)> <!-- &amp; \u2028 \u0000 \u200f\u202eRTL \u200b\ufeff 日本語 😀\nline"


def colours(page: Page, root: str = WIDGET) -> list[str]:
    return page.locator(root).first.locator(".saew-t").evaluate_all("els => els.map(e => e.style.background)")


def token_texts(page: Page, root: str = WIDGET) -> list[str]:
    return page.locator(root).first.locator(".saew-t").evaluate_all("els => els.map(e => e.textContent)")


def wait_for_tokens(page: Page, text: str) -> None:
    """Until the first widget shows a token list that holds `text`."""
    page.wait_for_function(
        """([root, text]) => [...document.querySelector(root).querySelectorAll('.saew-t')]
            .map(e => e.textContent).join('').includes(text)""",
        arg=[WIDGET, text],
    )


@pytest.fixture(scope="module")
def opened(lab: Lab, browser: Browser) -> Iterator[Watched]:
    with lab.opened(browser, "quickstart.ipynb") as watched:
        yield watched


# Run anew, the notebook's first cell would load the model again.
KEEP = """
if "engine" in globals():
    sw.load_demo = (lambda kept: lambda: kept)(engine)
"""


@pytest.fixture
def notebook(opened: Watched) -> Watched:
    page = opened.page
    run_code(page, KEEP)
    run_anew(opened, WIDGET)
    wait_for_tokens(page, " on Sunday we sing")  # what its last cell sets
    page.wait_for_selector(f"{WIDGET} .saew-feature")
    # Running all cells scrolls down, and JupyterLab does not draw cells that are out of sight.
    page.locator(WIDGET).first.scroll_into_view_if_needed()
    return opened


def test_the_quickstart(notebook: Watched) -> None:
    page = notebook.page
    run_code(page, "heatmap.text = 'In the beginning, God created the heavens and the'; heatmap.features = []")
    wait_for_tokens(page, " heavens and the")
    sees(lambda: token_texts(page)[1:4], ["In", " the", " beginning"])
    strongest = run_code(page, "print(list(heatmap.activations.top(1))[0])")
    expect(page.locator(f"{WIDGET} .saew-feature").first).to_have_text(strongest)

    # Click a feature: the text is coloured, and the trait is there in the next cell.
    page.locator(f"{WIDGET} .saew-feature").first.click()
    becomes(page, "[heatmap.feature, heatmap.features]", [int(strongest), [int(strongest)]])
    active = json.loads(
        run_code(
            page,
            "import json; a = heatmap.activations; print(json.dumps([i for i in range(len(a)) "
            "if a[i, heatmap.feature] != 0 and a.counted[i]]))",
        )
    )
    assert active
    sees(lambda: [i for i, look in enumerate(colours(page)) if look], active)

    # Type: the text is computed and coloured again, and the trait follows.
    box = page.locator(f"{WIDGET} textarea").first
    box.click()
    box.press("Control+End")
    box.type(" earth. On Monday", delay=20)
    wait_for_tokens(page, " earth. On Monday")
    expect(box).to_have_value(re.compile("and the earth. On Monday$"))
    becomes(page, "heatmap.text.endswith('and the earth. On Monday')", True)  # when the typing pauses

    # Click a token: the ranking is over it, and the next cell can read it.
    monday = page.locator(f"{WIDGET} .saew-t", has_text="Monday").first
    monday.click()
    page.wait_for_selector(f"{WIDGET} >> text=selected token")
    becomes(page, "len(heatmap.selected_tokens)", 1)
    selected = python(page, "heatmap.selected_tokens")
    sees(lambda: [token_texts(page)[i] for i in selected], [" Monday"])
    expect(page.locator(f"{WIDGET} .saew-feature").first).to_have_text("2717")
    value = page.locator(f"{WIDGET} .saew-ranking tbody tr").first.locator("td.saew-by")
    wanted = python(page, "float(heatmap.activations[heatmap.selected_tokens[0], 2717])")
    sees(lambda: float(value.inner_text()), pytest.approx(wanted, abs=0.006))

    # Traits from Python.
    run_code(page, "heatmap.features = [2717, 3626]")
    page.wait_for_function(f"() => document.querySelectorAll('{WIDGET} .saew-chip').length === 2")
    assert notebook.errors == []
    assert notebook.outside == []


def test_a_kernel_error_appears_and_the_widget_goes_on(notebook: Watched) -> None:
    page = notebook.page
    box = page.locator(f"{WIDGET} textarea").first
    with without_numbers(page):
        box.fill("something new")
        banner = page.locator(f"{WIDGET} .saew-banner-error").first
        expect(banner).to_contain_text("NaN")
        becomes(page, "heatmap.error['type']", "NonFiniteError")
        banner.get_by_text("Copy details").click()
        sees(lambda: "Traceback" in page.evaluate("navigator.clipboard.readText()"), True)
    box.fill("something newer")
    wait_for_tokens(page, "something newer")
    page.wait_for_function(f"() => !document.querySelector('{WIDGET} .saew-banner-error')")
    becomes(page, "heatmap.error", None)


def test_two_views_stay_in_step(notebook: Watched) -> None:
    page = notebook.page
    page.evaluate(
        """() => { const { notebook } = jupyterapp.shell.currentWidget.content ? { notebook: jupyterapp.shell.currentWidget.content } : {};
            notebook.activeCellIndex = notebook.widgets.length - 1; }"""
    )
    page.evaluate("() => jupyterapp.commands.execute('notebook:insert-cell-below')")
    page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.setSource('heatmap')")
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    page.wait_for_function(f"() => document.querySelectorAll('{WIDGET}').length >= 2")
    last = page.locator(WIDGET).last
    last.locator(".saew-t").first.wait_for()
    last.locator("textarea").first.fill("A text typed in the second view")
    wait_for_tokens(page, " typed in the second view")
    expect(page.locator(WIDGET).first.locator("textarea").first).to_have_value("A text typed in the second view")
    last.locator(".saew-t", has_text="typed").first.click()
    page.wait_for_function(
        f"() => [...document.querySelectorAll('{WIDGET}')].every(w => w.querySelectorAll('.saew-selected').length === 1)"
    )
    page.evaluate("() => jupyterapp.commands.execute('notebook:delete-cell')")


def test_hostile_text_is_text(notebook: Watched) -> None:
    page = notebook.page
    run_code(page, f"heatmap.text = {HOSTILE!r}")
    wait_for_tokens(page, "</script")
    shown = page.locator(WIDGET).first.locator(".saew-text")
    for visible in (
        "</script>",
        "<img",
        "<!--",
        "&amp;",
        "U+2028",
        "U+0000",
        "U+200F",
        "U+202E",
        "U+200B",
        "U+FEFF",
        "日",
        "😀",
        "↵",
    ):
        expect(shown).to_contain_text(visible)
    expect(page.locator(f"{WIDGET} img")).to_have_count(0)
    assert page.evaluate(f"() => document.querySelector('{WIDGET}').textContent.includes('\\u202e')") is False
    run_code(page, "heatmap.text = ''")
    page.wait_for_selector(f"{WIDGET} >> text=No token is counted")


def test_keyboard(notebook: Watched) -> None:
    page = notebook.page
    run_code(page, "heatmap.text = 'In the beginning'; heatmap.features = []")
    wait_for_tokens(page, "In the beginning")
    page.locator(f"{WIDGET} .saew-text").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    becomes(page, "heatmap.selected_tokens", [2])
    page.keyboard.press("Escape")
    becomes(page, "heatmap.selected_tokens", [])
    first = page.locator(f"{WIDGET} .saew-feature").first
    first.focus()
    page.keyboard.press("ArrowDown")
    second = page.locator(f"{WIDGET} .saew-feature").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("Enter")
    becomes(page, "heatmap.feature", int(second.inner_text()))
