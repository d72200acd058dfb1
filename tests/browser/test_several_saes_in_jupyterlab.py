"""Views of an engine with several SAEs in a real JupyterLab: one is chosen by hand, and what is on screen is of that one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab import Lab, Watched, becomes, python, run_all, write_notebook
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

CELLS = """import sys
sys.path[:0] = [{tests!r}]
import tiny, saewidgets as sw
hooks = {{"late": "blocks.1.hook_resid_pre", "early": "blocks.0.hook_resid_pre"}}
engine = sw.Engine(tiny.hooked(), {{name: tiny.sae("standard", hook, seed=i) for i, (name, hook) in enumerate(hooks.items())}})
text = "In the beginning God created"
def first(sae): return list(map(int, engine.activations(text, sae=sae).top(25)))
---
heatmap = sw.TokenFeatureHeatmap(engine, text); heatmap
---
prompts = sw.PromptComparison(engine, texts=[text, "In the beginning God said"]); prompts
---
panel = sw.AttributionPanel(engine, prompt=text, target=" the"); panel
"""


@pytest.fixture
def page(lab: Lab, notebooks: Path, watched: Watched) -> Page:
    tests = str(Path(__file__).parents[1] / "unit")
    write_notebook(notebooks / "layers.ipynb", CELLS.format(tests=tests).split("---\n"))
    page = watched.page
    lab.open(page, "layers.ipynb")
    run_all(page)
    return page


def view(page: Page, name: str) -> Locator:
    shown = page.locator(f".jp-Notebook .saew-{name}")
    shown.scroll_into_view_if_needed()
    return shown


def listed(shown: Locator) -> Locator:
    return shown.locator(".saew-ranking .saew-feature")


def numbers(features: list[int]) -> list[str]:
    return [str(f) for f in features]


def test_one_of_several_saes_is_shown(page: Page) -> None:
    heatmap = view(page, "heatmap")
    layer = heatmap.get_by_label("features of")
    expect(layer.locator("option")).to_have_text(["early", "late"])
    expect(layer).to_have_value("late")
    expect(listed(heatmap)).to_have_text(numbers(python(page, "first('late')")))
    listed(heatmap).first.click()
    becomes(page, "len(heatmap.features)", 1)
    heatmap.locator(".saew-t").nth(2).click()
    becomes(page, "heatmap.selected_tokens", [2])
    layer.select_option("early")
    becomes(page, "[heatmap.sae, heatmap.features, heatmap.selected_tokens]", ["early", [], [2]])
    heatmap.locator(".saew-t").nth(2).click()
    becomes(page, "heatmap.selected_tokens", [])
    expect(listed(heatmap)).to_have_text(numbers(python(page, "first('early')")))
    expect(heatmap.locator(".saew-footer")).to_contain_text("blocks.0.hook_resid_pre")
    python(page, "setattr(heatmap, 'sae', '')")
    expect(layer).to_have_value("late")
    expect(listed(heatmap)).to_have_text(numbers(python(page, "first('late')")))

    prompts = view(page, "comparison")
    prompts.get_by_label("features of").select_option("early")
    becomes(page, "prompts.sae", "early")
    expect(listed(prompts)).to_have_text(numbers(python(page, "list(map(int, prompts.to_pandas().index))")))
    expect(prompts.locator(".saew-footer")).to_contain_text("blocks.0.hook_resid_pre")

    panel = view(page, "attribution")
    layers = panel.get_by_role("table", name="By layer")
    expect(layers.locator("tbody th")).to_have_text(["early", "late"])
    layers.get_by_role("button", name="early").click()
    becomes(page, "panel.sae", "early")
    table = "panel.attribution.by_feature(sae='early')"
    expect(listed(panel)).to_have_text(numbers(python(page, f"{table}['feature'].head(20).tolist()")))
    expect(layers.get_by_role("button", name="early")).to_have_attribute("aria-pressed", "true")
    told = python(page, f"f\"{{{table}['attribution'].clip(lower=0).sum():.3g}}\"")
    expect(layers.locator("tbody tr").first.locator("td").nth(1)).to_have_text(
        re.compile(rf"^\+?{re.escape(told[:4])}")
    )
