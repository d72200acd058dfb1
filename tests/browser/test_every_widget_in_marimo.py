"""Every widget in a marimo notebook that is edited: shadow roots, one module for all views, comms that close when a cell runs again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from every_widget import CELL, ROOTS, SIGNS, WIDGETS
from lab import PATIENCE, Watched, until_up, watching
from looks import shot
from playwright.sync_api import Browser, Locator, expect

pytestmark = pytest.mark.browser

# marimo shows no box of ipywidgets: of a workbench its views, by themselves.
SHOWN = tuple(name for name in WIDGETS if name != "explore")
NOTEBOOK = f"""
import marimo
app = marimo.App(width="full")

@app.cell
def _():
{"".join(f"    {line}{chr(10)}" for line in CELL.replace("globals().update(shown)", "import marimo as mo").split(chr(10)))}
    return mo, shown

@app.cell
def _(mo, shown):
    heatmap = mo.ui.anywidget(shown["heatmap"])
    heatmap
    return (heatmap,)

@app.cell
def _(heatmap):
    print("selected", heatmap.value["selected_tokens"])
    return

@app.cell
def _(mo, shown):
    mo.vstack([mo.ui.anywidget(shown[name]) for name in {SHOWN[1:]!r}])
    return

@app.cell
def _(mo, shown):
    mo.ui.anywidget(shown["explore"].dashboard)
    return
"""


@pytest.fixture(scope="module")
def shown(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The notebook, run, with the system's theme."""
    folder = tmp_path_factory.mktemp("marimo")
    (folder / "every.py").write_text(NOTEBOOK)
    (folder / "config" / "marimo").mkdir(parents=True)
    (folder / "config" / "marimo" / "marimo.toml").write_text('[display]\ntheme = "system"\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log"
    command = [sys.executable, "-m", "marimo", "edit", "every.py", "--headless", "--no-token", f"--port={port}"]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "--skip-update-check"],
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state")},
        )
    try:
        until_up(f"http://127.0.0.1:{port}/health", process, log)
        with watching(browser) as watched:
            page = watched.page
            page.goto(f"http://127.0.0.1:{port}/")
            page.get_by_text("import every_widget_made").first.wait_for()
            page.keyboard.press("Control+Shift+R")  # runs what is stale: all
            yield watched
    finally:
        process.terminate()
        process.wait(PATIENCE / 1000)


def seen(watched: Watched, name: str) -> Locator:
    """The view; a workbench's dashboard comes after the other."""
    return watched.page.locator(f".saew-{name}").first


def test_every_widget_is_shown_in_both_themes(shown: Watched) -> None:
    page = shown.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for name in SHOWN:
            view = seen(shown, name)
            expect(view.locator(SIGNS[name]).first).to_be_visible()
            expect(view).to_have_attribute("data-theme", scheme)
            page.wait_for_function("el => el.scrollWidth - el.clientWidth <= 1", arg=view.element_handle())
            shot(page, f"{ROOTS[name]} >> nth=0", f"marimo-{name}-{scheme}")
    assert (shown.errors, shown.outside) == ([], [])


def test_it_has_the_whole_screen_though_it_stands_in_a_shadow_root(shown: Watched) -> None:
    page = shown.page
    for name in SHOWN:
        view = seen(shown, name)
        view.get_by_role("button", name="Full screen", exact=True).click()
        page.wait_for_function("el => el.matches(':fullscreen')", arg=view.element_handle())
        page.keyboard.press("Escape")
        page.wait_for_function("el => !document.fullscreenElement && !el.dataset.full", arg=view.element_handle())
    assert shown.errors == []


def test_a_click_is_a_value_and_a_cell_that_runs_again_shows_it_again(shown: Watched) -> None:
    page = shown.page
    seen(shown, "heatmap").locator(".saew-t").nth(2).click()
    expect(page.get_by_text("selected [2]")).to_be_visible()
    # The cell of one widget keeps its view; that which makes them all gives new ones.
    for cell, token, selected in ((1, 4, "[2, 4]"), (0, 3, "[3]")):
        page.evaluate(
            """() => { const all = root => [...root.querySelectorAll('*')].flatMap(el => [
                ...(el.matches('.saew') ? [el] : []), ...(el.shadowRoot ? all(el.shadowRoot) : [])]);
                for (const el of all(document)) el.dataset.old = ''; }"""
        )
        page.locator("[data-cell-id]").nth(cell).locator(".cm-content").first.click()
        page.keyboard.press("Control+Enter")
        for name in SHOWN if cell == 0 else ():
            view = page.locator(f".saew-{name}:not([data-old])").first
            expect(view.locator(SIGNS[name]).first).to_be_visible()
            expect(view.locator("[role=alert]")).to_have_count(0)
        seen(shown, "heatmap").locator(".saew-t").nth(token).click()
        expect(page.get_by_text(f"selected {selected}")).to_be_visible()
    assert shown.errors == []
