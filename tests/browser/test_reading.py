"""Every widget as it is read: themes and forced colours, narrow and wide, letters of other scripts; by ear and by keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_made import DEAD
from lab import new_context
from playwright.sync_api import Browser, Locator, expect
from stage import ROOT, WIDGETS, Stage, every_widget

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
THEMES = ("light", "dark", "contrast", "forced", "forced dark")
WIDTHS = (320, 400, 640, 1100, 2000)
"""The narrowest that WCAG asks for (1,280 at four times the size); 640 is 1,280 at twice."""
SHOTS = os.environ.get("SAEW_SHOTS")

# What reaches beyond the widget without a box around it that scrolls or cuts it.
TOO_WIDE = """() => [...document.querySelectorAll('.saew')].flatMap(root => {
    const right = root.getBoundingClientRect().right;
    if (!root.getClientRects().length) return [];
    return [...root.querySelectorAll('*')].filter(el => {
        if (!el.getClientRects().length || el.getBoundingClientRect().right <= right + 1) return false;
        for (let box = el.parentElement; box !== root; box = box.parentElement)
            if (getComputedStyle(box).overflowX !== 'visible') return false;
        return true;
    }).map(el => `${root.className}: ${el.outerHTML.slice(0, 120)}`);
})"""
# Where the keyboard is, and how that is seen: by what looks otherwise once it has gone on.
FOCUS = """() => {
    const look = el => { const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(el);
        return [outlineStyle, outlineWidth, boxShadow].join(' '); };
    const before = window.focusBefore, el = document.activeElement, { width, height } = el.getBoundingClientRect();
    window.focusBefore = { el, look: look(el) };
    return { stage: el.closest('[data-stage]')?.dataset.stage ?? '', inside: el.closest('.saew') !== null,
        what: el.outerHTML.slice(0, 160), seen: width > 0 && height > 0,
        shownBefore: !before || !before.el.isConnected || look(before.el) !== before.look }; }"""
# The tokens of a box, line by line: numbers as they stand from left to right.
LINES = """selector => {
    const lines = [];
    for (const el of document.querySelectorAll(`${selector} .saew-t`)) {
        const box = el.getClientRects()[0];
        if (!box || el.classList.contains('saew-special')) continue;
        const line = lines.find(one => Math.abs(one.y - box.y) < box.height / 2) ?? (lines.push({ y: box.y, all: [] }), lines.at(-1));
        line.all.push([box.x, Number(el.dataset.i)]);
    }
    return lines.map(({ all }) => all.sort((a, b) => a[0] - b[0]).map(([, token]) => token));
}"""
# Text that is higher than the box that cuts it off.
CLIPPED = """() => [...document.querySelectorAll('.saew :is(.saew-t, .saew-cell, .saew-lens-cell, .saew-label, td, th)')]
    .filter(el => {
        const cuts = getComputedStyle(el).overflowY === 'hidden' && el.getClientRects().length;
        return cuts && el.scrollHeight > el.clientHeight + 1;
    }).map(el => el.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def stage(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    context = new_context(browser, viewport={"width": 1100, "height": 900}, reduced_motion="reduce")
    with every_widget(context.new_page(), tmp_path_factory.mktemp("stage")) as made:
        made.page.evaluate(AXE.read_text("utf-8"))
        yield made
    context.close()


@pytest.fixture(autouse=True)
def _as_it_was(stage: Stage) -> Iterator[None]:
    yield
    look(stage, "light")
    stage.page.set_viewport_size({"width": 1100, "height": 900})
    assert stage.errors == []


def look(stage: Stage, theme: str) -> None:
    """Surroundings of a theme, as a notebook or the system says it."""
    page, forced = stage.page, theme.startswith("forced")
    page.emulate_media(
        forced_colors="active" if forced else "none", color_scheme="dark" if theme.endswith("dark") else "light"
    )
    grounds = {"light": "#fff", "dark": "#111318", "contrast": "Canvas"}
    page.evaluate(
        """([theme, ground]) => {
            document.body.style.background = ground;
            document.body.dataset.jpThemeName = theme === 'contrast' ? 'High Contrast' : '';
        }""",
        [theme, grounds.get(theme, "")],
    )
    shown = theme if theme in grounds else "contrast"
    page.wait_for_function(
        "theme => [...document.querySelectorAll('.saew')].every(el => el.dataset.theme === theme)", arg=shown
    )
    stage.settled()


def shoot(stage: Stage, name: str) -> None:
    for widget in WIDGETS if SHOTS else ():
        stage.page.locator(f"[data-stage={widget}]").screenshot(path=Path(SHOTS or "") / f"{widget}-{name}.png")


COLOURS = {"type": "rule", "values": ["color-contrast"]}


def accessible(stage: Stage, rules: object, root: str = ".saew") -> None:
    found = stage.page.evaluate(
        "([root, rules]) => axe.run(root, {runOnly: rules, resultTypes: ['violations']})", [root, rules]
    )
    wrong = [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_that_axe_finds(stage: Stage, theme: str) -> None:
    """All of the rules in one theme; of the others what is theirs, colours."""
    look(stage, theme)
    shoot(stage, theme)
    accessible(stage, RULES if theme == "light" else COLOURS)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_never_wider_than_its_place(stage: Stage, width: int) -> None:
    stage.page.set_viewport_size({"width": width, "height": 900})
    stage.settled()
    shoot(stage, str(width))
    # The views measure their boxes in a frame of their own.
    stage.page.wait_for_function(f"() => ({TOO_WIDE})().length === 0")


def test_nothing_moves_by_itself_where_that_is_not_wanted(stage: Stage) -> None:
    """The context asks for reduced motion."""
    moving = stage.page.evaluate(
        """() => [...document.querySelectorAll('.saew, .saew *')].filter(el => {
            const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(el);
            return animationName !== 'none' || scrollBehavior !== 'auto' || Number.parseFloat(transitionDuration) > 0;
        }).map(el => el.className)"""
    )
    assert moving == []


# -- texts

HEBREW, ARABIC, CHINESE, MIXED = (
    "שלום עולם טוב",
    "مرحبا بالعالم",
    "太初有道，道與神同在。日本語",
    "In the beginning שלום God",
)
TEXTS = {"heatmap": ".saew-text", "dashboard": ".saew-testtext"}


@pytest.mark.parametrize(("text", "from_right"), [(HEBREW, True), (ARABIC, True), (CHINESE, False), (MIXED, False)])
def test_tokens_stand_in_the_order_in_which_they_are_read(stage: Stage, text: str, from_right: bool) -> None:
    page = stage.page
    for name, box in TEXTS.items():
        stage.set(name, text=text)
        tokens = page.locator(f"[data-stage={name}] {box}")
        expect(tokens).to_contain_text(text.split()[-1][-1])
        stage.settled()
        lines = page.evaluate(LINES, f"[data-stage={name}] {box}")
        assert [line for line in lines if line != sorted(line, reverse=from_right)] == []
        # An arrow goes to where it points.
        tokens.focus()
        page.keyboard.press("Home")
        there = tokens.get_attribute("aria-activedescendant")
        page.keyboard.press("ArrowLeft" if from_right else "ArrowRight")
        expect(tokens).not_to_have_attribute("aria-activedescendant", there or "")
        page.keyboard.press("ArrowRight" if from_right else "ArrowLeft")
        expect(tokens).to_have_attribute("aria-activedescendant", there or "")
        page.keyboard.press("ArrowRight" if from_right else "ArrowLeft")
        expect(tokens).to_have_attribute("aria-activedescendant", there or "")
    stage.set("comparison", texts=[text, f"{text} {text}"])
    stage.set("attribution", prompt=[text])
    stage.set("layers", text=text)
    stage.settled()
    shoot(stage, f"text-{text[:2]}")
    assert page.evaluate(CLIPPED) == []


def test_a_token_of_two_thousand_letters_widens_nothing(stage: Stage) -> None:
    page, long = stage.page, "x" * 2000
    stage.words = {" heaven": f" {long}"}
    text = "In the beginning God created the heaven and the earth"
    try:
        stage.set("heatmap", text=text)
        stage.set("dashboard", text=text, feature=(stage.widgets["dashboard"].feature + 1) % 48)
        stage.set("comparison", texts=[text, text.replace("and", "or")])
        stage.set("attribution", prompt=[text])
        stage.set("layers", text=text)
        stage.set("beside", text=text, feature_a=5)
        stage.set("subspace", features=[3, 11])
        for name in ("heatmap", "dashboard", "comparison", "attribution", "layers", "beside"):
            expect(page.locator(f"[data-stage={name}]")).to_contain_text(long)
        for width in (400, 1100):
            page.set_viewport_size({"width": width, "height": 900})
            stage.settled()
            shoot(stage, f"long-{width}")
            page.wait_for_function(f"() => ({TOO_WIDE})().length === 0")
    finally:
        stage.words = {}


# -- keys


@pytest.mark.parametrize("name", WIDGETS)
def test_the_tab_key_goes_through_and_out(stage: Stage, name: str) -> None:
    """No trap, each stop is seen to be one, and there are not as many as there are rows."""
    page = stage.page
    page.locator(f"[data-stage={name}] > button").focus()
    page.evaluate("() => { window.focusBefore = null; }")
    stops: list[str] = []
    while len(stops) < 60:
        page.keyboard.press("Tab")
        at: dict[str, Any] = page.evaluate(FOCUS)
        assert at["shownBefore"], f"not seen: {stops[-1]}"
        if at["stage"] != name or not at["inside"]:
            break
        assert at["seen"], at["what"]
        stops.append(at["what"])
    assert 3 < len(stops) < 60, stops[-3:]


TASKS = {
    "heatmap": ("selected_tokens", ".saew-text", ["ArrowRight", "ArrowRight", " "]),
    "blindtest": ("answers", ".saew-card", ["y"]),
    "attribution": ("feature", ".saew-feature[tabindex='0']", ["ArrowDown", "Enter"]),
    "beside": ("position", ".saew-cloud", ["ArrowRight", "Enter"]),
    "browser": ("feature", "table[role=grid]", ["ArrowDown", "ArrowDown", "Enter"]),
    "comparison": ("positions", ".saew-aligned", ["ArrowRight", "Enter"]),
    "graph": ("selected", ".saew-graph-node", ["Enter"]),
    "layers": ("position", ".saew-lens", ["ArrowLeft", "Enter"]),
    "subspace": ("selected", ".saew-plot-box", ["ArrowRight", "Enter"]),
    "map": ("feature", "canvas", ["ArrowRight", "Enter"]),
    "catalog": ("selected", "table[role=grid]", ["ArrowDown", "Enter"]),
    "dashboard": ("selected_example", ".saew-examples", ["ArrowDown", "Enter"]),
    "steering": ("history", ".saew-primary", ["Enter"]),
    "explore": ("front", ".saew-segments button:nth-child(6)", ["Enter"]),
}
"""What a widget is for: the trait that changes, where the keyboard is, and the keys."""


@pytest.mark.parametrize("name", WIDGETS)
def test_what_it_is_for_is_done_by_keys(stage: Stage, name: str) -> None:
    trait, where, keys = TASKS[name]
    widget, page = stage.widgets[name], stage.page
    before = getattr(widget, trait)
    page.locator(f"[data-stage={name}] {where}").first.focus()
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_function("() => stage.asked === 0")
    for _ in range(600):
        if getattr(widget, trait) != before:
            break
        page.wait_for_timeout(100)
    assert getattr(widget, trait) != before
    stage.settled()


# -- what is opened


def within(stage: Stage, name: str) -> Locator:
    return stage.page.locator(f"[data-stage={name}]")


def opened(stage: Stage) -> None:
    """What is there once something is chosen, answered, taken out or unfolded."""
    text = "In the beginning God created the heaven and the earth"
    stage.set("blindtest", answers=[True] * 4)
    within(stage, "blindtest").locator(".saew-check[aria-disabled=false]").click()
    stage.set("catalog", selected={"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre"})
    within(stage, "catalog").get_by_role("button", name="Ranges").click()
    stage.set("comparison", texts=[text, text.replace("heaven", "sea")], features=[3, 11], all_of=[0])
    stage.set("layers", text=text)
    stage.set("layers", position=5, feature=3)
    stage.set("subspace", features=[3, 11, 20], selected=[0, 1])
    stage.set("map", colour="cluster", selected_features=[3, 11, 20])
    stage.set("dashboard", feature=stage.widgets["beside"].feature_a, text=text, ablation=True)
    within(stage, "dashboard").locator(".saew-ex").nth(1).click()
    stage.set("explore-dashboard", feature=DEAD)
    stage.set("attribution", prompt=[text])
    stage.settled()
    panel = within(stage, "attribution")
    panel.get_by_role("button", name="Check").click()
    expect(panel.locator(".saew-point").first).to_be_attached()
    panel.locator(".saew-feature").nth(1).click()
    panel.get_by_label(re.compile("^Take feature .* out")).first.check()
    panel.get_by_role("button", name=re.compile("^Take out feature")).click()
    panel.get_by_label(re.compile("^Add feature .* to the recipe")).first.click()
    for name, sign in {
        "blindtest": ".saew-outcome",
        "catalog": ".saew-catalog-field",
        "comparison": ".saew-next table",
        "layers": ".saew-lens-strip .saew-dot",
        "subspace": ".saew-here",
        "map": ".saew-map-legend[aria-label='Colours: cluster']",
        "dashboard": ".saew-t[style*=border-bottom]",
        "attribution": "section[aria-label='Without the ticked features']",
    }.items():
        expect(within(stage, name).locator(sign).first).to_be_attached()
    expect(within(stage, "catalog").locator(".saew-range").first).to_be_visible()
    expect(within(stage, "explore").locator(".saew-title h2")).to_have_text(f"Feature {DEAD}")
    stage.settled()


def test_nothing_that_axe_finds_in_what_is_opened(stage: Stage) -> None:
    page = stage.page
    opened(stage)
    shoot(stage, "opened")
    accessible(stage, RULES)
    page.set_viewport_size({"width": 500, "height": 900})
    stage.settled()
    accessible(stage, RULES)
    page.set_viewport_size({"width": 1100, "height": 900})
    look(stage, "dark")
    shoot(stage, "opened-dark")
    accessible(stage, COLOURS)
    for theme in ("dark", "light"):
        look(stage, theme)
        for tab in ("Pinned", "Nodes"):  # Selected is what is open at first
            within(stage, "graph").get_by_role("tab", name=tab).click()
            accessible(stage, RULES, ".saew-graph")
