"""The page of every widget: from file://, in a sandboxed frame, and under a policy stricter than its own; it can be clicked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Watched, new_context
from pages_made import every_page
from playwright.sync_api import Browser, FrameLocator, Page, expect

pytestmark = pytest.mark.browser

WIDGETS = json.loads((Path(__file__).parents[2] / "js" / "widgets.json").read_text("utf-8"))
HOST = "http://page.test/page.html"
# No pictures, no frames, and an origin of its own: less than what the page's own policy allows.
STRICT = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; sandbox allow-scripts"

HTML = {"content-type": "text/html; charset=utf-8"}

Root = Page | FrameLocator


def pressed(name: str) -> Callable[[Root], None]:
    """A button is pressed, and says so."""

    def use(root: Root) -> None:
        button = root.get_by_role("button", name=name, exact=True).first
        expect(button).to_have_attribute("aria-pressed", "false")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")

    return use


def heatmap(root: Root) -> None:
    root.get_by_role("combobox", name="Text").select_option(label="God created the day")
    expect(root.locator("textarea")).to_have_value("God created the day")
    expect(root.locator(".saew-heatmap .saew-t", has_text="beginning")).to_have_count(0)


def dashboard(root: Root) -> None:
    title = root.locator(".saew-title h2")
    before = title.inner_text()
    root.get_by_role("button", name="Next").click()
    expect(title).not_to_have_text(before)


def browser_table(root: Root) -> None:
    number = root.locator(".saew-table tbody tr b").nth(2).inner_text()
    root.locator(".saew-table tbody tr").nth(2).click()
    expect(root.locator("aside")).to_have_attribute("aria-label", f"Feature {number}")
    expect(root.locator("aside")).to_contain_text(f"Feature {number}")


def features_map(root: Root) -> None:
    legend = root.locator(".saew-map-legend, .saew-legend").first
    before = legend.inner_text()
    root.locator(".saew-map select").first.select_option("max")
    expect(legend).not_to_have_text(before)


def layers(root: Root) -> None:
    head = root.locator(".saew-ladder h3")
    before = head.inner_text()
    root.locator(".saew-layers [role=columnheader], .saew-layers thead th").nth(2).click()
    expect(head).not_to_have_text(before)


def graph(root: Root) -> None:
    head = root.locator(".saew-graph [role=tabpanel]")
    before = head.inner_text()
    root.get_by_role("button", name="error of layer").first.click()
    expect(head).not_to_have_text(before)


def subspace(root: Root) -> None:
    pair = root.get_by_role("button", name="PC2 and PC3")
    pair.click()
    expect(pair).to_have_attribute("aria-pressed", "true")


def catalog(root: Root) -> None:
    root.locator(".saew-table tbody tr").nth(1).click()
    expect(root.locator(".saew-table tbody tr.saew-chosen")).to_have_count(1)


def steering(root: Root) -> None:
    pressed("2")(root)
    expect(root.locator(".saew-footer")).to_contain_text("2 × max activation")


def blindtest(root: Root) -> None:
    root.locator(".saew-blindtest .saew-t").nth(3).hover()
    expect(root.locator(".saew-tip")).to_be_visible()


def beside(root: Root) -> None:
    first = root.locator(".saew-side-heads").locator("b").first
    before = first.inner_text()
    root.get_by_role("button", name="⇄").or_(root.get_by_role("button", name="Swap")).first.click()
    expect(first).not_to_have_text(before)


def explore(root: Root) -> None:
    root.get_by_role("button", name="Text", exact=True).click()
    expect(root.locator(".saew-heatmap")).to_be_visible()
    root.get_by_role("button", name="Map", exact=True).click()
    expect(root.locator(".saew-map")).to_contain_text("This view was not open when the page was made.")


USES: dict[str, Callable[[Root], None]] = {
    "heatmap": heatmap,
    "blindtest": blindtest,
    "attribution": pressed("for"),
    "beside": beside,
    "browser": browser_table,
    "explore": explore,
    "comparison": pressed("max"),
    "graph": graph,
    "layers": layers,
    "subspace": subspace,
    "map": features_map,
    "catalog": catalog,
    "dashboard": dashboard,
    "steering": steering,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return every_page(tmp_path_factory.mktemp("pages"))


class Opened(Watched):
    """A page, and every request that it makes."""

    def __init__(self, context: Any) -> None:
        self.asked: list[str] = []
        super().__init__(context)

    def _request(self, url: str) -> None:
        self.asked.append(url)


def test_every_widget_has_one() -> None:
    assert set(USES) == set(WIDGETS)


@pytest.mark.parametrize("name", USES)
def test_a_page_needs_nothing(name: str, pages: dict[str, Path], browser: Browser) -> None:
    html, use = pages[name].read_text("utf-8"), USES[name]
    context = new_context(browser, viewport={"width": 1300, "height": 900})
    # From file://, with the network off.
    context.set_offline(True)
    opened = Opened(context)
    opened.page.goto(pages[name].as_uri())
    use(opened.page)
    expect(opened.page.locator("#saew-static")).to_be_hidden()
    assert (opened.errors, opened.asked) == ([], [pages[name].as_uri()])
    # In a frame that may only run scripts.
    framed = Opened(context)
    framed.page.set_content("<iframe sandbox='allow-scripts' style='width:1250px;height:800px'></iframe>")
    framed.page.eval_on_selector("iframe", "(el, html) => { el.srcdoc = html; }", html)
    use(framed.page.frame_locator("iframe"))
    assert (framed.errors, framed.asked) == ([], [])
    # From a server whose own policy allows less.
    context.set_offline(False)
    headers = {"content-security-policy": STRICT, **HTML}
    context.route("**/*", lambda route: route.fulfill(body=html, headers=headers))
    served = Opened(context)
    served.page.goto(HOST)
    use(served.page)
    assert (served.errors, served.asked) == ([], [HOST])
    context.close()


def test_where_no_script_may_run_the_picture_stays(pages: dict[str, Path], browser: Browser) -> None:
    context = new_context(browser)
    html = pages["dashboard"].read_text("utf-8")
    headers = {"content-security-policy": "script-src 'none'", **HTML}
    context.route("**/*", lambda route: route.fulfill(body=html, headers=headers))
    page = context.new_page()
    page.goto(HOST)
    expect(page.locator("#saew-static")).to_contain_text("hook: blocks.1.hook_resid_pre")
    context.close()
