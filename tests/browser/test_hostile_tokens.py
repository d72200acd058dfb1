"""Ten thousand hostile tokens, without the policy that would stop them: none becomes more than text, and none breaks a view."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from hostile import hostile
from lab import Watched, new_context
from playwright.sync_api import Browser, Page, expect

import saewidgets as sw
from saewidgets.snapshot.fallback import FallbackRow, fallback

pytestmark = pytest.mark.browser

N = 10_000
# What stands under `selector` that no text may make: elements, attributes that act, and addresses.
MADE = """selector => [...document.querySelectorAll(`${selector} *`)].flatMap(el => [
    ...(/^(script|style|img|iframe|link|base|form|object|embed|a|meta|noscript|template|title)$/i.test(el.tagName) ? [el.tagName] : []),
    ...[...el.attributes].filter(({ name }) => /^on|^(src|srcdoc|href|action|formaction|autofocus)$/.test(name)).map(({ name }) => name),
])"""


def plain(text: str) -> bool:
    """Whether every view shows it as it is."""
    return all(" " < character < "\x7f" for character in text)


def made_of(tokens: list[str], engine: sw.Engine) -> Any:
    """Activations of a text of these tokens, each with one active feature."""
    acts = engine.activations("a")
    n = len(tokens)
    nothing = np.zeros(n, bool)
    return replace(
        acts,
        token_ids=np.zeros(n, acts.token_ids.dtype),
        tokens=tuple(tokens),
        parts=np.zeros(n, np.uint8),
        text_ptr=np.array([0, n], acts.text_ptr.dtype),
        special=nothing,
        outlier=nothing,
        beyond_context=nothing,
        indptr=np.arange(n + 1, dtype=acts.indptr.dtype),
        feature_ids=(np.arange(n) % 3).astype(acts.feature_ids.dtype),
        values=np.ones(n, acts.values.dtype),
        input_norm=np.ones(n, np.float32),
        reconstruction_error=np.zeros(n, np.float32),
    )


def check(page: Page, selector: str) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.evaluate(MADE, selector) == []


def test_in_a_page(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = hostile(N)
    engine = sw.Engine(tiny.hooked(), tiny.sae(), labels={f: tokens[f] for f in range(3)})
    acts = made_of(tokens, engine)
    widget = sw.TokenFeatureHeatmap(engine, text="".join(tokens[:500]), features=[0, 1], view="text")
    monkeypatch.setattr(widget, "_result", lambda *_: acts)
    html = str(widget.to_html(title="".join(tokens[500:600])))
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert bare != html
    path = tmp_path / "page.html"
    path.write_text(bare, encoding="utf-8", newline="\n")
    context = new_context(browser, offline=True)
    watched = Watched(context)
    page = watched.page
    page.goto(path.as_uri())
    page.wait_for_function("n => document.querySelectorAll('#saew-root .saew-t').length === n", arg=N)
    for selector in ("#saew-root", "#saew-static", "h1"):
        check(page, selector)
    shown = page.locator("#saew-root .saew-t").all_text_contents()  # all N are there
    told = [(text, is_) for text, is_ in zip(tokens, shown, strict=True) if plain(text)]
    assert len(told) > 1000
    assert all(text == is_ for text, is_ in told)
    page.locator("#saew-root .saew-t").nth(3).hover()
    page.locator(".saew-tip").wait_for()
    check(page, "#saew-root")
    assert watched.errors == [] and watched.outside == []
    context.close()


def test_in_the_picture_without_scripts(browser: Browser) -> None:
    tokens = hostile(N, seed=1)
    picture = fallback(
        heading=tokens[0],
        tokens=[FallbackRow(text, 0.5, False, 1.0) for text in tokens],
        left_out=0,
        caption=tokens[1],
        columns=tokens[2:5],
        rows=[tokens[i : i + 3] for i in range(0, 300, 3)],
        provenance=[(tokens[5], tokens[6])],
        notes=tokens[7:100],
    )
    page = new_context(browser).new_page()
    page.set_content(f"<div id=picture>{picture.split('</style>')[1]}</div><p id=after>after</p>")
    check(page, "#picture")
    expect(page.locator("body > #after")).to_have_count(1)  # nothing was left open
    shown = page.locator("#picture .saew-fb-text bdi").all_text_contents()
    told = [(text, is_) for text, is_ in zip(tokens, shown, strict=True) if plain(text)]
    assert len(told) > 1000 and all(text == is_ for text, is_ in told)
    page.close()
