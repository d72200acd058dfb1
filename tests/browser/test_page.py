"""The one-file page in a real browser: from file://, under its policy, with the network off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from lab import Watched, new_context, sees
from playwright.sync_api import Browser, expect

import saewidgets as sw

pytestmark = pytest.mark.browser

HOSTILE = "the </script><script>window.hacked = 1</script> <!-- & \u2028 \u0000 \u202eRTL 日本語 heaven"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine = sw.Engine(tiny.hooked(), tiny.sae(), labels={3: "<b>bold</b>"})
    widget = sw.TokenFeatureHeatmap(engine, text=HOSTILE, features=[3])
    return widget.save(tmp_path_factory.mktemp("page") / "heatmap.html")


@pytest.fixture
def offline(browser: Browser, page_file: Path) -> Iterator[Watched]:
    context = new_context(browser, offline=True, viewport={"width": 1100, "height": 900})
    watched = Watched(context)
    watched.page.goto(page_file.as_uri())
    watched.page.wait_for_selector(".saew-t")
    yield watched
    context.close()


def test_it_works_offline_under_its_policy(offline: Watched) -> None:
    page = offline.page
    expect(page.locator("#saew-static")).to_be_hidden()
    assert page.evaluate("window.hacked") is None
    for visible in ("</script>", "<!--", "U+2028", "U+0000", "U+202E", "日", "heaven"):
        sees(lambda visible=visible: visible in "".join(page.locator(".saew-t").all_inner_texts()), True)
    expect(page.locator(".saew b").first).to_have_text("3")  # the label is text, not markup
    expect(page.locator(".saew-label", has_text="<b>bold</b>")).not_to_have_count(0)
    page.locator(".saew-t").nth(5).click()
    page.wait_for_selector("text=selected token")
    expect(page.locator(".saew-feature").first).to_have_text(re.compile(r"^\d+$"))
    page.locator(".saew-feature").nth(1).click()
    page.wait_for_function("() => [...document.querySelectorAll('.saew-t')].some(e => e.style.background)")
    assert offline.errors == []
    assert offline.outside == []


def test_the_numbers_are_the_engines(offline: Watched) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    acts = engine.activations(HOSTILE)
    page = offline.page
    ranking = acts.top(25)
    expect(page.locator(".saew-feature")).to_have_text([str(f) for f in ranking])
    drawn = page.locator(".saew-ranking tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.querySelectorAll('td.saew-num')].map(c => Number(c.textContent)))"
    )
    for i, (largest, total, mean, n) in enumerate(drawn):
        assert largest == pytest.approx(ranking.max[i], rel=5e-3, abs=6e-4)
        assert total == pytest.approx(ranking.sum[i], rel=5e-3, abs=6e-4)
        assert mean == pytest.approx(ranking.mean[i], rel=5e-3, abs=6e-4)
        assert n == ranking.n_active[i]
    page.locator(".saew-t").nth(7).hover()
    tip = page.locator(".saew-tip")
    ids, values = acts.token(7)
    for says in (f"{len(ids)} active features (L0)", str(ids[0]), f"{values[0]:.3f}"):
        expect(tip).to_contain_text(says)


def test_what_was_not_recorded_says_so(offline: Watched) -> None:
    page = offline.page
    expect(page.locator("textarea").first).to_have_attribute("readonly", "")
    page.locator(".saew-t").nth(5).click()
    page.wait_for_selector("text=selected token")
    page.locator(".saew-t").nth(6).click()  # two tokens together were not recorded
    page.wait_for_selector("text=Not recorded in this page")
    page.wait_for_function("() => document.querySelectorAll('.saew-selected').length === 1")
    page.locator(".saew-sort", has_text="sum").click()
    page.wait_for_function("() => document.querySelector('th[aria-sort=descending]').textContent.startsWith('sum')")


def test_without_scripts(browser: Browser, page_file: Path) -> None:
    context = new_context(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    text = page.locator("#saew-static").inner_text()
    assert "heaven" in text
    assert "[U+202E]" in text
    assert "hook: blocks.1.hook_resid_pre" in text
    context.close()
