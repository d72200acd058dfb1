"""Every widget in one JupyterLab notebook: shown twice and hidden at first, without room, in full screen, cut off, reloaded,
restarted, reopened, converted, closed. The tests follow one another as the life of one notebook does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from every_widget import CELL, ROOTS, SIGNS, WIDGETS
from lab import Lab, Watched, run_all, run_code, watching, write_notebook
from looks import THEMES, fits, in_theme, shot
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.browser

NAME = "every.ipynb"
TRACKER = "@jupyterlab/notebook-extension:tracker"
HIDDEN = f"""
import ipywidgets
names = {WIDGETS!r}
tabs = ipywidgets.Tab([shown[name] for name in names[:7]], titles=names[:7])
folds = ipywidgets.Accordion([shown[name] for name in names[7:]], titles=names[7:])
display(tabs, folds)
"""
# Canvases that are not as large as what they are shown at, or on which nothing was drawn.
UNDRAWN = """roots => [...document.querySelectorAll(roots)].filter(el => el.clientWidth > 0).flatMap(el => {
    const wrong = [...el.querySelectorAll('canvas')].filter(c => {
        const dense = devicePixelRatio, near = (a, b) => Math.abs(a - b * dense) <= 1;
        return !near(c.width, c.clientWidth) || !near(c.height, c.clientHeight);
    });
    const drawn = c => new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer).some(x => x);
    const all = [...el.querySelectorAll('canvas')];
    return [...wrong.map(c => `${c.width} x ${c.height} at ${c.clientWidth} x ${c.clientHeight}`),
        ...(all.length > 0 && !all.some(drawn) ? ['nothing'] : [])];
})"""
SAID = "The kernel was restarted or shut down: run this cell again."
NO_ANSWER = "No answer from the kernel: it is busy, disconnected or restarted. If it is idle, run this cell again."


@pytest.fixture(scope="module")
def opened(lab: Lab, notebooks: Path, browser: Browser) -> Iterator[Watched]:
    write_notebook(notebooks / NAME, [CELL, HIDDEN, *WIDGETS])
    with watching(browser) as watched:
        page = watched.page
        page.set_viewport_size({"width": 1400, "height": 1000})
        # Cells are in the document in sight or not: else they could not be counted.
        lab.settings(page, TRACKER, {"windowingMode": "none"})
        lab.open(page, NAME)
        run_all(page)
        run_code(page, "")  # after all cells
        yield watched
        lab.settings(page, TRACKER, {})


def seen(page: Page, name: str) -> Locator:
    """The view in the widget's own cell."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(2 + WIDGETS.index(name))
    cell.scroll_into_view_if_needed()
    return cell.locator(ROOTS[name])


def test_it_is_shown_twice_and_drawn_when_its_tab_or_fold_is_opened(opened: Watched) -> None:
    page = opened.page
    for i, name in enumerate(WIDGETS):
        run_code(page, f"tabs.selected_index = {i}" if i < 7 else f"folds.selected_index = {i - 7}")
        first = page.locator(f".jp-Notebook .jp-CodeCell:nth-child(2) {ROOTS[name]}")
        expect(first.locator(SIGNS[name]).first).to_be_visible()
        expect(seen(page, name).locator(SIGNS[name]).first).to_be_visible()
        page.wait_for_function(f"root => ({UNDRAWN})(root).length === 0", arg=ROOTS[name])
        fits(page, ROOTS[name])
        shot(page, ROOTS[name], f"lab-{name}")
    assert (opened.errors, opened.outside) == ([], [])


def test_it_takes_the_theme_of_jupyterlab(opened: Watched) -> None:
    """Of what has another theme, tests/browser/test_reading.py tells how it is read."""
    for theme in THEMES:
        with in_theme(opened.page, ".jp-Notebook .saew", theme):
            pass  # it waits until they have it
    assert opened.errors == []


def test_without_room_nothing_fails_and_with_room_all_is_drawn(opened: Watched) -> None:
    page = opened.page
    squeeze = "(el, width) => { el.parentElement.style.cssText = `min-width: 0; flex: none; width: ${width}px; overflow: hidden`; }"
    for name in WIDGETS:
        view = seen(page, name)
        view.evaluate(squeeze, 0)
        # A padding is all that is left, and what comes meanwhile is drawn into it.
        page.wait_for_function("el => el.clientWidth < 10", arg=view.element_handle())
        run_code(page, f"getattr({name}, 'bar', {name}).revision += 1")
        view.evaluate(squeeze, 700)
        page.wait_for_function("el => el.clientWidth === 700", arg=view.element_handle())
        expect(view.locator(SIGNS[name]).first).to_be_visible()
        page.wait_for_function(f"root => ({UNDRAWN})(root).length === 0", arg=ROOTS[name])
        view.evaluate("el => { el.parentElement.style.cssText = ''; }")
    assert opened.errors == []


def test_full_screen_is_the_screen_and_escape_leaves_it(opened: Watched) -> None:
    page = opened.page
    for name in WIDGETS:
        view = seen(page, name)
        view.get_by_role("button", name="Full screen", exact=True).click()
        page.wait_for_function(
            "([el, bar]) => document.fullscreenElement === (bar ? el.closest('.saew-explore') : el)",
            arg=[view.element_handle(), name == "explore"],
        )
        page.wait_for_function(f"root => ({UNDRAWN})(root).length === 0", arg=ROOTS[name])
        page.keyboard.press("Escape")  # the focus is on the button, inside
        page.wait_for_function("() => !document.fullscreenElement && !document.querySelector('[data-full]')")
    assert opened.errors == []


def test_cut_off_and_connected_again_it_goes_on(opened: Watched) -> None:
    page = opened.page
    run_code(
        page,
        "asked = set()\n"
        "for n, w in shown.items():\n"
        "    getattr(w, 'bar', w).on_msg(lambda w, message, _, n=n: asked.add(n) if message.get('t') == 'req' else None)",
    )
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.reconnect()")
    run_code(page, "for w in shown.values(): getattr(w, 'bar', w).revision += 1")
    page.wait_for_function(
        """async n => {
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            let told = '';
            const future = kernel.requestExecute({ code: 'print(len(asked))' });
            future.onIOPub = m => { told += m.content.text ?? ''; };
            await future.done;
            return Number(told) === n;
        }""",
        arg=len(WIDGETS),
    )
    expect(page.locator(".saew [role=alert]")).to_have_count(0)


def test_a_page_that_is_loaded_again_shows_it_again(opened: Watched, lab: Lab) -> None:
    page = opened.page
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    lab.open(page, NAME)
    for name in WIDGETS:
        expect(seen(page, name).locator(SIGNS[name]).first).to_be_visible()
    assert opened.errors == []


def test_converted_to_html_there_is_its_picture(opened: Watched, notebooks: Path) -> None:
    """`jupyter nbconvert --to html`, of a notebook that was saved without widget state."""
    book = nbformat.read(notebooks / NAME, 4)
    assert "widgets" not in book.metadata
    for name, cell in zip(WIDGETS, book.cells[2:], strict=True):
        one = nbformat.v4.new_notebook(cells=[cell], metadata=book.metadata)
        html, _ = HTMLExporter().from_notebook_node(one)
        assert "run it again for the live view" in html, name
        assert '<script type="application/vnd.jupyter.widget-view+json">' not in html, name


def test_reopened_with_saved_state_and_no_kernel_it_says_what_to_do(
    opened: Watched, browser: Browser, lab: Lab, notebooks: Path
) -> None:
    """With "Save Widget State Automatically", or executed by nbclient: JupyterLab draws a view for which nobody answers."""
    run_code(
        opened.page,
        f"""
import nbformat, ipywidgets
from nbformat.sign import NotebookNotary
book = nbformat.read({str(notebooks / NAME)!r}, 4)
book.metadata["widgets"] = {{"application/vnd.jupyter.widget-state+json": ipywidgets.Widget.get_manager_state()}}
nbformat.write(book, {str(notebooks / "stated.ipynb")!r})
NotebookNotary().sign(nbformat.read({str(notebooks / "stated.ipynb")!r}, 4))
""",
    )
    with watching(browser) as watched:
        page = watched.page
        page.goto(f"{lab.base}/lab/tree/stated.ipynb?token={lab.token}&reset")
        for name in WIDGETS:
            expect(seen(page, name)).to_contain_text(NO_ANSWER)


def test_restarted_it_says_so(opened: Watched) -> None:
    page = opened.page
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    for name in WIDGETS:
        expect(seen(page, name).locator("> [role=alert]")).to_contain_text(SAID)
    assert opened.errors == []
