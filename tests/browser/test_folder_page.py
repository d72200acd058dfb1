"""A folder of many features: from file:// and from a server, its parts come when they are asked for; its address says the feature."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from lab import Watched, new_context
from playwright.sync_api import Browser, Page, expect

import saewidgets as sw

pytestmark = pytest.mark.browser

TEXT = "In the beginning God created the heaven and the earth. " * 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """The folder and its features, five to a part."""
    folder = tmp_path_factory.mktemp("folder")
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        index = sw.build_index(engine, [TEXT], folder / "index", progress=False, wait=True)
    features: list[int] = index.order("density")[:22].tolist()
    return sw.FeatureDashboard(index=index).to_folder(folder / "made", features=features, per_part=5), features


@pytest.fixture
def opened(browser: Browser) -> Iterator[Watched]:
    context = new_context(browser, offline=True, viewport={"width": 1200, "height": 900})
    yield Watched(context)
    context.close()


def title(page: Page, feature: int) -> None:
    expect(page.locator(".saew-title h2")).to_have_text(f"Feature {feature}")
    expect(page.locator(".saew-examples .saew-t").first).to_be_visible()


def scripts(page: Page) -> list[str]:
    return page.eval_on_selector_all("script[src]", "all => all.map(one => one.getAttribute('src'))")


def test_parts_come_when_they_are_asked_for(made: tuple[Path, list[int]], opened: Watched) -> None:
    folder, features = made
    page = opened.page
    assert len(list((folder / "parts").iterdir())) == 5
    page.goto((folder / "index.html").as_uri())
    title(page, features[0])
    assert scripts(page) == ["parts/0000.js"]
    for feature in features[1:6]:
        page.get_by_role("button", name="Next").click()
        title(page, feature)
    assert scripts(page) == ["parts/0000.js", "parts/0001.js"]
    assert page.url.endswith(f"#feature-{features[5]}")
    page.go_back()
    title(page, features[4])
    page.get_by_role("button", name="Random").click()
    expect(page.locator(".saew-title h2")).not_to_have_text(f"Feature {features[4]}")
    assert opened.errors == [] and opened.outside == []


def test_the_address_opens_a_feature(made: tuple[Path, list[int]], opened: Watched) -> None:
    folder, features = made
    page = opened.page
    page.goto(f"{(folder / 'index.html').as_uri()}#feature-{features[21]}")
    title(page, features[21])
    absent = next(f for f in range(tiny.D_SAE) if f not in features)
    page.evaluate("hash => { location.hash = hash; }", f"#feature-{absent}")
    page.locator(".saew-banner", has_text="Not recorded").wait_for()
    title(page, features[21])
    expect(page).to_have_url(re.compile(f"#feature-{features[21]}$"))
    page.go_back()  # to what was there before the one that is not in the page
    title(page, features[21])
    assert opened.errors == []


def test_from_a_server_and_without_a_part(made: tuple[Path, list[int]], browser: Browser) -> None:
    folder, features = made
    context = new_context(browser)
    lacks = "/parts/0001.js"
    context.route(
        "**/*",
        lambda route: (
            route.fulfill(status=404, body="")
            if route.request.url.endswith(lacks)
            else route.fulfill(path=folder / route.request.url.removeprefix("http://page.test/").split("#")[0])
        ),
    )
    watched = Watched(context)
    page = watched.page
    page.goto("http://page.test/index.html")
    title(page, features[0])
    page.evaluate("hash => { location.hash = hash; }", f"#feature-{features[12]}")
    title(page, features[12])
    page.evaluate("hash => { location.hash = hash; }", f"#feature-{features[6]}")
    page.locator(".saew-banner", has_text="parts/0001.js is not beside this page").wait_for()
    title(page, features[12])
    # The page's own script may add parts, but nothing from elsewhere, and markup nothing at all.
    context.route("http://elsewhere.test/**", lambda route: route.fulfill(body="window.hacked = 1"))
    page.evaluate(
        """() => new Promise(done => {
            const script = document.createElement('script');
            script.src = 'http://elsewhere.test/x.js';
            script.onload = script.onerror = done;
            document.head.append(script);
            document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.hacked = 2">');
        })"""
    )
    assert page.evaluate("window.hacked") is None
    assert any("elsewhere" in error and "Content Security Policy" in error for error in watched.errors)
    context.close()
