"""How a widget looks, told by the browser: its theme, what axe finds, whether it fits its width, and a picture of it.

`root` is always the selector of the widget's own element (".saew-map").
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import set_theme
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa")
THEMES = ("JupyterLab Light", "JupyterLab Dark")
SHOTS = os.environ.get("SAEW_SHOTS")


def wears(page: Page, root: str, theme: str) -> None:
    """Wait until a widget is there and every one of that selector has the theme: "light", "dark" or "contrast"."""
    page.wait_for_function(
        """([root, theme]) => {
            const all = [...document.querySelectorAll(root)];
            return all.length > 0 && all.every(el => el.dataset.theme === theme);
        }""",
        arg=[root, theme],
    )


@contextmanager
def in_theme(page: Page, root: str, theme: str) -> Iterator[None]:
    """JupyterLab in one of THEMES, and the widget with it; in the light one afterwards."""
    try:
        set_theme(page, theme)
        wears(page, root, "dark" if theme.endswith("Dark") else "light")
        yield
    finally:
        set_theme(page, THEMES[0])


def accessible(page: Page, root: str, rules: Sequence[str] = RULES) -> None:
    """Nothing that axe finds in the widget against these rules, or tags of rules."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = page.evaluate("([root, rules]) => axe.run(root, {runOnly: rules})", [root, list(rules)])
    wrong = [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["any"]) for v in found["violations"]]
    assert not wrong, wrong


def fits(page: Page, root: str) -> None:
    """Nothing sticks out of the widget's width."""
    for wide, over in page.locator(root).evaluate_all(
        "all => all.map(el => [el.clientWidth, el.scrollWidth - el.clientWidth])"
    ):
        assert over <= 1, f"{over} px stick out of {wide}"


def shot(page: Page, root: str, name: str) -> None:
    """Keep a picture of the widget, where SAEW_SHOTS names a folder."""
    if SHOTS:
        page.locator(root).first.screenshot(path=f"{SHOTS}/{name}.png")
