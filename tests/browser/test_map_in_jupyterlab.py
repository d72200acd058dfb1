"""FeatureMap in a real JupyterLab: pointing, lassoing, and a table that follows; 131,072 points that go on being drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lab import Lab, Watched, becomes, place, python, run_all, run_code, write_notebook
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
MARGIN = 16  # js/src/widgets/map/look.ts
SETUP = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests" / "unit")!r})
import tiny, traitlets, saewidgets as sw
from map_view_made import layout_of
"""
SMALL = """
from dashboard_made import ROWS
engine = sw.Engine(tiny.hooked(), tiny.sae())
index = sw.build_index(engine, ROWS, "map-index", progress=False, wait=True)
layout = layout_of(len(index), (2,))
features = sw.FeatureMap(index, layout=layout)
browser = sw.FeatureBrowser(index, card=False)
links = [traitlets.link((features, name), (browser, name)) for name in ("feature", "selected_features")]
features
"""
WIDE = """
import torch
from sae_lens.saes import TopKSAE, TopKSAEConfig
from sae_lens.saes.sae import SAEMetadata
torch.manual_seed(0)
facts = SAEMetadata(hook_name="blocks.1.hook_resid_pre", context_size=64)
sae = TopKSAE(TopKSAEConfig(d_in=tiny.D_MODEL, d_sae=131_072, k=300, metadata=facts))
with torch.no_grad():
    for p in sae.parameters(): p.normal_(0, 0.2)
engine = sw.Engine(tiny.hooked(), sae)
index = sw.build_index(engine, ["the heaven and the earth was without form"] * 4, "wide-map-index", progress=False)
features = sw.FeatureMap(index, layout=layout_of(len(index), n_clusters=12))
features
"""
# What is on the picture: how much of it is no paper, and a number that changes with it.
PICTURE = """() => { const el = document.querySelector('.saew-map canvas');
    const data = new Uint32Array(el.getContext('2d').getImageData(0, 0, el.width, el.height).data.buffer);
    let drawn = 0, sum = 0;
    for (let i = 0; i < data.length; i++) { if (data[i] !== data[0]) drawn++; sum = (Math.imul(sum, 31) + data[i]) | 0; }
    return { drawn, sum, size: data.length }; }"""


class Places:
    """Where the points of the whole map are on the screen, worked out from the layout that the kernel has."""

    def __init__(self, page: Page) -> None:
        box = place(page.locator(".saew-map canvas").first)
        self.box = box
        told: dict[str, list[float]] = python(
            page, "{'f': layout.features.tolist(), 'x': layout.x.tolist(), 'y': layout.y.tolist()}"
        )
        self.features = np.array(told["f"], int)
        x, y = np.array(told["x"]), np.array(told["y"])
        unit = min((box["width"] - 2 * MARGIN) / np.ptp(x), (box["height"] - 2 * MARGIN) / np.ptp(y))
        self.x = box["x"] + box["width"] / 2 + (x - (x.max() + x.min()) / 2) * unit
        self.y = box["y"] + box["height"] / 2 - (y - (y.max() + y.min()) / 2) * unit

    def apart(self, n: int) -> list[int]:
        """Rows of the points that are farthest from all others."""
        far = np.hypot(self.x[:, None] - self.x, self.y[:, None] - self.y)
        np.fill_diagonal(far, np.inf)
        return [int(row) for row in np.argsort(-far.min(1))[:n]]


def opened(lab: Lab, notebooks: Path, page: Page, name: str, *cells: str) -> None:
    write_notebook(notebooks / f"{name}.ipynb", [SETUP, *cells])
    lab.open(page, f"{name}.ipynb")
    run_all(page)
    expect(page.locator(".saew-map .saew-map-legend")).to_be_visible()
    page.locator(".saew-map .saew-map-picture").scroll_into_view_if_needed()


def test_a_lasso_selects_in_python_and_filters_the_table(lab: Lab, notebooks: Path, watched: Watched) -> None:
    page = watched.page
    opened(lab, notebooks, page, "lasso", SMALL, "browser")
    expect(page.locator(".saew-browser .saew-table tbody tr").first).to_be_attached()
    page.locator(".saew-map .saew-map-picture").scroll_into_view_if_needed()
    at = Places(page)

    # Everything left of the widest gap near the middle.
    ordered = np.sort(at.x)
    middle = slice(len(ordered) // 4, 3 * len(ordered) // 4)
    gap = int(np.argmax(np.diff(ordered)[middle])) + middle.start
    line = (ordered[gap] + ordered[gap + 1]) / 2
    wanted = at.features[at.x < line].tolist()
    assert 5 < len(wanted) < len(at.features)
    page.get_by_role("button", name="Lasso", exact=True).click()
    left, top = at.box["x"] + 1, at.box["y"] + 1
    bottom = at.box["y"] + at.box["height"] - 2
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((line, top), (line, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    becomes(page, "sorted(features.selected_features)", wanted)
    expect(page.locator(".saew-map [role=status]", has_text="selected")).to_have_text(
        f"{len(wanted)} features selected"
    )

    # The table that is linked has just these.
    page.locator(".saew-browser select").select_option("selected")
    expect(page.locator(".saew-browser table[role=grid]")).to_have_attribute("aria-rowcount", str(len(wanted) + 1))
    becomes(page, "sorted(browser.features.tolist())", wanted)

    # And what Python selects is on the map.
    run_code(page, "features.selected_features = [7]")
    expect(page.locator(".saew-map [role=status]", has_text="selected")).to_have_text("1 feature selected")
    expect(page.locator(".saew-browser table[role=grid]")).to_have_attribute("aria-rowcount", "2")
    assert not watched.errors and not watched.outside


def test_the_pointer_finds_the_right_point_at_every_zoom(lab: Lab, notebooks: Path, watched: Watched) -> None:
    page = watched.page
    opened(lab, notebooks, page, "points", SMALL)
    at = Places(page)
    tip = page.locator(".saew-map .saew-tip")
    rows = at.apart(3)
    for row in rows:
        page.mouse.move(at.x[row] + 3, at.y[row] - 2)
        expect(tip).to_contain_text(f"Feature {at.features[row]}")
        page.mouse.move(at.box["x"] + 2, at.box["y"] + 2)
        expect(tip).to_have_count(0)
    page.mouse.click(at.x[rows[0]], at.y[rows[0]])
    becomes(page, "browser.feature", int(at.features[rows[0]]))

    # In the middle, from closer and closer.
    canvas = page.locator(".saew-map canvas").first
    x, y = at.box["x"] + at.box["width"] / 2, at.box["y"] + at.box["height"] / 2
    for row in rows:
        run_code(page, f"features.feature = {at.features[row]}")
        expect(page.locator(".saew-map .saew-map-said")).to_contain_text(f"Feature {at.features[row]} is open")
        page.get_by_role("button", name="show it").click()
        for _ in range(4):
            page.mouse.move(at.box["x"] + 1, at.box["y"] + 1)
            page.mouse.move(x + 2, y + 3)
            expect(tip).to_contain_text(f"Feature {at.features[row]}")
            canvas.focus()
            for _ in range(2):
                page.keyboard.press("+")
        page.keyboard.press("0")
        page.mouse.move(at.box["x"] + 2, at.box["y"] + 2)

    # A wheel zooms where it is: what is under it stays there.
    row = rows[1]
    page.mouse.move(at.x[row], at.y[row])
    page.mouse.wheel(0, -400)
    page.mouse.move(at.x[row] + 2, at.y[row] + 2)
    expect(tip).to_contain_text(f"Feature {at.features[row]}")
    page.keyboard.press("Enter")
    becomes(page, "features.feature", int(at.features[row]))
    assert not watched.errors and not watched.outside


def test_131072_points_are_shown_moved_and_zoomed(lab: Lab, notebooks: Path, watched: Watched) -> None:
    page = watched.page
    opened(lab, notebooks, page, "wide-map", WIDE)
    expect(page.locator(".saew-map-said [role=status]")).to_have_text("131,072 features")
    first = page.evaluate(PICTURE)
    assert first["drawn"] > 0.2 * first["size"]
    box = place(page.locator(".saew-map canvas").first)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def changes(before: dict[str, int]) -> dict[str, int]:
        page.wait_for_function(f"sum => ({PICTURE})().sum !== sum", arg=before["sum"])
        after: dict[str, int] = page.evaluate(PICTURE)
        assert after["drawn"] > 0
        return after

    page.mouse.move(x, y)  # nowhere is farther than some pixels from a point
    expect(page.locator(".saew-map .saew-tip")).to_contain_text("Feature ")
    page.mouse.down()
    page.mouse.move(x + 80, y + 50, steps=6)
    moved = changes(first)
    page.mouse.up()
    for _ in range(4):
        page.mouse.wheel(0, -300)
    changes(moved)

    # Once it rests, the whole is drawn as it was at first.
    page.locator(".saew-map canvas").first.focus()
    page.keyboard.press("Home")
    page.wait_for_function(f"sum => ({PICTURE})().sum === sum", arg=first["sum"])
    page.get_by_role("button", name="Lasso", exact=True).click()
    page.mouse.move(x - 30, y - 30)
    page.mouse.down()
    for dx, dy in ((30, -30), (30, 30), (-30, 30)):
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    page.wait_for_function("() => /[0-9] features selected/.test(document.querySelector('.saew-map').textContent)")
    assert 100 < python(page, "len(features.selected_features)") <= 10_000
    run_code(page, "engine.close()")  # what remains of all features would keep a core busy
    assert not watched.errors and not watched.outside
