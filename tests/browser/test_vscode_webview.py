"""The three widgets in a stand-in of VS Code's notebook webview: its own widget bundle, its themes, a real kernel.

VS Code forces a white ground on widgets, tells its theme by classes and variables, and listens for keys on the window.
The modules come from node_modules, or from the folders in NODE_PATH.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, new_context
from playwright.sync_api import Browser, Page, Route, TimeoutError, expect
from test_dashboard_in_jupyterlab import SETUP

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent / "vscode"
ROOT = Path(__file__).parents[2]
NBEXTENSIONS = Path(sys.prefix) / "share" / "jupyter" / "nbextensions"
WIDGETS = ("heatmap", "dashboard", "steering")
THEMES = {
    "vscode-light": "light",
    "vscode-dark": "dark",
    "vscode-high-contrast": "contrast",
    "vscode-high-contrast-light": "contrast",
}
SHOW = """
from IPython.display import display
strong = int(index.order("max")[0])
heatmap = sw.TokenFeatureHeatmap(engine, text="In the beginning God", features=[strong])
dashboard = sw.FeatureDashboard(engine, index, feature=strong)
steering = sw.SteeringPanel(engine, index, prompt="In the beginning", recipe=sw.add(strong, 3, unit="max"), n_tokens=4)
display(heatmap); display(dashboard); display(steering)
"""
KEPT = [
    *("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown", "Escape", "Enter", " "),
    *("Control+Home", "Control+End", "Shift+Enter", "Control+Enter", "Shift+ArrowDown"),
]
# From every control in turn: no default actions, so that nothing opens or runs on the way.
PRESS = """([widget, keys]) => {
    const found = [...document.querySelectorAll(`.saew-${widget} :is(button, input, select, textarea, summary, a, [tabindex])`)];
    window.keys = [];
    let pressed = 0;
    for (const one of found) for (const name of keys) {
        if (!one.isConnected) continue;
        const [key, ...modifiers] = name.split("+").reverse();
        pressed += 1;
        one.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, composed: true,
            ctrlKey: modifiers.includes("Control"), shiftKey: modifiers.includes("Shift") }));
    }
    return { pressed, controls: found.length, seen: window.keys };
}"""

GROUND = "getComputedStyle(document.documentElement).getPropertyValue('--vscode-editor-background')"


def installed(name: str) -> Path:
    """A file of an npm package."""
    folders = [ROOT / "node_modules", *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)))]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise RuntimeError(f"There is no {name} in {', '.join(map(str, folders))}: npm ci")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's script."""
    made = tmp_path_factory.mktemp("vscode") / "page.js"
    installed("@vscode/jupyter-ipywidgets8/dist/ipywidgets.js")
    options = ["--bundle", "--format=esm", "--target=es2022", "--alias:path=path-browserify", "--log-level=error"]
    options += ["--define:process.env={}", "--define:global=globalThis", f"--outfile={made}"]
    subprocess.run([installed(".bin/esbuild"), HERE / "page.js", *options], check=True, cwd=ROOT)
    return made


@pytest.fixture(scope="module")
def webview(browser: Browser, lab: Lab, bundle: Path) -> Iterator[Watched]:
    """The three widgets, shown by one kernel. The files stand under the server's own address, as its kernels ask."""
    context = new_context(browser, viewport={"width": 1100, "height": 900})
    # A page that a test serves has no address of its own, and Chromium would keep it from this machine's kernels.
    context.grant_permissions(["local-network-access"])
    watched = Watched(context)
    page = watched.page
    files = {"index.html": HERE / "index.html", "page.js": bundle, "require.js": installed("requirejs/require.js")}

    def serve(route: Route) -> None:
        name = route.request.url.split("?")[0].split("/vscode/")[1]
        path = NBEXTENSIONS / name.removeprefix("nbextensions/") if name.startswith("nbextensions/") else files[name]
        route.fulfill(path=path)

    page.route("**/vscode/**", serve)
    page.goto(f"{lab.base}/vscode/index.html?token={lab.token}")
    try:
        page.wait_for_function("window.ready || window.fatal")
    except TimeoutError as late:
        raise AssertionError(f"Stuck at {page.evaluate('window.stage')}; {watched.errors}") from late
    assert page.evaluate("window.fatal ?? null") is None
    run(page, SETUP + SHOW)
    expect(page.locator(".saew-heatmap .saew-ranking tbody tr").first).to_be_visible()
    expect(page.locator(".saew-dashboard .saew-examples .saew-t").first).to_be_visible()
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    yield watched
    page.evaluate("window.shutDown()")
    context.close()


def run(page: Page, code: str) -> str:
    printed = str(page.evaluate("code => window.run(code)", code))
    assert "ERROR " not in printed, printed
    return printed.strip()


def test_clicks_reach_the_kernel_and_nothing_leaves_the_machine(webview: Watched) -> None:
    page = webview.page
    page.locator(".saew-heatmap .saew-t").nth(2).click()
    becomes(page, "list(heatmap.selected_tokens)", [2], run)
    page.locator(".saew-dashboard .saew-examples .saew-t").nth(1).click()
    becomes(page, "dashboard.selected_example is not None", True, run)
    page.get_by_role("button", name="Generate").click()
    becomes(page, "len(steering.history)", 1, run)
    expect(page.locator(".saew-steering .saew-pair .saew-text")).to_have_count(2)
    assert (webview.errors, webview.outside, page.evaluate("window.failures")) == ([], [], [])


@pytest.mark.parametrize("theme", THEMES)
def test_every_widget_takes_the_theme_and_not_the_white_ground(webview: Watched, theme: str, tmp_path: Path) -> None:
    page = webview.page
    page.evaluate("name => window.setTheme(name)", theme)
    shots = Path(os.environ.get("SAEW_SHOTS", tmp_path))
    for name in WIDGETS:
        root = page.locator(f".saew-{name}")
        expect(root).to_have_attribute("data-theme", THEMES[theme])
        ground = page.locator(".cell-output-ipywidget-background", has=root)
        assert ground.evaluate("el => getComputedStyle(el).backgroundColor") == "rgba(0, 0, 0, 0)"
        # Text is told from the ground: light on dark, dark on light.
        ink = root.evaluate("el => getComputedStyle(el).color.match(/[0-9.]+/g).slice(0, 3).map(Number)")
        dark = theme in ("vscode-dark", "vscode-high-contrast")
        assert (sum(ink) / 3 > 128) == dark, ink
        # Panels are of VS Code's own ground, not of another dark.
        panel = root.evaluate("el => getComputedStyle(el).getPropertyValue('--saew-panel')")
        assert panel == page.evaluate(GROUND), theme
        assert root.bounding_box()["width"] > 600  # type: ignore[index]
        root.screenshot(path=shots / f"{name}-{theme}.png")
    assert (webview.errors, webview.outside, page.evaluate("window.failures")) == ([], [], [])


@pytest.mark.parametrize("widget", WIDGETS)
def test_keys_of_the_widget_stay_in_it_from_every_control(webview: Watched, widget: str) -> None:
    page = webview.page
    told = page.evaluate(PRESS, [widget, KEPT])
    assert told["controls"] > 5
    assert told["pressed"] >= len(KEPT) * 5
    assert told["seen"] == []
    told = page.evaluate(PRESS, [widget, ["Control+s", "F1", "Control+PageDown"]])
    assert len(told["seen"]) == told["pressed"] > 0


def test_real_keys_in_the_prompt_move_the_caret_and_lose_nothing(webview: Watched) -> None:
    page = webview.page
    box = page.get_by_label("Text to continue")
    box.fill("one two")
    page.evaluate("window.keys = []")
    for key in ("Home", "End", "Control+Home", "PageDown", "Escape", "Control+End", "Shift+Enter"):
        box.press(key)
    box.press("F1")
    expect(box).to_have_value("one two\n")
    assert set(page.evaluate("window.keys")) <= {"F1", "Control", "Shift"}
    assert "F1" in page.evaluate("window.keys")
    becomes(page, "steering.prompt", "one two\n", run)
