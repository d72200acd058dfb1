"""FeatureBrowser on 131,072 features, and the workbench, in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_all, run_code, sees, write_notebook
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SHOWN = {("Features", "Dashboard"): "browser dashboard", ("Text", "Steering"): "heatmap steering"}
WIDE = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "tests" / "unit")!r})
import torch, tiny, saewidgets as sw
from sae_lens.saes import TopKSAE, TopKSAEConfig
from sae_lens.saes.sae import SAEMetadata
torch.manual_seed(0)
N = 131_072
facts = SAEMetadata(hook_name="blocks.1.hook_resid_pre", context_size=64)
sae = TopKSAE(TopKSAEConfig(d_in=tiny.D_MODEL, d_sae=N, k=300, metadata=facts))
with torch.no_grad():
    for p in sae.parameters(): p.normal_(0, 0.2)
engine = sw.Engine(tiny.hooked(), sae)
texts = [f"the heaven and the earth number {{i}} was without form" for i in range(40)]
index = sw.build_index(engine, texts, "wide-index", progress=False)
sizes = []
browser = sw.FeatureBrowser(index)
"""
# Everything that goes to the front-end passes here: JSON and buffers, as the comm is given them.
COUNT = """
send = browser.send
def counted(content, buffers=None):
    sizes.append(len(json.dumps(content, ensure_ascii=False).encode()) + sum(map(len, buffers or [])))
    send(content, buffers)
browser.send = counted
browser
"""


def numbers(page: Page) -> list[int]:
    return [int(text) for text in page.locator(".saew-table tbody td b").all_inner_texts()]


def test_a_table_of_131072_features(lab: Lab, notebooks: Path, watched: Watched) -> None:
    page = watched.page
    write_notebook(notebooks / "wide.ipynb", [WIDE, COUNT])
    lab.open(page, "wide.ipynb")
    run_all(page)
    table = page.locator(".jp-Notebook table[role=grid]")
    expect(table).to_have_attribute("aria-rowcount", "131073")
    expect(table).to_have_attribute("aria-busy", "false")
    rows = page.locator(".saew-table tbody tr")
    sees(lambda: 0 < rows.count() < 60, True)  # what is in sight, and no more

    # To the end, with one key; the last row is the kernel's last.
    table.focus()
    page.keyboard.press("End")
    last = python(page, "int(browser.features[-1])")
    expect(rows.last.locator("b")).to_have_text(str(last))
    expect(rows.last).to_have_attribute("aria-rowindex", "131073")
    # With the wheel's own bar, somewhere in the middle.
    page.locator(".saew-table").evaluate("box => { box.scrollTop = 26 * 70000; }")
    expect(rows.first.locator("b")).to_have_text(str(python(page, "int(browser.features[70000])")))

    # Sorted by a column, the other way round, and filtered.
    page.get_by_role("button", name="max", exact=True).click()
    expect(rows.first.locator("b")).to_have_text(str(python(page, "int(index.order('max')[0])")))
    becomes(page, "browser.sort", "max")
    run_code(page, "browser.filters = {'density': [0.01, None]}")
    kept = python(page, "int((index.features['density'] >= 0.01).sum())")
    assert 0 < kept < 131_072
    expect(table).to_have_attribute("aria-rowcount", str(kept + 1))
    expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()

    # Found by number, ticked, opened.
    page.get_by_label("Search what is said of features").fill("131071")
    run_code(page, "browser.filters = {}")
    expect(rows.first.locator("b")).to_have_text("131071")
    rows.first.locator("input").check()
    becomes(page, "browser.selected_features", [131071])
    rows.first.locator("b").click()
    becomes(page, "browser.feature", 131071)
    expect(page.locator("aside .saew-glance")).to_contain_text("Feature 131071")
    assert max(python(page, "sizes")) <= 100_000
    run_code(page, "engine.close()")  # what remains of all features would keep a core busy
    assert not watched.errors and not watched.outside


SMALL = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "tests" / "unit")!r})
import tiny, saewidgets as sw
from dashboard_made import ROWS
engine = sw.Engine(tiny.hooked(), tiny.sae())
index = sw.build_index(engine, ROWS, "small-index", progress=False, wait=True)
bench = sw.explore(engine, index, feature=3, text="In the beginning God created", prompt="In the beginning")
bench
"""


def test_the_workbench_looks_at_one_feature(lab: Lab, notebooks: Path, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 1900, "height": 1000})
    write_notebook(notebooks / "bench.ipynb", [SMALL])
    lab.open(page, "bench.ipynb")
    run_all(page)
    box = page.locator(".saew-explore")
    expect(box).to_have_attribute("data-shown", "browser dashboard")
    expect(page.locator(".saew-dashboard h2")).to_have_text("Feature 3")

    # A click in the table opens the dashboard; all views have it.
    row = page.locator(".saew-browser .saew-table tbody tr").nth(4)
    chosen = int(row.locator("b").inner_text())
    row.locator("b").click()
    expect(page.locator(".saew-dashboard h2")).to_have_text(f"Feature {chosen}")
    becomes(page, "[v.feature for v in (bench, bench.heatmap, bench.steering, bench.bar)]", [chosen] * 4)

    # A name that is given in the dashboard is in every view at once.
    page.get_by_role("button", name="add a label").click()
    page.get_by_label("Label", exact=True).fill("named in the dashboard")
    page.keyboard.press("Enter")
    becomes(page, f"index.label({chosen})", "named in the dashboard")
    expect(row.locator(".saew-label")).to_have_text("named in the dashboard")
    expect(page.locator(".saew-bench-feature")).to_contain_text("named in the dashboard")
    page.get_by_role("button", name="Text", exact=True).click()
    expect(page.locator(".saew-heatmap .saew-chip")).to_contain_text("named in the dashboard")
    page.get_by_role("button", name="Steering", exact=True).click()
    expect(page.locator(".saew-steering .saew-chip")).to_contain_text("named in the dashboard")

    for left, right in (("Features", "Dashboard"), ("Text", "Steering")):
        page.get_by_role("button", name=left, exact=True).click()
        page.get_by_role("button", name=right, exact=True).click()
        expect(box).to_have_attribute("data-shown", SHOWN[left, right])

    # Views that are made when they are looked at, of what is selected.
    page.get_by_role("button", name="Map", exact=True).click()
    expect(page.locator(".saew-map canvas").first).to_be_visible()
    page.get_by_role("button", name="Shape", exact=True).click()
    expect(page.locator(".saew-subspace canvas").first).to_be_visible()
    becomes(page, "bench.subspace.features[0]", chosen)
    page.get_by_role("button", name="Pair", exact=True).click()
    expect(page.locator(".saew-beside canvas").first).to_be_visible()
    becomes(page, "(bench.beside.feature_a, bench.map.feature)", [chosen, chosen])

    # Narrow: one at a time.
    page.set_viewport_size({"width": 1000, "height": 1000})
    expect(box).to_have_attribute("data-wide", "false")
    page.get_by_role("button", name="Features", exact=True).click()
    expect(page.locator(".saew-browser")).to_be_visible()
    expect(page.locator(".saew-dashboard")).to_be_hidden()
    bar = page.locator(".saew-bench")
    bar.get_by_role("button", name="Full screen").click()
    page.wait_for_function("() => document.fullscreenElement?.matches('.saew-explore')")
    expect(page.locator(".saew-browser")).to_be_visible()
    bar.get_by_role("button", name="Leave full screen").click()
    page.wait_for_function("() => !document.fullscreenElement && !document.querySelector('[data-full]')")
    assert not watched.errors and not watched.outside
