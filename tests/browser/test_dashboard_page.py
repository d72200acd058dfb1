"""The dashboard's one-file page in a real browser: from file://, under its policy, with the network off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch
from lab import Watched, new_context, place, sees
from playwright.sync_api import Browser, Page, expect

import saewidgets as sw
from saewidgets.index.store.kept import within

pytestmark = pytest.mark.browser

HOSTILE = (
    "the </script><script>window.hacked = 1</script> <img src=x onerror=hacked()> <!-- & \u2028 \u202eRTL 日本語 heaven"
)
LABEL = "<b>bold</b><script>window.hacked = 2</script>"
DEAD = 7


def make_index(folder: Path) -> tuple[sw.Engine, sw.FeatureIndex]:
    engine = sw.Engine(tiny.hooked(), tiny.sae(), labels={3: LABEL})
    with torch.no_grad():
        tiny.sae_of(engine).b_enc[DEAD] = -1e3
    rows = [
        {"text": HOSTILE, "id": "<i>name</i>", "kind": "hostile"},
        {"text": "In the beginning God created the heaven and the earth. " * 9, "id": "long", "kind": "plain"},
        *({"text": f"God created the {word} and the night", "id": word, "kind": "plain"} for word in ("day", "earth")),
    ]
    return engine, sw.build_index(engine, rows, folder / "index", progress=False, wait=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.FeatureDashboard, list[int], Path]:
    """A dashboard, the features of its page, and the page."""
    folder = tmp_path_factory.mktemp("page")
    engine, index = make_index(folder)
    f = int(index.order("density")[0])
    widget = sw.FeatureDashboard(engine, index, feature=f, features=[f, 3, DEAD], text="never in the page")
    return widget, [f, 3, DEAD], widget.save(folder / "dashboard.html")


@pytest.fixture
def offline(browser: Browser, made: tuple[sw.FeatureDashboard, list[int], Path]) -> Iterator[Watched]:
    context = new_context(browser, offline=True, viewport={"width": 1200, "height": 1000})
    watched = Watched(context)
    watched.page.goto(made[2].as_uri())
    watched.page.wait_for_selector(".saew-examples .saew-t")
    yield watched
    context.close()


def wait_for_feature(page: Page, f: int) -> None:
    page.locator(".saew-title h2", has_text=f"Feature {f}").wait_for()


def test_it_works_offline_under_its_policy(offline: Watched, made: tuple[sw.FeatureDashboard, list[int], Path]) -> None:
    page, (widget, features, _) = offline.page, made
    info = widget.index.feature(features[0])
    expect(page.locator("#saew-static")).to_be_hidden()
    expect(page.locator(".saew-test")).to_have_count(0)  # no test box without a model
    expect(page.locator(".saew-ablation")).to_have_count(0)
    expect(page.get_by_text("add a label")).to_have_count(0)
    expect(page.locator(".saew-facts")).to_contain_text(f"{info.count} of {info.counted} counted tokens")
    expect(page.locator(".saew-hbar")).not_to_have_count(0)
    expect(page.locator(".saew-position")).to_have_text(re.compile("^1 of 3"))
    # A token under the pointer.
    page.locator(".saew-ex .saew-bold").first.hover()
    tip = page.locator(".saew-tip")
    examples = widget.index.examples(features[0], top=12, per_interval=2)
    top = examples.groups[0].examples[0]
    expect(tip).to_contain_text(f"token {top.at} of document {top.document}")
    expect(tip).to_contain_text(f"{top.activation:.3f}"[:4])
    expect(page.locator(".saew-mark-hover")).to_have_count(1)
    # An example is chosen and let go.
    row = page.locator(".saew-ex").nth(1)
    row.click()
    page.wait_for_function("() => document.querySelectorAll('.saew-ex')[1].ariaSelected === 'true'")
    row.click()
    page.wait_for_function("() => document.querySelectorAll('.saew-ex')[1].ariaSelected === 'false'")
    assert offline.errors == []
    assert offline.outside == []


def test_steps_between_recorded_features(offline: Watched, made: tuple[sw.FeatureDashboard, list[int], Path]) -> None:
    page, (_, features, _) = offline.page, made
    for f in features[1:]:
        page.get_by_role("button", name="Next").click()
        wait_for_feature(page, f)
    expect(page.locator(".saew-dead")).to_contain_text("never fires")
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Previous").click()
    wait_for_feature(page, 3)
    expect(page.locator(".saew-name")).to_have_text(LABEL)  # a label is text
    page.locator(".saew-examples .saew-t").first.wait_for()
    page.get_by_role("button", name="Back").click()
    wait_for_feature(page, DEAD)
    page.get_by_label("Number of the feature to go to").fill(str(features[0]))
    page.keyboard.press("Enter")
    wait_for_feature(page, features[0])
    page.get_by_role("button", name="Random").click()
    others = "|".join(str(f) for f in features[1:])
    expect(page.locator(".saew-title h2")).to_have_text(re.compile(f"^Feature ({others})$"))
    page.get_by_role("button", name="silent", exact=True).click()
    page.wait_for_function("() => document.querySelector('.saew-group-head').textContent.startsWith('Silent')")
    page.get_by_role("button", name="top", exact=True).click()
    page.wait_for_function("() => document.querySelector('.saew-group-head').textContent.startsWith('Top')")
    expect(page.locator(".saew-banner")).to_have_count(0)
    assert offline.errors == []


def test_what_was_not_recorded_says_so_and_goes_back(
    offline: Watched, made: tuple[sw.FeatureDashboard, list[int], Path]
) -> None:
    page, (_, features, _) = offline.page, made
    notice = page.locator(".saew-banner")
    before = page.locator(".saew-examples").inner_text()
    page.get_by_label("Number of the feature to go to").fill("40")
    page.keyboard.press("Enter")
    notice.get_by_text("Not recorded").wait_for()
    wait_for_feature(page, features[0])
    sees(page.locator(".saew-examples").inner_text, before)
    notice.get_by_role("button", name="Dismiss").click()
    notice.wait_for(state="detached")
    # A brush, a token filter, a window, the whole text.
    plot = page.locator(".saew-plot").first
    box = place(plot)
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, y, steps=4)
    page.mouse.up()
    notice.get_by_text("Not recorded").wait_for()
    page.wait_for_function("() => !document.querySelector('.saew-brushed')")
    page.get_by_role("combobox").first.select_option("max")
    notice.get_by_text("Not recorded").wait_for()
    page.wait_for_function("() => document.querySelector('.saew-nav select').value === 'density'")
    page.get_by_role("button", name="full", exact=True).click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('button')].find(b => b.textContent === 'snippet').ariaPressed === 'true'"
    )
    notice.get_by_text("Not recorded").wait_for()
    sees(page.locator(".saew-examples").inner_text, before)
    page.get_by_role("button", name="Next").click()
    wait_for_feature(page, 3)
    notice.wait_for(state="detached")
    expect(page.locator(".saew-banner-error")).to_have_count(0)
    assert offline.errors == []


def test_hostile_text_is_text(offline: Watched) -> None:
    page = offline.page
    for _ in range(3):
        assert page.evaluate("window.hacked") is None
        expect(page.locator("#saew-root img, #saew-root script")).to_have_count(0)
        expect(page.locator("#saew-root")).not_to_contain_text("\u202e")
        title = page.locator(".saew-title h2").inner_text()
        nexts = page.get_by_role("button", name="Next")
        if nexts.is_enabled():
            nexts.click()
            expect(page.locator(".saew-title h2")).not_to_have_text(title)
        assert "hacked" not in page.title()
    sees(lambda: "".join(page.locator(".saew-examples").all_text_contents()) != "", True)
    assert offline.errors == []


def test_hostile_text_is_shown(offline: Watched) -> None:
    page = offline.page
    examples = page.locator(".saew-examples")
    for text in ("</script>", "U+202E", "<i>name</i>"):
        expect(examples).to_contain_text(text)


def test_without_scripts(browser: Browser, made: tuple[sw.FeatureDashboard, list[int], Path]) -> None:
    widget, features, file = made
    context = new_context(browser, java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    text = page.locator("#saew-static").inner_text()
    info = widget.index.feature(features[0])
    assert f"Feature {features[0]}" in text
    assert f"{info.maximum:.4g}" in text
    assert "hook: blocks.1.hook_resid_pre" in text
    sees(lambda: page.locator("#saew-static [class^=saew-fb-p]").count() > 3, True)
    look = page.locator("#saew-static .saew-fb-p10").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert look not in ("rgba(0, 0, 0, 0)", "transparent"), "its style passes the policy"
    context.close()


@pytest.mark.parametrize("width", [420, 760, 1280])
def test_no_interval_of_an_estimate_is_cut_off(browser: Browser, tmp_path: Path, width: int) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        texts = [f"{tiny.TEXTS[0]} {i}" for i in range(12)]
        keep = sw.Keeping(complete=6, top=2)
        index = sw.build_index(engine, texts, tmp_path / "i", progress=False, keep_activations=False, keep=keep)
        f = int(index.order("density")[0])
        page_file = sw.FeatureDashboard(index=index, feature=f, features=[f]).save(tmp_path / "page.html")
    context = new_context(browser, offline=True, viewport={"width": width, "height": 1000})
    page = Watched(context).page
    page.goto(page_file.as_uri())
    cells = page.locator("td.saew-about")
    cells.first.wait_for()
    cut = """all => all.filter(e =>
        e.getBoundingClientRect().left < e.parentElement.getBoundingClientRect().left).length"""
    for count in (None, within(1_234_567, 987_654, 2_345_678)):
        if count is not None:  # as of a billion tokens
            cells.locator("span:last-child").evaluate_all(
                "(all, said) => all.forEach(e => (e.textContent = said))", count
            )
        sees(lambda: cells.evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).length"), 0)
        sees(lambda: cells.locator("span:last-child").evaluate_all(cut), 0)
    context.close()
