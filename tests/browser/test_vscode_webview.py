"""Every widget in a stand-in of VS Code's notebook webview: its own widget bundle, its themes, a real kernel.

VS Code forces a white ground on widgets, tells its theme by classes and variables, listens for keys on the window, and gives
no frame the whole screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from every_widget import CELL, ROOTS, SIGNS, WIDGETS
from lab import Lab, Watched, becomes
from looks import accessible, fits, shot, wears
from playwright.sync_api import Browser, Error, expect
from webview import STRICT, bundled, run, webview

pytestmark = pytest.mark.browser

THEMES = {
    "vscode-light": "light",
    "vscode-dark": "dark",
    "vscode-high-contrast": "contrast",
    "vscode-high-contrast-light": "contrast",
}
SHOW = """
from IPython.display import display
for one in shown.values(): display(one)
"""
KEPT = [
    *("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown", "Escape", "Enter", " "),
    *("Control+Home", "Control+End", "Shift+Enter", "Control+Enter", "Shift+ArrowDown"),
]
# From every control in turn, the first dozen of a kind: no default actions, so that nothing opens or runs on the way.
PRESS = """([root, keys]) => {
    const kinds = new Map();
    const found = [...document.querySelector(root).querySelectorAll(
        'button, input, select, textarea, summary, a, [tabindex]')].filter(one => {
        const kind = `${one.tagName} ${one.className}`;
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
        return kinds.get(kind) <= 12;
    });
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


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled(tmp_path_factory.mktemp("vscode"))


@pytest.fixture(scope="module")
def shown(browser: Browser, lab: Lab, script: Path) -> Iterator[Watched]:
    """All widgets, by one kernel."""
    with webview(browser, lab, script) as watched:
        run(watched.page, CELL + SHOW)
        for name in WIDGETS:
            expect(watched.page.locator(f"{ROOTS[name]} {SIGNS[name]}").first).to_be_visible()
        yield watched


def test_clicks_reach_the_kernel_and_nothing_leaves_the_machine(shown: Watched) -> None:
    page = shown.page
    page.locator(f"{ROOTS['heatmap']} .saew-t").nth(2).click()
    becomes(page, "list(heatmap.selected_tokens)", [2], run)
    page.locator(f"{ROOTS['dashboard']} .saew-examples .saew-t").nth(1).click()
    becomes(page, "dashboard.selected_example is not None", True, run)
    page.locator(ROOTS["steering"]).get_by_role("button", name="Generate").click()
    becomes(page, "len(steering.history)", 1, run)
    expect(page.locator(f"{ROOTS['steering']} .saew-pair .saew-text")).to_have_count(2)
    assert (shown.errors, shown.outside, page.evaluate("window.failures")) == ([], [], [])


@pytest.mark.parametrize("theme", THEMES)
def test_every_widget_takes_the_theme_and_not_the_white_ground(shown: Watched, theme: str) -> None:
    page = shown.page
    page.evaluate("name => window.setTheme(name)", theme)
    ground = page.evaluate(GROUND)
    dark = theme in ("vscode-dark", "vscode-high-contrast")
    for name, root in ROOTS.items():
        wears(page, root, THEMES[theme])
        told = page.locator(root).evaluate("""el => {
            const cell = el.closest('.cell-output-ipywidget-background'), style = getComputedStyle(el);
            return { behind: getComputedStyle(cell).backgroundColor, panel: style.getPropertyValue('--saew-panel'),
                ink: style.color.match(/[0-9.]+/g).slice(0, 3).map(Number), width: el.clientWidth };
        }""")
        assert told["behind"] == "rgba(0, 0, 0, 0)", name
        # Text is told from the ground: light on dark, dark on light.
        assert (sum(told["ink"]) / 3 > 128) == dark, (name, told)
        # Panels are of VS Code's own ground, not of another dark.
        assert told["panel"] == ground, (name, theme)
        assert told["width"] > 600, name
        shot(page, root, f"{name}-{theme}")
    if theme == "vscode-dark":  # light is JupyterLab's, and high contrast the system's colours
        accessible(page, ".saew:not(.saew-explore .saew)", ("color-contrast",))
    assert (shown.errors, shown.outside, page.evaluate("window.failures")) == ([], [], [])


@pytest.mark.parametrize("widget", WIDGETS)
def test_keys_of_the_widget_stay_in_it_from_every_control(shown: Watched, widget: str) -> None:
    page = shown.page
    fits(page, ROOTS[widget])
    told = page.evaluate(PRESS, [ROOTS[widget], KEPT])
    assert told["controls"] > 3
    assert told["pressed"] >= len(KEPT) * 3
    assert told["seen"] == []
    told = page.evaluate(PRESS, [ROOTS[widget], ["Control+s", "F1", "Control+PageDown"]])
    assert len(told["seen"]) == told["pressed"] > 0


def test_real_keys_in_the_prompt_move_the_caret_and_lose_nothing(shown: Watched) -> None:
    page = shown.page
    box = page.locator(ROOTS["steering"]).get_by_label("Text to continue")
    box.fill("one two")
    page.evaluate("window.keys = []")
    for key in ("Home", "End", "Control+Home", "PageDown", "Escape", "Control+End", "Shift+Enter"):
        box.press(key)
    box.press("F1")
    expect(box).to_have_value("one two\n")
    assert set(page.evaluate("window.keys")) <= {"F1", "Control", "Shift"}
    assert "F1" in page.evaluate("window.keys")
    becomes(page, "steering.prompt", "one two\n", run)


# Where the widget's element is, and whether anything lies on it there.
ON_TOP = """root => { const el = document.querySelector(root), box = el.getBoundingClientRect();
    const at = (x, y) => { const found = document.elementFromPoint(x, y); return found === el || el.contains(found); };
    return [box.left, box.top, box.width - innerWidth, box.height - innerHeight,
        at(4, 4), at(innerWidth - 4, innerHeight - 4)]; }"""


def test_full_screen_fills_the_window_of_a_frame_that_may_have_no_more(shown: Watched) -> None:
    page = shown.page
    page.evaluate("() => { Element.prototype.requestFullscreen = () => Promise.reject(new TypeError('not here')); }")
    for name, root in ROOTS.items():
        root = root if name != "explore" else ".saew-explore"
        button = page.locator(ROOTS[name]).get_by_role("button", name="Full screen", exact=True)
        # Even in a box that would hold what is fixed.
        page.locator(root).evaluate("el => { el.parentElement.style.transform = 'translateX(20px)'; }")
        button.click()
        page.wait_for_function(f"root => String(({ON_TOP})(root)) === '0,0,0,0,true,true'", arg=root)
        shot(page, root, f"{name}-full")
        # The focus is inside: its control leaves, and does not lose its own.
        page.keyboard.press("Escape")
        expect(button).to_have_attribute("title", "Full screen")
        page.wait_for_function(f"root => ({ON_TOP})(root)[2] < 0", arg=root)
    assert shown.errors == []


def test_under_its_strict_policy_no_widget_can_be_loaded(
    shown: Watched, browser: Browser, lab: Lab, script: Path
) -> None:
    """`notebook.experimental.enableCsp` forbids scripts from blobs, as which anywidget loads every widget: a page is the way."""
    kernel = shown.page.evaluate("window.kernel")
    with webview(browser, lab, script, kernel, STRICT) as strict:
        with pytest.raises(Error):  # VS Code's own, for the model that it could not make
            run(strict.page, "display(sw.TokenFeatureHeatmap(heatmap.engine, 'God'))")
        assert any("Loading the script 'blob:" in error for error in strict.errors)
        expect(strict.page.locator(".saew")).to_have_count(0)
